"""The HTTP face: health, metrics, and a guard in front of Bolt. What passes the guard is well-formed."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from aiohttp import web

from bot.metrics import CONTENT_TYPE

log = logging.getLogger(__name__)

SLACK_PATH = "/slack/events"
MAX_BODY = 1_000_000  # bytes; Slack's largest payloads are a small part of it
MAX_AGE = 300  # seconds that a request's clock may be off, either way
MAX_DEPTH = 50  # of nested JSON; Slack's own stay under 20

FRONT_PAGE = """The bot is running.

If this is a new installation: in the settings of your Slack app, put the address of this page followed by
/slack/events into the slash command /kf and into Interactivity, then type /kf in Slack.
"""

Ready = Callable[[], Awaitable[bool]]
Exposition = Callable[[], Awaitable[bytes]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class CannotListenError(Exception):
    """The address that HOST and PORT name cannot be had."""


class Server:
    """A listening application. Bolt's own, and aiohttp's, cancel answers in flight at SIGTERM."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.2)

    async def listen(self, host: str, port: int) -> None:
        """Accept requests.

        Raises:
            CannotListenError: the address is taken, or not ours.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as exc:
            await self._runner.cleanup()
            raise CannotListenError(f"cannot listen on {host}:{port} ({exc.strerror})") from exc

    async def stop_accepting(self) -> None:
        for site in list(self._runner.sites):
            await site.stop()

    async def close(self) -> None:
        await self._runner.cleanup()


def site(ready: Ready, bolt: web.Application | None = None, metrics: Exposition | None = None) -> web.Application:
    """The routes of a process: health, `/metrics` when there are any, and Slack's behind the guard with Bolt."""
    app = bolt or web.Application()
    if bolt:
        bolt.middlewares.append(guard)
    _add_health(app, ready)
    if metrics:
        _add_metrics(app, metrics)
    return app


class BadRequestError(Exception):
    """The body is not what Slack sends."""


def _add_health(app: web.Application, ready: Ready) -> None:
    """`/healthz`: the loop turns. `/readyz`: the store can be reached and is migrated."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        fine = await ready()
        return web.Response(
            status=200 if fine else 503, text="ready\n" if fine else "the store cannot be reached\n"
        )

    async def front(_request: web.Request) -> web.Response:
        return web.Response(text=FRONT_PAGE)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/", front)


def _add_metrics(app: web.Application, metrics: Exposition) -> None:
    async def exposition(_request: web.Request) -> web.Response:
        return web.Response(body=await metrics(), headers={"Content-Type": CONTENT_TYPE})

    app.router.add_get("/metrics", exposition)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only well-formed requests through to Bolt, which answers 500 to many others.

    401: timestamp or signature are not of Slack's form (Bolt then checks the signature itself).
    413: over a megabyte. 400: the body does not decode or parse.
    """
    if request.path != SLACK_PATH:
        return await handler(request)
    if not _signed_in_form(request, time.time()):
        return web.Response(status=401, text="not signed by Slack\n")
    try:
        body = await _read(request)
        check_body(body, request.content_type)
    except BadRequestError as exc:
        return web.Response(status=400, text=f"{exc}\n")
    try:
        response = await handler(request)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("a request could not be handled")
        return web.Response(status=400, text="not understood\n")
    # Bolt answers 500 to a payload that is well-formed and makes no sense: the sender's fault, not ours.
    return web.Response(status=400, text="not understood\n") if response.status >= 500 else response


async def _read(request: web.Request) -> bytes:
    """The body as it was signed. aiohttp answers 413 above the application's client_max_size."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise BadRequestError("the body is compressed, which Slack's are not")
    try:
        return await request.read()
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequestError("the body did not arrive") from None


def _signed_in_form(request: web.Request, now: float) -> bool:
    # Of a header that comes twice the guard would read one and Bolt the other.
    stamps = request.headers.getall("X-Slack-Request-Timestamp", [])
    signatures = request.headers.getall("X-Slack-Signature", [])
    if len(stamps) != 1 or len(signatures) != 1:
        return False
    stamp, signature = stamps[0], signatures[0]
    if not re.fullmatch(r"[0-9]{1,12}", stamp, re.ASCII) or not re.fullmatch(
        r"v0=[0-9a-f]{64}", signature, re.ASCII
    ):
        return False
    return abs(now - int(stamp)) <= MAX_AGE


def check_body(body: bytes, content_type: str) -> None:
    """Check that a body is a form or a JSON object as Slack sends them.

    Raises:
        BadRequestError: it does not decode, does not parse, or is nested too deeply.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequestError("the body is not UTF-8") from None
    if content_type == "application/json" or text.lstrip()[:1] in ("{", "["):
        _check_json(text)
        return
    try:
        form = parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise BadRequestError("the form does not decode") from None
    for payload in form.get("payload", ()):
        _check_json(payload)


def _check_json(text: str) -> None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequestError("the JSON does not parse") from None
    if not isinstance(value, dict):
        raise BadRequestError("the JSON is no object")
    if _depth(text) > MAX_DEPTH:
        raise BadRequestError("the JSON is nested too deeply")


def _depth(text: str) -> int:
    """How deeply brackets nest, strings left out: what parses here must not overflow further in."""
    depth = deepest = 0
    for bracket in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        if bracket in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "}]":
            depth -= 1
    return deepest
