"""The wire: each request and its answer between Slack, the bot and WeChat, as people may see them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, takewhile
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bot.ports import Clock

KEPT = 300  # entries
MASK = "•••"
SECRET = {  # names in requests and answers
    *("token", "access_token", "secret", "response_url", "trigger_id"),
    *("component_access_token", "component_appsecret", "component_secret", "component_verify_ticket"),
    *("authorizer_access_token", "authorizer_refresh_token", "refresh_token"),
    *("pre_auth_code", "authorization_code", "appsecret"),
}
LONGEST = 20_000  # characters of a body that is no JSON

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class TrafficEntry:
    """One request and its answer. `from_` and `to` are `slack`, `bot` or `wechat`."""

    id: int
    at: float  # Unix seconds, of the playground's clock
    ms: float
    from_: str
    to: str
    name: str
    status: int | None  # None: there was no answer
    error: str
    request: Any
    response: Any


class Traffic:
    """Keeps the newest requests, and reports each to a callback."""

    def __init__(self, clock: Clock, report: Callable[[TrafficEntry], None]) -> None:
        self._clock = clock
        self._report = report
        self._numbers = count(1)
        self.entries: deque[TrafficEntry] = deque(maxlen=KEPT)

    def add(
        self,
        from_: str,
        to: str,
        name: str,
        request: Any,
        *,
        ms: float,
        status: int | None,
        response: Any = None,
        error: str = "",
    ) -> None:
        """Note what has been answered, or was not. Secrets are masked here."""
        entry = TrafficEntry(
            next(self._numbers),
            self._clock().timestamp(),
            round(ms, 1),
            from_,
            to,
            name,
            status,
            error,
            masked(request),
            masked(response),
        )
        # The bot polls again and again: of equal polls the newest stands for all, also where accounts take turns.
        if again := next((one for one in self._newest_of(to) if _alike(one, entry)), None):
            self.entries.remove(again)
        self.entries.append(entry)
        self._report(entry)

    def _newest_of(self, to: str) -> Iterator[TrafficEntry]:
        """Return the newest entries before which nothing else was sent."""
        return takewhile(lambda one: one.to == to, reversed(self.entries))

    def clear(self) -> None:
        """Forget all entries. Their numbers go on."""
        self.entries.clear()

    def tap(self, to: str, name_of: Callable[[web.Request, bytes], str]) -> Any:
        """Return a middleware that records the requests of the bot to a server. `name_of` gets their bodies."""

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            began = perf_counter()
            asked = dict(request.query) | _read(await request.text())
            answer = await handler(request)
            ms = (perf_counter() - began) * 1000
            # A simulator that loses an answer closes the connection.
            lost = request.transport is None or request.transport.is_closing()
            said = _read(_text(answer)) if not lost else {}
            self.add(
                *("bot", to, name_of(request, await request.read()), asked),
                ms=ms,
                status=None if lost else answer.status,
                response=said,
                error="no answer" if lost else error_in(said),
            )
            return answer

        return note


def delivery_name(payload: Mapping[str, Any]) -> str:
    """Return what Slack sends the bot, in a few words: a command as typed, a click, a window, an event."""
    match payload:
        case {"command": command, "text": text}:
            return f"{command} {text}".strip()
        case {"type": "block_actions", "actions": [{"action_id": action_id}, *_]}:
            return f"click {action_id}"
        case {"type": "view_submission" | "view_closed" as kind, "view": {"callback_id": callback_id}}:
            return f"{kind} {callback_id}".strip()
        case {"event": {"type": kind}}:
            return str(kind)
    return str(payload.get("type", ""))


def masked(value: Any) -> Any:
    """Return a value without tokens and secrets."""
    if isinstance(value, Mapping):
        return {
            name: MASK if name in SECRET and isinstance(part, str) else masked(part) for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(part) for part in value]
    return value


def error_in(said: Any) -> str:
    """Return the error in an answer, Slack's `error` or WeChat's `errcode`; "" without one."""
    if not isinstance(said, Mapping):
        return ""
    if said.get("ok") is False:
        return str(said.get("error", ""))
    return str(said["errcode"]) if said.get("errcode") else ""


def _alike(one: TrafficEntry, other: TrafficEntry) -> bool:
    """Return whether two entries differ by their time alone."""
    return replace(one, id=0, at=0, ms=0) == replace(other, id=0, at=0, ms=0)


def _text(answer: web.StreamResponse) -> str:
    body = answer.body if isinstance(answer, web.Response) else None
    return body.decode(errors="replace") if isinstance(body, bytes | bytearray) else ""


def _read(body: str) -> dict[str, Any]:
    """JSON, a form whose fields may be JSON, or text."""
    if not body:
        return {}
    found = _json(body)
    if isinstance(found, dict):
        return found
    if form := parse_qsl(body, keep_blank_values=True):
        return {name: value if (part := _json(value)) is None else part for name, value in form}
    return {"body": body[:LONGEST]}


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text[:1] in ("{", "[") else None
    except ValueError:
        return None
