"""What leaves in Slack's message metadata: marks that the bot alone can recognise, and that name nobody. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from bot.episodes import Change, Event
from bot.outbox import Draft

VERSION = 1
EVENT_TYPE = "kf_alert"


class Marks:
    """HMAC-SHA-256 of keys under the AppSecret, cut to 32 hex digits.

    Every app and member of a workspace can read metadata, so a mark must not be guessable. After a changed
    AppSecret only the messages in flight at that moment cannot be recognised.
    """

    def __init__(self, secret: str, appid: str) -> None:
        self._secret = secret.encode()
        self._appid = appid

    def of(self, *parts: str) -> str:
        key = "\0".join((self._appid, *parts)).encode("utf-8", "replace")
        return hmac.new(self._secret, key, hashlib.sha256).hexdigest()[:32]

    def of_drafts(self, drafts: Sequence[Draft], changes: Sequence[Change]) -> dict[str, tuple[str, ...]]:
        """By draft id, the marks of the events it tells."""
        episodes = {change.after.id: change.after for change in changes}

        def event_mark(episode_id: str, event: Event) -> str:
            episode = episodes[episode_id]
            deadline = str(int(episode.expires_at.timestamp())) if episode.expires_at else ""
            lead = str(int(event.lead.total_seconds()))
            return self.of("event", episode.seat, episode.invite_wx, deadline, event.kind, lead)

        return {draft.id: tuple(event_mark(*told) for told in draft.tells) for draft in drafts}

    def metadata(self, message_id: str, events: Sequence[str]) -> dict[str, Any]:
        """Slack's `metadata`: `k` marks the message, `e` its events."""
        payload = {"v": VERSION, "k": self.of("message", message_id), "e": ",".join(events)}
        return {"event_type": EVENT_TYPE, "event_payload": payload}
