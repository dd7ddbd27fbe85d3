"""One HTTP exchange with WeChat, which only `send` makes. Requests and parsing are in `protocol`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

import httpx

from wechat_kf import protocol
from wechat_kf.body import ACCEPT_ENCODING, Body
from wechat_kf.errors import KfError, ResponseError, TransportError

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
# Raised before any part of a request is sent; a `ProxyError` is a refused CONNECT or a failed SOCKS handshake. All
# others may come later, WriteTimeout and WriteError too: the server may have received all that it needs.
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
PROXY_AUTH = 407


async def send(
    http: httpx.AsyncClient, request: protocol.Request, *, proxied: bool = False
) -> protocol.WeChatResponse:
    """Make one call.

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
        return await read_body(response), response.headers.get("date", "")


async def read_body(response: httpx.Response) -> bytes:
    """Read the body of a streamed answer to a request with `ACCEPT_ENCODING`, decoded and limited in size.

    Raises:
        ResponseError: it is too long or damaged, or has an encoding that was not requested.
    """
    body = Body(response.headers.get("content-encoding", ""))
    # The raw stream: httpx would decode whole chunks, through every encoding that the header names.
    async for chunk in cast(httpx.AsyncByteStream, response.stream):
        body.add(chunk)
    return body.finish()


def _fault(request: protocol.Request, error: Exception, *, proxied: bool) -> TransportError:
    """Describe an error by its class, not by its text, which may quote the URL."""
    reason = f"{request}: {type(error).__name__}"
    sent = not isinstance(error, NEVER_SENT)
    if not isinstance(error, httpx.ProxyError):
        unconnected = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        timed_out = isinstance(error, httpx.TimeoutException)
        return TransportError(reason, timed_out=timed_out, proxy=proxied and unconnected, sent=sent)
    # "407 Proxy Authentication Required": only the text contains a proxy's answer to CONNECT.
    status = str(error)[:3]
    if not status.isdecimal():
        return TransportError(reason, proxy=True, sent=sent)
    return TransportError(f"{reason}, HTTP {status}", status=int(status), proxy=True, sent=sent)


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
