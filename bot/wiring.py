"""Composition root: build the services of a process from the settings. Nothing is connected or started."""

from __future__ import annotations

import random
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial

import httpx
from aiohttp import ClientSession

from bot.blocks.context import RenderContext
from bot.delivery.cycle import Delivery
from bot.delivery.dependencies import DeliveryDependencies
from bot.health.rules import may_be_silent
from bot.interactions.access import AccessPolicy, Membership, OperatorPolicy
from bot.interactions.alert_actions import AlertActions
from bot.interactions.language_choices import LanguageChoices
from bot.interactions.readers import Readers
from bot.interactions.slack_answers import SlackAnswers
from bot.interactions.status_reporter import StatusReporter
from bot.outbox.event_keys import EventKeys
from bot.ports import Clock, Views, utc_now
from bot.recorder import Recorder
from bot.runtime.heartbeat import Heartbeat
from bot.runtime.metrics import Metrics
from bot.runtime.tasks import BackgroundTasks, with_timeout
from bot.settings.values import Settings
from bot.slack.channel import SlackChannel
from bot.slack.directory import SECONDS as LOOKUP_SECONDS
from bot.slack.directory import group_members, installation, is_shared_outside, reader
from bot.slack.reply_failures import ReplyFailures
from bot.slack.views import SlackViews
from bot.slack.web_api import no_retry_client
from bot.slack.workspace import still_refuses
from bot.store import processes
from bot.store.database import Store
from bot.store.processes import ProcessInfo
from bot.store.store_errors import StoreError
from bot.watcher.poller import Watcher
from bot.watcher.pruner import Pruner
from bot.watcher.recovery import Recovery
from bot.web.rejections import Rejections
from wechat_kf import KfClient, StableToken

UNREGISTER_SECONDS = 0.5  # the host waits


@dataclass
class Services:
    """The services of a process. Without alerts there is no store, no watcher and no delivery."""

    settings: Settings
    clock: Clock
    tokens: StableToken
    accounts: KfClient
    session: ClientSession
    access: AccessPolicy
    operators: OperatorPolicy
    membership: Membership
    readers: Readers
    language_choices: LanguageChoices
    tasks: BackgroundTasks
    process: ProcessInfo
    status_reporter: StatusReporter
    rejections: Rejections
    reply_failures: ReplyFailures
    slack_answers: SlackAnswers
    views: Views
    metrics: Metrics
    store: Store | None = None
    recorder: Recorder | None = None
    alert_actions: AlertActions | None = None
    watcher: Watcher | None = None
    pruner: Pruner | None = None
    delivery: Delivery | None = None
    heartbeat: Heartbeat | None = None

    async def unregister(self) -> None:
        """Remove this process from the process table, if the store is reachable."""
        if self.store and self.store.migrated:
            with suppress(*StoreError, TimeoutError):
                await with_timeout(self._unregister(self.store), UNREGISTER_SECONDS)

    async def _unregister(self, store: Store) -> None:
        async with store.begin() as tx:
            await processes.remove(tx, self.process.id)

    async def beat(self) -> None:
        """Call the heartbeat's URL, unless an alert might not arrive."""
        if self.heartbeat and not may_be_silent(await self.status_reporter.problems()):
            await self.heartbeat.beat()


