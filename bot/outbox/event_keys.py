"""HMAC keys for Slack message metadata: recognisable by this bot, opaque to everyone else. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any

from bot.alerting.episode import AlertEvent, Change, Episode
from bot.outbox.messages import MessageKind, NewMessage

VERSION = 1
STEP = 120  # seconds: how far WeChat may shift a deadline
EVENT_TYPE = "kf_alert"


class EventKeys:
    """HMAC-SHA-256 of keys under the AppSecret, cut to 32 hex digits.

    Every app and member of a workspace can read metadata, so a key must not be guessable. After a change of the
    AppSecret, earlier messages are not recognised: posts with an unknown outcome then are repeated.
    """

    def __init__(self, secret: str, appid: str) -> None:
        self._secret = secret.encode()
        self._appid = appid

    def key(self, *parts: str) -> str:
        key = "\0".join((self._appid, *parts)).encode("utf-8", "replace")
        return hmac.digest(self._secret, key, "sha256").hex()[:32]

    def keys_of(self, messages: Sequence[NewMessage], changes: Sequence[Change]) -> dict[str, tuple[str, ...]]:
        """Return the keys of the events of each message, by its id."""
        episodes = {change.after.id: change.after for change in changes}
        return {
            message.id: tuple(self.event_key(episodes[episode_id], event) for episode_id, event in message.events)
            for message in messages
        }

    def event_key(self, episode: Episode, event: AlertEvent, *, moved: int = 0) -> str:
        """Return the key of one event. WeChat may shift a deadline a little, so it is rounded to steps.

        The repetition of an invitation is part of the key only if it is not 0: earlier releases made such keys.

        Args:
            moved: the number of steps to add to the deadline, to find the key of an earlier deadline.
        """
        repetition = [str(episode.repetition)] if episode.repetition else []
        step = str(int(episode.expires_at.timestamp()) // STEP + moved) if episode.expires_at else ""
        lead = str(int(event.lead.total_seconds()))
        return self.key("event", episode.account_key, episode.invite_wx, step, event.kind, lead, *repetition)

    def message_key(self, message_id: str) -> str:
        return self.key("message", message_id)

    def metadata(self, message_id: str, kind: MessageKind, events: Sequence[str]) -> dict[str, Any]:
        """Return Slack's `metadata`: `k` is the key of the message, `s` its kind, `e` the keys of its events."""
        payload = {"v": VERSION, "k": self.message_key(message_id), "s": kind.value, "e": ",".join(events)}
        return {"event_type": EVENT_TYPE, "event_payload": payload}
