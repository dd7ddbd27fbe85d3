"""Measure acknowledgements with a client in a separate process, undisturbed by the answers that follow."""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from urllib.parse import urlsplit

from bench.testbed import signed

ROUNDS = 5
SAMPLES = 1000  # acknowledgements of each app in a round
WARM_UP = 300
PAUSE = 0.012  # seconds: the answer that follows an acknowledgement must be over when the next command comes

Times = list[list[list[float]]]  # milliseconds by app and round


async def take(
    secret: str, response_url: str, *urls: str, rounds: int = ROUNDS, each: int = SAMPLES, warm_up: int = WARM_UP
) -> Times:
    """Return milliseconds from sending `/kf help` to its 200, by app and round. The apps alternate."""
    return await client_times(__name__, secret, response_url, str(rounds), str(each), str(warm_up), *urls)


async def client_times(module: str, *arguments: str) -> Times:
    """Run a module that prints times as a client in a process of its own, and return them."""
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await client.communicate()
    times: Times = json.loads(printed)
    return times


def percentile(values: Sequence[float], per_cent: int) -> float:
    return statistics.quantiles(values, n=100)[per_cent - 1]


def typical(rounds: Sequence[Sequence[float]], per_cent: int) -> float:
    """Return the median of the rounds' percentiles, so that a disturbed round does not count."""
    return statistics.median(percentile(one, per_cent) for one in rounds)


def ratio(rounds: Sequence[Sequence[float]], others: Sequence[Sequence[float]], per_cent: int) -> float:
    """Return the median of the rounds' ratios."""
    pairs = zip(rounds, others, strict=True)
    return statistics.median(percentile(one, per_cent) / percentile(other, per_cent) for one, other in pairs)


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port)


def ack(connection: http.client.HTTPConnection, body: str, headers: dict[str, str]) -> float:
    """Return the milliseconds from sending a signed command to its 200."""
    began = time.perf_counter()
    connection.request("POST", "/slack/events", body, headers)
    response = connection.getresponse()
    response.read()
    taken = (time.perf_counter() - began) * 1000
    if response.status != 200:
        raise RuntimeError(f"not acknowledged: {response.status}")
    return taken


def print_times(
    urls: Sequence[str],
    send: Callable[[http.client.HTTPConnection, int, int], float],
    pause: float,
    rounds: int,
    each: int,
    warm_up: int,
) -> None:
    """Send requests to the apps, in alternating order, and print their milliseconds by app and round.

    Args:
        send: sends one request, by its number and the place of its app, and returns the milliseconds.
        pause: seconds after each request.
    """
    connections = [connect(url) for url in urls]
    numbers = count(1)

    def turn() -> list[float]:
        number = next(numbers)
        times = [0.0] * len(urls)
        places = [*range(len(urls))]
        for place in places if number % 2 else reversed(places):
            times[place] = send(connections[place], number, place)
            time.sleep(pause)
        return times

    for _ in range(warm_up):
        turn()
    found = [[*zip(*(turn() for _ in range(each)), strict=True)] for _ in range(rounds)]
    print(json.dumps([*zip(*found, strict=True)]))


def main() -> None:
    """Print the times. Arguments: a secret, a response_url, rounds, samples, samples before them, the addresses."""
    secret, response_url, *numbers = sys.argv[1:6]

    def send(connection: http.client.HTTPConnection, number: int, place: int) -> float:
        return ack(connection, *signed(secret, "help", response_url, f"{number}.{place}"))

    print_times(sys.argv[6:], send, PAUSE, *map(int, numbers))


if __name__ == "__main__":
    main()
