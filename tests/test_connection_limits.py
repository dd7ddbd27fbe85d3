"""Connections of strangers: bounded in number and in time, while commands and alerts go on."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.demo.process import ROOT, free_port
from bot.web.connection_limits import ACCEPT_FAILED, ConnectionLimits, Connections
from bot.web.file_limit import ENOUGH, RESERVED, connections_within, raise_soft_limit
from bot.web.server import Readiness, Server, make_web_app
from tests.running import CARE, World, answers, until, world

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def listening(limits: ConnectionLimits) -> AsyncIterator[int]:
    """Run the bot's server with these limits, and yield its port."""

    async def ready() -> Readiness:
        return Readiness()

    server, port = Server(make_web_app(ready), limits), free_port()
    await server.listen("127.0.0.1", port)
    try:
        yield port
    finally:
        await server.close()


async def closes_within(reader: asyncio.StreamReader, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await reader.read()
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a head"])
async def test_connection_without_a_request_head_is_closed_in_time(sent):
    async with listening(ConnectionLimits(head_seconds=0.2)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert not await closes_within(reader, 0.1)
        assert await closes_within(reader, 1)
        writer.close()


async def test_request_head_that_trickles_in_is_closed_in_time():
    async with listening(ConnectionLimits(head_seconds=0.3)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = time.monotonic()
        while not reader.at_eof() and not reader.exception() and time.monotonic() - began < 5:
            writer.write(b"x")
            await asyncio.sleep(0.05)
        assert time.monotonic() - began < 2
        writer.close()


async def test_idle_connection_serves_the_next_request_and_is_closed_later():
    async with listening(ConnectionLimits(head_seconds=0.2, idle_seconds=0.6)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(GET)
            assert b"200" in await reader.readuntil(b"ok\n")
            await asyncio.sleep(0.35)  # longer than a head may take
        assert await closes_within(reader, 2)
        writer.close()


async def test_second_request_head_has_as_little_time_as_the_first():
    async with listening(ConnectionLimits(head_seconds=0.2, idle_seconds=60)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await reader.readuntil(b"ok\n")
        writer.write(GET[:10])
        assert await closes_within(reader, 2)
        writer.close()


async def test_longest_idle_connection_is_closed_at_the_limit(caplog):
    async with listening(ConnectionLimits(count=3)) as port:
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        kept[0][1].write(GET)  # now the second has been idle longest
        await kept[0][0].readuntil(b"ok\n")
        newest = await asyncio.open_connection("127.0.0.1", port)
        assert await closes_within(kept[1][0], 1)
        newest[1].write(GET)
        assert b"200" in await newest[0].readuntil(b"ok\n")
        for reader, _ in (kept[0], kept[2], newest):
            assert not await closes_within(reader, 0.05)
        for _, writer in [*kept, newest]:
            writer.close()
    assert [record.getMessage() for record in caplog.records] == [
        "idle connections closed to make room count=1 limit=3"
    ]


async def test_accept_errors_are_one_line_a_minute_and_close_idle_connections(caplog):
    now = [1000.0]
    connections = Connections(ConnectionLimits(), now=lambda: now[0])
    loop = asyncio.get_running_loop()
    context = {"message": ACCEPT_FAILED, "exception": OSError(errno.EMFILE, "Too many open files")}
    for _ in range(120):
        for _ in range(1000):
            connections.handle_loop_error(loop, context)
        now[0] += 1
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ['connections cannot be accepted error="[Errno 24] Too many open files" open=0'] * 2


async def test_other_errors_of_the_loop_are_logged_as_ever(caplog):
    Connections(ConnectionLimits()).handle_loop_error(asyncio.get_running_loop(), {"message": "something else"})
    assert "something else" in caplog.text


@pytest.mark.parametrize(
    ("files", "connections"), [(ENOUGH, 4000), (1024, 1024 - RESERVED), (256, 156), (120, 60), (64, 32)]
)
def test_connections_leave_files_for_everything_else(files, connections):
    assert connections_within(files) == connections


def test_soft_limit_of_files_is_raised_to_the_hard_one_within_reason():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        assert raise_soft_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(before[1], ENOUGH)
        assert raise_soft_limit() >= 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def with_few_files(place: World, files: int, log: Path) -> AsyncIterator[int]:
    """Run a bot that may open this many files, and yield its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f'ulimit -n {files} && exec "$0" -m bot', sys.executable),
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), **place.environ, "HOST": "127.0.0.1", "PORT": str(port)},
            stdout=out,
            stderr=out,
        )
        try:
            await until(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
            place.slack.app_url = f"http://127.0.0.1:{port}/slack/events"
            yield port
        finally:
            process.terminate()
            await process.wait()


@pytest.mark.process
async def test_more_idle_connections_than_files_stop_neither_commands_nor_alerts(tmp_path):
    log = tmp_path / "log"
    async with world(f"sqlite:///{tmp_path / 'kf.db'}") as place:
        key = place.invite("bo")
        async with with_few_files(place, 200, log) as port, aiohttp.ClientSession() as session:
            await until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
            with ExitStack() as stack:
                for _ in range(400):
                    stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                    await asyncio.sleep(0)
                place.wechat.reject(key)
                said = await place.slack.command("status", channel=CARE)
                assert said.ack.status == 200
                assert (await said.answer()).text
                await until(lambda: len(place.texts) == 1)
                async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                    assert answer.status == 200
    lines = log.read_text().splitlines()
    assert len([line for line in lines if "idle connections closed to make room" in line]) == 1
    assert len([line for line in lines if "cannot be accepted" in line]) <= 1
    assert len(lines) < 60
