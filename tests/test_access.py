"""Access to /kf: by rule, and through the running bot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web

from bot.demo.servers import serve
from bot.demo.slack_simulator import error
from bot.interactions.access import AccessPolicy, Membership, OperatorPolicy
from bot.ports import BotWorkspace, Origin, UnknownMembersError, UnknownWorkspaceError
from bot.slack.directory import group_members
from bot.slack.web_api import no_retry_client
from tests.running import ALERTS, CARE, World, bot_in_loop, modal_text, until, world

pytestmark = pytest.mark.server

GROUPS = {"S0CARE": ("U0MEI",)}
HOUR = 3600.0


class Groups:
    def __init__(self, **members: frozenset[str]) -> None:
        self.members = members
        self.asked: list[str] = []

    async def __call__(self, group: str) -> frozenset[str]:
        self.asked.append(group)
        if group not in self.members:
            raise UnknownMembersError("missing_scope")
        return self.members[group]


class Elapsed:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_access_is_open_without_a_setting_and_slack_is_not_called():
    groups = Groups()
    assert await AccessPolicy([], groups).allows("U1") is True
    assert groups.asked == []


async def test_named_user_is_admitted_without_calling_slack():
    groups = Groups()
    assert await AccessPolicy(["U1", "S1"], groups).allows("U1") is True
    assert groups.asked == []


async def test_only_members_of_a_group_are_admitted():
    viewers = AccessPolicy(["U1", "S1", "S2"], Groups(S1=frozenset({"U2"}), S2=frozenset({"U3"})))
    assert [await viewers.allows(user) for user in ("U1", "U2", "U3", "U4", "")] == [True, True, True, False, False]


async def test_group_members_are_cached_for_a_while():
    groups = Groups(S1=frozenset({"U2"}))
    viewers = AccessPolicy(["S1"], groups)
    for user in ("U2", "U3", "U2"):
        await viewers.allows(user)
    assert groups.asked == ["S1"]


async def test_unreadable_group_leaves_access_open_unless_another_group_has_the_user():
    viewers = AccessPolicy(["S1", "S2"], Groups(S2=frozenset({"U2"})))
    assert await viewers.allows("U2") is True
    assert await viewers.allows("U3") is None


async def test_last_known_members_of_a_group_keep_their_access():
    groups, time = Groups(S1=frozenset({"U2"})), Elapsed()
    viewers = AccessPolicy(["S1"], groups, elapsed=time)
    assert await viewers.allows("U2") is True
    groups.members = {}
    time.now += 24 * HOUR
    assert await viewers.allows("U2") is True
    assert await viewers.allows("U3") is None


# Operators


MEMBER, STRANGER = Origin(team_id="T0001"), Origin(team_id="T0009")


async def installed() -> BotWorkspace:
    return BotWorkspace("T0001")


async def shared(channel_id: str) -> bool:
    return True


async def unreachable() -> BotWorkspace:
    raise UnknownWorkspaceError("TimeoutError")


def operators(named: list[str], groups: Groups, elapsed: Elapsed | None = None) -> OperatorPolicy:
    return OperatorPolicy(named, groups, Membership(installed, shared), elapsed or Elapsed())


async def test_no_user_is_an_operator_without_a_setting_and_slack_is_not_called():
    groups = Groups()
    assert await operators([], groups).allows("U1", MEMBER) is False
    assert groups.asked == []


async def test_named_people_and_members_of_named_groups_are_operators():
    policy = operators(["U1", "S1", "S2"], Groups(S1=frozenset({"U2"}), S2=frozenset({"U3"})))
    people = ("U1", "U2", "U3", "U4", "")
    assert [await policy.allows(user, MEMBER) for user in people] == [True, True, True, False, False]


@pytest.mark.parametrize("origin", [STRANGER, Origin(), Origin(team_id="T0009", channel_id="C0SHARED")])
async def test_person_of_another_workspace_is_an_operator_only_by_their_own_id(origin):
    policy = operators(["U1", "S1"], Groups(S1=frozenset({"U2"})))
    assert await policy.allows("U1", origin) is True
    assert await policy.allows("U2", origin) is False


async def test_member_of_a_group_is_not_checked_while_slack_does_not_name_the_workspace():
    policy = OperatorPolicy(["S1"], Groups(S1=frozenset({"U2"})), Membership(unreachable, shared), Elapsed())
    assert await policy.allows("U2", MEMBER) is None
    assert await policy.allows("U3", MEMBER) is False


async def test_operators_of_a_group_are_asked_for_after_a_minute():
    groups, time = Groups(S1=frozenset({"U2"})), Elapsed()
    policy = operators(["S1"], groups, time)
    assert await policy.allows("U2", MEMBER) is True
    groups.members["S1"] = frozenset()
    time.now += 59
    assert await policy.allows("U2", MEMBER) is True
    time.now += 1
    assert await policy.allows("U2", MEMBER) is False
    assert groups.asked == ["S1", "S1"]


async def test_last_known_operators_of_a_group_count_for_an_hour():
    groups, time = Groups(S1=frozenset({"U2"})), Elapsed()
    policy = operators(["S1"], groups, time)
    assert await policy.allows("U2", MEMBER) is True
    groups.members = {}
    time.now += HOUR - 1
    assert await policy.allows("U2", MEMBER) is True
    assert await policy.allows("U3", MEMBER) is None
    time.now += 1
    assert await policy.allows("U2", MEMBER) is None


async def test_hour_of_the_last_known_operators_counts_from_their_last_answer():
    groups, time = Groups(S1=frozenset({"U2"})), Elapsed()
    policy = operators(["S1"], groups, time)
    await policy.allows("U2", MEMBER)
    time.now += HOUR - 1
    await policy.allows("U2", MEMBER)  # answered once more
    groups.members = {}
    time.now += HOUR - 1
    assert await policy.allows("U2", MEMBER) is True


async def test_operator_may_read_whatever_the_viewers_are():
    groups = Groups(S1=frozenset({"U2"}), S2=frozenset({"U3"}))
    viewers = AccessPolicy(["S2"], groups, operators(["U1", "S1"], groups))
    assert [await viewers.allows(user) for user in ("U1", "U2", "U3", "U4")] == [True, True, True, False]
    everybody = AccessPolicy([], groups, operators(["U1"], groups))
    assert [await everybody.allows(user) for user in ("U1", "U4")] == [True, True]
    assert [await everybody.names(user) for user in ("U1", "U4")] == [True, False]


async def test_reader_is_not_checked_while_the_operators_are_not_known():
    viewers = AccessPolicy(["U1"], Groups(), operators(["S1"], Groups()))
    assert [await viewers.allows(user) for user in ("U1", "U2")] == [True, None]


# Through the running bot


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[World]:
    async with world(sqlite_url, usergroups=GROUPS) as made:
        made.wechat.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
        yield made


async def ask(place: World, user: str, text: str = "") -> str:
    said = await place.slack.command(text, channel=CARE, user=user)
    assert said.ack.status == 200
    return (await said.answer()).text


async def test_member_gets_an_answer_and_a_stranger_learns_whom_to_ask(place):
    async with bot_in_loop(place, ALERTS="off", KF_VIEWERS="S0CARE, W0BOSS1"):
        assert (await ask(place, "U0MEI")).startswith("Nothing needs attention")
        for text in ("", "list", "help", "status", "frobnicate"):
            said = await ask(place, "U0TOM", text)
            assert said.startswith("/kf is for <!subteam^S0CARE>, <@W0BOSS1>. Ask one of them")
            assert "Anna" not in said


async def test_stranger_in_the_channel_reads_nothing_and_may_still_act(place):
    async with bot_in_loop(place, KF_VIEWERS="S0CARE"):
        await until(lambda: place.slack.calls)  # the first poll is over: later problems are alerts
        place.invite("bo", timedelta(minutes=30))
        await until(lambda: place.texts)
        (alert,) = place.slack.messages(ALERTS)
        clicked = await place.slack.click(alert, "alert.details", user="U0TOM")
        assert (await clicked.answer()).text.startswith("/kf is for <!subteam^S0CARE>.")
        await place.slack.click(alert, "alert.details", user="U0MEI")
        assert "bo_example" in await modal_text(place.slack, "U0MEI")
        await place.slack.click(alert, "alert.ack", user="U0TOM")
        await until(lambda: "U0TOM" in str(place.slack.messages(ALERTS)[0].blocks))


async def test_answer_warns_that_slack_does_not_return_a_group(place):
    async with bot_in_loop(place, ALERTS="off", KF_VIEWERS="S0CARE"):
        place.slack.arm("usergroups.users.list", error("internal_error"))
        assert (await ask(place, "U0MEI")).startswith("Slack does not say who may use /kf.")
        assert (await ask(place, "U0MEI")).startswith("Nothing needs attention")


@pytest.mark.parametrize(("group", "word"), [("S0GONE", "no_such_subteam"), ("S0CARE", "missing_scope")])
async def test_log_quotes_the_error_code_of_a_refused_group_lookup(place, caplog, group, word):
    if word == "missing_scope":
        place.slack.scopes = place.slack.scopes - {"usergroups:read"}
    async with bot_in_loop(place, ALERTS="off", KF_VIEWERS=group):
        assert (await ask(place, "U0MEI")).startswith("Slack does not say who may use /kf.")
    assert f"group={group} error={word}" in caplog.text


@pytest.mark.parametrize("answer", [{"ok": True}, {"ok": True, "users": "U0MEI"}])
async def test_response_without_users_is_no_group(place, answer):
    async def odd(_: web.Request) -> web.Response:
        return web.json_response(answer)

    app = web.Application()
    app.router.add_post("/api/usergroups.users.list", odd)
    async with serve(app) as url:
        client = no_retry_client("xoxb-1", f"{url}/api/", place.slack.session)
        with pytest.raises(UnknownMembersError, match="without users"):
            await group_members(client, "S0CARE")


async def test_unreachable_slack_returns_no_group_members(place):
    client = no_retry_client("xoxb-1", "http://127.0.0.1:9/api/", place.slack.session)
    with pytest.raises(UnknownMembersError, match="ClientConnectorError"):
        await group_members(client, "S1")


async def test_operator_reads_although_only_others_are_viewers(place):
    async with bot_in_loop(place, KF_VIEWERS="W0BOSS1", KF_OPERATORS="S0CARE"):
        assert (await ask(place, "U0MEI")).startswith("Nothing needs attention")
        assert (await ask(place, "U0TOM")).startswith("/kf is for <@W0BOSS1>.")
