"""Soak test: the bot under load for minutes, with commands, clicks, operations, polls, faults, deploys and crashes.

`python -m tests.soak` runs it, `tests/test_soak.py` runs a short share. The simulated WeChat and Slack live in the
test process; each bot is a real process that gets real signals.

| file | content |
| --- | --- |
| `schedule` | how long each bot runs, and how it is replaced |
| `processes` | the bots, one after another; which one receives commands; memory and handles of each |
| `load` | users' commands and clicks, and their outcomes |
| `faults` | failures of Slack and WeChat meanwhile |
| `environment` | simulated WeChat and Slack, with workload, operators and oracles of the crash tests |
| `run` | all of these together |
| `results` | the outcome of a run, and its complaints |
| `report` | the page |
"""
