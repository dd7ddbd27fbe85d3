"""How late polls were, from the due times in the database and the arrivals at WeChat."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

RECORDED = 2.0  # seconds after its arrival within which a poll has set the next due time
EARLY = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class DueTimes:
    """When each account was due, as the database showed it at one moment. All in Unix seconds."""

    at: float
    by_account: Mapping[int, float]


def lateness(samples: Iterable[DueTimes], arrivals: Mapping[int, Sequence[float]], ended: float) -> list[float]:
    """Return the seconds from each due time to the next poll, or to the end if none came.

    While an account is being polled, its row has the end of a lease in place of a due time: such are left out.
    """
    found: dict[tuple[int, float], float] = {}
    for sample in samples:
        for account, due in sample.by_account.items():
            polls = arrivals.get(account, ())
            following = bisect_right(polls, sample.at)
            if due > ended or (following and sample.at - polls[following - 1] < RECORDED):
                continue
            arrived = polls[following] if following < len(polls) else ended
            if arrived >= due - EARLY:
                found[account, due] = max(0.0, arrived - due)
    return [*found.values()]
