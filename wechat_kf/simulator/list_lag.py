"""Writes that the list does not show yet."""

from __future__ import annotations

from dataclasses import dataclass

from wechat_kf.simulator.seats import Seats


@dataclass(slots=True)
class _HiddenWrite:
    before: Seats
    reads: int


class ListLag:
    """The seats before each write that is still hidden, oldest first."""

    def __init__(self) -> None:
        self._hidden: list[_HiddenWrite] = []

    def hide(self, before: Seats, reads: int) -> None:
        """Hide a write from the next reads of the list. `before` are the seats without it."""
        if reads:
            self._hidden.append(_HiddenWrite(before, reads))

    def next_read(self, current: Seats) -> Seats:
        """Count one read of the list, and return the seats that it shows."""
        shown = self._hidden[0].before if self._hidden else current
        for write in self._hidden:
            write.reads -= 1
        self._hidden = [write for write in self._hidden if write.reads]
        return shown
