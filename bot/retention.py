"""How long the store keeps what is over, and the pace at which it is deleted. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """The numbers of pruning."""

    keep: timedelta = timedelta(days=400)  # after an invitation was closed, an incident or an operation has ended
    every: timedelta = timedelta(hours=24)  # from one run to the next, for all processes on a store together
    check: timedelta = timedelta(minutes=15)  # from one step to the next, and before the first one of a process
    batch: int = 100  # rows of a table that one transaction examines
    pause: timedelta = timedelta(seconds=0.5)  # between two batches
