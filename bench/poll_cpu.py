"""Measure the CPU time of ticks in a separate process. Two stores alternate."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.seed_history import fill
from bench.testbed import APPID
from bot.fleet import build_services
from bot.settings.values import Settings
from bot.wiring import Services

TICKS = 150
WARM_UP = 15


@dataclass(frozen=True, slots=True)
class Ticks:
    """CPU milliseconds of each poll, and of each edit pass that follows it."""

    polls: list[float]
    edit_passes: list[float]


async def take(
    environ: Mapping[str, str], young: str, old: str, *, ticks: int = TICKS, warm_up: int = WARM_UP
) -> list[Ticks]:
    """Measure ticks in a new store, and in one with years of history.

    Nothing changes at WeChat. The parts are those of the bot, WeChat and Slack are other processes.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.poll_cpu", str(ticks), str(warm_up), young, old),
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await child.communicate()
    return [Ticks(*lists) for lists in json.loads(printed)]


async def tick(parts: Services) -> tuple[float, float]:
    """Return the CPU milliseconds of all threads for one poll, and for the pass after it."""
    watcher, delivery = parts.watcher, parts.delivery
    if watcher is None or delivery is None:
        raise RuntimeError("the alerts are off")
    await watcher.make_due()
    began = time.process_time()
    looked = await watcher.tick()
    seen = time.process_time()
    posted = await delivery.run()
    done = time.process_time()
    if not looked.is_good or posted:
        raise RuntimeError(f"unexpected tick: {looked}, {posted}")
    return (seen - began) * 1000, (done - seen) * 1000


async def begin(parts: Services) -> None:
    """Run the first poll, and post its summary, so that nothing is pending."""
    if parts.watcher and parts.delivery:
        await parts.watcher.tick()
        await parts.delivery.run()


async def main() -> None:
    """Print polls and edit passes of each store. Arguments: ticks, ticks before them, the stores."""
    ticks, warm_up, *urls = sys.argv[1:]
    async with AsyncExitStack() as stack:
        stores = []
        for url in urls:
            settings = Settings.from_environ({**os.environ, "DATABASE_URL": url})
            stores.append(await stack.enter_async_context(build_services(settings)))
        for parts in stores:
            await begin(parts)
        if store := stores[-1].store:
            await fill(store, APPID)
        for _ in range(int(warm_up)):
            for parts in stores:
                await tick(parts)
        times = [[await tick(parts) for parts in stores] for _ in range(int(ticks))]
    print(json.dumps([[*zip(*one, strict=True)] for one in zip(*times, strict=True)]))


if __name__ == "__main__":
    asyncio.run(main())
