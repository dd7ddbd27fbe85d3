"""Log when a problem begins and when it ends. `bot.health` decides what a problem is."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bot.blocks.answers.diagnosis import plain_words
from bot.health.facts import Problem, Severity
from bot.runtime.logs import LogEvent

log = logging.getLogger(__name__)


class HealthLog:
    """The problems at the last check, compared with those at the next."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Problem] = {}

    def note(self, problems: Sequence[Problem]) -> None:
        """Log the problems that have begun or ended since the last call, and no others."""
        present = {problem.key: problem for problem in problems}
        for key in self._known.keys() - present:
            log.info(LogEvent("problem ended", kind=self._known[key].kind))
        for key, problem in present.items():
            if key not in self._known:
                _begin(problem)
        self._known = present


def _begin(problem: Problem) -> None:
    what, step = plain_words(problem)
    event = LogEvent(
        "problem began",
        kind=problem.kind,
        since=f"{problem.since:%Y-%m-%dT%H:%M:%SZ}" if problem.since else None,
        error=problem.error or None,
        what=what,
        next=step,
    )
    match problem.severity:
        case Severity.ERROR:
            log.error(event)
        case Severity.WARNING:
            log.warning(event)
        case Severity.INFO:
            log.info(event)
