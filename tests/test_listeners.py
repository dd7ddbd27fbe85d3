"""Slack's requests are acknowledged at once and passed on: against the simulator, over HTTP and Socket Mode."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

import aiohttp
import pytest

from bot.demo.servers import serve, serve_slack
from bot.demo.slack_simulator import RESPONSE_URL, Channel, Message, SlackSimulator, sign
from bot.ports import (
    Announce,
    BlockAction,
    Command,
    HomeOpened,
    Origin,
    ShowView,
    Submission,
    SubmissionAnswer,
)
from bot.ports import Message as Said
from bot.runtime.tasks import BackgroundTasks
from bot.slack.bolt_app import dispatch, make_app
from bot.slack.listeners import register
from bot.slack.socket_mode import run_socket_mode
from bot.web.server import Readiness, make_web_app
from tests.running import until

ALERTS = "C0ALERTS"
MEMBER = Origin(team_id="T0001", channel_id=ALERTS)


class EchoingAnswers:
    """Answers with the request, or with what a test puts into `says`."""

    def restarting(self, user_id: str) -> Said:
        return Said("restarting")

    def failed(self, user_id: str) -> Said:
        return Said("failed")

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.submissions: list[Submission] = []
        self.opened: list[HomeOpened] = []
        self.submitted: SubmissionAnswer = ShowView({"type": "modal"})
        self.clicks: list[BlockAction] = []
        self.says: Said | None = Said("answer")
        self.pause = 0.0
        self.breaks = False

    async def handle_command(self, command: Command, announce: Announce) -> Said | None:
        self.commands.append(command)
        return Said(f"command {command.text}") if self.says else None

    async def handle_action(self, click: BlockAction, announce: Announce) -> Said | None:
        self.clicks.append(click)
        await asyncio.sleep(self.pause)
        if self.breaks:
            raise RuntimeError("a bug")
        return self.says

    async def handle_submission(self, submission: Submission) -> SubmissionAnswer:
        self.submissions.append(submission)
        await asyncio.sleep(self.pause)
        if self.breaks:
            raise RuntimeError("a bug")
        return self.submitted

    async def handle_home_opened(self, opened: HomeOpened) -> None:
        self.opened.append(opened)
        await asyncio.sleep(self.pause)


@pytest.fixture
def answers() -> EchoingAnswers:
    return EchoingAnswers()


@pytest.fixture
async def tasks() -> AsyncIterator[BackgroundTasks]:
    started = BackgroundTasks()
    yield started
    await started.drain(1)


@pytest.fixture
async def slack(answers: EchoingAnswers, tasks: BackgroundTasks) -> AsyncIterator[SlackSimulator]:
    """Serve Slack with the bot's guard and listeners at the other end."""

    async def ready() -> Readiness:
        return Readiness()

    async with serve_slack(SlackSimulator(people={"U0LI": "李雷"})) as slack, aiohttp.ClientSession() as session:
        app = make_app(slack.bot_token, slack.api_url)
        register(app, answers, tasks, session)
        bolt = partial(dispatch, app)
        async with serve(make_web_app(ready, bolt, signing_secret=slack.signing_secret)) as url:
            slack.app_url = f"{url}/slack/events"
            yield slack
    assert slack.take_unexpected() == []


def button(action_id: str = "alert.ack", value: str = "v1:x") -> dict:
    text = {"type": "plain_text", "text": "Go"}
    return {"type": "button", "text": text, "action_id": action_id, "value": value}


def shown(slack: SlackSimulator, *elements: dict, only_for: str | None = None) -> Message:
    blocks = [{"type": "actions", "elements": list(elements or (button(),))}]
    return slack.add(Message(ALERTS, slack.next_ts(), "U0BOT", "alert", blocks=blocks, only_for=only_for))


def answers_sent(slack: SlackSimulator) -> int:
    return len([call for call in slack.calls if call.method == RESPONSE_URL])


COMMAND = urlencode({"command": "/kf", "text": "list", "user_id": "U0MEI", "team_id": "T0001"})
CLICK = urlencode(
    {"payload": json.dumps({"type": "block_actions", "actions": [button()], "user": {"id": "U0MEI"}})}
)


def headers_of(slack: SlackSimulator, body: str, age: int = 0) -> dict[str, str]:
    """Return the headers that Slack would have sent with a body, some seconds ago."""
    stamp = str(int(time.time()) - age)
    return {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": sign(body, slack.signing_secret, stamp),
        "Content-Type": "application/x-www-form-urlencoded",
    }


async def send(slack: SlackSimulator, body: str, headers: dict[str, str]) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(slack.app_url, data=body, headers=headers) as got:
        return got.status, await got.text()


