"""The modal with the details of an account, by the running bot: its ways in, its refresh and its history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.demo.slack_simulator import View, error
from bot.interactions import view_answers
from tests.people import CHEN, LIN, alert_of, buttons, care_team, fields, modal, rejection, shown, typed
from tests.running import ALERTS, CARE, World, bot_in_loop, until
from wechat_kf import protocol
from wechat_kf.simulator import Fault, FaultMode

pytestmark = [pytest.mark.server, pytest.mark.story]


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[World]:
    async with care_team(sqlite_url) as made:
        yield made


async def details(place: World, words: str = "declined the invitation") -> View:
    """Press Details on the alert, and wait for the modal to show the account."""
    clicked = await place.slack.click(alert_of(place), "alert.details", user=LIN)
    assert (clicked.ack.status, clicked.ack.body) == (200, "")
    view = await modal(place, words)
    assert clicked.answers() == []
    return view


def first_option(blocks: object, action_id: str) -> str:
    for block in blocks:
        for element in block.get("elements", ()):
            if element.get("action_id") == action_id:
                return str(element["options"][0]["value"])
    raise LookupError(action_id)


async def test_details_are_refreshed_in_place_and_history_and_form_lie_on_top(place):
    async with bot_in_loop(place):
        await rejection(place)
        view = await details(place)
        assert (view.title, buttons(view)) == (
            "Account details",
            ["op.invite", "kf.refresh", "kf.history", "link.console"],
        )
        assert "chen_example declined the invitation" in shown(view)
        await place.slack.click_in_modal("kf.refresh", user=LIN)
        await until(lambda: place.slack.modal(LIN).hash != view.hash)
        again = await modal(place, "chen_example declined")
        assert (again.id, len(place.slack.views.modals[LIN])) == (view.id, 1)
        await place.slack.click_in_modal("kf.history", user=LIN)
        history = await modal(place, "History of")
        assert (history.previous_view_id, "kf.show" in buttons(history)) == (view.id, False)
        await place.slack.close_modal(user=LIN)
        await place.slack.click_in_modal("op.invite", user=LIN)
        form = await fields(place)
        assert form.previous_view_id == view.id
        await place.slack.submit({"wx": "chen_new"}, user=LIN)
        await modal(place, "Invitation sent")
        await place.slack.close_modal(user=LIN)
        assert LIN not in place.slack.views.modals  # one Close ends all
        await until(lambda: "✉️ *Chen* · invited again" in shown(alert_of(place)))


async def test_history_turns_its_pages_in_the_view_on_top(place, monkeypatch):
    async with bot_in_loop(place):
        await rejection(place)
        for number in range(11):
            await typed(place, f"rename chen Chen {number}")
            await place.slack.submit(user=LIN)
            await modal(place, f"is now Chen {number}.")
            await place.slack.close_modal(user=LIN)
        for at_once in (10.0, 0.0):  # shown when it is there, or announced first
            monkeypatch.setattr(view_answers, "AT_ONCE", at_once)
            view = await details(place)
            await place.slack.click_in_modal("kf.history", user=LIN)
            first = await modal(place, "History of")
            assert buttons(first) == ["kf.page.next"]
            await place.slack.click_in_modal("kf.page.next", user=LIN)
            second = await modal(place, "Prev")
            assert (second.id, second.previous_view_id) == (first.id, view.id)
            assert len(place.slack.views.modals[LIN]) == 2
            for _ in range(2):
                await place.slack.close_modal(user=LIN)


async def test_names_in_lists_open_the_details(place):
    async with bot_in_loop(place):
        await rejection(place)
        listed = await (await place.slack.command("list", channel=CARE, user=LIN)).answer()
        clicked = await place.slack.click(
            listed, "kf.open", option=first_option(listed.blocks, "kf.open"), user=LIN
        )
        assert "Account details" in (await modal(place, "chen_example")).title
        assert clicked.answers() == []
        await place.slack.close_modal(user=LIN)
        near = await (await place.slack.command("show chenn", channel=CARE, user=LIN)).answer()
        await place.slack.click(near, "kf.show", user=LIN)
        await modal(place, "declined the invitation")
        await place.slack.close_modal(user=LIN)
        # Typed, they stay beside the conversation.
        answer = await (await place.slack.command("show chen", channel=CARE, user=LIN)).answer()
        assert answer.text.startswith("Rejected: Chen")
    assert LIN not in place.slack.views.modals


async def test_details_without_a_modal_are_an_ephemeral_answer(place):
    async with bot_in_loop(place):
        alert = await rejection(place)
        for code in ("expired_trigger_id", "internal_error"):
            place.slack.arm("views.open", error(code))
            answer = await (await place.slack.click(alert, "alert.details", user=LIN)).answer()
            assert (answer.only_for, answer.channel) == (LIN, ALERTS)
            assert "chen_example declined the invitation" in answer.text
    assert LIN not in place.slack.views.modals


async def test_read_of_the_last_minutes_is_shown_while_wechat_is_slow(place):
    async with bot_in_loop(place):
        await rejection(place)
        await details(place)
        await place.slack.close_modal(user=LIN)
        await asyncio.sleep(5)  # reads of WeChat are shared for five seconds
        place.wechat.rename(CHEN, "Chen Yi")
        place.wechat.inject(Fault(FaultMode.SLOW, times=None, path=protocol.KF_LIST, seconds=2))
        began = asyncio.get_running_loop().time()
        await place.slack.click(alert_of(place), "alert.details", user=LIN)
        reading = await modal(place, "Reading from WeChat…")
        early = await modal(place, "declined the invitation")
        assert 0.8 < asyncio.get_running_loop().time() - began < 2
        assert "Chen Yi" not in shown(early)
        late = await modal(place, "Chen Yi")
        place.wechat.clear_faults()
    assert reading.id == early.id == late.id
    assert [call.arguments.get("hash") for call in place.slack.calls if call.method == "views.update"][-2:] == [
        reading.hash,
        early.hash,
    ]


async def test_details_show_the_stored_data_while_wechat_fails(place):
    async with bot_in_loop(place):
        await rejection(place)
        place.wechat.inject(Fault(FaultMode.ERRCODE, times=None, errcode=48001, path=protocol.KF_LIST))
        view = await details(place, "so this is what was known last")
        assert "chen_example" in shown(view)
        # A closed modal is forgotten.
        place.wechat.clear_faults()
        place.wechat.inject(Fault(FaultMode.SLOW, times=None, path=protocol.KF_LIST, seconds=1))
        await place.slack.close_modal(user=LIN)
        await place.slack.click(alert_of(place), "alert.details", user=LIN)
        await modal(place, "Reading from WeChat…")
        await place.slack.close_modal(user=LIN)
        await until(lambda: any(call.error == "not_found" for call in place.slack.calls))
    assert LIN not in place.slack.views.modals
