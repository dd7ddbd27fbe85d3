"""Modals and App Home in the Slack simulator: strict as the documentation, with a report of every mistake."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo import servers
from bot.demo.slack_simulator import Message, SlackSimulator, error, ratelimited, reply_lost
from bot.demo.slack_simulator.open_views import TROUBLE
from tests.conftest import NOW
from tests.running import until

ALERTS = "C0ALERTS"


@pytest.fixture
def slack(clock):
    slack = SlackSimulator(clock=clock, ack_within=0.5)
    slack.event_retries = (0.0, 0.0, 0.0)
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


class App:
    """An app that keeps what it receives, and answers with `says(payload)`."""

    def __init__(self):
        self.received = []
        self.raw = []
        self.says = lambda payload: web.Response()

    async def receive(self, request):
        body = await request.text()
        is_form = request.content_type == "application/x-www-form-urlencoded"
        form = parse_qs(body) if is_form else {}
        payload = json.loads(form["payload"][0]) if "payload" in form else form or json.loads(body)
        self.received.append(payload)
        self.raw.append((body, dict(request.headers)))
        answer = self.says(payload)
        return await answer if asyncio.iscoroutine(answer) else answer

    def answers(self, **said):
        self.says = lambda payload: web.json_response(said)


@pytest.fixture
async def app(served):
    app = App()
    server = web.Application()
    server.router.add_post("/slack/events", app.receive)
    async with servers.serve(server) as url:
        served.app_url = f"{url}/slack/events"
        yield app


def plain(text="x"):
    return {"type": "plain_text", "text": text, "emoji": False}


def section(text="x", **more):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(action_id="go", value="1", **more):
    return {"type": "button", "text": plain("Go"), "action_id": action_id, "value": value, **more}


def actions(*elements, **more):
    return {"type": "actions", "elements": list(elements), **more}


def option(value):
    return {"text": plain(value), "value": value}


def menu(*values, **more):
    return {"type": "static_select", "action_id": "pick", "options": [option(value) for value in values], **more}


def field(block_id="wx", element=None, **more):
    element = element or {"type": "plain_text_input", "action_id": "value"}
    return {"type": "input", "block_id": block_id, "label": plain("Label"), "element": element, **more}


def text_input(**more):
    return {"type": "plain_text_input", "action_id": "value", **more}


def modal(*blocks, title="Form", **more):
    return {"type": "modal", "title": plain(title), "blocks": list(blocks or [section()]), **more}


def form(*blocks, **more):
    return modal(*(blocks or [field()]), submit=plain("Send"), **more)


def home(*blocks, **more):
    return {"type": "home", "blocks": list(blocks or [section()]), **more}


async def trigger_of(slack, user="U0MEI"):
    """Return the trigger_id of a command."""
    return (await slack.command(user=user)).payload["trigger_id"]


def views_open(slack, trigger_id, view=None):
    return slack.call("views.open", {"trigger_id": trigger_id, "view": view or modal()})


async def opened(slack, view, user="U0MEI"):
    answer = views_open(slack, await trigger_of(slack, user), view)
    assert answer["ok"], answer
    return answer["view"]


def update(slack, view_id, view=None, **more):
    return slack.call("views.update", {"view_id": view_id, "view": view or modal(title="New"), **more})


def publish(slack, view=None, user="U0MEI", **more):
    return slack.call("views.publish", {"user_id": user, "view": view or home(), **more})


# Opening


async def test_opened_modal_is_returned_as_documented_and_shown_to_its_person(slack):
    view = await opened(slack, form(field(), close=plain("Cancel"), callback_id="op", private_metadata="{}"))
    assert set(view) == {
        *("id", "team_id", "type", "blocks", "private_metadata", "callback_id", "state", "hash", "title"),
        *("clear_on_close", "notify_on_close", "close", "submit", "previous_view_id", "root_view_id"),
        *("app_id", "external_id", "app_installed_team_id", "bot_id"),
    }
    assert (view["root_view_id"], view["previous_view_id"]) == (view["id"], None)
    assert (view["callback_id"], view["private_metadata"], view["external_id"]) == ("op", "{}", "")
    assert view["state"] == {"values": {}}, "what people type is not in an answer"
    assert view["hash"].startswith(f"{int(NOW.timestamp())}.")
    assert (slack.modal().id, slack.modal().hash, slack.modal().blocks) == (view["id"], view["hash"], [field()])
    with pytest.raises(LookupError, match="U0TOM has no modal open"):
        slack.modal("U0TOM")


async def test_trigger_opens_one_modal(slack):
    trigger_id = await trigger_of(slack)
    assert views_open(slack, trigger_id)["ok"]
    assert views_open(slack, trigger_id) == {"ok": False, "error": "exchanged_trigger_id"}
    assert slack.take_unexpected() == ["views.open: a trigger_id used a second time"]


async def test_trigger_works_for_three_seconds(slack, clock):
    early, late = await trigger_of(slack), await trigger_of(slack)
    clock.forward(seconds=2.9)
    assert views_open(slack, early)["ok"]
    clock.forward(seconds=0.1)
    assert views_open(slack, late) == {"ok": False, "error": "expired_trigger_id"}


async def test_age_of_triggers_may_follow_another_clock_than_messages(clock):
    slack = SlackSimulator(clock=clock, trigger_clock=lambda: NOW)
    trigger_id = await trigger_of(slack)
    clock.forward(minutes=5)
    assert views_open(slack, trigger_id)["ok"]


async def test_trigger_is_not_spent_on_a_refused_view(slack):
    trigger_id = await trigger_of(slack)
    assert views_open(slack, trigger_id, {"type": "modal"})["error"] == "invalid_arguments"
    assert views_open(slack, trigger_id)["ok"]
    assert len(slack.take_unexpected()) == 1


@pytest.mark.parametrize(
    ("trigger", "error"),
    [
        ({}, "invalid_arguments"),
        ({"trigger_id": ""}, "invalid_arguments"),
        ({"trigger_id": 7}, "invalid_arguments"),
        ({"trigger_id": "1.2.abc"}, "invalid_trigger_id"),
    ],
)
def test_trigger_that_slack_did_not_send_is_refused_and_unexpected(slack, trigger, error):
    answer = slack.call("views.open", {"view": modal(), **trigger})
    assert answer["error"] == error
    if error == "invalid_arguments":
        assert answer["response_metadata"]["messages"] == [
            "[ERROR] invalid `trigger_id` [json-pointer:/trigger_id]"
        ]
    assert len(slack.take_unexpected()) == 1


async def test_click_on_a_message_opens_a_modal(app, served):
    message = served.add(Message(ALERTS, served.next_ts(), "U0BOT", "x", [actions(button())]))
    clicked = await served.click(message, "go", user="U0TOM")
    assert views_open(served, clicked.payload["trigger_id"])["ok"]
    assert served.modal("U0TOM").title == "Form"


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (modal(title="x" * 25), "[ERROR] must be less than 25 characters [json-pointer:/view/title/text]"),
        (modal(field()), "[ERROR] missing required field: submit [json-pointer:/view]"),
        (home(), "[ERROR] 'home' is not modal [json-pointer:/view/type]"),
        (None, "[ERROR] missing required field: view"),
    ],
)
def test_view_that_breaks_a_limit_is_refused_with_its_place(slack, view, message):
    answer = slack.call("views.open", {"trigger_id": "x", "view": view})
    assert (answer["error"], answer["response_metadata"]) == ("invalid_arguments", {"messages": [message]})
    assert len(slack.take_unexpected()) == 1


def test_broken_json_is_no_view(slack):
    assert slack.call("views.open", {"trigger_id": "x", "view": "{"})["error"] == "invalid_arguments"
    assert slack.take_unexpected() == ["views.open: invalid_arguments: broken JSON"]


def test_too_large_view_is_refused_with_a_word_of_its_own(slack):
    assert publish(slack, home(*[section("波" * 500)] * 100))["error"] == "view_too_large"
    assert slack.take_unexpected() == ["views.publish: a view of more than 250 kB"]


async def test_text_that_slack_changes_is_unexpected_in_a_view_too(slack):
    await opened(slack, modal(section("a & b")))
    assert slack.take_unexpected() == ["/view/blocks/0/text/text: a bare '&', which should be escaped"]


async def test_modal_opened_from_inside_a_modal_is_unexpected(app, served):
    first = await opened(served, modal(actions(button())))
    clicked = await served.click_in_modal("go")
    assert views_open(served, clicked.payload["trigger_id"])["ok"]
    assert served.take_unexpected() == ["views.open: from inside a modal, where views.push and views.update belong"]
    assert update(served, first["id"])["error"] == "not_found"


# Pushing


async def pushed(slack, view=None):
    clicked = await slack.click_in_modal("go")
    return slack.call("views.push", {"trigger_id": clicked.payload["trigger_id"], "view": view or modal()})


async def test_modal_holds_three_views(app, served):
    bottom = await opened(served, modal(actions(button())))
    second = (await pushed(served, modal(actions(button()))))["view"]
    third = (await pushed(served, modal(actions(button()))))["view"]
    assert (second["root_view_id"], second["previous_view_id"]) == (bottom["id"], bottom["id"])
    assert (third["root_view_id"], third["previous_view_id"]) == (bottom["id"], second["id"])
    assert await pushed(served) == {"ok": False, "error": "push_limit_reached"}
    assert served.take_unexpected() == ["views.push: more than 3 views in a modal"]
    assert [view.id for view in served.views.modals["U0MEI"]] == [bottom["id"], second["id"], third["id"]]


async def test_trigger_from_outside_a_modal_pushes_nothing(slack):
    answer = slack.call("views.push", {"trigger_id": await trigger_of(slack), "view": modal()})
    assert answer["error"] == "invalid_arguments"
    assert slack.take_unexpected() == ["views.push: a trigger_id that is not of a modal"]


async def test_view_is_not_pushed_onto_a_closed_modal(app, served):
    await opened(served, modal(actions(button())))
    clicked = await served.click_in_modal("go")
    await served.close_modal()
    answer = served.call("views.push", {"trigger_id": clicked.payload["trigger_id"], "view": modal()})
    assert answer["error"] == "invalid_arguments"


# Updating


async def test_updated_view_keeps_its_id_and_gets_a_new_hash(slack):
    view = await opened(slack, modal(title="Old"))
    updated = update(slack, view["id"], hash=view["hash"])["view"]
    assert updated["id"] == view["id"] == slack.modal().id
    assert updated["hash"] == slack.modal().hash != view["hash"]
    assert slack.modal().title == "New"


async def test_update_with_the_hash_of_an_older_view_is_a_conflict(slack):
    view = await opened(slack, modal(title="Old"))
    update(slack, view["id"], modal(title="Newer"))
    assert update(slack, view["id"], hash=view["hash"]) == {"ok": False, "error": "hash_conflict"}
    assert slack.modal().title == "Newer"


async def test_view_is_found_by_the_id_that_the_app_gave_it(slack):
    await opened(slack, modal(external_id="mine"))
    answer = slack.call("views.update", {"external_id": "mine", "view": modal(title="New", external_id="mine")})
    assert answer["ok"]
    assert slack.modal().title == "New"
    assert slack.call("views.update", {"external_id": "other", "view": modal()})["error"] == "not_found"


async def test_id_that_the_app_gave_a_view_is_unique_among_open_views(slack):
    await opened(slack, modal(external_id="mine"))
    trigger_id = await trigger_of(slack, "U0TOM")
    assert views_open(slack, trigger_id, modal(external_id="mine"))["error"] == "duplicate_external_id"
    assert len(slack.take_unexpected()) == 1


async def test_closed_view_is_not_found_and_an_invented_one_unexpected(slack):
    view = await opened(slack, modal())
    await slack.close_modal()
    assert update(slack, view["id"]) == {"ok": False, "error": "not_found"}
    assert update(slack, "V1") == {"ok": False, "error": "not_found"}
    assert slack.take_unexpected() == ["views.update: no modal 'V1'"]


def test_update_needs_an_id(slack):
    assert slack.call("views.update", {"view": modal()})["error"] == "invalid_arguments"
    assert slack.take_unexpected() == ["views.update: neither view_id nor external_id"]


async def test_update_keeps_what_was_typed_in_fields_with_the_same_ids_only(slack):
    accounts = field("account", menu("a", "b"))
    view = await opened(slack, form(field(), field("other"), accounts))
    slack.fill_in({"wx": "typed", "other": "gone", "account": "b"})
    newer = field("wx", text_input(initial_value="initial"))
    update(slack, view["id"], form(newer, field("wx2", text_input(initial_value="first")), accounts))
    assert slack.modal().state == {
        "wx": {"value": {"type": "plain_text_input", "value": "typed"}},
        "wx2": {"value": {"type": "plain_text_input", "value": "first"}},
        "account": {"pick": {"type": "static_select", "selected_option": option("b")}},
    }
    update(slack, view["id"], form(field("account", menu("a", initial_option=option("a")))))
    assert slack.modal().state["account"]["pick"]["selected_option"] == option("a"), "the chosen one has gone"


# Home


def test_published_home_keeps_its_id_and_gets_a_new_hash(slack):
    first = publish(slack, home(callback_id="home"))["view"]
    second = publish(slack, home(section("y")), hash=first["hash"])["view"]
    assert first["id"] == second["id"] == slack.home().id
    assert (first["type"], first["root_view_id"], first["close"]) == ("home", first["id"], None)
    assert "title" not in first
    assert publish(slack, hash=first["hash"]) == {"ok": False, "error": "hash_conflict"}
    assert slack.home().blocks[0]["text"]["text"] == "y"
    assert publish(slack)["ok"], "without a hash the newest wins"


def test_first_home_has_no_hash_to_match(slack):
    assert publish(slack, hash="1.x")["error"] == "hash_conflict"
    with pytest.raises(LookupError, match="no Home of U0MEI has been published"):
        slack.home()


def test_home_that_is_switched_off_takes_no_view():
    slack = SlackSimulator(home_enabled=False)
    assert publish(slack) == {"ok": False, "error": "not_enabled"}
    assert slack.unexpected == []


@pytest.mark.parametrize(
    ("user", "view", "error"), [("U0GONE", home(), "user_not_found"), ("U0MEI", modal(), "invalid_arguments")]
)
def test_home_is_published_for_people_of_the_workspace(slack, user, view, error):
    assert publish(slack, view, user)["error"] == error
    assert len(slack.take_unexpected()) == 1


async def test_click_in_home_has_the_view_and_no_channel(app, served):
    published = publish(served, home(actions(button(), menu("a", "b"), block_id="top"), private_metadata="page 2"))
    clicked = await served.click_in_home("pick", option="b")
    [payload] = app.received
    assert payload == clicked.payload
    assert set(payload) == {
        *("type", "user", "api_app_id", "token", "container", "trigger_id", "team", "enterprise"),
        *("is_enterprise_install", "view", "actions"),
    }
    assert payload["container"] == {"type": "view", "view_id": published["view"]["id"]}
    assert (payload["view"]["type"], payload["view"]["private_metadata"]) == ("home", "page 2")
    assert payload["view"]["hash"] == published["view"]["hash"]
    assert payload["view"]["state"]["values"]["top"]["pick"]["selected_option"] == option("b")
    assert (payload["actions"][0]["block_id"], payload["actions"][0]["selected_option"]) == ("top", option("b"))
    assert views_open(served, payload["trigger_id"])["ok"]


async def test_button_of_home_whose_block_was_replaced_meanwhile_is_found_by_its_value(app, served):
    publish(
        served,
        home(actions(button(value="anna"), block_id="a before"), actions(button(value="bo"), block_id="b before")),
    )
    publish(
        served,
        home(actions(button(value="anna"), block_id="a after"), actions(button(value="bo"), block_id="b after")),
    )
    await served.click_in_home("go", value="bo", block_id="b before")
    [action] = app.received[0]["actions"]
    assert (action["value"], action["block_id"]) == ("bo", "b after")
    with pytest.raises(LookupError):
        await served.click_in_home("go", value="chen", block_id="b before")


async def test_menu_of_home_starts_again_when_the_app_names_no_block(app, served):
    publish(served, home(actions(menu("a", "b"))))
    await served.click_in_home("pick", option="b")
    publish(served, home(actions(menu("a", "b", initial_option=option("a")))))
    [contained] = served.home().state.values()
    assert contained["pick"]["selected_option"] == option("a")


async def test_click_without_a_home_or_a_button_raises(slack):
    with pytest.raises(LookupError):
        await slack.click_in_home("go")
    publish(slack)
    with pytest.raises(LookupError, match="no 'go' to click in 'Home'"):
        await slack.click_in_home("go")


# Opening a Home


async def test_event_of_an_opened_home_is_signed_json(app, served):
    [ack] = await served.open_home(user="U0NEW")
    assert ack.status == 200
    [payload], [(body, headers)] = app.received, app.raw
    assert set(payload) == {
        *("token", "team_id", "api_app_id", "event", "type", "event_id", "event_time", "authorizations"),
        "is_ext_shared_channel",
    }
    event = payload["event"]
    assert (payload["type"], event["type"], event["tab"]) == ("event_callback", "app_home_opened", "home")
    assert (event["user"], event["channel"]) == ("U0NEW", "D0NEW")
    assert "view" not in event
    assert headers["Content-Type"] == "application/json"
    assert "X-Slack-Retry-Num" not in headers
    assert SignatureVerifier(served.signing_secret).is_valid_request(body, headers)
    assert publish(served, user="U0NEW")["ok"], "who opens the app is known"


async def test_event_brings_the_home_that_is_published(app, served):
    published = publish(served)["view"]
    await served.open_home()
    await served.open_home(tab="messages")
    first, second = (payload["event"] for payload in app.received)
    assert (first["view"]["id"], first["view"]["hash"]) == (published["id"], published["hash"])
    assert second["tab"] == "messages"
    assert "view" not in second


async def test_home_that_is_switched_off_cannot_be_opened(slack):
    slack.home_enabled = False
    with pytest.raises(LookupError, match="switched off"):
        await slack.open_home()


async def test_event_is_repeated_three_times(app, served):
    app.says = lambda payload: web.Response(status=503)
    assert [ack.status for ack in await served.open_home()] == [503] * 4
    retries = [(h.get("X-Slack-Retry-Num"), h.get("X-Slack-Retry-Reason")) for _, h in app.raw]
    assert retries == [(None, None), ("1", "http_error"), ("2", "http_error"), ("3", "http_error")]
    assert len({payload["event_id"] for payload in app.received}) == 1


async def test_late_answer_is_a_reason_to_repeat_an_event(app, served):
    served.ack_within = 0.05

    async def late(payload):
        await asyncio.sleep(0.2 if len(app.received) == 1 else 0)
        return web.Response()

    app.says = late
    assert [ack.status for ack in await served.open_home()] == [None, 200]
    assert app.raw[1][1]["X-Slack-Retry-Reason"] == "http_timeout"


async def test_app_may_refuse_repetitions(app, served):
    app.says = lambda payload: web.Response(status=500, headers={"X-Slack-No-Retry": "1"})
    assert len(await served.open_home()) == 1


async def test_unreachable_app_gets_the_event_four_times(served):
    served.app_url = "http://127.0.0.1:9/slack/events"
    assert [ack.failure for ack in await served.open_home()] == ["dispatch_failed"] * 4


@pytest.mark.parametrize(
    ("says", "is_verified"),
    [
        (lambda asked: web.json_response({"challenge": asked["challenge"]}), True),
        (lambda asked: web.Response(text=asked["challenge"]), True),
        (lambda asked: web.Response(text=f"challenge={asked['challenge']}"), True),
        (lambda asked: web.Response(), False),
        (lambda asked: web.json_response({"challenge": asked["challenge"]}, status=201), False),
        (lambda asked: web.json_response({"challenge": "other"}), False),
        (lambda asked: web.json_response([]), False),
    ],
)
async def test_request_url_is_verified_by_its_challenge(app, served, says, is_verified):
    app.says = says
    assert await served.verify_url() is is_verified
    assert app.received[0]["type"] == "url_verification"


async def test_socket_mode_has_no_request_url(slack):
    with pytest.raises(RuntimeError):
        await slack.verify_url()


# Clicking in a modal


async def test_click_in_a_modal_has_the_view_and_no_channel(app, served):
    view = await opened(served, form(field(), actions(button(), block_id="deeds"), callback_id="op"))
    served.fill_in({"wx": "chen"})
    app.received.clear()
    clicked = await served.click_in_modal("go")
    [payload] = app.received
    assert payload == clicked.payload
    assert {"channel", "message", "response_url", "state"}.isdisjoint(payload)
    assert payload["container"] == {"type": "view", "view_id": view["id"]}
    assert payload["user"] == {"id": "U0MEI", "username": "mei", "name": "mei", "team_id": "T0001"}
    assert payload["view"]["state"]["values"] == {"wx": {"value": {"type": "plain_text_input", "value": "chen"}}}
    assert (payload["view"]["callback_id"], payload["view"]["hash"]) == ("op", view["hash"])
    assert payload["actions"][0]["value"] == "1"


async def test_field_sends_a_click_only_with_dispatch_action(app, served):
    await opened(served, form(field("quiet", menu("a")), field("loud", menu("a"), dispatch_action=True)))
    clicked = await served.click_in_modal("pick", option="a")
    assert clicked.payload["actions"][0]["block_id"] == "loud"
    with pytest.raises(LookupError):
        await served.click_in_modal("pick", option="a", block_id="quiet")
    await served.close_modal()
    await opened(served, form(field(dispatch_action=True)))
    clicked = await served.click_in_modal("value", value="typed")
    assert clicked.payload["actions"][0]["value"] == "typed"
    assert served.modal().state["wx"]["value"]["value"] == "typed"


async def test_only_the_view_in_front_is_clicked(app, served):
    await opened(served, modal(actions(button())))
    await pushed(served, modal(section()))
    with pytest.raises(LookupError):
        await served.click_in_modal("go")


# Submitting


async def test_submission_arrives_as_documented(app, served):
    blocks = [field(), field("account", menu("a", "b"), optional=True), actions(menu("c"), block_id="top")]
    view = await opened(served, form(*blocks, callback_id="op", private_metadata="{}"))
    app.received.clear()
    app.raw.clear()
    submitted = await served.submit({"wx": "小波"})
    [payload], [(body, headers)] = app.received, app.raw
    assert payload == submitted.payload
    assert set(payload) == {
        *("type", "team", "user", "api_app_id", "token", "trigger_id", "view", "response_urls"),
        *("is_enterprise_install", "enterprise"),
    }
    assert (payload["type"], payload["response_urls"]) == ("view_submission", [])
    assert (payload["view"]["id"], payload["view"]["hash"]) == (view["id"], view["hash"])
    assert payload["view"]["state"]["values"] == {
        "wx": {"value": {"type": "plain_text_input", "value": "小波"}},
        "account": {"pick": {"type": "static_select", "selected_option": None}},
        "top": {"pick": {"type": "static_select", "selected_option": None}},
    }
    assert SignatureVerifier(served.signing_secret).is_valid_request(body, headers)


async def test_empty_answer_closes_the_view_and_shows_the_one_below(app, served):
    bottom = await opened(served, modal(actions(button())))
    await pushed(served, form())
    submitted = await served.submit({"wx": "x"})
    assert (submitted.ack.status, submitted.errors, submitted.failure) == (200, {}, "")
    assert served.modal().id == bottom["id"]


async def test_errors_are_shown_at_their_fields_until_the_next_submission(app, served):
    view = await opened(served, form())
    app.answers(response_action="errors", errors={"wx": "Unknown."})
    submitted = await served.submit({"wx": "x"})
    assert submitted.errors == served.modal().errors == {"wx": "Unknown."}
    assert served.field_errors == [{"wx": "Unknown."}]
    assert served.modal().hash == view["hash"], "errors are no other view"
    app.answers(response_action="clear")
    assert (await served.submit({"wx": "y"})).errors == {}
    assert served.views.visible("U0MEI") is None
    assert served.field_errors == [{"wx": "Unknown."}]


async def test_update_replaces_the_view_and_its_hash(app, served):
    view = await opened(served, form())
    app.answers(response_action="update", view=modal(title="Working"))
    await served.submit({"wx": "x"})
    assert (served.modal().id, served.modal().title) == (view["id"], "Working")
    assert served.modal().hash != view["hash"]
    assert update(served, view["id"], hash=view["hash"])["error"] == "hash_conflict"
    assert update(served, view["id"])["ok"]


async def test_update_takes_errors_and_failures_away(app, served):
    view = await opened(served, form())
    app.answers(response_action="errors", errors={"wx": "Unknown."})
    await served.submit({"wx": "x"})
    update(served, view["id"], form())
    assert (served.modal().errors, served.modal().failure) == ({}, "")
    app.says = lambda payload: web.Response(status=500)
    await served.submit({"wx": "x"})
    update(served, view["id"], form())
    assert (served.modal().errors, served.modal().failure) == ({}, "")


async def test_push_puts_a_view_on_top(app, served):
    view = await opened(served, form())
    app.answers(response_action="push", view=form(title="Second"))
    await served.submit({"wx": "x"})
    assert (served.modal().title, served.modal().previous_view_id) == ("Second", view["id"])


async def test_clear_closes_the_whole_modal(app, served):
    await opened(served, modal(actions(button())))
    await pushed(served, form())
    app.answers(response_action="clear")
    await served.submit({"wx": "x"})
    assert served.views.modals == {}


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("ok", "an answer that is neither empty nor JSON"),
        ("[]", "an odd answer []"),
        ("{}", "an odd answer {}"),
        ('{"response_action": "close"}', "an odd answer {'response_action': 'close'}"),
        ('{"response_action": ["clear"]}', "an odd answer {'response_action': ['clear']}"),
        ('{"response_action": "update"}', "an odd answer {'response_action': 'update'}"),
        ('{"response_action": "clear", "text": ""}', "an odd answer {'response_action': 'clear', 'text': ''}"),
        ('{"response_action": "errors", "errors": {}}', "no errors by block_id"),
        ('{"response_action": "errors", "errors": ["x"]}', "no errors by block_id"),
        (
            '{"response_action": "errors", "errors": {"other": "x"}}',
            "errors at other, which are no input blocks",
        ),
        ('{"response_action": "errors", "errors": {"why": "x"}}', "errors at why, which are no input blocks"),
        ('{"response_action": "errors", "errors": {"wx": " "}}', "an error without a text"),
        ('{"response_action": "update", "view": {"type": "modal"}}', "invalid_arguments: /view: missing "),
        ('{"response_action": "push", "view": {"type": "home"}}', "invalid_arguments: /view/type: 'home' is not "),
    ],
)
async def test_wrong_answer_to_a_submission_is_unexpected_and_leaves_the_view(app, served, body, note):
    view = await opened(served, form(section(block_id="why"), field()))
    app.says = lambda payload: web.Response(text=body)
    submitted = await served.submit({"wx": "x"})
    assert (submitted.failure, served.modal().failure) == (TROUBLE, TROUBLE)
    assert served.modal().id == view["id"]
    [found] = served.take_unexpected()
    assert found.startswith(f"view_submission: {note}")


async def test_fourth_view_is_not_pushed_by_an_answer(app, served):
    await opened(served, modal(actions(button())))
    await pushed(served, modal(actions(button())))
    await pushed(served, form())
    app.answers(response_action="push", view=modal())
    assert (await served.submit({"wx": "x"})).failure == TROUBLE
    assert served.take_unexpected() == ["view_submission: more than 3 views in a modal"]


@pytest.mark.parametrize("status", [404, 500])
async def test_submission_that_fails_leaves_the_form_and_can_be_repeated(app, served, status):
    await opened(served, form())
    app.says = lambda payload: web.Response(status=status)
    submitted = await served.submit({"wx": "x"})
    assert (submitted.ack.status, submitted.failure) == (status, TROUBLE)
    app.says = lambda payload: web.Response()
    assert (await served.submit()).failure == ""
    first, second = app.received[-2:]
    assert first["view"]["hash"] == second["view"]["hash"]
    assert second["view"]["state"]["values"]["wx"]["value"]["value"] == "x"


async def test_late_answer_to_a_submission_comes_too_late(app, served):
    await opened(served, form())
    served.ack_within = 0.02

    async def late(payload):
        await asyncio.sleep(0.2)
        return web.json_response({"response_action": "clear"})

    app.says = late
    submitted = await served.submit({"wx": "x"})
    assert (submitted.ack.failure, submitted.failure) == ("operation_timeout", TROUBLE)
    assert served.modal().failure == TROUBLE


async def test_update_before_the_acknowledgement_is_replaced_by_its_update_and_unexpected(app, served):
    view = await opened(served, form())

    async def hasty(payload):
        assert update(served, view["id"], modal(title="Done"))["ok"]
        return web.json_response({"response_action": "update", "view": modal(title="Working")})

    app.says = hasty
    await served.submit({"wx": "x"})
    assert served.modal().title == "Working"
    assert served.take_unexpected() == [
        "view_submission: its update replaces that of an earlier views.update",
    ]


async def test_view_submitted_twice_at_once_is_sent_twice_with_one_hash(app, served):
    await opened(served, form())
    app.answers(response_action="update", view=modal(title="Working"))
    app.received.clear()
    await asyncio.gather(served.submit({"wx": "x"}), served.submit({"wx": "x"}))
    assert len({(payload["view"]["id"], payload["view"]["hash"]) for payload in app.received}) == 1
    assert len(app.received) == 2
    assert served.modal().title == "Working"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"response_action": "errors", "errors": {"wx": "x"}},
        {"response_action": "update", "view": modal()},
        {"response_action": "push", "view": modal()},
        {"response_action": "clear"},
    ],
)
async def test_answer_for_a_view_that_was_closed_meanwhile_changes_nothing(app, served, said):
    await opened(served, form())

    async def slow(payload):
        await served.close_modal()
        return web.json_response(said) if said else web.Response()

    app.says = slow
    submitted = await served.submit({"wx": "x"})
    assert (submitted.errors, submitted.failure, served.views.modals) == ({}, "", {})


@pytest.mark.parametrize(
    ("element", "typed", "more", "is_sent"),
    [
        (text_input(), None, {}, False),
        (text_input(), "", {}, False),
        (text_input(), None, {"optional": True}, True),
        (text_input(initial_value="x"), "", {}, False),
        (text_input(initial_value="x"), "y", {}, True),
        (text_input(min_length=3), "ab", {}, False),
        (text_input(min_length=3), "abc", {}, True),
        (text_input(min_length=3), "", {"optional": True}, True),
        (text_input(max_length=3), "abcd", {}, False),
        (text_input(max_length=3), "😀😀", {}, False),
        (text_input(), "x" * 3001, {}, False),
        (menu("a"), None, {}, False),
        (menu("a", initial_option=option("a")), "a", {}, True),
        (menu("a", initial_option=option("a")), None, {}, False),
    ],
)
async def test_slack_refuses_fields_before_it_sends_them(app, served, element, typed, more, is_sent):
    await opened(served, form(field("wx", element, **more)))
    app.received.clear()
    submitted = await served.submit({"wx": typed})
    assert bool(submitted.payload) == bool(app.received) == is_sent
    assert set(submitted.errors) == (set() if is_sent else {"wx"})
    if not is_sent:
        assert served.modal().errors == submitted.errors
        assert served.field_errors == [], "it was not the app"


async def test_only_what_a_view_offers_can_be_submitted(slack):
    with pytest.raises(LookupError, match="no modal open"):
        await slack.submit()
    await opened(slack, modal(title="Plain"))
    with pytest.raises(LookupError, match="nothing to submit in 'Plain'"):
        await slack.submit()
    await opened(slack, form(field("account", menu("a"))))
    with pytest.raises(LookupError, match="no field 'wx' to fill in"):
        await slack.submit({"wx": "x"})
    with pytest.raises(LookupError, match="no option 'b' in 'pick'"):
        await slack.submit({"account": "b"})


async def test_submission_may_be_forged(app, served):
    await opened(served, form())
    await served.submit({"wx": "x"}, timestamp=1)
    body, headers = app.raw[-1]
    assert not SignatureVerifier(served.signing_secret).is_valid_request(body, headers)


# Closing


async def test_app_is_notified_of_a_closed_view_only_when_it_wants_to_be(app, served):
    await opened(served, modal())
    app.received.clear()
    assert await served.close_modal() is None
    assert app.received == []
    await opened(served, modal(notify_on_close=True, private_metadata="{}"))
    closed = await served.close_modal()
    assert app.received[-1] == closed.payload
    assert (closed.payload["type"], closed.payload["is_cleared"]) == ("view_closed", False)
    assert closed.payload["view"]["private_metadata"] == "{}"
    assert {"trigger_id", "response_urls"}.isdisjoint(closed.payload)
    assert closed.ack.status == 200


@pytest.mark.parametrize(
    ("top", "whole", "left"), [({}, False, 1), ({"clear_on_close": True}, False, 0), ({}, True, 0)]
)
async def test_closing_ends_the_view_in_front_or_the_modal(app, served, top, whole, left):
    await opened(served, modal(actions(button())))
    await pushed(served, modal(notify_on_close=True, **top))
    closed = await served.close_modal(whole=whole)
    assert len(served.views.modals.get("U0MEI", [])) == left
    assert closed.payload["is_cleared"] == (left == 0)


# The network


async def test_real_client_opens_updates_and_publishes(app, served, client):
    trigger_id = await trigger_of(served)
    view = (await client.views_open(trigger_id=trigger_id, view=form(actions(button()), field())))["view"]
    await client.views_update(view_id=view["id"], hash=view["hash"], view=form(actions(button()), field()))
    clicked = await served.click_in_modal("go")
    await client.views_push(trigger_id=clicked.payload["trigger_id"], view=modal())
    await client.views_publish(user_id="U0MEI", view=home())
    assert served.view_calls == {"views.open": 1, "views.update": 1, "views.push": 1, "views.publish": 1}
    assert len(served.views.modals["U0MEI"]) == 2


async def test_calls_of_views_fail_as_armed(app, served, client):
    served.arm("views.open", ratelimited(7), error("internal_error"), reply_lost())
    trigger_id = await trigger_of(served)
    with pytest.raises(SlackApiError) as caught:
        await client.views_open(trigger_id=trigger_id, view=modal())
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "7")
    with pytest.raises(SlackApiError, match="internal_error"):
        await client.views_open(trigger_id=trigger_id, view=modal())
    assert served.views.modals == {}
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.views_open(trigger_id=trigger_id, view=modal())
    assert served.modal().title == "Form"


def test_views_need_no_scope(slack):
    slack.scopes = set()
    assert publish(slack)["ok"]


async def test_changes_of_views_are_published_as_they_happen(app, served):
    published = []
    served.views.on_change(lambda change, view: published.append((change, view.title)))
    view = await opened(served, form(field(), actions(button()), title="One"))
    await pushed(served, modal(title="Two"))
    await served.close_modal()
    app.answers(response_action="errors", errors={"wx": "x"})
    await served.submit({"wx": "x"})
    update(served, view["id"], modal(title="Three"))
    publish(served)
    await served.close_modal()
    assert published == [
        ("opened", "One"),
        ("filled", "One"),
        ("pushed", "Two"),
        ("closed", "Two"),
        ("filled", "One"),
        ("refused", "One"),
        ("refused", "One"),
        ("updated", "Three"),
        ("published", "Home"),
        ("closed", "Three"),
    ]


async def test_new_workspace_has_no_views(slack):
    await opened(slack, modal())
    publish(slack)
    slack.clear()
    assert (slack.views.modals, slack.views.homes, slack.triggers) == ({}, {}, {})


@asynccontextmanager
async def connected(slack):
    """Open a websocket as an app does."""
    async with aiohttp.ClientSession() as session:
        url = (await AsyncWebClient(base_url=slack.api_url).apps_connections_open(app_token=slack.app_token))["url"]
        async with session.ws_connect(url) as socket:
            await socket.receive_json()
            yield socket


async def test_submission_is_sent_and_answered_over_socket_mode(served):
    served.views.open("U0MEI", form())
    async with connected(served) as socket:
        sent = asyncio.create_task(served.submit({"wx": "x"}))
        envelope = await socket.receive_json()
        assert (envelope["type"], envelope["payload"]["type"]) == ("interactive", "view_submission")
        assert envelope["accepts_response_payload"] is True
        said = {"response_action": "errors", "errors": {"wx": "Unknown."}}
        await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": said})
        assert (await sent).errors == {"wx": "Unknown."}
        sent = asyncio.create_task(served.submit())
        envelope = await socket.receive_json()
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await sent).failure == ""
    assert served.views.modals == {}


async def test_click_in_a_view_is_sent_over_socket_mode(served):
    publish(served, home(actions(button())))
    async with connected(served) as socket:
        sent = asyncio.create_task(served.click_in_home("go"))
        envelope = await socket.receive_json()
        assert (envelope["type"], envelope["accepts_response_payload"]) == ("interactive", False)
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await sent).ack.status == 200


async def test_event_is_sent_and_repeated_over_socket_mode(served):
    served.ack_within = 0.05
    async with connected(served) as socket:
        sent = asyncio.create_task(served.open_home())
        first = await socket.receive_json()
        second = await socket.receive_json()
        await socket.send_json({"envelope_id": second["envelope_id"]})
        assert [ack.status for ack in await sent] == [None, 200]
    assert first["payload"] == second["payload"]
    assert (first["type"], first["accepts_response_payload"]) == ("events_api", False)
    assert first["payload"]["event"]["type"] == "app_home_opened"
    assert (first["retry_attempt"], first["retry_reason"]) == (0, "")
    assert (second["retry_attempt"], second["retry_reason"]) == (1, "http_timeout")
    assert SocketModeRequest.from_dict(second).retry_attempt == 1


async def test_app_on_bolt_uses_modals_and_home(served, client):
    bolt = AsyncApp(client=client, signing_secret=served.signing_secret)

    @bolt.command("/kf")
    async def kf(ack, body):
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=form(callback_id="op"))

    @bolt.view("op")
    async def op(ack, view):
        typed = view["state"]["values"]["wx"]["value"]["value"]
        if typed == "wrong":
            await ack(response_action="errors", errors={"wx": "Unknown."})
        else:
            await ack(response_action="update", view=modal(title=typed, notify_on_close=True, callback_id="done"))

    @bolt.view_closed("done")
    async def done(ack):
        await ack()

    @bolt.event("app_home_opened")
    async def opened_home(event):
        await client.views_publish(user_id=event["user"], view=home())

    served.ack_within = 3
    async with servers.serve(bolt.web_app()) as url:
        served.app_url = f"{url}/slack/events"
        assert await served.verify_url()
        await served.command()
        assert (await served.submit({"wx": "wrong"})).errors == {"wx": "Unknown."}
        await served.submit({"wx": "right"})
        assert served.modal().title == "right"
        assert (await served.close_modal()).ack.status == 200
        [ack] = await served.open_home()
        assert ack.status == 200
        await until(lambda: served.views.homes)
        assert served.view_calls == {"views.open": 1, "views.publish": 1}
