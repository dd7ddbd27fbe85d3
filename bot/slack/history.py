"""What stands in the channel already, told by the marks in its messages. Whose marks they are stays out."""

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
MARK = re.compile(r"[0-9a-f]{32}")  # as `marks` makes them: what others write never gets near the store
SHAPE = re.compile(r"[a-z_]{1,20}")


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
    """Ask for one page of the channel, newest first, or of a thread, oldest first. It needs scope and membership.

    A message of the very moment `oldest` or `latest` is left out, but the root comes with each page of its thread.

    https://docs.slack.dev/reference/methods/conversations.history
    https://docs.slack.dev/reference/methods/conversations.replies
    """
    asked = {
        "channel": channel_id,
        "oldest": _ts(oldest),
        "limit": str(LIMIT),
        "include_all_metadata": "true",
        **({"latest": _ts(latest)} if latest else {}),
        **({"cursor": cursor} if cursor else {}),
        **({"ts": thread_ts} if thread_ts else {}),
    }
    # A form, since reading takes no JSON. And not the SDK's own GET: aiohttp sends a GET again, unasked, when its
    # connection breaks.
    method = "conversations.replies" if thread_ts else "conversations.history"
    said = await call(client.api_call(method, data=asked), within, clock)
    if isinstance(said, ApiError):
        return refused(said.word)
    return page_of(said, channel_id) if isinstance(said, dict) else said


def refused(word: str) -> HistoryUnreadable | Blocked | NotFound:
    """Return what an error code means for a reader of the history.

    Unless the token is refused, posting may work although reading does not. To go on without the history then costs
    a repeat at worst; waiting for a page that never comes would be silence.
    """
    code = error_codes.lookup(word)
    if code.reading is Reaction.BLOCK:
        return Blocked(word, of="token")
    return NotFound(word) if code.affects is Affects.MESSAGE else HistoryUnreadable(word)


def page_of(answer: Mapping[str, Any], channel_id: str) -> HistoryPage | OutcomeUnknown:
    """Keep the messages with marks. What is odd is left out: anybody may write anything into a channel."""
    messages = answer.get("messages")
    if not isinstance(messages, list):
        return OutcomeUnknown("an answer without messages")
    found = (_past(message, channel_id) for message in messages)
    return HistoryPage(tuple(past for past in found if past), _next_cursor(answer))


def _past(message: object, channel_id: str) -> HistoryMessage | None:
    match message:
        case {
            "ts": str(ts),
            "metadata": {"event_type": event_keys.EVENT_TYPE, "event_payload": {"k": str(key), **payload}},
            **rest,
        } if TS.fullmatch(ts) and MARK.fullmatch(key):
            root = rest.get("thread_ts") or ts  # the root of a thread names itself
            if isinstance(root, str) and TS.fullmatch(root):
                thread_ts = None if root == ts else root
                return HistoryMessage(
                    channel_id, ts, thread_ts, key, _events(payload.get("e")), _shape(payload.get("s"))
                )
    return None


def _events(joined: object) -> tuple[str, ...]:
    return tuple(mark for mark in joined.split(",") if MARK.fullmatch(mark)) if isinstance(joined, str) else ()


def _shape(word: object) -> str:
    return word if isinstance(word, str) and SHAPE.fullmatch(word) else ""


def _next_cursor(answer: Mapping[str, Any]) -> str:
    match answer.get("response_metadata"):
        case {"next_cursor": str(cursor)}:
            return cursor
    return ""


def _ts(moment: datetime) -> str:
    """Slack's way to write a moment. Not by way of a float, which has no room for the microseconds."""
    seconds, micros = divmod(max(0, (moment - EPOCH) // timedelta(microseconds=1)), 1_000_000)
    return f"{seconds}.{micros:06}"
