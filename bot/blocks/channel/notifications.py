"""What stands in the channel, by shape. A rendering is a view: equal members and facts give an equal message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.blocks import builders
from bot.blocks.channel import alerts, deeds, digests, incident_notices, quiet_summary, thread_replies
from bot.blocks.channel.groups import Crowd
from bot.blocks.context import Look
from bot.blocks.times import spoken_in
from bot.episodes import Episode
from bot.outages import Incident
from bot.outbox import Shape
from bot.ports import Message

__all__ = ["Look", "render", "text_only"]

REPEAT = "Possible repeat: Slack did not confirm the first posting."


def render(
    shape: Shape,
    facts: Mapping[str, Any],
    members: Sequence[Episode],
    incident: Incident | None,
    look: Look,
    *,
    message_id: str = "",
    pinging: bool = False,
) -> Message:
    """Render a message as its members, or its incident, stand.

    Args:
        facts: what its draft carries.
        members: the episodes it tells, in the draft's order.
        message_id: the draft's; buttons for all of its members carry it.
        pinging: it is about to be posted. It may call `look.mention`, and nobody else: people who took something in
            hand are named. An edit pings nobody, so it shows them as Slack does, and the call is gone.
    """
    # Not the present: a rendering must not change while its members do not.
    around = max((member.since for member in members), default=None)
    with spoken_in(look.spoken, around):
        message = _render(shape, facts, members, incident, look, message_id, pinging)
    if not facts.get("repeat"):
        return message
    return replace(message, text=f"{message.text} {REPEAT}", blocks=[*message.blocks, builders.context(REPEAT)])


def text_only(message: Message, mention: str) -> Message:
    """The same without blocks, which Slack refused. Whom the blocks call, the text calls."""
    sections = [block["text"]["text"] for block in message.blocks if block["type"] == "section"]
    called = mention and any(mention in text for text in sections)
    return Message(f"{mention} {message.text}" if called else message.text)


def _render(
    shape: Shape,
    facts: Mapping[str, Any],
    members: Sequence[Episode],
    incident: Incident | None,
    look: Look,
    message_id: str,
    pinging: bool,
) -> Message:
    if shape is Shape.HEALTH:
        return incident_notices.notice(incident, look.poll, look.platform) if incident else _forgotten()
    if shape is Shape.NOTE:
        return incident_notices.note(facts, look.platform)
    if shape is Shape.LINE and "deed" in facts:
        return deeds.line(members, facts)
    if not members:
        return _forgotten()
    crowd = Crowd.of(members, facts, look, message_id, pinging=pinging)
    match shape:
        case Shape.PROBLEM:
            return alerts.root(members[0], facts, look, pinging=pinging)
        case Shape.LINE:
            return thread_replies.line(members[0], facts, look, pinging=pinging)
        case Shape.NAMES:
            return thread_replies.names(members)
        case Shape.DIGEST:
            return digests.digest(crowd)
        case Shape.FIRST_RUN:
            return digests.first_run(crowd)
        case Shape.QUIET:
            return quiet_summary.after_quiet(crowd)


def _forgotten() -> Message:
    """For a message that outlived the memory of what it told."""
    return Message(
        "This message is out of date. /kf shows the present state.",
        [builders.section("This message is out of date. */kf* shows the present state.")],
    )
