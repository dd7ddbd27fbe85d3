"""The Slack simulator: as strict as the documentation, with a report of every unexpected call.

The fixture `slack` fails a test that leaves something unexpected behind; what a test means to be
wrong it takes with `take_unexpected`.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, parse_qsl

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.demo import servers
from bot.demo import slack_simulator as standin
from bot.demo.slack_simulator import Channel, SlackSimulator
from tests.conftest import NOW
from tests.running import until
from wechat_kf import protocol
from wechat_kf.simulator import Fault, FaultMode, Simulator

ALERTS = "C0ALERTS"


@pytest.fixture
def slack(clock):
    slack = SlackSimulator(
        clock=clock,
        channels=[
            Channel(ALERTS, "kf-alerts"),
            Channel("C0PUBLIC", "general", is_member=False),
            Channel("C0OLD", "old-alerts", is_archived=True),
            Channel("C0SMALL", "small", members=frozenset({"U0MEI"})),
            Channel("G0IN", "secret", is_private=True),
            Channel("G0OUT", "other-secret", is_private=True, is_member=False),
        ],
        ack_within=0.5,
    )
    yield slack
    assert slack.unexpected == []


@pytest.fixture
async def served(slack):
    async with servers.serve_slack(slack):
        yield slack


@pytest.fixture
async def client(served):
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token=served.bot_token, base_url=served.api_url, session=session, retry_handlers=[])


@pytest.fixture
async def app(served):
    """Serve an app that keeps its requests, and acknowledges with `app.says`."""
    double = AppDouble()
    async with servers.serve(double.application()) as url:
        served.app_url = f"{url}/slack/events"
        yield double


class AppDouble:
    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.says = web.Response
        self.pause = 0.0

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/slack/events", self.receive)
        return app

    async def receive(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.text())
        self.headers.append(dict(request.headers))
        await asyncio.sleep(self.pause)
        return self.says()

    @property
    def command(self) -> dict[str, str]:
        return dict(parse_qsl(self.bodies[-1], keep_blank_values=True))

    @property
    def click(self):
        return json.loads(parse_qs(self.bodies[-1])["payload"][0])


def post(slack, text="x", channel=ALERTS, **more):
    return slack.call("chat.postMessage", {"channel": channel, "text": text, **more})


def update(slack, ts, **more):
    return slack.call("chat.update", {"channel": ALERTS, "ts": ts, **more})


def history(slack, channel=ALERTS, **more):
    return slack.call("conversations.history", {"channel": channel, **more})


def replies(slack, ts, **more):
    return slack.call("conversations.replies", {"channel": ALERTS, "ts": ts, **more})


def texts(answer):
    assert answer["ok"], answer
    return [message["text"] for message in answer["messages"]]


def section(text="x", **more):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(action_id="go", value="1", **more):
    text = {"type": "plain_text", "text": "Go"}
    return {"type": "button", "text": text, "action_id": action_id, "value": value, **more}


def actions(*elements, **more):
    return {"type": "actions", "elements": list(elements), **more}


def option(value):
    return {"text": {"type": "plain_text", "text": value}, "value": value}


def menu(*values, **more):
    return {
        "type": "static_select",
        "action_id": "pick",
        "options": [option(value) for value in values],
        **more,
    }


METADATA = {"event_type": "kf_alert", "event_payload": {"v": 1, "k": "abc", "e": {"a": True}}}


def test_simulator_starts_with_the_alert_channel_and_the_real_time():
    slack = SlackSimulator()
    assert post(slack)["channel"] == ALERTS
    assert abs(float(slack.messages(ALERTS)[0].ts) - time.time()) < 60


def test_post_keeps_all_its_fields(slack):
    answer = post(slack, blocks=[section()], metadata=METADATA, unfurl_links=False)
    assert answer["ok"]
    assert answer["channel"] == ALERTS
    [message] = slack.messages(ALERTS)
    assert (message.ts, message.text, message.blocks) == (answer["ts"], "x", [section()])
    assert message.metadata == METADATA
    assert (message.edits, message.thread_ts) == (0, None)


def test_ts_follows_the_virtual_time_and_is_unique(slack, clock):
    first, second = post(slack)["ts"], post(slack)["ts"]
    assert first == f"{int(NOW.timestamp())}.000000"
    assert second == f"{int(NOW.timestamp())}.000001"
    clock.forward(seconds=1.5)
    assert post(slack)["ts"] == f"{int(NOW.timestamp()) + 1}.500000"


@pytest.mark.parametrize("name", ["kf-alerts", "#kf-alerts", ALERTS])
def test_post_by_name_answers_with_the_id(slack, name):
    assert post(slack, channel=name)["channel"] == ALERTS


def test_edit_by_channel_name_is_refused(slack):
    ts = post(slack)["ts"]
    answer = slack.call("chat.update", {"channel": "#kf-alerts", "ts": ts, "text": "y"})
    assert answer["error"] == "channel_not_found"
    assert slack.take_unexpected() == ["chat.update: no channel '#kf-alerts'"]


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        (ALERTS, None),
        ("C0PUBLIC", None),
        ("G0IN", None),
        ("G0OUT", "channel_not_found"),
        ("C0OLD", "is_archived"),
    ],
)
def test_posting_depends_on_the_channel_and_the_membership(slack, channel, error):
    assert post(slack, channel=channel).get("error") == error


def test_public_channel_accepts_a_bot_outside_it_only_with_the_scope(slack):
    slack.scopes.discard("chat:write.public")
    assert post(slack, channel="C0PUBLIC")["error"] == "not_in_channel"
    slack.channels["C0PUBLIC"].is_member = True
    assert post(slack, channel="C0PUBLIC")["ok"]


def test_post_to_an_undeclared_channel_is_unexpected(slack):
    assert post(slack, channel="C0NOWHERE")["error"] == "channel_not_found"
    assert slack.take_unexpected() == ["chat.postMessage: no channel 'C0NOWHERE'"]


def test_missing_scope_is_named_with_the_granted_ones(slack):
    slack.scopes = {"commands", "channels:read"}
    assert post(slack) == {
        "ok": False,
        "error": "missing_scope",
        "needed": "chat:write",
        "provided": "channels:read,commands",
    }


@pytest.mark.parametrize(
    ("said", "error", "note"),
    [
        ({"text": ""}, "no_text", "a message without text and blocks"),
        ({"text": " \n"}, "no_text", "a message without text and blocks"),
        ({"text": 7}, "invalid_arguments", "text is no string"),
        ({"blocks": "[{"}, "invalid_blocks_format", "invalid_blocks_format: broken JSON"),
        ({"blocks": {"type": "x"}}, "invalid_blocks_format", "invalid_blocks_format: dict instead of list"),
        ({"metadata": "{"}, "invalid_metadata_format", "invalid_metadata_format: broken JSON"),
        ({"metadata": []}, "invalid_metadata_format", "invalid_metadata_format: list instead of dict"),
        ({"thread_ts": "1.000001"}, "thread_not_found", "no message '1.000001' to reply to"),
        ({"thread_ts": 1.5}, "thread_not_found", "no message 1.5 to reply to"),
    ],
)
def test_malformed_post_is_refused_and_unexpected(slack, said, error, note):
    assert post(slack, **said)["error"] == error
    assert slack.take_unexpected() == [f"chat.postMessage: {note}"]
    assert slack.messages(ALERTS) == []


def test_invalid_blocks_are_refused_with_their_place(slack):
    answer = post(slack, blocks=[{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}])
    wrong = "must be less than 151 characters [json-pointer:/blocks/0/text/text]"
    assert answer == {
        "ok": False,
        "error": "invalid_blocks",
        "errors": [wrong],
        "response_metadata": {"messages": [f"[ERROR] {wrong}"]},
    }
    assert slack.take_unexpected() == [
        "chat.postMessage: invalid_blocks: /blocks/0/text/text: must be less than 151 characters"
    ]


def test_blocks_may_come_as_json_text(slack):
    post(slack, blocks=json.dumps([section()]), metadata=json.dumps(METADATA))
    [message] = slack.messages(ALERTS)
    assert message.blocks == [section()]
    assert message.metadata == METADATA


def test_content_over_slacks_limit_is_refused_and_over_ours_noted(slack):
    assert post(slack, blocks=[section("x" * 2600)] * 5)["ok"]
    assert slack.take_unexpected() == ["/blocks: 13000 characters of content, more than 10000"]
    assert post(slack, blocks=[*[section("x" * 2600)] * 5, section()])["error"] == "msg_blocks_too_long"
    assert slack.take_unexpected() == ["chat.postMessage: more content than one message holds"]


def test_message_that_slack_changes_is_unexpected(slack):
    assert post(slack, text="<!chanel> is up")["ok"]
    assert slack.take_unexpected() == ["/text: an unknown sequence '<!chanel>'"]


CALL = "<!here> <@U0TOM>"


def test_post_with_an_undeclared_mention_is_unexpected(slack):
    assert post(slack, blocks=[section(CALL)])["ok"]
    assert slack.take_unexpected() == ["a message mentions <!here>", "a message mentions <@U0TOM>"]
    slack.may_mention = {"<!here>"}
    assert post(slack, text=CALL)["ok"]
    assert slack.take_unexpected() == ["a message mentions <@U0TOM>"]


def test_permitted_mentions_are_declared_at_the_start():
    slack = SlackSimulator(may_mention={"<!subteam^S0LEADS>"})
    assert post(slack, text="<!subteam^S0LEADS> please look")["ok"]
    assert slack.unexpected == []


def test_mention_in_an_edit_notifies_no_one(slack):
    ts = post(slack)["ts"]
    assert update(slack, ts, text=CALL)["ok"]
    assert slack.unexpected == []


def test_text_over_4000_is_a_warning_and_over_40000_is_cut(slack):
    assert "warning" not in post(slack, text="x" * 4001)
    assert slack.warnings == ["/text: is best kept under 4001 characters"]
    answer = post(slack, text="x" * 40_001)
    assert answer["response_metadata"] == {"warnings": ["message_truncated"]}
    assert len(slack.messages(ALERTS)[1].text) == 40_000
    assert slack.take_unexpected() == ["/text: must be less than 40001 characters"]


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"event_type": "x", "event_payload": {}}, None),
        ({"event_type": "x", "event_payload": {"list": [{"a": 1}]}}, None),
        ({"event_type": "x"}, "invalid_metadata_format"),
        ({"event_type": "", "event_payload": {}}, "invalid_metadata_format"),
        ({"event_type": "x", "event_payload": []}, "invalid_metadata_format"),
        ({"event_type": "x", "event_payload": {}, "more": 1}, "invalid_metadata_format"),
        ({"event_type": "x", "event_payload": {"a": None}}, "invalid_metadata_format"),
        ({"event_type": "x", "event_payload": {"a": ["b"]}}, "invalid_metadata_format"),
        ({"event_type": "x", "event_payload": {"a": {"b": {}}}}, "invalid_metadata_format"),
        ({"event_type": "x", "event_payload": {"a": "x" * 8000}}, "metadata_too_large"),
    ],
)
def test_metadata_is_flat_and_small(slack, metadata, error):
    assert post(slack, metadata=metadata).get("error") == error
    assert len(slack.take_unexpected()) == (error is not None)


def test_argument_that_the_documentation_does_not_have_is_noted(slack):
    assert post(slack, client_msg_id="1", username="x")["ok"]
    assert slack.take_unexpected() == [
        "chat.postMessage: with client_msg_id, username, which the stand-in does not know"
    ]


def test_reply_is_in_its_thread_and_a_broadcast_in_the_channel_too(slack):
    parent = post(slack, "root")["ts"]
    post(slack, "quiet", thread_ts=parent)
    loud = post(slack, "loud", thread_ts=parent, reply_broadcast="true")["ts"]
    assert texts(history(slack)) == ["loud", "root"]
    assert texts(replies(slack, parent)) == ["root", "quiet", "loud"]
    shown, first = history(slack)["messages"]
    assert (shown["subtype"], shown["thread_ts"]) == ("thread_broadcast", parent)
    assert (first["reply_count"], first["latest_reply"], first["thread_ts"]) == (2, loud, parent)


def test_broadcast_is_in_the_channel_with_its_metadata(slack):
    parent = post(slack, "root", metadata=METADATA)["ts"]
    post(slack, "loud", thread_ts=parent, reply_broadcast=True, metadata=METADATA)
    shown = history(slack, include_all_metadata=True)["messages"]
    assert [message.get("metadata") for message in shown] == [METADATA, METADATA]
    thread = replies(slack, parent, include_all_metadata=True)["messages"]
    assert [message.get("metadata") for message in thread] == [METADATA, METADATA]


def test_reply_to_a_reply_is_refused(slack):
    parent = post(slack)["ts"]
    reply = post(slack, thread_ts=parent)["ts"]
    assert post(slack, thread_ts=reply)["error"] == "cannot_reply_to_message"
    assert slack.take_unexpected() == [f"chat.postMessage: {reply} is a reply: use the ts of its root"]


def test_broadcast_without_a_thread_is_an_ordinary_post_and_unexpected(slack):
    assert post(slack, reply_broadcast=True)["ok"]
    assert not slack.messages(ALERTS)[0].broadcast
    assert slack.take_unexpected() == ["chat.postMessage: reply_broadcast without thread_ts"]


def test_thread_of_a_deleted_parent_message_is_gone(slack):
    parent = post(slack)["ts"]
    slack.delete(slack.messages(ALERTS)[0])
    assert post(slack, thread_ts=parent)["error"] == "thread_not_found"
    assert replies(slack, parent)["error"] == "thread_not_found"


def test_thread_of_an_unknown_message_is_unexpected(slack):
    assert replies(slack, "1.000001")["error"] == "thread_not_found"
    assert slack.take_unexpected() == ["conversations.replies: no message '1.000001' to read the thread of"]


@pytest.mark.parametrize("none", [[], "[]"])
def test_edit_keeps_the_blocks_unless_it_has_others_or_none(slack, none):
    ts = post(slack, blocks=[section()], metadata=METADATA)["ts"]
    assert update(slack, ts, text="y", blocks=[section("z")])["ok"]
    [message] = slack.messages(ALERTS)
    assert (message.blocks, message.edits, message.marked) == ([section("z")], 1, False)
    update(slack, ts, text="w")
    [message] = slack.messages(ALERTS)
    assert (message.blocks, message.text, message.edits, message.marked) == ([section("z")], "w", 2, True)
    update(slack, ts, text="y", blocks=none)
    [message] = slack.messages(ALERTS)
    assert (message.blocks, message.text, message.edits, message.marked) == ([], "y", 3, True)
    assert message.metadata == METADATA
    assert "edited" in history(slack)["messages"][0]


def test_edit_changes_or_removes_metadata_only_when_it_brings_some(slack):
    ts = post(slack, metadata=METADATA)["ts"]
    changed = {**METADATA, "event_type": "other"}
    update(slack, ts, text="y", metadata=changed)
    assert slack.messages(ALERTS)[0].metadata == changed
    update(slack, ts, text="y", metadata={})
    assert slack.messages(ALERTS)[0].metadata is None


def test_edit_of_a_deleted_message_is_refused(slack):
    ts = post(slack)["ts"]
    slack.delete(slack.messages(ALERTS)[0])
    assert update(slack, ts, text="y")["error"] == "message_not_found"


def test_edit_of_an_unknown_message_is_unexpected(slack):
    assert update(slack, "1795396320.000000", text="y")["error"] == "message_not_found"
    assert slack.take_unexpected() == ["chat.update: no message '1795396320.000000' to edit"]


def test_edit_of_another_persons_message_is_refused(slack):
    theirs = slack.say(ALERTS, "hello")
    assert update(slack, theirs.ts, text="y")["error"] == "cant_update_message"
    assert slack.take_unexpected() == [f"chat.update: {theirs.ts} is somebody else's message"]


def test_ephemeral_message_cannot_be_edited(slack):
    ts = slack.call("chat.postEphemeral", {"channel": ALERTS, "user": "U0MEI", "text": "x"})["message_ts"]
    assert update(slack, ts, text="y")["error"] == "message_not_found"
    assert len(slack.take_unexpected()) == 1


def test_archived_channel_takes_no_edit(slack):
    ts = post(slack)["ts"]
    slack.channels[ALERTS].is_archived = True
    assert update(slack, ts, text="y")["error"] == "is_archived"


def test_ephemeral_message_is_for_one_person_of_the_channel(slack):
    shown = {"channel": "C0SMALL", "user": "U0MEI", "text": "x"}
    assert slack.call("chat.postEphemeral", shown)["ok"]
    [message] = slack.ephemerals.values()
    assert (message.only_for, message.channel) == ("U0MEI", "C0SMALL")
    assert slack.messages("C0SMALL") == []
    assert slack.call("chat.postEphemeral", {**shown, "user": "U0TOM"})["error"] == "user_not_in_channel"


def test_history_keeps_metadata_unless_asked_for(slack):
    post(slack, metadata=METADATA)
    assert "metadata" not in history(slack)["messages"][0]
    assert history(slack, include_all_metadata="true")["messages"][0]["metadata"] == METADATA


@pytest.mark.parametrize(
    ("channel", "scope", "error"),
    [
        (ALERTS, None, None),
        (ALERTS, "channels:history", "missing_scope"),
        ("G0IN", None, None),
        ("G0IN", "groups:history", "missing_scope"),
        ("G0OUT", None, "channel_not_found"),
        ("C0PUBLIC", None, "not_in_channel"),
    ],
)
def test_history_needs_the_scope_and_membership(slack, channel, scope, error):
    slack.scopes.discard(scope)
    assert history(slack, channel).get("error") == error


@pytest.mark.parametrize(
    ("channel", "scope", "error"),
    [
        (ALERTS, "channels:history", "missing_scope"),
        ("G0IN", "groups:history", "missing_scope"),
        ("G0OUT", None, "channel_not_found"),
        ("C0PUBLIC", None, "not_in_channel"),
    ],
)
def test_thread_needs_the_scope_and_membership_too(slack, channel, scope, error):
    slack.scopes.discard(scope)
    assert slack.call("conversations.replies", {"channel": channel, "ts": "1.000001"})["error"] == error


def test_history_page_may_be_short_before_the_end(slack):
    for name in "abc":
        post(slack, name)
    slack.most_per_page = 2
    first = history(slack, limit=200)
    assert (texts(first), first["has_more"]) == (["c", "b"], True)
    assert texts(history(slack, limit=200, cursor=first["response_metadata"]["next_cursor"])) == ["a"]


def test_history_lies_between_oldest_and_latest(slack, clock):
    stamps = []
    for name in "abcd":
        stamps.append(post(slack, name)["ts"])
        clock.forward(seconds=1)
    assert texts(history(slack, oldest=stamps[0], latest=stamps[3])) == ["c", "b"]
    assert texts(history(slack, oldest=stamps[0], latest=stamps[3], inclusive=True)) == ["d", "c", "b", "a"]
    assert texts(history(slack, oldest=NOW.timestamp() + 0.5)) == ["d", "c", "b"]
    assert texts(history(slack, latest=stamps[1])) == ["a"]


def test_history_pages_with_a_cursor(slack):
    for name in "abcde":
        post(slack, name)
    first = history(slack, limit=2)
    assert (texts(first), first["has_more"]) == (["e", "d"], True)
    post(slack, "newer")
    second = history(slack, limit="2", cursor=first["response_metadata"]["next_cursor"])
    third = history(slack, limit=2, cursor=second["response_metadata"]["next_cursor"])
    assert texts(second) + texts(third) == ["c", "b", "a"]
    assert (third["has_more"], third["response_metadata"]) == (False, {"next_cursor": ""})


def test_pages_of_replies_start_with_their_parent_message(slack):
    parent = post(slack, "root")["ts"]
    for name in "abc":
        post(slack, name, thread_ts=parent)
    first = replies(slack, parent, limit=2)
    second = replies(slack, parent, limit=2, cursor=first["response_metadata"]["next_cursor"])
    assert (texts(first), texts(second)) == (["root", "a", "b"], ["root", "c"])
    assert texts(replies(slack, parent, oldest=slack.messages(ALERTS)[2].ts)) == ["root", "c"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"limit": 0}, "invalid_limit"),
        ({"limit": 1000}, "invalid_limit"),
        ({"limit": "many"}, "invalid_limit"),
        ({"cursor": "x"}, "invalid_cursor"),
        ({"oldest": "yesterday"}, "invalid_ts_oldest"),
        ({"oldest": "-1"}, "invalid_ts_oldest"),
        ({"latest": "nan"}, "invalid_ts_latest"),
    ],
)
def test_odd_page_is_refused_and_unexpected(slack, asked, error):
    assert history(slack, **asked)["error"] == error
    assert len(slack.take_unexpected()) == 1


def test_history_has_the_author_of_each_message(slack):
    slack.say(ALERTS, "hello", user="U0TOM")
    post(slack)
    own, theirs = history(slack)["messages"]
    assert (own["user"], own["bot_id"]) == ("U0BOT", "B0001")
    assert theirs["user"] == "U0TOM"
    assert "bot_id" not in theirs


def test_channel_info_has_only_what_the_bot_can_see(slack):
    seen = slack.call("conversations.info", {"channel": "C0PUBLIC"})["channel"]
    assert (seen["name"], seen["is_member"], seen["is_private"], seen["is_archived"]) == (
        "general",
        False,
        False,
        False,
    )
    assert slack.call("conversations.info", {"channel": "G0OUT"})["error"] == "channel_not_found"
    slack.scopes.discard("groups:read")
    assert slack.call("conversations.info", {"channel": "G0IN"})["needed"] == "groups:read"


@pytest.mark.parametrize(
    ("method", "token", "error"),
    [
        ("auth.test", "", "not_authed"),
        ("auth.test", "xoxb-other", "invalid_auth"),
        ("auth.test", "xapp-stand-in", "not_allowed_token_type"),
        ("apps.connections.open", "xoxb-stand-in", "not_allowed_token_type"),
        ("chat.delete", "xoxb-stand-in", "unknown_method"),
    ],
)
def test_call_with_the_wrong_token_or_name_is_refused_and_unexpected(slack, method, token, error):
    assert slack.call(method, {}, token=token)["error"] == error
    [note] = slack.take_unexpected()
    assert note.startswith(f"{method}: ")


async def test_real_client_posts_edits_and_reads(client, slack):
    assert (await client.auth_test())["user_id"] == "U0BOT"
    posted = await client.chat_postMessage(channel=ALERTS, text="x", blocks=[section()], metadata=METADATA)
    await client.chat_update(channel=posted["channel"], ts=posted["ts"], text="y")
    await client.chat_postEphemeral(channel=ALERTS, user="U0MEI", text="z")
    seen = await client.conversations_history(channel=ALERTS, include_all_metadata=True, limit=5)
    assert [message["metadata"] for message in seen["messages"]] == [METADATA]
    thread = await client.conversations_replies(channel=ALERTS, ts=posted["ts"])
    assert texts(thread) == ["y"]
    assert (await client.conversations_info(channel=ALERTS))["channel"]["name"] == "kf-alerts"
    assert [call.method for call in slack.calls] == [
        "auth.test",
        "chat.postMessage",
        "chat.update",
        "chat.postEphemeral",
        "conversations.history",
        "conversations.replies",
        "conversations.info",
    ]


async def test_scopes_come_with_every_answer(client, slack):
    slack.scopes = {"commands", "chat:write"}
    assert (await client.auth_test()).headers["X-OAuth-Scopes"] == "chat:write,commands"


async def test_forms_and_queries_are_read_as_json_is(served):
    async with aiohttp.ClientSession() as session:
        form = {"token": served.bot_token, "channel": ALERTS, "text": "x", "blocks": json.dumps([section()])}
        async with session.post(f"{served.api_url}chat.postMessage", data=form) as answer:
            assert (await answer.json())["ok"]
        query = {"token": served.bot_token, "channel": ALERTS}
        async with session.get(f"{served.api_url}conversations.history", params=query) as answer:
            assert texts(await answer.json()) == ["x"]
    assert [call.arguments for call in served.calls] == [
        {"channel": ALERTS, "text": "x", "blocks": json.dumps([section()])},
        {"channel": ALERTS},
    ]
    assert served.messages(ALERTS)[0].blocks == [section()]


@pytest.mark.parametrize("method", ["conversations.history", "conversations.replies", "conversations.info"])
async def test_read_methods_ignore_a_json_body(served, method):
    asked = {"channel": ALERTS, "ts": post(served)["ts"]}
    headers = {"Authorization": f"Bearer {served.bot_token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{served.api_url}{method}", json=asked) as answer,
    ):
        assert (await answer.json())["error"] == "channel_not_found"
    assert served.calls[0].arguments == {}
    assert served.take_unexpected() == [
        f"{method}: a body of JSON, which it overlooks",
        f"{method}: no channel ''",
    ]


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        ("{", "application/json", "invalid_json"),
        ("[]", "application/json", "json_not_object"),
        ("x", "text/html", "invalid_post_type"),
    ],
)
async def test_unreadable_request_is_refused_and_unexpected(served, body, kind, error):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.api_url}auth.test", data=body, headers={"Content-Type": kind}) as answer,
    ):
        assert answer.status == 200
        assert (await answer.json())["error"] == error
    assert [note.startswith("auth.test: ") for note in served.take_unexpected()] == [True]


async def test_token_of_another_scheme_is_ignored(served):
    headers = {"Authorization": f"Basic {served.bot_token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{served.api_url}auth.test", headers=headers) as answer,
    ):
        assert (await answer.json())["error"] == "not_authed"
    assert served.take_unexpected() == ["auth.test: without a token"]


async def test_log_has_no_token(client, slack):
    await client.chat_postMessage(channel=ALERTS, text="x")
    assert slack.calls == [standin.ApiCall("chat.postMessage", {"channel": ALERTS, "text": "x"}, 200)]


async def test_token_in_json_is_ignored_and_not_logged(served):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.api_url}auth.test", json={"token": served.bot_token}) as answer,
    ):
        assert (await answer.json())["error"] == "not_authed"
    assert served.calls[0].arguments == {}
    assert served.take_unexpected() == ["auth.test: without a token"]


async def test_undeclared_method_is_noted(client, slack):
    slack.expect_only("chat.postMessage")
    await client.chat_postMessage(channel=ALERTS, text="x")
    await client.auth_test()
    assert slack.take_unexpected() == ["auth.test: is not expected here"]


async def test_unknown_path_is_noted(served):
    async with aiohttp.ClientSession() as session, session.get(f"{served.base_url}/other") as answer:
        assert answer.status == 404
    assert served.take_unexpected() == ["GET /other: there is nothing at Slack"]


async def failing(client, **more):
    with pytest.raises((SlackApiError, aiohttp.ClientError)) as caught:
        await client.chat_postMessage(channel=ALERTS, text="x", **more)
    return caught.value


async def test_rate_limit_has_retry_after(client, slack):
    slack.arm("chat.postMessage", standin.ratelimited(7))
    error = await failing(client)
    assert (error.response.status_code, error.response["error"]) == (429, "ratelimited")
    assert error.response.headers["Retry-After"] == "7"
    assert slack.messages(ALERTS) == []
    assert (await client.chat_postMessage(channel=ALERTS, text="x"))["ok"]


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (standin.reply_lost(), True),
        (standin.dropped(), False),
        (standin.slow(0.01, taken=False), False),
    ],
)
async def test_dropped_connection_is_an_unknown_outcome_for_the_client(client, slack, fault, taken):
    slack.arm("chat.postMessage", fault)
    assert isinstance(await failing(client), aiohttp.ServerDisconnectedError)
    assert len(slack.messages(ALERTS)) == taken
    assert slack.calls == [standin.ApiCall("chat.postMessage", {"channel": ALERTS, "text": "x"}, None)]


async def test_default_client_posts_twice_when_the_reply_is_lost(served):
    served.arm("chat.postMessage", standin.reply_lost())
    hasty = AsyncWebClient(token=served.bot_token, base_url=served.api_url)
    await hasty.chat_postMessage(channel=ALERTS, text="x")
    assert len(served.messages(ALERTS)) == 2


@pytest.mark.parametrize(
    ("fault", "status", "taken"),
    [
        (standin.http_error(), 502, False),
        (standin.http_error(500, "oops", taken=True), 500, True),
        (standin.error("internal_error"), 200, False),
        (standin.error("fatal_error", taken=True), 200, True),
    ],
)
async def test_armed_answer_replaces_the_real_one(client, slack, fault, status, taken):
    slack.arm("chat.postMessage", fault)
    error = await failing(client)
    assert error.response.status_code == status
    assert len(slack.messages(ALERTS)) == taken
    assert slack.calls[0].status == status


async def test_armed_error_is_not_unexpected(client, slack):
    slack.arm("chat.update", standin.error("edit_window_closed"))
    with pytest.raises(SlackApiError) as caught:
        await client.chat_update(channel=ALERTS, ts="1.000001", text="x")
    assert caught.value.response["error"] == "edit_window_closed"
    assert slack.calls[0].error == "edit_window_closed"


async def test_slow_answer_follows_the_stored_message(client, slack):
    slack.arm("chat.postMessage", standin.slow(5))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.chat_postMessage(channel=ALERTS, text="x")
    assert len(slack.messages(ALERTS)) == 1


async def test_client_may_hang_up_before_slack_does(client, slack):
    slack.arm("chat.postMessage", standin.slow(0.2, taken=False))
    given_up = asyncio.create_task(client.chat_postMessage(channel=ALERTS, text="x"))
    await until(lambda: slack.calls)
    given_up.cancel()
    await asyncio.sleep(0.25)
    assert (await client.chat_postMessage(channel=ALERTS, text="y"))["ok"]


async def test_faults_come_in_the_order_they_were_armed(client, slack):
    slack.arm("chat.postMessage", standin.error("a"), standin.error("b"))
    assert [(await failing(client)).response["error"] for _ in range(2)] == ["a", "b"]


@pytest.fixture
def watched(slack):
    """Return the observed posts: stage, text, and the number of messages in the channel at that time."""
    published = []
    for stage in ("arrived", "acted", "answered"):
        slack.watch(
            "chat.postMessage",
            stage,
            lambda call, stage=stage: published.append((stage, call["text"], len(slack.messages(ALERTS)))),
        )
    return published


async def test_observer_is_called_before_a_call_and_before_and_after_its_answer(client, watched):
    await client.chat_postMessage(channel=ALERTS, text="x")
    await client.auth_test()
    assert watched == [("arrived", "x", 0), ("acted", "x", 1), ("answered", "x", 1)]


async def test_observer_sees_an_answer_before_the_client(client, slack):
    published = []
    posting = None
    slack.watch("chat.postMessage", "acted", lambda _: published.append(posting.done()))
    slack.watch("chat.postMessage", "answered", lambda _: published.append(posting.done()))
    posting = asyncio.create_task(client.chat_postMessage(channel=ALERTS, text="x"))
    assert (await posting)["ok"]
    assert published == [False, False]


@pytest.mark.parametrize(
    ("fault", "stages"),
    [
        (standin.reply_lost(), ["arrived", "acted"]),
        (standin.dropped(), ["arrived"]),
        (standin.error("fatal_error", taken=True), ["arrived", "acted", "answered"]),
        (standin.ratelimited(), ["arrived", "answered"]),
    ],
)
async def test_observer_is_not_called_for_prevented_calls(client, slack, watched, fault, stages):
    slack.arm("chat.postMessage", fault)
    await failing(client)
    assert [stage for stage, *_ in watched] == stages


async def test_observer_may_arm_a_fault_for_the_current_call(client, slack):
    slack.watch("chat.postMessage", "arrived", lambda _: slack.arm("chat.postMessage", standin.reply_lost()))
    assert isinstance(await failing(client), aiohttp.ServerDisconnectedError)
    assert len(slack.messages(ALERTS)) == 1


async def test_answer_without_a_waiting_client_is_not_reported_as_sent(client, slack, watched):
    slack.arm("chat.postMessage", standin.slow(0.2))
    given_up = asyncio.create_task(client.chat_postMessage(channel=ALERTS, text="x"))
    await until(lambda: slack.calls)
    given_up.cancel()
    await asyncio.sleep(0.25)
    assert [stage for stage, *_ in watched] == ["arrived", "acted"]


async def test_observer_sees_answers_by_response_url(app, served):
    published = []
    for stage in ("arrived", "acted", "answered"):
        served.watch(standin.RESPONSE_URL, stage, lambda said, stage=stage: published.append((stage, said["text"])))
    await respond(await served.command(), text="x", response_type="ephemeral")
    assert published == [("arrived", "x"), ("acted", "x"), ("answered", "x")]


async def test_command_arrives_as_documented_and_signed(app, served):
    invocation = await served.command("find 小波 & co", user="U0TOM")
    assert (invocation.ack.status, invocation.ack.body, invocation.ack.failure) == (200, "", None)
    assert 0 < invocation.ack.ms < 500
    assert app.command == dict(invocation.payload)
    assert set(app.command) == {
        *("token", "team_id", "team_domain", "channel_id", "channel_name", "user_id", "user_name"),
        *("command", "text", "api_app_id", "is_enterprise_install", "response_url", "trigger_id"),
    }
    assert (app.command["command"], app.command["text"]) == ("/kf", "find 小波 & co")
    assert (app.command["user_id"], app.command["channel_id"]) == ("U0TOM", ALERTS)
    assert app.command["user_name"] == "tom"
    assert SignatureVerifier(served.signing_secret).is_valid_request(app.bodies[0], app.headers[0])


async def test_private_channels_name_is_not_sent(app, served):
    await served.command(channel="G0IN")
    assert app.command["channel_name"] == "privategroup"


async def test_timestamp_and_signature_may_be_forged(app, served):
    await served.command("x", timestamp=1)
    verifier = SignatureVerifier(served.signing_secret)
    assert app.headers[0]["X-Slack-Request-Timestamp"] == "1"
    assert not verifier.is_valid_request(app.bodies[0], app.headers[0]), "too old"
    await served.command("x", signature="v0=0")
    assert app.headers[1]["X-Slack-Signature"] == "v0=0"


@pytest.mark.parametrize(
    ("status", "failure"), [(404, "http_client_error"), (401, "http_client_error"), (500, "dispatch_failed")]
)
async def test_person_sees_a_failure_unless_the_app_returns_200(app, served, status, failure):
    app.says = lambda: web.Response(status=status)
    ack = (await served.command()).ack
    assert (ack.status, ack.failure) == (status, failure)


async def test_slow_or_unreachable_app_fails_the_command(app, served):
    app.pause, served.ack_within = 0.2, 0.01
    ack = (await served.command()).ack
    assert (ack.status, ack.failure) == (None, "operation_timeout")
    served.app_url, served.ack_within = "http://127.0.0.1:9/slack/events", 0.5
    ack = (await served.command()).ack
    assert (ack.status, ack.failure) == (None, "dispatch_failed")


async def test_simulator_without_a_server_cannot_reach_the_app(slack):
    slack.app_url = "http://127.0.0.1:9/"
    with pytest.raises(RuntimeError):
        await slack.command()


@pytest.mark.parametrize(
    ("says", "text", "only_for"),
    [
        (lambda: web.Response(text="at once"), "at once", "U0MEI"),
        (lambda: web.json_response({"response_type": "ephemeral", "text": "json"}), "json", "U0MEI"),
        (lambda: web.json_response({"response_type": "in_channel", "text": "all"}), "all", None),
    ],
)
async def test_body_of_an_ack_is_shown_as_an_answer(app, served, says, text, only_for):
    app.says = says
    message = await (await served.command()).answer()
    assert (message.text, message.only_for) == (text, only_for)
    assert served.calls == []


async def test_wrong_message_in_an_ack_is_unexpected(app, served):
    app.says = lambda: web.json_response({"response_type": "ephemeral", "text": ""})
    assert (await served.command()).answers() == []
    assert served.take_unexpected() == ["ack: a message without text and blocks"]


async def respond(invocation, **said):
    answer = await AsyncWebhookClient(invocation.payload["response_url"]).send(**said)
    return answer.status_code, answer.body


async def test_simulator_waits_for_an_answer(app, served):
    invocation = await served.command()
    waiting = asyncio.create_task(invocation.answer())
    assert await respond(invocation, text="x", blocks=[section()], response_type="ephemeral") == (200, "ok")
    message = await waiting
    assert (message.text, message.blocks, message.only_for) == ("x", [section()], "U0MEI")
    with pytest.raises(TimeoutError):
        await invocation.answer(within=0.01)


async def test_in_channel_answer_is_a_channel_message(app, served):
    invocation = await served.command(channel="G0OUT")
    await respond(invocation, text="x", response_type="in_channel")
    assert served.messages("G0OUT") == invocation.answers()


async def test_response_url_works_five_times(app, served):
    invocation = await served.command()
    for _ in range(5):
        assert (await respond(invocation, text="x", response_type="ephemeral"))[0] == 200
    assert await respond(invocation, text="x", response_type="ephemeral") == (404, "used_url")
    assert len(invocation.answers()) == 5
    assert served.take_unexpected() == ["response_url: a response_url used a 6th time"]


async def test_response_url_works_for_half_an_hour(app, served, clock):
    invocation = await served.command()
    clock.forward(minutes=30)
    assert (await respond(invocation, text="x", response_type="ephemeral"))[0] == 200
    clock.forward(seconds=1)
    assert await respond(invocation, text="x", response_type="ephemeral") == (404, "expired_url")
    assert served.take_unexpected() == ["response_url: a response_url used after 30 minutes"]


@pytest.mark.parametrize("replaces", [True, False])
async def test_answer_to_a_command_replaces_the_ephemeral_answer_before_or_is_a_second_message(
    app, served, replaces
):
    served.replaces_answers = replaces
    invocation = await served.command()
    await respond(invocation, text="x", response_type="ephemeral")
    await respond(invocation, text="y", response_type="ephemeral", replace_original=True)
    first, second = invocation.answers()
    assert (second.ts == first.ts) == replaces
    assert [message.text for message in served.ephemerals.values()] == (["y"] if replaces else ["x", "y"])


async def test_unknown_response_url_is_unexpected(served):
    answer = await AsyncWebhookClient(f"{served.base_url}/commands/T0001/x").send(text="x")
    assert (answer.status_code, answer.body) == (404, "no_service")
    assert served.take_unexpected() == ["response_url: an unknown response_url"]


@pytest.mark.parametrize(
    ("said", "status", "notes"),
    [
        ({"text": ""}, (400, "no_text"), ["response_url: a message without text and blocks"]),
        (
            {"text": "x", "blocks": [{"type": "table"}]},
            (400, "invalid_blocks"),
            ["response_url: invalid_blocks: "],
        ),
        ({"text": "x", "response_type": "public"}, (200, "ok"), ["an answer with response_type 'public'"]),
        ({"text": "x", "attachments": []}, (200, "ok"), ["an answer with attachments"]),
        ({"text": "x", "replace_original": True}, (200, "ok"), ["a command's answer has nothing to "]),
        ({"text": "x", "delete_original": True}, (200, "ok"), ["a command's answer has nothing to "]),
    ],
)
async def test_odd_answer_is_unexpected(app, served, said, status, notes):
    invocation = await served.command()
    assert await respond(invocation, **{"response_type": "ephemeral", **said}) == status
    found = served.take_unexpected()
    assert len(found) == len(notes)
    assert all(one.startswith(note) for one, note in zip(found, notes, strict=True))


async def test_answer_without_a_response_type_is_noted(app, served):
    await respond(await served.command(), text="x")
    assert served.warnings == ["an answer without response_type, which is ephemeral"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ('payload={"text": "x", "response_type": "ephemeral"}', "application/x-www-form-urlencoded", 200),
        ("payload={", "application/x-www-form-urlencoded", 400),
        ("text=x", "text/plain", 400),
    ],
)
async def test_answer_may_be_json_or_a_form_with_json(app, served, body, kind, status):
    url = (await served.command()).payload["response_url"]
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers={"Content-Type": kind}) as answer,
    ):
        assert answer.status == status
    assert len(served.take_unexpected()) == (status != 200)


async def test_response_url_fails_as_armed(app, served):
    served.arm(standin.RESPONSE_URL, standin.http_error(500), standin.dropped(), standin.reply_lost())
    invocation = await served.command()
    assert (await respond(invocation, text="x", response_type="ephemeral"))[0] == 500
    for _ in range(2):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await AsyncWebhookClient(invocation.payload["response_url"], retry_handlers=[]).send(
                text="x", response_type="ephemeral"
            )
    assert len(invocation.answers()) == 1
    assert [call.status for call in served.calls] == [500, None, None]


def shown(slack, *blocks, only_for=None, **more):
    message = standin.Message(
        ALERTS, slack.next_ts(), "U0BOT", "shown", blocks=list(blocks), only_for=only_for, **more
    )
    return slack.add(message)


async def test_click_arrives_as_documented(app, served):
    message = shown(served, section(), actions(button(), block_id="deeds"))
    invocation = await served.click(message, "go", user="U0TOM")
    assert invocation.ack.failure is None
    assert app.click == invocation.payload
    assert set(app.click) == {
        *("type", "user", "api_app_id", "token", "container", "trigger_id", "team", "enterprise"),
        *("is_enterprise_install", "channel", "message", "state", "response_url", "actions"),
    }
    assert app.click["type"] == "block_actions"
    assert app.click["user"] == {"id": "U0TOM", "username": "tom", "name": "tom", "team_id": "T0001"}
    assert app.click["container"] == {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": ALERTS,
        "is_ephemeral": False,
    }
    assert app.click["message"]["ts"] == message.ts
    [action] = app.click["actions"]
    assert action.pop("action_ts") > message.ts
    assert action == {
        "type": "button",
        "action_id": "go",
        "block_id": "deeds",
        "value": "1",
        "text": {"type": "plain_text", "text": "Go"},
    }
    assert SignatureVerifier(served.signing_secret).is_valid_request(app.bodies[0], app.headers[0])


async def test_click_on_an_ephemeral_message_has_no_copy_of_it(app, served):
    await served.click(shown(served, actions(button()), only_for="U0MEI"), "go")
    assert "message" not in app.click
    assert app.click["container"]["is_ephemeral"] is True


async def test_people_have_names(app, served):
    served.add_person("U0LI", "李雷")
    message = shown(served, actions(button()))
    for user, name in [("U0MEI", "mei"), ("U0LI", "李雷"), ("U0NEW", "u0new")]:
        await served.click(message, "go", user=user)
        assert app.click["user"]["name"] == name
    assert SlackSimulator(people={"U0LI": "li"}).name_of("U0LI") == "li"


async def test_ephemeral_message_is_clicked_by_its_recipient_only(app, served):
    message = shown(served, actions(button()), only_for="U0TOM")
    await served.click(message, "go")
    assert app.click["user"]["id"] == "U0TOM"
    with pytest.raises(LookupError):
        await served.click(message, "go", user="U0MEI")


async def test_click_in_a_thread_has_the_thread_ts(app, served):
    await served.click(shown(served, actions(button()), thread_ts="1.000001"), "go")
    assert app.click["container"]["thread_ts"] == "1.000001"


async def test_choice_has_its_option_and_the_state_of_all_menus(app, served):
    picked = menu("a", "b", placeholder={"type": "plain_text", "text": "Pick"})
    other = menu("c", initial_option=option("c")) | {"action_id": "other"}
    message = shown(served, actions(picked, other, button()))
    await served.click(message, "pick", option="b")
    [action] = app.click["actions"]
    assert (action["type"], action["selected_option"]) == ("static_select", option("b"))
    assert app.click["state"] == {
        "values": {
            "b0": {
                "pick": {"type": "static_select", "selected_option": option("b")},
                "other": {"type": "static_select", "selected_option": option("c")},
            }
        }
    }


async def test_choice_may_come_from_a_group_an_accessory_or_an_older_message(app, served):
    group = {"label": {"type": "plain_text", "text": "x"}, "options": [option("g")]}
    grouped = {"type": "static_select", "action_id": "grouped", "option_groups": [group]}
    overflow = {"type": "overflow", "options": [option("o")]}
    message = shown(served, actions(grouped, button()), section(accessory=overflow))
    await served.click(message, "grouped", option="g")
    assert app.click["actions"][0]["selected_option"] == option("g")
    await served.click(message, "b1a", option="o")
    assert app.click["actions"][0]["type"] == "overflow"
    await served.click(message, "grouped", option=option("long gone"))
    assert app.click["actions"][0]["selected_option"] == option("long gone")


async def test_button_is_identified_by_value_or_block(app, served):
    message = shown(served, actions(button(value="1")), actions(button(value="2")))
    for how, value, block_id in [
        ({}, "1", "b0"),
        ({"value": "2"}, "2", "b1"),
        ({"block_id": "b1"}, "2", "b1"),
        ({"value": "of long ago"}, "of long ago", "b0"),
    ]:
        await served.click(message, "go", **how)
        [action] = app.click["actions"]
        assert (action["value"], action["block_id"]) == (value, block_id)


async def test_button_without_a_value_sends_none(app, served):
    link = {key: part for key, part in button(url="https://example.com").items() if key != "value"}
    image = {"type": "image", "image_url": "https://example.com", "alt_text": "x"}
    await served.click(shown(served, section(accessory=image), actions(link)), "go")
    assert "value" not in app.click["actions"][0]


async def test_click_on_a_missing_button_raises(served):
    message = shown(served, actions(button(), menu("a")))
    with pytest.raises(LookupError, match="no 'stop' to click in 'shown'"):
        await served.click(message, "stop")
    with pytest.raises(LookupError, match="no option 'b' in 'pick'"):
        await served.click(message, "pick", option="b")


@pytest.mark.parametrize("only_for", [None, "U0MEI"])
async def test_answer_to_a_click_replaces_the_message_adds_one_or_deletes_it(app, served, only_for):
    message = shown(served, actions(button()), only_for=only_for)
    invocation = await served.click(message, "go")
    await respond(invocation, text="new", response_type="ephemeral")
    assert (await invocation.answer()).ts != message.ts
    await respond(invocation, text="other", replace_original=True)
    replaced = await invocation.answer()
    assert (replaced.ts, replaced.text, replaced.blocks, replaced.edits) == (message.ts, "other", [], 1)
    assert replaced.only_for == only_for
    await respond(invocation, delete_original=True)
    assert served.present(message) is None
    assert await respond(invocation, text="x", replace_original=True) == (404, "message_not_found")


async def test_deleting_answer_shows_nothing(app, served):
    invocation = await served.click(message := shown(served, actions(button())), "go")
    await respond(invocation, text="x", replace_original=True, delete_original=True)
    assert served.present(message) is None
    assert invocation.answers() == []


async def test_ephemeral_message_never_becomes_public(app, served):
    invocation = await served.click(shown(served, actions(button()), only_for="U0MEI"), "go")
    await respond(invocation, text="x", replace_original=True, response_type="in_channel")
    assert (await invocation.answer()).only_for == "U0MEI"
    assert served.take_unexpected() == ["an ephemeral message never becomes public"]


async def test_in_channel_answer_with_an_undeclared_mention_is_unexpected(app, served):
    invocation = await served.command()
    await respond(invocation, text="<!here>", response_type="ephemeral")
    assert served.unexpected == []
    await respond(invocation, text="<!here>", response_type="in_channel")
    assert served.take_unexpected() == ["a message mentions <!here>"]


async def test_answer_may_go_to_the_thread(app, served):
    invocation = await served.click(message := shown(served, actions(button())), "go")
    webhook = AsyncWebhookClient(invocation.payload["response_url"])
    await webhook.send_dict({"text": "x", "response_type": "in_channel", "thread_ts": message.ts})
    assert (await invocation.answer()).thread_ts == message.ts


def test_changes_are_published_as_they_happen(slack):
    published = []
    slack.on_change(lambda change, message: published.append((change, message.text)))
    ts = post(slack, "a")["ts"]
    update(slack, ts, text="b")
    slack.call("chat.postEphemeral", {"channel": ALERTS, "user": "U0MEI", "text": "c"})
    slack.delete(slack.messages(ALERTS)[0])
    assert published == [("posted", "a"), ("edited", "b"), ("ephemeral", "c"), ("deleted", "b")]


@asynccontextmanager
async def connected(slack):
    """Open a websocket as an app does, and read its `hello`."""
    web_client = AsyncWebClient(base_url=slack.api_url)
    async with aiohttp.ClientSession() as session:
        url = (await web_client.apps_connections_open(app_token=slack.app_token))["url"]
        async with session.ws_connect(url) as socket:
            yield socket, await socket.receive_json()


async def test_command_is_sent_and_answered_over_socket_mode(served):
    async with connected(served) as (socket, hello):
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        sent = asyncio.create_task(served.command("list"))
        envelope = await socket.receive_json()
        assert SocketModeRequest.from_dict(envelope).accepts_response_payload
        assert (envelope["type"], envelope["payload"]["text"]) == ("slash_commands", "list")
        payload = {"text": "x", "response_type": "ephemeral"}
        await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": payload})
        invocation = await sent
        assert (invocation.ack.status, invocation.ack.failure) == (200, None)
        assert (await invocation.answer()).text == "x"


async def test_click_is_sent_and_answered_over_socket_mode(served):
    message = shown(served, actions(button()))
    async with connected(served) as (socket, _):
        sent = asyncio.create_task(served.click(message, "go"))
        envelope = await socket.receive_json()
        assert (envelope["type"], envelope["accepts_response_payload"]) == ("interactive", False)
        assert envelope["payload"]["actions"][0]["value"] == "1"
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        invocation = await sent
        assert (invocation.ack.status, invocation.ack.body) == (200, "")
        assert await respond(invocation, text="y", replace_original=True) == (200, "ok")


async def test_command_without_a_websocket_or_an_ack_fails(served):
    assert (await served.command()).ack.failure == "dispatch_failed"
    served.ack_within = 0.02
    async with connected(served) as (socket, _):
        assert (await served.command()).ack.failure == "operation_timeout"
        late = await socket.receive_json()
        served.ack_within = 0.5
        await socket.send_json({"envelope_id": late["envelope_id"]})
        assert (await acknowledge(served, socket)).ack.failure is None


async def test_connections_get_envelopes_in_turn(served):
    served.ack_within = 0.01
    async with connected(served) as (one, _), connected(served) as (other, hello):
        assert hello["num_connections"] == 2
        await served.command("first")
        await served.command("second")
        heard = [await socket.receive_json() for socket in (one, other)]
        assert {envelope["payload"]["text"] for envelope in heard} == {"first", "second"}


async def acknowledge(slack, socket, times=1):
    """Send a command and wait for its answer, so that everything sent before it has arrived."""
    sent = asyncio.create_task(slack.command())
    envelope = await socket.receive_json()
    for _ in range(times):
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
    return await sent


@pytest.mark.parametrize("said", ["{", "[]", '{"envelope_id": "x"}'])
async def test_message_that_is_not_an_ack_is_unexpected(served, said):
    async with connected(served) as (socket, _):
        await socket.send_str(said)
        await acknowledge(served, socket)
    assert served.take_unexpected() == [f"the app says over its websocket {said!r}"]


async def test_envelope_is_acknowledged_once(served):
    async with connected(served) as (socket, _):
        await acknowledge(served, socket, times=2)
        await acknowledge(served, socket)
    assert served.take_unexpected() == ["an envelope acknowledged twice"]


async def test_slack_warns_before_it_disconnects(served):
    async with connected(served) as (socket, _):
        await served.sockets.disconnect("warning")
        assert (await socket.receive_json())["reason"] == "warning"
        assert len(served.sockets) == 1
        going = asyncio.create_task(served.sockets.disconnect())
        published = await socket.receive_json()
        assert (published["type"], published["reason"]) == ("disconnect", "refresh_requested")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        await going
    assert len(served.sockets) == 0


async def test_app_has_at_most_ten_connections(served):
    held = [connected(served) for _ in range(10)]
    for one in held:
        await one.__aenter__()
    async with connected(served) as (_, published):
        assert published == {"type": "disconnect", "reason": "too_many_websockets"}
    for one in held:
        await one.__aexit__(None, None, None)


async def test_ticket_opens_one_websocket(served):
    url = (await AsyncWebClient(base_url=served.api_url).apps_connections_open(app_token="xapp-stand-in"))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url):
            pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url)
    assert caught.value.status == 403
    assert served.take_unexpected() == ["a websocket without a fresh ticket"]


async def test_server_closes_its_websockets_when_it_ends(slack):
    async with servers.serve_slack(slack):
        opened = connected(slack)
        socket, _ = await opened.__aenter__()
    assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    await opened.__aexit__(None, None, None)


@pytest.fixture
async def wechat(clock):
    """Serve a simulated WeChat; yield the simulator and a client for it."""
    simulator = Simulator("wx0123456789abcdef", "secret")
    async with servers.serve_wechat(simulator, clock) as url, aiohttp.ClientSession(url) as session:
        yield simulator, session


async def test_wechat_answers_over_the_network_in_the_virtual_time(wechat):
    _, session = wechat
    asked = {"grant_type": "client_credential", "appid": "wx0123456789abcdef", "secret": "secret"}
    async with session.post(protocol.TOKEN, json=asked) as answer:
        token = json.loads(await answer.read())["access_token"]
        assert answer.headers["Date"] == "Mon, 23 Nov 2026 01:12:00 GMT"
        assert answer.headers["Content-Type"] == "application/json; encoding=utf-8"
    async with session.get(protocol.KF_LIST, params={"access_token": token}) as answer:
        assert json.loads(await answer.read()) == {"kf_list": []}
    async with session.get("/elsewhere") as answer:
        assert answer.status == 404


async def test_wechat_fails_over_the_network_as_the_simulator_is_set(wechat):
    simulator, session = wechat
    simulator.inject(Fault(FaultMode.DOWN), Fault(FaultMode.HTML), Fault(FaultMode.SLOW, seconds=5))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await session.post(protocol.TOKEN)
    async with session.post(protocol.TOKEN) as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await session.post(protocol.TOKEN)
