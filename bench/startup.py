"""Measure the start of the bot, and of the playground after `make demo`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from bot.demo.process import ROOT, running


async def bot(environ: Mapping[str, str], root: Path = ROOT) -> float:
    """Return the seconds from the start of the process, whose code is below `root`, to the first `/healthz`."""
    began = time.perf_counter()
    async with running(environ, root=root):
        return time.perf_counter() - began


async def page() -> float:
    """Return the seconds from `make demo` to a page with a running bot, with everything installed."""
    began = time.perf_counter()
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "demo", "--no-browser", "--port", "0"), stdout=asyncio.subprocess.PIPE
    )
    try:
        words = (await demo.stdout.readline()).decode().split() if demo.stdout else []
        url = next(word for word in words if word.startswith("http://"))
        async with aiohttp.ClientSession() as session, session.get(f"{url}events") as feed:
            async for line in feed.content:
                if b'"state": "running"' in line:
                    return time.perf_counter() - began
        raise RuntimeError("the playground ended")
    finally:
        demo.terminate()
        await demo.wait()
