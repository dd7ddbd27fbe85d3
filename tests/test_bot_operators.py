"""Who may change accounts, and when it is possible: by the running bot, whatever is clicked, typed or forged."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import sqlalchemy as sa

from bot.demo.process import running
from bot.demo.slack_simulator import error, sign
from tests.people import (
    CHEN,
    LIN,
    MEI,
    TOM,
    alert_of,
    answer_to,
    buttons,
    care_team,
    command_refused,
    form,
    modal,
    refusal,
    rejection,
    shown,
    typed,
    written,
)
from tests.running import ALERTS, CARE, NOWHERE, World, bot_in_loop, sqlite, until, utc_now
from wechat_kf import writes
from wechat_kf.simulator import Fault, FaultMode

pytestmark = [pytest.mark.server, pytest.mark.story]

NOT_AN_OPERATOR = f"Only some people may change accounts. They are <@{LIN}>."
OUT_OF_DATE = "This button is out of date."


@pytest.fixture
async def place(store_url: str) -> AsyncIterator[World]:
    async with care_team(store_url) as made:
        yield made


async def post(place: World, payload: dict[str, Any]) -> str:
    """Send a payload as Slack would, with a valid signature: only its content is forged. Return the body."""
    body, stamp = urlencode({"payload": json.dumps(payload)}), str(int(time.time()))
    headers = {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": sign(body, place.slack.signing_secret, stamp),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(str(place.slack.app_url), data=body, headers=headers) as got,
    ):
        assert got.status == 200
        return await got.text()


async def click_refused(place: World, value: str, words: str, user: str = LIN, *, of: str = "op.invite") -> None:
    """Press a button that no message has, `of` an action_id, and wait for the words that refuse it."""
    said = await place.slack.command("help", channel=CARE, user=user)
    await said.answer()
    payload = {
        "type": "block_actions",
        "user": {"id": user, "team_id": "T0001"},
        "team": {"id": "T0001"},
        "container": {"type": "message", "is_ephemeral": False},
        "trigger_id": place.slack.new_trigger(user),
        "response_url": said.payload["response_url"],
        "actions": [{"action_id": of, "type": "button", "value": value, "block_id": "b", "action_ts": "1.2"}],
    }
    await post(place, payload)
    await refusal(place, said, words, user)


async def forged_form(place: World, user: str, kind: str, metadata: str, **values: str) -> dict[str, str]:
    """Submit a form that was never opened, and return the errors."""
    view = {
        "id": "V0FORGED",
        "hash": "1.x",
        "type": "modal",
        "callback_id": f"op.{kind}",
        "private_metadata": metadata,
        "blocks": [{"type": "input", "block_id": name} for name in values],
        "state": {
            "values": {name: {name: {"type": "plain_text_input", "value": text}} for name, text in values.items()}
        },
    }
    person = {"id": user, "name": user.lower(), "team_id": "T0001"}
    payload = {"type": "view_submission", "user": person, "team": {"id": "T0001"}, "view": view}
    answer = json.loads(await post(place, {**payload, "trigger_id": place.slack.new_trigger(user)}))
    assert answer["response_action"] == "errors"
    return dict(answer["errors"])


@pytest.mark.both_stores
async def test_person_without_the_right_changes_nothing_however_they_ask(place):
    async with bot_in_loop(place):
        alert = await rejection(place)
        await refusal(place, await place.slack.click(alert, "op.invite", user=MEI), NOT_AN_OPERATOR, MEI)
        for command in ("invite chen chen_new", "add fay", "rename eve Evening", "delete eve"):
            await command_refused(place, command, NOT_AN_OPERATOR, MEI)
        for value in ("v1:seat:chen@harbour_tea", "v1:seat:nobody", "v1:0123"):
            await click_refused(place, value, NOT_AN_OPERATOR, MEI)
        await click_refused(place, "v1", NOT_AN_OPERATOR, MEI, of="op.add")
        for kind, metadata, values in FORGED:
            errors = await forged_form(place, MEI, kind, metadata, **values)
            assert [*errors] == [next(iter(values))]
            assert errors[next(iter(values))].startswith("Only some people may change accounts.")
        details = await place.slack.click(alert, "alert.details", user=MEI)
        assert details.ack.status == 200
        assert "op.invite" not in buttons(await modal(place, "chen_example declined", MEI))
        assert (await answer_to(place, "history", MEI)).startswith("Nobody has changed an account")
    assert MEI not in str([call for call in place.slack.calls if call.method == "views.push"])
    assert written(place) == []


FORGED = [
    ("invite", '{"v":1,"act":"invite","seat":"chen@harbour_tea"}', {"wx": "chen_new"}),
    ("add", '{"v":1,"act":"add","suffix":"harbour_tea"}', {"account": "fay", "name": "Fay"}),
    ("rename", '{"v":1,"act":"rename","seat":"eve@harbour_tea"}', {"name": "Evening"}),
    ("delete", '{"v":1,"act":"delete","seat":"eve@harbour_tea"}', {"typed": "eve@harbour_tea"}),
]


async def test_forged_value_of_an_operator_is_out_of_date(place):
    async with bot_in_loop(place):
        await rejection(place)
        for value in ("", "v9:x", "v1:", "v1:seat:", "v1:seat:nobody_at_all", "v1:\u202e", "x" * 2000):
            await click_refused(place, value, OUT_OF_DATE)
        for metadata in (
            "",
            "{}",
            "[1]",
            '{"v":2,"act":"invite"}',
            '{"v":1,"act":"delete","seat":"chen@harbour_tea"}',
        ):
            errors = await forged_form(place, LIN, "invite", metadata, wx="chen_new")
            assert errors["wx"].startswith(OUT_OF_DATE), metadata
        unknown = await forged_form(
            place, LIN, "invite", '{"v":1,"act":"invite","seat":"en@harbour"}', wx="chen_new"
        )
        assert unknown["wx"].startswith(OUT_OF_DATE)
    assert written(place) == []


async def test_without_operators_accounts_are_changed_in_the_console(tmp_path):
    async with care_team(sqlite(tmp_path), operators="") as place, bot_in_loop(place):
        alert = await rejection(place)
        assert buttons(alert) == ["alert.ack", "alert.details", "link.console"]
        for command in ("invite chen", "add", "rename eve Evening", "delete eve"):
            reason = "Accounts cannot be changed from Slack yet. Nobody is named who may."
            await command_refused(place, command, reason)
        await click_refused(place, f"v1:seat:{CHEN}", "Accounts cannot be changed")
        errors = await forged_form(place, LIN, *FORGED[0][:2], **FORGED[0][2])
        assert errors["wx"].startswith("Only some people may change accounts.")
        assert "/kf invite" not in await answer_to(place, "help", LIN)
        await place.slack.click(alert, "alert.details", user=LIN)
        assert "op.invite" not in buttons(await modal(place, "declined"))
    assert written(place) == []


async def test_without_a_store_nothing_is_changed(tmp_path):
    async with care_team(sqlite(tmp_path)) as place, bot_in_loop(place, ALERTS="off"):
        for command in ("invite chen", "delete eve"):
            reason = "Accounts cannot be changed from Slack yet. It must be written down who did what"
            await command_refused(place, command, reason)
        errors = await forged_form(place, LIN, *FORGED[3][:2], **FORGED[3][2])
        assert errors["typed"].startswith(OUT_OF_DATE)
        assert (await answer_to(place, "show chen", LIN)).startswith("Waiting: Chen")
    assert written(place) == []


async def test_members_of_a_group_are_operators_once_slack_names_them(tmp_path):
    groups = {"S0LEADS": (LIN,)}
    async with care_team(sqlite(tmp_path), operators="S0LEADS", usergroups=groups) as place, bot_in_loop(place):
        place.slack.arm("usergroups.users.list", *[error("internal_error")] * 30)  # until it is disarmed
        await command_refused(place, "invite eve", "Slack does not say who may change accounts.")
        place.slack.disarm("usergroups.users.list")
        assert (await typed(place, "invite eve eve_new")).title == "Invite somebody"
        # Unknown again at the submission: the members of a moment ago count.
        place.slack.arm("usergroups.users.list", *[error("internal_error")] * 3)
        await place.slack.submit(user=LIN)
        await modal(place, "Invitation sent")
        await command_refused(place, "invite eve", "Only some people may change accounts.", TOM)
    assert written(place) == [writes.INVITE]


async def test_refused_right_takes_the_buttons_away_until_it_is_granted(place):
    place.invite("dee", timedelta(days=3))
    place.wechat.reject("dee@harbour_tea")
    async with bot_in_loop(place):
        await rejection(place)
        await until(lambda: any("op.invite" in buttons(one) for one in place.slack.messages(ALERTS)))
        alert = next(one for one in place.slack.messages(ALERTS) if "op.invite" in buttons(one))

        def now() -> list[str]:
            return buttons(place.slack.channels[ALERTS].messages[alert.ts])

        place.wechat.inject(Fault(FaultMode.ERRCODE, errcode=48001, path=writes.INVITE))
        await typed(place, "invite eve eve_new")
        await place.slack.submit(user=LIN)
        assert "errcode 48001" in shown(await modal(place, "This account may not do that from outside"))
        await place.slack.close_modal(user=LIN)
        await until(lambda: "op.invite" not in now(), within=20)
        assert "link.console" in now()
        await place.slack.click(alert, "alert.details", user=LIN)
        assert "op.invite" not in buttons(await modal(place, "declined"))
        await place.slack.close_modal(user=LIN)
        status = await (await place.slack.command("status", channel=CARE, user=LIN)).answer()
        assert "WeChat refuses them (48001)" in status.text
        # The command still opens the form, and success brings the buttons back.
        again = await typed(place, "invite eve eve_new")
        assert "(48001). If the right has been granted since, go on." in shown(again)
        await place.slack.submit(user=LIN)
        await modal(place, "Invitation sent")
        await place.slack.close_modal(user=LIN)
        await until(lambda: "op.invite" in now(), within=20)
        await place.slack.click(alert, "alert.details", user=LIN)
        assert "op.invite" in buttons(await modal(place, "declined"))
    assert written(place) == [writes.INVITE, writes.INVITE]


async def test_database_that_is_unreachable_at_the_submission_sends_nothing(tmp_path):
    async with care_team(sqlite(tmp_path)) as place:
        async with bot_in_loop(place):
            await until(lambda: len(place.wechat.log) > 2)
            await typed(place, "rename eve Evening")
        async with bot_in_loop(place, DATABASE_URL=NOWHERE):
            refused = await place.slack.submit(user=LIN)
            assert refused.errors["name"].startswith("The database does not answer.")
            await command_refused(place, "invite eve", "The database does not answer")
    assert written(place) == []


async def test_quiet_hours_hold_messages_of_their_own_and_no_thread_reply(tmp_path):
    now = utc_now()
    quiet = {"QUIET_HOURS": f"{now - timedelta(hours=2):%H}:00-{now + timedelta(hours=2):%H}:00", "TIMEZONE": "UTC"}
    async with care_team(sqlite(tmp_path)) as place:
        async with bot_in_loop(place):
            await rejection(place)
        async with bot_in_loop(place, **quiet):
            await typed(place, "rename eve Evening")
            await place.slack.submit(user=LIN)
            await modal(place, "Eve is now Evening.")
            await place.slack.close_modal(user=LIN)
            await form(place, "op.invite")
            await place.slack.submit({"wx": "chen_new"}, user=LIN)
            await until(lambda: len(place.texts) == 2)
            reply = place.slack.messages(ALERTS)[1]
            assert (reply.thread_ts, reply.text[:20]) == (alert_of(place).ts, "Invited again by Lin")
            held = len(place.texts)
            status = await (await place.slack.command("status", channel=CARE, user=LIN)).answer()
            assert "waits" in status.text
        async with bot_in_loop(place):
            await until(lambda: len(place.texts) == held + 1)
    assert place.texts[2] == "Renamed by Lin: Evening (eve@harbour_tea), was Eve."


# Two processes


@pytest.mark.test_all  # tests.test_execution ends a process at each step of an operation
@pytest.mark.process
async def test_operation_of_a_killed_process_is_finished_by_another(store_url, tmp_path):
    async with care_team(store_url) as place:
        place.wechat.inject(Fault(FaultMode.ANSWER_LATE, path=writes.INVITE, seconds=20))
        async with running(place.environ) as first, running(place.environ) as second:
            place.slack.app_url = first.slack_url
            alert = await rejection(place)
            await form(place, "op.invite")
            await place.slack.submit({"wx": "chen_new"}, user=LIN)
            assert "Asking WeChat…" in shown(place.slack.modal(LIN))
            await first.stop(9)
            place.slack.app_url = second.slack_url
            # The account is claimed until then.
            taken = await forged_form(place, LIN, *FORGED[0][:2], **FORGED[0][2])
            assert taken["wx"].startswith("Lin is changing this account right now, since ")
            _end_leases(store_url)
            assert "Chen waits for chen_new" in shown(await modal(place, "Invitation sent", within=30))
            await until(lambda: len(place.texts) == 2)
            assert place.slack.messages(ALERTS)[1].thread_ts == alert.ts
    assert written(place) == [writes.INVITE]


def _end_leases(store_url: str) -> None:
    """Let the lease of every operation be over, as 45 seconds later."""
    engine = sa.create_engine(store_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE operation SET lease_until = asked_at WHERE lease_until IS NOT NULL"))
    engine.dispose()
