"""Where access tokens come from: an AppSecret, a fixed token, somebody else's service.

An `access_token` and an `authorizer_access_token` travel the same way, so each source may give either.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from wechat_kf import protocol
from wechat_kf.client import send
from wechat_kf.errors import KfError, ResponseError, TokenError, TransportError

# Under the 300 s before its end in which WeChat hands out the next token: earlier it gives the same again.
MARGIN = timedelta(seconds=120)
MAX_LIFE = 86_400  # seconds; documented are 7200, and anything beyond a day is a mistake
REFUSED = 40001


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    expires_at: datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


class StableToken:
    """Tokens made from an AppSecret by stable_token, which hands every process the same one.

    Kept until shortly before their end. One request however many wait; it is never a forced one, which
    would take the token away from every other process.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        appid: str,
        secret: str,
        *,
        now: Callable[[], datetime] = _utc_now,
        within: float = 10,
        proxied: bool = False,
    ) -> None:
        """`now` gives aware datetimes; `within` bounds one request in seconds; `proxied` as of `KfClient`."""
        self._proxied = proxied
        self._http = http
        self._request = protocol.stable_token(appid, secret)
        self._now = now
        self._within = within
        self._held: _Held | None = None
        self._flight: asyncio.Task[str] | None = None

    @property
    def expires_at(self) -> datetime | None:
        """When the token in hand ends, for a status display; None before the first."""
        return self._held.expires_at if self._held else None

    async def get(self) -> str:
        """Return the token in hand, or a new one shortly before its end."""
        if self._held and self._now() < self._held.expires_at - MARGIN:
            return self._held.token
        if self._flight is None:
            self._flight = asyncio.create_task(self._fetch())
            self._flight.add_done_callback(self._finished)
        # One who waits may give up; the request goes on for the others.
        return await asyncio.shield(self._flight)

    async def refresh(self, failed: str) -> str:
        """Return a token instead of the refused one: that of a faster caller, or what WeChat issues now.

        WeChat may issue the very same token again.
        """
        if self._held and self._held.token == failed:
            self._held = None
        return await self.get()

    async def _fetch(self) -> str:
        asked = self._now()
        issued = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._within):
                reply = await send(self._http, self._request, proxied=self._proxied)
                issued = protocol.parse_token(reply.answer)
        if issued is None:
            reason = f"{self._request}: no answer within {self._within:g} s"
            raise TransportError(reason, timed_out=True)
        life = timedelta(seconds=min(issued.expires_in, MAX_LIFE))
        self._held = _Held(issued.access_token, asked + life)
        return issued.access_token

    def _finished(self, flight: asyncio.Task[str]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # seen, also when everyone who waited has given up


class FixedToken:
    """One token, from a setting or a shell. When it is refused there is no other."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self) -> str:
        return self._token

    async def refresh(self, failed: str) -> str:
        """Raise TokenError: this source has one token."""
        raise TokenError(REFUSED, "the fixed token is refused")


class CallableToken:
    """Tokens of a service of one's own, which is asked each time and does its own caching."""

    def __init__(self, fn: Callable[[], Awaitable[str]]) -> None:
        self._fn = fn

    async def get(self) -> str:
        """Ask the service.

        Raises:
            TransportError: it raised something; its text stays behind, for it may quote a URL or a token.
            ResponseError: it gave no token.
        """
        fault: KfError
        try:
            token = await self._fn()
        except KfError:
            raise
        except Exception as error:
            fault = TransportError(f"token service: {type(error).__name__}")
        else:
            if token:
                return token
            fault = ResponseError("token service: no token")
        raise fault

    async def refresh(self, failed: str) -> str:
        """Ask the service again. It may give the very same token."""
        return await self.get()
