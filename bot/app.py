"""One running process: start its server or socket and its loops, and shut them down in order."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

from bot import __version__
from bot.blocks.answers.diagnosis import plain_words
from bot.health.facts import Problem, ProblemKind
from bot.health_log import HealthLog
from bot.interaction_wiring import make_interactions
from bot.ports import Clock, utc_now
from bot.runtime.logs import LogEvent
from bot.runtime.tasks import PeriodicTask
from bot.settings.values import Settings
from bot.slack.bolt_app import BoltApp, dispatch, make_app
from bot.slack.listeners import register
from bot.slack.response_url import RESPONSE_LIMITS, ResponseLimits
from bot.slack.socket_mode import run_socket_mode
from bot.store.store_errors import waiting_for
from bot.watcher.poller import TIMER_PASS, Tick
from bot.web.connections import ConnectionLimits
from bot.web.file_limit import connections_within, raise_soft_limit
from bot.web.server import CannotListenError, Readiness, Server, make_web_app
from bot.wiring import Services, build_services

log = logging.getLogger(__name__)

DRAIN_SECONDS = 8  # then open commands get the restart answer, and the process ends by 10 s
GONE_SECONDS = 9.2  # after the signal, whatever hangs
OPERATION_SECONDS = 15.0  # how soon an operation is noticed whose process has ended
SOON = 0.1  # seconds until one that has just become due; 0 would be the whole interval
DELIVERY_SECONDS = 5  # how soon a message that another process queued is noticed


async def serve(
    settings: Settings,
    *,
    role: str,
    exit_now: Callable[[int], object],
    ignored: Sequence[str] = (),
    clock: Clock = utc_now,
) -> int:
    """Run a `web` or `worker` process until SIGTERM or SIGINT. Return the exit status.

    `exit_now` ends the process at once, with a status: a store that hangs must not delay the exit.
    `ignored` names variables of the environment that are not used because of their values.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)  # a second signal changes nothing
    try:
        async with build_services(settings, clock, role=role) as services:
            status = await Process(services, role, exit_now).run(stop, ignored)
    except CannotListenError as exc:
        log.error(LogEvent("cannot bind address", error=exc))
        return 1
    log.info(LogEvent("stopped", role=role))
    return status


def readiness(problems: Sequence[Problem]) -> Readiness:
    """Return what `/readyz` answers: a router may send requests while the store can be used."""
    words = [(problem.kind, " ".join(plain_words(problem))) for problem in problems]
    reasons = [text for kind, text in words if kind.startswith("store_")]
    return Readiness(
        reason=reasons[0] if reasons else "",
        problems=tuple(text for kind, text in words if not kind.startswith("store_")),
        deaf=next((text for kind, text in words if kind is ProblemKind.NO_COMMAND_RECEIVER), ""),
    )


