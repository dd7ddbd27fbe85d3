"""Check the health that the running processes have recorded, as `/kf status` shows it. Read only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.blocks.answers.diagnosis import ENGLISH, plain_words
from bot.blocks.times import span
from bot.doctor.findings import Finding, Report, Unset, unknown, well, wrong
from bot.doctor.shared_findings import grouped
from bot.health.facts import HealthFacts, Problem, ProblemKind, Severity
from bot.health.problem_rules import diagnose
from bot.interactions.fleet_health import FleetHealth
from bot.interactions.status_reporter import StatusReporter
from bot.ports import Clock
from bot.settings.values import Settings
from bot.store.database import Store
from bot.tenants.tenant import Tenant, TenantOrigin

CHECK = "running bot"
SECONDS = 8.0
StoreOf = Callable[[str, str], Store]  # by AppID and channel
# For a bot that does not run, these only repeat that.
IDLE = {ProblemKind.STARTING, ProblemKind.POLL_OVERDUE, ProblemKind.NO_COMMAND_RECEIVER}


@dataclass(frozen=True, slots=True)
class RecordedHealth:
    """What the running processes have recorded: the facts of the first account, and the problems of the others."""

    facts: HealthFacts
    others: Mapping[str, Sequence[Problem]]  # by AppID; one without a problem is left out

    def of(self, tenant: Tenant) -> list[Finding]:
        """Return the findings about an account but the first: what all accounts share, and its own problems."""
        shared = [problem for problem in diagnose(self.facts) if problem.concerns_all]
        return findings(replace(self.facts, polled_at=None), [*shared, *self.others.get(tenant.appid, ())])


async def read(
    store_of: StoreOf,
    settings: Settings,
    tenants: Sequence[Tenant],
    digests: Mapping[str, str],
    unset: Unset,
    clock: Clock,
) -> RecordedHealth | None:
    """Read what the processes on this store have recorded; None without such a store.

    `digests` are those of the settings that all processes must share.
    """
    if unset.why_not(CHECK, "DATABASE_URL", "ALERTS", "WECHAT_APPID") or not settings.alerts or not tenants:
        return None
    first, *others = tenants
    store = store_of(first.appid, first.settings.slack_alert_channel)
    several = bool(others) or first.origin is not TenantOrigin.ENVIRONMENT  # one of several may be examined alone
    reporter = StatusReporter(
        store, first.settings, lambda: None, clock, digests=digests, is_one_of_several=several, state=first.state
    )
    facts = await reporter.facts(SECONDS)
    return RecordedHealth(facts, (await FleetHealth(store, others).read(facts.started_at)).problems)


async def examine(reading: Awaitable[RecordedHealth | None], tenants: Sequence[Tenant]) -> Report:
    """Report the health of each account. `bot.doctor.store` reports problems of the store itself."""
    if not tenants:
        return Report((unknown(CHECK, "not checked: there is no account yet, or the accounts have mistakes"),))
    health = await reading
    if health is None:
        return Report(())
    first, *others = tenants
    found = findings(health.facts, diagnose(health.facts))
    if others:
        found = grouped([(first, found), *((one, health.of(one)) for one in others)])
    return Report(tuple(found))


def findings(facts: HealthFacts, problems: Sequence[Problem]) -> list[Finding]:
    """Render health: one finding for each problem, or one for none."""
    if facts.store:
        return []
    if not facts.receivers or not facts.receivers.processes:
        hint = "Start it; what is found below is of its last run."
        idle = unknown(CHECK, "no process of this release uses the database now", hint)
        return [idle, *(_finding(problem) for problem in problems if problem.kind not in IDLE)]
    if problems:
        return [_finding(problem) for problem in problems]
    read = f"WeChat was read {span(facts.now - facts.polled_at, ENGLISH)} ago, " if facts.polled_at else ""
    number = facts.receivers.processes
    return [well(CHECK, f"works normally: {read}{number} process{'es' if number > 1 else ''}")]


def _finding(problem: Problem) -> Finding:
    what, step = plain_words(problem)
    found = unknown if problem.severity is Severity.INFO else wrong
    return found(CHECK, f"{what.rstrip('.')} ({problem.kind})", step)
