"""Log when a problem begins and when it ends. `bot.health` decides what a problem is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from bot.blocks.answers.diagnosis import plain_words
from bot.health.facts import Problem, Severity
from bot.runtime.logs import LogEvent, official_account

log = logging.getLogger(__name__)

MOST_LINES = 20  # about one problem; that of more accounts is one line
MOST_HANDLES = 5  # in that line


class HealthLog:
    """The problems at the last check, compared with those at the next."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], dict[str, Problem]] = {}  # by key, then by handle

    def note(self, found: Mapping[str, Sequence[Problem]]) -> None:
        """Log the problems that have begun or ended since the last call, and no others.

        Args:
            found: the problems by the handle of an Official Account, "" for the only one. An outage
                of all accounts, and trouble of the platform, is logged without a handle.
        """
        present: dict[tuple[str, ...], dict[str, Problem]] = {}
        for handle, problems in found.items():
            for problem in problems:
                present.setdefault(problem.key, {})["" if problem.has_no_account else handle] = problem
        for key, known in self._known.items():
            still = present.get(key, {})
            _log({handle: problem for handle, problem in known.items() if handle not in still}, _end)
        for key, each in present.items():
            before = self._known.get(key, {})
            _log({handle: problem for handle, problem in each.items() if handle not in before}, _begin)
        self._known = present


def _log(problems: Mapping[str, Problem], log_one: Callable[..., None]) -> None:
    """Log a problem of each account, or of many accounts together."""
    if len(problems) > MOST_LINES:
        handles = [*problems]
        log_one(problems[handles[0]], accounts=len(handles), handles=",".join(handles[:MOST_HANDLES]))
        return
    for handle, problem in problems.items():
        with official_account(handle):
            log_one(problem)


def _end(problem: Problem, **accounts: object) -> None:
    log.info(LogEvent("problem ended", kind=problem.kind, **accounts))


def _begin(problem: Problem, **accounts: object) -> None:
    what, step = plain_words(problem)
    event = LogEvent(
        "problem began",
        kind=problem.kind,
        since=f"{problem.since:%Y-%m-%dT%H:%M:%SZ}" if problem.since else None,
        error=problem.error or None,
        what=what,
        next=step,
        **accounts,
    )
    match problem.severity:
        case Severity.ERROR:
            log.error(event)
        case Severity.WARNING:
            log.warning(event)
        case Severity.INFO:
            log.info(event)
