"""Random user actions in WeChat during a crash run, and the events that must be reported because of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from tests.crash.failpoints import Precondition
from wechat_kf.simulator import Simulator

# The two smaller ones are seconds apart, so that one invitation passes both during a run.
LEADS = (timedelta(hours=3), timedelta(seconds=3006), timedelta(seconds=3000))
SMALLEST_LEAD = LEADS[-1]
FAR_OFF = timedelta(days=20)
CLOCK_ALONE_AFTER = timedelta(seconds=60)  # after a poll, only timers may report so late
MAX_ACCOUNTS = (
    60  # of WeChat's hundred, the rest is for operators; then only accounts that had an invitation get another
)
STOP_SECONDS = timedelta(seconds=15)  # within which the last bot stops; then the run is judged
MAX_UNREPORTED = 8  # with more unreported events, only necessary ones are added


class ExpectedEvent(NamedTuple):
    """An event of an invitation that the bot must or may report."""

    kind: str  # rejected, expired, expiring
    lead: int = 0  # seconds


REJECTED, EXPIRED, LAST_REMINDER = (
    ExpectedEvent("rejected"),
    ExpectedEvent("expired"),
    ExpectedEvent("expiring", SMALLEST_LEAD.seconds),
)
EVENTS = (REJECTED, EXPIRED, *(ExpectedEvent("expiring", lead.seconds) for lead in LEADS))


class Outcome(StrEnum):
    """The outcome of an invitation, in the words of an alert."""

    OPEN = "open"  # `expiring` or `expired`, depending on the time
    REJECTED = "rejected"
    BOUND = "bound"
    REPLACED = "invited again"
    WITHDRAWN = "invitation withdrawn"
    REMOVED = "removed"


@dataclass(slots=True, eq=False)
class SentInvitation:
    """One invitation of one account. Each has a unique name, so that texts identify it."""

    kf_account: str
    nick: str
    invite_wx: str
    expires_at: datetime  # in whole seconds, as WeChat has it
    outcome: Outcome = Outcome.OPEN
    was_rejected: bool = False
    closed_at: datetime | None = None
    is_reserved: bool = False  # for operators: no other task changes its account

    def status(self, now: datetime) -> str:
        if self.outcome is Outcome.OPEN:
            return "expired" if self.expires_at <= now else "expiring"
        return self.outcome

    @property
    def is_closed(self) -> bool:
        return self.outcome not in (Outcome.OPEN, Outcome.REJECTED)

    def required_events(self, now: datetime) -> set[ExpectedEvent]:
        """Return the events that must be reported exactly once: lasting problems, and a due last reminder."""
        if self.outcome is Outcome.REJECTED:
            return {REJECTED}
        if self.outcome is not Outcome.OPEN:
            return set()
        if self.expires_at <= now:
            return {EXPIRED}
        return {LAST_REMINDER} if self.expires_at - SMALLEST_LEAD <= now else set()

    def allowed_events(self, now: datetime) -> set[ExpectedEvent]:
        """Return the events that may be reported, at most once. All others are untrue."""
        moments = {ExpectedEvent("expiring", lead.seconds): self.expires_at - lead for lead in LEADS}
        moments[EXPIRED] = self.expires_at
        passed = {
            event
            for event, moment in moments.items()
            if moment <= now and (self.closed_at is None or self.closed_at > moment - CLOCK_ALONE_AFTER)
        }
        return passed | ({REJECTED} if self.was_rejected else set())


class Workload:
    """Performs random user actions at a simulated WeChat."""

    def __init__(
        self,
        wechat: Simulator,
        rng: random.Random,
        *,
        note: Callable[[str], None],
        register: Callable[[SentInvitation], None],
    ) -> None:
        """`note` writes into the diary of the run; `register` receives each invitation."""
        self._wechat = wechat
        self._rng = rng
        self._note = note
        self._register = register
        self._numbers = count(1)
        self._generations: dict[str, int] = {}
        self.invitations: list[SentInvitation] = []

    def begin(self) -> None:
        """Create the state before the first poll: problems, a due reminder, and invitations with time left."""
        for _ in range(3):
            self._reject(self._invite(FAR_OFF))
        self._invite(SMALLEST_LEAD - timedelta(minutes=5))
        for _ in range(3):
            self._invite(FAR_OFF)

    def act(self, precondition: Precondition, editable: Iterable[SentInvitation], unreported_count: int) -> None:
        """Perform the actions that a failpoint needs, and sometimes more.

        Args:
            editable: reported invitations whose message may be edited at once.
            unreported_count: how many events the channel does not show yet.
        """
        if precondition is Precondition.CHANGED_MESSAGE:
            self._close(self._rng.choice([*editable]))
        elif precondition is not Precondition.NOTHING and not precondition.needs_form:
            self.add_event()
        while unreported_count < MAX_UNREPORTED and self._rng.random() < 0.4:
            self.add_event()
            unreported_count += 1

    def add_event(self) -> None:
        """Perform one random action that leads to an event."""
        happenings: dict[Callable[[], object], int] = {
            self._reject_new: 3,
            self._reject_waiting: 3,
            self._reject_after_last_reminder: 3,
            self._let_expire: 4,
            self._approach_last_reminder: 3,
            self._approach_two_reminders: 2,
            self._invite_after_last_reminder: 2,
            self._reject_many: 1,
        }
        self._rng.choices([*happenings], [*happenings.values()])[0]()

    def reject_reserved(self, kf_account: str) -> SentInvitation:
        """Add an account for operators, whose invitation is rejected."""
        self._wechat.add_account(kf_account, "")
        one = self._invite_to(kf_account, FAR_OFF)
        one.is_reserved = True
        self._reject(one)
        return one

    def end_reserved(self, one: SentInvitation, *, invited: str) -> None:
        """Record that an operation replaced an invitation by one of `invited`, or "": deleted its account."""
        self._end(one, Outcome.REPLACED if invited else Outcome.REMOVED)
        if invited:
            expires_at = datetime.fromtimestamp(self._wechat.seat(one.kf_account).invite_expire_time, UTC)
            successor = SentInvitation(one.kf_account, one.nick, invited, expires_at, is_reserved=True)
            self.invitations.append(successor)
            self._register(successor)

    def remove_reserved(self, kf_account: str) -> None:
        """Remove an account of operators in the console."""
        self._wechat.remove(kf_account)
        for one in self.invitations:
            if one.kf_account == kf_account and not one.is_closed:
                self._end(one, Outcome.REMOVED)

    def is_due_soon(self) -> bool:
        """Return whether an event becomes due before the last bot has surely stopped.

        A run that ended now would be judged after that moment, and the alert counted as lost.
        """
        now = utc_now()
        return any(one.required_events(now) != one.required_events(now + STOP_SECONDS) for one in self.invitations)

    def _reject_new(self) -> None:
        self._reject(self._invite(FAR_OFF))

    def _reject_waiting(self) -> None:
        waiting = [one for one in self._open() if one.expires_at > utc_now() + FAR_OFF / 2]
        self._reject(self._rng.choice(waiting) if waiting else self._invite(FAR_OFF))
        self._invite(FAR_OFF)

    def _reject_after_last_reminder(self) -> None:
        """Reject an invitation, possibly while the outcome of its last reminder is unknown."""
        now = utc_now()
        called = [one for one in self._open() if LAST_REMINDER in one.required_events(now)]
        # The alerts of the newest are probably under way.
        self._reject(self._rng.choice(called[-3:]) if called else self._invite(FAR_OFF))

    def _let_expire(self) -> None:
        self._invite(timedelta(seconds=self._rng.uniform(2, 6)))

    def _approach_last_reminder(self) -> None:
        self._invite(SMALLEST_LEAD + timedelta(seconds=self._rng.uniform(1, 5)))

    def _approach_two_reminders(self) -> None:
        self._invite(LEADS[1] + timedelta(seconds=self._rng.uniform(1, 4)))

    def _invite_after_last_reminder(self) -> None:
        self._invite(SMALLEST_LEAD - timedelta(minutes=self._rng.randint(5, 15)))

    def _reject_many(self) -> None:
        for _ in range(self._rng.randint(6, 9)):
            self._reject(self._invite(FAR_OFF))

    def _open(self) -> list[SentInvitation]:
        """Return open invitations that do not expire for minutes: actions on them do not race with a deadline."""
        safe = utc_now() + timedelta(minutes=5)
        return [
            one
            for one in self.invitations
            if one.outcome is Outcome.OPEN and one.expires_at > safe and not one.is_reserved
        ]

    def _invite(self, left: timedelta) -> SentInvitation:
        return self._invite_to(self._account(), left)

    def _invite_to(self, kf_account: str, left: timedelta) -> SentInvitation:
        generation = self._generations[kf_account] = self._generations.get(kf_account, 0) + 1
        number = kf_account.partition("@")[0].removeprefix("kf")
        expires_at = datetime.fromtimestamp(int((utc_now() + left).timestamp()) + 1, UTC)
        made = SentInvitation(kf_account, f"S{number}x{generation}", f"person_{number}_{generation}", expires_at)
        self._wechat.seat(kf_account).kf_nick = made.nick
        self._wechat.invite(kf_account, made.invite_wx, expires_at)
        self.invitations.append(made)
        self._register(made)
        self._note(f"{made.nick} is invited until {expires_at:%d %H:%M:%S}")
        return made

    def _account(self) -> str:
        """Add an account, or choose one whose invitation failed."""
        now = utc_now()
        failed = [
            one for one in self.invitations if one.status(now) in ("rejected", "expired") and not one.is_reserved
        ]
        if failed and (len(self._generations) >= MAX_ACCOUNTS or self._rng.random() < 0.3):
            old = self._rng.choice(failed)
            self._end(old, Outcome.REPLACED)
            return old.kf_account
        kf_account = f"kf{next(self._numbers)}@harbour_tea"
        self._wechat.add_account(kf_account, "")
        return kf_account

    def _reject(self, one: SentInvitation) -> None:
        self._wechat.reject(one.kf_account)
        one.outcome, one.was_rejected = Outcome.REJECTED, True
        self._note(f"{one.nick} is rejected")

    def _close(self, one: SentInvitation) -> None:
        """End it in a random way that users have."""
        waits = one.status(utc_now()) == "expiring"
        outcomes = [Outcome.BOUND, Outcome.REMOVED, Outcome.WITHDRAWN if waits else Outcome.REPLACED]
        outcome = self._rng.choice(outcomes)
        self._end(one, outcome)
        match outcome:
            case Outcome.BOUND:
                self._wechat.accept(one.kf_account)
            case Outcome.REMOVED:
                self._wechat.remove(one.kf_account)
            case Outcome.WITHDRAWN:
                self._wechat.withdraw(one.kf_account)
            case Outcome.REPLACED:
                self._invite_to(one.kf_account, FAR_OFF)

    def _end(self, one: SentInvitation, outcome: Outcome) -> None:
        one.outcome, one.closed_at = outcome, utc_now()
        self._note(f"{one.nick} is {outcome}")


def utc_now() -> datetime:
    return datetime.now(UTC)
