"""The problems of all Official Accounts of a process, read together: `status_reporter` reads those of one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic

from bot.health.facts import HealthFacts, Problem, ProblemKind, StoreTrouble
from bot.health.problem_rules import diagnose
from bot.interactions.health_reading import audible_since, with_queue, with_state
from bot.runtime.tasks import with_timeout
from bot.store import fleet_health_rows
from bot.store.database import Store
from bot.store.fleet_health_rows import FleetReading
from bot.store.store_errors import StoreError
from bot.tenant_states import TenantState
from bot.tenants.tenant import Tenant

SECONDS = 10  # for a reading: a busy store is not unreachable
AT_ONCE = 100  # accounts, before other tasks have their turn
REST = 20  # times as long as a reading took, until the next one: it takes longer while much is wrong


@dataclass(frozen=True, slots=True)
class FleetProblems:
    """What is wrong with Official Accounts, as of the last reading. One without a problem is left out."""

    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)  # by AppID, most severe first
    oldest_poll: datetime | None = None  # of all accounts; of those without any, None
    oldest_pending: datetime | None = None
    accounts: Mapping[TenantState, int] = field(default_factory=dict)  # in the store, by state


class FleetHealth:
    """Reads the problems of accounts that share a store. What concerns the store itself is not among them.

    Nor is an outage of all accounts: the reading of the first account reports it.
    """

    def __init__(self, store: Store | None, tenants: Sequence[Tenant]) -> None:
        """Keep which accounts are concerned. Without a store, nothing is known of them."""
        self._store = store
        self._tenants = tenants
        self.known = FleetProblems()
        self._rests_until = float("-inf")  # by the monotonic clock

    async def read(self, started_at: datetime | None) -> FleetProblems:
        """Return the problems, which are some seconds old while a reading takes long, or the store is unreachable.

        Args:
            started_at: of the first of the running processes.
        """
        began = monotonic()
        if self._store and self._tenants and began >= self._rests_until:
            try:
                reading = await with_timeout(self._reading(self._store), SECONDS)
            except (*StoreError, TimeoutError):
                pass  # the reading of the first account reports it
            else:
                pending = (queue.oldest for queue in reading.queues.values() if queue.oldest)
                self.known = FleetProblems(
                    problems=await _problems(reading, self._tenants, started_at),
                    oldest_poll=reading.oldest_poll,
                    oldest_pending=min(pending, default=None),
                    accounts=reading.accounts,
                )
            self._rests_until = monotonic() + REST * (monotonic() - began)
        return self.known

    async def _reading(self, store: Store) -> FleetReading:
        shortest = min(one.settings.poll_seconds for one in self._tenants)
        async with store.begin() as tx:
            return await fleet_health_rows.read(tx, timedelta(seconds=shortest))


async def _problems(
    reading: FleetReading, tenants: Sequence[Tenant], started_at: datetime | None
) -> dict[str, tuple[Problem, ...]]:
    """Return the problems of the accounts that have some, in their order."""
    never_polled = set(reading.never_polled)
    own = {*reading.states, *reading.queues, *reading.unreadable}
    untouched: dict[int, tuple[Problem, ...]] = {}  # by interval, of those of which nothing is known
    found = {}
    own |= {one.appid for one in tenants if one.settings.slack_alert_channel in reading.channels}
    for number, tenant in enumerate(one for one in tenants if one.appid in own or one.appid in never_polled):
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        seconds = tenant.settings.poll_seconds
        if tenant.appid not in own and seconds in untouched:
            found[tenant.appid] = untouched[seconds]
            continue
        known = HealthFacts(
            now=reading.now,
            started_at=started_at,
            poll=timedelta(seconds=seconds),
            # Of one that is not among the states, the last poll is not late.
            polled_at=None if tenant.appid in never_polled else reading.now,
            breaker=reading.breaker,
        )
        found_here = diagnose(_facts(known, tenant, reading))
        problems = tuple(problem for problem in found_here if not problem.is_outage_of_all)
        if problems and tenant.appid not in own:
            untouched[seconds] = problems
        if problems:
            found[tenant.appid] = problems
    return found


def _facts(known: HealthFacts, tenant: Tenant, reading: FleetReading) -> HealthFacts:
    if error := reading.unreadable.get(tenant.appid):
        return replace(known, store=StoreTrouble(ProblemKind.STORE_UNKNOWN, error, reading.now))
    known = replace(known, slack=reading.channels.get(tenant.settings.slack_alert_channel))
    if state := reading.states.get(tenant.appid):
        known = with_state(known, state)
    if queue := reading.queues.get(tenant.appid):
        since = audible_since(tenant.settings.quiet, reading.now) if queue.late.count else None
        known = with_queue(known, queue, queue.overdue(reading.now, since))
    return known
