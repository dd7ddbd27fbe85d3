"""`python -m tests.side_by_side`: an older commit beside this tree. Exit status 1 if there is a complaint."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.crash import stores
from tests.documents import ROOT
from tests.side_by_side.checkout import NoHistoryError, checkout, default_ref, described
from tests.side_by_side.outcome import Outcome, Version
from tests.side_by_side.run import SideBySide

STORES = ("sqlite", "postgresql")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM cleans up as Ctrl-C does
    try:
        with ExitStack() as stack:
            folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.mkdir(parents=True, exist_ok=True)
            ref = options.ref or default_ref()
            older = stack.enter_context(checkout(ref, folder))
            print(f"seed {options.seed}; the older version is {described(ref)}", flush=True)
            outcomes = asyncio.run(_run({Version.OLDER: older, Version.NEWER: ROOT}, folder, options))
    except NoHistoryError as exc:
        print(f"The older version cannot be checked out: {exc}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    for name, outcome in outcomes.items():
        print(f"\n{name}\n" + "\n".join(f"  {what:<40} {number:>4}" for what, number in outcome.rows().items()))
        for kind, lines in outcome.complaints.items():
            print(f"  {kind}:\n" + "\n".join(f"    {line}" for line in lines))
    return 1 if any(outcome.complaints for outcome in outcomes.values()) else 0


async def _run(roots: Mapping[Version, Path], folder: Path, options: argparse.Namespace) -> dict[str, Outcome]:
    """Run both stores at the same time, and the two orders one after the other."""
    outcomes: dict[str, Outcome] = {}

    async def run(store: str, first: Version) -> None:
        name = f"{store}, the {first} version first"
        place = folder / f"{store}-{first}"
        place.mkdir(exist_ok=True)
        with stores.databases([store], place) as urls:
            run = SideBySide(urls[store], place, f"{options.seed} {name}", roots)
            outcomes[name] = await run.run(first)

    for first in Version:
        async with asyncio.TaskGroup() as tasks:
            for store in options.stores:
                tasks.create_task(run(store, first))
    return outcomes


def _stores(text: str) -> list[str]:
    chosen = text.split(",")
    if not set(chosen) <= set(STORES):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(STORES)}")
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.side_by_side", description=__doc__)
    parser.add_argument("--ref", help="the older commit (that before several Official Accounts)")
    parser.add_argument("--stores", type=_stores, default=[*STORES], help=",".join(STORES))
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the random choices")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the bots' logs and the diaries there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
