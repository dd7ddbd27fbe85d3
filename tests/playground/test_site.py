"""The playground's own server: for this machine's browser alone, and strict about what its page may load."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.demo.playground.event_stream import EventStream
from bot.demo.playground.sandbox import Sandbox
from bot.demo.playground.site_server import application
from bot.demo.servers import serve


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """The server, without the bot: who asks is looked at first."""
    feed = EventStream()
    world = Sandbox(tmp_path, feed.publish)
    async with serve(application(world, feed)) as url, aiohttp.ClientSession(url) as session:
        yield session


async def test_page_forbids_foreign_and_inline_content(site):
    async with site.get("/") as answer:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        text = await answer.text()
    assert answer.status == 200
    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert "://" not in text
    assert "style=" not in text


@pytest.mark.parametrize("path", ["/", "/main.js", "/favicon.svg", "/events", "/nothing.js", "/do/nothing"])
async def test_each_response_has_a_type_and_protecting_headers(site, path):
    async with site.get(path) as answer:
        headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"


NO_HOSTS = ["[::1", "127.0.0.1:99999999", "127.0.0.1:x"]


@pytest.mark.parametrize(
    "host", ["kf.example.com", "kf.example.com:3000", "127.0.0.1.example.com", "10.0.0.1", *NO_HOSTS]
)
@pytest.mark.parametrize("path", ["/", "/events"])
async def test_foreign_host_name_is_refused(site, host, path):
    async with site.get(path, headers={"Host": host}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
async def test_request_from_another_site_is_refused(site, origin):
    details = {"json": {"name": "monday"}, "headers": {"Origin": origin}}
    async with site.post("/do/preset", **details) as answer:
        assert answer.status == 403


async def test_request_from_the_own_page_is_accepted(site):
    origin = str(site._base_url).rstrip("/")
    async with site.post("/do/preset", json={"name": "monday"}, headers={"Origin": origin}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("preset", b"name=monday", "The request is no JSON."),
        ("preset", b"[" * 90_000, "The request is no JSON."),
        ("preset", b"[]", "The request is no JSON object."),
        ("preset", b'{"name": "sunday"}', "There is no preset 'sunday'."),
        ("zone", b'{"name": "Mars/Base"}', "There is no time zone of that name."),
        ("language", b'{"name": "de"}', "There is no language of that name."),
        ("clock", b'{"rate": 7}', "The clock runs at one of 1, 60, 1440."),
        ("slack.say", b'{"channel": "C0CARE", "user": "U0MEI", "text": " "}', "There is nothing to say."),
        ("slack.say", b'{"channel": "C0CARE", "user": "U0MEI", "text": 7}', "The request lacks a text 'text'."),
        (
            "slack.say",
            rb'{"channel": "C0CARE", "user": "U0MEI", "text": "half a smile: \ud83d"}',
            "The request is no JSON.",
        ),
        ("slack.say", b'{"channel": "C0CARE", "user": "U0EVE", "text": "hi"}', "There is no person with that ID."),
        (
            "slack.command",
            b'{"channel": "C0CARE", "user": "U0MEI", "text": "kf"}',
            "A command begins with a slash.",
        ),
        (
            "slack.command",
            b'{"channel": "C0CARE", "user": "U0MEI", "text": "/kfc list"}',
            "/kfc is not a valid command. The app that is installed here has /kf.",
        ),
        ("slack.command", b'{"channel": "C0NONE", "user": "U0MEI", "text": "/kf"}', "There is no such channel."),
        (
            "slack.click",
            b'{"channel": "C0CARE", "user": "U0MEI", "ts": "1.0", "action_id": "kf.refresh"}',
            "The message is gone.",
        ),
        ("slack.close", b'{"user": "U0MEI", "view": "V1"}', "The window has changed meanwhile."),
        ("slack.submit", b'{"user": "U0MEI", "view": "V1", "entries": {"wx": 7}}', "The fields contain texts."),
        (
            "wechat.invite",
            b'{"key": "eve@harbour_tea", "invite_wx": "eve_example", "seconds": NaN}',
            "For how long is the invitation?",
        ),
        (
            "wechat.invite",
            b'{"key": "eve@harbour_tea", "invite_wx": "eve_example", "seconds": 1%s}' % (b"0" * 400),
            "For how long is the invitation?",
        ),
        (
            "wechat.invite",
            b'{"account": "wx-playground", "key": "eve@harbour_tea", "invite_wx": "eve_example", "seconds": -1}',
            "An invitation lasts from a second to 30 days.",
        ),
        (
            "wechat.invite",
            b'{"account": "wx-playground", "key": "anna@harbour_tea", "invite_wx": "eve_example", "seconds": 60}',
            "(65412).",
        ),
        ("wechat.add", b'{"account": "wx-playground", "name": "anna", "nickname": "Anna"}', "(65406)."),
        (
            "wechat.accept",
            b'{"account": "wx-playground", "key": "nobody@harbour_tea"}',
            "There is no such account any more.",
        ),
        (
            "wechat.reject",
            b'{"account": "wx-playground", "key": "eve@harbour_tea"}',
            "Nobody is invited to this account.",
        ),
        ("wechat.reject", b'{"account": "wx", "key": "eve@harbour_tea"}', "There is no such Official Account."),
        ("fault", b'{"side": "moon", "name": "down"}', "Trouble is with wechat or with slack."),
        ("fault", b'{"side": [], "name": "down"}', "The request lacks a text 'side'."),
        ("fault", b'{"side": "slack", "name": "dull"}', "Slack has no trouble called 'dull'."),
        ("bot.kill", b"{}", "There is no bot to kill at the moment: the next one is starting."),
    ],
)
async def test_malformed_request_is_refused_with_a_sentence(site, name, body, why):
    async with site.post(f"/do/{name}", data=body, headers={"Content-Type": "application/json"}) as answer:
        said = await answer.json()
    assert (answer.status, said["ok"]) == (400, False)
    assert said["error"].endswith(why)


async def test_unknown_charset_is_refused(site):
    details = {"data": b'{"name": "monday"}', "headers": {"Content-Type": "application/json; charset=klingon"}}
    async with site.post("/do/preset", **details) as answer:
        assert answer.status == 400


async def test_content_types_that_a_form_can_send_are_refused(site):
    async with site.post(
        "/do/preset", data=b'{"name": "monday"}', headers={"Content-Type": "text/plain"}
    ) as answer:
        assert answer.status == 400


async def test_only_files_of_the_page_are_served(site):
    for path in ("/../site.py", "/%2e%2e%2fsite.py", "/site.py", "/page/main.js"):
        async with site.get(path) as answer:
            assert answer.status == 404
