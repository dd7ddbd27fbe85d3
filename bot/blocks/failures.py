"""The answer when WeChat could not be read. It never says that there are no accounts."""

from __future__ import annotations

from datetime import datetime

from bot import actions
from bot.blocks import kit
from bot.blocks.reading import Reading
from bot.blocks.text import many
from bot.blocks.times import alone, date
from bot.blocks.troubles import Trouble
from bot.ports import Message


def failure(trouble: Trouble, now: datetime, *, retry: str, last_good: Reading | None) -> Message:
    """No header: it is no alarm. `retry` is the button value of what was asked."""
    copy = f"\n```{trouble.copy}```" if trouble.copy else ""
    blocks = [
        kit.section(f"{kit.TROUBLE} *{trouble.title}*\n{trouble.why}"),
        kit.section(f"*Next:* {trouble.next}{copy}"),
        *([kit.context(_remembered(last_good, now))] if last_good else []),
        kit.actions(kit.button("Try again", actions.RETRY, retry), *([kit.console()] if trouble.console else [])),
        kit.context(" · ".join(trouble.facts)),
    ]
    return Message(trouble.spoken, blocks)


def _remembered(reading: Reading, now: datetime) -> str:
    due = len(reading.due)
    found = f"{due} of {many(len(reading.rows), 'account')}" if due else "nothing"
    return f"{date(reading.at, alone(reading.at, now), 'Last good read ')}: {found} needed attention."