@asynccontextmanager
async def build_services(settings: Settings, clock: Clock = utc_now, *, role: str = "") -> AsyncIterator[Services]:
    """Build the services, and close them afterwards. Connects to nothing yet.

    Args:
        clock: the clock that they share.
        role: "web" or "worker"; "" for a one-off command, which other processes do not see.
    """
    # Ambient proxies must not carry WeChat's traffic: it goes through the one that is set for it, or none.
    wechat = httpx.AsyncClient(
        base_url=settings.wechat_api_url,
        proxy=settings.wechat_proxy_url or None,
        trust_env=False,
        verify=_certificates(),
        timeout=httpx.Timeout(10, connect=5),
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(wechat)
        session = await stack.enter_async_context(ClientSession(proxy=settings.slack_proxy_url or None))
        proxied = bool(settings.wechat_proxy_url)
        tokens = StableToken(wechat, settings.wechat_appid, settings.wechat_secret, now=clock, proxied=proxied)
        slack = no_retry_client(settings.slack_bot_token, settings.slack_api_url, session)
        accepts = partial(still_refuses, slack, settings.slack_alert_channel, "", LOOKUP_SECONDS)
        answers = SlackAnswers(accepts, clock)
        members = answers.noting(partial(group_members, slack))
        membership = Membership(
            answers.noting(partial(installation, slack)), answers.noting(partial(is_shared_outside, slack))
        )
        operators = OperatorPolicy(settings.kf_operators, members, membership)
        access = AccessPolicy(settings.kf_viewers, members, operators)
        tasks = BackgroundTasks()
        store = _store(settings, clock) if settings.alerts else None
        choices = LanguageChoices(store, tasks)
        readers = Readers(answers.noting(partial(reader, slack)), tasks, choices=choices)
        process = ProcessInfo(
            secrets.token_hex(8), role, clock(), settings.receives_commands(role), settings.shared_digests
        )
        rejections, reply_failures = Rejections(clock), ReplyFailures(clock)
        status_reporter = StatusReporter(
            store,
            settings,
            lambda: tokens.expires_at,
            clock,
            process if role else None,
            rejected=lambda: rejections.recent,
            failed_replies=lambda: reply_failures.recent,
            slack_trouble=lambda: answers.trouble,
        )
        accounts = KfClient(wechat, tokens, proxied=proxied)
        metrics = Metrics()
        services = Services(
            settings,
            clock,
            tokens,
            accounts,
            session,
            access,
            operators,
            membership,
            readers,
            choices,
            tasks,
            process,
            status_reporter,
            rejections,
            reply_failures,
            answers,
            SlackViews(slack, metrics.count),
            metrics,
        )
        if store:
            _add_alerts(services, store, SlackChannel(slack, settings.slack_alert_channel))
        if settings.heartbeat_url:
            client = await stack.enter_async_context(_heartbeat_client(settings))
            services.heartbeat = Heartbeat(client, settings.heartbeat_url)
        if services.store:
            stack.push_async_callback(services.store.close)
        yield services


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates that httpx trusts: reading them takes 20 ms, so a process does it once."""
    return httpx.create_ssl_context(trust_env=False)


def _heartbeat_client(settings: Settings) -> httpx.AsyncClient:
    """Create a client that goes the way of Slack's: same proxy, same trusted certificates."""
    proxy = settings.ambient_proxy.of(settings.heartbeat_url) or None
    return httpx.AsyncClient(proxy=proxy, trust_env=False, verify=ssl.create_default_context())


def _store(settings: Settings, clock: Clock) -> Store:
    # Processes may run on machines whose clocks differ; PostgreSQL has one clock for all of them.
    own = clock if settings.database_url.startswith("sqlite") else None
    return Store.from_url(settings.database_url, settings.wechat_appid, clock=own)


def _add_alerts(services: Services, store: Store, channel: SlackChannel) -> None:
    settings, clock = services.settings, services.clock
    context = RenderContext.from_settings(settings)
    event_keys = EventKeys(settings.wechat_secret, settings.wechat_appid)
    recorder = Recorder(context.policy, event_keys, settings.wechat_appid)
    services.store, services.recorder = store, recorder
    services.alert_actions = AlertActions(store, recorder=recorder, zone=settings.timezone)
    services.watcher = Watcher(
        services.accounts,
        store,
        recorder=recorder,
        recovery=Recovery(channel, clock),
        poll=context.poll,
        jitter=lambda: random.uniform(0.9, 1.1),  # noqa: S311  spreads polls, guards nothing
        count=services.metrics.count,
    )
    lease = timedelta(seconds=settings.alert_lease_seconds)
    count = services.metrics.count
    services.pruner = Pruner(services.accounts, store, policy=context.policy, clock=clock, count=count)
    in_channel = replace(context, operations=bool(settings.kf_operators))
    services.delivery = Delivery(DeliveryDependencies(channel, store, in_channel, event_keys, lease, count))
