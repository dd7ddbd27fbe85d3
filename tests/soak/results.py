"""The outcome of a run, and the complaints about it. Pure; `report` formats it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.crash.operation_oracle import OperationVerdict
from tests.crash.operators import SubmittedForm
from tests.crash.oracle import Verdict
from tests.samples import DATABASE_AWAY, FAILED, RESTARTING
from tests.soak.load import HANDLING_SECONDS, Interaction
from tests.soak.processes import MeasuredProcess, Sample

MIN_LIFE = 60.0  # seconds: a shorter lifetime shows no trend
MEMORY, HANDLES = 3.0, 5  # megabytes and handles by which the last third of a lifetime may exceed the middle


@dataclass(frozen=True, slots=True)
class Trend:
    """The change of a process from the middle third of its lifetime to the last. The first third is warm-up."""

    name: str
    seconds: float
    rss: tuple[float, float]  # medians, megabytes
    handles: tuple[int, int]  # the fewest: a burst opens many, and they close again

    @property
    def is_flat(self) -> bool:
        return self.rss[1] - self.rss[0] <= MEMORY and self.handles[1] - self.handles[0] <= HANDLES


def trend(name: str, samples: Sequence[Sample]) -> Trend | None:
    """Compute the trend of a process; None if its lifetime was too short."""
    if not samples or samples[-1].at < MIN_LIFE:
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
class SoakResult:
    """Everything observed during a run."""

    interactions: list[Interaction]
    processes: list[MeasuredProcess]
    replacements: Mapping[str, int]
    faults: Mapping[str, int]
    alerts: Verdict
    operations: OperationVerdict = field(default_factory=OperationVerdict)
    forms: list[SubmittedForm] = field(default_factory=list)
    forms_not_opened: int = 0
    unexpected: list[str] = field(default_factory=list)  # unexpected behaviour of the bot, and errors in its log
    stall: float = 0.0  # seconds: the longest time in which this process did not respond
    seconds: float = 0.0

    @property
    def received(self) -> list[Interaction]:
        """Return the interactions that a running bot received."""
        return [one for one in self.interactions if one.by]

    @property
    def acknowledged(self) -> list[Interaction]:
        return [one for one in self.received if one.failure is None]

    @property
    def unacknowledged(self) -> list[Interaction]:
        """Return those refused, or acknowledged too late, by a bot that was not killed meanwhile."""
        return [one for one in self.received if one.failure and not one.cut_off]

    @property
    def unanswered(self) -> list[Interaction]:
        return [one for one in self.acknowledged if one.wants_answer and one.answered is None and not one.cut_off]

    @property
    def cut_off(self) -> list[Interaction]:
        """Return those lost with a killed bot: a command does not survive its process."""
        return [one for one in self.received if one.cut_off and (one.failure or one.answered is None)]

    @property
    def unanswered_forms(self) -> list[SubmittedForm]:
        """Return the submitted forms that a running bot left without an answer for three seconds."""
        return [one for one in self.forms if one.failure and one.bot and not _was_cut_off(one)]

    @property
    def restart_notices(self) -> int:
        """Count answers that only announce a restart."""
        return sum(one.text == RESTARTING.text for one in self.interactions)

    @property
    def trends(self) -> list[Trend]:
        found = (trend(process.name, process.samples) for process in self.processes)
        return [one for one in found if one]

    @property
    def complaints(self) -> dict[str, list[str]]:
        """Return the complaints, by kind; empty if there are none."""
        failed = [one for one in self.interactions if one.text in (FAILED.text, DATABASE_AWAY.text)]
        found = {
            "not acknowledged": [
                f"{_described(one)}: {one.failure} after {one.ack_ms:.0f} ms" for one in self.unacknowledged
            ],
            "not answered": [_described(one) for one in self.unanswered],
            "answered with a failure": [_described(one) for one in failed],
            "not flat": [
                f"{one.name}: {one.rss} MB, {one.handles} handles" for one in self.trends if not one.is_flat
            ],
            "forms not answered": [f"{one.asked}, after {one.ms:.0f} ms" for one in self.unanswered_forms],
            **self.alerts.complaints,
            **self.operations.complaints,
            "unexpected": self.unexpected,
        }
        return {kind: lines for kind, lines in found.items() if lines}


def _was_cut_off(form: SubmittedForm) -> bool:
    killed_at = form.bot.killed_at if isinstance(form.bot, MeasuredProcess) else None
    return killed_at is not None and killed_at < form.began + HANDLING_SECONDS


def _described(one: Interaction) -> str:
    return f"{one.what} to {one.by.name if one.by else 'no bot'}"
