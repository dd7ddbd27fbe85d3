"""What people did, a line each in the thread of the root where they did it. Names are plain: nobody is pinged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.blocks import builders, mentions
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import EDITED, SPOKEN, Dates
from bot.blocks.times import MOMENT, alone
from bot.episodes import Episode
from bot.hands import Deed
from bot.ports import Message


def line(about: Sequence[Episode], facts: Mapping[str, Any]) -> Message:
    """`👤 Acknowledged by Mei. No more reminders for this invitation.`

    `about` may be one, or many, or none that is still remembered.
    """
    ends = _ends(facts)
    who = f": {episode_text.name(about[0])} ({episode_text.account(about[0])})" if len(about) == 1 else ""
    return Message(
        f"{_what(about, facts, SPOKEN.date)}{who}.{ends}",
        [builders.section(f"{builders.PERSON} {_what(about, facts, EDITED.date)}.{ends}")],
    )


def _what(about: Sequence[Episode], facts: Mapping[str, Any], date: Dates) -> str:
    name = mentions.name(facts["name"])
    match Deed(facts["deed"]):
        case Deed.ACKNOWLEDGED:
            return f"Acknowledged by {name}"
        case Deed.SNOOZED:
            return f"Snoozed by {name}{_until(about, facts, date)}"
        case Deed.UNACKNOWLEDGED:
            number = facts.get("count", 1)
            return f"{name} undid the acknowledgement" + (f" of {number} invitations" if number > 1 else "")
        case Deed.UNSNOOZED:
            return f"{name} undid the snooze"


def _until(about: Sequence[Episode], facts: Mapping[str, Any], date: Dates) -> str:
    if facts.get("until") is None:
        return ""
    until = datetime.fromtimestamp(facts["until"], UTC)
    hand = about[0].snoozed if len(about) == 1 else None
    return f" {date(until, alone(until, hand.at) if hand else MOMENT, 'until ')}"


def _ends(facts: Mapping[str, Any]) -> str:
    if facts["deed"] != Deed.ACKNOWLEDGED:
        return ""
    number = facts.get("count", 1)
    these = f"these {number} invitations" if number > 1 else "this invitation"
    return f" No more reminders for {these}."
