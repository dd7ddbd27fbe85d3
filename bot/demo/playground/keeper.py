"""Keeps the bot alive, as a host does: whatever ends it, another one starts."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from bot.demo.process import BotProcess, running

BREATH = 1.0  # seconds before a bot that did not start is tried again


class State(StrEnum):
    """How the bot is."""

    STARTING = "starting"
    RUNNING = "running"
    DOWN = "down"


class Keeper:
    """One bot after the other, on a port of its own each."""

    def __init__(
        self,
        environ: Callable[[], Mapping[str, str]],
        *,
        module: str,
        log: Path,
        on_change: Callable[[Keeper], None] = lambda keeper: None,
    ) -> None:
        """`environ` is asked at each start; `on_change` is called whenever `state` or `bot` are others."""
        self._environ = environ
        self._module = module
        self._log = log
        self._on_change = on_change
        self._wants_another = False
        self.state = State.DOWN
        self.restarts = -1
        self.bot: BotProcess | None = None

    async def keep(self) -> None:
        """Until this is cancelled; then the bot is stopped as well."""
        while True:
            self.restarts += 1
            self._be(State.STARTING)
            try:
                async with running(self._environ(), module=self._module, log=self._log) as self.bot:
                    self._be(State.RUNNING)
                    if self._wants_another:
                        self._wants_another = False
                        self._signal(signal.SIGTERM)
                    await self.bot.process.wait()
            except RuntimeError:
                await asyncio.sleep(BREATH)
            finally:
                self.bot = None
                self._be(State.DOWN)

    def kill(self) -> bool:
        """SIGKILL, in the middle of whatever it does. False when there is none."""
        return self._signal(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it gently, and start another with the variables of then."""
        # One that is starting has its variables already.
        self._wants_another = not self._signal(signal.SIGTERM) and self.state is State.STARTING

    def _signal(self, number: int) -> bool:
        if self.bot is None:
            return False
        with suppress(ProcessLookupError):
            self.bot.process.send_signal(number)
        return True

    def _be(self, state: State) -> None:
        self.state = state
        self._on_change(self)
