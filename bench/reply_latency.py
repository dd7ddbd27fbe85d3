"""A client in a process of its own: it times `/kf` from the command to its answer."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence

from bench.http_client import Ear, Line
from bench.testbed import signed

ROUNDS = 4
EACH = 75
WARM_UP = 20
REST = 0.03  # seconds: what follows an answer must be over when the next command comes


async def take(
    secret: str, *urls: str, rounds: int = ROUNDS, each: int = EACH, warm_up: int = WARM_UP
) -> list[list[list[float]]]:
    """Milliseconds from sending `/kf` to the arrival of its answer, by app and round. The apps take turns."""
    arguments = (secret, str(rounds), str(each), str(warm_up), *urls)
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.reply_latency", *arguments), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await client.communicate()
    times: list[list[list[float]]] = json.loads(printed)
    return times


class Asker:
    """Asks several apps the same, one after the other."""

    def __init__(self, secret: str, ear: Ear, lines: Sequence[Line]) -> None:
        self._secret = secret
        self._ear = ear
        self._lines = lines
        self._asked = 0

    async def turn(self) -> list[float]:
        """One command to each app; who is first changes."""
        self._asked += 1
        times, shapes = [0.0] * len(self._lines), set()
        places = [*range(len(self._lines))]
        for place in places if self._asked % 2 else reversed(places):
            times[place], shape = await self._ask(place)
            shapes.add(shape)
            await asyncio.sleep(REST)
        if len(shapes) > 1:
            raise RuntimeError(f"the answers differ: {shapes}")
        return times

    async def _ask(self, place: int) -> tuple[float, str]:
        """Milliseconds, and the kinds of the answer's blocks."""
        key = f"{self._asked}-{place}"
        body, headers = signed(self._secret, "", self._ear.expect(key), key)
        began = time.perf_counter()
        if await self._lines[place].post(body, headers) != 200:
            raise RuntimeError("not acknowledged")
        heard = await self._ear.hear(key)
        answer = json.loads(heard.body)
        return (heard.at - began) * 1000, " ".join(block["type"] for block in answer["blocks"])


def middle(rounds: Sequence[Sequence[float]]) -> float:
    """The median of the rounds' medians."""
    return statistics.median(statistics.median(one) for one in rounds)


def ratio(rounds: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> float:
    """How the first compare with the others, round by round; the median of that."""
    pairs = zip(rounds, others, strict=True)
    return statistics.median(statistics.median(one) / statistics.median(other) for one, other in pairs)


async def main() -> None:
    """Arguments: a secret, rounds, how many each and before them, the addresses; prints times by app and round."""
    secret, rounds, each, warm_up, *urls = sys.argv[1:]
    async with Ear().open() as ear:
        asker = Asker(secret, ear, [await Line.to(url) for url in urls])
        for _ in range(int(warm_up)):
            await asker.turn()
        found = [[*zip(*[await asker.turn() for _ in range(int(each))], strict=True)] for _ in range(int(rounds))]
    print(json.dumps([*zip(*found, strict=True)]))


if __name__ == "__main__":
    asyncio.run(main())
