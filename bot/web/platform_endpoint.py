"""The paths of a third-party platform: WeChat's pushes, which are verified first, and the pages of owners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from bot.runtime.logs import LogEvent, fault_words
from bot.web.rejections import Rejections
from wechat_kf.envelope import MAX_BODY, TICKET, MalformedPushError, Push, RefusedPushError

log = logging.getLogger(__name__)

EVENTS_PATH = "/wechat/platform/events"
MESSAGES_PATH = "/wechat/platform/messages/{appid}"
START_PATH = "/wechat/platform/start"
AUTHORIZED_PATH = "/wechat/platform/authorized"
BODY_SECONDS = 1.5  # WeChat waits for 5 s in all, of which the store gets 2 s
START_SECONDS = 1.0  # while a process that has just started reads its accounts


@dataclass(frozen=True, slots=True)
class OwnerPage:
    """A page for the owner of an account."""

    status: int
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)


OpenPush = Callable[[bytes, Mapping[str, str]], Push]  # body and query; raises as `envelope.open_push` does
PageHandler = Callable[[Mapping[str, str], str], Awaitable[OwnerPage]]  # takes the query and Accept-Language


@dataclass(frozen=True, slots=True)
class PlatformHandlers:
    """What answers the requests."""

    take: Callable[[Push], Awaitable[bool]]  # returns False if it is lost unless WeChat sends it again
    start: PageHandler
    authorized: PageHandler
    count: Callable[[str, str], None]  # takes the kind of a push and its result


class _TooLongError(Exception):
    """The body is longer than any push."""


class PlatformEndpoint:
    """Verification of each push before the handler receives it, and the pages.

    A push is answered with "success" and nothing around it: after other answers WeChat may stop all pushes. Only
    an event that could not be stored is answered with 503.
    Other requests get no body, and cost no transaction. 413: over 64 KiB. 408: it takes too long to arrive.
    400: it is malformed. 401: its signature, or its contents, are not for this platform.
    """

    def __init__(
        self,
        open_push: OpenPush,
        handlers: Callable[[], Awaitable[PlatformHandlers]],
        rejections: Rejections,
        *,
        body_seconds: float = BODY_SECONDS,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Keep what answers.

        Args:
            handlers: returns the present ones, which a reload replaces; at the start, as soon as there are any.
            start_seconds: how long a push waits for them.
        """
        self._open = open_push
        self._handlers = handlers
        self._rejections = rejections
        self._body_seconds = body_seconds
        self._start_seconds = start_seconds

    def add_to(self, router: web.UrlDispatcher) -> None:
        for path, answer in ((EVENTS_PATH, self.events), (MESSAGES_PATH, self.messages)):
            router.add_post(path, answer)
            router.add_post(f"{path}/", answer)
        # A HEAD would have the effects of the page.
        router.add_get(START_PATH, self.start, allow_head=False)
        router.add_get(AUTHORIZED_PATH, self.authorized, allow_head=False)

    async def events(self, request: web.Request) -> web.Response:
        """Answer a push about the platform: a ticket, or an account that authorises it."""
        try:
            push = self._open(await self._read(request), request.query)
        except _TooLongError:
            return await self._rejected(413)
        except TimeoutError:
            return await self._rejected(408)
        except RefusedPushError:
            return await self._rejected(401)
        except MalformedPushError:
            return await self._rejected(400)
        try:
            async with asyncio.timeout(self._start_seconds):
                handlers = await self._handlers()
        except TimeoutError:
            is_taken = push.kind == TICKET  # the next one comes in ten minutes
        else:
            is_taken = await handlers.take(push)
        return _success() if is_taken else web.Response(status=503)

    async def messages(self, _request: web.Request) -> web.Response:
        """Answer what customers write to an account, which this bot does not read."""
        return _success()

    async def start(self, request: web.Request) -> web.Response:
        """Answer the page where an owner begins."""
        return await _shown(request, (await self._handlers()).start)

    async def authorized(self, request: web.Request) -> web.Response:
        """Answer the page to which WeChat sends an owner back."""
        return await _shown(request, (await self._handlers()).authorized)

    async def _read(self, request: web.Request) -> bytes:
        """Read the body, and stop where it is longer than any push."""
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise MalformedPushError("the body is compressed, which WeChat's are not")
        if (request.content_length or 0) > MAX_BODY:
            raise _TooLongError
        body = b""
        try:
            async with asyncio.timeout(self._body_seconds):
                while chunk := await request.content.read(MAX_BODY + 1 - len(body)):
                    body += chunk
                    if len(body) > MAX_BODY:
                        raise _TooLongError
        except (web.RequestPayloadError, ConnectionError):
            raise MalformedPushError("the body did not arrive") from None
        return body

    async def _rejected(self, status: int) -> web.Response:
        self._rejections.push(status)
        counter = (await self._handlers()).count  # `make words` would collect the words of a call of `count`
        counter("other", "refused")
        return web.Response(status=status)


def _success() -> web.Response:
    return web.Response(body=b"success", content_type="text/plain")


async def _shown(request: web.Request, handler: PageHandler) -> web.Response:
    try:
        page = await handler(request.query, request.headers.get("Accept-Language", ""))
    except Exception as exc:
        log.error(LogEvent("page of an owner not made", path=request.path, error=fault_words(exc)))
        return web.Response(status=503, text="Not available now. Try again in a minute.\n")
    return web.Response(status=page.status, text=page.html, content_type="text/html", headers=page.headers)
