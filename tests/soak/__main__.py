"""`python -m tests.soak`: the bot under load for minutes, a page, and exit status 1 when anything was wrong."""

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
from tests.soak.results import Result
from tests.soak.run import Soak


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    print(f"seed {given.seed}, {given.minutes:g} minutes on {given.store}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends it, nothing is left behind
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            urls = stack.enter_context(stores.databases([given.store], folder))
            kept = given.keep or folder
            kept.mkdir(parents=True, exist_ok=True)
            soak = Soak(urls[given.store], kept, str(given.seed), progress=_say)
            result = asyncio.run(_run(soak, given.minutes * 60))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    wrong = "\n".join(report.complaints(result))
    print(f"\n{report.table(result)}\n\n{wrong}".rstrip() + "\n")
    if given.write:
        page = report.page(result, minutes=given.minutes, store=given.store, seed=str(given.seed))
        given.write.write_text(page)
    return 1 if wrong else 0


async def _run(soak: Soak, seconds: float) -> Result:
    me = asyncio.current_task()
    if me:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    return await soak.run(seconds)


def _say(words: str) -> None:
    print(words, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="under load (%(default)s)")
    parser.add_argument("--store", choices=stores.KINDS, default="sqlite", help="(%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="decides all that is left to chance"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the bots' log there")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the page there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
