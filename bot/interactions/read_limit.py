"""How often people may cause reads of WeChat: its daily quota is for the polls, too."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

READS = 60  # in an hour, of one Official Account by one process
HOUR = 3600.0  # seconds


class ReadLimit:
    """Counts the reads of the last hour."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._reads = deque[float](maxlen=READS)

    def note(self) -> None:
        """Count a read that begins now."""
        self._reads.append(self._elapsed())

    def wait(self) -> float:
        """Return the seconds until the next read is within the limit; 0 if it is."""
        if len(self._reads) < READS:
            return 0.0
        return max(0.0, self._reads[0] + HOUR - self._elapsed())
