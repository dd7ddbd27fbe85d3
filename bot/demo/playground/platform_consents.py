"""What owners of accounts do about the bot's third-party platform, with the pushes that follow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bot.demo.playground.installations import OfficialAccount
from bot.demo.playground.wechat_console import CannotError
from bot.demo.push_sender import PushSender, Report
from bot.ports import Clock
from bot.runtime.tasks import BackgroundTasks
from wechat_kf.simulator import AccountType, Simulator, World
from wechat_kf.simulator.component import LinkRefusedError, SealedPush, ThirdPartyPlatform

SETS: Mapping[AccountType, Sequence[int]] = {
    AccountType.VERIFIED: (6,),
    AccountType.UNVERIFIED: (6,),
    AccountType.MINI_PROGRAM: (19,),
}


@dataclass(frozen=True, slots=True)
class ShopChoice:
    """An account that can be chosen on WeChat's page, with the permission sets that its owner may grant."""

    appid: str
    name: str
    sets: Sequence[int]


class PlatformConsents:
    """The platform, and those who may authorise it. `on_change` is called when an authorisation has changed."""

    def __init__(
        self,
        platform: ThirdPartyPlatform,
        wechat: World,
        clock: Clock,
        *,
        owners: Callable[[], Sequence[OfficialAccount]],
        bot_url: Callable[[], str],
        report: Report,
        on_change: Callable[[], None],
    ) -> None:
        """Create the consents.

        Args:
            owners: gives the accounts whose owners may authorise the platform at present.
            bot_url: gives the address to which WeChat pushes, "" while it has none.
            report: is called with each push and the HTTP status of its answer.
        """
        self._platform = platform
        self._wechat = wechat
        self._clock = clock
        self._owners = owners
        self.bot_url = bot_url
        self._report = report
        self._on_change = on_change
        self._sending = BackgroundTasks()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Send pushes, and each ticket when it is due, for as long as the block lasts."""
        async with aiohttp.ClientSession() as session:
            self._sender = PushSender(session, self.bot_url, report=self._report)
            self._sending.start(self._sender.send_tickets(self._platform, self._clock))
            try:
                yield session
            finally:
                await self._sending.drain(0)

    def choices(self, link: str, referer: str) -> list[ShopChoice]:
        """Return the accounts that WeChat's page offers.

        Raises:
            LinkRefusedError: the page shows an error.
        """
        page = self._platform.open_page(link, self._clock(), referer=referer)
        accounts = [(one, self._wechat[one.appid].account_type) for one in self._owners()]
        return [
            ShopChoice(one.appid, one.name, SETS[account_type])
            for one, account_type in accounts
            if page.admits(one.appid, account_type)
        ]

    def authorize(self, link: str, appid: str, sets: Collection[int], referer: str) -> str:
        """Grant sets for an account, and return the address to which the browser is sent.

        Raises:
            LinkRefusedError: the page shows an error.
        """
        account = self._account(appid)
        chosen = [number for number in SETS[account.account_type] if number in sets]
        consent = self._platform.authorize(link, account, chosen, self._clock(), referer=referer)
        self._sending.start(self._send(consent.push))
        self._on_change()
        return consent.address

    def withdraw(self, appid: str) -> None:
        """End an authorisation, as its owner can in the console."""
        try:
            push = self._platform.withdraw(self._account(appid).appid, self._clock())
        except (KeyError, LinkRefusedError):
            raise CannotError("This account has not authorised the platform.") from None
        self._sending.start(self._send(push))
        self._on_change()

    def granted(self) -> dict[str, list[int]]:
        """Return the sets that are granted at present, by AppID."""
        return {grant.appid: list(grant.sets) for grant in self._platform.grants.in_force}

    async def _send(self, push: SealedPush) -> None:
        await self._sender.send(push)

    def _account(self, appid: str) -> Simulator:
        if all(appid != one.appid for one in self._owners()):
            raise LinkRefusedError("there is no such account")
        return self._wechat[appid]
