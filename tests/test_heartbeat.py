"""The heartbeat: one call, no exception, no repeated line, and its URL in none of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import httpx
import pytest

from bot.runtime import heartbeat
from bot.runtime.heartbeat import Heartbeat
from tests.wechat import Answering, Handler, all_at_debug, raw_server

URL = "https://beat.example.com/ping/geheim-uuid?key=geheim-key"
FINE, DOWN = httpx.Response(200), httpx.Response(503)


def heart(alarm: Handler, *, within: float = 5) -> Heartbeat:
    return Heartbeat(httpx.AsyncClient(transport=httpx.MockTransport(alarm), trust_env=False), URL, within=within)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with all_at_debug():
        yield caplog


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the level and the text of what the heartbeat logged."""
    return [
        (record.levelname, record.getMessage()) for record in caplog.records if record.name == heartbeat.__name__
    ]


async def test_beat_is_one_get_of_the_url_with_its_query():
    alarm = Answering(FINE)
    await heart(alarm).beat()
    (request,) = alarm.requests
    assert (request.method, str(request.url)) == ("GET", URL)
    assert set(request.extensions["timeout"].values()) == {5}


async def test_successful_beat_is_not_logged(everything_logged):
    await heart(Answering(FINE)).beat()
    assert lines(everything_logged) == []


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_every_2xx_is_a_beat(status, everything_logged):
    await heart(Answering(httpx.Response(status))).beat()
    assert lines(everything_logged) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (httpx.ConnectError(f"cannot reach {URL}"), "ConnectError"),
        (httpx.ReadTimeout(f"slow {URL}"), "ReadTimeout"),
        (httpx.InvalidURL(f"odd {URL}"), "InvalidURL"),
        (OSError(f"low {URL}"), "OSError"),
        (RuntimeError(f"closed {URL}"), "RuntimeError"),
        (httpx.Response(404), '"HTTP 404"'),
        (httpx.Response(503), '"HTTP 503"'),
    ],
)
async def test_failed_beat_is_logged_by_kind_and_never_raised(fault, error, everything_logged):
    await heart(Answering(fault)).beat()
    assert lines(everything_logged) == [("WARNING", f"heartbeat failed, calls go on error={error}")]
    assert "geheim" not in everything_logged.text


async def test_redirect_is_a_failure_and_is_not_followed(everything_logged):
    alarm = Answering(httpx.Response(302, headers={"location": URL}))
    http = httpx.AsyncClient(transport=httpx.MockTransport(alarm), follow_redirects=True)
    await Heartbeat(http, URL).beat()
    assert len(alarm.requests) == 1
    assert lines(everything_logged) == [("WARNING", 'heartbeat failed, calls go on error="HTTP 302"')]


async def test_series_of_failed_beats_is_logged_twice(everything_logged):
    alarm = Answering(FINE, DOWN, httpx.ConnectError("gone"), DOWN, FINE, FINE, DOWN)
    beating = heart(alarm)
    for _ in range(7):
        await beating.beat()
    assert [line for _, line in lines(everything_logged)] == [
        'heartbeat failed, calls go on error="HTTP 503"',
        "heartbeat works again",
        'heartbeat failed, calls go on error="HTTP 503"',
    ]


async def test_slow_call_is_cancelled(everything_logged):
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(3):
        await heart(silent, within=0.01).beat()
    assert lines(everything_logged) == [("WARNING", "heartbeat failed, calls go on error=TimeoutError")]


async def test_beat_does_not_wait_for_one_that_is_under_way():
    asked: list[httpx.Request] = []
    answered = asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        await answered.wait()
        return httpx.Response(200)

    beating = heart(slow)
    first = asyncio.create_task(beating.beat())
    await asyncio.sleep(0)
    async with asyncio.timeout(3):
        await beating.beat()
        assert len(asked) == 1
        answered.set()
        await first
        await beating.beat()
    assert len(asked) == 2


async def test_beat_after_a_cancelled_one_calls():
    asked: list[httpx.Request] = []

    async def silent_once(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) == 1:
            await asyncio.Event().wait()
        return httpx.Response(200)

    beating = heart(silent_once)
    first = asyncio.create_task(beating.beat())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await beating.beat()
    assert len(asked) == 2


async def test_endless_body_is_not_read(everything_logged):
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nand so on"
    async with raw_server(reply) as address, httpx.AsyncClient() as http:
        await Heartbeat(http, f"http://{address}/").beat()
    assert lines(everything_logged) == []


async def test_cancelled_beat_stays_cancelled():
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    beating = asyncio.create_task(heart(silent).beat())
    await asyncio.sleep(0)
    beating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beating


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found", b"500 Internal Server Error"])
async def test_log_of_a_real_call_has_no_url_at_any_level(status, everything_logged):
    reply = b"HTTP/1.1 %s\r\nContent-Length: 0\r\nLocation: /ping/geheim-uuid\r\n\r\n" % status
    async with raw_server(reply) as address, httpx.AsyncClient() as http:
        await Heartbeat(http, f"http://me:geheim-word@{address}/ping/geheim-uuid?key=geheim-key").beat()
        assert "geheim" not in everything_logged.text
        assert address not in everything_logged.text

        # What others do with the same library is theirs to log.
        logging.getLogger("httpx").info("somebody else")
        assert "somebody else" in everything_logged.text


async def test_log_of_a_failed_connection_has_no_url(everything_logged):
    async with raw_server(b"") as address:
        pass
    async with httpx.AsyncClient() as http:
        await Heartbeat(http, f"http://{address}/geheim").beat()
    assert "geheim" not in everything_logged.text
    assert [level for level, _ in lines(everything_logged)] == ["WARNING"]
