"""One running process: start its server or socket and its loops, and shut them down in order."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bot import __version__
from bot.fleet import Fleet, build_fleet
from bot.health_log import HealthLog
from bot.interaction_wiring import make_interactions, with_administration
from bot.loops import AlertLoops
from bot.ports import Clock, utc_now
from bot.readiness import problems_of_several, readiness
from bot.runtime.generations import Generation, Generations, Work
from bot.runtime.logs import LogEvent
from bot.runtime.recently_used import RecentlyUsed
from bot.runtime.tasks import PeriodicTask, with_timeout
from bot.settings.values import Settings
from bot.slack.bolt_app import BoltApp, dispatch, make_app
from bot.slack.listeners import Interactions, register
from bot.slack.response_url import RESPONSE_LIMITS, ResponseLimits
from bot.slack.socket_mode import run_socket_mode
from bot.store.database import Store
from bot.store.store_errors import StoreError, waiting_for
from bot.tenant_router import TenantRouter
from bot.tenants.model import Tenant
from bot.tenants.reloading import CHECK_SECONDS, Reloading
from bot.web.front import Front, Handlers
from bot.web.rejections import Rejections
from bot.web.server import CannotListenError, Readiness

log = logging.getLogger(__name__)

OPEN_SECONDS = 2  # for the store, which the watcher opens otherwise
CONNECT_SECONDS = 5  # time for a new connection of Socket Mode, after which the old one is closed anyway
REQUEST_SECONDS = 3  # Slack waits no longer for an acknowledgement
DRAIN_SECONDS = 8  # then open commands get the restart answer, and the process ends by 10 s
GONE_SECONDS = 9.2  # after the signal, whatever hangs


async def serve(
    settings: Settings,
    tenants: Sequence[Tenant],
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
    `reloading` reads the accounts again, after SIGHUP and after commands. Without it, SIGHUP is not handled.
    """
    front = Front(Rejections(clock))

    async def work(tenants: Sequence[Tenant], generation: Generation) -> int:
        async with build_fleet(settings, tenants, clock, role=role, rejections=front.rejections) as fleet:
            process = Process(fleet, role, exit_now, front=front)
            if reloading:
                process.watch_accounts(partial(reloading.check, renew=generations.renew))
            return await process.run(generation.stop, ignored, generation=generation)

    async def renewed() -> Work | None:
        found = await reloading.reload() if reloading else None
        return None if found is None else partial(work, found)

    generations = Generations(renewed)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, generations.stop)  # a second signal changes nothing
    if reloading:
        loop.add_signal_handler(signal.SIGHUP, generations.renew)
    try:
        status = await generations.run(partial(work, tenants))
    except CannotListenError as exc:
        log.error(LogEvent("cannot bind address", error=exc))
        return 1
    log.info(LogEvent("stopped", role=role))
    return status


