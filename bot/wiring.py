"""Composition root: build the services of a process from the settings. Nothing is connected or started."""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx
from aiohttp import ClientSession

from bot.alerting.cadence import Cadence
from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import NamedAccount, TenantLabel
from bot.delivery.cycle import Delivery
from bot.delivery.dependencies import DefaultChannel, DeliveryDependencies
from bot.delivery.rests import Rests
from bot.interactions.access import AccessPolicy, Membership, MembersOf, OperatorPolicy
from bot.interactions.alert_actions import AlertActions
from bot.interactions.language_choices import LanguageChoices
from bot.interactions.readers import Readers
from bot.interactions.slack_answers import SlackAnswers
from bot.interactions.status_reporter import StatusReporter
from bot.outbox.event_keys import EventKeys
from bot.ports import Channel, Clock, Counter, Views, utc_now
from bot.recorder import Recorder
from bot.runtime.heartbeat import Heartbeat
from bot.runtime.logs import official_account
from bot.runtime.metrics import Metrics
from bot.runtime.tasks import BackgroundTasks, with_timeout
from bot.settings.values import Settings
from bot.slack.channel import SlackChannel
from bot.slack.directory import SECONDS as LOOKUP_SECONDS
from bot.slack.directory import bot_workspace, group_members, is_shared_outside, reader
from bot.slack.reply_failures import ReplyFailures
from bot.slack.views import SlackViews
from bot.slack.web_api import no_retry_client
from bot.slack.workspace import still_refuses
from bot.store import processes
from bot.store.database import Store
from bot.store.processes import ProcessInfo
from bot.store.store_errors import StoreError
from bot.store.tenants import STORED
from bot.tenant_states import TenantState
from bot.tenants.table_keys import Source
from bot.tenants.tenant import Tenant
from bot.watcher.incident_reporting import CommonNotices
from bot.watcher.poller import AT_ONCE, Watcher
from bot.watcher.pruner import Pruner
from bot.watcher.recovery import Recovery
from bot.watcher.shared_outages import SharedOutages
from bot.watcher.unchanged_polls import UnchangedPolls
from bot.web.rejections import Rejections
from wechat_kf import FixedToken, KfClient, ServiceToken, StableToken
from wechat_kf.connections import SeparateConnections

if TYPE_CHECKING:
    from bot.platform.services import AuthorizerTokens, PlatformServices
    from bot.watcher.platform_incidents import PlatformIncidents

UNREGISTER_SECONDS = 0.5  # the host waits


@dataclass(frozen=True)
class SharedServices:
    """The services that all Official Accounts of a process share. Without alerts there is no store."""

    settings: Settings  # of the deployment
    clock: Clock
    wechat: httpx.AsyncClient
    token_service: httpx.AsyncClient | None
    session: ClientSession
    channel_of: Callable[[str], SlackChannel]  # by its ID
    members: MembersOf
    membership: Membership
    operators: OperatorPolicy
    readers: Readers
    language_choices: LanguageChoices
    tasks: BackgroundTasks
    process: ProcessInfo
    rejections: Rejections
    reply_failures: ReplyFailures
    slack_answers: SlackAnswers
    views: Views
    metrics: Metrics
    rests: Rests = field(default_factory=Rests)
    store: Store | None = None
    unchanged_polls: UnchangedPolls | None = None
    recording: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, AT_ONCE))  # of other polls
    heartbeat: Heartbeat | None = None
    outages: SharedOutages | None = None  # None for a single account
    platform: PlatformServices | None = None  # None without a third-party platform
    platform_incidents: PlatformIncidents | None = None  # of the same
    tokens: dict[str, StableToken | ServiceToken] = field(default_factory=dict)  # by AppID, as they are needed
    policies: dict[tuple[str, ...], AccessPolicy] = field(default_factory=dict)  # by the viewers that are named

    def tokens_of(self, tenant: Tenant) -> StableToken | ServiceToken | AuthorizerTokens:
        """Return the token source of an account, which keeps its token for the life of this process."""
        if tenant.source == Source.PLATFORM and self.platform:
            return self.platform.tokens_of(tenant.appid)
        if tenant.appid not in self.tokens:
            self.tokens[tenant.appid] = _tokens(self, tenant)
        return self.tokens[tenant.appid]

    def access_of(self, viewers: tuple[str, ...]) -> AccessPolicy:
        """Return the access policy of all accounts that name these viewers."""
        if viewers not in self.policies:
            self.policies[viewers] = AccessPolicy(viewers, self.members, self.operators)
        return self.policies[viewers]

    async def unregister(self) -> None:
        """Remove this process from the process table, if the store is reachable."""
        if self.store and self.store.migrated:
            with suppress(*StoreError, TimeoutError):
                await with_timeout(self._unregister(self.store), UNREGISTER_SECONDS)

    async def _unregister(self, store: Store) -> None:
        async with store.begin() as tx:
            await processes.remove(tx, self.process.id)


