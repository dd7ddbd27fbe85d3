"""Several Official Accounts in one bot, end to end: each has its own alerts, people, operations and faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import aiohttp
import pytest

from bot.delivery.dependencies import HOLD
from bot.demo.slack_simulator import Message, View
from bot.runtime.logs import LineFormatter
from tests.fleets import (
    ACCOUNTS,
    AT_HARBOUR,
    AT_ORCHID,
    BO,
    CHEN,
    HARBOUR,
    KIOSK,
    ORCHID,
    SECRETS,
    FleetWorld,
    fleet_world,
    polled,
)
from tests.people import EVE, LIN, MEI, TOM, shown
from tests.running import ALERTS, APPID, CARE, bot_in_loop, final_answer, modal_text, until, utc_now
from wechat_kf import protocol, writes
from wechat_kf.simulator import Fault, FaultMode

pytestmark = [pytest.mark.server, pytest.mark.story]

NAMES = {HARBOUR: "Harbour Tea", KIOSK: "Night Kiosk", ORCHID: "兰花"}


@pytest.fixture
async def place(store_url: str) -> AsyncIterator[FleetWorld]:
    """Serve three accounts with the same people, accounts and deadlines."""
    async with fleet_world(store_url, invited=["bo", "chen"], may_mention={f"<@{LIN}>"}) as made:
        made.slack.add_person(LIN, "lin")
        for appid in SECRETS:
            made.wechat[appid].add_account(EVE, "Eve")
        yield made


async def rejections(place: FleetWorld, key: str = BO, appids: tuple[str, ...] = tuple(SECRETS)) -> None:
    """Let the same person reject the invitation of each account, and wait for the alerts."""
    expected = len(posted(place)) + len(appids)
    await polled(place)
    for appid in appids:
        place.wechat[appid].reject(key)
    await until(lambda: len(posted(place)) >= expected)


def posted(place: FleetWorld) -> list[Message]:
    return [*place.slack.messages(AT_HARBOUR), *place.slack.messages(AT_ORCHID)]


def alert(place: FleetWorld, appid: str) -> Message:
    """Return the first message of an account."""
    return next(one for one in posted(place) if one.text.startswith(f"{NAMES[appid]} · "))


def written(place: FleetWorld) -> dict[str, list[str]]:
    """Return the path of each write that reached WeChat, by AppID."""
    accounts = place.wechat.accounts.items()
    paths = {appid: [call.path for call in account.log if call.path in writes.PATHS] for appid, account in accounts}
    return {appid: found for appid, found in paths.items() if found}


async def body(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


# Alerts


async def test_alerts_of_each_account_begin_with_its_name_and_are_acknowledged_alone(place):
    async with bot_in_loop(place):
        await rejections(place)
        at_harbour, at_orchid = place.slack.messages(AT_HARBOUR), place.slack.messages(AT_ORCHID)
        other = alert(place, KIOSK)
        await place.slack.click(alert(place, HARBOUR), "alert.ack", user=TOM)
        await until(lambda: f"Acknowledged by <@{TOM}>" in shown(alert(place, HARBOUR)))
        await until(lambda: len(posted(place)) == 4)
        await polled(place)
        said = await place.slack.command("all rejected", channel=CARE, user=MEI)
        listed = shown(await said.answer())
    assert alert(place, KIOSK) == other
    (reply,) = (one for one in posted(place) if one.thread_ts)
    assert reply.thread_ts == alert(place, HARBOUR).ts
    assert reply.text.startswith("Harbour Tea · Acknowledged by Tom: Bo")
    assert listed.count("acknowledged by") == 1
    assert sorted(one.text.split(" (")[0] for one in at_harbour) == [
        "Harbour Tea · Rejected: Bo",
        "Night Kiosk · Rejected: Bo",
    ]
    assert [one.text.split("（")[0] for one in at_orchid] == ["兰花 · 已拒绝：Bo"]
    for one in (*at_harbour, *at_orchid):
        name = one.text.split(" · ")[0]
        assert one.blocks[0]["text"]["text"].startswith(f"⛔ {name} · Bo · ")
        assert shown(one).count(name) == 1
        (appid,) = {value.split(":")[1] for value in _values(one)}
        assert NAMES[appid] == name


def _values(message: Message) -> list[str]:
    return [part["value"] for block in message.blocks for part in block.get("elements", ()) if "value" in part]


async def test_bound_and_reminded_people_with_equal_names_do_not_mix(place):
    async with bot_in_loop(place):
        await rejections(place, BO, (HARBOUR, KIOSK))
        place.wechat[KIOSK].invite(BO, "bo_other", utc_now() + timedelta(days=2))
        await until(lambda: "invited again" in shown(alert(place, KIOSK)), within=20)
        place.wechat[KIOSK].accept(BO)
        said = await place.slack.command("@harbour show bo", channel=CARE, user=MEI)
        assert (await final_answer(said)).text.startswith("Harbour Tea · Rejected: Bo (bo@harbour_tea). bo_example")
        said = await place.slack.command("@kiosk show bo", channel=CARE, user=MEI)
        assert (await final_answer(said)).text.startswith("Night Kiosk · Bound: Bo (bo@harbour_tea)")
        assert "bo_other" not in shown(alert(place, HARBOUR))
        assert "invited again" not in shown(alert(place, HARBOUR))
    assert place.slack.messages(AT_ORCHID) == []


async def test_accounts_of_one_channel_take_turns_in_a_storm(place):
    numbers = {HARBOUR: 3, KIOSK: 2}  # more at once would be one message
    for appid, number in numbers.items():
        place.invite(appid, *(f"kf{one}" for one in range(number)))
    async with bot_in_loop(place):
        await polled(place)
        for appid, number in numbers.items():
            for one in range(number):
                place.wechat[appid].reject(f"kf{one}@harbour_tea")
        await until(lambda: len(place.texts(AT_HARBOUR)) == 5)
    names = [text.split(" · ")[0] for text in place.texts(AT_HARBOUR)]
    moments = [float(one.ts) for one in place.slack.messages(AT_HARBOUR)]
    assert len(set(names[:3])) == 2, names
    assert all(later - earlier > 0.9 for earlier, later in pairwise(moments)), moments
    assert moments[-1] - moments[0] < 12


# Operations


@pytest.mark.both_stores
async def test_operation_from_an_alert_changes_only_its_account(place):
    async with bot_in_loop(place, KF_OPERATORS=LIN):
        await rejections(place)
        await place.slack.click(alert(place, ORCHID), "op.invite", user=LIN)
        form = await _form(place)
        assert shown(form).count("兰花") == 1
        assert form.blocks[0]["elements"][0]["text"] == "*兰花*"
        sent = await place.slack.submit({"wx": "bo_new"}, user=LIN)
        assert (sent.errors, sent.failure) == ({}, "")
        assert "*兰花*" in await modal_text(place.slack, LIN)
        await until(lambda: "已重新邀请" in shown(alert(place, ORCHID)), within=20)
        await place.slack.close_modal(user=LIN)
        histories = {}
        for handle in ("harbour", "orchid"):
            said = await place.slack.command(f"@{handle} history", channel=CARE, user=LIN)
            histories[handle] = (await said.answer()).text
    assert written(place) == {ORCHID: [writes.INVITE]}
    assert histories["harbour"] == "Harbour Tea · Nobody has changed an account through this bot."
    assert histories["orchid"].startswith("兰花 · What people changed: Invited again by Lin")
    assert all("invited again" not in shown(alert(place, appid)) for appid in (HARBOUR, KIOSK))


async def _form(place: FleetWorld) -> View:
    await until(lambda: (view := place.slack.views.visible(LIN)) is not None and "submit" in view.content, 20)
    return place.slack.modal(LIN)


async def test_account_is_added_to_the_one_that_the_command_names(place):
    async with bot_in_loop(place, KF_OPERATORS=LIN):
        await polled(place)
        said = await place.slack.command("@kiosk add fay Fay", channel=AT_ORCHID, user=LIN)
        assert (said.ack.status, said.ack.body) == (200, "")
        assert "*Night Kiosk*" in shown(await _form(place))
        await place.slack.submit(user=LIN)
        await until(lambda: "Account added" in shown(place.slack.modal(LIN)))
        # The next form, on top of the result, is of the same account.
        await place.slack.click_in_modal("op.invite", user=LIN)
        assert "*Night Kiosk*" in shown(await _form(place))
        await place.slack.submit({"wx": "fay_example"}, user=LIN)
        await until(lambda: "Fay waits for fay_example" in shown(place.slack.modal(LIN)))
        await until(lambda: len(place.texts(AT_HARBOUR)) == 2)
        # A person who is not an operator is refused by the account that is named.
        said = await place.slack.command("@kiosk add gus Gus", channel=CARE, user=TOM)
        assert (await said.answer()).text.startswith("Night Kiosk · ")
    assert written(place) == {KIOSK: [writes.ADD, writes.INVITE]}
    assert place.texts(AT_HARBOUR)[0] == "Night Kiosk · Added by Lin: Fay (fay@harbour_tea)."
    assert place.texts(AT_ORCHID) == []


async def test_form_of_an_account_that_is_gone_changes_no_other(place):
    async with bot_in_loop(place, KF_OPERATORS=LIN):
        await polled(place)
        await place.slack.command("@kiosk delete eve", channel=CARE, user=LIN)
        await _form(place)
    without = "[[account]]".join(part for part in ACCOUNTS.split("[[account]]") if KIOSK not in part)
    async with bot_in_loop(place, KF_OPERATORS=LIN, KF_ACCOUNTS=without):
        refused = await place.slack.submit({"typed": EVE}, user=LIN)
        assert any("out of date" in words for words in refused.errors.values()), refused
    assert written(place) == {}


# App Home


async def _board(place: FleetWorld, words: str, user: str = LIN) -> View:
    homes = place.slack.views.homes
    await until(lambda: user in homes and words in shown(homes[user]), 20)
    return homes[user]


def _offered(board: View) -> list[str]:
    return [option["text"]["text"] for option in board.blocks[0]["accessory"]["options"]]


async def test_home_shows_one_account_and_its_menu_switches(place):
    async with bot_in_loop(place, KF_OPERATORS=LIN):
        await rejections(place, BO, (HARBOUR,))
        await place.slack.open_home(user=LIN)
        first = await _board(place, "1 of 3 accounts needs attention")
        assert _offered(first) == ["Harbour Tea", "Night Kiosk", "兰花"]
        assert first.blocks[0]["accessory"]["initial_option"]["text"]["text"] == "Harbour Tea"
        await place.slack.click_in_home("home.account", option=f"v2:{ORCHID}", user=LIN)
        second = await _board(place, "Nothing needs attention")
        assert second.blocks[0]["accessory"]["initial_option"]["text"]["text"] == "兰花"
        # Everything on the board is of that account, and it is still there the next time.
        await place.slack.click_in_home("op.add", user=LIN)
        assert "*兰花*" in await modal_text(place.slack, LIN)
        await place.slack.close_modal(user=LIN)
        before = place.slack.view_calls["views.publish"]
        await place.slack.open_home(user=LIN)
        await until(lambda: place.slack.view_calls["views.publish"] > before)
        assert "兰花" in shown(place.slack.home(LIN))
        # A change appears on the boards of its account alone.
        await rejections(place, BO, (ORCHID,))
        await _board(place, "*Bo* · rejected")


async def test_language_that_a_person_chooses_holds_for_every_account(place):
    async with bot_in_loop(place):
        await place.slack.open_home(user=LIN)
        await _board(place, "The bot")
        await place.slack.click_in_home("home.language", option=f"v2:{HARBOUR}:zh", user=LIN)
        await _board(place, "本应用")
        await place.slack.click_in_home("home.account", option=f"v2:{ORCHID}", user=LIN)
        await until(lambda: ORCHID in place.slack.home(LIN).content["private_metadata"])
        assert "*公众号*" in shown(place.slack.home(LIN))
        said = await place.slack.command("@kiosk status", channel=CARE, user=LIN)
        assert (await said.answer()).text.startswith("Night Kiosk · 运行正常")
    async with bot_in_loop(place):
        said = await place.slack.command("status", channel=CARE, user=LIN)
        assert (await said.answer()).text.startswith("3 个公众号 · 运行正常")


async def test_home_offers_only_the_accounts_that_a_person_may_see(place):
    accounts = ACCOUNTS + f'viewers = ["{LIN}"]\n'
    async with bot_in_loop(place, KF_ACCOUNTS=accounts):
        await place.slack.open_home(user=TOM)
        assert _offered(await _board(place, "The bot", TOM)) == ["Harbour Tea", "Night Kiosk"]
        await place.slack.open_home(user=LIN)
        await _board(place, "The bot")
        await place.slack.click_in_home("home.account", option=f"v2:{ORCHID}", user=LIN)
        await until(lambda: place.slack.home(LIN).content["private_metadata"].count(ORCHID) == 1)
    hidden = ACCOUNTS + f'viewers = ["{TOM}"]\n'
    async with bot_in_loop(place, KF_ACCOUNTS=hidden):
        await place.slack.open_home(user=LIN)
        await until(lambda: ORCHID not in place.slack.home(LIN).content["private_metadata"])
        assert "兰花" not in shown(place.slack.home(LIN))
    async with bot_in_loop(place, KF_VIEWERS=TOM):
        await place.slack.open_home(user=LIN)
        refused = await _board(place, "This board is not open to everybody here")
        assert not any(name in shown(refused) for name in ("Harbour", "Kiosk", "兰花"))


# Faults


async def test_account_that_wechat_refuses_has_an_incident_and_the_others_go_on(place, caplog):
    caplog.handler.setFormatter(LineFormatter([]))
    async with bot_in_loop(place, KIOSK_SECRET="wrong") as url:
        await until(lambda: len(place.texts(AT_HARBOUR)) == 1)
        incident = place.slack.messages(AT_HARBOUR)[0]
        assert incident.text.startswith("Night Kiosk · WeChat refused the AppSecret")
        for appid in (HARBOUR, ORCHID):
            place.wechat[appid].reject(BO)
        await until(lambda: len(place.texts(AT_HARBOUR)) == 2)
        await until(lambda: place.texts(AT_ORCHID))

        async def is_reported() -> bool:  # the problems of the others are those of the last reading
            status, ready = await body(f"{url}/readyz")
            return status == 200 and "\nNight Kiosk: WeChat refused the AppSecret" in ready

        await until(is_reported)
        _, metrics = await body(f"{url}/metrics")
        assert 'wechat_kf_problem{kind="wechat_config"} 1.0' in metrics
        assert not any(word in metrics for word in ("kiosk", KIOSK, AT_HARBOUR))
        said = await place.slack.command("@kiosk status", channel=CARE)
        assert "/kf @kiosk asks WeChat again" in (await said.answer()).text
        said = await place.slack.command("status", channel=CARE)
        summary = (await said.answer()).text
        assert "/kf @kiosk asks WeChat again" in summary
        assert summary.startswith("1 of 3 Official Accounts has a problem. Night Kiosk: WeChat refused")
        said = await place.slack.command("@harbour status", channel=CARE)
        assert (await said.answer()).text.startswith("Harbour Tea · Working normally.")
    failed = [line for line in caplog.text.splitlines() if "40125" in line or "refused the AppSecret" in line]
    assert failed
    assert all("handle=kiosk" in line for line in failed)


async def test_outage_of_one_account_begins_and_ends_in_its_channel(place):
    async with bot_in_loop(place):
        await polled(place)
        place.wechat[ORCHID].inject(Fault(FaultMode.ERRCODE, times=None, errcode=48001, path=protocol.KF_LIST))
        await until(lambda: place.texts(AT_ORCHID))
        assert place.texts(AT_ORCHID)[0].startswith("兰花 · 这个账号没有客服接口权限")
        place.wechat.clear_faults()
        await place.slack.click(place.slack.messages(AT_ORCHID)[0], "health.check", user=TOM)
        await until(lambda: len(place.texts(AT_ORCHID)) == 2 or "恢复" in place.texts(AT_ORCHID)[0], within=30)
        place.wechat[HARBOUR].reject(BO)
        await until(lambda: place.texts(AT_HARBOUR))
    assert [text.split(":")[0] for text in place.texts(AT_HARBOUR)] == ["Harbour Tea · Rejected"]


async def test_channel_that_refuses_blocks_only_its_account(place):
    ahead = timedelta(0)
    place.slack.channels[AT_ORCHID].is_archived = True
    async with bot_in_loop(place, clock=lambda: utc_now() + ahead) as url:
        await polled(place)
        for appid in SECRETS:
            place.wechat[appid].reject(BO)
        await until(lambda: len(place.texts(AT_HARBOUR)) == 2)

        async def blocked() -> bool:
            return "兰花: " in (await body(f"{url}/readyz"))[1]

        await until(blocked)
        _, ready = await body(f"{url}/readyz")
        assert [line.split(":")[0] for line in ready.splitlines()[1:]] == ["兰花"]
        place.wechat[KIOSK].reject(CHEN)
        await until(lambda: len(place.texts(AT_HARBOUR)) == 3)
        assert place.texts(AT_ORCHID) == []
    place.slack.channels[AT_ORCHID].is_archived = False
    ahead = HOLD
    async with bot_in_loop(place, clock=lambda: utc_now() + ahead):
        await until(lambda: place.texts(AT_ORCHID))
        await polled(place)
    # The clock of the test is ahead of WeChat's, which is posted, too.
    alerts = [text for text in (*place.texts(AT_HARBOUR), *place.texts(AT_ORCHID)) if "@harbour_tea" in text]
    assert len(alerts) == len(set(alerts)) == 4


async def test_lost_store_is_rebuilt_from_the_messages_of_each_account(place, tmp_path):
    async with bot_in_loop(place):
        await rejections(place)
    before = [one.ts for one in posted(place)]
    async with bot_in_loop(place, DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}"):
        await polled(place, 4)
        assert [one.ts for one in posted(place)] == before
        await place.slack.click(alert(place, KIOSK), "alert.ack", user=TOM)
        await until(lambda: f"Acknowledged by <@{TOM}>" in shown(alert(place, KIOSK)))
        await place.slack.click(alert(place, HARBOUR), "alert.details", user=TOM)
        assert "*Harbour Tea*" in await modal_text(place.slack, TOM)
        await rejections(place, CHEN, (HARBOUR, KIOSK))
    assert sorted(text.split(" (")[0] for text in place.texts(AT_HARBOUR)) == [
        "Harbour Tea · Rejected: Bo",
        "Harbour Tea · Rejected: Chen",
        "Night Kiosk · Acknowledged by Tom: Bo",
        "Night Kiosk · Rejected: Bo",
        "Night Kiosk · Rejected: Chen",
    ]


# One account becomes several


async def test_installation_with_one_account_gets_more(store_url):
    async with fleet_world(store_url, own=True) as place:
        place.invite(APPID, "bo", "dee")
        async with bot_in_loop(place, KF_ACCOUNTS=""):
            await until(lambda: len(place.wechat[APPID].log) > 3)
            place.wechat[APPID].reject(BO)
            await until(lambda: place.texts(ALERTS))
        (before,) = place.slack.messages(ALERTS)
        assert before.text.startswith("Rejected: Bo (bo@harbour_tea).")
        assert all(value.startswith("v1:") for value in _values(before))
        async with bot_in_loop(place):
            await polled(place)
            assert place.slack.messages(ALERTS) == [before]
            await place.slack.click(before, "alert.ack", user=TOM)
            await until(lambda: "Acknowledged by" in shown(place.slack.messages(ALERTS)[0]))
            await until(lambda: len(place.texts(ALERTS)) == 2)
            place.wechat[APPID].reject("dee@harbour_tea")
            await until(lambda: len(place.texts(ALERTS)) == 3)
    assert [text.split(" (")[0] for text in place.texts(ALERTS)] == [
        "@wxabcdef · Rejected: Bo",
        "@wxabcdef · Acknowledged by Tom: Bo",
        "@wxabcdef · Rejected: Dee",
    ]
    assert place.texts(AT_HARBOUR) == place.texts(AT_ORCHID) == []


async def test_only_account_of_a_file_gets_a_second_one_and_its_buttons_still_work(store_url):
    async with fleet_world(store_url) as place:
        alone = place.environ["KF_ACCOUNTS"].split("[[account]]")
        harbour = "[[account]]".join(alone[:2])
        assert "HARBOUR_SECRET" in harbour
        place.invite(HARBOUR, "bo")
        async with bot_in_loop(place, KF_ACCOUNTS=harbour):
            await until(lambda: len(place.wechat[HARBOUR].log) > 3)
            place.wechat[HARBOUR].reject(BO)
            await until(lambda: place.texts(AT_HARBOUR))
        (before,) = place.slack.messages(AT_HARBOUR)
        assert before.text.startswith("Rejected: Bo (bo@harbour_tea).")
        async with bot_in_loop(place):
            await polled(place)
            await place.slack.click(before, "alert.ack", user=TOM)
            await until(lambda: "Acknowledged by" in shown(place.slack.messages(AT_HARBOUR)[0]))
