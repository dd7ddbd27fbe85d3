"""History is read page by page and matched by event keys: against the strict simulator, over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

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
from bot.outbox.event_keys import EVENT_TYPE, EventKeys
from bot.outbox.messages import MessageKind
from bot.ports import (
    Blocked,
    HistoryMessage,
    HistoryPage,
    HistoryUnreadable,
    Message,
    NotFound,
    OutcomeUnknown,
    RetryLater,
)
from bot.slack.channel import SlackChannel
from bot.slack.history import page_of
from bot.slack.web_api import call, no_retry_client
from tests.conftest import NOW
from tests.for_each import for_each

HISTORY, REPLIES = "conversations.history", "conversations.replies"
ALERTS = "C0ALERTS"
MARKS = EventKeys("secret", "wx1")
MARK, TS = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9]+\.[0-9]{6}")
EVENTS = (MARKS.key("event", "a"), MARKS.key("event", "b"))
SOUND = {"event_type": EVENT_TYPE, "event_payload": {"v": 1, "k": "d" * 32, "e": ""}}
LONG_AGO = NOW - timedelta(days=14)


@pytest.fixture
async def slack(clock) -> AsyncIterator[SlackSimulator]:
    async with serve_slack(SlackSimulator(clock=clock)) as served:
        yield served
    assert served.take_unexpected() == []


@pytest.fixture
async def channel(slack: SlackSimulator) -> AsyncIterator[SlackChannel]:
    async with channel_at(slack.api_url, slack.bot_token) as opened:
        yield opened


@asynccontextmanager
async def channel_at(api_url: str, token: str = "xoxb-1") -> AsyncIterator[SlackChannel]:
    async with aiohttp.ClientSession() as session:
        yield SlackChannel(no_retry_client(token, api_url, session), ALERTS)


async def post(channel: SlackChannel, name: str, events: tuple[str, ...] = (), **where: object) -> HistoryMessage:
    """Post as the bot does. Return the expected history entry."""
    metadata = MARKS.metadata(name, MessageKind.DIGEST, events)
    sent = await channel.post(Message(name), metadata=metadata, within=5, **where)
    return HistoryMessage(ALERTS, sent.ts, where.get("thread_ts"), MARKS.key("message", name), events, "digest")


async def search(channel: SlackChannel, **where: object):
    return await channel.history(**{"oldest": LONG_AGO, "within": 5, **where})


def calls(slack: SlackSimulator, method: str = HISTORY) -> list:
    return [made for made in slack.calls if made.method == method]


async def test_own_messages_are_found_by_their_event_keys(slack, channel):
    first = await post(channel, "first")
    second = await post(channel, "second", EVENTS)
    assert await search(channel) == HistoryPage((second, first))
    assert (first.event_keys, second.event_keys) == ((), EVENTS)


async def test_messages_without_our_event_keys_are_left_out(slack, channel):
    slack.say(ALERTS, "hello")
    for metadata in (
        None,
        {"event_type": "deploy", "event_payload": {"k": MARKS.key("message", "x"), "e": ""}},
        {"event_type": EVENT_TYPE, "event_payload": {"id": "x"}},
        {"event_type": EVENT_TYPE, "event_payload": {"k": 7, "e": ""}},
        {"event_type": EVENT_TYPE, "event_payload": {"k": "x' OR 1=1", "e": ""}},
    ):
        slack.call("chat.postMessage", {"channel": ALERTS, "text": "x", "metadata": metadata})
    own = await post(channel, "own")
    assert await search(channel) == HistoryPage((own,))


async def test_event_key_stays_when_its_message_is_edited(slack, channel):
    own = await post(channel, "own", EVENTS)
    await channel.update(Message("Bound: Chen."), channel_id=ALERTS, ts=own.ts, within=5)
    assert await search(channel) == HistoryPage((own,))


async def test_cursors_connect_three_pages(slack, channel):
    posted = [await post(channel, str(number)) for number in range(5)]
    slack.most_per_page = 2
    pages = [await search(channel)]
    while pages[-1].cursor:
        pages.append(await search(channel, cursor=pages[-1].cursor))
    assert [len(page.messages) for page in pages] == [2, 2, 1]
    assert [past for page in pages for past in page.messages] == posted[::-1]
    assert len(calls(slack)) == 3


async def test_page_without_our_messages_leads_to_the_next(slack, channel):
    own = await post(channel, "own")
    slack.say(ALERTS, "hello")
    slack.most_per_page = 1
    first = await search(channel)
    assert first.messages == ()
    assert await search(channel, cursor=first.cursor) == HistoryPage((own,))


async def test_reply_is_found_in_its_thread_and_a_broadcast_in_the_channel_too(slack, channel):
    parent = await post(channel, "root", EVENTS)
    line = await post(channel, "line", thread_ts=parent.ts)
    loud = await post(channel, "loud", thread_ts=parent.ts, broadcast=True)
    assert await search(channel) == HistoryPage((loud, parent))
    assert await search(channel, thread_ts=parent.ts) == HistoryPage((parent, line, loud))
    assert parent.thread_ts is None


async def test_thread_is_read_in_pages_too(slack, channel):
    parent = await post(channel, "root")
    lines = [await post(channel, str(number), thread_ts=parent.ts) for number in range(3)]
    slack.most_per_page = 2
    first = await search(channel, thread_ts=parent.ts)
    second = await search(channel, thread_ts=parent.ts, cursor=first.cursor)
    assert {*first.messages, *second.messages} == {parent, *lines}
    assert second.cursor == ""


async def test_oldest_bounds_the_history_to_the_microsecond(slack, channel, clock):
    moment = NOW + timedelta(microseconds=123456)
    early, late = moment, moment + timedelta(microseconds=1)
    clock.now = early
    await post(channel, "early")
    clock.now = late
    after = await post(channel, "late")
    assert await search(channel, oldest=early) == HistoryPage((after,))
    (made,) = calls(slack)
    assert made.arguments["oldest"] == f"{int(NOW.timestamp())}.123456"


@pytest.mark.parametrize("in_thread", [False, True])
async def test_latest_bounds_the_history_to_the_microsecond(slack, channel, clock, in_thread):
    parent = await post(channel, "root")
    where = {"thread_ts": parent.ts} if in_thread else {}
    moment = NOW + timedelta(hours=1, microseconds=123456)
    clock.now = moment
    before = await post(channel, "before", **where)
    clock.now = latest = moment + timedelta(microseconds=1)
    await post(channel, "late", **where)
    page = await search(channel, latest=latest, **where)
    assert set(page.messages) == {parent, before}
    (made,) = calls(slack, REPLIES if in_thread else HISTORY)
    assert made.arguments["latest"] == f"{int(moment.timestamp())}.123457"


async def test_lookup_request_is_as_slack_documents(slack, channel):
    parent = await post(channel, "root")
    await post(channel, "other")
    slack.most_per_page = 1
    cursor = (await search(channel)).cursor
    await search(channel, thread_ts=parent.ts, cursor=cursor)
    asked = {
        "channel": ALERTS,
        "oldest": f"{int(LONG_AGO.timestamp())}.000000",
        "limit": "200",
        "include_all_metadata": "true",
    }
    (of_channel,), (of_thread,) = calls(slack), calls(slack, REPLIES)
    assert of_channel.arguments == asked
    assert of_thread.arguments == asked | {"ts": parent.ts, "cursor": cursor}
    slack.take_unexpected()  # the cursor is of the channel


async def test_moment_before_slack_began_is_the_beginning(slack, channel):
    own = await post(channel, "own")
    assert await search(channel, oldest=datetime(1, 1, 1, tzinfo=UTC)) == HistoryPage((own,))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (ratelimited(7), RetryLater(7.0, "ratelimited")),
        (error("ratelimited"), RetryLater(60.0, "ratelimited")),
        (reply_lost(), OutcomeUnknown("ServerDisconnectedError")),
        (dropped(), OutcomeUnknown("ServerDisconnectedError")),
        (slow(2), OutcomeUnknown("TimeoutError")),
        (http_error(502), OutcomeUnknown("HTTP 502")),
        (http_error(200), OutcomeUnknown("HTTP 200")),
        (error("internal_error"), OutcomeUnknown("internal_error")),
        *(
            (error(word), HistoryUnreadable(word, refuses_posts=word == "channel_not_found"))
            for word in (
                *("missing_scope", "not_in_channel", "channel_not_found", "no_permission", "access_denied"),
                *("not_allowed_token_type", "is_archived", "ekm_access_denied", "method_deprecated"),
                *("invalid_cursor", "some_newer_word"),
            )
        ),
        *(
            (error(word), Blocked(word, of="token"))
            for word in ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired")
        ),
        (error("thread_not_found"), NotFound("thread_not_found")),
    ],
)
@pytest.mark.parametrize("thread_ts", [None, "1795396320.000000"])
async def test_every_failure_maps_to_the_next_step_and_one_request(slack, channel, thread_ts, fault, expected):
    method = REPLIES if thread_ts else HISTORY
    slack.arm(method, fault)
    assert await search(channel, thread_ts=thread_ts, within=0.5) == expected
    assert [made.method for made in slack.calls] == [method]
    slack.take_unexpected()  # no such thread, where the fault lets Slack act


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("thread_ts", [None, "1795396320.000000"])
async def test_unreadable_history_raises_history_unreadable(slack, channel, private, thread_ts):
    slack.channels[ALERTS] = Channel(ALERTS, "kf-alerts", is_private=private)
    slack.scopes -= {"channels:history", "groups:history"}
    assert await search(channel, thread_ts=thread_ts) == HistoryUnreadable("missing_scope")
    slack.scopes |= {"channels:history", "groups:history"}
    slack.channels[ALERTS].is_member = False
    expected = "channel_not_found" if private else "not_in_channel"
    assert await search(channel, thread_ts=thread_ts) == HistoryUnreadable(expected, refuses_posts=private)


async def test_refused_token_blocks(slack):
    async with channel_at(slack.api_url, "xoxb-other") as channel:
        assert await search(channel) == Blocked("invalid_auth", of="token")
    assert slack.take_unexpected() == [f"{HISTORY}: with an unknown token"]


async def test_thread_of_a_deleted_parent_message_is_gone(slack, channel):
    parent = await post(channel, "root")
    slack.delete(slack.messages(ALERTS)[0])
    assert await search(channel, thread_ts=parent.ts) == NotFound("thread_not_found")


async def test_unreachable_slack_is_retried_later():
    async with channel_at("http://127.0.0.1:9/api/") as channel:
        assert isinstance(await search(channel), RetryLater)


@asynccontextmanager
async def slack_with_response(answer: Callable[[], web.Response]) -> AsyncIterator[tuple[SlackChannel, list[str]]]:
    """Serve one response to every request; yield a channel on it and the requested methods."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.match_info["method"])
        return answer()

    app = web.Application()
    app.router.add_route("*", "/api/{method}", handle)
    async with serve(app) as url, channel_at(f"{url}/api/") as channel:
        yield channel, asked


