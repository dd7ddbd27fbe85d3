"""What people do in WeChat while the bot dies and lives: invitations, and from them what has to be told."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from tests.crash.failpoints import Needs
from wechat_kf.simulator import Simulator

# The two smaller ones are seconds apart, so that one invitation passes both while the run lasts.
LEADS = (timedelta(hours=3), timedelta(seconds=3006), timedelta(seconds=3000))
SMALLEST = LEADS[-1]
FAR = timedelta(days=20)
STALE = timedelta(seconds=60)  # the clock alone may speak of what was read so long ago
SEATS = 90  # then invitations go to seats that had one already
STOPPING = timedelta(seconds=15)  # that the last bot may take to stop, after which the run is judged
PLENTY = 8  # events untold; with more the world makes no news that are not needed


class Event(NamedTuple):
    """One piece of news about an invitation."""

    kind: str  # rejected, expired, expiring
    lead: int = 0  # seconds


REJECTED, EXPIRED, LAST_CALL = Event("rejected"), Event("expired"), Event("expiring", SMALLEST.seconds)
EVENTS = (REJECTED, EXPIRED, *(Event("expiring", lead.seconds) for lead in LEADS))


class Fate(StrEnum):
    """What became of an invitation, in the words of an alert."""

    OPEN = "open"  # and then `expiring` or `expired`, as the clock says
    REJECTED = "rejected"
    BOUND = "bound"
    REPLACED = "invited again"
    WITHDRAWN = "invitation withdrawn"
    REMOVED = "removed"


@dataclass(slots=True, eq=False)
class Invitation:
    """One invitation of one seat. Each has a name of its own, so that people's words tell them apart."""

    seat: str
    nick: str
    invite_wx: str
    expires_at: datetime  # in whole seconds, as WeChat has it
    fate: Fate = Fate.OPEN
    was_rejected: bool = False
    closed_at: datetime | None = None

    def standing(self, now: datetime) -> str:
        if self.fate is Fate.OPEN:
            return "expired" if self.expires_at <= now else "expiring"
        return self.fate

    @property
    def is_closed(self) -> bool:
        return self.fate not in (Fate.OPEN, Fate.REJECTED)

    def must(self, now: datetime) -> set[Event]:
        """What has to be told exactly once: problems that stay, and the last call while nobody answers."""
        if self.fate is Fate.REJECTED:
            return {REJECTED}
        if self.fate is not Fate.OPEN:
            return set()
        if self.expires_at <= now:
            return {EXPIRED}
        return {LAST_CALL} if self.expires_at - SMALLEST <= now else set()

    def may(self, now: datetime) -> set[Event]:
        """What may be told, once at most. Anything else is untrue."""
        moments = {Event("expiring", lead.seconds): self.expires_at - lead for lead in LEADS}
        moments[EXPIRED] = self.expires_at
        passed = {
            event
            for event, moment in moments.items()
            if moment <= now and (self.closed_at is None or self.closed_at > moment - STALE)
        }
        return passed | ({REJECTED} if self.was_rejected else set())


