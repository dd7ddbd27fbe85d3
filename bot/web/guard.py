"""Verify requests from Slack: only those that are signed, well-formed, in time and new reach Bolt."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from bot.runtime.logs import LogEvent
from bot.web.payloads import BadRequestError, decode_body
from bot.web.rejections import Rejections

log = logging.getLogger(__name__)

SLACK_PATH = "/slack/events"
MAX_AGE = 300  # seconds that a request's clock may be off, either way
SHORT = 8  # bytes of a signature that are remembered
BODY_SECONDS = 5.0  # Slack itself gives up after three
STAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
SIGNATURE = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)

Dispatch = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, str]]]  # text and headers: status and body


class ReplayCache:
    """The accepted requests, kept until their age alone makes `Guard` reject them.

    For each second of the timestamp, which is signed too, 64 bits of each signature one after another: at a hundred
    requests a second the cache holds 30,000. In sets each would take a hundred bytes, in place of ten.
    """

    def __init__(self) -> None:
        self._taken: dict[int, bytearray] = {}

    def __len__(self) -> int:
        return sum(map(len, self._taken.values())) // SHORT

    def take(self, signature: str, stamp: int, now: float) -> bool:
        """Add a request. Return whether it is new."""
        if stamp not in self._taken:
            over = [one for one in self._taken if one + MAX_AGE < now]
            for one in over:
                del self._taken[one]
        taken, short = self._taken.setdefault(stamp, bytearray()), _short(signature)
        if _find(taken, short) is not None:
            return False
        taken += short
        return True

    def give_back(self, signature: str, stamp: int) -> None:
        """Forget a request that was not carried out, so that it can be sent again."""
        taken = self._taken.get(stamp, bytearray())
        if (at := _find(taken, _short(signature))) is not None:
            del taken[at : at + SHORT]


def _short(signature: str) -> bytes:
    return bytes.fromhex(signature[3 : 3 + 2 * SHORT])


def _find(taken: bytearray, short: bytes) -> int | None:
    """Return where a signature is; None if it is only found across two others, or not at all."""
    at = taken.find(short)
    while at % SHORT and at >= 0:
        at = taken.find(short, at + 1)
    return at if at >= 0 else None


class Guard:
    """Verification of each request before Bolt receives it. Bolt's own check of the signature is off.

    Bolt verifies after it has parsed the body, so any sender's megabyte would delay every acknowledgement; it
    answers `ssl_check` without a signature, and 500 to many requests that are not from Slack.

    401: timestamp or signature are not Slack's.
    413: over a megabyte. 400: the body does not decode or parse. 408: it takes too long to arrive.
    200 without any effect: the request is a replay.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        signing_secret: str,
        *,
        now: Callable[[], float] = time.time,
        body_seconds: float = BODY_SECONDS,
        rejections: Rejections | None = None,
    ) -> None:
        if not signing_secret:
            raise ValueError("without a signing secret anyone could sign requests")
        self._dispatch = dispatch
        self._secret = signing_secret.encode()
        self._now = now
        self._body_seconds = body_seconds
        self._replays = ReplayCache()
        self._rejections = rejections or Rejections()

    async def events(self, request: web.Request) -> web.Response:
        """Answer a request from Slack. Everything that runs here delays the acknowledgement."""
        now = self._now()
        signed = _signed_in_form(request)
        if signed is None:
            return self._reject_signature(request)
        stamp, signature = signed
        if (off := abs(now - stamp)) > MAX_AGE:
            self._rejections.clock(off, by_slack=True)
            return _not_signed()
        try:
            body = await self._read(request)
            if not hmac.compare_digest(self._signature(stamp, body), signature):
                return self._reject_signature(request)
            text = decode_body(body, request.content_type)
        except BadRequestError as exc:
            return web.Response(status=400, text=f"{exc}\n")
        except TimeoutError:
            return web.Response(status=408, text="the body did not arrive in time\n")
        self._rejections.accept()
        if not self._replays.take(signature, stamp, now):
            log.warning(LogEvent("replayed request ignored"))
            return web.Response(text="")
        response = await self._dispatched(text, request.headers)
        if response.status != 200:
            self._replays.give_back(signature, stamp)
        return response

    def _reject_signature(self, request: web.Request) -> web.Response:
        self._rejections.signature(by_slack=looks_like_slack(request))
        return _not_signed()

    async def _read(self, request: web.Request) -> bytes:
        """Read the body as it was signed. aiohttp answers 413 above the application's client_max_size."""
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise BadRequestError("the body is compressed, which Slack's are not")
        try:
            if request.content.is_eof():  # the whole body has arrived, as is usual
                return await request.read()
            async with asyncio.timeout(self._body_seconds):
                return await request.read()
        except (web.RequestPayloadError, ConnectionError):
            raise BadRequestError("the body did not arrive") from None

    def _signature(self, stamp: int, body: bytes) -> str:
        """Return the signature that Slack would give this body.

        https://docs.slack.dev/authentication/verifying-requests-from-slack
        """
        return f"v0={hmac.new(self._secret, b'v0:%d:' % stamp + body, hashlib.sha256).hexdigest()}"

    async def _dispatched(self, text: str, headers: Mapping[str, str]) -> web.Response:
        try:
            status, body = await self._dispatch(text, headers)
        except Exception:
            log.exception("a request could not be handled")
            status, body = 500, ""
        if status >= 500:
            # Bolt answers 500 to a payload that is well-formed but meaningless, which is the sender's fault.
            return web.Response(status=400, text="not understood\n")
        kind = "application/json" if body.startswith("{") else "text/plain"
        return web.Response(status=status, text=body, content_type=kind)


def _not_signed() -> web.Response:
    return web.Response(status=401, text="not signed by Slack\n")


def looks_like_slack(request: web.Request) -> bool:
    """Return whether a request may come from Slack, so that its rejection suggests a configuration error."""
    return "X-Slack-Signature" in request.headers or request.headers.get("User-Agent", "").startswith("Slackbot")


def _signed_in_form(request: web.Request) -> tuple[int, str] | None:
    """Return the timestamp and the signature if both have Slack's form, else None."""
    # Slack sends each header once. If one came twice, a proxy might have read the other one.
    stamps = request.headers.getall("X-Slack-Request-Timestamp", [])
    signatures = request.headers.getall("X-Slack-Signature", [])
    if len(stamps) != 1 or len(signatures) != 1:
        return None
    stamp, signature = stamps[0], signatures[0]
    if not STAMP.fullmatch(stamp) or not SIGNATURE.fullmatch(signature):
        return None
    return int(stamp), signature
