"""The real bot without a limit of operations in an hour."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from bot import interaction_wiring
from bot.__main__ import main
from bot.operations.operation import OperationPolicy

MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class UnlimitedPolicy(OperationPolicy):
    """A policy that lets people make any number of changes."""

    per_hour: int = MANY
    deletions_per_hour: int = MANY


if __name__ == "__main__":
    interaction_wiring.OperationPolicy = UnlimitedPolicy
    sys.exit(main())