@for_each(
    ("status", "body"),
    [
        (200, "{"),
        (200, ""),
        (200, "[1]"),
        (200, '"ok"'),
        (200, "null"),
        (200, "[" * 100_000),
        (200, "9" * 5000),
        (200, '{"ok": true}'),
        (200, '{"ok": true, "messages": {}}'),
        (200, '{"ok": false}'),
        (200, '{"ok": false, "error": ["missing_scope"]}'),
        (503, '{"ok": false, "error": "missing_scope"}'),
        (302, ""),
        (404, "<html>"),
    ],
)
@for_each("kind", ["application/json", "text/html", "text/plain", "application/gzip"])
async def test_malformed_response_is_an_unknown_outcome_for_lookups_and_posts(status, body, kind):
    async with slack_with_response(lambda: web.Response(status=status, text=body, content_type=kind)) as (
        channel,
        asked,
    ):
        assert isinstance(await search(channel), OutcomeUnknown)
        posted = await channel.post(Message("x"), metadata={}, within=5)
        assert isinstance(posted, OutcomeUnknown)
        assert asked == [HISTORY, "chat.postMessage"]


async def test_rate_limit_without_json_is_waited_out():
    def busy() -> web.Response:
        return web.Response(status=429, text="{", content_type="application/json", headers={"Retry-After": "9"})

    async with slack_with_response(busy) as (channel, _):
        assert await search(channel) == RetryLater(9.0, "ratelimited")


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1.000001", "", "0" * 32]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def perhaps(sound: object) -> st.SearchStrategy[object]:
    """Return a strategy that draws the valid value or any other."""
    return st.just(sound) | ODD


