"""Alerts end to end: posted, clicked, looked up and updated, by the whole bot between its simulators."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.delivery.updater import EDIT_GAP
from bot.demo.servers import serve
from bot.demo.slack_simulator import RESPONSE_URL, Message, dropped, error, http_error, reply_lost, slow
from bot.demo.slack_simulator.state import Person
from tests.running import (
    ALERTS,
    CARE,
    NOWHERE,
    World,
    bot_in_loop,
    final_answer,
    modal_text,
    until,
    utc_now,
    world,
)
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.server

CARE_LEADS = "<!subteam^S0CARE>"


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[World]:
    async with world(sqlite_url) as made:
        made.wechat.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
        made.invite("bo", timedelta(days=3), "小波")
        yield made


async def rejection(place: World) -> Message:
    """Let 小波 reject the invitation, and wait for the alert."""
    await until(lambda: len(place.wechat.log) > 2)
    place.wechat.reject("bo@harbour_tea")
    await until(lambda: place.texts)
    return place.slack.messages(ALERTS)[0]


def shown(place: World) -> str:
    """Return the current text of the channel's first message."""
    return json.dumps(place.slack.messages(ALERTS)[0].blocks, ensure_ascii=False)


def posts(place: World) -> int:
    return len([call for call in place.slack.calls if call.method == "chat.postMessage"])


async def test_rejection_is_posted_in_the_channel_and_its_details_on_request(place):
    async with bot_in_loop(place):
        await until(lambda: len(place.wechat.log) > 2)
        place.wechat.reject("bo@harbour_tea")
        await until(lambda: place.texts)
        (alert,) = place.slack.messages(ALERTS)
        assert alert.text.startswith("Rejected: 小波 (bo@harbour_tea). bo•••le declined the invitation.")
        assert alert.metadata["event_type"] == "kf_alert"
        await place.slack.click(alert, "alert.details", user="U0TOM")
        assert "bo_example declined the invitation" in await modal_text(place.slack, "U0TOM")
        assert "Access token" in json.dumps((await _status(place)).blocks)


async def test_history_shows_the_posts_of_the_channel(place):
    async with bot_in_loop(place):
        await rejection(place)
        said = await final_answer(await place.slack.command("history 小波", channel=ALERTS))
        assert said.text.startswith("History of 小波: Rejected, noticed ")
        assert "bo_example" in json.dumps(said.blocks)


async def test_details_show_the_last_known_state_while_wechat_fails(place):
    async with bot_in_loop(place):
        alert = await rejection(place)
        place.wechat.inject(Fault(FaultMode.ERRCODE, times=None, errcode=48001))
        await place.slack.click(alert, "alert.details", user="U0TOM")
        down = await modal_text(place.slack, "U0TOM")
        await place.slack.close_modal(user="U0TOM")
        place.wechat.clear_faults()
        place.wechat.remove("bo@harbour_tea")
        await place.slack.click(alert, "alert.details", user="U0TOM")
        gone = await modal_text(place.slack, "U0TOM")
    assert "This account may not use customer service, so this is what was known last." in down
    assert "The account is no longer in WeChat’s list" in gone
    for details in (down, gone):
        assert "bo_example" in details


async def test_digest_of_nine_names_people_apart_and_opens_everything_that_needs_attention(place):
    names = ["dee", *(f"kf{number}" for number in range(8))]
    for name in names:
        place.invite(name)
    async with bot_in_loop(place):
        alone = await rejection(place)
        assert "link.console" in action_ids(alone)
        for name in names:
            place.wechat.reject(f"{name}@harbour_tea")
        await until(lambda: len(place.texts) > 1)
        digest = place.slack.messages(ALERTS)[1]
        assert digest.text.startswith("9 invitations changed at once: 9 rejected.")
        rows = json.dumps(digest.blocks, ensure_ascii=False)
        assert all(f"{name}@harbour_tea" in rows for name in names)
        assert ("invited de•••le" in rows, "kf•••le" in rows) == (True, False)  # eight people have that mask
        listed = await (await place.slack.click(digest, "kf.list")).answer()
    assert listed.text.startswith("10 accounts need attention")
    (menu,) = (element for element in elements(listed) if element["action_id"] == "kf.open")
    options = {option["text"]["text"]: option["description"]["text"] for option in menu["options"]}
    assert set(options) == {"小波", *(name.capitalize() for name in names)}
    assert options["Dee"] == "dee@harbour_tea · rejected"


