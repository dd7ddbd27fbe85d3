"""How things stand: looked up in the store and the settings, for `/kf status`, `/kf show` and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot import __version__
from bot.blocks.health import past_of, title_of
from bot.blocks.status import UNREACHABLE, PastProblem, Snoozed, Status
from bot.blocks.timeline import timeline
from bot.episodes import Episode, State
from bot.metrics import Figures
from bot.outages import Incident
from bot.ports import Clock
from bot.settings import Settings
from bot.store import Store, StoreError, figures, memory, presence, rows
from bot.tasks import in_time
from wechat_kf import KfAccount

STORE_SECONDS = 2  # a store that is away must not make `/kf status` wait


@dataclass(frozen=True, slots=True)
class Standing:
    """Looks up how the bot stands. Without a store it says what is known without."""

    store: Store | None
    settings: Settings
    token_expires_at: Callable[[], datetime | None]
    clock: Clock

    async def status(self) -> Status:
        """For people."""
        settings, store = self.settings, self.store
        known = Status(
            version=__version__,
            store=store.kind if store else "",
            alerts=store is not None,
            token_expires_at=self.token_expires_at(),
            channel=settings.slack_alert_channel,
            leads=settings.alert_leads,
            quiet=str(settings.quiet) if settings.quiet else "",
        )
        if store is None:
            return known
        try:
            return await in_time(self._recall(store, known), STORE_SECONDS)
        except (*StoreError, TimeoutError):
            return replace(known, store=UNREACHABLE)

    async def figures(self) -> Figures | None:
        """For the metrics. None when the store does not answer."""
        if self.store is None:
            return None
        try:
            return await in_time(self._count(self.store), STORE_SECONDS)
        except (*StoreError, TimeoutError):
            return None

    async def story(self, account: KfAccount) -> str:
        """What became of an account's newest invitation so far, for `/kf show`; "" when that is not known."""
        if self.store is None:
            return ""
        try:
            found = await in_time(self._newest(self.store, rows.storable(account).key), STORE_SECONDS)
        except (*StoreError, TimeoutError):
            return ""
        if found is None or found.state in (State.CANCELLED, State.REMOVED, State.REPLACED):
            return ""
        return timeline(found, self.settings.slack_alert_channel)

    async def owned(self) -> Sequence[Episode]:
        """Return the invitations that a user acknowledged or snoozed; none if the store does not answer in time."""
        if self.store is None:
            return ()
        try:
            return await in_time(_owned(self.store), STORE_SECONDS)
        except (*StoreError, TimeoutError):
            return ()

    async def overdue(self) -> bool:
        """Whether a message should have been told long ago, or nobody knows. What quiet hours hold is not late."""
        quiet, now = self.settings.quiet, self.clock()
        since = None
        if quiet:
            since = now if quiet.covers(now) else quiet.last_end(now)
        if self.store is None:
            return False
        try:
            async with self.store.begin() as tx:
                return await figures.overdue(tx, now, audible_since=since)
        except StoreError:
            return True

    async def _newest(self, store: Store, seat: str) -> Episode | None:
        async with store.begin() as tx:
            return next((one for one in await rows.latest(tx, [seat]) if one.seat == seat), None)

    async def _recall(self, store: Store, known: Status) -> Status:
        async with store.begin() as tx:
            recalled = await memory.recall(tx)
            waiting = await figures.waiting(tx, self.clock())
            snoozed = await rows.snoozed(tx)
            processes = await presence.count(tx, self.clock())
        incident, clock = recalled.health.incident, recalled.clock.incident
        quiet = self.settings.quiet
        window = quiet.window_of(self.clock()) if quiet else None
        return replace(
            known,
            processes=processes,
            watching_since=recalled.watching_since,
            answered_at=recalled.last_read_at,
            next_read_at=recalled.next_poll_at,
            wechat_problem=title_of(incident) if incident and not incident.over_at else "",
            clock_problem=clock.fault.detail if clock and not clock.over_at else "",
            last_problem=_last(incident),
            pending=waiting.pending,
            oldest_pending=waiting.oldest,
            held=_held(recalled, waiting) or "",
            quiet_until=window.ends if window else None,
            refused=waiting.refused,
            unconfirmed=waiting.unconfirmed,
            failed=waiting.failed,
            stale=waiting.stale,
            failing=tuple(recalled.failing),
            snoozed=tuple(
                Snoozed(one.kf_nick, one.snoozed.until) for one in snoozed if one.snoozed and one.snoozed.until
            ),
        )

    async def _count(self, store: Store) -> Figures:
        async with store.begin() as tx:
            recalled = await memory.recall(tx)
            messages, waiting = await figures.by_state(tx), await figures.waiting(tx, self.clock())
        return Figures(
            last_read_at=recalled.last_read_at,
            messages=messages,
            oldest_unsent_at=waiting.oldest,
            held=_held(recalled, waiting) is not None,
        )


def _held(recalled: memory.Memory, waiting: figures.Waiting) -> str | None:
    """Why Slack refuses what waits. Of a queue that is empty since, nobody has asked it again: that is old news."""
    return recalled.held if waiting.pending else None


async def _owned(store: Store) -> Sequence[Episode]:
    async with store.begin() as tx:
        return await rows.owned(tx)


def _last(incident: Incident | None) -> PastProblem | None:
    if incident is None or incident.over_at is None:
        return None
    return PastProblem(past_of(incident), incident.over_at - incident.since, incident.since)
