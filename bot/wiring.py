"""Composition root: the services of a process, and how those that all Official Accounts share are built."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import httpx
from aiohttp import ClientSession

from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import NamedAccount, TenantLabel
from bot.delivery.backoffs import Backoffs
from bot.delivery.cycle import Delivery
from bot.http_clients import service_client, wechat_client
from bot.interactions.access import AccessPolicy, Membership, MembersOf, OperatorPolicy
from bot.interactions.alert_actions import AlertActions
from bot.interactions.language_choices import LanguageChoices
from bot.interactions.readers import Readers
from bot.interactions.slack_answers import SlackAnswers
from bot.interactions.status_reporter import StatusReporter
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
from bot.watcher.poller import AT_ONCE, Watcher
from bot.watcher.pruner import Pruner
from bot.watcher.recovery import Recovery
from bot.watcher.shared_outages import SharedOutages
from bot.watcher.unchanged_polls import UnchangedPolls
from bot.web.rejections import Rejections
from wechat_kf import FixedToken, KfClient, ServiceToken, StableToken

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
    backoffs: Backoffs = field(default_factory=Backoffs)
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
        return replace(context_of(self.tenant), handle=handle)

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
    async with AsyncExitStack() as stack:
        wechat = await stack.enter_async_context(wechat_client(settings))
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


def context_of(tenant: Tenant) -> RenderContext:
    """Return the context of what is rendered about an account, without the language of a reader."""
    return replace(
        RenderContext.from_settings(tenant.settings),
        is_withdrawn=tenant.state is TenantState.REVOKED,
        accounts_file=tenant.file,
        account_command=f"python -m bot accounts set {tenant.slug}" if tenant.origin in STORED else "",
    )


def _tokens(shared: SharedServices, tenant: Tenant) -> StableToken | ServiceToken:
    """Build the token source of an account. One without an AppSecret gets its tokens from the token service."""
    settings, appid, secret = tenant.settings, tenant.appid, tenant.secret
    if secret or shared.token_service is None:
        proxied = bool(settings.wechat_proxy_url)
        return StableToken(shared.wechat, appid, secret, now=shared.clock, proxied=proxied)
    url, authorization = settings.token_service_url, settings.token_service_auth
    return ServiceToken(shared.token_service, url, appid, authorization=authorization, now=shared.clock)


def _store(settings: Settings, clock: Clock) -> Store:
    # Processes may run on machines whose clocks differ; PostgreSQL has one clock for all of them.
    own = clock if settings.database_url.startswith("sqlite") else None
    return Store.from_url(settings.database_url, settings.wechat_appid, settings.slack_alert_channel, clock=own)
