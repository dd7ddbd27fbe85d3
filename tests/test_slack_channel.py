"""One call is one request, and its outcome fixes the next step: against the strict simulator, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.servers import serve, serve_slack
from bot.demo.slack_simulator import (
    Channel,
    SlackSimulator,
    dropped,
    error,
    http_error,
    ratelimited,
    reply_lost,
    slow,
)
from bot.ports import Blocked, Message, NotFound, OutcomeUnknown, Refused, RetryLater, Sent, Unlisted
from bot.slack.channel import SlackChannel
from bot.slack.web_api import api_error_of, no_retry_client

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "⛔ *Chen* · rejected"}}
MESSAGE = Message("Rejected: Chen.", [SECTION])
MARKS = {"event_type": "kf_alert", "event_payload": {"v": 1, "k": "0" * 32, "e": ""}}
POST, UPDATE = "chat.postMessage", "chat.update"


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with serve_slack(SlackSimulator()) as served:
        yield served


@pytest.fixture
async def channel(slack: SlackSimulator) -> AsyncIterator[SlackChannel]:
    async with aiohttp.ClientSession() as session:
        yield SlackChannel(no_retry_client(slack.bot_token, slack.api_url, session), "C0ALERTS")


async def post(channel: SlackChannel, message: Message = MESSAGE, **where: object):
    return await channel.post(message, metadata=MARKS, within=0.5, **where)


@pytest.mark.parametrize(
    ("state", "error_code", "found"),
    [
        ({}, "channel_not_found", None),
        ({}, "not_in_channel", None),
        ({"is_member": False}, "not_in_channel", Blocked("not_in_channel", of="channel")),
        ({"is_member": False}, "channel_not_found", None),  # public: it may be posted to
        ({"is_member": False, "is_private": True}, "is_archived", Blocked("channel_not_found", of="channel")),
        ({"is_archived": True}, "is_archived", Blocked("is_archived", of="channel")),
        ({}, "is_archived", None),
        ({}, "restricted_action", Blocked("restricted_action", of="channel")),
        ({}, "ekm_access_denied", Blocked("ekm_access_denied", of="token")),
        ({}, "a_word_of_tomorrow", Blocked("a_word_of_tomorrow", of="workspace")),
        ({}, "invalid_auth", None),
        ({}, "missing_scope", None),
        ({}, "", None),
    ],
)
async def test_refusal_is_over_when_token_or_channel_can_be_seen_to_be_well(
    slack, channel, state, error_code, found
):
    slack.channels["C0ALERTS"] = Channel("C0ALERTS", "kf-alerts", **state)
    assert await channel.probe(error_code, 0.5) == found
    assert posts(slack) == 0


@pytest.mark.parametrize(
    ("fault", "error_code", "found"),
    [
        (error("invalid_auth"), "token_revoked", Blocked("invalid_auth", of="token")),
        (error("account_inactive"), "", Blocked("account_inactive", of="token")),
        (http_error(503), "", OutcomeUnknown("HTTP 503")),
        (ratelimited(7), "invalid_auth", RetryLater(7, "ratelimited")),
    ],
)
async def test_refused_token_is_refused_until_slack_accepts_it(slack, channel, fault, error_code, found):
    slack.arm("auth.test", fault)
    assert await channel.probe(error_code, 0.5) == found


async def test_scope_that_posts_need_is_looked_for(slack, channel):
    slack.scopes.discard("chat:write")
    assert await channel.probe("missing_scope", 0.5) == Blocked("missing_scope", of="token")


async def test_question_that_lacks_a_scope_ends_no_refusal(slack, channel):
    slack.arm("conversations.info", error("missing_scope"))
    assert await channel.probe("not_in_channel", 0.5) == Blocked("not_in_channel", of="channel")


def posts(slack: SlackSimulator) -> int:
    return len([call for call in slack.calls if call.method == POST])


async def test_post_is_in_the_channel_with_its_event_keys(slack, channel):
    outcome = await post(channel)
    (message,) = slack.messages("C0ALERTS")
    assert outcome == Sent("C0ALERTS", message.ts)
    assert (message.text, list(message.blocks), message.metadata) == (MESSAGE.text, [SECTION], MARKS)
    assert slack.unexpected == []


async def test_reply_goes_to_its_thread_and_to_the_channel_when_broadcast(slack, channel):
    parent = await post(channel)
    await post(channel, Message("Expired: Chen."), thread_ts=parent.ts, broadcast=True)
    _, line = slack.messages("C0ALERTS")
    assert (line.thread_ts, line.broadcast) == (parent.ts, True)


async def test_each_response_shows_the_time_by_slacks_clock(slack, channel):
    assert channel.now() is None
    await channel.history(oldest=datetime.now(UTC), within=0.5)
    assert abs(channel.now() - datetime.now(UTC)) < timedelta(seconds=3)


async def test_edit_changes_the_message_in_place(slack, channel):
    parent = await post(channel)
    assert await channel.update(Message("Bound: Chen."), channel_id="C0ALERTS", ts=parent.ts, within=0.5) == parent
    (message,) = slack.messages("C0ALERTS")
    assert (message.text, list(message.blocks)) == ("Bound: Chen.", [])
    assert slack.unexpected == []


async def test_edit_always_sends_blocks_and_a_post_only_existing_ones(slack, channel):
    parent = await post(channel, Message("Rejected: Chen."))
    await channel.update(MESSAGE, channel_id="C0ALERTS", ts=parent.ts, within=0.5)
    await channel.update(Message("Bound: Chen."), channel_id="C0ALERTS", ts=parent.ts, within=0.5)
    posted, *edits = [call.arguments for call in slack.calls]
    assert "blocks" not in posted
    assert [edit["blocks"] for edit in edits] == [[SECTION], []]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (ratelimited(7), RetryLater(7.0, "ratelimited")),
        (reply_lost(), OutcomeUnknown("ServerDisconnectedError")),
        (dropped(), OutcomeUnknown("ServerDisconnectedError")),
        (slow(2), OutcomeUnknown("TimeoutError")),
        (http_error(502), OutcomeUnknown("HTTP 502")),
        (error("internal_error"), OutcomeUnknown("internal_error")),
        (error("fatal_error"), OutcomeUnknown("fatal_error")),
        (error("invalid_blocks"), Refused("invalid_blocks")),
        (error("metadata_too_large"), Refused("metadata_too_large")),
        (error("invalid_arguments"), Refused("invalid_arguments")),
        (error("too_many_attachments"), Refused("too_many_attachments")),
        (error("msg_too_long"), Refused("msg_too_long")),
        (error("accesslimited"), Blocked("accesslimited", of="token")),
        (error("restricted_action_read_only_channel"), Blocked("restricted_action_read_only_channel")),
        (error("restricted_action_thread_locked"), NotFound("restricted_action_thread_locked", of="thread")),
        (error("external_channel_migrating"), RetryLater(60.0, "external_channel_migrating")),
        (error("invalid_charset"), Unlisted("invalid_charset")),
        (error("message_limit_exceeded"), Blocked("message_limit_exceeded", of="workspace")),
        (error("invalid_auth"), Blocked("invalid_auth", of="token")),
        (error("is_archived"), Blocked("is_archived", of="channel")),
        (error("some_newer_word"), Unlisted("some_newer_word")),
    ],
)
async def test_every_failure_maps_to_the_next_step_and_one_request(slack, channel, fault, expected):
    slack.arm(POST, fault)
    assert await post(channel) == expected
    assert posts(slack) == 1


async def test_channel_without_the_bot_blocks(slack, channel):
    slack.scopes = slack.scopes - {"chat:write.public"}
    slack.channels["C0ALERTS"].is_member = False
    assert await post(channel) == Blocked("not_in_channel", of="channel")


async def test_message_that_a_person_deleted_is_gone(slack, channel):
    parent = await post(channel)
    slack.delete(slack.messages("C0ALERTS")[0])
    assert await channel.update(MESSAGE, channel_id="C0ALERTS", ts=parent.ts, within=0.5) == NotFound(
        "message_not_found"
    )
    assert await post(channel, thread_ts=parent.ts) == NotFound("thread_not_found")


async def test_refused_connection_is_retried_later():
    async with aiohttp.ClientSession() as session:
        channel = SlackChannel(no_retry_client("xoxb-1", "http://127.0.0.1:9/api/", session), "C0ALERTS")
        outcome = await post(channel)
    assert isinstance(outcome, RetryLater)


async def test_response_without_a_ts_is_an_unknown_outcome():
    async def fine(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_post("/api/chat.postMessage", fine)
    async with serve(app) as url, aiohttp.ClientSession() as session:
        channel = SlackChannel(no_retry_client("xoxb-1", f"{url}/api/", session), "C0ALERTS")
        assert await post(channel) == OutcomeUnknown("an answer without channel and ts")


async def test_client_with_retries_is_refused():
    with pytest.raises(ValueError, match="retry_handlers"):
        SlackChannel(AsyncWebClient(), "C0ALERTS")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 1.0), ("-5", 1.0), ("nan", 1.0), ("soon", 60.0), (None, 60.0), ("1e400", 86_400.0)],
)
def test_rate_limit_is_waited_out_within_reason_and_for_a_minute_without_retry_after(header, seconds):
    class Response:
        status_code = 429
        data = ""
        headers: ClassVar = {"Retry-After": header} if header else {}

    assert api_error_of(SlackApiError("ratelimited", Response())) == RetryLater(seconds, "ratelimited")
