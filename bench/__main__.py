"""`python -m bench`: measure the real bot. Exit status 1 if a bound is missed."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import benchmarks, explanations, memory
from bench.fleet import report
from bench.results import Figure, Section, page, table
from bench.testbed import Testbed, serve_testbed, sqlite
from bot.settings.parsers import QueueKind
from tests.crash.stores import databases

PARTS = ("acks", "answers", "modals", "ticks", "memory", "starts", "fleet")
FLEET_SECONDS = 60.0  # of the steady state


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    sections = asyncio.run(_measure(given.parts or PARTS, given.commands))
    if given.write:
        given.write.write_text(page(sections))
    return 0 if all(section.kept for section in sections) else 1


async def _measure(parts: Sequence[str], commands: int) -> list[Section]:
    """Measure one after another: two measurements at the same time would disturb each other."""
    sections = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with serve_testbed() as testbed:
            for part in parts:
                section = await _section(part, testbed, folder, commands)
                print(f"{section.title}\n\n{table(section.figures)}\n", flush=True)
                sections.append(section)
    return sections


async def _section(part: str, testbed: Testbed, folder: Path, commands: int) -> Section:
    title, meaning, measure = _all(testbed, folder, commands)[part]
    return Section(title, tuple(await measure()), meaning)


def _all(
    testbed: Testbed, folder: Path, commands: int
) -> dict[str, tuple[str, str, Callable[[], Awaitable[list[Figure]]]]]:
    """Return by part: its title, its explanation and its measurement."""
    return {
        "acks": (
            "Acknowledgement",
            explanations.ACKNOWLEDGEMENTS,
            lambda: benchmarks.acknowledgements(testbed, folder),
        ),
        "answers": ("Answer", explanations.REPLIES, lambda: benchmarks.replies(testbed, folder)),
        "modals": ("Modal", explanations.MODALS, lambda: benchmarks.modals(testbed, folder)),
        "ticks": ("Poll", explanations.POLLS, lambda: _polls(testbed, folder)),
        "memory": ("Memory", explanations.MEMORY, lambda: benchmarks.growth(testbed, folder, commands)),
        "starts": ("Start", explanations.STARTUP, lambda: benchmarks.startup_times(testbed, folder)),
        "fleet": ("Fleet", explanations.FLEET, lambda: _fleet(folder)),
    }


async def _polls(testbed: Testbed, folder: Path) -> list[Figure]:
    with ExitStack() as stack:
        young, old = (stack.enter_context(databases(["postgresql"], folder))["postgresql"] for _ in range(2))
        stores = {"SQLite": (sqlite(folder, "young"), sqlite(folder, "old")), "PostgreSQL": (young, old)}
        return await benchmarks.polls(testbed, stores)


async def _fleet(folder: Path) -> list[Figure]:
    """Measure the default backend. The other takes an hour for so many accounts, which `make fleet` spends."""
    return await report.take(report.SIZE, FLEET_SECONDS, folder, QueueKind.ROWS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--commands", type=int, default=memory.COMMANDS, help="for memory (%(default)s)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
