"""Faults of single messages: logged once, and left alone for a while, so that the other messages go on."""

from __future__ import annotations

from bot.runtime.logs import fault_words

PAUSE = 300.0  # seconds before a message that the database refuses to change is tried again
MOST = 1000  # faults that are remembered, so that they are not logged again


class FailingMessages:
    """The faults that this process has met. Times are those of a stopwatch, in seconds."""

    def __init__(self) -> None:
        self._logged: dict[tuple[str, ...], None] = {}
        self._left_until: dict[str, float] = {}

    def is_new(self, exc: Exception, *subject: str) -> bool:
        """Check whether this fault of a subject is to be logged: the same one is logged once."""
        fault = (*subject, fault_words(exc))
        if fault in self._logged:
            return False
        self._logged[fault] = None
        if len(self._logged) > MOST:
            del self._logged[next(iter(self._logged))]
        return True

    def leave_alone(self, message_id: str, now: float) -> None:
        """Do not claim this message for some minutes: neither its outcome nor its end can be written down."""
        self._left_until[message_id] = now + PAUSE

    def left_alone(self, now: float) -> list[str]:
        """Return the ids of the messages that are left alone."""
        self._left_until = {one: until for one, until in self._left_until.items() if now < until}
        return list(self._left_until)
