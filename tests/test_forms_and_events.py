"""Submitted forms, clicks in views and events, as signed requests through guard and Bolt, and over Socket Mode."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from bot.demo.servers import serve, serve_slack
from bot.demo.slack_simulator import RESPONSE_URL, SlackSimulator, sign
from bot.ports import ClickedView, Command, FieldErrors, HomeOpened, Origin, ShowView, Submission
from bot.runtime.tasks import BackgroundTasks
from bot.slack.bolt_app import dispatch, make_app
from bot.slack.listeners import register
from bot.slack.socket_mode import run_socket_mode
from bot.slack.submissions import Submissions
from bot.web.server import Readiness, make_web_app
from tests.running import until
from tests.test_listeners import EchoingAnswers

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
TEAM = {"id": "T0001", "domain": "harbour"}
LIN = {"id": "U0LIN", "username": "lin", "name": "lin", "team_id": "T0001"}
FIELD = {"type": "plain_text_input", "action_id": "value"}
VIEW: dict[str, Any] = {
    "id": "V0FORM",
    "type": "modal",
    "callback_id": "op.invite",
    "private_metadata": '{"v": 1, "act": "invite"}',
    "hash": "1795000000.abc",
    "blocks": [
        {"type": "section", "block_id": "s"},
        {"type": "input", "block_id": "wx", "element": FIELD},
        {"type": "input", "block_id": "account", "element": {"type": "static_select"}},
    ],
    "state": {
        "values": {
            "account": {"value": {"type": "static_select", "selected_option": {"value": "chen@harbour_tea"}}},
            "wx": {"value": {"type": "plain_text_input", "value": "chen_example"}},
        }
    },
}
SUBMITTED = {
    "type": "view_submission",
    "team": TEAM,
    "user": LIN,
    "trigger_id": "1.2.3",
    "view": VIEW,
    "response_urls": [],
    "is_enterprise_install": False,
    "enterprise": None,
}
HOME = {
    "type": "event_callback",
    "team_id": "T0001",
    "event_id": "Ev1",
    "event_time": 1795000000,
    "authorizations": [{"team_id": "T0001", "user_id": "U0BOT", "is_bot": True}],
    "event": {"type": "app_home_opened", "user": "U0LIN", "channel": "D0LIN", "tab": "home", "event_ts": "1.1"},
}
OPENED = HomeOpened("U0LIN")


def interactive(body: dict[str, Any]) -> str:
    return urlencode({"payload": json.dumps(body)})


class Caller:
    """Sends requests as Slack does."""

    def __init__(self, slack: SlackSimulator, tasks: BackgroundTasks) -> None:
        self.slack = slack
        self.tasks = tasks

    async def send(self, body: str, kind: str, *, stamp: int | None = None, **headers: str) -> tuple[int, str, str]:
        """Return status, type and text of the response."""
        stamped = str(stamp or int(time.time()))
        signed = {
            "X-Slack-Request-Timestamp": stamped,
            "X-Slack-Signature": sign(body, self.slack.signing_secret, stamped),
            "Content-Type": kind,
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.slack.app_url, data=io.BytesIO(body.encode()), headers=signed | headers) as got,
        ):
            return got.status, got.content_type, await got.text()

    async def submit(self, body: dict[str, Any] = SUBMITTED) -> Any:
        status, kind, text = await self.send(interactive(body), FORM)
        assert (status, kind) == (200, JSON)
        return json.loads(text)

    async def happens(self, body: dict[str, Any], **headers: str) -> int:
        status, _, text = await self.send(json.dumps(body), JSON, **headers)
        assert text == "" or status != 200
        return status


@pytest.fixture
def answers() -> EchoingAnswers:
    return EchoingAnswers()


@pytest.fixture
async def caller(answers: EchoingAnswers) -> AsyncIterator[Caller]:
    async def ready() -> Readiness:
        return Readiness()

    tasks = BackgroundTasks()
    async with serve_slack(SlackSimulator()) as slack, aiohttp.ClientSession() as session:
        app = make_app(slack.bot_token, slack.api_url)
        register(app, answers, tasks, session)
        async with serve(make_web_app(ready, partial(dispatch, app), signing_secret=slack.signing_secret)) as url:
            slack.app_url = f"{url}/slack/events"
            yield Caller(slack, tasks)
        await tasks.drain(1)
        assert [call for call in slack.calls if call.method == RESPONSE_URL] == []


# Forms


async def test_submission_has_its_fields_in_the_order_of_the_form(caller, answers):
    await caller.submit()
    assert answers.submissions == [
        Submission(
            callback_id="op.invite",
            view_id="V0FORM",
            version="1795000000.abc",
            private_metadata='{"v": 1, "act": "invite"}',
            values={"wx": "chen_example", "account": "chen@harbour_tea"},
            user_id="U0LIN",
            user_name="lin",
            origin=Origin(team_id="T0001"),
        )
    ]
    assert list(answers.submissions[0].values) == ["wx", "account"]


async def test_error_of_a_field_is_the_acknowledgement(caller, answers):
    answers.submitted = FieldErrors({"wx": "WeChat does not know this ID."})
    assert await caller.submit() == {"response_action": "errors", "errors": {"wx": "WeChat does not know this ID."}}


async def test_next_view_is_the_acknowledgement(caller, answers):
    view = {"type": "modal", "title": {"type": "plain_text", "text": "Done"}, "blocks": []}
    answers.submitted = ShowView(view)
    answers.pause = 0.2
    assert await caller.submit() == {"response_action": "update", "view": view}


async def test_failed_submission_is_answered_at_the_first_field(caller, answers, caplog):
    answers.breaks = True
    assert await caller.submit() == {"response_action": "errors", "errors": {"wx": "failed"}}
    assert "no answer could be made" in caplog.text


async def test_submission_that_takes_too_long_is_cancelled_and_answered(answers, caplog):
    ended = asyncio.Event()

    class Slow(EchoingAnswers):
        async def handle_submission(self, submission):
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

    submission = Submission("op.invite", "V0", "h", "", {"wx": "chen"})
    submissions = Submissions(Slow(), BackgroundTasks(), limit=0.05)
    assert await submissions.answer(submission, "1.2.3") == FieldErrors({"wx": "failed"})
    assert ended.is_set()
    assert "TimeoutError" in caplog.text


async def test_clicks_of_one_form_at_the_same_time_get_one_answer(answers):
    """An error at a field would not fit the modal that the answer to the other click has put in its place."""
    answers.pause = 0.05
    submissions, form = (
        Submissions(answers, BackgroundTasks()),
        Submission("op.invite", "V0", "h", "", {"wx": "chen"}),
    )
    again, other = replace(form), replace(form, values={"wx": "bo"})
    first, cancelled, second, third = (
        asyncio.create_task(submissions.answer(one, "1.2.3")) for one in (form, form, again, other)
    )
    await until(lambda: len(answers.submissions) == 2)
    cancelled.cancel()
    assert await first is await second
    await third
    assert answers.submissions == [form, other]
    await submissions.answer(form, "1.2.4")
    assert len(answers.submissions) == 3


async def test_submission_in_progress_at_shutdown_is_answered(caller, answers):
    answers.pause = 60
    sent = asyncio.create_task(caller.submit())
    await until(lambda: answers.submissions)
    await caller.tasks.drain(0)
    assert await sent == {"response_action": "errors", "errors": {"wx": "restarting"}}


async def test_shutdown_waits_for_a_submission_in_progress(caller, answers):
    answers.pause = 0.3
    sent = asyncio.create_task(caller.submit())
    await until(lambda: answers.submissions)
    await caller.tasks.drain(5)
    assert (await sent)["response_action"] == "update"


@pytest.mark.parametrize(
    ("view", "values"),
    [
        ({"state": {"values": {"wx": {"value": {"type": "plain_text_input", "value": None}}}}}, {"wx": ""}),
        ({"state": {"values": {"a": {"value": {"type": "static_select", "selected_option": None}}}}}, {"a": ""}),
        ({"state": {"values": {"wx": {"value": "chen"}, "b": 7}}}, {"wx": ""}),
        ({"state": {"values": []}}, {}),
        ({"state": None}, {}),
        ({"blocks": "none"}, {"account": "chen@harbour_tea", "wx": "chen_example"}),
        ({"blocks": [7, {"block_id": ["wx"]}]}, {"account": "chen@harbour_tea", "wx": "chen_example"}),
    ],
)
async def test_field_that_is_empty_or_odd_is_empty_or_left_out(caller, answers, view, values):
    await caller.submit(SUBMITTED | {"view": VIEW | view})
    assert [one.values for one in answers.submissions] == [values]


async def test_same_submission_sent_again_within_a_second_is_carried_out_once(caller, answers):
    body, stamp = interactive(SUBMITTED), int(time.time())
    assert (await caller.send(body, FORM, stamp=stamp))[1] == JSON
    assert await caller.send(body, FORM, stamp=stamp) == (200, "text/plain", "")
    assert len(answers.submissions) == 1


async def test_closed_view_is_acknowledged_and_ignored(caller, answers):
    closed = SUBMITTED | {"type": "view_closed", "is_cleared": False}
    assert await caller.send(interactive(closed), FORM) == (200, "text/plain", "")
    assert (answers.submissions, answers.clicks) == ([], [])


# Clicks and commands


@pytest.mark.parametrize(("kind", "is_home"), [("home", True), ("modal", False)])
async def test_click_in_a_view_has_the_view_and_gets_no_ephemeral_answer(caller, answers, caplog, kind, is_home):
    caplog.set_level("INFO")
    click = {
        "type": "block_actions",
        "user": LIN,
        "team": TEAM,
        "trigger_id": "1.2.3",
        "container": {"type": "view", "view_id": "V0HOME"},
        "view": {
            "id": "V0HOME",
            "type": kind,
            "hash": "7.x",
            "private_metadata": '{"v":1}',
            "callback_id": "kf.details",
            "blocks": [],
        },
        "actions": [{"type": "button", "action_id": "home.refresh", "block_id": "b", "value": "v1"}],
    }
    assert await caller.send(interactive(click), FORM) == (200, "text/plain", "")
    await caller.tasks.drain(1)
    (clicked,) = answers.clicks
    assert clicked.view == ClickedView("V0HOME", "7.x", is_home, '{"v":1}', "kf.details")
    assert (clicked.trigger_id, clicked.origin) == ("1.2.3", Origin(team_id="T0001"))
    assert "answer not sent" in caplog.text
    assert "WARNING" not in caplog.text


async def test_command_has_its_user_its_trigger_and_its_origin(caller, answers):
    answers.says = None
    body = {
        "command": "/kf",
        "text": "invite chen",
        "user_id": "U0LIN",
        "user_name": "lin",
        "trigger_id": "1.2.3",
        "team_id": "T0001",
        "enterprise_id": "E0ORG",
        "channel_id": "C0CARE",
        "response_url": f"{caller.slack.base_url}/nowhere",
    }
    assert await caller.send(urlencode(body), FORM) == (200, "text/plain", "")
    await caller.tasks.drain(1)
    origin = Origin(team_id="T0001", enterprise_id="E0ORG", channel_id="C0CARE")
    assert answers.commands == [Command("invite chen", "U0LIN", "lin", "1.2.3", origin)]


# Events


async def test_url_verification_is_answered_with_the_challenge(caller):
    body = json.dumps({"type": "url_verification", "token": "t", "challenge": "3eZbrw1aB"})
    status, _, text = await caller.send(body, JSON)
    assert (status, json.loads(text)) == (200, {"challenge": "3eZbrw1aB"})


async def test_opened_home_is_acknowledged_before_anything_is_read(caller, answers):
    answers.pause = 60
    assert await asyncio.wait_for(caller.happens(HOME), 2) == 200
    assert answers.opened == [OPENED]
    await caller.tasks.drain(0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"tab": "messages"}, []),
        ({"tab": "about"}, []),
        ({"tab": None}, []),
        ({"view": {"id": "V0", "type": "home"}}, [HomeOpened("U0LIN", has_view=True)]),
        (
            {"view": {"id": "V0", "type": "home", "private_metadata": '{"v":1}'}},
            [HomeOpened("U0LIN", has_view=True, private_metadata='{"v":1}')],
        ),
        ({"view": None}, [OPENED]),
        ({"user": None}, [HomeOpened("")]),
    ],
)
async def test_only_the_home_tab_is_handled(caller, answers, changed, expected):
    assert await caller.happens(HOME | {"event": HOME["event"] | changed}) == 200
    await caller.tasks.drain(1)
    assert answers.opened == expected


@pytest.mark.parametrize("event", [{"type": "team_join"}, {"type": "message", "subtype": "bot_message"}])
async def test_event_without_a_handler_is_acknowledged(caller, answers, event):
    assert await caller.happens(HOME | {"event": event}) == 200
    assert answers.opened == []


async def test_event_that_slack_repeats_is_handled_again(caller, answers):
    stamp = int(time.time())
    again = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    body = json.dumps(HOME)
    assert (await caller.send(body, JSON, stamp=stamp - 60))[0] == 200
    assert (await caller.send(body, JSON, stamp=stamp, **again))[0] == 200
    await caller.tasks.drain(1)
    assert answers.opened == [OPENED, OPENED]


@pytest.mark.parametrize(
    "body",
    ["[1]", '{"type": "event_callback"', '{"a":' * 60 + "1" + "}" * 60],
    ids=["list", "cut short", "too deep"],
)
async def test_event_of_another_form_is_refused(caller, answers, body):
    assert (await caller.send(body, JSON))[0] == 400
    assert answers.opened == []


async def test_event_over_a_megabyte_is_refused(caller, answers):
    body = json.dumps(HOME | {"padding": "x" * 1_100_000})
    assert (await caller.send(body, JSON))[0] == 413
    assert answers.opened == []


async def test_event_without_a_signature_is_refused(caller, answers):
    async with aiohttp.ClientSession() as session, session.post(caller.slack.app_url, json=HOME) as got:
        assert got.status == 401
    challenge = {"type": "url_verification", "challenge": "x"}
    async with aiohttp.ClientSession() as session, session.post(caller.slack.app_url, json=challenge) as got:
        assert got.status == 401
    assert answers.opened == []


# Socket Mode


@asynccontextmanager
async def by_socket(answers: EchoingAnswers, tasks: BackgroundTasks) -> AsyncIterator[SlackSimulator]:
    async with serve_slack(SlackSimulator()) as slack, aiohttp.ClientSession() as session:
        app = make_app(slack.bot_token, slack.api_url)
        register(app, answers, tasks, session)
        holding = asyncio.create_task(run_socket_mode(app, slack.app_token, slack.api_url))
        try:
            await until(lambda: len(slack.sockets))
            yield slack
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)


async def test_forms_and_events_over_socket_mode_are_equal(answers):
    tasks = BackgroundTasks()
    answers.submitted = FieldErrors({"wx": "no"})
    async with by_socket(answers, tasks) as slack:
        acked = await slack.sockets.send("interactive", SUBMITTED, answerable=True, retry=None)
        assert acked == {"response_action": "errors", "errors": {"wx": "no"}}
        assert not await slack.sockets.send("events_api", HOME, answerable=False, retry=None)
        await tasks.drain(1)
    assert [one.view_id for one in answers.submissions] == ["V0FORM"]
    assert answers.opened == [OPENED]
