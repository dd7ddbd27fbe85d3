"""Messages that fail by themselves: log each fault once, and skip them for a while, so that others are sent."""

from __future__ import annotations

from bot.runtime.logs import fault_words

PAUSE = 300.0  # seconds before a message that the database refuses to change is tried again
MOST = 1000  # faults that are kept, so that they are not logged again


class FailingMessages:
    """The faults that this process has met. Times come from a stopwatch, in seconds."""

    def __init__(self) -> None:
        self._logged: dict[tuple[str, ...], None] = {}
        self._left_until: dict[str, float] = {}

    def is_new(self, exc: Exception, *item: str) -> bool:
        """Check whether this fault of an item is to be logged: the same one is logged once."""
        fault = (*item, fault_words(exc))
        if fault in self._logged:
            return False
        self._logged[fault] = None
        if len(self._logged) > MOST:
            del self._logged[next(iter(self._logged))]
        return True

    def leave_alone(self, message_id: str, now: float) -> None:
        """Skip this message for some minutes: the database accepts neither its outcome nor its end."""
        self._left_until[message_id] = now + PAUSE

    def left_alone(self, now: float) -> list[str]:
        """Return the IDs of the messages that are skipped now."""
        self._left_until = {one: until for one, until in self._left_until.items() if now < until}
        return list(self._left_until)
