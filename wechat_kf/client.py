"""The kf interfaces over HTTP. One place touches the network; what is sent and read is in `protocol`."""

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

# httpx logs each URL at INFO, and WeChat wants the token in it; the others log headers, or paths, at DEBUG.
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
# httpx's have no common base, and now and then one of the layers below it comes through as it is.
HTTPX_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, RuntimeError)

PAUSES = (1.0, 2.0, 4.0)  # seconds before the second, third and each later attempt
STALE_PAUSE = 1.0  # seconds before a token is used again that was refused, and issued again
PROXY_AUTH = 407
AGAIN_SOON = frozenset({-1, 61450})  # of the busy codes, those that pass within seconds


class TokenSource(Protocol):
    """Where access tokens come from. `wechat_kf.tokens` has three."""

    async def get(self) -> str:
        """Return a token that is good as far as the source knows."""
        ...

    async def replace(self, failed: str) -> str:
        """Return a token to use instead of the one that WeChat refused. It is the same if the source has that one.

        Raises:
            TokenError: there is no other.
        """
        ...


class KfClient:
    """The kf interfaces of one account over an `httpx.AsyncClient`, which the caller opens and closes.

    The caller also sets its base URL, time-outs, proxy, and `trust_env=False`. Nothing of httpx comes out:
    every failure is a `KfError`, and no text, log line or chained exception holds a token or a URL.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        tokens: TokenSource,
        *,
        proxied: bool = False,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`proxied`: `http` goes through a proxy, so what cannot be connected to is the proxy."""
        self._http = http
        self._proxied = proxied
        self._tokens = tokens
        self._sleep = sleep

    async def kf_list(self, *, within: float = 10, attempts: int = 3) -> KfList:
        """Return every account, bound or not.

        `within` bounds the whole read in seconds: token, attempts and the pauses between them.
        """
        reply = await self._read(protocol.KF_LIST, within, attempts)
        return protocol.parse_kf_list(reply.answer, served_at=reply.served_at)

    async def online_kf_list(self, *, within: float = 10, attempts: int = 3) -> tuple[OnlineKf, ...]:
        """Return the accounts that are logged in to the web client. Bounds as in `kf_list`."""
        reply = await self._read(protocol.ONLINE_KF_LIST, within, attempts)
        return protocol.parse_online_kf_list(reply.answer)

    async def _read(self, path: str, within: float, attempts: int) -> protocol.WeChatResponse:
        """Ask until an answer comes. Only for reads: a write that seems to fail may have happened."""
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
                    # A pause beyond the bound would only hide the fault behind a time-out.
                    if attempt >= attempts or _left(bound) <= pause or not _passes_soon(fault):
                        break
                    await self._sleep(pause)
        except TimeoutError:
            fault = TransportError(f"GET {path}: no answer within {within:g} s", timed_out=True)
        raise fault.after(attempt) if isinstance(fault, TransportError) else fault

    async def _attempt(self, path: str, bound: asyncio.Timeout) -> protocol.WeChatResponse:
        """Ask once, and once more with another token if the first is refused."""
        token = await self._tokens.get()
        try:
            return await send(self._http, protocol.get(path, token), proxied=self._proxied)
        except TokenError as error:
            refusal = error
        try:
            token = await self._replaced(token, bound)
        except TokenError as error:
            # A source that has no other token knows less of the matter than WeChat told.
            refusal = error if error.rid else refusal
        else:
            return await send(self._http, protocol.get(path, token), proxied=self._proxied)
        raise refusal

    async def _replaced(self, refused: str, bound: asyncio.Timeout) -> str:
        """Return another token, or the same one a second later.

        One of WeChat's nodes may refuse a token that the others know; a second later it mostly does not.
        """
        token = await self._tokens.replace(refused)
        if token == refused and _left(bound) > STALE_PAUSE:
            await self._sleep(STALE_PAUSE)
            token = await self._tokens.replace(refused)
        return token


async def send(
    http: httpx.AsyncClient, request: protocol.Request, *, proxied: bool = False
) -> protocol.WeChatResponse:
    """Make one call: the one place that touches the network.

    Raises:
        TransportError, ResponseError, APIError: no answer, an odd one, a refusal.
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
    # Raised out here: an exception of httpx, chained to ours, would bring the URL into a traceback.
    raise fault


async def _exchange(http: httpx.AsyncClient, request: protocol.Request) -> tuple[bytes, str]:
    """Send, and receive the body of a 2xx answer with its `Date`, which is "" when there is none."""
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
        # The stream itself: httpx decodes whole chunks, through as many encodings as the header names.
        async for chunk in cast(httpx.AsyncByteStream, response.stream):
            body.add(chunk)
        return body.finish(), response.headers.get("date", "")


def _fault(request: protocol.Request, error: Exception, *, proxied: bool) -> TransportError:
    """Tell what happened by its class, not by its text, which may quote the URL."""
    reason = f"{request}: {type(error).__name__}"
    if not isinstance(error, httpx.ProxyError):
        unconnected = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        timed_out = isinstance(error, httpx.TimeoutException)
        return TransportError(reason, timed_out=timed_out, proxy=proxied and unconnected)
    # "407 Proxy Authentication Required": what a proxy answered to CONNECT is only in the text.
    status = str(error)[:3]
    if not status.isdecimal():
        return TransportError(reason, proxy=True)
    return TransportError(f"{reason}, HTTP {status}", status=int(status), proxy=True)


def _passes_soon(fault: TransportError | BusyError) -> bool:
    return isinstance(fault, TransportError) or fault.errcode in AGAIN_SOON


def _left(bound: asyncio.Timeout) -> float:
    """Seconds until the bound."""
    return (bound.when() or 0) - asyncio.get_running_loop().time()


_ours: ContextVar[bool] = ContextVar("wechat_kf_request", default=False)


@contextmanager
def suppress_http_logs() -> Iterator[None]:
    """Keep what httpx does in here out of the logs, its own and those of the libraries below, at every level."""
    mark = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(mark)


def _is_foreign(_: logging.LogRecord) -> bool:
    return not _ours.get()


for _name in LOGGERS:
    # On the logger itself: neither a changed level nor a new configuration takes a filter away.
    logging.getLogger(_name).addFilter(_is_foreign)
