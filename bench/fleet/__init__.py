"""A fleet of simulated Official Accounts: steady polls, catch-up and a killed process, for each queue backend.

`posts` counts what many of them post at once.

`make fleet` measures it for ten minutes, `make bench` for a minute.
"""
