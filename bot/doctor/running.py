"""Check the health that the running processes have recorded, as `/kf status` shows it. Read only."""

from __future__ import annotations

from collections.abc import Mapping

from bot.blocks.answers.diagnosis import ENGLISH, plain_words
from bot.blocks.times import span
from bot.doctor.findings import Finding, Report, Unset, unknown, well, wrong
from bot.health.facts import HealthFacts, Problem, ProblemKind, Severity
from bot.health.rules import diagnose
from bot.interactions.status_reporter import StatusReporter
from bot.ports import Clock
from bot.settings.values import Settings
from bot.store.database import Store

CHECK = "running bot"
SECONDS = 8.0
# For a bot that does not run, these only repeat that.
IDLE = {ProblemKind.STARTING, ProblemKind.POLL_OVERDUE, ProblemKind.NO_COMMAND_RECEIVER}


async def examine(
    store: Store, settings: Settings, unset: Unset, clock: Clock, digests: Mapping[str, str]
) -> Report:
    """Report the health of the processes on this store. `bot.doctor.store` reports problems of the store itself.

    `digests` are those of the settings that all processes must share.
    """
    if unset.why_not(CHECK, "DATABASE_URL", "ALERTS", "WECHAT_APPID") or not settings.alerts:
        return Report(())
    facts = await StatusReporter(store, settings, lambda: None, clock, digests=digests).facts(SECONDS)
    return Report(tuple(findings(facts)))


def findings(facts: HealthFacts) -> list[Finding]:
    """Render health: one finding for each problem, or one for none."""
    problems = diagnose(facts)
    if facts.store:
        return []
    if not facts.receivers or not facts.receivers.processes:
        hint = "Start it; what is found below is of its last run."
        idle = unknown(CHECK, "no process of this release uses the database now", hint)
        return [idle, *(_finding(problem) for problem in problems if problem.kind not in IDLE)]
    if problems:
        return [_finding(problem) for problem in problems]
    read = f"WeChat was read {span(facts.poll_age, ENGLISH)} ago, " if facts.poll_age is not None else ""
    number = facts.receivers.processes
    return [well(CHECK, f"works normally: {read}{number} process{'es' if number > 1 else ''}")]


def _finding(problem: Problem) -> Finding:
    what, step = plain_words(problem)
    found = unknown if problem.severity is Severity.INFO else wrong
    return found(CHECK, f"{what.rstrip('.')} ({problem.kind})", step)
