"""`python -m bench.compare`: this tree beside an earlier commit. Exit status 1 if a figure is a tenth worse.

The figures are those of one account that both versions can be asked for. In one run the two alternate, so that a
busy machine slows both, and each ratio is the median of five rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import ack_latency, machine, memory, modal_latency, reply_latency, startup
from bench.obliging_slack import serve_obliging_slack
from bench.results import PACKAGES, Figure, table
from bench.testbed import OPERATOR, Testbed, serve_testbed, sqlite
from bot.demo.process import ROOT, running
from tests.crash.stores import databases
from tests.side_by_side.checkout import NoHistoryError, checkout, described

BEFORE_FLEETS = "120fc52"  # the last commit with one Official Account in a process
WORSE = 1.1
ROUNDS = 5
TICKS = 40
COMMANDS = 8_000  # for memory

Roots = tuple[Path, Path]  # of this version, and of the earlier one


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--ref", default=BEFORE_FLEETS, help="the earlier commit (%(default)s)")
    given = parser.parse_args(arguments)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            earlier = stack.enter_context(checkout(given.ref, folder))
            print(f"Compared to {described(given.ref)}\n", flush=True)
            # That of an earlier commit may name constants that had moved, and would measure answers without a poll.
            shutil.copy(ROOT / "bench" / "uncached_bot.py", earlier / "bench")
            figures = asyncio.run(_measure((ROOT, earlier), folder))
    except NoHistoryError as exc:
        print(f"The earlier version cannot be checked out: {exc}", file=sys.stderr)
        return 2
    print(table(figures))
    print(machine.measured("python -m bench.compare", *PACKAGES))
    return 0 if all(figure.kept for figure in figures) else 1


async def _measure(roots: Roots, folder: Path) -> list[Figure]:
    figures = []
    with databases(["postgresql"], folder) as urls, databases(["postgresql"], folder) as others:
        async with serve_testbed() as testbed:
            for measure in (_acknowledgements, _answers, _clicks, _starts, _memory):
                figures += await measure(testbed, roots, folder)
            stores = {
                "SQLite": (sqlite(folder, "polls-new"), sqlite(folder, "polls-earlier")),
                "PostgreSQL": (urls["postgresql"], others["postgresql"]),
            }
            for kind, both in stores.items():
                figures += await _polls(testbed, roots, folder, both, kind)
    return figures


async def _acknowledgements(testbed: Testbed, roots: Roots, folder: Path) -> list[Figure]:
    secret = testbed.slack.signing_secret
    new, earlier = (_environ(testbed, root, sqlite(folder, f"acks-{root.name}")) for root in roots)
    async with running(new, root=roots[0]) as bot, running(earlier, root=roots[1]) as other:
        ours, theirs = await ack_latency.take(secret, testbed.sink, bot.url, other.url, rounds=ROUNDS, each=300)
    return [
        _figure(
            f"Acknowledgement p{per_cent}",
            *(ack_latency.typical(times, per_cent) for times in (ours, theirs)),
            "ms",
            ack_latency.ratio(ours, theirs, per_cent),
        )
        for per_cent in (50, 99)
    ]


async def _answers(testbed: Testbed, roots: Roots, folder: Path) -> list[Figure]:
    new, earlier = (_environ(testbed, root, sqlite(folder, f"answers-{root.name}")) for root in roots)
    uncached = "bench.uncached_bot"
    async with (
        running(new, module=uncached, root=roots[0]) as bot,
        running(earlier, module=uncached, root=roots[1]) as other,
    ):
        ours, theirs = await reply_latency.take(testbed.slack.signing_secret, bot.url, other.url, rounds=ROUNDS)
    middles = (reply_latency.middle(times) for times in (ours, theirs))
    return [_figure("`/kf` to its answer p50", *middles, "ms", reply_latency.ratio(ours, theirs))]


async def _clicks(testbed: Testbed, roots: Roots, folder: Path) -> list[Figure]:
    async with serve_obliging_slack() as slack:
        more = {"KF_OPERATORS": OPERATOR, "SLACK_API_URL": slack.url}
        new, earlier = (_environ(testbed, root, sqlite(folder, f"clicks-{root.name}"), **more) for root in roots)
        async with running(new, root=roots[0]) as bot, running(earlier, root=roots[1]) as other:
            ours, theirs = await modal_latency.take_clicks(
                testbed.slack.signing_secret, bot.url, other.url, rounds=ROUNDS, each=100
            )
    middles = (ack_latency.typical(times, 50) for times in (ours, theirs))
    return [_figure("Click that opens a modal p50", *middles, "ms", ack_latency.ratio(ours, theirs, 50))]


async def _starts(testbed: Testbed, roots: Roots, folder: Path) -> list[Figure]:
    async def start(root: Path, number: int) -> float:
        return await startup.bot(_environ(testbed, root, sqlite(folder, f"start-{root.name}-{number}")), root=root)

    return [_of_rounds("Start to `/healthz`", await _in_turns(start, roots), "s")]


async def _memory(testbed: Testbed, roots: Roots, folder: Path) -> list[Figure]:
    found = []
    for root in roots:
        async with running(_environ(testbed, root, sqlite(folder, f"memory-{root.name}")), root=root) as bot:
            secret = testbed.slack.signing_secret
            samples = [rss async for _, rss in memory.take(bot.process.pid, secret, bot.url, COMMANDS)]
        found.append((samples[0], samples[-1]))
    started, ended = zip(*found, strict=True)
    return [
        _figure("Resident memory after the start", *started, "MB", started[0] / started[1]),
        _figure(f"The same after {COMMANDS:,} commands", *ended, "MB", ended[0] / ended[1]),
    ]


async def _polls(testbed: Testbed, roots: Roots, folder: Path, stores: tuple[str, str], kind: str) -> list[Figure]:
    urls = dict(zip(roots, stores, strict=True))

    async def poll(root: Path, number: int) -> float:
        history = sqlite(folder, f"history-{root.name}-{kind}-{number}")  # a second store is part of `poll_cpu`
        return statistics.median(await _ticks(_environ(testbed, root, urls[root]), history, root))

    return [_of_rounds(f"CPU of a poll, {kind}", await _in_turns(poll, roots), "ms")]


async def _ticks(environ: Mapping[str, str], history: str, root: Path) -> list[float]:
    """Return the CPU milliseconds of polls, by the code below `root`, of a store without history."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.poll_cpu", str(TICKS), "10", environ["DATABASE_URL"], history),
        env={**os.environ, **environ},
        cwd=root,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await child.communicate()
    (polls, _passes), _history = json.loads(printed)
    return [float(one) for one in polls]