@dataclass(frozen=True, slots=True)
class ChannelServices:
    """A Slack channel, and the Official Accounts that post to it."""

    channel: Channel
    recovery: Recovery
    accounts: Mapping[str, NamedAccount]  # by AppID


@dataclass
class Services:
    """The services of one Official Account. Without alerts there is no store, no watcher and no delivery."""

    shared: SharedServices
    tenant: Tenant
    tokens: StableToken | ServiceToken | AuthorizerTokens | FixedToken
    accounts: KfClient
    access: AccessPolicy
    status_reporter: StatusReporter
    store: Store | None = None
    label: TenantLabel | None = None  # None for the account of the environment alone
    recorder: Recorder | None = None
    alert_actions: AlertActions | None = None
    watcher: Watcher | None = None
    pruner: Pruner | None = None
    delivery: Delivery | None = None

    @property
    def settings(self) -> Settings:
        """Return the settings of the deployment, with the account's own values."""
        return self.tenant.settings

    @property
    def context(self) -> RenderContext:
        """Return the context of what is rendered for the channel, or for a reader whose language is not known."""
        handle = self.tenant.slug if self.is_one_of_several else ""
        return replace(_context_of(self.tenant), handle=handle)

    def in_log(self) -> AbstractContextManager[None]:
        """Put the handle of the account into every line that is logged in here, if there are several accounts."""
        return official_account(self.tenant.slug if self.is_one_of_several else "")

    @property
    def is_one_of_several(self) -> bool:
        return self.label is not None and self.label.is_named


