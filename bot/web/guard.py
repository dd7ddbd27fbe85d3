"""What stands before Bolt: only requests that are well-formed, arrive in time and are new reach it."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.logs import Line
from bot.web.bodies import BadRequestError, check_body

log = logging.getLogger(__name__)

SLACK_PATH = "/slack/events"
MAX_AGE = 300  # seconds that a request's clock may be off, either way
BODY_SECONDS = 5.0  # Slack itself gives up after three

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Replays:
    """The requests that were taken, by signature, for as long as their age would let them in again."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}  # oldest first, or nearly

    def __len__(self) -> int:
        return len(self._until)

    def take(self, signature: str, stamp: int, now: float) -> bool:
        """Whether a request is new. It counts as taken from now on."""
        while self._until and next(iter(self._until.values())) < now:
            self._until.pop(next(iter(self._until)))
        if signature in self._until:
            return False
        self._until[signature] = stamp + MAX_AGE + 1
        return True

    def give_back(self, signature: str) -> None:
        """It was not carried out after all, so it may come again."""
        self._until.pop(signature, None)


class Guard:
    """A middleware of the application that carries Bolt, which answers 500 to much that is not Slack's.

    401: timestamp or signature are not of Slack's form (Bolt then checks the signature itself).
    413: over a megabyte. 400: the body does not decode or parse. 408: it takes too long to arrive.
    200, and nothing is done: the request was taken before.
    """

    def __init__(self, *, now: Callable[[], float] = time.time, body_seconds: float = BODY_SECONDS) -> None:
        self._now = now
        self._body_seconds = body_seconds
        self._replays = Replays()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != SLACK_PATH:
            return await handler(request)
        now = self._now()
        signed = _signed_in_form(request, now)
        if signed is None:
            return web.Response(status=401, text="not signed by Slack\n")
        try:
            check_body(await self._read(request), request.content_type)
        except BadRequestError as exc:
            return web.Response(status=400, text=f"{exc}\n")
        except TimeoutError:
            return web.Response(status=408, text="the body did not arrive in time\n")
        stamp, signature = signed
        if not self._replays.take(signature, stamp, now):
            log.warning(Line("a request that was taken before is not carried out again"))
            return web.Response(text="")
        response = await _handled(request, handler)
        if response.status != 200:
            self._replays.give_back(signature)
        return response

    async def _read(self, request: web.Request) -> bytes:
        """The body as it was signed. aiohttp answers 413 above the application's client_max_size."""
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise BadRequestError("the body is compressed, which Slack's are not")
        try:
            async with asyncio.timeout(self._body_seconds):
                return await request.read()
        except (web.RequestPayloadError, ConnectionError):
            raise BadRequestError("the body did not arrive") from None


async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("a request could not be handled")
        return web.Response(status=400, text="not understood\n")
    # Bolt answers 500 to a payload that is well-formed and makes no sense: the sender's fault, not ours.
    return web.Response(status=400, text="not understood\n") if response.status >= 500 else response


def _signed_in_form(request: web.Request, now: float) -> tuple[int, str] | None:
    """The timestamp and the signature, if they may be Slack's."""
    # Of a header that comes twice the guard would read one and Bolt the other.
    stamps = request.headers.getall("X-Slack-Request-Timestamp", [])
    signatures = request.headers.getall("X-Slack-Signature", [])
    if len(stamps) != 1 or len(signatures) != 1:
        return None
    stamp, signature = stamps[0], signatures[0]
    if not re.fullmatch(r"[0-9]{1,12}", stamp, re.ASCII) or not re.fullmatch(
        r"v0=[0-9a-f]{64}", signature, re.ASCII
    ):
        return None
    return (int(stamp), signature) if abs(now - int(stamp)) <= MAX_AGE else None
