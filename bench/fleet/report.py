"""Run all scenes with one queue backend, and compare their figures with the bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.ack_latency import percentile
from bench.fleet import scenes
from bench.fleet.measured_fleet import Size, measured_fleet
from bench.fleet.scenes import LEASE_SECONDS, Burst, Cost, Kill, Steady
from bench.fleet.wechat_process import ANSWER_SECONDS
from bench.results import Figure
from bot import packages
from bot.settings.parsers import QueueKind

SIZE = Size(accounts=10_000, interval=300)
SLOTS = 64  # polls at the same time in a `worker`
STARTS = 5


def backends() -> Sequence[QueueKind]:
    """Return the queue backends whose packages are installed."""
    return [kind for kind in QueueKind if kind is QueueKind.ROWS or not packages.missing(packages.OF_QUEUE)]


async def take(size: Size, seconds: float, folder: Path, backend: QueueKind) -> list[Figure]:
    """Measure a fleet in the order in which an installation meets the scenes."""
    async with measured_fleet(size, folder, backend) as fleet:
        async with fleet.worker() as bot:
            first = await fleet.first_round()
            for _ in range(2):  # only then is each list known as one that changes nothing
                await fleet.round()
            steady = await scenes.steady(fleet, bot, seconds)
            bursts = [await scenes.burst(fleet, bot) for _ in range(2)]
            async with fleet.worker() as second:
                killed = await scenes.kill(fleet, second)
        from_file, from_rows = await fleet.starts(STARTS), await fleet.starts_from_rows(STARTS, folder)
    return [
        Figure(f"{size.accounts:,} accounts, {backend}: first poll of all", f"{first:.0f} s"),
        _of(backend, _start("Start to first `/healthz`, accounts in a file, median", from_file)),
        _of(backend, _start("Start to first `/healthz`, accounts in the database, median", from_rows)),
        *(_of(backend, one) for one in (*_steady(size, steady), *_bursts(size, bursts), *_killed(killed))),
    ]


def _of(backend: QueueKind, figure: Figure) -> Figure:
    """Name the backend. The bounds are those of the default."""
    what = f"{figure.what}, {backend}"
    return (
        Figure(what, figure.measured, figure.bound, figure.kept)
        if backend is QueueKind.ROWS
        else Figure(what, figure.measured)
    )


def _start(what: str, seconds: Sequence[float]) -> Figure:
    middle = median(seconds)
    return Figure(what, f"{middle:.2f} s", "at most 1.5 s", middle <= 1.5)


def _steady(size: Size, found: Steady) -> list[Figure]:
    rate, due = found.polls / found.seconds, 0.99 * size.accounts / size.interval
    p50, p99 = percentile(found.late, 50), percentile(found.late, 99)
    process, database = found.cost.process / found.seconds, found.cost.database / found.seconds
    return [
        Figure(f"Polls a second for {found.seconds:.0f} s", f"{rate:.1f}", f"at least {due:.1f}", rate >= due),
        Figure("Lateness p50", f"{p50:.2f} s", "at most 1 s", p50 <= 1),
        Figure("Lateness p99", f"{p99:.2f} s", "at most 3 s", p99 <= 3),
        Figure("CPU of the process", f"{process:.3f} of a core", "at most 0.15", process <= 0.15),
        Figure("CPU of the database", f"{database:.3f} of a core", "at most 0.05", database <= 0.05),
        _of_a_poll("CPU of a poll", found.cost, found.polls),
    ]


def _bursts(size: Size, found: Sequence[Burst]) -> list[Figure]:
    fastest = size.accounts * ANSWER_SECONDS / SLOTS
    taken = found[-1]
    share, growth = fastest / taken.seconds, found[-1].megabytes - found[0].megabytes
    return [
        Figure(
            "All due at once, until all are polled", f"{taken.seconds:.1f} s", "at most 30 s", taken.seconds <= 30
        ),
        Figure(f"The bound of {fastest:.1f} s compared to that", f"{share:.2f}", "at least 0.15", share >= 0.15),
        _of_a_poll("CPU of a poll in it", taken.cost, size.accounts),
        Figure("Memory of the process", f"{taken.megabytes:.1f} MB", "at most 130 MB", taken.megabytes <= 130),
        Figure("Growth in the second such round", f"{growth:.1f} MB", "at most 2 MB", growth <= 2),
    ]


def _killed(found: Kill) -> list[Figure]:
    bound = LEASE_SECONDS + 5
    return [
        Figure(
            "One of two processes killed in it, until all are polled",
            f"{found.seconds:.1f} s",
            f"at most {bound} s",
            found.seconds <= bound,
        ),
        Figure("Polls repeated by that", str(found.repeated), f"at most {SLOTS}", found.repeated <= SLOTS),
    ]


def _of_a_poll(what: str, cost: Cost, polls: int) -> Figure:
    process, database = (1000 * seconds / polls for seconds in (cost.process, cost.database))
    return Figure(f"{what}, process / database", f"{process:.2f} / {database:.2f} ms")
