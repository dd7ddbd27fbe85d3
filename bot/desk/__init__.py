"""The front desk: what came from Slack as words or values becomes a request, and its answer goes back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from bot import __version__, grammar
from bot.blocks import values
from bot.blocks.health import title_of
from bot.blocks.replies import FAILED, OUT_OF_DATE, RESTARTING
from bot.blocks.status import UNREACHABLE, PastProblem, Status
from bot.commands import Answers
from bot.outages import Incident
from bot.ports import Accounts, Clock, Message
from bot.settings import Settings
from bot.store import Store, StoreError, memory, queue, rows
from bot.tasks import Tasks, in_time

log = logging.getLogger(__name__)

CHECK_GAP = timedelta(minutes=1)  # "Check now" reads at most this often
HASTEN_GAP = timedelta(seconds=5)  # a busy channel must not become a busy store
STORE_SECONDS = 2  # a store that is away must not make `/kf status` wait


class Desk:
    """Answers commands and clicks. Without a store it answers all the same."""

    restarting = RESTARTING
    failed = FAILED

    def __init__(
        self,
        accounts: Accounts,
        store: Store | None,
        *,
        settings: Settings,
        token_expires_at: Callable[[], datetime | None],
        look_now: Callable[[], None],
        tasks: Tasks,
        clock: Clock,
    ) -> None:
        """`look_now` wakes the watcher of this process."""
        self._store = store
        self._settings = settings
        self._token_expires_at = token_expires_at
        self._look_now = look_now
        self._tasks = tasks
        self._clock = clock
        self._checked_at: datetime | None = None
        self._hastened_at: datetime | None = None
        self._answers = Answers(
            accounts,
            now=clock,
            leads=settings.alert_leads,
            status=self._status,
            on_good_read=self._hasten,
        )

    async def to_command(self, text: str) -> Message:
        return await self._answers.answer(grammar.parse(text))

    async def to_click(self, action_id: str, value: str) -> Message:
        """Answer a click. Whatever is odd about it, forged or older than a release, is told as out of date."""
        if action_id == "health.check":
            return await self._check_now()
        if action_id == "alert.details":
            return await self._details(value)
        request = grammar.parse_value(value) if action_id.startswith("kf.") else None
        return await self._answers.answer(request) if request else OUT_OF_DATE

    async def _details(self, value: str) -> Message:
        version, _, episode_id = value.partition(":")
        if version != "v1" or self._store is None:
            return OUT_OF_DATE
        async with self._store.begin() as tx:
            found = await rows.with_ids(tx, [rows.plain(episode_id)])
        episodes = list(found.values())
        return (
            await self._answers.answer(grammar.Show(values.handle(episodes[0].seat))) if episodes else OUT_OF_DATE
        )

    async def _check_now(self) -> Message:
        now = self._clock()
        if self._store and (self._checked_at is None or now - self._checked_at >= CHECK_GAP):
            self._checked_at = now
            self._tasks.start(self._wake_watcher(self._store, always=True))
        # The overview reads WeChat itself, so it is the answer to "does it work now?".
        return await self._answers.answer(grammar.Overview())

    def _hasten(self) -> None:
        """WeChat has just answered: a watcher that waits after failures may look again."""
        now = self._clock()
        if self._store is None or (self._hastened_at and now - self._hastened_at < HASTEN_GAP):
            return
        self._hastened_at = now
        self._tasks.start(self._wake_watcher(self._store))

    async def _wake_watcher(self, store: Store, *, always: bool = False) -> None:
        try:
            async with store.begin() as tx:
                hastened = await memory.hasten_poll(tx, self._clock(), always=always)
        except StoreError as exc:
            log.info("the watcher cannot be told to look: %s", type(exc).__name__)
        else:
            if hastened:
                self._look_now()

    async def _recall(self, store: Store) -> tuple[memory.Memory, queue.Waiting]:
        async with store.begin() as tx:
            return await memory.recall(tx), await queue.waiting(tx, self._clock())

    async def _status(self) -> Status:
        settings = self._settings
        known = Status(
            version=__version__,
            store=self._store.kind if self._store else "",
            alerts=self._store is not None,
            token_expires_at=self._token_expires_at(),
            channel=settings.slack_alert_channel,
            leads=settings.alert_leads,
        )
        if self._store is None:
            return known
        try:
            recalled, waiting = await in_time(self._recall(self._store), STORE_SECONDS)
        except (*StoreError, TimeoutError):
            return replace(known, store=UNREACHABLE)
        incident = recalled.health.incident
        return replace(
            known,
            watching_since=recalled.watching_since,
            answered_at=recalled.last_read_at,
            next_read_at=recalled.next_poll_at,
            wechat_problem=title_of(incident) if incident and not incident.over_at else "",
            last_problem=_past(incident),
            pending=waiting.pending,
            oldest_pending=waiting.oldest,
            held=recalled.held or "",
            refused=waiting.refused,
            unconfirmed=waiting.unconfirmed,
        )


def _past(incident: Incident | None) -> PastProblem | None:
    if incident is None or incident.over_at is None:
        return None
    return PastProblem(title_of(incident), incident.over_at - incident.since, incident.since)