@pytest.mark.parametrize("body", [COMMAND, CLICK, "ssl_check=1"], ids=["command", "click", "ssl_check"])
async def test_only_requests_that_slack_signed_in_time_reach_a_listener(slack, answers, tasks, body):
    signed = headers_of(slack, body)
    unsigned = {"Content-Type": signed["Content-Type"]}
    of_another_body = signed | {"X-Slack-Signature": headers_of(slack, f"{body}&more=1")["X-Slack-Signature"]}
    for headers in (unsigned, of_another_body, headers_of(slack, body, 310), headers_of(slack, body, -310)):
        assert await send(slack, body, headers) == (401, "not signed by Slack\n")
    await tasks.drain(1)
    assert (answers.commands, answers.clicks) == ([], [])


async def test_signed_command_and_click_reach_their_listeners(slack, answers):
    for body in (COMMAND, CLICK):
        assert await send(slack, body, headers_of(slack, body)) == (200, "")
    await until(lambda: [one.text for one in answers.commands] == ["list"] and len(answers.clicks) == 1)


async def test_click_has_its_user_and_its_value(slack, answers):
    said = await slack.click(shown(slack), "alert.ack", user="U0TOM")
    assert (await said.answer()).text == "answer"
    (click,) = answers.clicks
    assert replace(click, trigger_id="") == BlockAction("alert.ack", "v1:x", "U0TOM", "tom", MEMBER)
    assert click.trigger_id


async def test_each_click_has_its_own_user(slack, answers):
    message = shown(slack)
    for user in ("U0MEI", "U0LI", "U0NEW"):
        await (await slack.click(message, "alert.ack", user=user)).answer()
    assert [(click.user_id, click.user_name) for click in answers.clicks] == [
        ("U0MEI", "mei"),
        ("U0LI", "李雷"),
        ("U0NEW", "u0new"),
    ]


async def test_choice_has_the_value_of_its_option(slack, answers):
    option = {"text": {"type": "plain_text", "text": "1 hour"}, "value": "v1:x:3600"}
    message = shown(slack, {"type": "static_select", "action_id": "alert.snooze", "options": [option]})
    await (await slack.click(message, "alert.snooze", option="v1:x:3600")).answer()
    (click,) = answers.clicks
    assert (click.action_id, click.value) == ("alert.snooze", "v1:x:3600")


async def test_click_without_an_answer_sends_nothing(slack, answers, tasks, caplog):
    answers.says = None
    said = await slack.click(shown(slack), "alert.ack")
    assert (said.ack.status, said.ack.body) == (200, "")
    await tasks.drain(1)
    assert len(answers.clicks) == 1
    assert answers_sent(slack) == 0
    assert caplog.text == ""


async def test_failed_click_is_answered_with_an_error(slack, answers):
    answers.breaks = True
    assert (await (await slack.click(shown(slack), "alert.ack")).answer()).text == "failed"


async def test_click_is_acknowledged_before_it_is_answered(slack, answers):
    answers.pause = 0.3
    said = await slack.click(shown(slack), "alert.ack")
    assert (said.ack.status, answers_sent(slack)) == (200, 0)
    assert (await said.answer()).text == "answer"


async def test_click_interrupted_by_shutdown_is_answered_with_the_restart_text(slack, answers, tasks):
    answers.pause = 60
    said = await slack.click(shown(slack), "alert.ack")
    await until(lambda: answers.clicks)
    await tasks.drain(0)
    assert (await said.answer()).text == "restarting"


@pytest.mark.parametrize(
    ("action_id", "only_for", "replaces"),
    [("kf.list", "U0MEI", True), ("kf.list", None, False), ("kf.show", "U0MEI", False)],
)
async def test_answer_replaces_only_the_callers_own_list(slack, action_id, only_for, replaces):
    message = shown(slack, button(action_id), only_for=only_for)
    answer = await (await slack.click(message, action_id)).answer()
    assert (answer.ts == message.ts) == replaces
    assert answer.only_for == "U0MEI"


async def test_link_needs_no_answer(slack, answers, tasks):
    said = await slack.click(shown(slack, button("link.avatar")), "link.avatar")
    assert said.ack.status == 200
    await tasks.drain(1)
    assert (answers.clicks, answers_sent(slack)) == ([], 0)


