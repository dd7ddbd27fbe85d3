"""Requests are verified before Bolt sees them; none is carried out twice, and a slow one delays no other."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web

from bot.demo.process import free_port
from bot.demo.servers import serve
from bot.demo.slack_simulator import sign
from bot.web.guard import MAX_AGE, SLACK_PATH, Guard, ReplayCache
from bot.web.server import Readiness, Server, make_web_app

SECRET = "stand-in"
A, B = "v0=" + "a" * 64, "v0=" + "b" * 64


class Bolt:
    """The application behind the guard: counts its requests, and responds with a status that a test sets."""

    def __init__(self) -> None:
        self.reached = 0
        self.status = 200
        self.pause = 0.0

    async def dispatch(self, text: str, headers: Mapping[str, str]) -> tuple[int, str]:
        self.reached += 1
        await asyncio.sleep(self.pause)
        if not self.status:
            raise RuntimeError("a bug")
        return self.status, ""


@asynccontextmanager
async def guarded(guard: Guard) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post(SLACK_PATH, guard.events)
    async with serve(app) as url:
        yield url


def signed(body: str, stamp: int | None = None) -> dict[str, str]:
    at = str(int(time.time()) if stamp is None else stamp)
    return {
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": sign(body, SECRET, at),
        "Content-Type": "application/x-www-form-urlencoded",
    }


async def send(url: str, body: str, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + SLACK_PATH, data=body, headers=headers) as got,
    ):
        return got.status


CLICK = urlencode({"payload": '{"type":"block_actions"}'})


def test_guard_without_a_signing_secret_is_refused():
    with pytest.raises(ValueError, match="anyone could sign"):
        Guard(Bolt().dispatch, "")


async def test_repeated_request_is_acknowledged_and_not_handled_again():
    bolt = Bolt()
    async with guarded(Guard(bolt.dispatch, SECRET)) as url:
        headers = signed(CLICK)
        assert [await send(url, CLICK, headers) for _ in range(3)] == [200, 200, 200]
    assert bolt.reached == 1


async def test_same_body_at_another_time_is_a_new_request():
    bolt, now = Bolt(), int(time.time())
    async with guarded(Guard(bolt.dispatch, SECRET)) as url:
        assert [await send(url, CLICK, signed(CLICK, now - ago)) for ago in range(3)] == [200, 200, 200]
    assert bolt.reached == 3


async def test_replay_during_the_first_request_is_not_handled():
    bolt = Bolt()
    bolt.pause = 0.1
    async with guarded(Guard(bolt.dispatch, SECRET)) as url:
        headers = signed(CLICK)
        assert set(await asyncio.gather(*(send(url, CLICK, headers) for _ in range(20)))) == {200}
    assert bolt.reached == 1


@pytest.mark.parametrize("body", [CLICK, "ssl_check=1&token=anything", "payload=%FF", '{"a":' * 60])
async def test_unsigned_request_is_neither_parsed_nor_passed_on(body):
    bolt = Bolt()
    async with guarded(Guard(bolt.dispatch, SECRET)) as url:
        assert await send(url, body, signed(body) | {"X-Slack-Signature": A}) == 401
    assert bolt.reached == 0


@pytest.mark.parametrize(("first", "seen"), [(401, 401), (500, 400), (0, 400)])
async def test_failed_request_may_be_repeated(first, seen):
    bolt = Bolt()
    bolt.status = first
    async with guarded(Guard(bolt.dispatch, SECRET)) as url:
        headers = signed(CLICK)
        assert await send(url, CLICK, headers) == seen
        bolt.status = 200
        assert await send(url, CLICK, headers) == 200
    assert bolt.reached == 2


def test_signature_is_remembered_for_the_accepted_age():
    replays = ReplayCache()
    assert replays.take(A, stamp=1000, now=1000)
    assert not replays.take(A, stamp=1000, now=1000 + MAX_AGE)
    assert replays.take(B, stamp=1000 + MAX_AGE, now=1000)  # from a clock ahead: good for twice as long
    assert not replays.take(B, stamp=1000 + MAX_AGE, now=1000 + 2 * MAX_AGE)


def test_signatures_beyond_the_accepted_age_are_forgotten():
    replays = ReplayCache()
    for number in range(1000):
        replays.take(f"v0={number:064x}", stamp=number, now=number)
    replays.take(A, stamp=10_000, now=10_000)
    assert len(replays) == 1


def test_signature_across_two_others_is_new():
    first, second = "0123456789abcdef", "fedcba9876543210"
    across = (first + second)[6:22]
    replays = ReplayCache()
    taken = [replays.take(f"v0={short}", stamp=1000, now=1000) for short in (first, second, across, across, second)]
    assert taken == [True, True, True, False, False]
    replays.give_back(f"v0={second}", 1000)
    taken = [replays.take(f"v0={short}", stamp=1000, now=1000) for short in (first, second, across)]
    assert taken == [False, True, False]


def test_remembered_signatures_take_ten_bytes_each():
    replays, number = ReplayCache(), 20_000
    signatures = [f"v0={hashlib.sha256(b'%d' % one).hexdigest()}" for one in range(number)]
    tracemalloc.start()
    try:
        for one, signature in enumerate(signatures):
            assert replays.take(signature, stamp=one // 100, now=0)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(replays) == number
    assert used / number < 15


async def test_slow_body_is_refused_and_delays_no_other_request():
    bolt = Bolt()
    async with guarded(Guard(bolt.dispatch, SECRET, body_seconds=0.5)) as url, AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(half_a_request(url)) for _ in range(50)]
        started = time.perf_counter()
        assert await send(url, CLICK, signed(CLICK)) == 200
        assert time.perf_counter() - started < 0.4
        answers = [await reader.readline() for reader in slow]
    assert set(answers) == {b"HTTP/1.1 408 Request Timeout\r\n"}
    assert bolt.reached == 1


@asynccontextmanager
async def half_a_request(url: str) -> AsyncIterator[asyncio.StreamReader]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "".join(f"{name}: {value}\r\n" for name, value in signed("half").items())
    writer.write(f"POST {SLACK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n{head}\r\nhalf".encode())
    await writer.drain()
    try:
        yield reader
    finally:
        writer.close()


NO_HTTP = {
    "a header": "X-HUSH\x00: response_url=HUSH\r\n\r\n",
    "a chunk": "Transfer-Encoding: chunked\r\n\r\nresponse_url=HUSH\r\n",
    "a length": "Content-Length: 1\r\nContent-Length: 2\r\n\r\nresponse_url=HUSH",
    "a compression": "Content-Encoding: deflate\r\nContent-Length: 17\r\n\r\nresponse_url=HUSH",
}


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """Run the bot's server, and yield its port."""

    async def ready() -> Readiness:
        return Readiness()

    server, port = Server(make_web_app(ready, Bolt().dispatch, signing_secret=SECRET)), free_port()
    await server.listen("127.0.0.1", port)
    try:
        yield port
    finally:
        await server.close()


async def test_three_hundred_concurrent_requests_are_accepted_while_the_loop_is_busy():
    async with listening() as port:
        with ExitStack() as stack:
            for _ in range(300):  # without a word to the loop, which accepts none of them meanwhile
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=0.5))


@pytest.mark.parametrize("rest", NO_HTTP.values(), ids=NO_HTTP)
async def test_malformed_http_is_refused_and_not_logged(caplog, rest):
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "".join(f"{name}: {value}\r\n" for name, value in signed("").items())
        writer.write(f"POST {SLACK_PATH} HTTP/1.1\r\nHost: x\r\n{head}{rest}".encode())
        assert b" 400 " in await reader.readline()
        await reader.read()
        writer.close()
    assert caplog.text == ""
