"""The requests in progress: a process that ends waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class OpenRequests:
    """A count of requests that are being acknowledged."""

    def __init__(self) -> None:
        self._number = 0
        self._has_none = asyncio.Event()
        self._has_none.set()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request as in progress until the end of the block."""
        self._number += 1
        self._has_none.clear()
        try:
            yield
        finally:
            self._number -= 1
            if self._number == 0:
                self._has_none.set()

    async def finish(self, seconds: float) -> None:
        """Wait until none is in progress, but no longer than this."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_none.wait(), seconds)
