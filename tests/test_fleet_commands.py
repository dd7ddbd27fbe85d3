"""`/kf` with several Official Accounts, by the running bot: which account a command means, and who may see it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from bot.demo.slack_simulator import Message
from bot.interactions import fleet_answers
from bot.store.engine import BUSY_SECONDS
from tests.fleets import (
    ACCOUNTS,
    AT_HARBOUR,
    AT_ORCHID,
    BO,
    KIOSK,
    ORCHID,
    SECRETS,
    FleetWorld,
    fleet_world,
    polled,
)
from tests.people import LIN, MEI, TOM, buttons, shown
from tests.running import ALERTS, APPID, CARE, bot_in_loop, final_answer, modal_text, until

pytestmark = [pytest.mark.server, pytest.mark.story]


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[FleetWorld]:
    """Serve three accounts, each with an account `bo` whose invitation is rejected, and one that waits."""
    async with fleet_world(sqlite_url, invited=["bo", "chen"]) as made:
        for appid in SECRETS:
            made.wechat[appid].reject(BO)
        yield made


async def asked(place: FleetWorld, text: str, channel: str = CARE, user: str = MEI) -> Message:
    return await final_answer(await place.slack.command(text, channel=channel, user=user))


async def clicked(place: FleetWorld, message: Message, action_id: str, value: str = "") -> Message:
    return await final_answer(await place.slack.click(message, action_id, value=value or None))


async def test_account_is_named_by_its_handle_or_appid_anywhere_or_the_nearest_is_offered(place):
    async with bot_in_loop(place):
        await polled(place)
        overview = await asked(place, "@harbour")
        assert overview.text.startswith(
            "Harbour Tea · 1 of 2 customer-service accounts needs attention. Rejected: Bo."
        )
        assert (await asked(place, "@harbour list rejected")).text.startswith(
            "Harbour Tea · 1 account is rejected: Bo"
        )
        for text in ("rejected in:orchid", "＠ORCHID rejected", f"{ORCHID} rejected", f"rejected {ORCHID.upper()}"):
            assert (await asked(place, text)).text.startswith("兰花 · 1 account is rejected: Bo"), text
        found = await asked(place, "@kiosk find bo")
        assert found.text.startswith("Night Kiosk · Rejected: Bo (bo@harbour_tea). bo_example declined")
        # The buttons below an answer stay with its account, in any channel.
        listed = await clicked(place, overview, "kf.list")
        assert listed.text.startswith("Harbour Tea · Accounts 1 to 2 of 2")
        # A wrong handle gets the nearest one.
        for word in ("orhcid", "兰花"):
            wrong = await asked(place, f"@{word} rejected")
            assert wrong.text == f"There is no Official Account “{word}” for you here. Did you mean @orchid?"
            assert (await clicked(place, wrong, "kf.list", f"v2:{ORCHID}:overview")).text.startswith("兰花 · ")
        none = await asked(place, "@zzz")
        assert none.text.endswith("for you here. /kf accounts lists those that you may see.")


async def test_handle_may_be_chinese(place):
    accounts = ACCOUNTS.replace('"orchid"', '"兰花"')
    async with bot_in_loop(place, KF_ACCOUNTS=accounts):
        await polled(place)
        assert (await asked(place, "@兰花 已拒绝")).text.startswith("兰花 · 1 account is rejected: Bo")
        assert "Did you mean @兰花?" in (await asked(place, "@兰花茶")).text


async def test_hidden_account_is_answered_like_one_that_does_not_exist(place):
    accounts = ACCOUNTS + f'viewers = ["{LIN}"]\n'
    async with bot_in_loop(place, KF_ACCOUNTS=accounts):
        await polled(place)
        about_one = ("@orchid", "rejected in:orchid", ORCHID, "@orchid status", "in:orchid show bo")
        for text in (*about_one, "@orchid history", "@orchid help", "@orchid add", "@orchid invite bo bo_new"):
            word, other = (ORCHID, "wx9999999999999999") if text == ORCHID else ("orchid", "absent")
            hidden = await asked(place, text, user=TOM)
            absent = await asked(place, text.replace(word, other), user=TOM)
            assert hidden.text.startswith(f"There is no Official Account “{word}” for you here. /kf accounts lists")
            assert (hidden.text, shown(hidden)) == (
                absent.text.replace(other, word),
                shown(absent).replace(other, word),
            )
        for text in ("", "accounts", "accounts orchid", "all rejected", "status", "find bo", "help", "@orchi"):
            answer = await asked(place, text, user=TOM)
            text_of_answer = f"{answer.text} {shown(answer)}".replace("“orchid”", "").replace("“orchi”", "")
            assert not any(word in text_of_answer for word in ("orchid", "兰花", ORCHID)), text
        assert (await asked(place, "@orchid", user=LIN)).text.startswith("兰花 · 1 of 2")
        # Who writes in the channel of an account is a member of it.
        listed = await asked(place, "", AT_ORCHID, user=TOM)
        assert listed.text.startswith("兰花 · 1 of 2 customer-service accounts needs attention")
        assert (await clicked(place, listed, "kf.list")).text.startswith("兰花 · Accounts 1 to 2 of 2")


async def test_person_who_may_see_no_account_is_refused(place):
    async with bot_in_loop(place, KF_VIEWERS=LIN):
        for text in ("", "accounts", "status", "find bo"):
            answer = await asked(place, text, user=TOM)
            assert answer.text.startswith(f"/kf is for <@{LIN}>."), text
        mine = await asked(place, "status", user=LIN)
        # The right to see them is taken away; the old answer and its button are still there.
    async with bot_in_loop(place, KF_VIEWERS=TOM):
        for action_id in buttons(mine):
            refused = await final_answer(await place.slack.click(mine, action_id, user=LIN))
            assert refused.text.startswith(f"/kf is for <@{TOM}>."), action_id


async def test_states_of_all_accounts_are_not_known_without_alerts(place):
    async with bot_in_loop(place, ALERTS="off"):
        answer = await asked(place, "all rejected")
        assert answer.text.startswith("Alerts are off, so no accounts are stored. Read one Official Account,")


async def test_locked_database_is_answered_soon(place, tmp_path, monkeypatch):
    monkeypatch.setattr(fleet_answers, "STORE_SECONDS", 0.1)
    async with bot_in_loop(place):
        await polled(place)
        locking = sqlite3.connect(tmp_path / "kf.db", isolation_level=None, check_same_thread=False)
        with closing(locking) as other:
            await asyncio.to_thread(other.execute, "BEGIN EXCLUSIVE")
            for text in ("accounts", "all rejected"):
                began = time.monotonic()
                answer = await asked(place, text)
                assert time.monotonic() - began < BUSY_SECONDS, text
                assert answer.text.startswith("The database does not answer."), text


async def test_channel_decides_which_accounts_a_command_without_a_handle_means(place):
    async with bot_in_loop(place):
        await polled(place)
        assert (await asked(place, "", AT_ORCHID)).text.startswith("兰花 · 1 of 2 customer-service accounts")
        assert (await asked(place, "find bo", AT_ORCHID)).text.startswith("兰花 · Rejected: Bo")
        both = await asked(place, "", AT_HARBOUR)
        assert both.text.startswith(
            "2 Official Accounts · 2 need attention: Harbour Tea (1 rejected), Night Kiosk (1 rejected). From the"
        )
        every = await asked(place, "")
        assert every.text.startswith(
            "3 Official Accounts · 3 need attention: Harbour Tea (1 rejected), Night Kiosk"
        )
        ambiguous = await asked(place, "find bo")
        assert ambiguous.text == (
            "Which Official Account do you mean? "
            "Type one of these: /kf @harbour find bo, /kf @kiosk find bo, /kf @orchid find bo."
        )
        assert "@orchid" not in (await asked(place, "find bo", AT_HARBOUR)).text
        mistyped = await asked(place, "rejcted", AT_HARBOUR)
        assert mistyped.text.startswith("Showing /kf rejected. 2 accounts are rejected: ")
        # A refresh keeps to the accounts of the channel, and a row leads to its own.
        assert (await clicked(place, both, "kf.refresh")).text.startswith("2 Official Accounts")
        rejected = await asked(place, "rejected", AT_HARBOUR)
        assert rejected.text.startswith("2 accounts are rejected: ")
        assert (await clicked(place, rejected, "kf.refresh")).text.startswith("2 accounts are rejected: ")
        await until(lambda: place.texts(AT_ORCHID))
        assert (await asked(place, "status")).text.startswith("3 Official Accounts · Working normally.")
        assert (await asked(place, "@harbour status")).text.startswith("Harbour Tea · Working normally.")
        assert (await asked(place, "status", AT_ORCHID)).text.startswith("兰花 · Working normally.")
        assert "<#C0ORCHID>" in shown(await asked(place, "status", AT_ORCHID))
        status = await asked(place, "status", AT_HARBOUR)
        assert (await clicked(place, status, "kf.refresh")).text.startswith("2 Official Accounts")
        opened = await clicked(place, every, "kf.list", f"v2:{KIOSK}:overview")
        assert opened.text.startswith("Night Kiosk · 1 of 2 customer-service accounts needs attention.")


async def test_accounts_are_listed_and_chosen_by_state_and_by_name(place):
    async with bot_in_loop(place):
        await polled(place)
        every = await asked(place, "accounts", AT_ORCHID)
        assert every.text.startswith("3 Official Accounts · 3 need attention")
        assert (await clicked(place, every, "kf.refresh")).text.startswith("3 Official Accounts")
        one = await asked(place, "accounts kiosk")
        assert one.text.startswith("1 Official Account matches “kiosk”: Night Kiosk (1 rejected).")
        assert (await asked(place, "公众号 兰花")).text.startswith("1 Official Account matches “兰花”: 兰花")
        none = await asked(place, "accounts expired")
        assert none.text.startswith("No Official Account has accounts that are expired.")
        assert (await clicked(place, none, "kf.refresh")).text.startswith("3 Official Accounts")
        rejected = await asked(place, "all rejected")
        assert rejected.text.startswith("3 accounts are rejected: ")
        assert all(name in rejected.text for name in ("Bo (Harbour Tea)", "Bo (Night Kiosk)", "Bo (兰花)"))
        await place.slack.click(rejected, "kf.open", option=f"v2:{ORCHID}:show:bo@harbour_tea")
        details = await modal_text(place.slack, MEI)
        assert "*兰花*" in details
        assert "bo_example declined the invitation" in details


async def test_pages_of_an_overview_are_turned(place):
    for number in range(11):
        place.invite(KIOSK, f"kf{number}")
        place.wechat[KIOSK].reject(f"kf{number}@harbour_tea")
    async with bot_in_loop(place):
        await polled(place)
        first = await asked(place, "rejected", AT_HARBOUR)
        assert "13 accounts are rejected · 1–10" in shown(first)
        second = await clicked(place, first, "kf.page.next")
        assert "13 accounts are rejected · 11–13" in shown(second)
        assert "kf.page.next" not in buttons(second)
        assert "13 accounts are rejected · 1–10" in shown(await clicked(place, second, "kf.page.prev"))


async def test_help_says_how_to_name_an_account(place):
    async with bot_in_loop(place, KF_OPERATORS=LIN):
        guide = await asked(place, "help")
        assert "/kf @harbour and any of these: one of them." in guide.text
        assert "`/kf accounts` – the Official Accounts, worst first" in shown(guide)
        about_find = await asked(place, "find")
        assert about_find.text.startswith("/kf find searches names")
        assert (await clicked(place, about_find, "kf.help")).text == guide.text
        assert "`/kf @orchid`" in shown(await asked(place, "help", AT_ORCHID))
        assert "/kf invite" not in shown(guide)
        assert "/kf invite" in shown(await asked(place, "help", user=LIN))


async def test_account_of_the_environment_is_one_of_them(sqlite_url):
    async with fleet_world(sqlite_url, own=True) as place:
        place.invite(APPID, "bo")
        async with bot_in_loop(place):
            await polled(place)
            assert (await asked(place, "@wxabcdef")).text.startswith("@wxabcdef · Nothing needs attention")
            assert (await asked(place, "", ALERTS)).text.startswith("@wxabcdef · Nothing needs attention")
            assert (await asked(place, "")).text.startswith("4 Official Accounts")
