"""The bot end to end: commands and clicks over signed HTTP, alerts in the channel."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from io import BytesIO
from urllib.parse import urlencode

import aiohttp
import pytest
from multidict import CIMultiDict

from bot.demo.blockkit import mentions, problems
from bot.demo.slack_simulator import RESPONSE_URL, http_error, sign
from tests.running import (
    CARE,
    NOWHERE,
    World,
    answers,
    bot_in_loop,
    final_answer,
    modal_text,
    until,
    world,
)
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.server

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[World]:
    async with world(sqlite_url) as made:
        made.wechat.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
        made.invite("bo", 3 * DAY, "小波")
        yield made


@pytest.fixture
async def url(place: World) -> AsyncIterator[str]:
    async with bot_in_loop(place, ALERTS="off") as address:
        yield address


async def ask(place: World, text: str = "") -> str:
    said = await place.slack.command(text, channel=CARE)
    assert said.ack.status == 200
    return (await final_answer(said)).text


# Commands


async def test_kf_command_is_acknowledged_at_once_and_answered(place, url):
    said = await place.slack.command("", channel=CARE)
    assert (said.ack.status, said.ack.body, said.ack.failure) == (200, "", None)
    answer = await said.answer()
    assert answer.only_for == "U0MEI"
    assert answer.text.startswith("Nothing needs attention. 2 customer-service accounts")


async def test_acknowledgement_does_not_wait_for_wechat(place, url):
    place.wechat.inject(Fault(FaultMode.SLOW, seconds=0.5))
    started = time.perf_counter()
    said = await place.slack.command("list", channel=CARE)
    assert time.perf_counter() - started < 0.4
    assert (await said.answer()).text


COMMANDS = [
    ("list", "Accounts 1 to 2 of 2"),
    ("WAITING", "1 account is waiting"),
    ("find 小波", "Waiting: 小波"),
    ("小波", "Waiting: 小波"),
    ("lsit", "Showing /kf list"),
    ("?", "/kf shows what needs attention"),
    ("--help", "/kf shows what needs attention"),
    ("list page 2", "Accounts 1 to 2 of 2"),
    ("expired rejected", "No account is rejected or expired."),
    ("show anna@harbour_tea", "Bound: Anna"),
    ("待确认", "1 account is waiting"),
    ("查找小波", "Waiting: 小波"),
    ("help", "/kf shows what needs attention"),
    ("status", "Working normally"),
    ("history", "Nobody has changed an account through this bot."),
    ("历史小波", "Nobody has changed 小波 through this bot."),
    ("frobnicate", "No account matches “frobnicate”."),
]


async def test_every_command_is_answered(place, url):
    for typed, expected in COMMANDS:
        assert expected in await ask(place, typed), typed


async def test_wechat_error_is_answered_with_its_remedy_and_rid(place, url):
    place.wechat.allow_list = ()
    text = await ask(place)
    assert "WeChat refused this server's address, 203.0.113.7" in text
    assert "errcode 40164" in text
    assert "rid " in text


async def test_refused_address_on_a_host_without_a_fixed_one_is_called_temporary(place):
    place.wechat.allow_list = ()
    async with bot_in_loop(place, ALERTS="off", DYNO="web.1"):
        text = await ask(place)
    assert "203.0.113.7. It is temporary, unless it is fixed already: first get a fixed outgoing address" in text
    assert "on Heroku a proxy add-on such as Fixie" in text


async def test_vendors_own_example_is_reported_as_unreadable(place, url):
    place.wechat.inject(Fault(FaultMode.TRUNCATED, times=3, path="/cgi-bin/customservice/getkflist"))
    assert "could not be read" in await ask(place)


@pytest.mark.parametrize("kind", [FaultMode.BOMB, FaultMode.STACKED, FaultMode.TOO_LONG, FaultMode.DEEP])
async def test_oversized_responses_are_reported_as_unreadable(place, url, kind):
    place.wechat.inject(Fault(kind, times=None))
    assert "could not be read" in await ask(place)


async def test_answer_whose_blocks_slack_refuses_comes_as_text(place, url):
    place.slack.arm(RESPONSE_URL, http_error(400))
    assert (await ask(place)).startswith("Nothing needs attention")


async def test_answer_is_tried_once_more_when_slack_fails(place, url):
    place.slack.arm(RESPONSE_URL, http_error(502))
    assert (await ask(place)).startswith("Nothing needs attention")


async def test_redirected_reply_counts_as_failed(place, url, caplog):
    place.slack.arm(RESPONSE_URL, http_error(302))
    await place.slack.command("", channel=CARE)
    await until(lambda: "status=302" in caplog.text)


async def test_answer_that_slack_does_not_take_is_logged_without_its_url(place, url, caplog):
    place.slack.arm(RESPONSE_URL, http_error(404))
    await place.slack.command("", channel=CARE)
    await until(lambda: "reply not accepted" in caplog.text)
    assert "status=404" in caplog.text
    assert "/commands/" not in caplog.text


async def test_many_commands_at_once_are_all_acknowledged_and_answered(place, url):
    invocations = await asyncio.gather(*(place.slack.command("list", channel=CARE) for _ in range(30)))
    assert {said.ack.status for said in invocations} == {200}
    assert len([await said.answer() for said in invocations]) == 30


async def test_hundred_hostile_accounts_page_within_every_limit(place, url):
    for number in range(98):
        key = place.invite(f"kf{number}", (number + 1) * MINUTE * 30, "<!channel> *" + "漢😀&<>" * 1000)
        if number % 3 == 0:
            place.wechat.reject(key)
    named = set()
    for page in range(1, 11):
        said = await place.slack.command(f"list {page}", channel=CARE)
        message = await said.answer()
        payload = {"text": message.text, "blocks": list(message.blocks)}
        assert problems(payload) == []
        assert mentions(payload) == []
        named |= {f"kf{number}" for number in range(98) if f"kf{number}@harbour_tea" in json.dumps(payload)}
    assert len(named) == 98


# Clicks


async def test_next_replaces_the_page_and_details_are_a_modal(place, url):
    for number in range(12):
        place.invite(f"kf{number}")
    said = await place.slack.command("list", channel=CARE)
    first = await said.answer()
    clicked = await place.slack.click(first, "kf.page.next")
    second = await clicked.answer()
    assert (second.ts, second.text[:26]) == (first.ts, "Accounts 11 to 14 of 14, p")
    option = _first_option(second.blocks, "kf.open")
    await place.slack.click(second, "kf.open", option=option)
    assert option.removeprefix("v1:show:") in await modal_text(place.slack, "U0MEI")


def _first_option(blocks, action_id: str) -> str:
    for block in blocks:
        for element in block.get("elements", ()):
            if element.get("action_id") == action_id:
                return element["options"][0]["value"]
    raise LookupError(action_id)


FORGED_VALUES = ["", "v0:list", "v1:list:-1:all", "v9:show:x", "v1:list:1:nonsense", "x" * 2000, "v1:\u202e"]


async def test_old_or_forged_value_gets_a_friendly_answer(place, url):
    for value in FORGED_VALUES:
        answer = await _click(place, url, {"action_id": "kf.list", "type": "button", "value": value})
        assert "This button is out of date" in answer, value


UNKNOWN_BUTTONS = ["alert.ack", "alert.details", "something.else", ""]


async def test_button_that_this_version_does_not_know_gets_a_friendly_answer(place, url):
    for action_id in UNKNOWN_BUTTONS:
        action = {"action_id": action_id, "type": "button", "value": "v1:0123456789abcdef"}
        assert "This button is out of date" in await _click(place, url, action), action_id


async def test_link_button_is_acknowledged_and_nothing_else(place, url):
    place.wechat.allow_list = ()
    said = await place.slack.command("", channel=CARE)
    clicked = await place.slack.click(await said.answer(), "link.platform")
    assert clicked.ack.status == 200
    assert clicked.answers() == []


async def _click(place: World, url: str, action: dict) -> str:
    """Click a button that no message has, as a forged payload would."""
    said = await place.slack.command("help", channel=CARE)
    await said.answer()
    payload = {
        "type": "block_actions",
        "user": {"id": "U0MEI", "team_id": "T0001"},
        "team": {"id": "T0001"},
        "api_app_id": "A1",
        "container": {"type": "message", "is_ephemeral": False},
        "response_url": said.payload["response_url"],
        "actions": [{"block_id": "b", "action_ts": "1.2", **action}],
    }
    assert await post(place, url, urlencode({"payload": json.dumps(payload)})) == 200
    return (await said.answer()).text


# What arrives and is not Slack's


async def post(
    place: World,
    url: str,
    body: str | bytes,
    *,
    stamp: str | None = None,
    signature: str | None = None,
    kind: str = FORM,
) -> int:
    raw = body.encode() if isinstance(body, str) else body
    stamp = str(int(time.time())) if stamp is None else stamp
    if signature is None:
        signature = sign(raw, place.slack.signing_secret, stamp)
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature, "Content-Type": kind}
    where = f"{url}/slack/events"
    async with aiohttp.ClientSession() as session, session.post(where, data=BytesIO(raw), headers=headers) as got:
        return got.status


UNSIGNED = [
    ("", None),
    ("soon", None),
    ("١٢٣٤٥٦٧٨٩٠", None),
    ("9" * 400, None),
    ("1", None),
    ("-1", None),
    (None, ""),
    (None, "v0="),
    (None, "v0=" + "z" * 64),
    (None, "v0=" + "é" * 64),
    (None, "v1=" + "0" * 64),
    (None, "v0=" + "0" * 64),
]


async def test_unsigned_request_is_refused(place, url):
    for stamp, signature in UNSIGNED:
        status = await post(place, url, "command=/kf", stamp=stamp, signature=signature or "v0=" + "0" * 64)
        assert status == 401, (stamp, signature)


MALFORMED = [
    (b"\xff\xfe\xfd", FORM, 400),
    (b"payload=%FF%FE", FORM, 400),
    (b"payload=", FORM, 400),
    (b"payload={", FORM, 400),
    (b"payload=[1]", FORM, 400),
    (b"payload=null", FORM, 400),
    (b"payload=" + b"[" * 5000, FORM, 400),
    (b"{", "application/json", 400),
    (b"[]", "application/json", 400),
    (b'{"a":' * 100 + b"1" + b"}" * 100, "application/json", 400),
    (b"text=" + b"x" * 1_100_000, FORM, 413),
    (b"&".join(b"a=1" for _ in range(2000)), FORM, 400),
]


async def test_malformed_body_is_refused(place, url):
    for body, kind, expected in MALFORMED:
        assert await post(place, url, body, kind=kind) == expected, body[:40]


SIGNED = [
    "",
    "command=/other&text=x",
    "command=/kf",
    "command=/kf&text=a&text=b",
    "ssl_check=1",
    "payload={}",
    "payload=" + json.dumps({"type": "block_actions"}),
    "payload=" + json.dumps({"type": "block_actions", "actions": []}),
    "payload=" + json.dumps({"type": "block_actions", "actions": [None], "user": "U1"}),
    "payload=" + json.dumps({"type": "block_actions", "actions": {"action_id": "kf.list"}, "team": 7}),
    "payload=" + json.dumps({"type": "view_submission", "view": None}),
    "payload=" + json.dumps({"type": 5, "user": [], "team": [], "response_url": {}}),
]


async def test_malformed_signed_body_causes_no_5xx(place, url):
    for body in SIGNED:
        assert await post(place, url, body) < 500, body


SIGNED_JSON = [
    '{"type":"url_verification","challenge":"x"}',
    '{"type":"event_callback","event":null}',
    '{"event":{"type":5}}',
]


async def test_malformed_signed_json_causes_no_5xx(place, url):
    for body in SIGNED_JSON:
        assert await post(place, url, body, kind="application/json") < 500, body


async def test_body_of_a_wrongly_signed_request_is_not_logged(place, url, caplog):
    caplog.set_level("DEBUG")
    assert await post(place, url, "command=/kf&response_url=hush-hush", signature="v0=" + "0" * 64) == 401
    assert "hush-hush" not in caplog.text


async def test_health_answers_at_once_and_the_front_page_has_the_next_step(place, url):
    assert await answers(f"{url}/healthz")
    assert await answers(f"{url}/readyz")
    async with aiohttp.ClientSession() as session, session.get(f"{url}/") as page:
        text = await page.text()
    assert "/slack/events" in text


async def test_compressed_body_is_refused(place, url):
    headers = {
        "X-Slack-Request-Timestamp": str(int(time.time())),
        "X-Slack-Signature": "v0=" + "0" * 64,
        "Content-Type": FORM,
        "Content-Encoding": "gzip",
    }
    where = f"{url}/slack/events"
    async with aiohttp.ClientSession() as session, session.post(where, data=BytesIO(b"x"), headers=headers) as got:
        assert got.status == 400


@pytest.mark.parametrize("name", ["X-Slack-Request-Timestamp", "X-Slack-Signature"])
async def test_header_that_comes_twice_is_refused(place, url, name):
    body, stamp = "command=/kf", str(int(time.time()))
    headers = [
        ("X-Slack-Request-Timestamp", stamp),
        ("X-Slack-Signature", sign(body, place.slack.signing_secret, stamp)),
        ("Content-Type", FORM),
        (name, "abc"),
    ]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/slack/events", data=body, headers=CIMultiDict(headers)) as got,
    ):
        assert got.status == 401


async def test_truncated_body_is_not_logged_as_an_error(place, url, caplog):
    host, port = url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"Host: x\r\nContent-Length: 99\r\nX-Slack-Request-Timestamp: {int(time.time())}"
    signature = f"X-Slack-Signature: v0={'0' * 64}"
    writer.write(f"POST /slack/events HTTP/1.1\r\n{head}\r\n{signature}\r\n\r\nhalf".encode())
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.1)
    assert (await ask(place)).startswith("Nothing needs attention")
    assert "Traceback" not in caplog.text


# While something is away


async def test_kf_command_works_without_the_store_and_status_reports_it(place):
    async with bot_in_loop(place, DATABASE_URL=NOWHERE) as url:
        assert (await ask(place)).startswith("Nothing needs attention")
        assert await answers(f"{url}/readyz", 503)
        assert await answers(f"{url}/healthz")
        assert (await ask(place, "status")).startswith("The database does not answer.")


async def test_end_does_not_wait_for_a_database_that_was_never_opened(place, monkeypatch):
    for limit in ("bot.store.postgres.CONNECT_SECONDS", "bot.store.transactions.CONNECT_SECONDS"):
        monkeypatch.setattr(limit, 60)
    monkeypatch.setattr("bot.app.DRAIN_SECONDS", 60)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://kf@127.0.0.1:{silent.getsockname()[1]}/kf"
        async with asyncio.timeout(8), bot_in_loop(place, DATABASE_URL=url):
            pass


async def test_database_of_a_development_version_is_named_in_the_log_and_not_changed(place, tmp_path, caplog):
    (tmp_path / "kf.db").unlink()
    with closing(sqlite3.connect(tmp_path / "kf.db")) as old, old:
        old.executescript("""
            CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('0010');
            CREATE TABLE meta (appid TEXT); INSERT INTO meta VALUES ('wx1'); CREATE TABLE message (id TEXT);
        """)
        before = [*old.iterdump()]
    made = "this database was made by a development version before 1.0.0 and is not modified"
    async with bot_in_loop(place) as url, aiohttp.ClientSession() as session:
        await until(lambda: f"schema: {made}" in caplog.text)
        async with session.get(f"{url}/readyz") as answer:
            said = await answer.text()
        assert (answer.status, "The database lacks tables" in said) == (503, True)
        assert "the log says what prevents it" in said
        assert (await ask(place, "status")).startswith("The database lacks tables")
    with closing(sqlite3.connect(tmp_path / "kf.db")) as old:
        assert [*old.iterdump()] == before
    assert "no such table" not in caplog.text


async def test_exception_in_the_bot_is_answered(place, url, caplog):
    place.wechat.rows = None  # the simulated WeChat breaks in a way that no client expects
    assert "could not be" in await ask(place)


async def test_details_and_check_now_work_without_the_store(place):
    async with bot_in_loop(place, DATABASE_URL=NOWHERE) as url:
        for action_id in ("alert.details", "health.check"):
            assert await _click(place, url, {"action_id": action_id, "type": "button", "value": "v1:0123"})


async def test_kf_command_works_while_slacks_api_is_unreachable(place):
    async with bot_in_loop(place, SLACK_API_URL="http://127.0.0.1:9/api/"):
        assert (await ask(place)).startswith("Nothing needs attention")
