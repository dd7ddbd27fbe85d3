"""`python -m tests.crash`: kill the bot 360 times. Exit status 1 if an alert or operation was lost or repeated."""

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
from tests.crash.accounts import ALONE
from tests.crash.failpoints import plan
from tests.crash.runner import CrashResult, CrashRun

KILLS = 360  # each failpoint at least once on each store
PROGRESS_EVERY = 20  # kills
AT_A_TIME = 4  # stores: with more, a machine of two cores misses the short leases


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and {*options.stores} != {*stores.KINDS}:
        parser.error("--write needs all stores: a part must not replace the whole report")
    print(f"seed {options.seed}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM cleans up as Ctrl-C does
    try:
        with ExitStack() as stack:
            folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            urls = stack.enter_context(stores.databases(options.stores, folder))
            results = asyncio.run(_run(urls, folder, options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    found = report.table(results)
    complaints = "\n".join(report.complaints(results))
    print(f"\n{found}\n\n{complaints}".rstrip() + "\n")
    if options.write:
        options.write.write_text(report.page(found, complaints, options.seed))
    print(f"seed {options.seed}")
    return 1 if any(result.complaints or result.unreached for result in results.values()) else 0


async def _run(urls: dict[str, str], folder: Path, options: argparse.Namespace) -> dict[str, CrashResult]:
    """Run several stores at the same time: a bot mostly waits."""
    me = asyncio.current_task()
    if me:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    slots = asyncio.Semaphore(AT_A_TIME)

    async def run(store: str, crash_run: CrashRun, share: int) -> CrashResult:
        failpoints = plan(share, random.Random(f"{options.seed} {store} points"))
        async with slots:
            return await crash_run.run(failpoints, _progress(store, share))

    async with asyncio.TaskGroup() as tasks:
        running = {}
        for place, (store, url) in enumerate(urls.items()):
            (folder / store).mkdir(parents=True, exist_ok=True)
            share = options.kills // len(urls) + (place < options.kills % len(urls))
            crash_run = CrashRun(
                *(url, folder / store, f"{options.seed} {store}"),
                skew=stores.SKEW.get(store, 0),
                accounts=stores.SEVERAL.get(store, ALONE),
            )
            running[store] = tasks.create_task(run(store, crash_run, share))
    return {store: task.result() for store, task in running.items()}


def _progress(store: str, share: int) -> Callable[[int], None]:
    milestones = deque(range(PROGRESS_EVERY, share + 1, PROGRESS_EVERY))

    def print_milestone(kills: int) -> None:
        if milestones and kills >= milestones[0]:
            print(f"{store}: {milestones.popleft()} of {share} killed", flush=True)

    return print_milestone


def _stores(text: str) -> list[str]:
    chosen = text.split(",")
    if not set(chosen) <= set(stores.KINDS):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(stores.KINDS)}")
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="for all stores together (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the random choices")
    parser.add_argument("--stores", type=_stores, default=[*stores.KINDS], help=f"{','.join(stores.KINDS)}")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the bots' logs and the diaries there")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a table of all stores there, as Markdown")
    return parser


if __name__ == "__main__":
    sys.exit(main())
