"""Who may ask a server of the playground."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

HOSTS = {"127.0.0.1", "localhost"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer this machine's own browser alone: no page from elsewhere, no name that leads here (DNS rebinding)."""
    host, port = _host_and_port(request.host)
    if host not in HOSTS:
        return web.Response(status=403, text="Open it as http://127.0.0.1.\n")
    origin = request.headers.get("Origin")
    if origin is not None and origin not in {f"http://{name}:{port}" for name in HOSTS}:
        return web.Response(status=403, text="Only the playground's own page may ask.\n")
    return await handler(request)


def _host_and_port(asked: str) -> tuple[str | None, int | None]:
    """Parse a Host header; return empty values if it is malformed."""
    try:
        parts = urlsplit(f"//{asked}")
        return parts.hostname, parts.port or 80
    except ValueError:
        return None, None
