"""Stand-ins for members of a message that cannot be rendered, so that the others are shown."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from bot.alerting.episode import Episode
from bot.delivery.failing_messages import FailingMessages
from bot.ports import Message
from bot.runtime.logs import LogEvent, fault_words
from bot.text import masked

log = logging.getLogger(__name__)

Render = Callable[[Sequence[Episode]], Message]


def with_placeholders(
    render: Render, members: Sequence[Episode], message_id: str, faults: FailingMessages | None
) -> Message:
    """Render a message. Of many members, a stand-in takes the place of each that cannot be shown.

    Raises:
        Exception: the message cannot be rendered at all.
    """
    try:
        return render(members)
    except Exception:
        if len(members) < 2:
            raise
        shown = [one for member in members if (one := _showable(render, member, message_id, faults))]
        if not shown:
            raise
        return render(shown)


def _showable(render: Render, member: Episode, message_id: str, faults: FailingMessages | None) -> Episode | None:
    """Return the member if it can be rendered, else what identifies it, else None."""
    try:
        render([member])
    except Exception as exc:
        if faults and faults.is_new(exc, message_id, member.id):
            account, error = masked(member.seat), fault_words(exc)
            log.error(LogEvent("account cannot be shown", message=message_id, account=account, error=error))
    else:
        return member
    plain = _placeholder(member)
    try:
        render([plain])
    except Exception:
        return None
    return plain


def _placeholder(member: Episode) -> Episode:
    """Leave of an episode only its account, its state and its events."""
    return Episode(
        id=member.id,
        seat=member.seat,
        invite_wx="",
        expires_at=None,
        state=member.state,
        first_seen=member.first_seen,
        since=member.since,
        told=member.told,
        replaced_at=member.replaced_at,
    )
