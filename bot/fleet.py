"""The Official Accounts of a process: the services of each, and what concerns all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic

from bot.blocks.tenant_label import TenantLabel
from bot.health.facts import OF_ALL, HealthFacts, Problem
from bot.health.rules import diagnose, may_be_silent
from bot.interactions.status_reporter import PASS_SECONDS
from bot.ports import Clock, utc_now
from bot.runtime.metrics import Figures
from bot.settings.values import Settings
from bot.tenants.model import Origin, Tenant, of_environment
from bot.tenants.shared_digests import shared_digests
from bot.watcher.poller import TIMER_PASS
from bot.web.rejections import Rejections
from bot.wiring import Services, SharedServices, account_services, build_shared

ACCOUNT_SECONDS = 0.1  # between two readings of the health of all accounts, for each of them


@dataclass
class Fleet:
    """The services of every Official Account of a process. There is at least one."""

    shared: SharedServices
    accounts: Sequence[Services]
    known: dict[str, HealthFacts] = field(default_factory=dict)  # by AppID, of the others than the first
    _read_at: float = float("-inf")  # when those were read, by the monotonic clock

    @property
    def first(self) -> Services:
        return self.accounts[0]

    @property
    def pace(self) -> float:
        """Return the seconds from one look for something to do to the next."""
        return min(TIMER_PASS.total_seconds(), *(one.settings.poll_seconds for one in self.accounts))

    async def problems(self) -> Sequence[tuple[Services, tuple[Problem, ...]]]:
        """Return the present problems of each account, most severe first.

        What all of them share, such as a store that cannot be reached, is a problem of the first. Those of the
        others may be some seconds old: every poll asks for the problems, and each account costs some queries.
        """
        others, now = self.accounts[1:], monotonic()
        if now - self._read_at >= ACCOUNT_SECONDS * len(others):
            found = await asyncio.gather(*(one.status_reporter.facts(PASS_SECONDS) for one in others))
            self.known = {one.tenant.appid: facts for one, facts in zip(others, found, strict=True)}
            self._read_at = monotonic()
        return [(self.first, await self.first.status_reporter.problems()), *self._known_of_others()]

    async def check(self) -> Sequence[tuple[Services, tuple[Problem, ...]]]:
        """Return the problems for a router that requests `/readyz`, after a test write of the first account.

        Those of the others are as of the last check: the request must not cost as much as there are accounts.
        """
        return [(self.first, await self.first.status_reporter.check()), *self._known_of_others()]

    def _known_of_others(self) -> Iterator[tuple[Services, tuple[Problem, ...]]]:
        for one in self.accounts[1:]:
            if facts := self.known.get(one.tenant.appid):
                yield one, tuple(problem for problem in diagnose(facts) if problem.kind not in OF_ALL)

    async def figures(self) -> Figures:
        """Return what `/metrics` exposes; what concerns the other accounts is as of the last check."""
        appids = [one.tenant.appid for one in self.accounts]
        figures = await self.first.status_reporter.figures(appids)
        return replace(figures, others=[*self.known.values()])

    async def beat(self) -> None:
        """Call the heartbeat's URL, unless an alert of any account might not arrive."""
        heartbeat = self.shared.heartbeat
        if heartbeat and not any(may_be_silent(found) for _, found in await self.problems()):
            await heartbeat.beat()


@asynccontextmanager
async def build_fleet(
    settings: Settings,
    tenants: Sequence[Tenant],
    clock: Clock = utc_now,
    *,
    role: str = "",
    rejections: Rejections | None = None,
) -> AsyncIterator[Fleet]:
    """Build the services of every Official Account. For the other arguments see `build_shared`.

    A single account is not named in what people see. The buttons of that of the environment carry no AppID.
    """
    several = len(tenants) > 1
    # Whether Slack accepts the token is asked about a channel: without a common one, that of the first account.
    channel = settings.slack_alert_channel or tenants[0].settings.slack_alert_channel
    async with build_shared(
        replace(settings, slack_alert_channel=channel), clock, role=role, rejections=rejections
    ) as shared:
        digests = shared_digests(settings, tenants)
        shared = replace(shared, process=replace(shared.process, of_all=several, settings=digests))
        yield Fleet(shared, [account_services(shared, one, _label(one, several=several)) for one in tenants])


def _label(tenant: Tenant, *, several: bool) -> TenantLabel | None:
    if several or tenant.origin is not Origin.ENVIRONMENT:
        return TenantLabel(tenant.appid, tenant.title, is_named=several)
    return None


@asynccontextmanager
async def build_services(settings: Settings, clock: Clock = utc_now, *, role: str = "") -> AsyncIterator[Services]:
    """Build the services of the account of the environment alone."""
    async with build_fleet(settings, [of_environment(settings)], clock, role=role) as fleet:
        yield fleet.first
