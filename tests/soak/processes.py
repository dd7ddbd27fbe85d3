"""The bot processes of a soak run: one web process after another, and one worker beside them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bot.demo.process import BotProcess, running
from tests.soak.schedule import Lifetime, Replacement

SAMPLE_SECONDS = 1.0  # seconds between samples
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of a process: its age in seconds, resident megabytes, open files and sockets."""

    at: float
    rss: float
    handles: int


@dataclass(slots=True, eq=False)
class MeasuredProcess:
    """One bot process and its measurements."""

    name: str
    bot: BotProcess
    born: float = field(default_factory=time.monotonic)
    killed_at: float | None = None  # by SIGKILL: the commands that it handled are lost
    samples: list[Sample] = field(default_factory=list)
    is_stopping: bool = False

    def sample(self) -> None:
        """Take a sample, unless the process is stopping: then it closes its files, and the figures mean nothing."""
        if self.is_stopping:
            return
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(self.bot.process.pid)
            age, rss = time.monotonic() - self.born, process.memory_info().rss / MEGABYTE
            self.samples.append(Sample(age, rss, process.num_fds()))


class Bots:
    """Starts and stops the processes."""

    def __init__(self, variables: Mapping[str, str], log: Path) -> None:
        """`log` takes the output of all of them."""
        self._variables = variables
        self._log = log
        self._stack = AsyncExitStack()
        self.serving: MeasuredProcess | None = None  # None: no bot receives commands
        self.processes: list[MeasuredProcess] = []
        self.replacements: list[Replacement] = []
        self.unexpected: list[str] = []

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Bots]:
        """Run a web process and a worker until the block ends."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            async with self._stack:
                await self._start("worker")
                self.serving = await self._start("web")
                yield self
                self.serving = None
                for process in self._alive():
                    await self._stop(process)
            watching.cancel()

    async def replace_each(self, plan_lifetimes: Iterable[Lifetime]) -> None:
        """Let one web process after another receive commands."""
        for life in plan_lifetimes:
            await asyncio.sleep(life.seconds)
            await self._end(life.end)
            self.replacements.append(life.end)

    async def _end(self, end: Replacement) -> None:
        old = self.serving
        if old is None:
            raise RuntimeError("no bot is running")
        if end is Replacement.DEPLOY:
            self.serving = await self._start("web")
            await self._stop(old)
            return
        self.serving = None
        if end is Replacement.CRASH:
            old.killed_at = time.monotonic()  # before the signal, so that a lost answer can be explained
            await old.bot.stop(signal.SIGKILL)
        else:
            await self._stop(old)
        self.serving = await self._start("web")

    async def _start(self, role: str) -> MeasuredProcess:
        name = f"{role} {sum(process.name.startswith(role) for process in self.processes) + 1}"
        work = running(self._variables, role, log=self._log, wait=role == "web")
        process = MeasuredProcess(name, await self._stack.enter_async_context(work))
        self.processes.append(process)
        return process

    async def _stop(self, process: MeasuredProcess) -> None:
        process.is_stopping = True
        if status := await process.bot.stop():
            self.unexpected.append(f"{process.name} ended with status {status}")

    def _alive(self) -> list[MeasuredProcess]:
        return [process for process in self.processes if process.bot.process.returncode is None]

    async def _watch(self) -> None:
        while True:
            for process in self._alive():
                process.sample()
            await asyncio.sleep(SAMPLE_SECONDS)
