"""`python -m tests.crash`: two hundred kills, a table, and exit status 1 when anything was lost or repeated."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.crash import report, stores
from tests.crash.failpoints import plan
from tests.crash.runner import Arena, Result

KILLS = 200
TOLD_EVERY = 20  # kills


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.skew and "sqlite" in given.stores:
        parser.error("--skew needs --stores postgresql: processes on one SQLite file share their machine's clock")
    print(f"seed {given.seed}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends it, nothing is left behind
    try:
        with ExitStack() as stack:
            folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            urls = stack.enter_context(stores.databases(given.stores, folder))
            results = asyncio.run(_run(urls, folder, given))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    found = report.table(results)
    complaints = "\n".join(report.complaints(results))
    print(f"\n{found}\n\n{complaints}".rstrip() + "\n")
    if given.write:
        given.write.write_text(report.page(found, complaints, given.seed))
    print(f"seed {given.seed}")
    return 1 if any(result.complaints or result.never for result in results.values()) else 0


async def _run(urls: dict[str, str], folder: Path, given: argparse.Namespace) -> dict[str, Result]:
    """All stores at once: a bot mostly waits."""
    me = asyncio.current_task()
    if me:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    async with asyncio.TaskGroup() as tasks:
        running = {}
        for place, (store, url) in enumerate(urls.items()):
            (folder / store).mkdir(parents=True, exist_ok=True)
            share = given.kills // len(urls) + (place < given.kills % len(urls))
            points = plan(share, random.Random(f"{given.seed} {store} points"))
            arena = Arena(url, folder / store, f"{given.seed} {store}", given.skew)
            running[store] = tasks.create_task(arena.run(points, _progress(store, share)))
    return {store: task.result() for store, task in running.items()}


def _progress(store: str, share: int) -> Callable[[int], None]:
    milestones = deque(range(TOLD_EVERY, share + 1, TOLD_EVERY))

    def told(kills: int) -> None:
        if milestones and kills >= milestones[0]:
            print(f"{store}: {milestones.popleft()} of {share} killed", flush=True)

    return told


def _stores(text: str) -> list[str]:
    chosen = text.split(",")
    if not set(chosen) <= set(stores.KINDS):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(stores.KINDS)}")
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="of all stores together (%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="decides all that is left to chance"
    )
    parser.add_argument("--stores", type=_stores, default=[*stores.DEFAULT], help=f"{','.join(stores.KINDS)}")
    parser.add_argument(
        "--skew",
        type=float,
        default=0,
        metavar="SECONDS",
        help="the most that the clocks of processes are off; for PostgreSQL, which has a clock for all of them",
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the bots' logs and the diaries there")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table there too, as Markdown")
    return parser


if __name__ == "__main__":
    sys.exit(main())
