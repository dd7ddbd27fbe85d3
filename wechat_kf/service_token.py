"""Access tokens of a central token service, for accounts whose credentials another system holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx

from wechat_kf import service_protocol
from wechat_kf.body import ACCEPT_ENCODING
from wechat_kf.errors import KfError, ResponseError, TokenError, TransportError
from wechat_kf.service_protocol import NAME
from wechat_kf.shared_request import SharedRequest
from wechat_kf.tokens import MARGIN, REFUSED
from wechat_kf.transport import HTTPX_ERRORS, read_body, suppress_http_logs

KEPT = timedelta(seconds=60)  # the service may renew a token at any time
_MEANINGS = {
    **dict.fromkeys(range(300, 400), "redirects are not followed"),
    **dict.fromkeys((401, 403), "the authorization is refused"),
    404: "the service does not know the account",
    **dict.fromkeys(range(500, 600), "the service has failed"),
}


@dataclass(frozen=True, slots=True)
class _CachedToken:
    token: str = field(repr=False)
    until: datetime
    expires_at: datetime | None


class ServiceToken:
    """Tokens of one account from a central token service, each cached for a minute at most.

    The service decides when a token is renewed: a refused one is reported to it, and no renewal is forced.
    Concurrent callers share one request. No error contains a token, the authorization or the address.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        appid: str,
        *,
        authorization: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        within: float = 5,
    ) -> None:
        """Create a source.

        Args:
            http: a client that the caller opens and closes. It is not WeChat's: this traffic is not for its proxy.
            url: the service's address for `GET`, with `{appid}` in its path or query.
            authorization: the value of the `Authorization` header; "" to omit it.
            within: the limit of one request in seconds.

        Raises:
            ValueError: the address is not one that `service_protocol.check_url` accepts.
        """
        self._http = http
        self._url = service_protocol.address(url, appid)
        self._headers = {"Accept-Encoding": ACCEPT_ENCODING}
        if authorization:
            self._headers["Authorization"] = authorization
        self._now = now
        self._within = within
        self._cached: _CachedToken | None = None
        self._shared = SharedRequest()

    @property
    def expires_at(self) -> datetime | None:
        """Return the end of the cached token, for a status display; None if it is not known."""
        return self._cached.expires_at if self._cached else None

    async def get(self) -> str:
        """Return the cached token, or request the present one."""
        if self._cached and self._now() < self._cached.until:
            return self._cached.token
        return await self._shared.join(self._fetch)

    async def refresh(self, failed: str) -> str:
        """Return a token instead of the refused one: one that another caller got, or the answer to `refused=1`.

        Raises:
            TokenError: the service returned the refused token again.
        """
        if self._cached and self._cached.token == failed:
            self._cached = None
        if self._cached or self._shared.is_under_way:
            token = await self.get()
            if token != failed:
                return token
            self._cached = None
        return await self._shared.join(partial(self._fetch, refused=failed))

    async def _fetch(self, refused: str = "") -> str:
        requested_at = self._now()
        url = service_protocol.with_refused(self._url) if refused else self._url
        served = service_protocol.parse_answer(await self._receive(url))
        token, until, expires_at = served.access_token, requested_at + KEPT, None
        if token == refused:
            raise TokenError(REFUSED, f"{NAME}: the refused token again")
        if served.expires_in is not None:
            expires_at = requested_at + timedelta(seconds=served.expires_in)
            until = min(until, expires_at - MARGIN)
        self._cached = _CachedToken(token, until, expires_at)
        return token

    async def _receive(self, url: httpx.URL) -> bytes:
        """Make one request, and return the body of a 2xx answer."""
        fault: KfError
        try:
            with suppress_http_logs():
                async with (
                    asyncio.timeout(self._within),
                    self._http.stream(
                        "GET", url, headers=self._headers, timeout=self._within, follow_redirects=False
                    ) as response,
                ):
                    if response.is_success:
                        return await read_body(response)
                    fault = _refusal(response.status_code)
        except ResponseError as error:
            fault = ResponseError(f"{NAME}: {error}")
        except HTTPX_ERRORS as error:
            fault = self._no_answer(error)
        # Raised outside the handler: a chained httpx exception would bring the address into a traceback.
        raise fault

    def _no_answer(self, error: Exception) -> TransportError:
        timed_out = isinstance(error, TimeoutError | httpx.TimeoutException)
        reason = f"no answer within {self._within:g} s" if timed_out else f"no answer, {type(error).__name__}"
        return TransportError(f"{NAME}: {reason}", timed_out=timed_out)


def _refusal(status: int) -> TransportError:
    return TransportError(f"{NAME}: HTTP {status}, {_MEANINGS.get(status, 'not a token')}", status=status)
