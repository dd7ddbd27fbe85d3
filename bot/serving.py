"""Serve until a signal: listen, load the accounts, run the process over them, and replace it when they change."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from functools import partial

from bot.app import Process
from bot.fleet import build_fleet
from bot.ports import Clock, utc_now
from bot.runtime.generations import Generation, Generations, Work
from bot.runtime.logs import LogEvent
from bot.tenants.loading import DefinedAccounts
from bot.tenants.reloading import Reloading
from bot.tenants.tenant import Tenant
from bot.web.front import Front
from bot.web.rejections import Rejections
from bot.web.server import CannotListenError
from bot.web_handlers import listen

log = logging.getLogger(__name__)

NO_ACCOUNT = (
    "There is no Official Account that can be watched: `python -m bot accounts list` shows why, or add one."
)


async def serve(
    defined: DefinedAccounts,
    *,
    role: str,
    exit_now: Callable[[int], object],
    ignored: Sequence[str] = (),
    clock: Clock = utc_now,
    reloading: Reloading | None = None,
) -> int:
    """Run a `web` or `worker` process until SIGTERM or SIGINT. Return the exit status.

    `exit_now` ends the process at once, with a status: a store that hangs must not delay the exit.
    `ignored` names variables of the environment that are not used because of their values.
    `reloading` reads the accounts of the store, and all accounts again after SIGHUP and after commands. Without it,
    SIGHUP is not handled.
    """
    settings, front = defined.settings, Front(Rejections(clock))

    async def work(tenants: Sequence[Tenant], defined: DefinedAccounts, generation: Generation) -> int:
        async with build_fleet(settings, tenants, clock, role=role, rejections=front.rejections) as fleet:
            process = Process(fleet, role, exit_now, front=front, defined=defined)
            if reloading:
                process.watch_accounts(partial(reloading.check, renew=generations.renew))
            return await process.run(generation.stop, ignored, generation=generation)

    async def first(generation: Generation) -> int:
        tenants = await reloading.start() if reloading else defined.tenants
        if generation.stop.is_set():
            return 0
        if not tenants and not settings.has_platform:
            log.error(LogEvent("no account can be watched", next=NO_ACCOUNT))
            return 2
        return await work(tenants, defined, generation)

    async def renewed() -> Work | None:
        found = await reloading.reload() if reloading else None
        return partial(work, found, reloading.defined) if reloading and found else None

    generations = Generations(renewed)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, generations.stop)  # a second signal changes nothing
    if reloading:
        loop.add_signal_handler(signal.SIGHUP, generations.renew)
    try:
        if role == "web":
            await listen(front, settings)  # reading thousands of accounts must not delay it
        status = await generations.run(first)
    except CannotListenError as exc:
        log.error(LogEvent("cannot bind address", error=exc))
        return 1
    finally:
        await front.close()
    log.info(LogEvent("stopped", role=role))
    return status
