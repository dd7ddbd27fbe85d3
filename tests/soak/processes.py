"""The bots of a run, one after another, and beside them one worker. Who takes commands is said here."""

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
from tests.soak.schedule import End, Life

EVERY = 1.0  # seconds between samples
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at a moment: seconds of its life, resident megabytes, open files and sockets."""

    at: float
    rss: float
    handles: int


@dataclass(slots=True, eq=False)
class Member:
    """One process and its life."""

    name: str
    bot: BotProcess
    born: float = field(default_factory=time.monotonic)
    killed_at: float | None = None  # by SIGKILL: what it had in hand is gone with it
    samples: list[Sample] = field(default_factory=list)
    is_leaving: bool = False

    def sample(self) -> None:
        """Take one. Whoever leaves closes its files one by one, which says nothing."""
        if self.is_leaving:
            return
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(self.bot.process.pid)
            age, rss = time.monotonic() - self.born, process.memory_info().rss / MEGABYTE
            self.samples.append(Sample(age, rss, process.num_fds()))


class Fleet:
    """Starts and ends the processes."""

    def __init__(self, environ: Mapping[str, str], log: Path) -> None:
        """`log` takes what all of them print."""
        self._environ = environ
        self._log = log
        self._stack = AsyncExitStack()
        self.serving: Member | None = None  # None: nobody listens
        self.members: list[Member] = []
        self.ends: list[End] = []
        self.odd: list[str] = []

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Fleet]:
        """A bot that takes commands and a worker, until the block ends."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            async with self._stack:
                await self._start("worker")
                self.serving = await self._start("web")
                yield self
                self.serving = None
                for member in self._alive():
                    await self._stop(member)
            watching.cancel()

    async def live(self, lives: Iterable[Life]) -> None:
        """Let one bot after another take commands."""
        for life in lives:
            await asyncio.sleep(life.seconds)
            await self._end(life.end)
            self.ends.append(life.end)

    async def _end(self, end: End) -> None:
        old = self.serving
        if old is None:
            raise RuntimeError("nobody is there to be ended")
        if end is End.DEPLOY:
            self.serving = await self._start("web")
            await self._stop(old)
            return
        self.serving = None
        if end is End.CRASH:
            old.killed_at = time.monotonic()  # before the signal: whoever sees it gone knows why
            await old.bot.stop(signal.SIGKILL)
        else:
            await self._stop(old)
        self.serving = await self._start("web")

    async def _start(self, role: str) -> Member:
        name = f"{role} {sum(member.name.startswith(role) for member in self.members) + 1}"
        work = running(self._environ, role, log=self._log, wait=role == "web")
        member = Member(name, await self._stack.enter_async_context(work))
        self.members.append(member)
        return member

    async def _stop(self, member: Member) -> None:
        member.is_leaving = True
        if status := await member.bot.stop():
            self.odd.append(f"{member.name} ended with status {status}")

    def _alive(self) -> list[Member]:
        return [member for member in self.members if member.bot.process.returncode is None]

    async def _watch(self) -> None:
        while True:
            for member in self._alive():
                member.sample()
            await asyncio.sleep(EVERY)
