"""User groups and scopes in the Slack simulator."""

from __future__ import annotations

import aiohttp
import pytest

from bot.demo.servers import serve_slack
from bot.demo.slack_simulator import SlackSimulator


@pytest.fixture
def slack():
    slack = SlackSimulator(usergroups={"S0CARE": ("U0MEI", "U0TOM"), "S0OLD": ()})
    slack.usergroups["S0OLD"].is_disabled = True
    yield slack
    assert slack.unexpected == []


def groups(slack, **more):
    return {group["id"]: group for group in slack.call("usergroups.list", more)["usergroups"]}


def members(slack, group, **more):
    return slack.call("usergroups.users.list", {"usergroup": group, **more})


def test_groups_in_use_are_listed_and_disabled_ones_on_request(slack):
    assert set(groups(slack)) == {"S0CARE"}
    found = groups(slack, include_disabled="true")
    assert [bool(found[name]["date_delete"]) for name in ("S0CARE", "S0OLD")] == [False, True]
    assert {"users", "user_count"}.isdisjoint(found["S0CARE"])


def test_users_and_their_number_are_returned_on_request(slack):
    found = groups(slack, include_users=True, include_count=True)["S0CARE"]
    assert (found["handle"], found["users"], found["user_count"]) == ("s0care", ["U0MEI", "U0TOM"], "2")


def test_members_of_a_group_are_ids(slack):
    assert members(slack, "S0CARE") == {"ok": True, "users": ["U0MEI", "U0TOM"]}
    assert members(slack, "S0OLD")["error"] == "no_such_subteam"
    assert members(slack, "S0OLD", include_disabled="1")["users"] == []
    assert members(slack, "S0NONE")["error"] == "no_such_subteam"


def test_request_for_members_without_a_group_is_refused(slack):
    assert slack.call("usergroups.users.list", {})["error"] == "invalid_arguments"
    assert slack.take_unexpected() == ["usergroups.users.list: without a usergroup"]


@pytest.mark.parametrize("method", ["usergroups.list", "usergroups.users.list"])
def test_groups_need_their_scope(slack, method):
    slack.scopes = {"commands"}
    assert slack.call(method, {"usergroup": "S0CARE"} if "users" in method else {}) == {
        "ok": False,
        "error": "missing_scope",
        "needed": "usergroups:read",
        "provided": "commands",
    }


def test_channel_info_needs_a_scope(slack):
    slack.scopes = {"commands"}
    said = slack.call("conversations.info", {"channel": "C0NOWHERE"})
    assert (said["error"], said["needed"]) == ("missing_scope", "channels:read,groups:read,mpim:read,im:read")


def test_connection_needs_the_scope_of_the_app_token(slack):
    slack.app_scopes = {"authorizations:read"}
    said = slack.call("apps.connections.open", {}, token=slack.app_token)
    assert (said["error"], said["needed"], said["provided"]) == (
        "missing_scope",
        "connections:write",
        "authorizations:read",
    )
    assert slack.tickets == set()


async def test_app_token_counts_in_the_header_alone(slack):
    async with serve_slack(slack), aiohttp.ClientSession() as session:
        form = {"token": slack.app_token}
        async with session.post(f"{slack.api_url}apps.connections.open", data=form) as answer:
            assert (await answer.json())["error"] == "not_authed"
        headers = {"Authorization": f"Bearer {slack.app_token}"}
        async with session.post(f"{slack.api_url}apps.connections.open", headers=headers) as answer:
            assert (await answer.json())["ok"]
    assert slack.take_unexpected() == ["apps.connections.open: without a token"]
