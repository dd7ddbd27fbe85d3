"""Measure the time from `/kf` to its answer with a client in a separate process."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence

from bench.ack_latency import Times, client_times
from bench.http_client import Connection, ReplyReceiver
from bench.testbed import signed

ROUNDS = 4
SAMPLES = 75
WARM_UP = 20
PAUSE = 0.03  # seconds: work after an answer must be over when the next command comes


async def take(secret: str, *urls: str, rounds: int = ROUNDS, each: int = SAMPLES, warm_up: int = WARM_UP) -> Times:
    """Return milliseconds from sending `/kf` to the arrival of its answer, by app and round. The apps alternate."""
    return await client_times(__name__, secret, str(rounds), str(each), str(warm_up), *urls)


class Client:
    """Sends the same command to several apps, one after another."""

    def __init__(self, secret: str, receiver: ReplyReceiver, connections: Sequence[Connection]) -> None:
        self._secret = secret
        self._receiver = receiver
        self._connections = connections
        self._sent = 0

    async def turn(self) -> list[float]:
        """Send one command to each app, in alternating order."""
        self._sent += 1
        times, shapes = [0.0] * len(self._connections), set()
        places = [*range(len(self._connections))]
        for place in places if self._sent % 2 else reversed(places):
            times[place], shape = await self._ask(place)
            shapes.add(shape)
            await asyncio.sleep(PAUSE)
        if len(shapes) > 1:
            raise RuntimeError(f"the answers differ: {shapes}")
        return times

    async def _ask(self, place: int) -> tuple[float, str]:
        """Return the milliseconds, and the types of the answer's blocks."""
        key = f"{self._sent}-{place}"
        body, headers = signed(self._secret, "", self._receiver.expect(key), key)
        began = time.perf_counter()
        if await self._connections[place].post(body, headers) != 200:
            raise RuntimeError("not acknowledged")
        reply = await self._receiver.receive(key)
        answer = json.loads(reply.body)
        return (reply.at - began) * 1000, " ".join(block["type"] for block in answer["blocks"])


def middle(rounds: Sequence[Sequence[float]]) -> float:
    """Return the median of the rounds' medians."""
    return statistics.median(statistics.median(one) for one in rounds)


def ratio(rounds: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> float:
    """Return the median of the rounds' ratios."""
    pairs = zip(rounds, others, strict=True)
    return statistics.median(statistics.median(one) / statistics.median(other) for one, other in pairs)


async def main() -> None:
    """Print times by app and round. Arguments: a secret, rounds, samples, samples before them, the addresses."""
    secret, rounds, each, warm_up, *urls = sys.argv[1:]
    async with ReplyReceiver().open() as receiver:
        client = Client(secret, receiver, [await Connection.to(url) for url in urls])
        for _ in range(int(warm_up)):
            await client.turn()
        found = [[*zip(*[await client.turn() for _ in range(int(each))], strict=True)] for _ in range(int(rounds))]
    print(json.dumps([*zip(*found, strict=True)]))


if __name__ == "__main__":
    asyncio.run(main())
