"""A third-party platform of the simulator, served over HTTP, and a database that a bot has for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.demo.servers import serve, serve_wechat
from bot.sealing import StoreKeys
from bot.settings.values import Settings
from bot.store import platform_rows
from bot.store.database import Store, Tx
from bot.store.sealed_secrets import TICKET
from bot.web.platform_endpoint import START_PATH
from bot.wiring import SharedServices, build_shared
from tests.authorizations import KEYS, platform_settings
from tests.conftest import NOW, VirtualClock
from tests.platforms import PlatformCaller
from tests.vectors_of_pushes import PLATFORM_APPID


@dataclass
class ServedPlatform:
    """WeChat with a platform, the settings of a bot that has it, and the database of this bot."""

    wechat: PlatformCaller
    clock: VirtualClock
    settings: Settings

    async def in_store(self, work: Callable[[Tx], Awaitable[Any]]) -> Any:
        store = Store.from_url(self.settings.database_url, "", clock=self.clock)
        try:
            await store.open()
            async with store.begin() as tx:
                return await work(tx)
        finally:
            await store.close()

    async def push_ticket(self) -> None:
        """Issue a ticket, and store it as a push does."""
        ticket = StoreKeys(KEYS).seal(PLATFORM_APPID, TICKET, self.wechat.new_ticket())
        await self.in_store(lambda tx: platform_rows.take_ticket(tx, PLATFORM_APPID, tx.now, ticket))

    @asynccontextmanager
    async def process(self) -> AsyncIterator[SharedServices]:
        """Build the services of a process of the bot."""
        async with build_shared(self.settings, self.clock) as shared:
            assert shared.store
            await shared.store.open()
            yield shared


@asynccontextmanager
async def served_platform(folder: Path, now: datetime = NOW, **options: Any) -> AsyncIterator[ServedPlatform]:
    wechat, clock = PlatformCaller(**options), VirtualClock(now)
    wechat.clock = clock
    async with serve_wechat(wechat.world, clock) as url:
        settings = platform_settings(wechat_api_url=url, database_url=f"sqlite:///{folder / 'kf.db'}")
        yield ServedPlatform(wechat, clock, settings)


@asynccontextmanager
async def owners_page(status: int, settings: Settings, **headers: str) -> AsyncIterator[Settings]:
    """Serve an answer in place of the owner's page, and yield the settings whose PLATFORM_URL leads there."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_get(START_PATH, answer)
    async with serve(app) as url:
        yield replace(settings, platform_url=url)
