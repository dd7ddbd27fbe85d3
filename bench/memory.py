"""Send thousands of commands from a client in a separate process, and measure the bot's memory."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Sequence

import psutil

from bench.http_client import Connection, ReplyReceiver
from bench.testbed import signed

COMMANDS = 100_000
CONCURRENT = 8
MILESTONES = 100
MEGABYTE = 1_000_000
GROWTH = 2.0  # megabytes that the last third may add and still count as flat
TEXTS = ("", "list", "waiting", "find 客服 7", "show kf3@harbour_tea", "status", "help", "list")


async def take(pid: int, secret: str, url: str, commands: int = COMMANDS) -> AsyncIterator[tuple[int, float]]:
    """Send commands. Yield the number answered so far and the app's resident megabytes, at each milestone."""
    process = psutil.Process(pid)
    yield 0, process.memory_info().rss / MEGABYTE
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.memory", secret, url, str(commands)), stdout=asyncio.subprocess.PIPE
    )
    if client.stdout is None:
        raise RuntimeError("the client has no output")
    async for line in client.stdout:
        yield int(line), process.memory_info().rss / MEGABYTE
    if await client.wait():
        raise RuntimeError("a command was not answered")


def growth(samples: Sequence[float]) -> float:
    """Return what the last third added: the median of its end minus that of its beginning."""
    last = samples[-(len(samples) // 3) :]
    edge = max(1, len(last) // 4)
    return statistics.median(last[-edge:]) - statistics.median(last[:edge])


class LoadGenerator:
    """Concurrent users who send commands, each waiting for the answer."""

    def __init__(self, secret: str, url: str, receiver: ReplyReceiver, commands: int) -> None:
        self._secret = secret
        self._url = url
        self._receiver = receiver
        self._numbers = iter(range(commands))  # shared by all users
        self._milestone = max(1, commands // MILESTONES)
        self._answered = 0

    async def ask(self) -> None:
        """Act as one user."""
        line = await Connection.to(self._url)
        for number in self._numbers:
            key = str(number)
            body, headers = signed(self._secret, TEXTS[number % len(TEXTS)], self._receiver.expect(key), key)
            if await line.post(body, headers) != 200:
                raise RuntimeError("not acknowledged")
            await self._receiver.receive(key)
            self._answered += 1
            if self._answered % self._milestone == 0:
                print(self._answered, flush=True)


async def main() -> None:
    """Print the number of answered commands at each milestone. Arguments: a secret, the address, the number."""
    secret, url, commands = sys.argv[1:]
    async with ReplyReceiver().open() as receiver, asyncio.TaskGroup() as users:
        generator = LoadGenerator(secret, url, receiver, int(commands))
        for _ in range(CONCURRENT):
            users.create_task(generator.ask())


if __name__ == "__main__":
    asyncio.run(main())