async def _in_turns(
    measure: Callable[[Path, int], Awaitable[float]], roots: Roots
) -> tuple[list[float], list[float]]:
    """Measure both versions in each round, in alternating order."""
    found: dict[Path, list[float]] = {root: [] for root in roots}
    for number in range(ROUNDS):
        for root in roots if number % 2 else roots[::-1]:
            found[root].append(await measure(root, number))
    new, earlier = roots
    return found[new], found[earlier]


def _environ(testbed: Testbed, root: Path, url: str, **more: str) -> dict[str, str]:
    """Return the variables of a bot whose code is below `root`, without the packages of tests."""
    searched = os.pathsep.join([str(root / "bench" / "not_in_production"), str(root)])
    return testbed.environ(url, PYTHONPATH=searched, **more)


def _of_rounds(what: str, found: tuple[list[float], list[float]], unit: str) -> Figure:
    ratios = [new / earlier for new, earlier in zip(*found, strict=True)]
    return _figure(what, *(statistics.median(one) for one in found), unit, statistics.median(ratios))


def _figure(what: str, new: float, earlier: float, unit: str, ratio: float) -> Figure:
    measured = f"{new:.2f} / {earlier:.2f} {unit}, ratio {ratio:.2f}"
    return Figure(f"{what}, now / earlier", measured, f"at most {WORSE:g}", ratio <= WORSE)


if __name__ == "__main__":
    sys.exit(main())
