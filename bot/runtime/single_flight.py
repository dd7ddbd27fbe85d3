"""One answer for all who ask at the same time, and for those who ask soon after. Knows nothing of what is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """A question that is put once for everybody who waits for its answer, never None. A failure is theirs alone."""

    def __init__(
        self, ask: Callable[[], Awaitable[T]], good_for: float, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        """A good answer is given again for `good_for` seconds of `elapsed`, which no change of the clock moves."""
        self._ask = ask
        self._good_for = good_for
        self._elapsed = elapsed
        self._asking: asyncio.Task[T] | None = None
        self._answered_at = float("-inf")
        self._last: T | None = None

    def last(self) -> T | None:
        """The last good answer, however old; None before the first."""
        return self._last

    async def get(self) -> tuple[T, bool]:
        """The answer, and whether it is one that was given before.

        Raises:
            what `ask` raises, to everybody who waited for it.
        """
        if self._last is not None and self._elapsed() - self._answered_at < self._good_for:
            return self._last, True
        if self._asking is None:
            self._asking = asyncio.create_task(self._put())
            self._asking.add_done_callback(self._done)
        # Whoever asked first may give up, and must not take the answer away from the others.
        return await asyncio.shield(self._asking), False

    async def _put(self) -> T:
        answer = await self._ask()
        self._last, self._answered_at = answer, self._elapsed()
        return answer

    def _done(self, asked: asyncio.Task[T]) -> None:
        self._asking = None
        if not asked.cancelled():
            asked.exception()  # seen: nobody may be left to whom it could be raised
