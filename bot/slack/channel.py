"""The alert channel: each method makes one request, and returns an outcome that decides the next step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from slack_sdk.web.async_client import AsyncWebClient

from bot.ports import (
    Blocked,
    HistoryPage,
    HistoryUnreadable,
    Message,
    NotFound,
    Outcome,
    OutcomeUnknown,
    Refused,
    RetryLater,
    Sent,
    Unlisted,
)
from bot.slack import error_codes, history
from bot.slack.error_codes import Affects, Reaction
from bot.slack.web_api import ApiError, SlackClock, call
from bot.slack.workspace import still_refuses

_BLOCKED_PART: Mapping[Affects, Literal["channel", "token", "workspace"]] = {
    Affects.CHANNEL: "channel",
    Affects.TOKEN: "token",
}


class SlackChannel:
    """The alert channel. `client` must not retry: a post whose response was lost would appear twice."""

    def __init__(self, client: AsyncWebClient, channel_id: str) -> None:
        if client.retry_handlers:
            raise ValueError("alerts need a client with retry_handlers=[]")
        self._client = client
        self._channel_id = channel_id
        self._clock = SlackClock()

    @property
    def id(self) -> str:
        return self._channel_id

    def now(self) -> datetime | None:
        return self._clock.now()

    async def post(
        self,
        message: Message,
        *,
        channel_id: str = "",
        metadata: Mapping[str, Any],
        thread_ts: str | None = None,
        broadcast: bool = False,
        within: float,
    ) -> Outcome:
        blocks = {"blocks": list(message.blocks)} if message.blocks else {}
        thread = {"thread_ts": thread_ts, "reply_broadcast": broadcast} if thread_ts else {}
        return await self._call(
            "chat.postMessage",
            within,
            {
                "channel": channel_id or self._channel_id,
                "metadata": dict(metadata),
                "unfurl_links": False,
                "unfurl_media": False,
                "text": message.text,
                **blocks,
                **thread,
            },
        )

    async def update(
        self,
        message: Message,
        *,
        channel_id: str,
        ts: str,
        metadata: Mapping[str, Any] | None = None,
        within: float,
    ) -> Outcome:
        # Without `blocks` Slack may keep the old ones, and show them instead of the new text:
        # https://github.com/slack-go/slack/issues/1214
        content: dict[str, Any] = {"text": message.text, "blocks": list(message.blocks)}
        if metadata is not None:
            content["metadata"] = dict(metadata)
        return await self._call("chat.update", within, {"channel": channel_id, "ts": ts, **content})

    async def probe(self, error: str, within: float) -> Blocked | RetryLater | OutcomeUnknown | None:
        refusal = await still_refuses(self._client, self._channel_id, error, within)
        return _blocked(refusal) if isinstance(refusal, str) else refusal

    async def history(
        self,
        *,
        channel_id: str = "",
        oldest: datetime,
        latest: datetime | None = None,
        thread_ts: str | None = None,
        cursor: str = "",
        within: float,
    ) -> HistoryPage | HistoryUnreadable | RetryLater | Blocked | NotFound | OutcomeUnknown:
        return await history.read(
            self._client,
            channel_id or self._channel_id,
            oldest=oldest,
            latest=latest,
            thread_ts=thread_ts,
            cursor=cursor,
            within=within,
            clock=self._clock,
        )

    async def _call(self, method: str, within: float, arguments: dict[str, Any]) -> Outcome:
        response = await call(self._client.api_call(method, json=arguments), within, self._clock)
        if isinstance(response, ApiError):
            return refused(response.code)
        if not isinstance(response, dict):
            return response
        channel_id, ts = response.get("channel"), response.get("ts")
        if not (isinstance(channel_id, str) and isinstance(ts, str)):
            return OutcomeUnknown("an answer without channel and ts")
        return Sent(channel_id, ts)


def refused(error: str) -> Refused | NotFound | Blocked | Unlisted:
    """Return the outcome of a post or an edit that Slack refused with this error code."""
    code = error_codes.lookup(error)
    match code.posting:
        case Reaction.AS_TEXT:
            return Refused(error)
        case Reaction.GO_ON:
            return NotFound(error, of="thread" if code.affects is Affects.THREAD else "message")
        case Reaction.BLOCK:
            return _blocked(error)
    return Unlisted(error)


def _blocked(error: str) -> Blocked:
    return Blocked(error, of=_BLOCKED_PART.get(error_codes.lookup(error).affects, "workspace"))
