"""`python -m tests.soak`: run the bot under load for minutes. Exit status 1 if there is a complaint."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.crash import stores
from tests.soak import report
from tests.soak.results import SoakResult
from tests.soak.run import SoakRun


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    print(f"seed {options.seed}, {options.minutes:g} minutes on {options.store}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM cleans up as Ctrl-C does
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            urls = stack.enter_context(stores.databases([options.store], folder))
            kept = options.keep or folder
            kept.mkdir(parents=True, exist_ok=True)
            soak_run = SoakRun(urls[options.store], kept, str(options.seed), progress=_print)
            result = asyncio.run(_run(soak_run, options.minutes * 60))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    wrong = "\n".join(report.complaints(result))
    print(f"\n{report.table(result)}\n\n{wrong}".rstrip() + "\n")
    if options.write:
        page = report.page(result, minutes=options.minutes, store=options.store, seed=str(options.seed))
        options.write.write_text(page)
    return 1 if wrong else 0


async def _run(soak_run: SoakRun, seconds: float) -> SoakResult:
    me = asyncio.current_task()
    if me:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    return await soak_run.run(seconds)


def _print(words: str) -> None:
    print(words, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="under load (%(default)s)")
    parser.add_argument("--store", choices=stores.KINDS, default="sqlite", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the random choices")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the bots' log there")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
