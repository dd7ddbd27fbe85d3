"""The kf interfaces over HTTP. Only `send` touches the network; requests and parsing are in `protocol`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, cast

import httpx

from wechat_kf import protocol
from wechat_kf.body import ACCEPT_ENCODING, Body
from wechat_kf.errors import BusyError, KfError, ResponseError, TokenError, TransportError
from wechat_kf.models import KfList, OnlineKf

# httpx logs each URL at INFO, and WeChat takes the token in it; the others log headers or paths at DEBUG.
LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "hpack.hpack",
    "hpack.table",
)
# httpx's errors have no common base, and it sometimes passes on an error of a lower layer.
HTTPX_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, RuntimeError)

PAUSES = (1.0, 2.0, 4.0)  # seconds before the second, third and each later attempt
STALE_PAUSE = 1.0  # seconds before a refused token that WeChat issued again is used again
PROXY_AUTH = 407
AGAIN_SOON = frozenset({-1, 61450})  # the busy codes that pass within seconds


class TokenSource(Protocol):
    """A source of access tokens. `wechat_kf.tokens` has three."""

    async def get(self) -> str:
        """Return a token that is valid as far as the source knows."""
        ...

    async def refresh(self, failed: str) -> str:
        """Return a token to replace the one that WeChat refused, or the same one if the source still has it.

        Raises:
            TokenError: the source has no other.
        """
        ...


class KfClient:
    """The kf interfaces of one account over an `httpx.AsyncClient`, which the caller opens and closes.

    The caller also sets its base URL, time-outs, proxy, and `trust_env=False`. No httpx error leaves the client:
    every failure is a `KfError`, and no text, log line or chained exception contains a token or a URL.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        tokens: TokenSource,
        *,
        proxied: bool = False,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Create a client. With `proxied`, `http` uses a proxy, so a failed connection is the proxy's failure."""
        self._http = http
        self._proxied = proxied
        self._tokens = tokens
        self._sleep = sleep

    async def kf_list(self, *, within: float = 10, attempts: int = 3) -> KfList:
        """Return every account, bound or not.

        `within` limits the whole read in seconds: token, attempts and the pauses between them.
        """
        response = await self._read(protocol.KF_LIST, within, attempts)
        return protocol.parse_kf_list(response.answer, served_at=response.served_at)

    async def online_kf_list(self, *, within: float = 10, attempts: int = 3) -> tuple[OnlineKf, ...]:
        """Return the accounts that are logged in to the web client. Limits as in `kf_list`."""
        response = await self._read(protocol.ONLINE_KF_LIST, within, attempts)
        return protocol.parse_online_kf_list(response.answer)

    async def _read(self, path: str, within: float, attempts: int) -> protocol.WeChatResponse:
        """Retry until an answer arrives. Only for reads: a write that seems to fail may have been carried out."""
        attempt = 0
        fault: TransportError | BusyError
        try:
            async with asyncio.timeout(within) as bound:
                while True:
                    attempt += 1
                    try:
                        return await self._attempt(path, bound)
                    except (TransportError, BusyError) as error:
                        fault = error
                    pause = PAUSES[min(attempt, len(PAUSES)) - 1]
                    # A pause beyond the limit would only replace the fault by a time-out.
                    passes_soon = isinstance(fault, TransportError) or fault.errcode in AGAIN_SOON
                    if attempt >= attempts or _seconds_left(bound) <= pause or not passes_soon:
                        break
                    await self._sleep(pause)
        except TimeoutError:
            fault = TransportError(f"GET {path}: no answer within {within:g} s", timed_out=True)
        raise fault.after(attempt) if isinstance(fault, TransportError) else fault

    async def _attempt(self, path: str, bound: asyncio.Timeout) -> protocol.WeChatResponse:
        """Make one request, and another with a new token if the first token is refused."""
        token = await self._tokens.get()
        try:
            return await send(self._http, protocol.get(path, token), proxied=self._proxied)
        except TokenError as error:
            refusal = error
        try:
            token = await self._refreshed_token(token, bound)
        except TokenError as error:
            # The error of a source without another token has less detail than WeChat's refusal.
            refusal = error if error.rid else refusal
        else:
            return await send(self._http, protocol.get(path, token), proxied=self._proxied)
        raise refusal

    async def _refreshed_token(self, refused: str, bound: asyncio.Timeout) -> str:
        """Return another token, or the same one after a second.

        One of WeChat's nodes may refuse a token that the others know; a second later it usually accepts it.
        """
        token = await self._tokens.refresh(refused)
        if token == refused and _seconds_left(bound) > STALE_PAUSE:
            await self._sleep(STALE_PAUSE)
            token = await self._tokens.refresh(refused)
        return token


