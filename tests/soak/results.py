"""What came of a run, and what is wrong with it. Pure; how it reads is in `report`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.blocks.answers.replies import DATABASE_AWAY, FAILED, RESTARTING
from tests.crash.oracle import Verdict
from tests.soak.load import Asked
from tests.soak.processes import Member, Sample

LIVED = 60.0  # seconds: shorter lives show no trend
MEMORY, HANDLES = 3.0, 5  # megabytes and handles by which the end of a life may exceed its middle


@dataclass(frozen=True, slots=True)
class Trend:
    """A process from the middle third of its life to the last: the first one warms up."""

    name: str
    seconds: float
    rss: tuple[float, float]  # medians, megabytes
    handles: tuple[int, int]  # the fewest: a burst opens many, and they close again

    @property
    def is_flat(self) -> bool:
        return self.rss[1] - self.rss[0] <= MEMORY and self.handles[1] - self.handles[0] <= HANDLES


def trend(name: str, samples: Sequence[Sample]) -> Trend | None:
    """The trend of a life; None for one that was too short."""
    if not samples or samples[-1].at < LIVED:
        return None
    span = samples[-1].at / 3
    middle, last = ([one for one in samples if part * span <= one.at <= (part + 1) * span] for part in (1, 2))
    return Trend(
        name,
        samples[-1].at,
        (statistics.median(one.rss for one in middle), statistics.median(one.rss for one in last)),
        (min(one.handles for one in middle), min(one.handles for one in last)),
    )


@dataclass
class Result:
    """Everything that was seen."""

    asked: list[Asked]
    members: list[Member]
    ends: Mapping[str, int]
    faults: Mapping[str, int]
    alerts: Verdict
    odd: list[str] = field(default_factory=list)  # what nobody expected of the bot, and errors in its log
    stall: float = 0.0  # seconds: the longest for which this process did not answer anybody
    seconds: float = 0.0

    @property
    def taken(self) -> list[Asked]:
        """What somebody was there to take."""
        return [one for one in self.asked if one.by]

    @property
    def acknowledged(self) -> list[Asked]:
        return [one for one in self.taken if one.failure is None]

    @property
    def unacknowledged(self) -> list[Asked]:
        """Refused, or too late, by a bot that was not killed meanwhile."""
        return [one for one in self.taken if one.failure and not one.cut_off]

    @property
    def unanswered(self) -> list[Asked]:
        return [one for one in self.acknowledged if one.wants_answer and one.answered is None and not one.cut_off]

    @property
    def cut_off(self) -> list[Asked]:
        """Lost with a bot that was killed: nothing that it has in hand outlives a process."""
        return [one for one in self.taken if one.cut_off and (one.failure or one.answered is None)]

    @property
    def last_words(self) -> int:
        """Answers that say no more than that the bot restarts."""
        return sum(one.text == RESTARTING.text for one in self.asked)

    @property
    def trends(self) -> list[Trend]:
        found = (trend(member.name, member.samples) for member in self.members)
        return [one for one in found if one]

    @property
    def complaints(self) -> dict[str, list[str]]:
        """What is wrong, in words; nothing when all is well."""
        failed = [one for one in self.asked if one.text in (FAILED.text, DATABASE_AWAY.text)]
        found = {
            "not acknowledged": [
                f"{_who(one)}: {one.failure} after {one.ack_ms:.0f} ms" for one in self.unacknowledged
            ],
            "not answered": [_who(one) for one in self.unanswered],
            "answered with a failure": [_who(one) for one in failed],
            "not flat": [
                f"{one.name}: {one.rss} MB, {one.handles} handles" for one in self.trends if not one.is_flat
            ],
            **self.alerts.complaints,
            "odd": self.odd,
        }
        return {kind: lines for kind, lines in found.items() if lines}


def _who(one: Asked) -> str:
    return f"{one.what} to {one.by.name if one.by else 'nobody'}"
