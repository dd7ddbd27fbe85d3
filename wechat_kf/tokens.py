"""Sources of access tokens: an AppSecret, a fixed token, or an external service.

An `access_token` and an `authorizer_access_token` are sent the same way, so each source may return either.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx

from wechat_kf import protocol
from wechat_kf.errors import KfError, ResponseError, TokenError, TransportError
from wechat_kf.shared_request import SharedRequest
from wechat_kf.transport import send

# WeChat issues the next token in the last 300 s of one; before that it returns the same one again.
MARGIN = timedelta(seconds=120)
MAX_LIFE = 86_400  # seconds; 7200 is documented, and more than a day is a mistake
REFUSED = 40001


class StableToken:
    """Tokens issued for an AppSecret by stable_token, which returns the same one to every process.

    A token is cached until shortly before its end. Concurrent callers share one request, which is never a forced
    one: that would invalidate the token of every other process.
    """

    # Some programs have thousands of sources.
    __slots__ = ("_appid", "_expires_at", "_http", "_now", "_proxied", "_secret", "_shared", "_token", "_within")

    def __init__(
        self,
        http: httpx.AsyncClient,
        appid: str,
        secret: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        within: float = 10,
        proxied: bool = False,
    ) -> None:
        """Create a source; `within` limits one request in seconds, and `proxied` is as in `KfClient`."""
        self._proxied = proxied
        self._http = http
        self._appid = appid
        self._secret = secret
        self._now = now
        self._within = within
        self._token = ""  # "" before the first, and after a refusal
        self._expires_at: datetime | None = None
        self._shared = SharedRequest()

    @property
    def expires_at(self) -> datetime | None:
        """Return the end of the cached token, for a status display; None before the first."""
        return self._expires_at

    async def get(self) -> str:
        """Return the cached token, or a new one shortly before its end."""
        if self._expires_at and self._now() < self._expires_at - MARGIN:
            return self._token
        return await self._shared.join(self._fetch)

    async def refresh(self, failed: str) -> str:
        """Return a token instead of the refused one: one that another caller got, or a new one.

        WeChat may issue the same token again.
        """
        if self._token == failed:
            self._token, self._expires_at = "", None
        return await self.get()

    async def _fetch(self) -> str:
        request, requested_at = protocol.stable_token(self._appid, self._secret), self._now()
        issued = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._within):
                response = await send(self._http, request, proxied=self._proxied)
                issued = protocol.parse_token(response.answer)
        if issued is None:
            reason = f"{request}: no answer within {self._within:g} s"
            raise TransportError(reason, timed_out=True)
        life = timedelta(seconds=min(issued.expires_in, MAX_LIFE))
        self._token, self._expires_at = issued.access_token, requested_at + life
        return issued.access_token


class FixedToken:
    """One token, from a setting or a shell. If it is refused, there is no other."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self) -> str:
        return self._token

    async def refresh(self, failed: str) -> str:
        """Raise TokenError: this source has one token."""
        raise TokenError(REFUSED, "the fixed token is refused")


class CallableToken:
    """Tokens of an external service, which is called each time and caches them itself."""

    def __init__(self, fn: Callable[[], Awaitable[str]]) -> None:
        self._fn = fn

    async def get(self) -> str:
        """Call the service.

        Raises:
            TransportError: the service raised; its text is dropped, since it may quote a URL or a token.
            ResponseError: the service returned no token.
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
        """Call the service again. It may return the same token."""
        return await self.get()
