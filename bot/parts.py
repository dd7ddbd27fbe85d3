"""Builds the parts of a process out of the settings. Connects to nothing, starts nothing."""

from __future__ import annotations

import random
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import httpx

from bot.acts import Acts
from bot.blocks.context import RenderContext
from bot.delivery import Delivery, Means
from bot.desk.standing import Standing
from bot.health import may_be_silent
from bot.heartbeat import Heartbeat
from bot.ledger import Ledger
from bot.marks import Marks
from bot.membership import Membership
from bot.metrics import Metrics
from bot.ports import Clock, utc_now
from bot.recovery import Recovery
from bot.settings import Settings
from bot.slack import Session, SlackChannel, installation, is_shared_outside, members, quiet_client
from bot.store import Store, StoreError, presence
from bot.store.presence import ProcessInfo
from bot.tasks import in_time
from bot.viewers import Viewers
from bot.watch import Watcher
from bot.web import Rejections
from wechat_kf import KfClient, StableToken

LEAVE_SECONDS = 0.5  # the host waits


@dataclass
class Parts:
    """What a process is made of. Without alerts there is no store, no watcher and no delivery."""

    settings: Settings
    clock: Clock
    tokens: StableToken
    accounts: KfClient
    session: Session
    viewers: Viewers
    membership: Membership
    process: ProcessInfo
    standing: Standing
    rejections: Rejections
    metrics: Metrics = field(default_factory=Metrics)
    store: Store | None = None
    acts: Acts | None = None
    watcher: Watcher | None = None
    delivery: Delivery | None = None
    heartbeat: Heartbeat | None = None

    async def leave(self) -> None:
        """Be counted no more, if the store is there to be told so."""
        if self.store and self.store.migrated:
            with suppress(*StoreError, TimeoutError):
                await in_time(self._leave(self.store), LEAVE_SECONDS)

    async def _leave(self, store: Store) -> None:
        async with store.begin() as tx:
            await presence.leave(tx, self.process.id)

    async def beat(self) -> None:
        """Call the heartbeat's URL, unless an alert might not arrive."""
        if self.heartbeat and not may_be_silent(await self.standing.problems()):
            await self.heartbeat.beat()


@asynccontextmanager
async def parts_of(settings: Settings, clock: Clock = utc_now, *, role: str = "") -> AsyncIterator[Parts]:
    """Build the parts, and close them afterwards. Connects to nothing yet.

    Args:
        clock: the time they live in.
        role: "web" or "worker"; "" for a one-off command, which other processes do not see.
    """
    # Ambient proxies must not carry WeChat's traffic: it goes through the one that is set for it, or none.
    wechat = httpx.AsyncClient(
        base_url=settings.wechat_api_url,
        proxy=settings.wechat_proxy_url or None,
        trust_env=False,
        timeout=httpx.Timeout(10, connect=5),
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(wechat)
        session = await stack.enter_async_context(Session(proxy=settings.slack_proxy_url or None))
        proxied = bool(settings.wechat_proxy_url)
        tokens = StableToken(wechat, settings.wechat_appid, settings.wechat_secret, now=clock, proxied=proxied)
        slack = quiet_client(settings.slack_bot_token, settings.slack_api_url, session)
        viewers = Viewers(settings.kf_viewers, partial(members, slack))
        membership = Membership(partial(installation, slack), partial(is_shared_outside, slack))
        store = _store(settings, clock) if settings.alerts else None
        process = ProcessInfo(
            secrets.token_hex(8), role, clock(), settings.receives_commands(role), settings.shared_digests
        )
        rejections = Rejections(clock)
        standing = Standing(
            store,
            settings,
            lambda: tokens.expires_at,
            clock,
            process if role else None,
            rejected=lambda: rejections.recent,
        )
        accounts = KfClient(wechat, tokens, proxied=proxied)
        parts = Parts(
            settings, clock, tokens, accounts, session, viewers, membership, process, standing, rejections
        )
        if store:
            _add_alerts(parts, store, SlackChannel(slack, settings.slack_alert_channel))
        if settings.heartbeat_url:
            client = await stack.enter_async_context(_heartbeat_client(settings))
            parts.heartbeat = Heartbeat(client, settings.heartbeat_url)
        if parts.store:
            stack.push_async_callback(parts.store.close)
        yield parts


def _heartbeat_client(settings: Settings) -> httpx.AsyncClient:
    """Create a client that goes the way of Slack's: same proxy, same trusted certificates."""
    proxy = settings.ambient_proxy.of(settings.heartbeat_url) or None
    return httpx.AsyncClient(proxy=proxy, trust_env=False, verify=ssl.create_default_context())


def _store(settings: Settings, clock: Clock) -> Store:
    # Processes may run on machines whose clocks differ; PostgreSQL has one clock for all of them.
    own = clock if settings.database_url.startswith("sqlite") else None
    return Store.at(settings.database_url, settings.wechat_appid, clock=own)


def _add_alerts(parts: Parts, store: Store, channel: SlackChannel) -> None:
    settings, clock = parts.settings, parts.clock
    context = RenderContext.from_settings(settings)
    marks = Marks(settings.wechat_secret, settings.wechat_appid)
    ledger = Ledger(context.policy, marks, settings.wechat_appid)
    parts.store = store
    parts.acts = Acts(store, ledger=ledger, zone=settings.timezone)
    parts.watcher = Watcher(
        parts.accounts,
        store,
        ledger=ledger,
        recovery=Recovery(channel, clock),
        poll=context.poll,
        jitter=lambda: random.uniform(0.9, 1.1),  # noqa: S311  spreads polls, guards nothing
        count=parts.metrics.count,
    )
    lease = timedelta(seconds=settings.alert_lease_seconds)
    parts.delivery = Delivery(Means(channel, store, context, marks, lease, parts.metrics.count))
