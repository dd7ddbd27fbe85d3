"""What leaves in Slack's message metadata: marks that the bot alone can recognise, and that name nobody. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any

from bot.alerting.episode import AlertEvent, Change, Episode
from bot.outbox.messages import MessageKind, NewMessage

VERSION = 1
STEP = 120  # seconds: as far as a deadline may move and be the same
EVENT_TYPE = "kf_alert"


class EventKeys:
    """HMAC-SHA-256 of keys under the AppSecret, cut to 32 hex digits.

    Every app and member of a workspace can read metadata, so a mark must not be guessable. After a changed
    AppSecret only the messages in flight at that moment cannot be recognised.
    """

    def __init__(self, secret: str, appid: str) -> None:
        self._secret = secret.encode()
        self._appid = appid

    def of(self, *parts: str) -> str:
        key = "\0".join((self._appid, *parts)).encode("utf-8", "replace")
        return hmac.digest(self._secret, key, "sha256").hex()[:32]

    def of_drafts(self, drafts: Sequence[NewMessage], changes: Sequence[Change]) -> dict[str, tuple[str, ...]]:
        """By draft id, the marks of the events it tells."""
        episodes = {change.after.id: change.after for change in changes}
        return {
            draft.id: tuple(self.of_event(episodes[episode_id], event) for episode_id, event in draft.tells)
            for draft in drafts
        }

    def of_event(self, episode: Episode, event: AlertEvent, *, moved: int = 0) -> str:
        """Return the mark of one event. WeChat may shift a deadline a little, so it is counted in steps.

        The repetition of an invitation is part of the key only when it is not 0: earlier releases made such marks.

        Args:
            moved: as it was when the deadline was so many steps later.
        """
        again = [str(episode.repetition)] if episode.repetition else []
        step = str(int(episode.expires_at.timestamp()) // STEP + moved) if episode.expires_at else ""
        lead = str(int(event.lead.total_seconds()))
        return self.of("event", episode.seat, episode.invite_wx, step, event.kind, lead, *again)

    def of_message(self, message_id: str) -> str:
        return self.of("message", message_id)

    def metadata(self, message_id: str, shape: MessageKind, events: Sequence[str]) -> dict[str, Any]:
        """Slack's `metadata`: `k` marks the message, `s` is its shape, `e` marks its events."""
        payload = {"v": VERSION, "k": self.of_message(message_id), "s": shape.value, "e": ",".join(events)}
        return {"event_type": EVENT_TYPE, "event_payload": payload}
