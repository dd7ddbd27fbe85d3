"""Sends the pushes of a simulated platform over HTTP, as WeChat does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from bot.ports import Clock
from wechat_kf.simulator.component import SealedPush, ThirdPartyPlatform

EVENTS_PATH = "/wechat/platform/events"
ANSWER = b"success"
WITHIN = 5.0  # seconds for an answer
ATTEMPTS = 3
BETWEEN_TICKETS = 0.2  # seconds between two checks that a ticket is due

Report = Callable[[SealedPush, int | None], None]


class PushSender:
    """Posts pushes to the authorisation event URL of a platform."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: Callable[[], str],
        *,
        within: float = WITHIN,
        report: Report = lambda push, status: None,
    ) -> None:
        """Create a sender.

        Args:
            url: gives the address of the bot at each attempt, "" while it has none.
            report: is called with each attempt and the HTTP status of its answer, None without one.
        """
        self._session = session
        self._url = url
        self._within = within
        self._report = report

    async def send(self, push: SealedPush) -> bool:
        """Post a push until it is answered as required. Return False after the last attempt."""
        for _ in range(ATTEMPTS):
            if await self._is_accepted(push):
                return True
        return False

    async def send_tickets(self, platform: ThirdPartyPlatform, clock: Clock) -> None:
        """Send each ticket when it is due, until cancelled. None is issued while the bot has no address."""
        while True:
            if self._url() and (push := platform.due_ticket(clock())):
                await self.send(push)
            await asyncio.sleep(BETWEEN_TICKETS)

    async def _is_accepted(self, push: SealedPush) -> bool:
        """Return whether the answer is HTTP 200 with nothing but `success`."""
        status, body = None, b""
        try:
            async with (
                asyncio.timeout(self._within),
                self._session.post(
                    f"{self._url()}{EVENTS_PATH}",
                    params=push.query,
                    data=push.body,
                    headers={"Content-Type": "text/xml"},
                    allow_redirects=False,
                ) as answer,
            ):
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            pass
        self._report(push, status)
        return (status, body) == (200, ANSWER)
