"""`python -m bot demo` as a process: it starts, says where it is, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from bot.__main__ import main
from bot.demo.process import ROOT
from tests.running import until

pytestmark = pytest.mark.process

SOON = 15  # seconds; the bot itself promises ten


@asynccontextmanager
async def demo(folder: Path, port: int = 0) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Start it with a folder for what is temporary; the process, and the address it prints."""
    passed = {name: value for name, value in os.environ.items() if name == "PATH" or "COVERAGE" in name}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "demo", "--no-browser", "--port", str(port)),
        cwd=ROOT,
        env=passed | {"TMPDIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        yield process, re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def page_at(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


NOHUP = pytest.mark.skipif(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="run under nohup")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=NOHUP)])
async def test_stop_leaves_no_process_and_no_file(tmp_path, number):
    async with demo(tmp_path) as (process, url):
        assert "<title>WeChat KF playground" in await page_at(url)
        await stops(process, number)
    assert list(tmp_path.iterdir()) == []


async def test_port_in_use_is_replaced_and_an_interrupt_leaves_no_process_and_no_file(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with demo(tmp_path, port) as (process, url):
            assert f":{port}/" not in url
            assert "<title>" in await page_at(url)
            assert f"Port {port} is taken".encode() in await process.stderr.readline()
            await stops(process, signal.SIGINT)
    assert list(tmp_path.iterdir()) == []


async def stops(process: asyncio.subprocess.Process, number: int) -> None:
    """Stop a playground with this signal: it ends in time, and so does its bot."""
    family = psutil.Process(process.pid)
    await until(lambda: bool(family.children(recursive=True)))
    children = family.children(recursive=True)
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), SOON) in (0, 130)
    assert b"Traceback" not in await process.stderr.read()
    assert [child for child in children if child.is_running()] == []


async def test_bot_ends_with_a_killed_playground(tmp_path):
    async with demo(tmp_path) as (process, _):
        family = psutil.Process(process.pid)
        await until(lambda: bool(family.children(recursive=True)))
        children = family.children(recursive=True)
        process.kill()
        await process.wait()
        await until(lambda: not any(child.is_running() for child in children), within=SOON)


@pytest.mark.parametrize("port", ["65536", "-1", "x"])
def test_invalid_port_is_refused_in_a_sentence(capsys, port):
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "--port", port])
    assert "argument --port: " in capsys.readouterr().err
