"""A client in a process of its own that has commands answered by the thousand, and what that does to memory."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Sequence

import psutil

from bench.http_client import Ear, Line
from bench.testbed import signed

COMMANDS = 100_000
AT_A_TIME = 8
MILESTONES = 100
MEGABYTE = 1_000_000
GROWTH = 2.0  # megabytes that the last third may add and still be flat
TEXTS = ("", "list", "waiting", "find 客服 7", "show kf3@harbour_tea", "status", "help", "list")


async def take(pid: int, secret: str, url: str, commands: int = COMMANDS) -> AsyncIterator[tuple[int, float]]:
    """Have so many commands answered; each now and then, how many were, and the app's resident megabytes."""
    process = psutil.Process(pid)
    yield 0, process.memory_info().rss / MEGABYTE
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.memory", secret, url, str(commands)), stdout=asyncio.subprocess.PIPE
    )
    if client.stdout is None:
        raise RuntimeError("no way to hear the client")
    async for line in client.stdout:
        yield int(line), process.memory_info().rss / MEGABYTE
    if await client.wait():
        raise RuntimeError("a command was not answered")


def growth(samples: Sequence[float]) -> float:
    """What the last third added: the median of its end over that of its beginning."""
    last = samples[-(len(samples) // 3) :]
    edge = max(1, len(last) // 4)
    return statistics.median(last[-edge:]) - statistics.median(last[:edge])


class Crowd:
    """People who ask one after another, each waiting for the answer."""

    def __init__(self, secret: str, url: str, ear: Ear, commands: int) -> None:
        self._secret = secret
        self._url = url
        self._ear = ear
        self._numbers = iter(range(commands))  # shared: whoever is free takes the next
        self._milestone = max(1, commands // MILESTONES)
        self._answered = 0

    async def ask(self) -> None:
        """One of them."""
        line = await Line.to(self._url)
        for number in self._numbers:
            key = str(number)
            body, headers = signed(self._secret, TEXTS[number % len(TEXTS)], self._ear.expect(key), key)
            if await line.post(body, headers) != 200:
                raise RuntimeError("not acknowledged")
            await self._ear.hear(key)
            self._answered += 1
            if self._answered % self._milestone == 0:
                print(self._answered, flush=True)


async def main() -> None:
    """Arguments: a secret, the address, how many commands; prints how many were answered, at each milestone."""
    secret, url, commands = sys.argv[1:]
    async with Ear().open() as ear, asyncio.TaskGroup() as people:
        crowd = Crowd(secret, url, ear, int(commands))
        for _ in range(AT_A_TIME):
            people.create_task(crowd.ask())


if __name__ == "__main__":
    asyncio.run(main())
