"""Keeps the bot alive, as a host does: whatever ends it, another one starts."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from enum import StrEnum

from bot.demo.process import BotProcess

# Start a bot with these variables, and stop it at the end of the block. RuntimeError: it did not start.
Start = Callable[[Mapping[str, str]], AbstractAsyncContextManager[BotProcess]]

BREATH = 1.0  # seconds before a bot that did not start is tried again


class BotState(StrEnum):
    """How the bot is."""

    STARTING = "starting"
    RUNNING = "running"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart that was asked for. `before_start` runs while no bot does; `reason` is for the page."""

    reason: str = ""
    before_start: Callable[[], None] = lambda: None
    signal: int = signal.SIGTERM


class Supervisor:
    """One bot after the other, on a port of its own each."""

    def __init__(
        self,
        environ: Callable[[], Mapping[str, str]],
        start: Start,
        *,
        on_change: Callable[[Supervisor], None] = lambda keeper: None,
    ) -> None:
        """`environ` is asked at each start; `on_change` is called whenever `state` or `bot` are others."""
        self._environ = environ
        self._start = start
        self._on_change = on_change
        self._pending: list[Restart] = []
        self._planned = True  # the present start is the first, or was asked for
        self.state = BotState.DOWN
        self.restarts = 0  # since the first start, without those that were asked for
        self.reason = ""  # why the present bot was restarted, if that was asked for
        self.bot: BotProcess | None = None

    @property
    def is_ready(self) -> bool:
        """Return False while a start or a restart that was asked for is under way."""
        return not self._pending and (self.bot is not None or not self._planned)

    async def keep(self) -> None:
        """Until this is cancelled; then the bot is stopped as well."""
        while True:
            self._be(BotState.STARTING)
            try:
                async with self._start(self._environ()) as self.bot:
                    self._be(BotState.RUNNING)
                    if self._pending:
                        self._signal(self._pending[-1].signal)
                    await self.bot.process.wait()
            except RuntimeError:
                await asyncio.sleep(BREATH)
            finally:
                self.bot = None
                self._be(BotState.DOWN)
            self._prepare_next()

    def kill(self) -> bool:
        """Kill the bot with SIGKILL. Return False if none runs."""
        return self._signal(signal.SIGKILL)

    def restart(self, planned: Restart) -> None:
        """End the bot, or the one that is starting, and start another with the variables of then."""
        self._pending.append(planned)
        self._signal(planned.signal)

    def _prepare_next(self) -> None:
        done, self._pending = self._pending, []
        self._planned = bool(done)
        self.reason = done[-1].reason if done else ""
        self.restarts += not done
        for planned in done:
            planned.before_start()

    def _signal(self, number: int) -> bool:
        if self.bot is None:
            return False
        with suppress(ProcessLookupError):
            self.bot.process.send_signal(number)
        return True

    def _be(self, state: BotState) -> None:
        self.state = state
        self._on_change(self)
