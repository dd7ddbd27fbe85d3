"""A fleet of simulated Official Accounts: steady polls, catch-up, a killed process, for each queue backend; and what
many accounts post at once.

`make fleet` measures it for ten minutes, `make bench` for a minute.
"""
