"""The answer when WeChat could not be read. It never says that there are no accounts."""

from __future__ import annotations

from datetime import datetime

from bot import actions
from bot.accounts import Reading
from bot.blocks import builders
from bot.blocks.problems import Trouble
from bot.blocks.times import alone, date
from bot.ports import Message
from bot.text import many


def failure(trouble: Trouble, now: datetime, *, retry: str, last_good: Reading | None) -> Message:
    """No header: it is no alarm. `retry` is the button value of what was asked."""
    copy = f"\n```{trouble.copy}```" if trouble.copy else ""
    blocks = [
        builders.section(f"{builders.TROUBLE} *{trouble.title}*\n{trouble.why}"),
        builders.section(f"*Next:* {trouble.next}{copy}"),
        *([builders.context(_remembered(last_good, now))] if last_good else []),
        builders.actions(
            builders.button("Try again", actions.RETRY, retry), *([builders.console()] if trouble.console else [])
        ),
        builders.context(" · ".join(trouble.facts)),
    ]
    return Message(trouble.spoken, blocks)


def _remembered(reading: Reading, now: datetime) -> str:
    due = len(reading.due)
    found = f"{due} of {many(len(reading.rows), 'account')}" if due else "nothing"
    return f"{date(reading.at, alone(reading.at, now), 'Last good read ')}: {found} needed attention."