def elements(message: Message) -> list[dict]:
    return [element for block in message.blocks if block["type"] == "actions" for element in block["elements"]]


def action_ids(message: Message) -> list[str]:
    return [element["action_id"] for element in elements(message)]


async def _status(place: World):
    return await (await place.slack.command("status", channel=CARE)).answer()


async def status_contains(place: World, words: str) -> bool:
    return words in (await _status(place)).text


async def test_check_now_polls_again_and_resolves_the_notice(place):
    place.wechat.allow_list = ()
    async with bot_in_loop(place, POLL_SECONDS="900"):
        await until(lambda: place.texts)
        (notice,) = place.slack.messages(ALERTS)
        assert notice.text.startswith("WeChat refused this server's address, 203.0.113.7")
        place.wechat.allow_list = None
        said = await place.slack.click(notice, "health.check")
        assert (await said.answer()).text.startswith("Nothing needs attention")
        await until(lambda: place.texts[0].startswith("WeChat answers again"))


async def test_status_reports_a_channel_without_the_bot(place):
    place.slack.channels[ALERTS].is_member = False
    place.slack.channels[ALERTS].is_private = True
    async with bot_in_loop(place):
        await until(lambda: len(place.wechat.log) > 2)
        place.wechat.reject("bo@harbour_tea")
        await until(lambda: status_contains(place, "1 alert could not be posted. Slack refuses them: "))
        assert await status_contains(place, "Type /invite @wechat-kf there.")
    assert posts(place) <= 1  # none, if reading the history has shown the refusal first


async def test_edit_with_refused_blocks_falls_back_to_text(place):
    async with bot_in_loop(place):
        await rejection(place)
        place.slack.arm("chat.update", error("invalid_blocks"))
        place.wechat.accept("bo@harbour_tea")
        await until(lambda: place.texts[0].startswith("Bound: 小波"))
    assert place.slack.messages(ALERTS)[0].blocks == []


# People in charge


async def test_click_is_answered_when_the_alert_cannot_be_edited(place, tmp_path):
    async with bot_in_loop(place):
        alert = await rejection(place)
        place.slack.arm("chat.update", error("edit_window_closed"))
        place.wechat.seat("bo@harbour_tea").kf_nick = "波波"
        await until(lambda: _is_gone(tmp_path / "kf.db"))
        said = await place.slack.click(alert, "alert.ack", user="U0TOM")
        answer = await said.answer()
    assert (answer.only_for, answer.text) == ("U0TOM", "Acknowledged. No more reminders for this invitation.")


async def test_click_edits_the_message_at_once_without_a_reply(place):
    async with bot_in_loop(place):
        clicked = await place.slack.click(await rejection(place), "alert.ack", user="U0MEI")
        assert (clicked.ack.status, clicked.ack.body) == (200, "")
        await until(lambda: "Acknowledged by <@U0MEI>" in shown(place), within=5)
        await until(lambda: len(place.texts) == 2)
        again = await place.slack.click(place.slack.messages(ALERTS)[0], "alert.undo", user="U0TOM")
        await until(lambda: "Acknowledged" not in shown(place), within=5)
        assert again.ack.status == 200
    assert not [call for call in place.slack.calls if call.method == RESPONSE_URL]


async def test_lists_show_who_acknowledged_the_alert(place):
    async with bot_in_loop(place):
        await place.slack.click(await rejection(place), "alert.ack", user="U0MEI")
        await until(lambda: "Acknowledged" in shown(place))
        for typed in ("", "list", "attention", "rejected", "find @harbour_tea"):
            answer = await (await place.slack.command(typed, channel=CARE)).answer()
            assert "acknowledged by <@U0MEI>" in str(answer.blocks), typed
        overview = await (await place.slack.command("", channel=CARE)).answer()
    assert overview.text.startswith("1 of 2 customer-service accounts needs attention, 1 acknowledged.")


