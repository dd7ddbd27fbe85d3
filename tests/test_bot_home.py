"""App Home, by the running bot: events, boards and clicks over signed HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.demo.slack_simulator import RESPONSE_URL, View, error, slow, view_payloads
from tests.people import CHEN, LIN, MEI, TOM, buttons, care_team, modal, rejection, shown
from tests.running import ALERTS, NOWHERE, World, bot_in_loop, until, utc_now
from wechat_kf import protocol
from wechat_kf.simulator import Fault, FaultMode

pytestmark = [pytest.mark.server, pytest.mark.story]

READING = "Reading from WeChat…"


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[World]:
    async with care_team(sqlite_url) as made:
        yield made


async def board(place: World, words: str, user: str = LIN, within: float = 20) -> View:
    """Wait until the Home of a person has these words."""
    homes = place.slack.views.homes
    try:
        await until(lambda: user in homes and words in shown(homes[user]), within)
    except TimeoutError:
        raise AssertionError(f"no {words!r} in {shown(homes[user]) if user in homes else 'no board'}") from None
    return homes[user]


async def opens(place: World, user: str = LIN) -> None:
    acks = await place.slack.open_home(user=user)
    assert [(ack.status, ack.body) for ack in acks] == [(200, "")]


def published(place: World, user: str = LIN) -> list[dict[str, Any]]:
    """Return the arguments of each publish to a person, in order."""
    calls = [call for call in place.slack.calls if call.method == "views.publish"]
    return [dict(call.arguments) for call in calls if call.arguments["user_id"] == user]


def menu(view: View, action_id: str, words: str) -> str:
    """Return the value of an option."""
    parts = [part for block in view.blocks for part in block.get("elements", ())]
    (select,) = [part for part in parts if part.get("action_id") == action_id]
    return next(str(one["value"]) for one in select["options"] if words in one["text"]["text"])


async def test_board_follows_the_event_and_the_clicks_of_two_people(place):
    async with bot_in_loop(place):
        await rejection(place)
        await asyncio.gather(opens(place, LIN), opens(place, TOM))
        operator, other = await board(place, "*Chen* · rejected"), await board(place, "*Chen* · rejected", TOM)
        assert ("op.add" in buttons(operator), "op.add" in buttons(other)) == (True, False)
        # Filter, refresh, and the tab opened again.
        choice = menu(operator, "home.filter", "All")
        await place.slack.click_in_home("home.filter", option=choice, user=LIN)
        listed = await board(place, "*Anna* · bound")
        number = len(published(place))
        await place.slack.click_in_home("home.refresh", user=LIN)
        await until(lambda: len(published(place)) > number)
        assert "*Anna* · bound" in shown(place.slack.home(LIN))
        number = len(published(place))
        await opens(place)
        await until(lambda: len(published(place)) > number)
        assert "*Anna* · bound" in shown(place.slack.home(LIN))
        assert "*Anna* · bound" not in shown(place.slack.home(TOM))
        assert listed.id == operator.id
        # Details and Help open modals; the board has no place for answers.
        await place.slack.click_in_home("kf.show", value="v1:show:chen@harbour_tea", user=LIN)
        assert (await modal(place, "chen_example declined the invitation")).title == "Account details"
        await place.slack.close_modal(user=LIN)
        await place.slack.click_in_home("kf.help", user=LIN)
        await modal(place, "What /kf can do")
        await place.slack.close_modal(user=LIN)
        await place.slack.click_in_home("op.add", user=LIN)
        await modal(place, "of 100 accounts exist")
        await place.slack.close_modal(user=LIN)
        # An acknowledgement by another person appears without a click.
        await place.slack.click(place.slack.messages(ALERTS)[0], "alert.ack", user=TOM)
        await board(place, f"acknowledged by <@{TOM}>")
        mine = menu(place.slack.home(TOM), "home.filter", "In your hands (")
        await place.slack.click_in_home("home.filter", option=mine, user=TOM)
        await until(lambda: "mine" in place.slack.home(TOM).content["private_metadata"])
        assert "*Chen* · rejected" in shown(place.slack.home(TOM))
    assert not [call for call in place.slack.calls if call.method == RESPONSE_URL]


async def test_pages_of_many_accounts_are_turned_and_kept(place):
    for number in range(45):
        place.wechat.reject(place.invite(f"kf{number}", nick=f"Kf {number:02}"))
    async with bot_in_loop(place):
        await opens(place)
        first = await board(place, "45 of 48 accounts need attention")
        assert ("home.page.prev" in buttons(first), "home.page.next" in buttons(first)) == (False, True)
        await place.slack.click_in_home("home.page.next", user=LIN)
        second = await board(place, "*Kf 20*")
        assert "*Kf 00*" not in shown(second)
        number = len(published(place))
        await place.slack.click_in_home("home.refresh", user=LIN)
        await until(lambda: len(published(place)) > number)
        assert "*Kf 20*" in shown(place.slack.home(LIN))


async def test_language_of_the_menu_stays_for_every_answer(place):
    async with bot_in_loop(place):
        await opens(place)
        choice = menu(await board(place, "The bot"), "home.language", "中文")
        await place.slack.click_in_home("home.language", option=choice, user=LIN)
        await board(place, "本应用")
        number = len(published(place))
        await place.slack.click_in_home("home.refresh", user=LIN)
        await until(lambda: len(published(place)) > number)
        assert "本应用" in shown(place.slack.home(LIN))
        await place.slack.click_in_home("op.add", user=LIN)
        assert (await modal(place, "客服昵称")).title == "添加客服账号"
    # Another process reads the choice from the store.
    async with bot_in_loop(place):
        said = await place.slack.command("status", channel=ALERTS, user=LIN)
        assert (await said.answer()).text.startswith("运行正常")


async def test_event_is_acknowledged_and_answered_while_wechat_is_slow(place):
    place.wechat.inject(Fault(FaultMode.SLOW, path=protocol.KF_LIST, seconds=9))
    loop = asyncio.get_running_loop()
    async with bot_in_loop(place, ALERTS="off"):
        began = loop.time()
        await opens(place)
        assert loop.time() - began < 0.5
        first = await board(place, READING, within=1)
        assert loop.time() - began < 1
        second = await board(place, "Nothing needs attention", within=15)
        assert loop.time() - began > 9
    assert [one.get("hash") for one in published(place)] == [None, first.hash]
    assert second.id == first.id


async def test_person_who_may_not_read_never_receives_a_name(place):
    async with bot_in_loop(place, KF_VIEWERS=TOM, KF_OPERATORS=LIN):
        await rejection(place)
        await opens(place, MEI)
        refused = await board(place, "This board is not open to everybody here", MEI)
        assert {"kf.help", "home.language"} <= set(buttons(refused))
        await place.slack.click_in_home("kf.help", user=MEI)
        await until(lambda: MEI in place.slack.views.modals)
        await asyncio.gather(opens(place, TOM), opens(place, LIN))
        await board(place, "*Chen* · rejected", TOM)
        await board(place, "*Chen* · rejected", LIN)
    sent = str(published(place, MEI)) + str(place.slack.views.modals[MEI])
    assert not any(word in sent for word in ("Chen", "Anna", "harbour_tea", "chen_example"))


async def test_unknown_permission_can_be_tried_again(sqlite_url):
    async with care_team(sqlite_url, usergroups={"S0CARE": (MEI,)}) as place:
        place.slack.arm("usergroups.users.list", slow(5))
        async with bot_in_loop(place, KF_VIEWERS="S0CARE"):
            await opens(place, MEI)
            await board(place, "Slack does not say who may use /kf", MEI, within=3)
            assert "harbour_tea" not in str(published(place, MEI))
            place.slack.disarm("usergroups.users.list")

            async def is_permitted() -> bool:
                if "The bot" not in str(published(place, MEI)[-1]):
                    await place.slack.click_in_home("home.refresh", user=MEI)
                    await asyncio.sleep(1)  # the call of before is still waited for
                return "The bot" in str(published(place, MEI)[-1])

            await until(is_permitted)


async def test_late_trigger_in_home_causes_no_message_and_works_at_the_next_click(place):
    late = timedelta(0)
    place.slack.trigger_clock = lambda: utc_now() + late
    async with bot_in_loop(place):
        await rejection(place)
        await opens(place)
        await board(place, "*Chen* · rejected")

        def pass_time(_: object) -> None:
            nonlocal late
            late += timedelta(seconds=4)

        place.slack.watch("views.open", "arrived", pass_time)
        for action_id in ("kf.show", "kf.help", "op.add"):
            number = len([call for call in place.slack.calls if call.error == "expired_trigger_id"])
            await place.slack.click_in_home(action_id, user=LIN)
            await until(lambda n=number: len([c for c in place.slack.calls if c.error == "expired_trigger_id"]) > n)
        place.slack._watchers.clear()
        await place.slack.click_in_home("kf.show", user=LIN)
        await modal(place, "chen_example declined")
    assert not [call for call in place.slack.calls if call.method == RESPONSE_URL]
    assert [one.only_for for one in place.slack.messages(ALERTS)] == [None]


async def test_event_that_slack_repeats_publishes_again_without_harm(place):
    async with bot_in_loop(place):
        await opens(place)
        await board(place, "The bot")
        event = view_payloads.home_opened(place.slack, LIN, "home")
        for number in (1, 2, 3):
            second = int(time.time())
            await until(
                lambda second=second: time.time() > second + 1
            )  # Slack signs each repetition at its own time
            before = len(published(place))
            assert (await place.slack._send_once(event, (number, "http_timeout"))).status == 200
            await until(lambda before=before: len(published(place)) > before)
        assert "The bot" in shown(place.slack.home(LIN))
    assert {call.error for call in place.slack.calls if call.method == "views.publish"} <= {None, "hash_conflict"}


async def test_request_url_is_verified_and_other_tabs_are_acknowledged(place):
    async with bot_in_loop(place):
        assert await place.slack.verify_url()
        for tab in ("messages", "about"):
            assert [ack.status for ack in await place.slack.open_home(user=LIN, tab=tab)] == [200]
    assert published(place) == []


async def test_board_reports_wechat_and_the_database_that_are_down(place):
    async with bot_in_loop(place):
        await rejection(place)
        await opens(place)
        await board(place, "*Chen* · rejected")
        place.wechat.inject(Fault(FaultMode.ERRCODE, times=None, errcode=48001, path=protocol.KF_LIST))
        await asyncio.sleep(5)  # reads of WeChat are shared for five seconds
        await place.slack.click_in_home("home.refresh", user=LIN)
        down = await board(place, "so this is as of")
        assert "*Chen* · rejected" in shown(down)
        assert "Try again" in shown(down)
    place.wechat.clear_faults()
    async with bot_in_loop(place, DATABASE_URL=NOWHERE):
        await opens(place)
        await board(place, "The database does not answer")
        assert "*Chen* · rejected" in shown(place.slack.home(LIN))


async def test_home_that_is_switched_off_costs_nothing(place, caplog):
    place.slack.arm("views.publish", error("not_enabled"))
    async with bot_in_loop(place):
        await opens(place)
        await until(lambda: "App Home is switched off" in caplog.text)
        await opens(place, TOM)
        said = await place.slack.command("show chen", channel=ALERTS, user=TOM)
        assert (await said.answer()).text.startswith("Waiting: Chen")
    assert published(place, TOM) == []
    assert CHEN in {seat.kf_account for seat in place.wechat.seats}
