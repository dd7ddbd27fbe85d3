"""How much is tried: a share that finds most faults in `make test`, everything in `make test-all` (TEST_ALL=1).

Left to `make test-all` are tests marked `test_all`, and on PostgreSQL those marked `story` or `mostly_sqlite`,
unless they are marked `both_stores`, too.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest

LAST_SHARE = 1 / 7  # of the tests on a store: these begin after the last test that waits or starts a process
SEED = 1
TEST_ALL = os.environ.get("TEST_ALL", "") not in ("", "0")


def share(in_test: int, in_test_all: int) -> int:
    """Return the number of examples for this run."""
    return in_test_all if TEST_ALL else in_test


def waits_for_test_all(item: pytest.Item, arguments: Sequence[str]) -> bool:
    """Return whether a test is left to `make test-all`. One that the command line names by its id never is."""
    if TEST_ALL or any("::" in argument and item.nodeid.startswith(argument) for argument in arguments):
        return False
    if item.get_closest_marker("test_all"):
        return True
    on_sqlite = any(map(item.get_closest_marker, ("story", "mostly_sqlite")))
    return on_sqlite and is_twin(item) and item.get_closest_marker("both_stores") is None


def is_story(item: pytest.Item) -> bool:
    """Return whether it is a story that is not marked `both_stores`."""
    return item.get_closest_marker("story") is not None and item.get_closest_marker("both_stores") is None


def is_twin(item: pytest.Item) -> bool:
    """Return whether it is the PostgreSQL variant of a test of both stores."""
    parameters = getattr(item, "callspec", None)
    return parameters is not None and "postgresql" in parameters.params.values()


def in_turn(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Order tests for workers that take them one after the other.

    The longest, which have a time limit of their own, come first. Then tests that start processes, tests that
    mostly wait, and tests that calculate on a store are spread evenly: at each moment the workers do some of each,
    and never start all processes at once. Those of a kind are in a random order, which is always the same: the
    files of those that wait longest are neighbours. Those that may wait half a minute are all begun while
    LAST_SHARE of the others is left, and the shortest come last: all workers end together.
    """
    longest = sorted(filter(_patience, items), key=_patience, reverse=True)
    kinds: dict[str, list[pytest.Item]] = {"process": [], "server": [], "store": [], "short": []}
    for item in items:
        if not _patience(item):
            kinds[_kind(item)].append(item)
    short = kinds.pop("short")
    placed: list[tuple[float, pytest.Item]] = []
    for kind, tests in kinds.items():
        random.Random(SEED).shuffle(tests)
        end = 1 if kind == "store" else 1 - LAST_SHARE
        placed += [((number + 0.5) / len(tests) * end, item) for number, item in enumerate(tests)]
    return [*longest, *(item for _, item in sorted(placed, key=lambda one: one[0])), *short]


def _kind(item: pytest.Item) -> str:
    if any(map(item.get_closest_marker, ("process", "browser", "model"))):
        return "process"
    if item.get_closest_marker("server") or _needs(item, "place"):  # the simulators, for seconds
        return "server"
    return "store" if _needs(item, "store_url", "empty_url", "postgres") else "short"


def _needs(item: pytest.Item, *fixtures: str) -> bool:
    return not set(fixtures).isdisjoint(getattr(item, "fixturenames", ()))


def _patience(item: pytest.Item) -> float:
    timeout = item.get_closest_marker("timeout")
    return timeout.args[0] if timeout else 0
