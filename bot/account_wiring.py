"""Composition root: build the services of one Official Account and of its channel, and notices about several."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.alerting.cadence import Cadence
from bot.blocks.tenant_label import NamedAccount, TenantLabel
from bot.delivery.cycle import Delivery
from bot.delivery.dependencies import DefaultChannel, DeliveryDependencies
from bot.interactions.alert_actions import AlertActions
from bot.interactions.status_reporter import StatusReporter
from bot.outbox.event_keys import EventKeys
from bot.recorder import Recorder
from bot.settings.values import Settings
from bot.store.database import Store
from bot.tenants.table_keys import Source
from bot.tenants.tenant import Tenant
from bot.watcher.incident_reporting import CommonNotices
from bot.watcher.poller import Watcher
from bot.watcher.pruner import Pruner
from bot.watcher.recovery import Recovery
from bot.watcher.shared_outages import SharedOutages
from bot.wiring import ChannelServices, Services, SharedServices, context_of
from wechat_kf import KfClient

if TYPE_CHECKING:
    from bot.watcher.platform_incidents import PlatformIncidents


def account_services(
    shared: SharedServices,
    tenant: Tenant,
    channel: ChannelServices,
    label: TenantLabel | None = None,
    default_channel: DefaultChannel | None = None,
) -> Services:
    """Build the services of one Official Account.

    Args:
        channel: where its alerts go.
        label: names the account in what people see, and in its buttons; None for that of the environment alone.
        default_channel: for notices about other channels.
    """
    settings = tenant.settings
    proxied, process = bool(settings.wechat_proxy_url), shared.process
    tokens = shared.tokens_of(tenant)
    store = shared.store.of(tenant.appid, settings.slack_alert_channel) if shared.store else None
    status_reporter = StatusReporter(
        store,
        settings,
        lambda: tokens.expires_at,
        shared.clock,
        process if process.role else None,
        rejected=lambda: shared.rejections.recent,
        failed_replies=lambda: shared.reply_failures.recent,
        slack_trouble=lambda: shared.slack_answers.trouble,
        digests=process.settings,
        is_one_of_several=process.of_all,
        state=tenant.state,
        is_of_platform=tenant.source == Source.PLATFORM,
    )
    services = Services(
        shared,
        tenant,
        tokens,
        KfClient(shared.wechat, tokens, proxied=proxied),
        shared.access_of(settings.kf_viewers),
        status_reporter,
        store,
        label,
    )
    if store:
        _add_alerts(services, store, channel, default_channel)
    return services


def channel_services(shared: SharedServices, channel_id: str, tenants: Sequence[Tenant]) -> ChannelServices:
    """Build the channel that these Official Accounts share."""
    channel = shared.channel_of(channel_id)
    recovery = Recovery(channel, shared.clock, readers=len(tenants))
    return ChannelServices(channel, recovery, _NamedAccounts({one.appid: one for one in tenants}))


class _NamedAccounts(Mapping[str, NamedAccount]):
    """The accounts of a channel. Each is named when a message about several needs it: there may be thousands."""

    def __init__(self, tenants: Mapping[str, Tenant]) -> None:
        self._tenants = tenants

    def __getitem__(self, appid: str) -> NamedAccount:
        tenant = self._tenants[appid]
        return NamedAccount(TenantLabel(appid, tenant.title), context_of(tenant))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tenants)

    def __len__(self) -> int:
        return len(self._tenants)


def _recorder(tenant: Tenant, channel_appids: Collection[str] = ()) -> Recorder:
    settings, of_platform = tenant.settings, tenant.source == Source.PLATFORM
    # The key must not be in the store alone, and outlive it. An account without an AppSecret takes the platform's,
    # or Slack's.
    secret = tenant.secret or (settings.platform_secret if of_platform else "")
    appid = tenant.appid
    keys = EventKeys(secret or _secret_of_slack(settings), appid)
    return Recorder(settings.policy, keys, appid, channel_appids=channel_appids)


def _secret_of_slack(settings: Settings) -> str:
    return settings.slack_signing_secret or settings.slack_app_token


def shared_outages(settings: Settings, first: Tenant) -> SharedOutages:
    """Build what applies outages to all accounts.

    Args:
        settings: of the deployment; their notices appear in its channel.
        first: the account that posts these notices.
    """
    notices = _common_notices(settings, first)
    return SharedOutages(notices, timedelta(seconds=settings.poll_seconds), settings.polls_per_second)


def platform_incidents(settings: Settings, first: Tenant) -> PlatformIncidents:
    """Build what posts the notices about the third-party platform. The arguments are those of `shared_outages`."""
    from bot.watcher.platform_incidents import PlatformIncidents  # most installations have no platform

    return PlatformIncidents(settings.platform_appid, _common_notices(settings, first))


def _common_notices(settings: Settings, first: Tenant) -> CommonNotices:
    return CommonNotices(_recorder(first), settings.slack_alert_channel)


def _add_alerts(
    services: Services, store: Store, channel: ChannelServices, default_channel: DefaultChannel | None
) -> None:
    settings, clock = services.settings, services.shared.clock
    count = services.shared.metrics.count
    context, platform = services.context, services.shared.platform
    recorder = _recorder(services.tenant, channel.accounts.keys() if len(channel.accounts) > 1 else ())
    services.recorder = recorder

    def jitter() -> float:
        return random.uniform(0.9, 1.1)  # noqa: S311  spreads polls, guards nothing

    services.alert_actions = AlertActions(store, recorder=recorder, zone=settings.timezone)
    services.watcher = Watcher(
        services.accounts,
        store,
        recorder=recorder,
        recovery=channel.recovery,
        cadence=Cadence(context.poll, timedelta(seconds=settings.poll_idle_seconds), jitter),
        lease=settings.poll_lease,
        unchanged_polls=services.shared.unchanged_polls,
        recording=services.shared.recording,
        is_one_of_several=services.is_one_of_several,
        keeps_list=not services.shared.process.role,
        count=count,
        outages=services.shared.outages,
        authorizations=platform.outcomes if platform and services.tenant.source == Source.PLATFORM else None,
    )
    lease = timedelta(seconds=settings.alert_lease_seconds)
    services.pruner = Pruner(services.accounts, store, policy=context.policy, clock=clock, count=count)
    services.delivery = Delivery(
        DeliveryDependencies(
            channel.channel,
            store,
            replace(context, operations=bool(settings.kf_operators)),
            recorder.event_keys,
            EventKeys(_secret_of_slack(settings), ""),
            lease,
            count,
            backoffs=services.shared.backoffs,
            label=services.label,
            default_channel=default_channel,
            channel_accounts=channel.accounts,
        )
    )
