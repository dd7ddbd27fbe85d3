"""The HTTP server: health, metrics, and Slack's requests behind a guard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from bot.runtime.logs import LogEvent, fault_words
from bot.runtime.metrics import CONTENT_TYPE
from bot.web.connection_limits import ConnectionLimits, Connections
from bot.web.guard import SLACK_PATH, Dispatch, Guard, looks_like_slack
from bot.web.rejections import Rejections

if TYPE_CHECKING:
    from bot.web.platform_endpoint import PlatformEndpoint

__all__ = [
    "SLACK_PATH",
    "CannotListenError",
    "ConnectionLimits",
    "Readiness",
    "Rejections",
    "Server",
    "make_web_app",
]

log = logging.getLogger(__name__)

MOST_AT_ONCE = 20  # connections accepted before the loop does anything else, such as closing idle ones
BACKLOG = 1024  # connections that wait to be accepted: beyond that, a client retries after a whole second

FRONT_PAGE = """The bot is running.

If this is a new installation: in the settings of your Slack app, put the address of this page followed by
/slack/events into the slash command /kf, into Interactivity and into Event Subscriptions, then type /kf in Slack.
"""

SOCKET_PAGE = """The bot is running.

SLACK_APP_TOKEN is set, so commands and clicks do not come to this process: a worker (python -m bot worker) receives
them. Type /kf in Slack to see whether one does.
"""


class Readiness(NamedTuple):
    """Whether the store can be used, and all other problems."""

    reason: str = ""  # why the store cannot be used; "" when it can be read and written
    problems: Sequence[str] = ()  # one line each
    no_receiver: str = ""  # why no process receives commands, if none does


Ready = Callable[[], Awaitable[Readiness]]
Exposition = Callable[[], Awaitable[bytes]]


class CannotListenError(Exception):
    """The address that HOST and PORT name cannot be used."""


class Server:
    """A listening application. The servers of Bolt and aiohttp would cancel responses in flight at SIGTERM."""

    def __init__(self, app: web.Application, limits: ConnectionLimits | None = None) -> None:
        logging.getLogger("aiohttp.server").addFilter(_is_server_fault)
        self._connections = Connections(limits or ConnectionLimits())
        app.middlewares.insert(0, self._connections.middleware)
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.2)
        self._listening: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> None:
        """Accept requests.

        Raises:
            CannotListenError: the address is in use, or not one of this machine.
        """
        await self._runner.setup()
        read_requests = cast("web.Server", self._runner.server)  # None only before the line above
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._connections.handle_loop_error)
        try:
            # Not a TCPSite of aiohttp, which accepts no protocol around its own.
            self._listening = await loop.create_server(
                lambda: self._connections.accept(read_requests()), host, port, backlog=MOST_AT_ONCE
            )
        except OSError as exc:
            await self._runner.cleanup()
            raise CannotListenError(f"cannot listen on {host}:{port} ({exc.strerror})") from exc
        for listening in self._listening.sockets:
            with listening.dup() as same:
                same.listen(BACKLOG)

    def stop_accepting(self) -> None:
        if self._listening:
            self._listening.close()

    async def close(self) -> None:
        self.stop_accepting()
        self._connections.close()
        await self._runner.cleanup()


def _is_server_fault(record: logging.LogRecord) -> bool:
    """Return False for malformed HTTP: any client may send it, and aiohttp's error quotes its bytes."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


def make_web_app(
    ready: Ready,
    bolt: Dispatch | None = None,
    metrics: Exposition | None = None,
    *,
    signing_secret: str = "",
    rejections: Rejections | None = None,
    platform: PlatformEndpoint | None = None,
) -> web.Application:
    """Build the routes of a process: health, `/metrics` if given, and Slack's behind the guard if Bolt is given.

    Args:
        platform: the paths of a third-party platform, which do not exist without one.
    """
    rejections = rejections or Rejections()
    app = web.Application(middlewares=[_noting_unknown_paths(rejections)])
    if bolt:
        events = Guard(bolt, signing_secret, rejections=rejections).events
        app.router.add_post(SLACK_PATH, events)
        app.router.add_post(f"{SLACK_PATH}/", events)
    if platform:
        platform.add_to(app.router)
    _add_health(app, ready, FRONT_PAGE if bolt else SOCKET_PAGE)
    if metrics:

        async def exposition(_request: web.Request) -> web.Response:
            try:
                return web.Response(body=await metrics(), headers={"Content-Type": CONTENT_TYPE})
            except Exception as exc:
                log.error(LogEvent("health not known", error=fault_words(exc)))
                return web.Response(status=503, text="See the log for the reason.\n")

        app.router.add_get("/metrics", exposition)
    return app


def _noting_unknown_paths(rejections: Rejections) -> Middleware:
    @web.middleware
    async def noting(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            if request.method == "POST":
                rejections.path(request.path, by_slack=looks_like_slack(request))
            raise

    return noting


def _add_health(app: web.Application, ready: Ready, page: str) -> None:
    """Add `/healthz` (the event loop runs) and `/readyz` (the store can be used; the body lists all problems)."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def checked() -> Readiness:
        try:
            return await ready()
        except Exception as exc:  # whatever it is, a router must not take it for a fault of its request
            log.error(LogEvent("health not known", error=fault_words(exc)))
            return Readiness(f"The state of the bot is not known ({fault_words(exc)}). See the log for the reason.")

    async def readyz(_request: web.Request) -> web.Response:
        readiness = await checked()
        lines = [readiness.reason or "ready", *readiness.problems]
        return web.Response(status=503 if readiness.reason else 200, text="".join(f"{line}\n" for line in lines))

    async def front(_request: web.Request) -> web.Response:
        no_receiver = (await checked()).no_receiver
        return web.Response(text=f"{page}\n{no_receiver}\n" if no_receiver else page)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/", front)