async def send(
    http: httpx.AsyncClient, request: protocol.Request, *, proxied: bool = False
) -> protocol.WeChatResponse:
    """Make one call. No other function touches the network.

    Raises:
        TransportError: no readable answer arrived.
        ResponseError: the answer is malformed.
        APIError: WeChat refused the call.
    """
    fault: KfError
    try:
        with suppress_http_logs():
            body, date = await _exchange(http, request)
    except ResponseError as error:
        fault = ResponseError(f"{request}: {error}")
    except HTTPX_ERRORS as error:
        fault = _fault(request, error, proxied=proxied)
    else:
        return protocol.parse_response(body, date=date, secrets=request.secrets)
    # Raised outside the handler: a chained httpx exception would bring the URL into a traceback.
    raise fault


async def _exchange(http: httpx.AsyncClient, request: protocol.Request) -> tuple[bytes, str]:
    """Send a request. Return the body of a 2xx answer and its `Date` header, "" without one."""
    async with http.stream(
        request.method,
        request.path,
        params=request.query,
        content=request.body,
        headers={
            "accept-encoding": ACCEPT_ENCODING,
            **({"content-type": "application/json"} if request.body else {}),
        },
        follow_redirects=False,
    ) as response:
        if not response.is_success:
            status = response.status_code
            raise TransportError(f"{request}: HTTP {status}", status=status, proxy=status == PROXY_AUTH)
        body = Body(response.headers.get("content-encoding", ""))
        # The raw stream: httpx would decode whole chunks, through every encoding that the header names.
        async for chunk in cast(httpx.AsyncByteStream, response.stream):
            body.add(chunk)
        return body.finish(), response.headers.get("date", "")


def _fault(request: protocol.Request, error: Exception, *, proxied: bool) -> TransportError:
    """Describe an error by its class, not by its text, which may quote the URL."""
    reason = f"{request}: {type(error).__name__}"
    if not isinstance(error, httpx.ProxyError):
        unconnected = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        timed_out = isinstance(error, httpx.TimeoutException)
        return TransportError(reason, timed_out=timed_out, proxy=proxied and unconnected)
    # "407 Proxy Authentication Required": only the text contains a proxy's answer to CONNECT.
    status = str(error)[:3]
    if not status.isdecimal():
        return TransportError(reason, proxy=True)
    return TransportError(f"{reason}, HTTP {status}", status=int(status), proxy=True)


def _seconds_left(bound: asyncio.Timeout) -> float:
    """Return the seconds until the limit."""
    return (bound.when() or 0) - asyncio.get_running_loop().time()


_in_kf_request: ContextVar[bool] = ContextVar("wechat_kf_request", default=False)


@contextmanager
def suppress_http_logs() -> Iterator[None]:
    """Suppress the log lines of httpx and of the libraries below it inside this context, at every level."""
    reset_token = _in_kf_request.set(True)
    try:
        yield
    finally:
        _in_kf_request.reset(reset_token)


def _is_foreign(_: logging.LogRecord) -> bool:
    return not _in_kf_request.get()


for _name in LOGGERS:
    # On the logger itself: neither a changed level nor a new configuration removes a filter.
    logging.getLogger(_name).addFilter(_is_foreign)
