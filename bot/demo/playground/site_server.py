"""HTTP for the page: loopback only, strict about who asks, with one address for each thing to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.demo.playground.event_stream import EventStream, encoded
from bot.demo.playground.origin_guard import guard
from bot.demo.playground.sandbox import Sandbox
from bot.demo.playground.snapshot import whole
from bot.demo.playground.user_actions import ACTIONS
from bot.demo.playground.wechat_console import CannotError

PAGE = Path(__file__).with_name("page")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MAX_BODY = 100_000  # bytes
HEADERS = {
    # Nothing from other hosts, nothing inline: a nickname stays text, whatever it contains.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def application(world: Sandbox, feed: EventStream) -> web.Application:
    """Return the application: the page, its files, the event stream, and `POST /do/NAME`."""
    files = {file.name: file.read_bytes() for file in PAGE.iterdir() if file.suffix in TYPES}

    async def page(request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name") or "index.html"
        if name not in files:
            raise web.HTTPNotFound
        return web.Response(body=files[name], content_type=TYPES[Path(name).suffix], charset="utf-8")

    async def events(request: web.Request) -> web.StreamResponse:
        return await feed.serve(request, encoded("state", whole(world)))

    async def do(request: web.Request) -> web.StreamResponse:
        action = ACTIONS.get(request.match_info["name"])
        if action is None:
            raise web.HTTPNotFound
        try:
            said = await action(world, await _details(request))
        except CannotError as exc:
            refused = {"error": str(exc), "sentence": exc.sentence, "values": exc.values}
            return web.json_response({"ok": False, **refused}, status=400)
        world.refresh_seats()
        return web.json_response({"ok": True, **said})

    app = web.Application(client_max_size=MAX_BODY, middlewares=[guard])
    app.router.add_get("/", page)
    app.router.add_get("/events", events)
    app.router.add_post("/do/{name}", do)
    app.router.add_get("/{name}", page)
    app.on_response_prepare.append(_dress)
    app.on_shutdown.append(lambda app: _closed(feed))
    return app


async def _dress(request: web.Request, answer: web.StreamResponse) -> None:
    """Add the headers to every answer, also to the event stream, which is sent before it is returned."""
    answer.headers.update(HEADERS)


async def _details(request: web.Request) -> Mapping[str, Any]:
    """Read the JSON object of a request. A form of another site cannot send one without a preflight (CORS)."""
    if request.content_type != "application/json":
        raise CannotError("The request must be JSON.")
    try:
        found = json.loads(await request.text())
        # A lone surrogate is valid in JSON, but cannot be encoded: the event stream would fail for every page.
        encoded("", found)
    except (ValueError, LookupError, RecursionError):  # LookupError: an unknown charset
        raise CannotError("The request is no JSON.") from None
    if not isinstance(found, dict):
        raise CannotError("The request is no JSON object.")
    return found


async def _closed(feed: EventStream) -> None:
    feed.close()
