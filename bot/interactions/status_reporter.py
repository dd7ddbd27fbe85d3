"""How things stand: looked up in the store and the settings, for health, status, `/kf show` and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot import __version__
from bot.alerting.episode import Episode, EpisodeState
from bot.health.facts import HealthFacts, Problem, ProblemKind, Receivers, RejectedRequests, StoreTrouble
from bot.health.rules import diagnose
from bot.ports import Clock
from bot.runtime.metrics import Figures
from bot.runtime.tasks import with_timeout
from bot.settings.values import Settings
from bot.status import Snoozed, Status
from bot.store import episodes, poll_state, processes, stats
from bot.store.database import Store
from bot.store.poll_state import PollState
from bot.store.processes import ProcessInfo
from bot.store.store_errors import FaultKind, StoreError, StoreFault, classify
from wechat_kf import KfAccount

STORE_SECONDS = 2  # a store that is away must not make `/kf status` wait
PASS_SECONDS = 10  # and a health pass waits longer: a store that is busy is not away
OPENING = timedelta(seconds=5)  # a process that has just started looks at the tables first
REPEATED = timedelta(seconds=1)  # and a read no more often than this
RECENT = timedelta(seconds=5)  # requests for `/readyz` cause a write no more often


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What one transaction found."""

    facts: HealthFacts
    recalled: PollState
    snoozed: Sequence[Episode]
    processes: int


