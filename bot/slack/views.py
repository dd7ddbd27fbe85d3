"""Modals and App Home: each method makes one request, and returns what Slack shows, or why it does not."""

from __future__ import annotations

import logging
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.ports import Counter, RetryLater, ShownView, View, ViewRefused, no_op
from bot.runtime.logs import LogEvent
from bot.slack import error_codes
from bot.slack.error_codes import Reaction
from bot.slack.web_api import ApiError, call

log = logging.getLogger(__name__)

SECONDS = 5.0  # for one request; Slack gives a trigger three
ODD = "an answer without a view"
# The person was quicker or slower than the bot, or closed the modal. The last one is logged by App Home.
EXPECTED = frozenset({"expired_trigger_id", "exchanged_trigger_id", "hash_conflict", "not_found", "not_enabled"})


class SlackViews:
    """The views of one workspace. `client` must not retry: a trigger works once.

    https://docs.slack.dev/reference/methods/views.open
    https://docs.slack.dev/reference/methods/views.push
    https://docs.slack.dev/reference/methods/views.update
    https://docs.slack.dev/reference/methods/views.publish
    """

    def __init__(self, client: AsyncWebClient, count: Counter = no_op, *, within: float = SECONDS) -> None:
        if client.retry_handlers:
            raise ValueError("views need a client with retry_handlers=[]")
        self._client = client
        self._count = count
        self._within = within

    async def open(self, trigger_id: str, view: View) -> ShownView | ViewRefused:
        return await self._call("views.open", {"trigger_id": trigger_id, "view": view})

    async def push(self, trigger_id: str, view: View) -> ShownView | ViewRefused:
        return await self._call("views.push", {"trigger_id": trigger_id, "view": view})

    async def update(self, view_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused:
        return await self._call("views.update", {"view_id": view_id, "view": view, **_hash(version)})

    async def publish(self, user_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused:
        return await self._call("views.publish", {"user_id": user_id, "view": view, **_hash(version)})

    async def _call(self, method: str, arguments: dict[str, Any]) -> ShownView | ViewRefused:
        response = await call(self._client.api_call(method, json=arguments), self._within)
        match response:
            case {"view": {"id": str(view_id), **view}}:
                self._count("view", "shown")
                version = view.get("hash")
                return ShownView(view_id, version if isinstance(version, str) else "")
            case ApiError(code):
                refused = ViewRefused(code)
            case RetryLater(seconds, error) if error_codes.lookup(error).posting is Reaction.WAIT:
                refused = ViewRefused(error, wait=seconds)
            case dict():
                refused = ViewRefused(ODD)
            case _:
                refused = ViewRefused(response.error, is_unanswered=True)
        self._count("view", refused.error)
        line = LogEvent("view not shown", method=method, error=refused.error)
        if refused.error in EXPECTED:
            log.info(line)
        else:
            log.warning(line)
        return refused


def _hash(version: str) -> dict[str, str]:
    return {"hash": version} if version else {}
