"""The Official Accounts of a process: the services of each when they are needed, and what concerns all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property

from bot.account_wiring import account_services, channel_services, platform_incidents, shared_outages
from bot.blocks.tenant_label import TenantLabel
from bot.delivery.dependencies import DefaultChannel
from bot.health.facts import PlatformFacts, Problem, ProblemKind
from bot.health.problem_rules import diagnose, fleet_may_be_silent
from bot.interactions.fleet_health import FleetHealth
from bot.interactions.status_reporter import PASS_SECONDS
from bot.ports import Clock, utc_now
from bot.runtime.metrics import Figures, FleetFigures
from bot.runtime.recently_used import RecentlyUsed
from bot.settings.values import Settings
from bot.tenant_states import TenantState
from bot.tenants.shared_digests import shared_digests
from bot.tenants.tenant import Tenant, TenantOrigin, no_account, of_environment
from bot.watcher.poller import TIMER_PASS
from bot.web.rejections import Rejections
from bot.wiring import ChannelServices, Services, SharedServices, build_shared

MOST_SERVICES = 200  # accounts whose services are kept; the others' are made again in 0.1 ms


def first_polled(tenants: Sequence[Tenant]) -> Tenant | None:
    """Return the account that reports what all accounts share: the first that is polled, if there is one."""
    return min(tenants, key=lambda one: not one.state.is_polled, default=None)


class Fleet:
    """Every Official Account of a process. Before the first owner has authorised the platform there may be none.

    What lasts is in the store, or in `SharedServices`: nothing else is kept for each of them.
    """

    def __init__(self, shared: SharedServices, tenants: Sequence[Tenant]) -> None:
        self.shared = shared
        self.tenants = {tenant.appid: tenant for tenant in tenants}
        self.accounts = RecentlyUsed(self._make, MOST_SERVICES)  # by AppID
        self._receives: bool | None = None  # commands, if a connection has been tried
        self._by_channel: dict[str, list[Tenant]] = {}  # by its ID
        for tenant in tenants:
            self._by_channel.setdefault(tenant.settings.slack_alert_channel, []).append(tenant)
        self._channels = RecentlyUsed(self._channel, MOST_SERVICES)
        first = first_polled(tenants) or no_account(shared.settings)
        self.first = self._services(first)
        self._health = FleetHealth(shared.store, [one for one in tenants if one is not first])
        if shared.store:
            shared.store.include(self.tenants)
        if shared.platform:
            doubtful = (one.appid for one in tenants if one.state is TenantState.DOUBTFUL)
            shared.platform.outcomes.note_doubtful(doubtful)

    @property
    def is_several(self) -> bool:
        return len(self.tenants) > 1

    def note_receiving(self, *, receives: bool) -> None:
        """Record whether commands reach this process."""
        self._receives = receives
        for services in (self.first, *self.accounts.present()):
            services.status_reporter.note_receiving(receives=receives)

    @property
    def platform(self) -> PlatformFacts | None:
        """Return what was last read of the third-party platform; None without one."""
        return self.first.status_reporter.platform

    @cached_property
    def pace(self) -> float:
        """Return the seconds from one look for something to do to the next."""
        return min([TIMER_PASS.total_seconds(), *(one.settings.poll_seconds for one in self.tenants.values())])

    async def problems(self) -> Sequence[tuple[Tenant, tuple[Problem, ...]]]:
        """Return the accounts that have problems at present, and these, most severe first.

        What all of them share, such as a store that cannot be reached, is a problem of the first. Those of the
        others may be some seconds old.
        """
        facts = await self.first.status_reporter.facts(PASS_SECONDS)
        await self._health.read(facts.started_at)
        return self._with_others(diagnose(facts))

    async def check(self) -> Sequence[tuple[Tenant, tuple[Problem, ...]]]:
        """Return the same for a router that requests `/readyz`, after a test write of the first account.

        The problems of the others are as of the last reading.
        """
        return self._with_others(await self.first.status_reporter.check())

    def _with_others(self, problems: tuple[Problem, ...]) -> Sequence[tuple[Tenant, tuple[Problem, ...]]]:
        others = [(self.tenants[appid], found) for appid, found in self._health.known.problems.items()]
        return [(self.first.tenant, problems), *others] if problems else others

    async def figures(self) -> Figures:
        """Return what `/metrics` exposes; what concerns the other accounts is as of the last reading."""
        figures = await self.first.status_reporter.figures([*self.tenants])
        if not self.is_several:
            return figures
        known, found = self._health.known, self._with_others(diagnose(figures.facts))
        kinds = [{problem.kind for problem in problems if not problem.has_no_account} for _, problems in found]
        blocked = {
            tenant.settings.slack_alert_channel
            for (tenant, _), each in zip(found, kinds, strict=True)
            if ProblemKind.SLACK_BLOCKED in each
        }
        fleet = FleetFigures(
            accounts={state.value: number for state, number in known.accounts.items()},
            troubled=kinds,
            blocked_channels=len(blocked),
            oldest_poll=known.oldest_poll,
            oldest_pending=known.oldest_pending,
        )
        return replace(figures, fleet=fleet)

    async def beat(self) -> None:
        """Call the heartbeat's URL, unless alerts might not arrive."""
        heartbeat = self.shared.heartbeat
        if heartbeat is None:
            return
        if not fleet_may_be_silent([problems for _, problems in await self.problems()], len(self.tenants)):
            await heartbeat.beat()

    def _make(self, appid: str) -> Services:
        if appid == self.first.tenant.appid:
            return self.first
        services = self._services(self.tenants[appid])
        if self._receives is not None:
            services.status_reporter.note_receiving(receives=self._receives)
        return services

    def _services(self, tenant: Tenant) -> Services:
        default = DefaultChannel(next(iter(self.tenants), ""), self.shared.settings.slack_alert_channel)
        return account_services(
            self.shared,
            tenant,
            self._channels[tenant.settings.slack_alert_channel],
            self._label(tenant),
            default if self.is_several else None,
        )

    def _channel(self, channel_id: str) -> ChannelServices:
        return channel_services(self.shared, channel_id, self._by_channel.get(channel_id, ()))

    def _label(self, tenant: Tenant) -> TenantLabel | None:
        if self.is_several or tenant.origin is not TenantOrigin.ENVIRONMENT:
            return TenantLabel(tenant.appid, tenant.title, is_named=self.is_several)
        return None


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
    several, first = len(tenants) > 1, first_polled(tenants)
    # Whether Slack accepts the token is asked about a channel: without a common one, that of the first account.
    channel = settings.slack_alert_channel or next((one.settings.slack_alert_channel for one in tenants), "")
    async with build_shared(
        replace(settings, slack_alert_channel=channel), clock, role=role, rejections=rejections
    ) as shared:
        digests = shared_digests(settings, tenants)
        shared = replace(
            shared,
            process=replace(shared.process, of_all=several, settings=digests),
            outages=shared_outages(shared.settings, first) if first and several and shared.store else None,
            platform_incidents=platform_incidents(shared.settings, first) if first and shared.platform else None,
        )
        yield Fleet(shared, tenants)


@asynccontextmanager
async def build_services(settings: Settings, clock: Clock = utc_now, *, role: str = "") -> AsyncIterator[Services]:
    """Build the services of the account of the environment alone."""
    async with build_fleet(settings, [of_environment(settings)], clock, role=role) as fleet:
        yield fleet.first