class StatusReporter:
    """Gathers what is known of the bot, in one place. Without a store it says what is known without."""

    def __init__(
        self,
        store: Store | None,
        settings: Settings,
        token_expires_at: Callable[[], datetime | None],
        clock: Clock,
        process: ProcessInfo | None = None,
        rejected: Callable[[], RejectedRequests | None] = lambda: None,
    ) -> None:
        """`process` is the one that this runs in; None: it is none that the others should know of.

        `rejected` returns the requests that this process has rejected lately.
        """
        self.store = store
        self.settings = settings
        self.clock = clock
        self._token_expires_at = token_expires_at
        self._process = process
        self._rejected = rejected
        self._opened = False
        self._written_at: datetime | None = None  # by the store's clock
        self._write_checked_at: datetime | None = None  # by this process's
        self._unreadable: StoreTrouble | None = None
        self._unwritable: StoreTrouble | None = None
        self._none_since: datetime | None = None  # no process receives commands
        self._checked: tuple[datetime, tuple[Problem, ...]] | None = None
        self._faulty: StoreTrouble | None = None  # a transaction failed, and none has written since
        self._unrecorded: StoreTrouble | None = None  # a poll whose result could not be written down
        self._polled_at: datetime | None = None  # as last known: its age grows while the store is away

    async def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong now, worst first."""
        return diagnose(await self.facts(PASS_SECONDS))

    async def facts(self, within: float = STORE_SECONDS) -> HealthFacts:
        """Gather what health is computed from. Nothing raises."""
        found = await self._look(within)
        return found.facts if isinstance(found, _Gathered) else found

    async def register(self) -> None:
        """Write the row of this process, which also shows that the store can be written. Nothing raises."""
        if self.store is None or self._process is None or self._is_opening(self.store):
            return
        try:
            written_at = await with_timeout(self._show(self.store, self._process), PASS_SECONDS)
        except (*StoreError, TimeoutError) as exc:
            self._unwritable = self._trouble(_fault_of(exc))
        else:
            self._written_at, self._unwritable, self._unreadable = written_at, None, None

    def note_poll(self, error: Exception | None) -> None:
        """Take in how a poll of this process ended: with an error of the store, or with its result written down."""
        fault = classify(error) if error else None
        self._unrecorded = self._trouble(fault) if fault else None

    def note_receiving(self, *, receives: bool) -> None:
        """Take in whether commands reach this process: a worker's connection to Slack may not be granted."""
        if self._process:
            self._process = replace(self._process, receives_commands=receives)

    async def check(self) -> tuple[Problem, ...]:
        """Return what is wrong now, for a router that asks: after a write, unless there was one just now."""
        now = self.clock()
        if self._checked and timedelta(0) <= now - self._checked[0] < REPEATED:
            return self._checked[1]
        if self.store and (self._write_checked_at is None or abs(now - self._write_checked_at) > RECENT):
            fault = await self.store.check()
            self._unwritable = self._trouble(fault) if fault else None
            self._write_checked_at = None if fault else now
        self._checked = now, diagnose(await self.facts())
        return self._checked[1]

    async def status(self) -> Status:
        """For people."""
        settings, store = self.settings, self.store
        found = await self._look(STORE_SECONDS)
        known = Status(
            version=__version__,
            facts=found.facts if isinstance(found, _Gathered) else found,
            store=store.kind if store else "",
            token_expires_at=self._token_expires_at(),
            channel=settings.slack_alert_channel,
            leads=settings.alert_leads,
            quiet=str(settings.quiet) if settings.quiet else "",
        )
        if not isinstance(found, _Gathered):
            return known
        window = settings.quiet.window_of(self.clock()) if settings.quiet else None
        return replace(
            known,
            processes=found.processes,
            watching_since=found.recalled.watching_since,
            quiet_until=window.ends if window else None,
            snoozed=tuple(
                Snoozed(one.kf_nick, one.snoozed.until)
                for one in found.snoozed
                if one.snoozed and one.snoozed.until
            ),
        )

    async def figures(self) -> Figures:
        """For the metrics."""
        messages = None
        if self.store:
            try:
                messages = await with_timeout(self._count(self.store), STORE_SECONDS)
            except (*StoreError, TimeoutError):
                messages = None
        return Figures(await self.facts(), messages)

    async def newest_episode(self, account: KfAccount) -> Episode | None:
        """Return the episode of the invitation that the account has now; None when it is not known."""
        if self.store is None:
            return None
        try:
            found = await with_timeout(
                self._newest(self.store, episodes.sanitize_account(account).key), STORE_SECONDS
            )
        except (*StoreError, TimeoutError):
            return None
        over = found is None or found.state in (EpisodeState.CANCELLED, EpisodeState.REMOVED, EpisodeState.REPLACED)
        return None if over else found

    async def owned(self) -> Sequence[Episode]:
        """Return the invitations that a user acknowledged or snoozed; none if the store does not answer in time."""
        if self.store is None:
            return ()
        try:
            return await with_timeout(_owned(self.store), STORE_SECONDS)
        except (*StoreError, TimeoutError):
            return ()

    async def _newest(self, store: Store, seat: str) -> Episode | None:
        async with store.begin() as tx:
            return next((one for one in await episodes.latest(tx, [seat]) if one.seat == seat), None)

    async def _show(self, store: Store, process: ProcessInfo) -> datetime:
        async with store.begin() as tx:
            await processes.touch(tx, replace(process, rejected=self._rejected()), self.clock())
            return tx.now

    async def _count(self, store: Store) -> dict[str, int]:
        async with store.begin() as tx:
            return dict(await stats.by_state(tx))

    async def _look(self, within: float) -> _Gathered | HealthFacts:
        """Return what the store knows; only what is known without, when it does not answer."""
        known = self._known()
        if self.store is None:
            return known
        try:
            found = await with_timeout(self._gather(self.store, known), within)
        except (*StoreError, TimeoutError) as exc:
            fault = _fault_of(exc)
            if fault.kind is FaultKind.SCHEMA and self._is_opening(self.store):
                return known
            self._unreadable = self._trouble(fault)
            return replace(known, store=self._trouble_known)
        self._unreadable, self._polled_at = None, found.facts.polled_at
        self._faulty = self._trouble(self.store.fault) if self.store.fault else None
        return replace(found, facts=replace(found.facts, store=self._trouble_known))

    @property
    def _trouble_known(self) -> StoreTrouble | None:
        return self._unwritable or self._unreadable or self._unrecorded or self._faulty

    def _is_opening(self, store: Store) -> bool:
        self._opened = self._opened or store.migrated
        started = self._process.started_at if self._process else None
        return not self._opened and started is not None and timedelta(0) <= self.clock() - started < OPENING

    def _known(self) -> HealthFacts:
        """Return what is known without the store."""
        settings, process = self.settings, self._process
        receivers = None
        if process and process.receives_commands:
            receivers = Receivers(1, 1, by_socket=bool(settings.slack_app_token))
        return HealthFacts(
            now=self.clock(),
            alerts=self.store is not None,
            started_at=process.started_at if process else None,
            written_at=self._written_at,
            poll=timedelta(seconds=settings.poll_seconds),
            polled_at=self._polled_at,
            receivers=receivers,
            rejected=self._rejected(),
        )

    async def _gather(self, store: Store, known: HealthFacts) -> _Gathered:
        async with store.begin() as tx:
            recalled = await poll_state.load(tx)
            now = tx.now
            waiting = await stats.queue_stats(tx, now)
            overdue = await stats.overdue(tx, now, audible_since=self._audible_since(now))
            active = await processes.running(tx, now)
            skew = await processes.skew(tx)
            snoozed = await episodes.snoozed(tx)
        failing = recalled.failing.values()
        facts = replace(
            self._with_processes(replace(known, now=now), active),
            process_skew=skew,
            polled_at=recalled.polled_at,
            next_poll_at=recalled.next_poll_at,
            wait=recalled.poll_wait,
            failed_polls=recalled.health.failed_reads,
            failing_since=recalled.health.failing_since,
            incident=recalled.health.incident,
            clock_incident=recalled.clock.incident,
            slack=recalled.slack,
            pending=waiting.pending,
            oldest_pending=waiting.oldest,
            overdue=overdue.count,
            overdue_since=overdue.since,
            refused=waiting.refused,
            unconfirmed=waiting.unconfirmed,
            lost_since=waiting.lost_since,
            held_unconfirmed=waiting.held_unconfirmed,
            failed=waiting.failed,
            stale=waiting.stale,
            failed_rows=tuple(recalled.failing),
            failed_rows_since=min((one.since for one in failing), default=None),
        )
        return _Gathered(facts, recalled, snoozed, len(active))

    def _with_processes(self, known: HealthFacts, processes: Sequence[ProcessInfo]) -> HealthFacts:
        """Return the facts with what follows from the processes that are there."""
        shown = {one.id: one for one in processes if one.role}
        if own := self._process:  # what it is now, since when by the store's clock
            started = shown[own.id].started_at if own.id in shown else own.started_at
            shown[own.id] = replace(own, started_at=started)
        running = list(shown.values())
        count = sum(one.receives_commands for one in running)
        self._none_since = None if count else self._none_since or known.now
        receivers = Receivers(
            count=count,
            processes=len(running),
            by_socket=bool(self.settings.slack_app_token),
            none_since=self._none_since if self._process else None,
        )
        return replace(
            known,
            started_at=min((one.started_at for one in running if one.started_at), default=None),
            receivers=receivers,
            rejected=_most(known.rejected, *(one.rejected for one in running)),
            differing_settings=_differing([*(one.settings for one in running), self.settings.shared_digests]),
        )

    def _audible_since(self, now: datetime) -> datetime | None:
        """Return when the last quiet hours ended; now while they last. What they hold is not late."""
        quiet = self.settings.quiet
        if quiet is None:
            return None
        return now if quiet.covers(now) else quiet.last_end(now)

    def _trouble(self, fault: StoreFault) -> StoreTrouble:
        before = self._trouble_known
        kind = FaultKind.UNKNOWN if fault.kind is FaultKind.ROW else fault.kind
        return StoreTrouble(ProblemKind(f"store_{kind}"), fault.words, before.since if before else self.clock())


def _fault_of(exc: Exception) -> StoreFault:
    """Return the fault of an error of the store, of which some are a time limit of our own."""
    return classify(exc) or StoreFault(FaultKind.UNKNOWN, type(exc).__name__)


def _most(*rejected: RejectedRequests | None) -> RejectedRequests | None:
    """Return what the process with the most rejected requests reports."""
    return max(filter(None, rejected), key=lambda one: one.count, default=None)


def _differing(settings: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the names of the settings in which processes differ. Those of an older release are not known."""
    known = [one for one in settings if one]
    names = sorted({name for one in known for name in one})
    return tuple(name for name in names if len({one[name] for one in known if name in one}) > 1)


async def _owned(store: Store) -> Sequence[Episode]:
    async with store.begin() as tx:
        return await episodes.owned(tx)
