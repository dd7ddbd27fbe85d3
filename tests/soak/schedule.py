"""How long each bot lives and how it ends. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

LONG = 0.4  # of the whole: one life in its middle, long enough to show whether memory grows
SHORTEST = 4.0  # seconds


class End(StrEnum):
    """How a bot makes room for the next."""

    DEPLOY = "deploy"  # the next one is up before it gets SIGTERM
    RESTART = "restart"  # it gets SIGTERM, and the next one starts when it has ended: nobody listens meanwhile
    CRASH = "crash"  # it gets SIGKILL, and the next one starts


@dataclass(frozen=True, slots=True)
class Life:
    """One bot: how many seconds it takes commands, and what ends it."""

    seconds: float
    end: End


def lives(seconds: float, rng: random.Random) -> list[Life]:
    """The lives of a run of so many seconds: short ones, a long one, short ones. Each way to end has its turn."""
    ends = _turns(rng)
    edge = seconds * (1 - LONG) / 2
    early = [Life(span, next(ends)) for span in _spans(edge, seconds, rng)]
    return [*early, Life(seconds * LONG, next(ends)), *(Life(s, next(ends)) for s in _spans(edge, seconds, rng))]


def _spans(total: float, whole: float, rng: random.Random) -> Iterator[float]:
    """Parts of `total`, from a fortieth to a fourteenth of the whole run, and not too short to start in."""
    left = total
    while left > 0:
        span = min(left, max(SHORTEST, rng.uniform(whole / 40, whole / 14)))
        yield span
        left -= span


def _turns(rng: random.Random) -> Iterator[End]:
    while True:
        yield from rng.sample([*End], len(End))