class Script:
    """Makes things happen at a simulated WeChat, as chance has it."""

    def __init__(
        self,
        wechat: Simulator,
        rng: random.Random,
        *,
        note: Callable[[str], None],
        learn: Callable[[Invitation], None],
    ) -> None:
        """`note` writes into the diary of the run, `learn` hears of each invitation."""
        self._wechat = wechat
        self._rng = rng
        self._note = note
        self._learn = learn
        self._numbers = count(1)
        self._generations: dict[str, int] = {}
        self.invitations: list[Invitation] = []

    def begin(self) -> None:
        """What is there before the bot's first look: problems, a last call, and some who have time."""
        for _ in range(3):
            self._reject(self._invite(FAR))
        self._invite(SMALLEST - timedelta(minutes=5))
        for _ in range(3):
            self._invite(FAR)

    def act(self, needs: Needs, rested: Iterable[Invitation], owed: int) -> None:
        """Let people do what is needed, and now and then something more.

        Args:
            rested: told invitations whose message may be edited at once.
            owed: events that are still untold.
        """
        if needs is Needs.VIEW:
            self._close(self._rng.choice([*rested]))
        elif needs is not Needs.NOTHING:
            self.make_news()
        while owed < PLENTY and self._rng.random() < 0.4:
            self.make_news()
            owed += 1

    def make_news(self) -> None:
        """Let one thing happen that people must hear of."""
        happenings: dict[Callable[[], object], int] = {
            self._reject_a_new_one: 3,
            self._reject_one_that_waits: 3,
            self._reject_one_in_its_last_hour: 3,
            self._let_one_lapse: 4,
            self._near_the_last_call: 3,
            self._near_two_leads: 2,
            self._begin_after_the_last_call: 2,
            self._reject_many: 1,
        }
        self._rng.choices([*happenings], [*happenings.values()])[0]()

    def is_due_soon(self) -> bool:
        """Return whether something must be reported of an invitation before the last bot has surely stopped.

        A run that ends sooner would be judged after that moment, and the alert called lost.
        """
        now = utc_now()
        return any(one.must(now) != one.must(now + STOPPING) for one in self.invitations)

    def _reject_a_new_one(self) -> None:
        self._reject(self._invite(FAR))

    def _reject_one_that_waits(self) -> None:
        waiting = [one for one in self._open() if one.expires_at > utc_now() + FAR / 2]
        self._reject(self._rng.choice(waiting) if waiting else self._invite(FAR))
        self._invite(FAR)

    def _reject_one_in_its_last_hour(self) -> None:
        """Perhaps while nobody knows whether its last call arrived."""
        now = utc_now()
        called = [one for one in self._open() if LAST_CALL in one.must(now)]
        # The newest are those whose alert is under way.
        self._reject(self._rng.choice(called[-3:]) if called else self._invite(FAR))

    def _let_one_lapse(self) -> None:
        self._invite(timedelta(seconds=self._rng.uniform(2, 6)))

    def _near_the_last_call(self) -> None:
        self._invite(SMALLEST + timedelta(seconds=self._rng.uniform(1, 5)))

    def _near_two_leads(self) -> None:
        self._invite(LEADS[1] + timedelta(seconds=self._rng.uniform(1, 4)))

    def _begin_after_the_last_call(self) -> None:
        self._invite(SMALLEST - timedelta(minutes=self._rng.randint(5, 15)))

    def _reject_many(self) -> None:
        for _ in range(self._rng.randint(6, 9)):
            self._reject(self._invite(FAR))

    def _open(self) -> list[Invitation]:
        """Those that wait and will for minutes: what happens to them is not decided by a race with a clock."""
        safe = utc_now() + timedelta(minutes=5)
        return [one for one in self.invitations if one.fate is Fate.OPEN and one.expires_at > safe]

    def _invite(self, left: timedelta) -> Invitation:
        return self._invite_to(self._seat(), left)

    def _invite_to(self, seat: str, left: timedelta) -> Invitation:
        generation = self._generations[seat] = self._generations.get(seat, 0) + 1
        number = seat.partition("@")[0].removeprefix("kf")
        expires_at = datetime.fromtimestamp(int((utc_now() + left).timestamp()) + 1, UTC)
        made = Invitation(seat, f"S{number}x{generation}", f"person_{number}_{generation}", expires_at)
        self._wechat.seat(seat).kf_nick = made.nick
        self._wechat.invite(seat, made.invite_wx, expires_at)
        self.invitations.append(made)
        self._learn(made)
        self._note(f"{made.nick} is invited until {expires_at:%d %H:%M:%S}")
        return made

    def _seat(self) -> str:
        """A new one, or one whose invitation came to nothing."""
        now = utc_now()
        failed = [one for one in self.invitations if one.standing(now) in ("rejected", "expired")]
        if failed and (len(self._generations) >= SEATS or self._rng.random() < 0.3):
            old = self._rng.choice(failed)
            self._end(old, Fate.REPLACED)
            return old.seat
        seat = f"kf{next(self._numbers)}@harbour_tea"
        self._wechat.add_account(seat, "")
        return seat

    def _reject(self, one: Invitation) -> None:
        self._wechat.reject(one.seat)
        one.fate, one.was_rejected = Fate.REJECTED, True
        self._note(f"{one.nick} is rejected")

    def _close(self, one: Invitation) -> None:
        """End it in one of the ways that people have."""
        waits = one.standing(utc_now()) == "expiring"
        fates = [Fate.BOUND, Fate.REMOVED, Fate.WITHDRAWN if waits else Fate.REPLACED]
        fate = self._rng.choice(fates)
        self._end(one, fate)
        match fate:
            case Fate.BOUND:
                self._wechat.accept(one.seat)
            case Fate.REMOVED:
                self._wechat.remove(one.seat)
            case Fate.WITHDRAWN:
                self._wechat.withdraw(one.seat)
            case Fate.REPLACED:
                self._invite_to(one.seat, FAR)

    def _end(self, one: Invitation, fate: Fate) -> None:
        one.fate, one.closed_at = fate, utc_now()
        self._note(f"{one.nick} is {fate}")


def utc_now() -> datetime:
    return datetime.now(UTC)
