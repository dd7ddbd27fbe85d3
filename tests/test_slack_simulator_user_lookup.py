"""People in the Slack simulator: users.info, with its scope, its errors and its faults."""

from __future__ import annotations

import aiohttp
import pytest

from bot.demo.servers import serve_slack
from bot.demo.slack_simulator import Channel, SlackSimulator, ratelimited


@pytest.fixture
def slack(clock):
    slack = SlackSimulator(clock=clock, teams={"U0TRADER": "T0OTHER"})
    slack.add_person("U0LIN", "lin", locale="zh-CN", tz="Europe/Berlin")
    yield slack
    assert slack.unexpected == []


def info(slack, user, **more):
    return slack.call("users.info", {"user": user, **more})


def test_person_has_names_a_workspace_and_a_time_zone(slack):
    user = info(slack, "U0LIN")["user"]
    assert (user["id"], user["team_id"], user["name"], user["real_name"]) == ("U0LIN", "T0001", "lin", "Lin")
    assert (user["tz"], user["tz_label"], user["tz_offset"]) == ("Europe/Berlin", "CET", 3600)
    assert (user["is_bot"], user["profile"]["display_name"]) == (False, "lin")


def test_locale_is_returned_on_request(slack):
    assert "locale" not in info(slack, "U0LIN")["user"]
    assert info(slack, "U0LIN", include_locale="true")["user"]["locale"] == "zh-CN"
    assert info(slack, "U0MEI", include_locale=True)["user"]["locale"] == "en-US"


def test_person_without_a_time_zone_has_none_in_the_answer(slack):
    slack.add_person("U0LIN", "lin", tz="")
    assert {"tz", "tz_label", "tz_offset"}.isdisjoint(info(slack, "U0LIN")["user"])


def test_post_to_a_person_opens_their_conversation_with_the_app(slack):
    first, second = (
        slack.call("chat.postMessage", {"channel": "U0LIN", "text": text}) for text in ("Hi", "Hi again")
    )
    assert (first["ok"], first["channel"], second["channel"]) == (True, "D0LIN", "D0LIN")
    assert [message.text for message in slack.messages("D0LIN")] == ["Hi", "Hi again"]
    slack.scopes.add("groups:read")
    channel = slack.call("conversations.info", {"channel": "D0LIN"})["channel"]
    assert (channel["is_im"], channel["is_group"], channel["is_channel"]) == (True, False, False)
    assert slack.call("chat.postMessage", {"channel": "U0GONE", "text": "Hi"})["error"] == "channel_not_found"
    assert slack.take_unexpected() == ["chat.postMessage: no channel 'U0GONE'"]
    slack.scopes.remove("chat:write")
    assert slack.call("chat.postMessage", {"channel": "U0LIN", "text": "Hi"})["error"] == "missing_scope"


def test_user_who_is_not_in_the_workspace_is_not_found(slack):
    assert info(slack, "U0GONE") == {"ok": False, "error": "user_not_found"}


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        ({}, "users.info: no user ID ''"),
        ({"user": "lin"}, "users.info: no user ID 'lin'"),
        ({"user": "S0CARE"}, "users.info: no user ID 'S0CARE'"),
    ],
)
def test_request_without_a_user_id_is_refused_and_unexpected(slack, arguments, note):
    assert slack.call("users.info", arguments)["error"] == "user_not_found"
    assert slack.take_unexpected() == [note]


def test_argument_that_the_method_does_not_have_is_unexpected(slack):
    info(slack, "U0LIN", locale="true")
    assert slack.take_unexpected() == ["users.info: with locale, which the stand-in does not know"]


def test_person_of_another_company_is_visible_in_a_shared_channel(slack):
    slack.add_person("U0TRADER", "trader")
    assert info(slack, "U0TRADER")["error"] == "user_not_visible"
    slack.channels["C0SHARED"] = Channel("C0SHARED", "shared", is_ext_shared=True)
    assert info(slack, "U0TRADER")["user"]["team_id"] == "T0OTHER"


def test_people_need_their_scope(slack):
    slack.scopes = {"commands"}
    assert info(slack, "U0LIN") == {
        "ok": False,
        "error": "missing_scope",
        "needed": "users:read",
        "provided": "commands",
    }


async def test_person_who_types_a_command_is_known_from_then_on(slack):
    await slack.command(user="U0NEW")
    assert info(slack, "U0NEW")["user"]["name"] == "u0new"


async def test_request_for_a_person_can_be_limited_like_any_other(slack):
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    async with serve_slack(slack), aiohttp.ClientSession(headers=headers) as session:
        slack.arm("users.info", ratelimited(7))
        async with session.post(f"{slack.api_url}users.info", data={"user": "U0LIN"}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        async with session.post(f"{slack.api_url}users.info", json={"user": "U0LIN"}) as answer:
            assert (await answer.json())["error"] == "user_not_found"
        assert slack.take_unexpected() == [
            "users.info: a body of JSON, which it overlooks",
            "users.info: no user ID ''",
        ]