async def test_second_user_to_click_learns_who_was_first(place):
    async with bot_in_loop(place):
        alert = await rejection(place)
        await place.slack.click(alert, "alert.ack", user="U0MEI")
        await until(lambda: "Acknowledged" in shown(place))
        await until(lambda: place.texts[1:])
        assert place.texts[1].startswith("Acknowledged by Mei: 小波")  # as the message shows the handle `mei`
        late = await place.slack.click(alert, "alert.ack", user="U0TOM")
        assert (await late.answer()).text == "Mei has acknowledged this already."


async def test_thread_names_a_user_as_slack_shows_them_if_that_is_known(place):
    place.slack.people |= {
        "U0MEI": Person("U0MEI", "mei.lin", display_name="Mei Lin"),
        "U0TOM": Person("U0TOM", "tom", display_name="Tom Z"),
    }
    place.slack.arm("users.info", slow(0.3))
    async with bot_in_loop(place):
        alert = await rejection(place)
        await place.slack.click(alert, "alert.ack", user="U0MEI")
        await until(lambda: place.texts[1:] and "Acknowledged" in shown(place))
        place.slack.scopes -= {"users:read"}
        await place.slack.click(place.slack.messages(ALERTS)[0], "alert.undo", user="U0TOM")
        await until(lambda: place.texts[2:])
    assert place.texts[1].startswith("Acknowledged by Mei Lin: 小波")
    assert place.texts[2].startswith("Tom undid the acknowledgement: 小波")


async def test_click_without_the_store_is_answered_that_nothing_changed(place):
    async with bot_in_loop(place):
        alert = await rejection(place)
    async with bot_in_loop(place, DATABASE_URL=NOWHERE):
        said = await place.slack.click(alert, "alert.ack")
        assert (await said.answer()).text.startswith("The database does not answer")


async def test_show_command_has_the_outcome_of_the_invitation(place):
    async with bot_in_loop(place):
        alert = await rejection(place)
        await place.slack.click(alert, "alert.ack", user="U0MEI")
        await until(lambda: "Acknowledged" in shown(place))
        said = await place.slack.command("show bo@harbour_tea", channel=CARE)
        story = json.dumps((await said.answer()).blocks, ensure_ascii=False)
    assert "*This invitation*  told in <#C0ALERTS>" in story
    assert "acknowledged by <@U0MEI>" in story


async def test_mention_is_posted_once_and_gone_at_the_first_edit(place):
    place.slack.may_mention = {CARE_LEADS}
    async with bot_in_loop(place, ALERT_MENTION="S0CARE"):
        alert = await rejection(place)
        assert CARE_LEADS in json.dumps(alert.blocks)
        await place.slack.click(alert, "alert.ack")
        await until(lambda: "Acknowledged" in shown(place))
        assert CARE_LEADS not in shown(place)


@pytest.mark.parametrize(
    ("settings", "zone"),
    [({}, "Asia/Shanghai"), ({"TIMEZONE": "Asia/Tokyo"}, "Asia/Tokyo")],
    ids=["default", "set"],
)
async def test_configured_zone_is_named_in_texts_and_in_the_option_to_snooze(place, settings, zone):
    ahead = timedelta(0)
    place.slack.scopes -= {"users:read"}  # else the answer is in the person's own zone
    # Whatever the hour is, tomorrow 9:00 comes before the deadline: else it is not offered.
    place.invite("chen", timedelta(hours=72, seconds=30))
    async with bot_in_loop(place, clock=lambda: utc_now() + ahead, ALERT_LEADS="72h,1h", **settings):
        await until(lambda: len(place.wechat.log) > 2)
        ahead = timedelta(seconds=31)
        await until(lambda: place.texts, within=10)
        (alert,) = place.slack.messages(ALERTS)
        said = await place.slack.command("list", channel=CARE)
        answer = (await said.answer()).text
    assert zone in alert.text
    assert f"Until tomorrow 9:00, {zone}" in json.dumps(alert.blocks)
    assert "UTC" not in json.dumps(alert.blocks) + alert.text
    assert zone in answer
    assert "UTC" not in answer


# Once


