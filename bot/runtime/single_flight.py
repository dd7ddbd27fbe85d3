"""Single-flight cache: concurrent callers share one call, and its result is reused for some time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """A call that concurrent callers share. Its result, never None, is cached; a failure is not."""

    def __init__(
        self, call: Callable[[], Awaitable[T]], good_for: float, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        """Cache a result for `good_for` seconds of `elapsed`, which a clock that is set does not change."""
        self._call = call
        self._good_for = good_for
        self._elapsed = elapsed
        self._flight: asyncio.Task[T] | None = None
        self._finished_at = float("-inf")
        self._last: T | None = None

    def last(self) -> T | None:
        """Return the last result, however old; None before the first."""
        return self._last

    def expire(self) -> None:
        """Let the next caller start a new call, since what the last one found may have changed."""
        self._flight = None
        self._finished_at = float("-inf")

    def age(self) -> float:
        """Return the seconds since the last result; infinite before the first."""
        return self._elapsed() - self._finished_at

    async def get(self) -> tuple[T, bool]:
        """Return the result, and whether it comes from the cache.

        Raises:
            what the call raises, to every caller that waited for it.
        """
        if self._last is not None and self.age() < self._good_for:
            return self._last, True
        if self._flight is None:
            self._flight = asyncio.create_task(self._run())
            self._flight.add_done_callback(self._done)
        # The first caller may be cancelled, and the others still need the result.
        return await asyncio.shield(self._flight), False

    async def _run(self) -> T:
        result = await self._call()
        if self._flight is asyncio.current_task():  # else it began before the last `expire`
            self._last, self._finished_at = result, self._elapsed()
        return result

    def _done(self, asked: asyncio.Task[T]) -> None:
        if self._flight is asked:
            self._flight = None
        if not asked.cancelled():
            asked.exception()  # retrieved: perhaps no caller is left that it could be raised to
