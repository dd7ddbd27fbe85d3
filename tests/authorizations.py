"""The platform's part of a bot, driven by hand: the simulated WeChat is called without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import sqlalchemy as sa

from bot.platform.duties import PlatformDuties
from bot.platform.pushes import Pushes
from bot.platform.services import build_platform
from bot.sealing import StoreKeys
from bot.settings.values import Settings
from bot.store import authorizer_rows, sealed_secrets
from bot.store.authorizer_rows import Authorizer
from bot.store.database import Store, Tx
from bot.store.tables import platform, tenant
from tests.conftest import VirtualClock
from tests.platforms import DOMAIN, PLATFORM_SECRET, SERVER, SHOP, PlatformCaller
from tests.vectors_of_pushes import AES_KEY, PLATFORM_APPID, TOKEN
from wechat_kf import APIError, KfClient, KfError
from wechat_kf.envelope import open_push
from wechat_kf.simulator.component import SealedPush

KEYS = ("11" * 32,)


def platform_settings(**changed: Any) -> Settings:
    given: dict[str, Any] = {
        "slack_alert_channel": "C0ALERTS",
        "store_keys": KEYS,
        "platform_appid": PLATFORM_APPID,
        "platform_secret": PLATFORM_SECRET,
        "platform_token": TOKEN,
        "platform_aes_keys": (AES_KEY,),
        "platform_url": f"https://{DOMAIN}",
        **changed,
    }
    return Settings("", "", "xoxb-1", **given)


class PlatformBot:
    """The services of a platform over a store, and WeChat as the simulator plays it."""

    def __init__(self, store: Store, clock: VirtualClock, http: httpx.AsyncClient, caller: PlatformCaller) -> None:
        self.store = store
        self.clock = clock
        self.wechat = caller.world
        self.platform = caller.platform
        self.services = build_platform(platform_settings(), store, http, clock)
        self.woken = 0
        self.wait: timedelta | None = None  # after the last failed poll
        self.meanwhile: dict[str, Callable[[], Awaitable[None]]] = {}  # by the end of a path: before it is answered
        keys = StoreKeys(KEYS)
        self.pushes = Pushes(store.of("", ""), self.services.stored, keys, PLATFORM_APPID, wake=self._wake)
        self.withdrawn: list[str] = []
        self.has_loaded = True  # the accounts that withdraw
        self.duties = PlatformDuties(self.services, self._announce)

    def _wake(self) -> None:
        self.woken += 1

    async def _announce(self, tx: Tx, account: Authorizer) -> bool:
        if self.has_loaded:
            self.withdrawn.append(account.appid)
        return self.has_loaded

    async def pushed(self, push: SealedPush) -> None:
        """Take a push as the endpoint passes it on."""
        opened = open_push(push.body, push.query, token=TOKEN, keys=(AES_KEY,), appid=PLATFORM_APPID)
        assert await self.pushes.take(opened)

    async def ticket(self) -> None:
        await self.pushed(self.platform.push_ticket(self.clock()))

    async def granted(self, appid: str = SHOP, *sets: int, pushes: bool = True) -> None:
        """Let an owner authorise the platform, and take the push unless it is lost."""
        push = self.platform.grant(appid, sets or (6,), self.clock())
        if pushes:
            await self.pushed(push)

    async def withdraws(self, appid: str = SHOP, *, pushes: bool = True) -> None:
        push = self.platform.withdraw(appid, self.clock())
        if pushes:
            await self.pushed(push)

    async def step(self, after: timedelta = timedelta(seconds=5)) -> None:
        """Let the duties take a step after a while."""
        self.clock.now += after
        await self.duties.step()

    async def account(self, appid: str = SHOP) -> Authorizer:
        async with self.store.begin() as tx:
            found = await authorizer_rows.load(tx, appid)
        assert found
        return found

    async def state(self, appid: str = SHOP) -> str:
        return (await self.account(appid)).state.value

    async def secrets(self, appid: str = SHOP) -> set[str]:
        """Return the names of the stored secrets of an account."""
        async with self.store.begin() as tx:
            names = ("refresh_token", "code", "used_code")
            return {name for name in names if await sealed_secrets.load(tx, appid, name)}

    async def poll(self, appid: str = SHOP) -> int:
        """Read the list of an account as a poll does, and record the outcome. Return the errcode."""
        client = KfClient(self.services.http, self.services.tokens_of(appid), sleep=_no_sleep)
        try:
            await client.kf_list()
        except KfError as error:
            self.wait = await self.services.outcomes.apply_failure(appid, error)
            return error.errcode if isinstance(error, APIError) else -1
        await self.services.outcomes.apply_success(appid)
        return 0

    async def row(self) -> sa.RowMapping:
        """Return the row of the platform."""
        async with self.store.begin() as tx:
            return (await tx.run(sa.select(platform))).mappings().one()

    async def change(self, appid: str = SHOP, **values: Any) -> None:
        async with self.store.begin() as tx:
            await tx.run(sa.update(tenant).where(tenant.c.appid == appid).values(**values))

    def calls(self, path: str) -> int:
        """Return how many calls of a path the platform's API has had."""
        return len([call for call in self.wechat.component_api.log if call.path.endswith(path)])


async def _no_sleep(_seconds: float) -> None:
    return None


@asynccontextmanager
async def platform_bot(store: Store, clock: VirtualClock, **options: Any) -> AsyncIterator[PlatformBot]:
    caller = PlatformCaller(**options)
    caller.clock = clock

    async def answer(request: httpx.Request) -> httpx.Response:
        path, query, body = request.url.path, dict(request.url.params), request.content
        endpoint = caller.world.addressed(path, query, body)
        fault = endpoint.next_request_fault(path)
        status, said = endpoint.answer(request.method, path, query, body, clock(), SERVER, fault=fault)
        if meanwhile := made[0].meanwhile.pop(path.rpartition("/")[2], None):
            await meanwhile()
        return httpx.Response(status, content=said)

    transport, made = httpx.MockTransport(answer), list[PlatformBot]()
    async with httpx.AsyncClient(base_url="https://api.weixin.qq.com", transport=transport) as http:
        made.append(PlatformBot(store, clock, http, caller))
        yield made[0]
