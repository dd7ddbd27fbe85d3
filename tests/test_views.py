"""Views of Slack: one call is one request, and nothing raises. Against a server at Slack's boundary, over HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.servers import serve
from bot.ports import ShownView, ViewRefused
from bot.runtime.metrics import Metrics
from bot.slack.views import SlackViews
from bot.slack.web_api import no_retry_client

MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "Rename"}, "blocks": []}
SHOWN = {"ok": True, "view": {"id": "V0001", "hash": "1795000000.abc", **MODAL}}


class SlackEnd:
    """Records each request, and answers with what a test puts into `says`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.says: Any = SHOWN
        self.status = 200
        self.headers: dict[str, str] = {}
        self.pause = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.path.rpartition("/")[2], await request.json()))
        await asyncio.sleep(self.pause)
        return web.json_response(self.says, status=self.status, headers=self.headers)


@pytest.fixture
def slack() -> SlackEnd:
    return SlackEnd()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def views(slack: SlackEnd, metrics: Metrics) -> AsyncIterator[SlackViews]:
    app = web.Application()
    app.router.add_post("/api/{method}", slack.answer)
    async with serve(app) as url, aiohttp.ClientSession() as session:
        yield SlackViews(no_retry_client("xoxb-1", f"{url}/api/", session), metrics.count, within=0.5)


async def test_each_method_is_one_request_with_its_arguments(slack, views):
    shown = ShownView("V0001", "1795000000.abc")
    assert await views.open("1.2.3", MODAL) == shown
    assert await views.push("1.2.4", MODAL) == shown
    assert await views.update("V0001", MODAL) == shown
    assert await views.publish("U0LIN", MODAL) == shown
    assert slack.requests == [
        ("views.open", {"trigger_id": "1.2.3", "view": MODAL}),
        ("views.push", {"trigger_id": "1.2.4", "view": MODAL}),
        ("views.update", {"view_id": "V0001", "view": MODAL}),
        ("views.publish", {"user_id": "U0LIN", "view": MODAL}),
    ]


async def test_version_is_sent_as_the_hash(slack, views):
    await views.update("V0001", MODAL, version="7.x")
    await views.publish("U0LIN", MODAL, version="8.x")
    assert [arguments["hash"] for _, arguments in slack.requests] == ["7.x", "8.x"]


CODES = [
    *("expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "not_found", "hash_conflict"),
    *("not_enabled", "push_limit_reached", "view_too_large", "invalid_arguments", "duplicate_external_id"),
    *("invalid_auth", "missing_scope", "internal_error", "a_word_of_tomorrow"),
]


@pytest.mark.parametrize("code", CODES)
async def test_refusal_has_its_code_and_is_not_repeated(slack, views, metrics, code):
    slack.says = {"ok": False, "error": code}
    # Slack documents that a request with an internal error may have been carried out in part.
    refused = ViewRefused(code, is_unanswered=code == "internal_error")
    for shown in (views.open("1.2.3", MODAL), views.push("1.2.3", MODAL)):
        assert await shown == refused
    for shown in (views.update("V0001", MODAL, version="7.x"), views.publish("U0LIN", MODAL)):
        assert await shown == refused
    assert len(slack.requests) == 4
    assert (metrics.number("view", code), metrics.number("view", "shown")) == (4, 0)


async def test_rate_limit_has_its_wait(slack, views):
    slack.says, slack.status, slack.headers = {"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "7"}
    assert await views.publish("U0LIN", MODAL) == ViewRefused("ratelimited", wait=7.0)
    assert len(slack.requests) == 1


async def test_late_answer_is_a_refusal(slack, views):
    slack.pause = 2
    assert await views.open("1.2.3", MODAL) == ViewRefused("TimeoutError", is_unanswered=True)
    assert len(slack.requests) == 1


@pytest.mark.parametrize("answer", [{"ok": True}, {"ok": True, "view": {"id": 7}}, {"ok": True, "view": "V0001"}])
async def test_answer_without_a_view_is_a_refusal(slack, views, answer):
    slack.says = answer
    assert await views.open("1.2.3", MODAL) == ViewRefused("an answer without a view")


async def test_view_without_a_hash_has_no_version(slack, views):
    slack.says = {"ok": True, "view": {"id": "V0001"}}
    assert await views.open("1.2.3", MODAL) == ShownView("V0001", "")


async def test_unreachable_slack_is_a_refusal_without_a_wait():
    async with aiohttp.ClientSession() as session:
        views = SlackViews(no_retry_client("xoxb-1", "http://127.0.0.1:9/api/", session))
        assert await views.open("1.2.3", MODAL) == ViewRefused("ClientConnectorError", is_unanswered=True)


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("expired_trigger_id", "INFO"),
        ("hash_conflict", "INFO"),
        ("not_enabled", "INFO"),
        ("view_too_large", "WARNING"),
    ],
)
async def test_log_warns_only_of_faults(slack, views, caplog, code, level):
    caplog.set_level(logging.INFO, "bot")
    slack.says = {"ok": False, "error": code}
    await views.publish("U0LIN", MODAL)
    (line,) = [record for record in caplog.records if record.name == "bot.slack.views"]
    assert (line.levelname, str(line.msg)) == (level, f"view not shown method=views.publish error={code}")


async def test_client_with_retries_is_refused():
    with pytest.raises(ValueError, match="retry_handlers"):
        SlackViews(AsyncWebClient())
