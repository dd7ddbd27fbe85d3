"""The real bot without a limit of operations in an hour."""

from __future__ import annotations

import sys
from functools import partial

from bot import interaction_wiring
from bot.__main__ import main
from bot.operations.model import OperationPolicy

MANY = 1_000_000


def allow_many() -> None:
    """Let the people of this process make any number of changes."""
    interaction_wiring.OperationPolicy = partial(OperationPolicy, per_hour=MANY, deletions_per_hour=MANY)


if __name__ == "__main__":
    allow_many()
    sys.exit(main())
