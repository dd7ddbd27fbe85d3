"""Rests that Slack asks for: its limits hold for a method, whichever account calls it."""

from __future__ import annotations

from enum import StrEnum


class Rested(StrEnum):
    """What rests."""

    EDITS = "edits"
    LOOKUPS = "lookups"


class Rests:
    """The rests of all accounts of a process, by its stopwatch."""

    def __init__(self) -> None:
        self._until: dict[tuple[Rested, str], float] = {}

    def begin(self, what: Rested, until: float, channel_id: str = "") -> None:
        """Rest until then: in one channel, or in all of them."""
        self._until[what, channel_id] = until

    def lasts(self, what: Rested, channel_id: str, now: float) -> bool:
        """Return whether a rest of the channel, or of all, is not over."""
        return any(now < self._until.get((what, one), now) for one in ("", channel_id))
