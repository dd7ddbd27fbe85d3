"""Membership of the installing workspace: by rule, and in shared channels of the running bot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.demo.servers import serve
from bot.demo.slack_simulator import Message, Organisation, SlackSimulator, error, slow
from bot.interactions.access import Membership, belongs
from bot.ports import BotWorkspace, Origin, UnknownWorkspaceError
from bot.slack.directory import bot_workspace, is_shared_outside
from bot.slack.web_api import no_retry_client
from tests.for_each import for_each
from tests.running import ALERTS, CARE, World, bot_in_loop, modal_text, until, world

pytestmark = pytest.mark.server

HOME = BotWorkspace("T0001")
GRID = BotWorkspace("T0001", "E0ORG")
TRADER = "U0EVE"  # of another company, in a channel that is shared with it
COLLEAGUE = "U0ANA"  # of another workspace of the same organisation
ORGANISATION = Organisation("E0ORG", "Harbour Group", frozenset({"T0002"}))


@for_each(
    ("origin", "installed", "expected"),
    [
        (Origin(team_id="T0001"), HOME, True),
        (Origin(team_id="T0009"), HOME, False),
        (Origin(), HOME, False),
        (Origin(enterprise_id="E0ORG"), GRID, False),
        (Origin(team_id="T0009", enterprise_id="E0ORG"), HOME, False),
        (Origin(team_id="T0009", user_enterprise_id="", enterprise_id=""), HOME, False),
        (Origin(team_id="T0001"), GRID, True),
        (Origin(team_id="E0ORG"), GRID, True),
        (Origin(team_id="E0XYZ", enterprise_id="E0XYZ"), GRID, False),
        (Origin(team_id="T0002", user_enterprise_id="E0ORG"), GRID, True),
        (Origin(team_id="T0002", enterprise_id="E0ORG"), GRID, None),
        (Origin(team_id="T0009", enterprise_id="E0XYZ"), GRID, False),
    ],
)
def test_person_belongs_by_workspace_or_organisation(origin, installed, expected):
    assert belongs(origin, installed) is expected


class Asked:
    """Slack, as Membership asks it."""

    def __init__(self, installed: BotWorkspace | None, *, shared: bool = False) -> None:
        self.installed = installed
        self.shared = shared
        self.calls: list[str] = []

    async def bot_workspace(self) -> BotWorkspace:
        self.calls.append("bot_workspace")
        if self.installed is None:
            raise UnknownWorkspaceError("invalid_auth")
        return self.installed

    async def is_shared_outside(self, channel_id: str) -> bool:
        self.calls.append(channel_id)
        return self.shared


async def test_workspace_is_looked_up_once_and_again_while_unknown():
    asked = Asked(None)
    membership = Membership(asked.bot_workspace, asked.is_shared_outside)
    assert await membership.includes(Origin(team_id="T0001")) is None
    asked.installed = HOME
    assert [await membership.includes(Origin(team_id=team)) for team in ("T0001", "T0009")] == [True, False]
    assert asked.calls == ["bot_workspace", "bot_workspace"]


async def test_click_without_a_workspace_is_refused_without_asking_slack():
    asked = Asked(None)
    assert await Membership(asked.bot_workspace, asked.is_shared_outside).includes(Origin()) is False
    assert asked.calls == []


@pytest.mark.parametrize("shared", [True, False])
async def test_people_of_the_organisation_are_members_unless_the_channel_is_shared_outside(shared):
    asked = Asked(GRID, shared=shared)
    membership = Membership(asked.bot_workspace, asked.is_shared_outside)
    origin = Origin(team_id="T0002", enterprise_id="E0ORG", channel_id="C1")
    assert [await membership.includes(origin) for _ in range(2)] == [not shared, not shared]
    assert asked.calls == ["bot_workspace", "C1"]


# Through the running bot


@asynccontextmanager
async def alerted(
    url: str, *, ext_shared: bool = True, left: timedelta = timedelta(minutes=30), **of_slack: Any
) -> AsyncIterator[World]:
    """Run the simulators with an invitation that the first poll alerts about."""
    teams = {TRADER: "T0009", COLLEAGUE: "T0002"}
    async with world(url, teams=teams, **of_slack) as place:
        place.slack.channels[ALERTS].is_ext_shared = ext_shared
        place.invite("bo", left)
        yield place


async def alert_of(place: World) -> Message:
    await until(lambda: place.texts)
    return place.slack.messages(ALERTS)[0]


async def reply(slack: SlackSimulator, alert: Message, action_id: str, user: str, **details: Any) -> Message:
    clicked = await slack.click(alert, action_id, user=user, **details)
    assert clicked.ack.status == 200
    said = await clicked.answer()
    assert said.only_for == user
    return said


async def details_shown(slack: SlackSimulator, alert: Message, user: str) -> str:
    """Return what the modal shows that *Details* opens."""
    if slack.views.modals.get(user):
        await slack.close_modal(user=user)
    clicked = await slack.click(alert, "alert.details", user=user)
    assert clicked.ack.status == 200
    return await modal_text(slack, user)


def details_of(alert: Message, action_id: str) -> dict[str, Any]:
    """Return the choice of a menu, which a click on it needs."""
    for block in alert.blocks:
        for element in block.get("elements", ()):
            if element.get("action_id") == action_id and "options" in element:
                return {"option": element["options"][0]["value"]}
    return {}


async def test_person_of_another_company_neither_reads_nor_acts(sqlite_url, caplog):
    caplog.set_level("INFO")
    left = timedelta(days=1, seconds=2)  # so that the alert has a later reminder to snooze until
    async with alerted(sqlite_url, left=left) as place, bot_in_loop(place):
        alert = await alert_of(place)
        for action_id in ("alert.details", "alert.ack", "alert.snooze"):
            said = await reply(place.slack, alert, action_id, TRADER, **details_of(alert, action_id))
            assert said.text.startswith("This button is for members of the bot's own workspace")
            assert "bo_example" not in str(said)
        assert TRADER not in str(place.slack.messages(ALERTS))
        assert f"click refused asked=alert.details user={TRADER} member=False" in caplog.text
        assert "bo_example" in await details_shown(place.slack, alert, "U0TOM")


async def test_lists_behind_a_button_in_the_channel_are_for_members(sqlite_url):
    async with alerted(sqlite_url) as place:
        place.wechat.reject(place.invite("chen"))
        place.wechat.reject(place.invite("dee"))
        async with bot_in_loop(place):
            await until(lambda: any("kf.list" in str(one.blocks) for one in place.slack.messages(ALERTS)))
            summary = next(one for one in place.slack.messages(ALERTS) if "kf.list" in str(one.blocks))
            said = await reply(place.slack, summary, "kf.list", TRADER)
            assert said.text.startswith("This button is for members")
            assert "bo@harbour_tea" in str((await reply(place.slack, summary, "kf.list", "U0TOM")).blocks)


async def test_viewers_may_be_named_from_another_company(sqlite_url):
    async with alerted(sqlite_url) as place, bot_in_loop(place, KF_VIEWERS=f"U0MEI,{TRADER}"):
        alert = await alert_of(place)
        assert "bo_example" in await details_shown(place.slack, alert, TRADER)
        assert (await reply(place.slack, alert, "alert.details", "U0TOM")).text.startswith("/kf is for")
        await place.slack.click(alert, "alert.ack", user=TRADER)
        await until(lambda: TRADER in str(place.slack.messages(ALERTS)[0].blocks))


async def test_people_of_the_organisation_act_where_no_other_company_reads_along(sqlite_url):
    async with alerted(sqlite_url, ext_shared=False, organisation=ORGANISATION) as place, bot_in_loop(place):
        alert = await alert_of(place)
        assert "bo_example" in await details_shown(place.slack, alert, COLLEAGUE)
        place.slack.channels[ALERTS].is_ext_shared = True
        place.slack.teams[COLLEAGUE] = "E0ORG"
        assert "bo_example" in await details_shown(place.slack, alert, COLLEAGUE)


async def test_organisation_of_the_app_does_not_admit_people_of_another_company(sqlite_url):
    async with alerted(sqlite_url, organisation=ORGANISATION) as place, bot_in_loop(place):
        alert = await alert_of(place)
        for user in (TRADER, COLLEAGUE):
            said = await reply(place.slack, alert, "alert.details", user)
            assert said.text.startswith("This button is for members")


async def test_answer_warns_while_slack_does_not_name_the_workspace(sqlite_url, caplog):
    async with alerted(sqlite_url) as place, bot_in_loop(place):
        alert = await alert_of(place)
        place.slack.arm("auth.test", error("invalid_auth"))
        said = await reply(place.slack, alert, "alert.details", "U0TOM")
        assert said.text.startswith("Slack does not say whether you belong to the bot's workspace.")
        assert 'membership cannot be checked of="the workspace of the bot token" error=invalid_auth' in caplog.text
        assert "bo_example" in await details_shown(place.slack, alert, "U0TOM")


async def test_slow_lookup_of_the_workspace_delays_no_acknowledgement(sqlite_url):
    async with alerted(sqlite_url) as place, bot_in_loop(place):
        alert = await alert_of(place)
        place.slack.arm("auth.test", slow(0.5))
        clicked = await place.slack.click(alert, "alert.details", user="U0TOM")
        assert clicked.ack.ms < 400
        assert "bo_example" in await modal_text(place.slack, "U0TOM")


async def test_buttons_of_an_answer_need_no_lookup_of_the_workspace(sqlite_url):
    async with alerted(sqlite_url) as place, bot_in_loop(place, ALERTS="off"):
        place.slack.arm("auth.test", error("invalid_auth"))
        said = await (await place.slack.command("show bo@harbour_tea", channel=CARE)).answer()
        refreshed = await place.slack.click(said, "kf.refresh")
        assert (await refreshed.answer()).text.startswith("Expiring: Bo")


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ({"is_ext_shared": False}, False),
        ({"is_ext_shared": True}, True),
        ({}, True),
        ({"is_ext_shared": "no"}, True),
    ],
)
async def test_channel_counts_as_shared_unless_slack_denies_it(channel, expected):
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"ok": True, "channel": {"id": "C1", "name": "a", "is_member": True, **channel}})

    app = web.Application()
    app.router.add_post("/api/conversations.info", answer)
    async with aiohttp.ClientSession() as session, serve(app) as url:
        assert await is_shared_outside(no_retry_client("xoxb-1", f"{url}/api/", session), "C1") is expected


@pytest.mark.parametrize("data", [{}, {"user": "a", "team": "b"}, {"user": "a", "team": "b", "team_id": None}])
async def test_answer_without_a_workspace_is_unknown(data):
    async def odd(_: web.Request) -> web.Response:
        return web.json_response({"ok": True, **data})

    app = web.Application()
    app.router.add_post("/api/auth.test", odd)
    async with aiohttp.ClientSession() as session, serve(app) as url:
        with pytest.raises(UnknownWorkspaceError, match="another shape"):
            await bot_workspace(no_retry_client("xoxb-1", f"{url}/api/", session))


# The simulator, as Slack documents it


async def test_simulated_click_names_the_workspaces_of_person_and_app(sqlite_url):
    async with alerted(sqlite_url, organisation=ORGANISATION) as place, bot_in_loop(place):
        alert = await alert_of(place)
        payload = (await place.slack.click(alert, "alert.details", user=TRADER)).payload
        assert payload["user"]["team_id"] == "T0009"
        assert payload["team"]["id"] == "T0001"
        assert payload["team"]["enterprise_id"] == payload["enterprise"]["id"] == "E0ORG"


async def test_simulated_people_of_another_company_have_no_command_and_click_in_shared_channels_only(sqlite_url):
    async with alerted(sqlite_url, ext_shared=False) as place, bot_in_loop(place):
        alert = await alert_of(place)
        with pytest.raises(LookupError, match="does not see"):
            await place.slack.click(alert, "alert.details", user=TRADER)
        with pytest.raises(LookupError, match="not a valid command"):
            await place.slack.command(user=TRADER)
