"""Crash tests: kill the bot repeatedly while Slack and WeChat fail. No alert or operation may be lost or repeated.

`python -m tests.crash` runs them on both stores, behind a pooler, and with clocks that differ.
`tests/test_crash.py` runs a small share. The simulated WeChat and Slack live in the test process; the bot is a real
process that gets a real SIGKILL.

| file | content |
| --- | --- |
| `failpoints` | the places where the bot is killed |
| `failpoint_bot` | the bot that kills itself at a database commit |
| `fault_proxy`, `wechat_proxy` | the servers before the simulated Slack and WeChat: kill the bot at a request |
| `workload` | what users do in WeChat meanwhile, and the events that must be reported |
| `operators` | who invites, adds, renames and deletes in Slack meanwhile, and the failures of WeChat's writes |
| `faults` | failures of Slack meanwhile |
| `oracle` | which alerts were posted, lost or repeated: judged by the channel, never by the bot's store |
| `operation_oracle` | which operations were written twice or reported wrongly: by WeChat, channel and modals |
| `hours` | time passes for the limit of operations in an hour |
| `accounts`, `watched_account` | one Official Account or three, each with its people, operators and judges |
| `confusion` | what a message about one account contains of another |
| `environment` | all of these together, without the bot |
| `runner` | one store: many kills, then one bot that keeps running, then the verdict |
| `stores`, `report` | databases; the table |
"""
