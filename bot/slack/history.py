"""Read the channel's history: the messages that carry event keys. The caller decides whose keys they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.outbox import event_keys
from bot.ports import Blocked, HistoryMessage, HistoryPage, HistoryUnreadable, NotFound, OutcomeUnknown, RetryLater
from bot.slack import error_codes
from bot.slack.error_codes import Affects, Reaction
from bot.slack.web_api import ApiError, SlackClock, call

LIMIT = 200  # messages a page; Slack takes up to 999 and advises against more than this

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TS = re.compile(r"[0-9]{1,11}\.[0-9]{6}")
EVENT_KEY = re.compile(r"[0-9a-f]{32}")  # as `event_keys` makes them: no foreign text reaches the store
KIND = re.compile(r"[a-z_]{1,20}")


async def read(
    client: AsyncWebClient,
    channel_id: str,
    *,
    oldest: datetime,
    latest: datetime | None,
    thread_ts: str | None,
    cursor: str,
    within: float,
    clock: SlackClock | None = None,
) -> HistoryPage | HistoryUnreadable | RetryLater | Blocked | NotFound | OutcomeUnknown:
    """Request one page of the channel, newest first, or of a thread, oldest first. This needs scope and membership.

    Messages at exactly `oldest` or `latest` are left out; the parent comes with each page of its thread.

    https://docs.slack.dev/reference/methods/conversations.history
    https://docs.slack.dev/reference/methods/conversations.replies
    """
    arguments = {
        "channel": channel_id,
        "oldest": _ts(oldest),
        "limit": str(LIMIT),
        "include_all_metadata": "true",
        **({"latest": _ts(latest)} if latest else {}),
        **({"cursor": cursor} if cursor else {}),
        **({"ts": thread_ts} if thread_ts else {}),
    }
    # A form, since reading takes no JSON. And not the SDK's own GET: aiohttp repeats a GET automatically when its
    # connection breaks.
    method = "conversations.replies" if thread_ts else "conversations.history"
    response = await call(client.api_call(method, data=arguments), within, clock)
    if isinstance(response, ApiError):
        return refused(response.code)
    return page_of(response, channel_id) if isinstance(response, dict) else response


def refused(error: str) -> HistoryUnreadable | Blocked | NotFound:
    """Return the outcome of a read of the history that Slack refused with this error code.

    Unless the token is refused, posting may work although reading does not. Going on without the history then
    risks one duplicate; retrying permanently would stop delivery.
    """
    code = error_codes.lookup(error)
    if code.reading is Reaction.BLOCK:
        return Blocked(error, of="token")
    if code.affects is Affects.MESSAGE:
        return NotFound(error)
    return HistoryUnreadable(error, refuses_posts=code.reading is Reaction.REPORT)


def page_of(answer: Mapping[str, Any], channel_id: str) -> HistoryPage | OutcomeUnknown:
    """Return the messages with event keys. Skip malformed ones: any app may post any metadata to a channel."""
    messages = answer.get("messages")
    if not isinstance(messages, list):
        return OutcomeUnknown("an answer without messages")
    found = (_past(message, channel_id) for message in messages)
    match answer.get("response_metadata"):
        case {"next_cursor": str(next_cursor)}:
            cursor = next_cursor
        case _:
            cursor = ""
    return HistoryPage(tuple(past for past in found if past), cursor)


def _past(message: object, channel_id: str) -> HistoryMessage | None:
    match message:
        case {
            "ts": str(ts),
            "metadata": {"event_type": event_keys.EVENT_TYPE, "event_payload": {"k": str(key), **payload}},
            **rest,
        } if TS.fullmatch(ts) and EVENT_KEY.fullmatch(key):
            parent_ts = rest.get("thread_ts") or ts  # the parent of a thread names itself
            if isinstance(parent_ts, str) and TS.fullmatch(parent_ts):
                thread_ts = None if parent_ts == ts else parent_ts
                joined, kind = payload.get("e"), payload.get("s")
                events = tuple(filter(EVENT_KEY.fullmatch, joined.split(","))) if isinstance(joined, str) else ()
                kind = kind if isinstance(kind, str) and KIND.fullmatch(kind) else ""
                return HistoryMessage(channel_id, ts, thread_ts, key, events, kind)
    return None


def _ts(moment: datetime) -> str:
    """Format a moment as Slack's `ts`. A float could not hold the microseconds."""
    seconds, micros = divmod(max(0, (moment - EPOCH) // timedelta(microseconds=1)), 1_000_000)
    return f"{seconds}.{micros:06}"
