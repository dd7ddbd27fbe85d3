"""Crash tests: kill the bot repeatedly while Slack fails. No alert may be lost or repeated.

`python -m tests.crash` runs them on both stores, behind a pooler, and with clocks that differ.
`tests/test_crash.py` runs a small share. The simulated WeChat and Slack live in the test process; the bot is a real
process that gets a real SIGKILL.

| file | content |
| --- | --- |
| `failpoints` | the places where the bot is killed |
| `failpoint_bot` | the bot that kills itself at a database commit |
| `fault_proxy` | the server before the simulated Slack: kills the bot at a request |
| `workload` | what users do in WeChat meanwhile, and the events that must be reported |
| `faults` | failures of Slack meanwhile |
| `oracle` | which alerts were posted, lost or repeated: judged by the channel, never by the bot's store |
| `environment` | all of these together, without the bot |
| `runner` | one store: many kills, then one bot that keeps running, then the verdict |
| `stores`, `report` | databases; the table |
"""
