"""`python -m bench.fleet`: all scenes, for every installed queue backend. Exit status 1 if a bound is missed."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import machine
from bench.fleet import posts, report
from bench.fleet.measured_fleet import Size
from bench.results import PACKAGES, Figure, table
from bot.settings.parsers import QueueKind

MINUTES = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        size = Size(given.accounts, given.interval)
        backends = given.backends or report.backends()
        figures = asyncio.run(_measure(size, given.minutes * 60, backends, Path(folder)))
    print(machine.measured("make fleet", *PACKAGES))
    return 0 if all(figure.kept for figure in figures) else 1


async def _measure(size: Size, seconds: float, backends: Sequence[QueueKind], folder: Path) -> list[Figure]:
    figures = []
    for backend in backends:
        found = await report.take(size, seconds, folder, backend)
        print(f"{table(found)}\n", flush=True)
        figures += found
    if QueueKind.ROWS in backends:  # what is posted does not depend on the queue
        found = await posts.take(size.accounts, folder)
        print(f"{table(found)}\n", flush=True)
        figures += found
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("backends", nargs="*", type=QueueKind, metavar="BACKEND", help="(all installed)")
    parser.add_argument("--accounts", type=int, default=report.SIZE.accounts, help="(%(default)s)")
    parser.add_argument(
        "--interval", type=int, default=report.SIZE.interval, metavar="SECONDS", help="(%(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of the steady state (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