@st.composite
def odd_messages(draw: st.DrawFn) -> object:
    payload = {"v": 1, "k": draw(perhaps("a" * 32)), "e": draw(perhaps(f"{'b' * 32},{'c' * 32}"))}
    payload["s"] = draw(perhaps("digest"))
    metadata = {
        "event_type": draw(perhaps(EVENT_TYPE)),
        "event_payload": draw(st.sampled_from([payload]) | ODD),
    }
    message = {"ts": draw(perhaps("1795396320.000100")), "thread_ts": draw(perhaps("1795396320.000000"))}
    return draw(st.just({**message, "metadata": metadata}) | st.just({**message, "metadata": draw(ODD)}) | ODD)


@given(
    st.fixed_dictionaries(
        {"ok": st.just(True)},
        optional={
            "messages": st.lists(odd_messages(), max_size=4) | ODD,
            "response_metadata": st.fixed_dictionaries({"next_cursor": ODD}) | ODD,
            "has_more": ODD,
        },
    )
)
def test_any_history_yields_only_valid_event_keys(answer):
    page = page_of(answer, ALERTS)
    if isinstance(page, OutcomeUnknown):
        assert not isinstance(answer.get("messages"), list)
        return
    assert isinstance(page.cursor, str)
    for past in page.messages:
        assert past.channel_id == ALERTS
        assert all(MARK.fullmatch(event_key) for event_key in (past.message_key, *past.event_keys))
        assert re.fullmatch("[a-z_]{0,20}", past.kind)
        assert TS.fullmatch(past.ts)
        assert past.thread_ts is None or TS.fullmatch(past.thread_ts)


