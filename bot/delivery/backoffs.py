"""Backoffs that Slack asks for: its limits hold for a method, whichever account calls it."""

from __future__ import annotations

from enum import StrEnum


class RequestKind(StrEnum):
    """The requests that wait until a backoff is over."""

    EDITS = "edits"
    LOOKUPS = "lookups"


class Backoffs:
    """The backoffs of all accounts of a process, by its stopwatch."""

    def __init__(self) -> None:
        self._until: dict[tuple[RequestKind, str], float] = {}

    def begin(self, kind: RequestKind, until: float, channel_id: str = "") -> None:
        """Send no such requests until then: in one channel, or in all of them."""
        self._until[kind, channel_id] = until

    def lasts(self, kind: RequestKind, channel_id: str, now: float) -> bool:
        """Return whether a backoff of the channel, or of all, is not over."""
        return any(now < self._until.get((kind, one), now) for one in ("", channel_id))
