"""One running process: start its server or socket and its loops, and shut them down in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.answering import make_answering
from bot.fleet import Fleet
from bot.health_log import HealthLog
from bot.loops import AlertLoops
from bot.runtime.generations import Generation
from bot.runtime.logs import LogEvent
from bot.runtime.open_requests import OpenRequests
from bot.runtime.tasks import PeriodicTask, with_timeout
from bot.slack.listeners import register
from bot.slack.response_url import RESPONSE_LIMITS, ResponseLimits
from bot.start_log import log_start
from bot.store.database import Store
from bot.store.store_errors import StoreError, waiting_for
from bot.tenants.loading import DefinedAccounts
from bot.tenants.reloading import CHECK_SECONDS
from bot.web.front import Front
from bot.web.guard import Dispatch
from bot.web_handlers import listen, make_handlers

if TYPE_CHECKING:
    from bot.slack.bolt_app import BoltApp

log = logging.getLogger(__name__)

OPEN_SECONDS = 2  # for the store, which the watcher opens otherwise
CONNECT_SECONDS = 5  # time for a new connection of Socket Mode, after which the old one is closed anyway
HEALTH_SECONDS = 1.0  # between two checks: one takes more statements than a poll, and many polls wake it
REQUEST_SECONDS = 3  # Slack waits no longer for an acknowledgement
DRAIN_SECONDS = 8  # then open commands get the restart answer, and the process ends by 10 s
OPENING_SECONDS = 3  # for a database that has not been opened yet
GONE_SECONDS = 9.2  # after the signal, whatever hangs


class Process:
    """One running process: its server or its socket, its loops, its tasks."""

    def __init__(
        self,
        fleet: Fleet,
        role: str,
        exit_now: Callable[[int], object],
        limits: ResponseLimits = RESPONSE_LIMITS,
        front: Front | None = None,
        defined: DefinedAccounts | None = None,
    ) -> None:
        """Keep the services.

        Args:
            exit_now: ends the process at once, with a status: a store that hangs must not delay the exit.
            front: a server that listens already; None for a new one.
            defined: the accounts of the environment and the file; with them administrators may change others.
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
        self._requests = OpenRequests()
        self._answers, self._by_account = make_answering(fleet, defined, self._wake, limits.notice_after)
        self._of_platform: PeriodicTask | None = None
        if fleet.shared.store and fleet.shared.platform:
            # Imported here: most installations have no platform.
            from bot.platform_wiring import platform_task

            self._of_platform = platform_task(fleet, fleet.shared.platform, fleet.shared.store)

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
            from bot.slack.socket_mode import run_socket_mode

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
        log_start(self._fleet, self._role, ignored)
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
        from bot.slack.bolt_app import dispatch

        await listen(self._front, self._fleet.shared.settings)
        to_bolt = partial(self._dispatch, partial(dispatch, self._bolt()))
        self._front.attach(make_handlers(self._fleet, to_bolt, self._of_platform))

    async def _dispatch(self, to_bolt: Dispatch, text: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Acknowledge a request, and count it as in progress meanwhile.

        Not in a task of its own: the 200 would then come after the first work for the answer, 1.5 ms later.
        """
        with self._requests.counted():
            return await to_bolt(text, headers)

    def _bolt(self) -> BoltApp:
        # Imported here: a process that receives no commands needs no Bolt, which takes 2.6 MB.
        from bot.slack.bolt_app import make_app

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

        health = PeriodicTask(
            "health", check_health, fleet.pace, min_interval=HEALTH_SECONDS, waiting_for=waiting_for
        )
        store = fleet.shared.store
        alerts = AlertLoops(fleet, store, self._by_account, health).tasks() if store else []
        self._loops += [*alerts, *filter(None, [self._of_platform]), health]
        self._running = [asyncio.create_task(loop.run()) for loop in self._loops]

    async def _drain(self) -> None:
        """Claim nothing new and finish what is in progress, within 10 s."""
        for loop in self._loops:
            loop.stop()
        if self._socket:
            await _end(self._socket)
        store = self._fleet.shared.store
        # Without tables no poll and no post is in progress, only the wait for a database that may not answer.
        seconds = DRAIN_SECONDS if store is None or store.was_opened else OPENING_SECONDS
        await asyncio.gather(self._finish_requests(), *(_finish(task, seconds) for task in self._running))

    async def _finish_requests(self) -> None:
        """Finish the requests in progress, then the tasks that they have started."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DRAIN_SECONDS
        await self._requests.finish(REQUEST_SECONDS)
        await self._tasks.drain(until - loop.time())


async def _finish(task: asyncio.Task[None], seconds: float) -> None:
    """Let a poll or a post in progress finish; a post that is cut off is looked up after its lease."""
    await asyncio.wait([task], timeout=seconds)
    await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task], timeout=1)