@given(st.lists(odd_messages(), max_size=4))
def test_malformed_message_does_not_hide_a_valid_one(odd):
    page = page_of({"messages": [*odd, {"ts": "1.000001", "metadata": SOUND}]}, ALERTS)
    assert page.messages[-1] == HistoryMessage(ALERTS, "1.000001", None, "d" * 32, ())


@for_each(
    "odd",
    [
        {"ts": None},
        {"ts": 1795396320.0001},
        {"ts": "yesterday"},
        {"ts": "1795396320.000100\n"},
        {"thread_ts": 1795396320},
        {"thread_ts": "x"},
        {"thread_ts": ["1795396320.000000"]},
        {"metadata": None},
        {"metadata": {"event_type": EVENT_TYPE}},
        {"metadata": {"event_type": EVENT_TYPE, "event_payload": ["k"]}},
        {"metadata": {"event_type": EVENT_TYPE, "event_payload": {"k": "D" * 32}}},
        {"metadata": {"event_type": [EVENT_TYPE], "event_payload": {"k": "d" * 32}}},
    ],
)
def test_foreign_message_is_left_out(odd):
    message = {"ts": "1795396320.000100", "thread_ts": "1795396320.000000", "metadata": SOUND}
    assert page_of({"messages": [message | odd, None, [], "x"]}, ALERTS) == HistoryPage(())
    assert len(page_of({"messages": [message]}, ALERTS).messages) == 1


@pytest.mark.parametrize("thread_ts", [None, "", "1795396320.000100"])
def test_message_without_a_thread_and_a_parent_have_no_thread_ts(thread_ts):
    message = {"ts": "1795396320.000100", "thread_ts": thread_ts, "metadata": SOUND}
    (past,) = page_of({"messages": [message]}, ALERTS).messages
    assert past.thread_ts is None


@pytest.mark.parametrize(
    ("marks", "events"),
    [
        ("", ()),
        ("a" * 32, ("a" * 32,)),
        (f"{'a' * 32},{'b' * 32}", ("a" * 32, "b" * 32)),
        (f"{'a' * 32},,x,{'B' * 32},{'b' * 33}", ("a" * 32,)),
        (None, ()),
        (["a" * 32], ()),
    ],
)
def test_event_keys_are_split_and_malformed_ones_left_out(marks, events):
    metadata = {"event_type": EVENT_TYPE, "event_payload": {"k": "d" * 32, "e": marks}}
    (past,) = page_of({"messages": [{"ts": "1.000001", "metadata": metadata}]}, ALERTS).messages
    assert past.event_keys == events


@for_each(
    ("word", "shape"),
    [
        *((shape.value, shape.value) for shape in MessageKind),
        ("a" * 20, "a" * 20),
        *(
            (odd, "")
            for odd in ("", "a" * 21, "Digest", "x' OR 1=1", "problem\n", "pröblem", "s3", None, 7, ["digest"])
        ),
    ],
)
def test_kind_is_a_short_word_or_none(word, shape):
    metadata = {"event_type": EVENT_TYPE, "event_payload": {"k": "d" * 32, "e": "", "s": word}}
    (past,) = page_of({"messages": [{"ts": "1.000001", "metadata": metadata}]}, ALERTS).messages
    assert past == HistoryMessage(ALERTS, "1.000001", None, "d" * 32, (), shape)


@pytest.mark.parametrize(
    "said", [None, {}, {"next_cursor": None}, {"next_cursor": ""}, {"next_cursor": 7}, [], "x"]
)
def test_page_without_a_readable_cursor_is_the_last(said):
    assert page_of({"messages": [], "response_metadata": said}, ALERTS) == HistoryPage(())


async def test_cancelled_lookup_stops():
    async def never():
        await asyncio.Event().wait()

    asking = asyncio.create_task(call(never(), within=60))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


def test_metadata_limit_holds_the_event_keys_of_a_large_digest():
    """Post two hundred event keys in one message; the limit is not documented."""
    metadata = MARKS.metadata(
        "storm", MessageKind.DIGEST, [MARKS.key("event", str(number)) for number in range(200)]
    )
    assert len(json.dumps(metadata)) < 8000
    answer = SlackSimulator().call("chat.postMessage", {"channel": ALERTS, "text": "x", "metadata": metadata})
    assert answer["ok"]