async def forged(slack: SlackSimulator, body: dict) -> int:
    form = urlencode({"payload": json.dumps(body)})
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": sign(form, slack.signing_secret, stamp),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.app_url, data=form.encode(), headers=headers) as got,
    ):
        return got.status


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"id": "U1", "name": "mei", "username": "other"}, ("U1", "mei")),
        ({"id": "U1", "username": "mei"}, ("U1", "mei")),
        ({"id": "U1", "name": "", "username": "mei"}, ("U1", "mei")),
        ({"id": "U1", "name": ["mei"], "username": 7}, ("U1", "")),
        ({"id": 7, "name": "<!channel>"}, ("", "<!channel>")),
        ({"id": None}, ("", "")),
        ({}, ("", "")),
        (None, ("", "")),
    ],
)
async def test_user_of_a_click_is_text_or_empty(slack, answers, tasks, user, expected):
    answers.says = None
    action = {"type": "button", "block_id": "b", "action_id": "alert.ack", "value": "v1:x", "action_ts": "1.1"}
    team = {"id": "T0001"}
    assert await forged(slack, {"type": "block_actions", "user": user, "team": team, "actions": [action]}) == 200
    await tasks.drain(1)
    assert [(click.user_id, click.user_name) for click in answers.clicks] == [expected]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"user": {"id": "U1", "team_id": "T0002"}, "team": {"id": "T0001"}}, Origin(team_id="T0002")),
        ({"user": {"id": "U1"}, "team": {"id": "T0001"}}, Origin()),
        (
            {"user": {"id": "U1", "team_id": ["T0001"]}, "team": None, "channel": {"id": 7}, "container": []},
            Origin(),
        ),
        (
            {"user": {"id": "U1", "team_id": "E1", "enterprise_id": "E1"}, "enterprise": {"id": "E1", "name": "x"}},
            Origin(team_id="E1", user_enterprise_id="E1", enterprise_id="E1"),
        ),
        ({"user": {"id": "U1"}, "team": {"id": "T0001", "enterprise_id": "E1"}}, Origin(enterprise_id="E1")),
        ({"user": {"id": "U1"}, "container": {"is_ephemeral": True}}, Origin(is_ephemeral=True)),
        ({"user": {"id": "U1"}, "container": {"is_ephemeral": "true"}}, Origin()),
    ],
)
async def test_origin_of_a_click_is_read_from_the_person_and_missing_fields_are_empty(
    slack, answers, tasks, payload, expected
):
    answers.says = None
    action = {"type": "button", "block_id": "b", "action_id": "alert.ack", "value": "v1:x", "action_ts": "1.1"}
    assert await forged(slack, {"type": "block_actions", "actions": [action], **payload}) == 200
    await tasks.drain(1)
    assert [click.origin for click in answers.clicks] == [expected]


@pytest.mark.parametrize(
    "odd",
    [
        {"value": 7},
        {"value": None},
        {"value": ["v1:x"]},
        {"selected_option": "v1:x"},
        {"selected_option": {"value": {"a": 1}}},
        {"selected_option": {"text": "x"}, "value": "v1:x"},
        {"selected_option": None},
    ],
)
async def test_value_that_is_not_text_is_ignored(slack, answers, tasks, odd):
    answers.says = None
    action = {"type": "button", "block_id": "b", "action_id": "alert.ack", "action_ts": "1.1", **odd}
    assert await forged(slack, {"type": "block_actions", "user": {"id": "U1"}, "actions": [action]}) == 200
    await tasks.drain(1)
    assert [click.value for click in answers.clicks] == [""]


async def test_bolt_checks_no_signature_again(answers, tasks):
    async with aiohttp.ClientSession() as session:
        app = make_app("xoxb-1", "http://127.0.0.1:9/api/")
        register(app, answers, tasks, session)
        status, _ = await dispatch(app, COMMAND, {"content-type": "application/x-www-form-urlencoded"})
        await tasks.drain(1)
    assert (status, [command.text for command in answers.commands]) == (200, ["list"])


@asynccontextmanager
async def by_socket(answers: EchoingAnswers, tasks: BackgroundTasks) -> AsyncIterator[SlackSimulator]:
    channels = [Channel(ALERTS, "kf-alerts")]
    async with serve_slack(SlackSimulator(channels=channels)) as slack, aiohttp.ClientSession() as session:
        app = make_app(slack.bot_token, slack.api_url)
        register(app, answers, tasks, session)
        holding = asyncio.create_task(run_socket_mode(app, slack.app_token, slack.api_url))
        try:
            await until(lambda: len(slack.sockets))
            yield slack
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
    assert slack.take_unexpected() == []


async def test_click_over_socket_mode_is_equal(answers, tasks):
    async with by_socket(answers, tasks) as slack:
        said = await slack.click(shown(slack), "alert.ack", user="U0TOM")
        assert (said.ack.failure, (await said.answer()).text) == (None, "answer")
        answers.says = None
        said = await slack.click(shown(slack), "alert.ack", user="U0MEI")
        assert said.ack.failure is None
        await tasks.drain(1)
        assert answers_sent(slack) == 1
    assert [replace(click, trigger_id="") for click in answers.clicks] == [
        BlockAction("alert.ack", "v1:x", "U0TOM", "tom", MEMBER),
        BlockAction("alert.ack", "v1:x", "U0MEI", "mei", MEMBER),
    ]
