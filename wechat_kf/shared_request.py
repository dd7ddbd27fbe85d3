"""One request for concurrent callers, as the sources of access tokens make it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class SharedRequest:
    """A request that the first caller starts and later ones join. It goes on if a caller is cancelled."""

    __slots__ = ("_task",)  # there may be thousands of token sources, each with one

    def __init__(self) -> None:
        self._task: asyncio.Task[str] | None = None

    @property
    def is_under_way(self) -> bool:
        return self._task is not None

    async def join(self, start: Callable[[], Coroutine[Any, Any, str]]) -> str:
        """Return the result of the request that is under way, or of a new one, or raise what it raises."""
        if self._task is None:
            self._task = asyncio.create_task(start())
            self._task.add_done_callback(self._finished)
        return await asyncio.shield(self._task)

    def _finished(self, task: asyncio.Task[str]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # mark as retrieved, even if every caller was cancelled
