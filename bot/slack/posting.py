"""Alerts on their way to Slack: one call is one request, and its outcome says what to do next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.ports import Gone, Held, Later, Message, Outcome, Refused, Sent, Unknown

NOT_REACHED = 10.0  # seconds until the next try when nothing left this machine
BUSY = 60.0  # seconds, when Slack says "wait" without saying how long

REFUSED = {
    "invalid_blocks",
    "invalid_blocks_format",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "invalid_attachments",
    "markdown_text_conflict",
}
GONE = {
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
    "thread_not_found",
    "cannot_reply_to_message",
}
WAIT = {"ratelimited", "rate_limited", "message_limit_exceeded", "team_added_to_org"}
UNKNOWN = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}


class SlackChannel:
    """The alert channel. `client` must not retry: a post whose reply was lost would stand there twice."""

    def __init__(self, client: AsyncWebClient, channel_id: str) -> None:
        if client.retry_handlers:
            raise ValueError("alerts need a client with retry_handlers=[]")
        self._client = client
        self._channel_id = channel_id

    async def post(
        self,
        message: Message,
        *,
        metadata: Mapping[str, Any],
        thread_ts: str | None = None,
        broadcast: bool = False,
        within: float,
    ) -> Outcome:
        thread = {"thread_ts": thread_ts, "reply_broadcast": broadcast} if thread_ts else {}
        return await self._call(
            "chat.postMessage",
            within,
            {
                "channel": self._channel_id,
                "metadata": dict(metadata),
                "unfurl_links": False,
                "unfurl_media": False,
                **_content(message),
                **thread,
            },
        )

    async def update(self, message: Message, *, channel_id: str, ts: str, within: float) -> Outcome:
        return await self._call("chat.update", within, {"channel": channel_id, "ts": ts, **_content(message)})

    async def _call(self, method: str, within: float, arguments: dict[str, Any]) -> Outcome:
        try:
            async with asyncio.timeout(within):
                response = await self._client.api_call(method, json=arguments)
        except SlackApiError as exc:
            return outcome_of(exc)
        except aiohttp.ClientConnectorError as exc:  # refused, or no such name: nothing left the machine
            return Later(NOT_REACHED, type(exc).__name__)
        except (aiohttp.ClientError, SlackClientError, TimeoutError, OSError, ValueError) as exc:
            return Unknown(type(exc).__name__)
        channel_id, ts = response.get("channel"), response.get("ts")
        if not (isinstance(channel_id, str) and isinstance(ts, str)):
            return Unknown("an answer without channel and ts")
        return Sent(channel_id, ts)


def outcome_of(error: SlackApiError) -> Outcome:
    """What a refusal by Slack means for the caller. Slack's words, sorted by what to do next."""
    response = error.response
    status = getattr(response, "status_code", 0)
    data = getattr(response, "data", response)
    word = data.get("error", "") if isinstance(data, dict) else ""
    if status == 429 or word in WAIT:
        return Later(_retry_after(getattr(response, "headers", {})), word or "ratelimited")
    if not word or status >= 500 or word in UNKNOWN:
        return Unknown(word or f"HTTP {status}")
    if word in REFUSED or word.startswith(("metadata_", "invalid_metadata")):
        return Refused(word)
    if word in GONE:
        return Gone(word)
    # A word that is not listed is a refusal all the same. It is not this message's fault, so the queue waits.
    return Held(word)


def _content(message: Message) -> dict[str, Any]:
    # Without blocks an update takes the old ones away, which is what a text-only message wants.
    blocks = {"blocks": list(message.blocks)} if message.blocks else {}
    return {"text": message.text, **blocks}


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return max(1.0, float(headers.get("Retry-After") or headers.get("retry-after") or BUSY))
    except ValueError:
        return BUSY


def quiet_client(token: str, base_url: str, session: aiohttp.ClientSession) -> AsyncWebClient:
    """A client for alerts: one request per call, and no log of bodies."""
    logger = logging.getLogger("slack_sdk.alerts")
    logger.setLevel(logging.WARNING)  # at DEBUG it prints whole bodies
    return AsyncWebClient(token=token, base_url=base_url, session=session, retry_handlers=[], logger=logger)
