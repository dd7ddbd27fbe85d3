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
    render: Render, episodes: Sequence[Episode], message_id: str, faults: FailingMessages | None
) -> Message:
    """Render a message. If it has several episodes, a placeholder replaces each that cannot be rendered.

    Raises:
        Exception: the message cannot be rendered at all.
    """
    try:
        return render(episodes)
    except Exception:
        if len(episodes) < 2:
            raise
        shown = [one for episode in episodes if (one := _showable(render, episode, message_id, faults))]
        if not shown:
            raise
        return render(shown)


def _showable(render: Render, episode: Episode, message_id: str, faults: FailingMessages | None) -> Episode | None:
    """Return the episode if it can be rendered, else its placeholder; None if that cannot be rendered either."""
    try:
        render([episode])
    except Exception as exc:
        if faults and faults.is_new(exc, message_id, episode.id):
            account, error = masked(episode.account_key), fault_words(exc)
            log.error(LogEvent("account cannot be shown", message=message_id, account=account, error=error))
    else:
        return episode
    plain = _placeholder(episode)
    try:
        render([plain])
    except Exception:
        return None
    return plain


def _placeholder(episode: Episode) -> Episode:
    """Return an episode with only the account, the state and the events of another."""
    return Episode(
        id=episode.id,
        account_key=episode.account_key,
        invite_wx="",
        expires_at=None,
        state=episode.state,
        first_seen=episode.first_seen,
        state_since=episode.state_since,
        events=episode.events,
        replaced_at=episode.replaced_at,
    )
