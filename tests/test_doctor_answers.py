"""The doctor with unexpected responses: they become findings, and every wait is bounded."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from bot.demo.process import running
from bot.demo.servers import serve
from bot.demo.slack_simulator import SlackFault, dropped, error, http_error, ratelimited, slow
from tests.doctors import ASKED_OF_SLACK, ASKED_OF_WECHAT, about, examined, set_up_well, wrong
from tests.running import ALERTS, World, until
from tests.silence import silence
from tests.test_process import run
from wechat_kf import protocol, simulator
from wechat_kf.simulator import FaultMode

pytestmark = pytest.mark.server


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[World]:
    async with set_up_well(tmp_path) as made:
        yield made


def answering(**answers: web.Response | object) -> web.Application:
    """Serve one response for each last part of a path."""

    async def answer(request: web.Request) -> web.Response:
        said = answers[request.path.rsplit("/", 1)[1].replace(".", "_")]
        return web.json_response(said, headers={"Date": "yesterday"})

    app = web.Application()
    app.router.add_route("*", "/{path:.+}", answer)
    return app


ODD = {
    "another shape": SlackFault(status=200, body={"ok": True}),
    "a list": SlackFault(status=200, body=[1]),
    "a page": http_error(200, "<html>"),
    "bad gateway": http_error(),
    "wait": ratelimited(7),
    "trouble": error("internal_error"),
    "a new word": error("a_word_of_tomorrow"),
    "nothing": dropped(),
}


@pytest.mark.parametrize("fault", ODD.values(), ids=ODD)
@pytest.mark.parametrize("method", sorted(ASKED_OF_SLACK))
async def test_odd_answers_of_slack_become_findings(place, method, fault):
    place.slack.arm(method, fault)
    findings = await examined(place, {"ALERT_MENTION": "S0CARE", "SLACK_APP_TOKEN": place.slack.app_token})
    check = {
        "auth.test": "Slack",
        "conversations.info": "alert channel",
        "usergroups.list": "ALERT_MENTION",
        "apps.connections.open": "app token",
    }[method]
    if (method, fault) == ("auth.test", ODD["a new word"]):
        check = "Slack token"
    assert about(findings, check).verdict != "ok"
    assert "check failed" not in "".join(finding.said for finding in findings)
    assert about(findings, "customer service").verdict == "ok"


async def test_checks_that_need_slack_are_listed_as_skipped_while_it_does_not_respond(place):
    place.slack.arm("auth.test", http_error(503))
    findings = await examined(place)
    assert about(findings, "Slack").verdict == "wrong"
    for check in ("Slack token", "Slack scopes", "alert channel"):
        assert about(findings, check).said == "not checked: Slack did not answer"


@pytest.mark.parametrize(
    "kind", [FaultMode.HTML, FaultMode.TRUNCATED, FaultMode.DOWN, FaultMode.OTHER_LIST, FaultMode.ERRCODE]
)
@pytest.mark.parametrize("path", sorted(ASKED_OF_WECHAT))
async def test_odd_answers_of_wechat_become_findings(place, path, kind):
    place.wechat.inject(simulator.Fault(kind, times=None, path=path))
    findings = await examined(place)
    if (path, kind) == (protocol.TOKEN, FaultMode.OTHER_LIST):  # a token's answer has no list
        assert wrong(findings) == []
        return
    assert about(findings, "customer service").verdict != "ok"
    assert "check failed" not in "".join(finding.said for finding in findings)
    assert about(findings, "Slack token").verdict == "ok"


@pytest.mark.process
async def test_doctor_ends_in_time_when_no_server_responds():
    async with silence() as address:
        environ = {
            "SLACK_BOT_TOKEN": "xoxb-1",
            "SLACK_APP_TOKEN": "xapp-1",
            "SLACK_API_URL": f"http://{address}/api/",
            "SLACK_ALERT_CHANNEL": ALERTS,
            "WECHAT_APPID": "wx",
            "WECHAT_SECRET": "hush",
            "WECHAT_API_URL": f"http://{address}",
            "DATABASE_URL": f"postgresql://kf:hush@{address}/kf",
        }
        started = time.monotonic()
        status, out, err = await run(environ, "doctor")
    assert time.monotonic() - started < 20  # ten, and what a busy machine needs to start a process
    assert (status, err) == (1, "")
    for words in ("✗  Slack ", "✗  WeChat ", "store", "3 things are wrong"):
        assert words in out


async def test_slack_response_without_scopes_and_time_is_checked_by_the_rest(place):
    slack = answering(
        auth_test={"ok": True, "user": "kf", "team": "Harbour Tea"},
        conversations_info={"ok": True, "channel": {"id": "D0MEI", "is_im": True}},
    )
    async with serve(slack) as url:
        findings = await examined(place, {"SLACK_API_URL": f"{url}/api", "SLACK_ALERT_CHANNEL": "D0MEI"})
    assert wrong(findings) == []
    assert about(findings, "Slack scopes").verdict == "unknown"
    assert about(findings, "alert channel").said == "D0MEI is a direct message"
    assert about(findings, "clock").said == "agrees with WeChat's within a minute"


@pytest.mark.parametrize(
    ("path", "errcode", "check"),
    [(protocol.TOKEN, -1, "WeChat token"), (protocol.KF_LIST, 61450, "customer service")],
)
async def test_busy_wechat_is_not_reported_as_a_misconfiguration(place, path, errcode, check):
    place.wechat.inject(simulator.Fault(FaultMode.ERRCODE, times=None, path=path, errcode=errcode))
    findings = await examined(place)
    assert wrong(findings) == []
    assert about(findings, check).said.startswith("not known: system error")


async def test_secret_quoted_by_a_server_is_masked(place):
    token = place.environ["SLACK_BOT_TOKEN"]
    slack = answering(auth_test={"ok": True, "user": token, "team": token}, conversations_info={"ok": False})
    async with serve(slack) as url:
        findings = await examined(place, {"SLACK_API_URL": f"{url}/api"})
    assert about(findings, "Slack token").said == "is that of @••• in the workspace •••"


@pytest.mark.process
async def test_ctrl_c_ends_doctor_without_a_traceback(place, tmp_path):
    asked, log = [], tmp_path / "log"
    place.slack.watch("auth.test", "arrived", asked.append)
    place.slack.arm("auth.test", slow(20))
    async with running(place.environ, "doctor", log=log, wait=False) as process:
        await until(lambda: bool(asked))
        assert await process.stop(signal.SIGINT) == 130
    assert log.read_text() == ""


async def test_rows_that_cannot_be_read_are_counted(place):
    wechat = answering(
        stable_token={"access_token": "87_EXAMPLE", "expires_in": 7200}, getkflist={"kf_list": [{"kf_id": 1}, 2, 3]}
    )
    async with serve(wechat) as url:
        findings = await examined(place, {"WECHAT_API_URL": url})
    found = about(findings, "customer service")
    assert (found.verdict, found.said) == ("unknown", "1 account read, and 2 more that cannot be read")


async def test_redirect_by_wechat_is_reported_as_another_server(place):
    async with silence(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n") as address:
        [found] = wrong(await examined(place, {"WECHAT_API_URL": f"http://{address}"}))
    assert "something else than WeChat answers" in found.said
    assert "sign-in page" in found.remedy


async def test_timeout_behind_a_proxy_blames_neither_it_nor_wechat(place):
    place.wechat.inject(simulator.Fault(FaultMode.DOWN, times=None))
    [found] = wrong(await examined(place, {"FIXIE_URL": place.environ["WECHAT_API_URL"]}))
    assert "does not answer through 127.0.0.1 (FIXIE_URL)" in found.said
    assert "See whether FIXIE_URL is up and passes on" in found.remedy
