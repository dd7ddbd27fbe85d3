"""Operations end to end: forms, their results and the channel, by the whole bot between its simulators."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.delivery.updater import EDIT_GAP
from bot.demo.slack_simulator import Submission
from bot.demo.slack_simulator.sent_messages import Signature
from tests.people import (
    CHEN,
    EVE,
    LIN,
    TOM,
    alert_of,
    answer_to,
    buttons,
    care_team,
    entered,
    fields,
    form,
    modal,
    rejection,
    shown,
    typed,
    written,
)
from tests.running import ALERTS, CARE, World, bot_in_loop, until, utc_now
from wechat_kf import protocol, writes
from wechat_kf.simulator import Fault, FaultMode

pytestmark = [pytest.mark.server, pytest.mark.story]


@pytest.fixture
async def place(store_url: str) -> AsyncIterator[World]:
    async with care_team(store_url) as made:
        yield made


async def test_rejected_person_is_invited_again_without_the_console(place):
    ahead = timedelta(0)
    async with bot_in_loop(place, clock=lambda: utc_now() + ahead):
        alert = await rejection(place)
        assert alert.text.startswith("Rejected: Chen (chen@harbour_tea).")
        assert buttons(alert) == ["alert.ack", "op.invite", "alert.details"]
        opened = await form(place, "op.invite")
        assert (opened.title, entered(opened)["wx"]) == ("Invite again", "chen_example")
        # Five letters: the form takes them, and WeChat does not know them.
        refused = await place.slack.submit({"wx": "chenx"}, user=LIN)
        assert refused.errors["wx"].startswith("WeChat does not know this ID. Check the spelling")
        assert place.slack.modal(LIN).id == opened.id
        sent = await place.slack.submit({"wx": "chen_new"}, user=LIN)
        assert (sent.errors, sent.failure) == ({}, "")
        assert "✅ *Invitation sent*" in shown(await modal(place, "Chen waits for chen_new"))
        await until(lambda: "invited again" in shown(alert_of(place)), within=15)
        assert f"<@{LIN}> sent a new invitation to ch•••ew instead of ch•••le" in shown(alert_of(place))
        assert buttons(alert_of(place)) == []
        await until(lambda: len(place.texts) == 2)
        reply = place.slack.messages(ALERTS)[1]
        assert reply.thread_ts == alert.ts
        assert reply.text.startswith("Invited again by Lin: ch•••ew instead of ch•••le, until ")
        await place.slack.close_modal(user=LIN)
        place.wechat.accept(CHEN)
        ahead = EDIT_GAP
        await until(lambda: place.texts[0].startswith("Bound: Chen (chen@harbour_tea)."))
    assert written(place) == [writes.INVITE, writes.INVITE]
    assert place.wechat.seat(CHEN).kf_wx == "chen_new"
    assert [one.thread_ts for one in place.slack.messages(ALERTS)][:2] == [None, alert.ts]
    assert not any(one.thread_ts is None for one in place.slack.messages(ALERTS)[1:])


async def test_accounts_are_added_invited_renamed_and_deleted_by_commands(place):
    async with bot_in_loop(place):
        await until(lambda: len(place.wechat.log) > 2)
        # Added, and a person invited in the same modal.
        added = await typed(place, "add fay Fay")
        assert entered(added) == {"account": "fay", "name": "Fay"}
        await place.slack.submit(user=LIN)
        assert place.slack.modal(LIN).id == added.id
        assert "fay@harbour_tea is there, and nobody is invited yet." in shown(await modal(place, "Account added"))
        await place.slack.click_in_modal("op.invite", user=LIN)
        invite = await fields(place)
        assert (invite.id, invite.title, entered(invite)) == (added.id, "Invite somebody", {"wx": None})
        await place.slack.submit({"wx": "fay_example"}, user=LIN)
        await modal(place, "Fay waits for fay_example")
        # Renamed.
        renamed = await typed(place, "rename eve Evening")
        assert (renamed.title, entered(renamed)) == ("Rename an account", {"name": "Evening"})
        await place.slack.submit(user=LIN)
        await modal(place, "Eve is now Evening.")
        # Deleted, once the account is typed; the name does not count.
        deleted = await typed(place, "delete eve")
        assert "This cannot be undone" in shown(deleted)
        wrong = await place.slack.submit({"typed": "Evening"}, user=LIN)
        assert wrong.errors == {"typed": "This is not eve@harbour_tea."}
        await place.slack.submit({"typed": " EVE@harbour_tea"}, user=LIN)
        await modal(place, "eve@harbour_tea is no longer in WeChat’s list.")
        await until(lambda: len(place.texts) == 4)
        history = await answer_to(place, "history eve@harbour_tea", LIN)
        everything = shown(await (await place.slack.command("history", channel=CARE, user=LIN)).answer())
    assert written(place) == [writes.ADD, writes.INVITE, writes.UPDATE, writes.DELETE]
    assert sorted(place.texts) == [
        "Added by Lin: Fay (fay@harbour_tea).",
        "Deleted by Lin: Evening (eve@harbour_tea).",
        *(text for text in place.texts if text.startswith("Invited by Lin: Fay (fay@harbour_tea)")),
        "Renamed by Lin: Evening (eve@harbour_tea), was Eve.",
    ]
    assert history.startswith("History of Evening: Deleted by Lin")
    assert all(word in everything for word in ("Deleted by", "Renamed by", "Invited by", "Added by"))


async def test_account_to_invite_is_picked_from_a_menu(place):
    async with bot_in_loop(place):
        await rejection(place)
        picked = await typed(place, "invite")
        assert "Chen · chen@harbour_tea" in shown(picked)
        assert "Anna" not in shown(picked)
        await place.slack.submit({"account": "chen@harbour_tea"}, user=LIN)
        opened = await fields(place)
        assert (opened.id, opened.title) == (picked.id, "Invite again")
        await place.slack.close_modal(user=LIN)
        nothing = await typed(place, "invite nobody_here")
        assert "No account matches “nobody_here”." in shown(nothing)
        await place.slack.close_modal(user=LIN)
        direct = await typed(place, "invite eve eve_new")
        assert (direct.title, entered(direct)) == ("Invite somebody", {"wx": "eve_new"})
        await place.slack.close_modal(user=LIN)
        await place.slack.command("invite anna", channel=CARE, user=LIN)
        blocked = await modal(place, "Anna")
    assert "submit" not in blocked.content
    assert written(place) == []


async def test_commands_and_forms_are_in_the_language_of_the_person(place):
    place.slack.add_person(LIN, "林", locale="zh-CN", tz="Asia/Shanghai")
    async with bot_in_loop(place):
        await rejection(place)
        await form(place, "op.invite")
        assert place.slack.modal(LIN).title == "重新邀请"
        refused = await place.slack.submit({"wx": "13800138000"}, user=LIN)
        assert refused.errors == {"wx": "这像是手机号。请填写对方的微信号。"}
        refused = await place.slack.submit({"wx": "chenx"}, user=LIN)
        assert refused.errors["wx"].startswith("无效微信号。请检查拼写")
        await place.slack.submit({"wx": "chen_new"}, user=LIN)
        await modal(place, "✅ *邀请已发送*")
        await place.slack.close_modal(user=LIN)
        for command, title in {
            "添加 fay 小飞": "添加客服账号",
            "邀请 eve eve_new": "邀请绑定",
            "改名 eve 夜班": "修改客服昵称",
            "删除eve": "删除客服账号",
        }.items():
            assert (await typed(place, command)).title == title
            await place.slack.close_modal(user=LIN)
        assert (await answer_to(place, "历史 chen", LIN)).startswith("Chen 的操作记录")
    assert written(place) == [writes.INVITE, writes.INVITE]


# WeChat is slow, or does not say


async def test_slow_answer_replaces_the_announcement_a_second_after_it(place):
    place.wechat.inject(Fault(FaultMode.ANSWER_LATE, path=writes.INVITE, seconds=1.7))
    updates: list[float] = []
    loop = asyncio.get_running_loop()
    place.slack.watch("views.update", "arrived", lambda _: updates.append(loop.time()))
    async with bot_in_loop(place):
        await rejection(place)
        await form(place, "op.invite")
        updates.clear()
        began = loop.time()
        sent = await place.slack.submit({"wx": "chen_new"}, user=LIN)
        acknowledged = loop.time()
        assert "Asking WeChat…" in shown(place.slack.modal(LIN))
        await modal(place, "Chen waits for chen_new")
    assert sent.failure == ""
    assert 1.3 < acknowledged - began < 2.5
    assert len(updates) == 1
    assert updates[0] - acknowledged > 0.9
    assert written(place) == [writes.INVITE]


async def test_late_refusal_brings_the_form_again_with_what_was_typed(place):
    place.wechat.inject(Fault(FaultMode.ANSWER_LATE, path=writes.INVITE, seconds=1.7))
    async with bot_in_loop(place):
        await rejection(place)
        await form(place, "op.invite")
        await place.slack.submit({"wx": "chenx"}, user=LIN)
        again = await modal(place, "WeChat does not know this ID.")
        assert entered(again) == {"wx2": "chenx"}
        assert "errcode 65409" in shown(again)
        await place.slack.submit({"wx2": "chen_new"}, user=LIN)
        await modal(place, "Chen waits for chen_new")
        history = await (await place.slack.command("history chen", channel=CARE, user=LIN)).answer()
    assert "refused: WeChat ID unknown" in shown(history)
    assert written(place) == [writes.INVITE, writes.INVITE]


async def test_failure_after_the_modal_was_closed_is_posted_to_the_person(place):
    place.wechat.inject(Fault(FaultMode.ANSWER_LATE, path=writes.INVITE, seconds=1.7))
    async with bot_in_loop(place):
        await rejection(place)
        await form(place, "op.invite")
        await place.slack.submit({"wx": "chenx"}, user=LIN)
        await place.slack.close_modal(user=LIN)
        await until(lambda: len(place.texts) == 2)
        reply = place.slack.messages(ALERTS)[1]
        assert reply.thread_ts == alert_of(place).ts
        assert f"<@{LIN}>" in shown(reply)
        assert "op.invite" in buttons(alert_of(place))


async def test_lost_answer_is_settled_by_the_list(place):
    place.wechat.inject(Fault(FaultMode.ANSWER_LOST, path=writes.ADD))
    async with bot_in_loop(place):
        await until(lambda: len(place.wechat.log) > 2)
        await typed(place, "add fay Fay")
        await place.slack.submit(user=LIN)
        await modal(place, "Account added")
        await until(lambda: place.texts)
    assert place.texts == ["Added by Lin: Fay (fay@harbour_tea)."]
    assert written(place) == [writes.ADD]


@pytest.mark.parametrize(("seconds", "announced"), [(0.6, False), (9.0, True)])
async def test_answer_is_shown_whenever_it_comes(place, seconds, announced):
    place.wechat.inject(Fault(FaultMode.ANSWER_LATE, path=writes.UPDATE, seconds=seconds))
    async with bot_in_loop(place):
        await until(lambda: len(place.wechat.log) > 2)
        await typed(place, "rename eve Evening")
        sent = await place.slack.submit(user=LIN)
        assert (sent.failure, "Asking WeChat…" in shown(place.slack.modal(LIN))) == ("", announced)
        await modal(place, "Eve is now Evening.")
    assert place.slack.view_calls["views.update"] == announced
    assert written(place) == [writes.UPDATE]


# Forms and the state of the account


async def test_form_is_replaced_when_the_list_rules_it_out(place):
    async with bot_in_loop(place, POLL_SECONDS="2"):  # the next poll is not due when the second one starts
        await rejection(place)
    async with bot_in_loop(place, POLL_SECONDS="900"):
        place.wechat.invite(CHEN, "chen_example", utc_now() + timedelta(days=3))
        place.wechat.inject(Fault(FaultMode.SLOW, path=protocol.KF_LIST, seconds=1))
        opened = await form(place, "op.invite")
        assert entered(opened) == {"wx": "chen_example"}
        blocked = await modal(place, "An invitation for this account is still open")
        assert (blocked.id, "submit" in blocked.content) == (opened.id, False)
    assert written(place) == []


async def test_result_stays_when_the_list_of_the_form_comes_later(place):
    async with bot_in_loop(place, POLL_SECONDS="2"):  # the next poll is not due when the second one starts
        await rejection(place)
    async with bot_in_loop(place, POLL_SECONDS="900"):
        await until(lambda: place.slack.app_url is not None)
        # The list is read after two seconds, when the invitation of this very form waits.
        place.wechat.inject(Fault(FaultMode.SLOW, path=protocol.KF_LIST, seconds=2))
        await form(place, "op.invite")
        await place.slack.submit({"wx": "chen_new"}, user=LIN)
        await modal(place, "Invitation sent")
        await until(lambda: any(call.error == "hash_conflict" for call in place.slack.calls))
        assert "Invitation sent" in shown(place.slack.modal(LIN))
    assert written(place) == [writes.INVITE]


async def test_form_opens_after_an_announcement_when_no_list_was_read_before(place):
    place.wechat.inject(Fault(FaultMode.SLOW, times=None, path=protocol.KF_LIST, seconds=1))
    async with bot_in_loop(place):
        await place.slack.command("rename eve Evening", channel=CARE, user=LIN)
        reading = await modal(place, "Reading from WeChat…")
        opened = await fields(place)
        assert (opened.id, entered(opened)) == (reading.id, {"name": "Evening"})


# Two processes


@pytest.mark.both_stores
async def test_two_people_and_two_processes_make_one_write_for_an_account(place):
    place.environ["KF_OPERATORS"] = f"{LIN},{TOM}"
    place.slack.may_mention = {f"<@{LIN}>", f"<@{TOM}>"}
    place.wechat.inject(Fault(FaultMode.ANSWER_LATE, path=writes.UPDATE, seconds=2))
    async with bot_in_loop(place) as first, bot_in_loop(place) as second:
        await until(lambda: len(place.wechat.log) > 2)
        for user, url in ((LIN, first), (TOM, second)):
            place.slack.app_url = f"{url}/slack/events"
            await typed(place, "rename eve Evening", user)
        place.slack.app_url = f"{first}/slack/events"
        sent = await place.slack.submit(user=LIN)
        place.slack.app_url = f"{second}/slack/events"
        refused = await place.slack.submit({"name": "Night"}, user=TOM)
        assert refused.errors["name"].startswith("Lin is changing this account right now, since ")
        # The same form once more, as after "Try again": it gets the answer that the first one has by now.
        assert "Asking WeChat…" in await again(place, sent)
        await modal(place, "Eve is now Evening.")
        assert "Eve is now Evening." in await again(place, sent)
    assert written(place) == [writes.UPDATE]


async def again(place: World, sent: Submission) -> str:
    """Submit a form once more, and return the answer."""
    payload = {**sent.payload, "trigger_id": place.slack.new_trigger(LIN)}
    ack = await place.slack._interact(payload, Signature(place.slack.signing_secret), answerable=True)
    assert ack.status == 200
    return str(json.loads(ack.body))


# Triggers that come too late


async def test_late_trigger_asks_for_another_click_or_command(place):
    late = timedelta(0)
    place.slack.trigger_clock = lambda: utc_now() + late
    async with bot_in_loop(place):
        alert = await rejection(place)

        def pass_time(_: object) -> None:
            nonlocal late
            late += timedelta(seconds=4)

        place.slack.watch("views.open", "arrived", pass_time)
        clicked = await place.slack.click(alert, "op.invite", user=LIN)
        said = await clicked.answer()
        assert (said.only_for, said.text) == (
            LIN,
            "Slack waited too long for this window. Please click again.",
        )
        assert await answer_to(place, "rename eve Evening", LIN) == (
            "Slack waited too long for this window. Please type the command again."
        )
    assert LIN not in place.slack.views.modals


async def test_hostile_name_mentions_no_user_anywhere(place):
    for key in (CHEN, EVE):
        place.wechat.rename(key, "<!channel> *Chen* :tada:")
    async with bot_in_loop(place):
        alert = await rejection(place)
        opened = [shown(await form(place, "op.invite"))]
        await place.slack.submit({"wx": "chen_new"}, user=LIN)
        opened.append(shown(await modal(place, "Invitation sent")))
        await place.slack.close_modal(user=LIN)
        for command in ("invite", "rename eve <!here>", "delete eve"):
            opened.append(shown(await typed(place, command)))
            await place.slack.close_modal(user=LIN)
        await typed(place, "rename eve")
        await place.slack.submit({"name": "<!here> @lin"}, user=LIN)
        opened.append(shown(await modal(place, "is now")))
        opened.append(shown(await (await place.slack.command("history", channel=CARE, user=LIN)).answer()))
        await until(lambda: len(place.texts) == 3)
        opened += [shown(one) for one in place.slack.messages(ALERTS)] + place.texts
        assert alert.ts
    # What a field begins with is shown as it is, and has no effect.
    texts = [re.sub(r'"initial_value": "[^"]*"', "", one) for one in opened]
    assert not any("<!" in re.sub(r"<!date\^[^>]*>", "", one) for one in texts)
