"""Report the state of the bot from the store and the settings: for health, status and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot import __version__
from bot.health.facts import (
    FailedReplies,
    HealthFacts,
    PlatformFacts,
    Problem,
    ProblemKind,
    Receivers,
    RejectedRequests,
    SlackTrouble,
    StoreTrouble,
)
from bot.health.problem_rules import diagnose
from bot.interactions.health_reading import StoreReading, read_store, with_processes, with_reading
from bot.operations.operation import Availability
from bot.ports import Clock
from bot.runtime.logs import fault_words
from bot.runtime.metrics import Figures, OverduePolls
from bot.runtime.tasks import with_timeout
from bot.settings.values import Settings
from bot.status import OperationsStatus, Snoozed, Status
from bot.store import claims, processes, stats
from bot.store.database import Store
from bot.store.processes import ProcessInfo
from bot.store.store_errors import FaultKind, StoreFault, classify
from bot.tenant_states import TenantState

STORE_SECONDS = 2  # an unreachable store must not delay `/kf status`
PASS_SECONDS = 10  # a health check waits longer: a busy store is not unreachable
REPEATED = timedelta(seconds=1)  # the least time between two reads for `/readyz`
RECENT = timedelta(seconds=5)  # the least time between two test writes for `/readyz`


class StatusReporter:
    """Reads the state of the bot for every reader of it. Without a store it reports what is known without one."""

    def __init__(
        self,
        store: Store | None,
        settings: Settings,
        token_expires_at: Callable[[], datetime | None],
        clock: Clock,
        process: ProcessInfo | None = None,
        rejected: Callable[[], RejectedRequests | None] = lambda: None,
        failed_replies: Callable[[], FailedReplies | None] = lambda: None,
        slack_trouble: Callable[[], SlackTrouble | None] = lambda: None,
        digests: Mapping[str, str] | None = None,
        *,
        is_one_of_several: bool = False,
        state: TenantState = TenantState.ACTIVE,
        is_of_platform: bool = False,
    ) -> None:
        """Keep what the state is read from.

        Args:
            process: the process that this runs in; None for a one-off command, which other processes need not see.
            rejected: returns the requests that this process has rejected lately.
            failed_replies: returns its answers that Slack has not accepted lately.
            slack_trouble: returns the last failure of Slack to answer this process's questions.
            digests: of the settings that all processes must share; None for those of `settings`.
            is_one_of_several: an outage of WeChat may be that of all accounts.
            state: of the account.
            is_of_platform: it authorises the third-party platform.
        """
        self.store = store
        self.settings = settings
        self.clock = clock
        self._token_expires_at = token_expires_at
        self._process = process
        self._rejected = rejected
        self._failed_replies = failed_replies
        self._slack_trouble = slack_trouble
        self._digests = settings.shared_digests if digests is None else digests
        self._is_one_of_several = is_one_of_several
        self._state = state
        self._is_of_platform = is_of_platform
        self.platform: PlatformFacts | None = None  # as last read
        self._written_at: datetime | None = None  # by the store's clock
        self._write_checked_at: datetime | None = None  # by this process's
        self._unreadable: StoreTrouble | None = None
        self._unwritable: StoreTrouble | None = None
        self._none_since: datetime | None = None  # no process receives commands
        self._checked: tuple[datetime, tuple[Problem, ...]] | None = None
        self._faulty: StoreTrouble | None = None  # a transaction failed, and none has written since
        self._unrecorded: StoreTrouble | None = None  # a poll whose result could not be stored
        self._unread_accounts = 0
        self._polled_at: datetime | None = None  # as last known: its age grows while the store is unreachable

    async def problems(self) -> tuple[Problem, ...]:
        """Return the present problems, most severe first."""
        return diagnose(await self.facts(PASS_SECONDS))

    async def facts(self, within: float = STORE_SECONDS) -> HealthFacts:
        """Gather what health is computed from. Nothing raises."""
        return (await self._read(within))[0]

    async def register(self) -> None:
        """Write the row of this process, which also shows that the store can be written. Nothing raises."""
        if self.store is None or self._process is None or self._is_opening(self.store):
            return
        try:
            written_at, fault = await with_timeout(self._show(self.store, self._process), PASS_SECONDS)
        except Exception as exc:  # a row that this release cannot handle, too
            self._unwritable = self._trouble(_fault_of(exc))
        else:
            self._written_at, self._unreadable = written_at, None
            self._unwritable = self._trouble(fault) if fault else None

    def note_poll(self, error: Exception | None) -> None:
        """Record whether the result of this process's last poll could be stored."""
        fault = classify(error) if error else None
        self._unrecorded = self._trouble(fault) if fault else None

    def note_unread_accounts(self, number: int) -> None:
        """Record how many accounts of the store this process does not read, since it could use none of them."""
        self._unread_accounts = number

    def note_receiving(self, *, receives: bool) -> None:
        """Record whether commands reach this process: Slack may refuse the connection of a worker."""
        if self._process:
            self._process = replace(self._process, receives_commands=receives)

    async def check(self) -> tuple[Problem, ...]:
        """Return the problems for a router that requests `/readyz`, after a test write if the last one is old."""
        now = self.clock()
        if self._checked and timedelta(0) <= now - self._checked[0] < REPEATED:
            return self._checked[1]
        if self.store and (self._write_checked_at is None or abs(now - self._write_checked_at) > RECENT):
            fault = await self.store.check()
            if fault and fault.kind is FaultKind.SCHEMA and self._is_opening(self.store):
                fault = None  # the watcher is making the tables
            self._unwritable = self._trouble(fault) if fault else None
            self._write_checked_at = None if fault else now
        self._checked = now, diagnose(await self.facts())
        return self._checked[1]

    async def status(self) -> Status:
        """Return what `/kf status` shows."""
        settings, store = self.settings, self.store
        facts, reading = await self._read(STORE_SECONDS)
        if self._is_one_of_several and not self._is_of_platform:
            facts = replace(facts, platform=None)
        known = Status(
            version=__version__,
            facts=facts,
            store=store.kind if store else "",
            token_expires_at=self._token_expires_at(),
            channel=settings.slack_alert_channel,
            leads=settings.alert_leads,
            quiet=settings.quiet,
            operations=_operations(settings, store, reading),
            state=self._state,
        )
        if reading is None:
            return known
        window = settings.quiet.window_of(self.clock()) if settings.quiet else None
        return replace(
            known,
            processes=len(reading.processes),
            watching_since=reading.state.watching_since,
            quiet_until=window.ends if window else None,
            snoozed=tuple(
                Snoozed(one.kf_nick, one.snoozed.until)
                for one in reading.snoozed
                if one.snoozed and one.snoozed.until
            ),
        )

    async def figures(self, appids: Collection[str]) -> Figures:
        """Return what `/metrics` exposes; without counts of messages if the store does not answer.

        Args:
            appids: the accounts whose messages are counted.
        """
        messages, overdue = None, None
        if self.store:
            try:
                messages, overdue = await with_timeout(self._count(self.store, appids), STORE_SECONDS)
            except Exception:  # `facts` has the reason, if it lasts
                messages, overdue = None, None
        return Figures(await self.facts(), messages, overdue)

    async def _show(self, store: Store, process: ProcessInfo) -> tuple[datetime, StoreFault | None]:
        async with store.begin() as tx:
            seen = replace(process, rejected=self._rejected(), failed_replies=self._failed_replies())
            await processes.touch(tx, seen, self.clock())
            now = tx.now
        return now, await store.try_to_insert()

    async def _count(self, store: Store, appids: Collection[str]) -> tuple[Mapping[str, int], OverduePolls]:
        async with store.begin() as tx:
            return dict(await stats.by_state(tx, appids)), await claims.overdue(tx, appids)

    async def _read(self, within: float) -> tuple[HealthFacts, StoreReading | None]:
        """Return the facts and what was read in the store; None for the latter if the store does not answer."""
        known = self._known()
        if self.store is None:
            return known, None
        if not self.store.appid:  # no owner has authorised the platform yet
            return replace(known, alerts=False, store=self._trouble_known), None
        try:
            work = read_store(
                self.store,
                self.settings.quiet,
                is_one_of_several=self._is_one_of_several,
                platform_appid=self.settings.platform_appid,
            )
            reading = await with_timeout(work, within)
        except Exception as exc:  # a row that this release cannot handle, too
            fault = _fault_of(exc)
            if fault.kind is FaultKind.SCHEMA and self._is_opening(self.store):
                return known, None
            self._unreadable = self._trouble(fault)
            return replace(known, store=self._trouble_known), None
        facts = with_processes(
            with_reading(known, reading),
            reading.processes,
            self._process,
            self._digests,
            by_socket=bool(self.settings.slack_app_token),
        )
        if facts.receivers:
            # Counted from the first reading without a receiver, whichever process has it now.
            self._none_since = None if facts.receivers.count else self._none_since or facts.now
            none_since = self._none_since if self._process else None
            facts = replace(facts, receivers=replace(facts.receivers, none_since=none_since))
        self._unreadable, self._polled_at, self.platform = None, facts.polled_at, facts.platform
        self._faulty = self._trouble(self.store.fault) if self.store.fault else None
        return replace(facts, store=self._trouble_known), reading

    @property
    def _trouble_known(self) -> StoreTrouble | None:
        found = self._unwritable or self._unreadable or self._unrecorded or self._faulty
        # Tables are missing because the watcher cannot make them: its error names the reason.
        missing = found is not None and found.kind is ProblemKind.STORE_SCHEMA
        reason = self._unrecorded if missing else None
        return reason if reason and reason.kind is ProblemKind.STORE_SCHEMA else found

    def _is_opening(self, store: Store) -> bool:
        """Return whether this process makes the tables at present, as at its start."""
        return self._process is not None and store.is_new and self._unrecorded is None

    def _known(self) -> HealthFacts:
        """Return the facts that are known without the store."""
        settings, process = self.settings, self._process
        receivers = None
        if process and process.receives_commands:
            receivers = Receivers(1, 1, by_socket=bool(settings.slack_app_token))
        return HealthFacts(
            now=self.clock(),
            alerts=self.store is not None,
            is_polled=self._state.is_polled,
            started_at=process.started_at if process else None,
            written_at=self._written_at,
            poll=timedelta(seconds=settings.poll_seconds),
            polled_at=self._polled_at,
            unread_accounts=self._unread_accounts,
            receivers=receivers,
            rejected=self._rejected(),
            failed_replies=self._failed_replies(),
            slack=self._slack_trouble(),
        )

    def _trouble(self, fault: StoreFault) -> StoreTrouble:
        before = self._trouble_known
        kind = FaultKind.UNKNOWN if fault.kind is FaultKind.ROW else fault.kind
        return StoreTrouble(ProblemKind(f"store_{kind}"), fault.words, before.since if before else self.clock())


def _operations(settings: Settings, store: Store | None, reading: StoreReading | None) -> OperationsStatus:
    """Return whether operations are possible. While the store is unreachable, no refusal is known."""
    people, refusal = settings.kf_operators, reading.refusal if reading else None
    if not people:
        return OperationsStatus()
    if store is None:
        return OperationsStatus(Availability.NO_STORE, people)
    if refusal:
        return OperationsStatus(Availability.NO_RIGHT, people, refusal.at, refusal.family)
    return OperationsStatus(Availability.ON, people)


def _fault_of(exc: Exception) -> StoreFault:
    """Return the fault behind an error of the store, behind a timeout, or behind a row that cannot be handled."""
    return classify(exc) or StoreFault(FaultKind.UNKNOWN, fault_words(exc))
