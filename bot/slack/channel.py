"""Alerts on their way to Slack: one call is one request, and its outcome says what to do next."""

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

_OF: Mapping[Affects, Literal["channel", "token", "workspace"]] = {
    Affects.CHANNEL: "channel",
    Affects.TOKEN: "token",
}


class SlackChannel:
    """The alert channel. `client` must not retry: a post whose reply was lost would stand there twice."""

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
                "channel": self._channel_id,
                "metadata": dict(metadata),
                "unfurl_links": False,
                "unfurl_media": False,
                "text": message.text,
                **blocks,
                **thread,
            },
        )

    async def update(self, message: Message, *, channel_id: str, ts: str, within: float) -> Outcome:
        # Without `blocks` Slack may keep the old ones, and show them instead of the new text:
        # https://github.com/slack-go/slack/issues/1214
        content = {"text": message.text, "blocks": list(message.blocks)}
        return await self._call("chat.update", within, {"channel": channel_id, "ts": ts, **content})

    async def history(
        self,
        *,
        oldest: datetime,
        latest: datetime | None = None,
        thread_ts: str | None = None,
        cursor: str = "",
        within: float,
    ) -> HistoryPage | HistoryUnreadable | RetryLater | Blocked | NotFound | OutcomeUnknown:
        return await history.read(
            self._client,
            self._channel_id,
            oldest=oldest,
            latest=latest,
            thread_ts=thread_ts,
            cursor=cursor,
            within=within,
            clock=self._clock,
        )

    async def _call(self, method: str, within: float, arguments: dict[str, Any]) -> Outcome:
        said = await call(self._client.api_call(method, json=arguments), within, self._clock)
        if isinstance(said, ApiError):
            return refused(said.word)
        if not isinstance(said, dict):
            return said
        channel_id, ts = said.get("channel"), said.get("ts")
        if not (isinstance(channel_id, str) and isinstance(ts, str)):
            return OutcomeUnknown("an answer without channel and ts")
        return Sent(channel_id, ts)


def refused(word: str) -> Refused | NotFound | Blocked | Unlisted:
    """Return what an error code means for a post or an edit."""
    code = error_codes.lookup(word)
    match code.posting:
        case Reaction.AS_TEXT:
            return Refused(word)
        case Reaction.GO_ON:
            return NotFound(word, of="thread" if code.affects is Affects.THREAD else "message")
        case Reaction.BLOCK:
            return Blocked(word, of=_OF.get(code.affects, "workspace"))
    return Unlisted(word)
