"""Plan how long each bot runs and how it is replaced. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

LONG = 0.4  # of the whole run: one lifetime in its middle, long enough to show whether memory grows
SHORTEST = 4.0  # seconds


class Replacement(StrEnum):
    """How a bot is replaced by the next."""

    DEPLOY = "deploy"  # the next one is running before it gets SIGTERM
    RESTART = "restart"  # it gets SIGTERM, and the next one starts when it has ended: commands fail meanwhile
    CRASH = "crash"  # it gets SIGKILL, and the next one starts


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How many seconds a bot receives commands, and how it is replaced."""

    seconds: float
    end: Replacement


def plan_lifetimes(seconds: float, rng: random.Random) -> list[Lifetime]:
    """Plan the lifetimes of a run: short ones, a long one, short ones. Every kind of replacement occurs."""
    replacements = _turns(rng)
    edge = seconds * (1 - LONG) / 2
    early = [Lifetime(span, next(replacements)) for span in _spans(edge, seconds, rng)]
    return [
        *early,
        Lifetime(seconds * LONG, next(replacements)),
        *(Lifetime(s, next(replacements)) for s in _spans(edge, seconds, rng)),
    ]


def _spans(total: float, whole: float, rng: random.Random) -> Iterator[float]:
    """Split `total` into parts of a fortieth to a fourteenth of the whole run, each long enough to start a bot."""
    left = total
    while left > 0:
        span = min(left, max(SHORTEST, rng.uniform(whole / 40, whole / 14)))
        yield span
        left -= span


def _turns(rng: random.Random) -> Iterator[Replacement]:
    while True:
        yield from rng.sample([*Replacement], len(Replacement))
