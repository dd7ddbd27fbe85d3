"""Builds the parts of a process out of the settings. Connects to nothing, starts nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from bot.blocks.channel import Look
from bot.delivery import Delivery
from bot.episodes import AlertPolicy
from bot.marks import Marks
from bot.settings import Settings
from bot.slack import Session, SlackChannel, quiet_client
from bot.store import Store
from bot.watch import Watcher
from wechat_kf import KfClient, StableToken


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Parts:
    """What a process is made of. Without alerts there is no store, no watcher and no delivery."""

    settings: Settings
    tokens: StableToken
    accounts: KfClient
    session: Session
    store: Store | None = None
    watcher: Watcher | None = None
    delivery: Delivery | None = None


@asynccontextmanager
async def parts_of(settings: Settings) -> AsyncIterator[Parts]:
    """Build the parts, and close them afterwards. Connects to nothing yet."""
    # Ambient proxies must not carry WeChat's traffic: it goes through the one that is set for it, or none.
    wechat = httpx.AsyncClient(
        base_url=settings.wechat_api_url,
        proxy=settings.wechat_proxy_url or None,
        trust_env=False,
        timeout=httpx.Timeout(10, connect=5),
    )
    async with wechat, Session() as session:
        proxied = bool(settings.wechat_proxy_url)
        tokens = StableToken(wechat, settings.wechat_appid, settings.wechat_secret, proxied=proxied)
        parts = Parts(settings, tokens, KfClient(wechat, tokens, proxied=proxied), session)
        if settings.alerts:
            _add_alerts(parts)
        try:
            yield parts
        finally:
            if parts.store:
                await parts.store.close()


def _add_alerts(parts: Parts) -> None:
    settings = parts.settings
    poll = timedelta(seconds=settings.poll_seconds)
    marks = Marks(settings.wechat_secret, settings.wechat_appid)
    parts.store = Store.at(settings.database_url, settings.wechat_appid)
    parts.watcher = Watcher(
        parts.accounts,
        parts.store,
        policy=AlertPolicy(leads=settings.alert_leads),
        poll=poll,
        marks=marks,
        appid=settings.wechat_appid,
        clock=utc_now,
        jitter=lambda: random.uniform(0.9, 1.1),  # noqa: S311  spreads polls, guards nothing
    )
    client = quiet_client(settings.slack_bot_token, settings.slack_api_url, parts.session)
    parts.delivery = Delivery(
        SlackChannel(client, settings.slack_alert_channel),
        parts.store,
        look=Look(policy=AlertPolicy(leads=settings.alert_leads), poll=poll),
        marks=marks,
        lease=timedelta(seconds=settings.alert_lease_seconds),
        clock=utc_now,
    )