@pytest.mark.parametrize(
    "fault",
    [reply_lost(), error("internal_error", taken=True)],  # which responses count as unknown: test_slack_channel
    ids=["reply lost", "internal_error"],
)
async def test_post_with_a_lost_response_is_found_and_updated(place, fault):
    ahead = timedelta(0)
    place.slack.arm("chat.postMessage", fault)
    async with bot_in_loop(place, clock=lambda: utc_now() + ahead, ALERT_LEASE_SECONDS="2"):
        await rejection(place)
        await until(lambda: any(call.method == "chat.update" for call in place.slack.calls))  # it was found
        place.wechat.accept("bo@harbour_tea")
        await until(lambda: len(place.texts) == 2)
        ahead = EDIT_GAP
        await until(lambda: place.texts[0].startswith("Bound: 小波"))
    assert posts(place) == 2
    assert [message.thread_ts for message in place.slack.messages(ALERTS)] == [
        None,
        place.slack.messages(ALERTS)[0].ts,
    ]


@pytest.mark.parametrize("fault", [dropped(), error("internal_error"), http_error(503)], ids=str)
async def test_post_that_slack_did_not_receive_is_sent_again(place, fault):
    place.slack.arm("chat.postMessage", fault)
    async with bot_in_loop(place, ALERT_LEASE_SECONDS="2"):
        await rejection(place)
        # What is written down as sent is never sent again.
        await until(lambda: status_contains(place, "Nothing waits to be posted."))
    assert (posts(place), len(place.texts)) == (2, 1)


async def test_urgent_alert_is_repeated_with_a_note_without_the_history_scope(place):
    place.slack.scopes -= {"channels:history"}
    place.slack.arm("chat.postMessage", reply_lost())
    async with bot_in_loop(place, ALERT_LEASE_SECONDS="2"):
        await rejection(place)
        await until(lambda: len(place.texts) == 2)
    first, second = place.texts
    assert second == f"{first} Possible repeat: Slack did not confirm the first posting."


async def test_new_database_does_not_repeat_alerts(place, tmp_path):
    async with bot_in_loop(place):
        await rejection(place)
    async with bot_in_loop(place, DATABASE_URL=f"sqlite:///{tmp_path / 'another.db'}"):
        reads = len(place.wechat.log)
        await until(lambda: len(place.wechat.log) > reads + 2)
        assert len(place.texts) == 1


# Who watches the watcher


async def test_metrics_and_heartbeat_report_a_healthy_bot(place):
    beats: list[str] = []

    async def beat(request: web.Request) -> web.Response:
        beats.append(request.path_qs)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{rest:.*}", beat)
    async with serve(app) as alarm, bot_in_loop(place, HEARTBEAT_URL=f"{alarm}/ping/secret-word?x=1") as url:
        await rejection(place)
        await until(lambda: status_contains(place, "Nothing waits to be posted."))
        await until(lambda: len(beats) > 1)
        async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
            figures = await answer.text()
    assert set(beats) == {"/ping/secret-word?x=1"}
    assert 'wechat_kf_posts_total{result="sent"} 1.0' in figures
    assert 'wechat_kf_messages{state="sent"} 1.0' in figures
    assert "wechat_kf_store_up 1.0" in figures
    assert "bo@" not in figures


async def test_heartbeat_stops_while_an_alert_is_late(place, tmp_path):
    beats: list[str] = []

    async def beat(request: web.Request) -> web.Response:
        beats.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/", beat)
    place.slack.channels[ALERTS].is_archived = True
    async with bot_in_loop(place):
        await until(lambda: len(place.wechat.log) > 2)
        place.wechat.reject("bo@harbour_tea")
        await until(lambda: posts(place))
    _make_old(tmp_path / "kf.db")
    async with serve(app) as alarm, bot_in_loop(place, HEARTBEAT_URL=alarm):
        reads = len(place.wechat.log)
        await until(lambda: len(place.wechat.log) > reads + 2)
    assert beats == []


def _is_gone(store: Path) -> bool:
    """Return whether the bot has recorded that a message cannot be edited."""
    with closing(sqlite3.connect(store)) as db:
        return bool(db.execute("SELECT count(*) FROM message WHERE is_deleted").fetchone()[0])


def _make_old(path: Path) -> None:
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("UPDATE message SET created_at = datetime(created_at, '-6 minutes')")
