"""The bot under load for minutes: commands, clicks, looks, faults, deploys and crashes together.

`python -m tests.soak` runs it, `tests/test_soak.py` runs a short share of it. WeChat and Slack live in this
process; each bot is a real process that gets real signals.

| file | holds |
| --- | --- |
| `plan` | how long each bot lives, and how it ends |
| `fleet` | the bots, one after another; who takes commands; memory and handles of each |
| `people` | commands and clicks, and what came of each |
| `mishaps` | what goes wrong at Slack and at WeChat meanwhile |
| `run` | all of these together, beside the script and the oracle of the crash tests |
| `verdict` | what came of a run, and what is wrong with it |
| `report` | the page |
"""
