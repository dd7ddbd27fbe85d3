"""How much is tried: a share that finds most faults in `make test`, everything in `make test-all` (TEST_ALL=1)."""

from __future__ import annotations

import os

TEST_ALL = os.environ.get("TEST_ALL", "") not in ("", "0")


def share(of_test: int, of_all: int) -> int:
    """Return the number of examples for this run."""
    return of_all if TEST_ALL else of_test