class Process:
    """One running process: its server or its socket, its loops, its tasks."""

    def __init__(
        self,
        services: Services,
        role: str,
        exit_now: Callable[[int], object],
        limits: ResponseLimits = RESPONSE_LIMITS,
    ) -> None:
        self._services = services
        self._limits = limits
        self._exit_now = exit_now
        self._role = role
        self._tasks = services.tasks
        self._loops: list[PeriodicTask] = []
        self._running: list[asyncio.Task[None]] = []
        self._socket: asyncio.Task[None] | None = None
        self._interactions = make_interactions(services, self._wake, limits.notice_after)

    async def run(self, stop: asyncio.Event, ignored: Sequence[str] = ()) -> int:
        """Work until SIGTERM. Return the exit status: 1 if the process ends by itself, to be restarted."""
        settings = self._services.settings
        server = await self._listen() if self._role == "web" else None
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
        self._start_loops()
        self._announce(ignored)
        await stop.wait()
        status = self._status()
        log.info(LogEvent("stopping", role=self._role))
        asyncio.get_running_loop().call_later(GONE_SECONDS, self._exit_now, status)
        await self._drain(server)
        return status

    def _note_connection(self, *, is_open: bool) -> None:
        self._services.status_reporter.note_receiving(receives=is_open)
        self._wake()

    def _status(self) -> int:
        if not self._socket or not self._socket.done():
            return 0
        log.error(LogEvent("socket given up, the process ends", error=self._socket.exception()))
        return 1

    async def _listen(self) -> Server:
        settings, store = self._services.settings, self._services.store
        bolt = None if settings.slack_app_token else partial(dispatch, self._bolt())
        metrics = self._metrics if store else None
        server = Server(
            make_web_app(
                self._ready,
                bolt,
                metrics,
                signing_secret=settings.slack_signing_secret,
                rejections=self._services.rejections,
            ),
            ConnectionLimits(connections_within(raise_soft_limit())),
        )
        await server.listen(settings.host, settings.port)
        return server

    async def _metrics(self) -> bytes:
        return self._services.metrics.render(await self._services.status_reporter.figures())

    async def _ready(self) -> Readiness:
        services = self._services
        found = readiness(await services.status_reporter.check())
        opened = services.store is None or services.store.migrated
        return found if found.reason or opened else found._replace(reason="The database has not been opened yet.")

    def _bolt(self) -> BoltApp:
        settings = self._services.settings
        bolt = make_app(settings.slack_bot_token, settings.slack_api_url)
        services, handler = self._services, self._interactions.handler
        register(bolt, handler, self._tasks, services.session, self._limits, services.reply_failures)
        return bolt

    def _wake(self) -> None:
        for loop in self._loops:
            loop.wake()

    def _start_loops(self) -> None:
        services = self._services
        pace = min(TIMER_PASS.total_seconds(), services.settings.poll_seconds)
        health_log = HealthLog()

        async def check_health() -> None:
            await services.status_reporter.register()
            await services.slack_answers.recheck()
            health_log.note(await services.status_reporter.problems())

        health = PeriodicTask("health", check_health, pace, waiting_for=waiting_for)
        self._loops = [*self._alert_loops(health, pace), health]
        self._running = [asyncio.create_task(loop.run()) for loop in self._loops]

    def _alert_loops(self, health: PeriodicTask, pace: float) -> list[PeriodicTask]:
        """Return the loops of the watcher, the delivery and the operations; none without alerts."""
        services, handler, runner = self._services, self._interactions.handler, self._interactions.runner
        watcher, delivery, store, pruner = services.watcher, services.delivery, services.store, services.pruner
        if watcher is None or delivery is None or store is None or pruner is None or runner is None:
            return []

        async def poll() -> None:
            try:
                tick = await watcher.tick()
            except Exception as exc:
                services.status_reporter.note_poll(exc)
                health.wake()
                raise
            if tick is not Tick.NOTHING_DUE:
                services.status_reporter.note_poll(None)
            delivering.wake()
            health.wake()
            if tick is Tick.GOOD:
                self._tasks.start(services.beat())
            if watcher.take_change():
                handler.changed()

        async def deliver() -> float | None:
            pause = await delivery.run(lambda: delivering.stopping)
            if pause:
                health.wake()  # Slack was asked
            return pause

        async def settle() -> float:
            while not settling.stopping and await runner.settle_due():
                pass
            return min(settle_every, max(SOON, await runner.records.seconds_until_due()))

        # Unknown outcomes are looked up a fourth, and a half, of a lease after it ran out.
        every = min(DELIVERY_SECONDS, services.settings.alert_lease_seconds / 4)
        settle_every = min(OPERATION_SECONDS, services.settings.alert_lease_seconds / 3)
        # The watcher migrates the store; the others wait for that.
        task = partial(PeriodicTask, waiting_for=waiting_for, ready=lambda: store.migrated)
        delivering = task("delivery", deliver, every)
        settling = task("operations", settle, settle_every)
        pruning = task("pruning", pruner.step, pruner.interval)
        return [PeriodicTask("watcher", poll, pace, waiting_for=waiting_for), delivering, settling, pruning]

    async def _drain(self, server: Server | None) -> None:
        """Claim nothing new, accept nothing new, finish what is in flight, and be gone by 10 s."""
        for loop in self._loops:
            loop.stop()
        if self._socket:
            await _end(self._socket)
        if server:
            server.stop_accepting()
        await asyncio.gather(self._tasks.drain(DRAIN_SECONDS), *(_finish(task) for task in self._running))
        if server:
            await server.close()
        await self._services.unregister()

    def _announce(self, ignored: Sequence[str]) -> None:
        settings, store = self._services.settings, self._services.store
        log.info(
            LogEvent(
                "started",
                version=__version__,
                role=self._role,
                alerts="on" if store else "off",
                store=store.kind if store else "none",
                commands="received" if self._services.process.receives_commands else "not received",
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
