"""The Web API methods that change nothing: auth.test, conversations.*, apps.connections.open.

Each takes a call's arguments, and returns what Slack answers beside `ok`.
https://docs.slack.dev/reference/methods
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.demo.slack_simulator import rights, wire
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import CONNECT, MAX_PAGE, Message, Workspace

SEES = ("channels:read", "groups:read", "mpim:read", "im:read")


def auth_test(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    organisation = {"enterprise_id": slack.organisation.id} if slack.organisation else {}
    return {
        "url": f"https://{wire.TEAM['domain']}.slack.com/",
        "team": wire.TEAM["domain"],
        "team_id": wire.TEAM["id"],
        "user": "wechat-kf",
        "user_id": wire.BOT_USER,
        "bot_id": wire.BOT_ID,
        "is_enterprise_install": False,
        **organisation,
    }


def connections_open(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """apps.connections.open: a websocket's address, good for one connection."""
    if CONNECT not in slack.app_scopes:
        raise Refusal("missing_scope", needed=CONNECT, provided=",".join(sorted(slack.app_scopes)))
    ticket = secrets.token_urlsafe(16)
    slack.tickets.add(ticket)
    return {"url": f"{slack.base_url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={wire.APP_ID}"}


def conversations_info(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """conversations.info: what kind of channel it is. No membership is needed in a public one."""
    if not slack.scopes & set(SEES):
        rights.require(slack, ",".join(SEES))
    channel = rights.channel_named(slack, arguments)
    rights.require(slack, "groups:read" if channel.is_private else "channels:read")
    return {"channel": wire.channel(channel)}


def conversations_history(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the channel shows, newest first: parent messages and broadcast replies."""
    channel = rights.channel_to_read(slack, arguments)
    shown = [one for one in channel.messages.values() if one.broadcast or not one.thread_ts]
    page, cursor = _page(slack, _within(shown[::-1], arguments), arguments, limit=100)
    return _answer(page, cursor, channel.messages.values(), arguments)


def conversations_replies(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a thread, oldest first. Its parent comes with every page, whatever `oldest` is."""
    channel = rights.channel_to_read(slack, arguments)
    ts = arguments.get("ts")
    if ts in channel.deleted:
        raise Refusal("thread_not_found")
    if ts not in channel.messages:
        raise Refusal("thread_not_found", note=f"no message {ts!r} to read the thread of")
    replies = [one for one in channel.messages.values() if one.thread_ts == ts]
    page, cursor = _page(slack, _within(replies, arguments), arguments, limit=MAX_PAGE)
    return _answer([channel.messages[ts], *page], cursor, channel.messages.values(), arguments)


def _within(messages: Sequence[Message], arguments: Mapping[str, Any]) -> list[Message]:
    """Keep those between `oldest` and `latest`, and the two themselves only if `inclusive`."""
    oldest = _moment(arguments, "oldest", "0")
    latest = _moment(arguments, "latest", "99999999999")
    inclusive = rights.flag(arguments.get("inclusive"))
    return [
        one
        for one in messages
        if oldest < Decimal(one.ts) < latest or (inclusive and Decimal(one.ts) in (oldest, latest))
    ]


def _moment(arguments: Mapping[str, Any], name: str, default: str) -> Decimal:
    try:
        moment = Decimal(str(arguments.get(name, default)))
    except ArithmeticError:
        moment = Decimal(-1)
    if not moment.is_finite() or moment < 0:
        raise Refusal(f"invalid_ts_{name}", note=f"{name} {arguments[name]!r} is no time")
    return moment


def _page(
    slack: Workspace, messages: Sequence[Message], arguments: Mapping[str, Any], *, limit: int
) -> tuple[Sequence[Message], str]:
    """Cut one page out, and the cursor of the next: empty after the last."""
    try:
        limit = int(arguments.get("limit", limit))
    except (TypeError, ValueError):
        limit = 0
    if not 1 <= limit <= MAX_PAGE:
        raise Refusal("invalid_limit", note=f"limit {arguments['limit']!r} is not 1 to {MAX_PAGE}")
    limit = min(limit, slack.most_per_page)
    start = 0
    if cursor := arguments.get("cursor"):
        start = next((at for at, one in enumerate(messages) if _cursor(one) == cursor), -1)
        if start < 0:
            raise Refusal("invalid_cursor", note=f"cursor {cursor!r} was not issued here")
    following = messages[start + limit :]
    return messages[start : start + limit], _cursor(following[0]) if following else ""


def _cursor(first: Message) -> str:
    return base64.b64encode(f"next_ts:{first.ts.replace('.', '')}".encode()).decode()


def _answer(page: Sequence[Message], cursor: str, everything: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    metadata = rights.flag(arguments.get("include_all_metadata"))
    threads: dict[str, list[Message]] = {}
    for one in everything:
        if one.thread_ts:
            threads.setdefault(one.thread_ts, []).append(one)
    return {
        "messages": [wire.message(one, replies=threads.get(one.ts, ()), metadata=metadata) for one in page],
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }
