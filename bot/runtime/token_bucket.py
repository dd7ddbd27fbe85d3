"""A limit on how often something happens. Pure: the time is an argument."""

from __future__ import annotations


class TokenBucket:
    """Holds up to `rate` tokens, at least one, and gets `rate` more a second."""

    def __init__(self, rate: float, now: float) -> None:
        """Begin with a full bucket. Times are seconds of a monotonic clock."""
        self._rate = rate
        self._size = max(rate, 1.0)
        self._tokens = self._size
        self._counted_at = now

    def available(self, now: float) -> int:
        """Return how many tokens can be taken."""
        self._tokens = min(self._size, self._tokens + self._rate * (now - self._counted_at))
        self._counted_at = now
        return int(self._tokens)

    def take(self, number: int) -> None:
        self._tokens -= number
