"""Placeholders for episodes that cannot be rendered, so that a message still shows the others."""

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
    """Render a message. If it has several episodes, a placeholder replaces each that cannot be rendered.

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
    """Return the episode if it can be rendered, else its placeholder; None if that cannot be rendered either."""
    try:
        render([member])
    except Exception as exc:
        if faults and faults.is_new(exc, message_id, member.id):
            account, error = masked(member.account_key), fault_words(exc)
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
    """Return an episode with only the account, the state and the events of another."""
    return Episode(
        id=member.id,
        account_key=member.account_key,
        invite_wx="",
        expires_at=None,
        state=member.state,
        first_seen=member.first_seen,
        state_since=member.state_since,
        events=member.events,
        replaced_at=member.replaced_at,
    )
