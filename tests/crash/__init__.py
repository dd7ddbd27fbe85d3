"""The bot killed again and again, while Slack takes messages and loses answers: nothing lost, nothing told twice.

`python -m tests.crash` runs it on both stores, and with `--stores pgbouncer` behind a pooler.
`tests/test_crash.py` runs a small share of it. The world (a simulated WeChat and a Slack stand-in) lives in this
process, the bot is a real process that gets a real SIGKILL.

| file | holds |
| --- | --- |
| `points` | where it is killed |
| `victim` | the bot that kills itself at a commit |
| `gate` | the way to Slack, where it is killed at a request |
| `script` | what people do in WeChat meanwhile, and so what has to be told |
| `mishaps` | what goes wrong at Slack meanwhile |
| `oracle` | what was told, lost, repeated: judged by the channel, never by the bot's store |
| `world` | all of these together: everything but the bot |
| `arena` | one store: kill after kill, then one bot that is left alone, then the verdict |
| `stores`, `report` | databases; the table |
"""