class Process:
    """One running process: its server or its socket, its loops, its tasks."""

    def __init__(
        self,
        fleet: Fleet,
        role: str,
        exit_now: Callable[[int], object],
        limits: ResponseLimits = RESPONSE_LIMITS,
        front: Front | None = None,
    ) -> None:
        """Keep the services.

        Args:
            exit_now: ends the process at once, with a status: a store that hangs must not delay the exit.
            front: the server of a process that this one replaces; None for a new one.
        """
        self._fleet = fleet
        self._front = front or Front(fleet.shared.rejections)
        self._limits = limits
        self._exit_now = exit_now
        self._role = role
        self._tasks = fleet.shared.tasks
        self._loops: list[PeriodicTask] = []
        self._running: list[asyncio.Task[None]] = []
        self._socket: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._requests = 0  # in progress
        self._has_none = asyncio.Event()
        self._has_none.set()
        self._answers: Interactions
        if fleet.first.label is None:
            only = make_interactions(fleet.first, fleet.shared.views, self._wake, limits.notice_after)
            self._answers, self._interactions = only.handler, RecentlyUsed(lambda _: only, most=1)
        else:
            router = TenantRouter(fleet, self._wake, limits.notice_after)
            self._answers, self._interactions = router, router.interactions
        if store := fleet.shared.store:
            tenants = [*fleet.tenants.values()]
            self._answers = with_administration(self._answers, fleet.shared, tenants, store)

    def watch_accounts(self, check: Callable[[Store, str], Coroutine[Any, Any, None]]) -> None:
        """Check every few seconds, once the loops start, whether commands have changed accounts.

        Args:
            check: takes the store and the ID of this process.
        """
        if store := self._fleet.shared.store:
            step = partial(check, store, self._fleet.shared.process.id)
            ready = lambda: store.migrated  # noqa: E731
            self._loops = [PeriodicTask("accounts", step, CHECK_SECONDS, waiting_for=waiting_for, ready=ready)]

    async def run(
        self, stop: asyncio.Event, ignored: Sequence[str] = (), generation: Generation | None = None
    ) -> int:
        """Work until `stop`. Return the exit status: 1 if the process ends by itself, to be restarted.

        Args:
            generation: has the one before, which ends as soon as requests arrive here; None for the only one.
        """
        settings = self._fleet.shared.settings
        generation = generation or Generation(None)
        if generation.predecessor:
            await self._open_store()
        if self._role == "web":
            await self._listen()
        if self._role == "worker" and settings.slack_app_token:
            self._note_connection(is_open=False)
            work = run_socket_mode(
                self._bolt(),
                settings.slack_app_token,
                settings.slack_api_url,
                proxy_url=settings.slack_proxy_url,
                connected=lambda is_open: self._note_connection(is_open=is_open),
            )
            self._socket = asyncio.create_task(work)
            self._socket.add_done_callback(lambda _: stop.set())  # whatever ends it: a new process may do better
        if generation.predecessor:
            await self._until_connected()
        await generation.take_over()
        self._start_loops()
        self._announce(ignored)
        await stop.wait()
        status = self._status()
        if generation.is_replaced:
            await self._drain()
        else:
            log.info(LogEvent("stopping", role=self._role))
            asyncio.get_running_loop().call_later(GONE_SECONDS, self._exit_now, status)
            self._front.stop_accepting()
            await self._drain()
            await self._front.close()
        await self._fleet.shared.unregister()
        return status

    async def _open_store(self) -> None:
        """Open the store before requests arrive here, if that is possible: `/readyz` is not to change."""
        if store := self._fleet.shared.store:
            with suppress(*StoreError, TimeoutError):
                await with_timeout(store.open(), OPEN_SECONDS)

    async def _until_connected(self) -> None:
        """Wait until Socket Mode is connected: the one that is replaced keeps its connection until then."""
        if self._socket:
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._connected.wait()

    def _note_connection(self, *, is_open: bool) -> None:
        if is_open:
            self._connected.set()
        self._fleet.note_receiving(receives=is_open)
        self._wake()

    def _status(self) -> int:
        if not self._socket or not self._socket.done():
            return 0
        log.error(LogEvent("socket given up, the process ends", error=self._socket.exception()))
        return 1

    async def _listen(self) -> None:
        settings, shared = self._fleet.shared.settings, self._fleet.shared
        await self._front.attach(
            Handlers(self._ready, partial(self._dispatch, self._bolt()), self._metrics),
            settings.host,
            settings.port,
            signing_secret=settings.slack_signing_secret,
            takes_commands=not settings.slack_app_token,
            has_metrics=shared.store is not None,
        )

    async def _dispatch(self, bolt: BoltApp, text: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Acknowledge a request, and count it as in progress meanwhile.

        Not in a task of its own: the 200 would then come after the first work for the answer, 1.5 ms later.
        """
        self._requests += 1
        self._has_none.clear()
        try:
            return await dispatch(bolt, text, headers)
        finally:
            self._requests -= 1
            if self._requests == 0:
                self._has_none.set()

    async def _metrics(self) -> bytes:
        return self._fleet.shared.metrics.render(await self._fleet.figures())

    async def _ready(self) -> Readiness:
        store = self._fleet.shared.store
        checked = await self._fleet.check()
        first = self._fleet.first.tenant
        found = readiness([problem for tenant, problems in checked if tenant is first for problem in problems])
        if self._fleet.is_several:
            found = found._replace(problems=problems_of_several(checked))
        opened = store is None or store.migrated
        return found if found.reason or opened else found._replace(reason="The database has not been opened yet.")

    def _bolt(self) -> BoltApp:
        settings = self._fleet.shared.settings
        bolt = make_app(settings.slack_bot_token, settings.slack_api_url)
        shared = self._fleet.shared
        register(bolt, self._answers, self._tasks, shared.session, self._limits, shared.reply_failures)
        return bolt

    def _wake(self) -> None:
        for loop in self._loops:
            loop.wake()

    def _start_loops(self) -> None:
        fleet = self._fleet
        log_of_problems = HealthLog()

        async def check_health() -> None:
            await fleet.first.status_reporter.register()
            await fleet.shared.slack_answers.recheck()
            found = await fleet.problems()
            log_of_problems.note({tenant.slug if fleet.is_several else "": each for tenant, each in found})

        health = PeriodicTask("health", check_health, fleet.pace, waiting_for=waiting_for)
        store = fleet.shared.store
        alerts = AlertLoops(fleet, store, self._interactions, health).tasks() if store else []
        self._loops += [*alerts, health]
        self._running = [asyncio.create_task(loop.run()) for loop in self._loops]

    async def _drain(self) -> None:
        """Claim nothing new and finish what is in progress, within 10 s."""
        for loop in self._loops:
            loop.stop()
        if self._socket:
            await _end(self._socket)
        await asyncio.gather(self._finish_requests(), *(_finish(task) for task in self._running))

    async def _finish_requests(self) -> None:
        """Finish the requests in progress, then the tasks that they have started."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DRAIN_SECONDS
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_none.wait(), REQUEST_SECONDS)
        await self._tasks.drain(until - loop.time())

    def _announce(self, ignored: Sequence[str]) -> None:
        settings, store = self._fleet.shared.settings, self._fleet.shared.store
        log.info(
            LogEvent(
                "started",
                version=__version__,
                role=self._role,
                alerts="on" if store else "off",
                store=store.kind if store else "none",
                official_accounts=len(self._fleet.tenants) if self._fleet.is_several else None,
                commands="received" if self._fleet.shared.process.receives_commands else "not received",
                wechat=urlsplit(settings.wechat_api_url).hostname,
                proxy=urlsplit(settings.wechat_proxy_url).hostname or "none",
            )
        )
        if settings.on_dyno and store and store.kind == "SQLite":
            log.warning(
                "the store is SQLite on a dyno: it does not survive a restart; add PostgreSQL (DATABASE_URL)"
            )
        ambient = settings.ambient_proxy
        if settings.slack_proxy_url:
            log.warning(LogEvent("Slack's traffic goes through a proxy that is set", variables=ambient.variable))
        if unused := [*(problem.name for problem in ambient.unusable), *ignored]:
            log.warning(LogEvent("variables of the environment ignored", variables=", ".join(unused)))


async def _finish(task: asyncio.Task[None]) -> None:
    """Let a poll or a post in progress finish; a post that is cut off is looked up after its lease."""
    await asyncio.wait([task], timeout=DRAIN_SECONDS)
    await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task], timeout=1)
