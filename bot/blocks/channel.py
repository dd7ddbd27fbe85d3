"""What stands in the channel, by shape. A rendering is a view: equal members and facts give an equal message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.blocks import alerts, health, kit, summaries, threads
from bot.episodes import AlertPolicy, Episode
from bot.outages import Incident
from bot.outbox import Shape
from bot.ports import Message

SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Look:
    """What every channel message shares."""

    policy: AlertPolicy
    poll: timedelta  # how often WeChat is read while all is well
    zone: ZoneInfo = SHANGHAI  # where "tomorrow 9:00" is
    spoken: ZoneInfo | None = None  # the zone of texts that Slack does not put into the reader's own; None: UTC
    mention: str = ""  # whom to call, as mrkdwn: `<!subteam^S…>`


def render(
    shape: Shape,
    facts: Mapping[str, Any],
    members: Sequence[Episode],
    incident: Incident | None,
    look: Look,
    *,
    pinging: bool = False,
) -> Message:
    """Render a message as its members, or its incident, stand.

    Args:
        facts: what its draft carries.
        members: the episodes it tells, in the draft's order.
        pinging: it is about to be posted, and may call somebody; an edit pings nobody.
    """
    if shape is Shape.HEALTH:
        return health.notice(incident, look.poll) if incident else _forgotten()
    if not members:
        return _forgotten()
    smallest_lead = look.policy.smallest_lead
    match shape:
        case Shape.PROBLEM:
            return alerts.root(members[0], smallest_lead)
        case Shape.LINE:
            return threads.line(members[0], facts, smallest_lead)
        case Shape.NAMES:
            return threads.names(members)
        case Shape.DIGEST:
            return summaries.digest(members, facts, smallest_lead)
        case Shape.FIRST_RUN:
            return summaries.first_run(members, facts, smallest_lead)


def _forgotten() -> Message:
    """For a message that outlived the memory of what it told."""
    return Message(
        "This message is out of date. /kf shows the present state.",
        [kit.section("This message is out of date. */kf* shows the present state.")],
    )