@asynccontextmanager
async def build_shared(
    settings: Settings, clock: Clock = utc_now, *, role: str = "", rejections: Rejections | None = None
) -> AsyncIterator[SharedServices]:
    """Build what all Official Accounts share, and close it afterwards. Connects to nothing yet.

    Args:
        clock: the clock that the services share.
        role: "web" or "worker"; "" for a one-off command, which other processes do not see.
        rejections: of a server that is there already; None for a new one.
    """
    # Ambient proxies must not carry WeChat's traffic: it goes through the one that is set for it, or none.
    connection = partial(
        httpx.AsyncHTTPTransport,
        proxy=settings.wechat_proxy_url or None,
        trust_env=False,
        verify=_certificates(),
    )
    wechat = httpx.AsyncClient(
        base_url=settings.wechat_api_url,
        trust_env=False,
        cookies=_no_cookies(),
        transport=SeparateConnections(connection),
        timeout=httpx.Timeout(10, connect=5),
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(wechat)
        session = await stack.enter_async_context(ClientSession(proxy=settings.slack_proxy_url or None))
        slack = no_retry_client(settings.slack_bot_token, settings.slack_api_url, session)
        accepts = partial(still_refuses, slack, settings.slack_alert_channel, "", LOOKUP_SECONDS)
        answers = SlackAnswers(accepts, clock)
        members = answers.noting(partial(group_members, slack))
        membership = Membership(
            answers.noting(partial(bot_workspace, slack)), answers.noting(partial(is_shared_outside, slack))
        )
        tasks = BackgroundTasks()
        store = _store(settings, clock) if settings.alerts else None
        if store:
            stack.push_async_callback(store.close)
        choices = LanguageChoices(store, tasks)
        heartbeat = None
        if settings.heartbeat_url:
            proxy = settings.ambient_proxy.of(settings.heartbeat_url)
            client = await stack.enter_async_context(service_client(proxy))
            heartbeat = Heartbeat(client, settings.heartbeat_url)
        token_service = None
        if settings.token_service_url:
            token_service = await stack.enter_async_context(service_client(settings.token_service_proxy_url))
        metrics = Metrics()
        yield SharedServices(
            settings=settings,
            clock=clock,
            wechat=wechat,
            token_service=token_service,
            session=session,
            channel_of=partial(SlackChannel, slack),
            members=members,
            membership=membership,
            operators=OperatorPolicy(settings.kf_operators, members, membership),
            readers=Readers(answers.noting(partial(reader, slack)), tasks, choices=choices),
            language_choices=choices,
            tasks=tasks,
            process=ProcessInfo(
                secrets.token_hex(8), role, clock(), settings.receives_commands(role), settings.shared_digests
            ),
            rejections=rejections or Rejections(clock),
            reply_failures=ReplyFailures(clock),
            slack_answers=answers,
            views=SlackViews(slack, metrics.count),
            metrics=metrics,
            store=store,
            unchanged_polls=UnchangedPolls(store) if store else None,
            heartbeat=heartbeat,
            platform=_platform(settings, store, wechat, clock, partial(metrics.count, "renewal"))
            if store and settings.has_platform
            else None,
        )


def _platform(
    settings: Settings, store: Store, wechat: httpx.AsyncClient, clock: Clock, count: Counter
) -> PlatformServices:
    # Imported here: most installations have no platform.
    from bot.platform.services import build_platform

    return build_platform(settings, store, wechat, clock, count=count)


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
        return NamedAccount(TenantLabel(appid, tenant.title), _context_of(tenant))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tenants)

    def __len__(self) -> int:
        return len(self._tenants)


def _context_of(tenant: Tenant) -> RenderContext:
    return replace(
        RenderContext.from_settings(tenant.settings),
        is_withdrawn=tenant.state is TenantState.REVOKED,
        accounts_file=tenant.file,
        account_command=f"python -m bot accounts set {tenant.slug}" if tenant.origin in STORED else "",
    )


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


def _tokens(shared: SharedServices, tenant: Tenant) -> StableToken | ServiceToken:
    """Build the token source of an account. One without an AppSecret gets its tokens from the token service."""
    settings, appid, secret = tenant.settings, tenant.appid, tenant.secret
    if secret or shared.token_service is None:
        proxied = bool(settings.wechat_proxy_url)
        return StableToken(shared.wechat, appid, secret, now=shared.clock, proxied=proxied)
    url, authorization = settings.token_service_url, settings.token_service_auth
    return ServiceToken(shared.token_service, url, appid, authorization=authorization, now=shared.clock)


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates that httpx trusts: reading them takes 20 ms, so a process does it once."""
    return httpx.create_ssl_context(trust_env=False)


def service_client(proxy_url: str) -> httpx.AsyncClient:
    """Create a client for services other than Slack and WeChat. `proxy_url` is "" for direct connections.

    It trusts the same certificates as Slack's client.
    """
    return httpx.AsyncClient(
        proxy=proxy_url or None,
        trust_env=False,
        verify=ssl.create_default_context(),
        cookies=_no_cookies(),
    )


def _no_cookies() -> CookieJar:
    """Return a jar that keeps no cookie: a cookie of one account would go out with the next one's request."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def _store(settings: Settings, clock: Clock) -> Store:
    # Processes may run on machines whose clocks differ; PostgreSQL has one clock for all of them.
    own = clock if settings.database_url.startswith("sqlite") else None
    return Store.from_url(settings.database_url, settings.wechat_appid, settings.slack_alert_channel, clock=own)


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
            rests=services.shared.rests,
            label=services.label,
            default_channel=default_channel,
            channel_accounts=channel.accounts,
        )
    )
