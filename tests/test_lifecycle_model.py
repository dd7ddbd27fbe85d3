"""Random histories against an oracle that shares nothing with the code but the names of the states.

The oracle is the table of transitions, written down as a table. It follows one account; the machine plays several.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.alerting.acknowledgements import Snooze, acknowledge, snooze, unacknowledge, unsnooze
from bot.alerting.deadlines import advance
from bot.alerting.episode import (
    AlertKind,
    AlertPolicy,
    Disposition,
    Episode,
    EpisodeState,
    UserAction,
    with_successor,
)
from bot.alerting.lifecycle import observe
from bot.blocks.channel.notifications import render
from bot.outbox.messages import MessageKind
from tests.accounts import account, invited
from tests.budgets import share
from tests.conftest import NOW
from tests.episodes import CONTEXT
from wechat_kf import KfAccount

POLICY = AlertPolicy()
SEATS = ("bo", "dee")
ZERO = timedelta(0)
NEAR = st.sampled_from([*POLICY.leads, ZERO])

# (state, what is read) -> (state, event); None: no change. "?" in front: believed after two agreeing reads.
TABLE: dict[tuple[str, str], tuple[str, str]] = {
    ("waiting", "rejected"): ("rejected", "rejected"),
    ("waiting", "expired"): ("expired", "expired"),
    ("waiting", "bound"): ("bound", ""),
    ("waiting", "idle"): ("?cancelled", ""),
    ("waiting", "absent"): ("?removed", ""),
    ("expired", "rejected"): ("rejected", ""),
    ("expired", "bound"): ("bound", ""),
    ("expired", "waiting"): ("?waiting", ""),
    ("expired", "absent"): ("?removed", ""),
    ("rejected", "bound"): ("bound", ""),
    ("rejected", "waiting"): ("?replaced", ""),  # by another invitation of the same person
    ("rejected", "absent"): ("?removed", ""),
}
WORDS = {"cancelled": "Invitation withdrawn"}
REVIVABLE = ("cancelled", "removed", "bound", "replaced")


@dataclass
class ExpectedEpisode:
    """One invitation, as the oracle knows it."""

    person: str
    deadline: datetime | None
    repetition: int = 0
    state: str = "waiting"
    doubt: str = ""
    events: Counter[str] = field(default_factory=Counter)
    acked: bool = False
    snoozed_until: datetime | None = None

    def may_remind(self, lead: timedelta, now: datetime) -> bool:
        """Return whether no acknowledgement or snooze suppresses the reminder of a passed lead."""
        if self.acked:
            return False
        return lead <= POLICY.smallest_lead or self.snoozed_until is None or self.snoozed_until <= now

    def read(self, what: str, now: datetime) -> None:
        if what == "unknown":
            self.doubt = ""
        if self.state in REVIVABLE and what in ("waiting", "rejected", "expired"):
            self.state = "waiting"
        if self.state == "waiting" and what == "idle" and self.passed(now):
            what = "expired"
        target, event = TABLE.get((self.state, what), ("", ""))
        if target.startswith("?"):
            believed, self.doubt = self.doubt == target, target
            if not believed:
                return
            target = target[1:]
        self.doubt = ""
        self.enter(target or self.state, event)

    def enter(self, state: str, event: str) -> None:
        self.state = state
        if state != "waiting":
            self.snoozed_until = None  # it postponed reminders of an invitation that is answered now
        if event:
            self.events[event] = 1

    def tick(self, now: datetime) -> None:
        if self.state == "waiting" and self.passed(now):
            self.doubt = ""
            self.enter("expired", "expired")

    def passed(self, now: datetime) -> bool:
        return self.deadline is not None and self.deadline <= now


class Invitations(RuleBasedStateMachine):
    """Several seats, read at random gaps, with restarts: nothing is kept but the episodes themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.rows: dict[str, KfAccount | None] = {}
        self.oracle: dict[str, list[ExpectedEpisode]] = {seat: [] for seat in SEATS}
        self.episodes: dict[str, Episode] = {}
        self.emitted: Counter[tuple[str, AlertKind, timedelta]] = Counter()

    @initialize()
    def nothing_is_known(self) -> None:
        self.rows = dict.fromkeys(SEATS)

    @rule(
        seat=st.sampled_from(SEATS),
        status=st.sampled_from(["waiting", "rejected", "expired"]),
        hours=st.one_of(st.none(), st.integers(-2, 60), st.integers(7, 30)),
    )
    def invite(self, seat: str, status: str, hours: int | None) -> None:
        """Invite a new person; from here on the rows of this account show this invitation."""
        person = f"person_{len(self.oracle[seat])}"
        left = timedelta(hours=hours) if hours is not None else None
        self.rows[seat] = invited(seat, wx=person, status=status, expires_in=left, at=self.now)
        if self.oracle[seat] and self.oracle[seat][-1].state in ("waiting", "rejected", "expired"):
            self.oracle[seat][-1].state = "replaced"
        expected = ExpectedEpisode(person, self.now + left if left is not None else None)
        self.oracle[seat].append(expected)
        if status == "rejected":
            expected.enter("rejected", "rejected")
        elif status == "expired" or expected.passed(self.now):
            expected.enter("expired", "expired")
        self._read(others_only=seat)

    @rule(seat=st.sampled_from(SEATS), what=st.sampled_from(["waiting", "rejected", "expired", "pondering", ""]))
    def the_same_invitation_reads_otherwise(self, seat: str, what: str) -> None:
        if self.oracle[seat]:
            self._list(seat, what)
        self._read()

    @rule(
        seat=st.sampled_from(SEATS),
        moved=st.integers(-120, 120),
        polls=st.integers(1, 3),
        then=st.sampled_from(["waiting", "rejected", "expired", "pondering", ""]),
    )
    def the_person_rejects_and_is_invited_again(self, seat: str, moved: int, polls: int, then: str) -> None:
        """Reject and invite again, with nearly the deadline of the previous invitation."""
        if self.oracle[seat]:
            self._list(seat, "rejected")
            self._read()
            self._list(seat, "waiting", moved=timedelta(seconds=moved))
            for _ in range(polls):
                self._read()
            self._list(seat, then)
        self._read()

    def _list(self, seat: str, status: str, *, moved: timedelta = ZERO) -> None:
        """Let the row speak of the newest invitation, or of another of the same person."""
        expected = self.oracle[seat][-1]
        left = expected.deadline + moved - self.now if expected.deadline else None
        self.rows[seat] = invited(seat, wx=expected.person, status=status, expires_in=left, at=self.now)

    @rule(seat=st.sampled_from(SEATS))
    def bind(self, seat: str) -> None:
        self.rows[seat] = account(seat, kf_wx="somebody")
        self._read()

    @rule(seat=st.sampled_from(SEATS))
    def clear(self, seat: str) -> None:
        self.rows[seat] = account(seat)
        self._read()

    @rule(seat=st.sampled_from(SEATS))
    def vanish(self, seat: str) -> None:
        self.rows[seat] = None
        self._read()

    @rule()
    def read_again(self) -> None:
        self._read()

    @rule(minutes=st.integers(1, 60 * 30))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self._keep(advance(list(self.episodes.values()), self.now, POLICY))
        self._tick_oracle()

    @rule(
        seat=st.sampled_from(SEATS),
        left=NEAR,
        beside=st.sampled_from([-1, 0, 1]),
    )
    def time_comes_near_a_lead_or_a_deadline(self, seat: str, left: timedelta, beside: int) -> None:
        self._come_near(seat, left, beside=beside)

    @rule(seat=st.sampled_from(SEATS), left=NEAR)
    def acknowledge_shortly_before_a_lead(self, seat: str, left: timedelta) -> None:
        self._come_near(seat, left, beside=-1800)
        if found := self._latest(seat):
            episode, expected = found
            after = acknowledge(episode, UserAction("U0MEI", "Mei", self.now))
            assert (after is None) == (expected.acked or expected.state not in ("waiting", "rejected", "expired"))
            if after:
                expected.acked, expected.snoozed_until = True, None
                self.episodes[after.id] = after
        self._come_near(seat, left, beside=0)

    @rule(seat=st.sampled_from(SEATS), choice=st.sampled_from(Snooze), left=NEAR)
    def snooze_shortly_before_a_lead(self, seat: str, choice: Snooze, left: timedelta) -> None:
        self._come_near(seat, left, beside=-1800)
        if found := self._latest(seat):
            episode, expected = found
            until = choice.until(self.now, ZoneInfo("Asia/Shanghai"))
            after = snooze(episode, UserAction("U0TOM", "Tom", self.now, until), POLICY)
            if after:
                assert expected.deadline
                expected.snoozed_until = min(until, expected.deadline - POLICY.smallest_lead)
                self.episodes[after.id] = after
        self._come_near(seat, left, beside=0)

    @rule(seat=st.sampled_from(SEATS))
    def undo_user_action(self, seat: str) -> None:
        if found := self._latest(seat):
            episode, expected = found
            if undone := unacknowledge(episode) or unsnooze(episode):
                expected.acked, expected.snoozed_until = False, None
                self.episodes[episode.id] = undone
                self._keep(advance([undone], self.now, POLICY))

    def _come_near(self, seat: str, left: timedelta, *, beside: int) -> None:
        deadline = self.oracle[seat][-1].deadline if self.oracle[seat] else None
        if deadline:
            self.now = max(self.now, deadline - left + timedelta(seconds=beside))
        self._keep(advance(list(self.episodes.values()), self.now, POLICY))
        self._tick_oracle()

    def _latest(self, seat: str) -> tuple[Episode, ExpectedEpisode] | None:
        if not self.oracle[seat]:
            return None
        expected = self.oracle[seat][-1]
        return next(e for e in self.episodes.values() if self._oracle_of(e) is expected), expected

    def _read(self, others_only: str | None = None) -> None:
        listed = [row for row in self.rows.values() if row]
        changes = observe(list(self.episodes.values()), listed, self.now, POLICY, appid="wx")
        for seat, row in self.rows.items():
            if self.oracle[seat] and seat != others_only:
                self._feed(seat, row)
        self._keep(changes)
        self._tick_oracle()

    def _feed(self, seat: str, row: KfAccount | None) -> None:
        expected = self.oracle[seat][-1]
        deadline = row.invitation.expires_at if row and row.invitation else None
        if expected.state == "waiting" and deadline:
            expected.deadline = deadline
        expected.read(self._reads_as(row), self.now)
        if expected.state == "replaced":
            again = ExpectedEpisode(expected.person, deadline, expected.repetition + 1)
            self.oracle[seat].append(again)

    def _tick_oracle(self) -> None:
        for candidates in self.oracle.values():
            for expected in candidates:
                expected.tick(self.now)

    def _reads_as(self, row: KfAccount | None) -> str:
        if row is None:
            return "absent"
        if row.kf_wx:
            return "bound"
        if row.invitation is None or not row.invitation.status:
            return "idle"
        status, deadline = row.invitation.status, row.invitation.expires_at
        if status == "waiting" and deadline and deadline <= self.now:
            return "expired"
        return status if status in ("waiting", "rejected", "expired") else "unknown"

    def _oracle_of(self, episode: Episode) -> ExpectedEpisode:
        key = episode.invite_wx, episode.repetition
        return next(
            t for t in self.oracle[episode.account_key.partition("@")[0]] if (t.person, t.repetition) == key
        )

    def _keep(self, changes: list) -> None:
        for change in changes:
            self.episodes[change.after.id] = change.after
            for event in change.new_events:
                expected = self._oracle_of(change.after)
                if event.kind is AlertKind.EXPIRING and event.disposition is Disposition.NOTIFIED and change.before:
                    assert expected.may_remind(event.lead, self.now)
                self.emitted[change.after.id, event.kind, event.lead] += 1

    @invariant()
    def states_equal_the_table(self) -> None:
        for seat in SEATS:
            mine = {
                (e.invite_wx, e.repetition): e.state.value
                for e in self.episodes.values()
                if e.account_key == f"{seat}@harbour_tea"
            }
            assert mine == {
                (expected.person, expected.repetition): expected.state for expected in self.oracle[seat]
            }

    @invariant()
    def problems_are_emitted_as_in_the_table(self) -> None:
        for seat in SEATS:
            mine = [e for e in self.episodes.values() if e.account_key == f"{seat}@harbour_tea"]
            for expected in self.oracle[seat]:
                (episode,) = (e for e in mine if self._oracle_of(e) is expected)
                problems = {e.kind.value for e in episode.events if e.kind is not AlertKind.EXPIRING}
                assert problems == set(expected.events)

    @invariant()
    def nothing_is_emitted_twice(self) -> None:
        assert all(number == 1 for number in self.emitted.values())

    @invariant()
    def no_passed_smallest_lead_of_a_waiting_invitation_stays_silent(self) -> None:
        for episode in self.episodes.values():
            if episode.state is EpisodeState.WAITING and episode.expires_at and not self._oracle_of(episode).acked:
                close = episode.expires_at - self.now <= POLICY.smallest_lead
                spoken = [
                    e.disposition for e in episode.events if e.key == (AlertKind.EXPIRING, POLICY.smallest_lead)
                ]
                assert spoken == ([Disposition.NOTIFIED] if close else [])

    @invariant()
    def user_actions_are_recorded(self) -> None:
        for episode in self.episodes.values():
            expected = self._oracle_of(episode)
            assert bool(episode.acked) == expected.acked
            if episode.snoozed:
                assert episode.state is EpisodeState.WAITING
                assert episode.snoozed.until == expected.snoozed_until

    @invariant()
    def no_message_shows_a_new_invitation_as_out_when_it_is_over(self) -> None:
        for seat in SEATS:
            for number, expected in enumerate(self.oracle[seat]):
                if expected.state == "replaced":
                    newest = next(one for one in self.oracle[seat][number:] if one.state != "replaced")
                    shown = self._shown(expected)
                    assert ("A new invitation is out" in shown) == (newest.state == "waiting")
                    if newest.state != "waiting":
                        assert shown.startswith(WORDS.get(newest.state, newest.state.capitalize()))

    def _shown(self, expected: ExpectedEpisode) -> str:
        """Return the expected text of the message about a replaced invitation."""
        replaced = next(e for e in self.episodes.values() if self._oracle_of(e) is expected)
        newest = replaced
        while newest.state is EpisodeState.REPLACED:
            newest = self.episodes[newest.successor_id]
        message = render(MessageKind.ALERT, {}, [with_successor(replaced, newest)], None, CONTEXT)
        assert not {"actions", "header"} & {block["type"] for block in message.blocks}
        return message.text

    @invariant()
    def account_has_at_most_one_open_episode(self) -> None:
        open_ones = Counter(e.account_key for e in self.episodes.values() if not e.state.closed)
        assert all(number == 1 for number in open_ones.values())
        latest = Counter(e.account_key for e in self.episodes.values() if e.is_latest)
        assert all(number == 1 for number in latest.values())


TestInvitations = Invitations.TestCase
# User actions matter only before the right lead of the right account: 150 examples often miss a broken rule. The
# plain tests of test_lifecycle and test_acknowledgements hold each rule; this finds what their combination breaks.
TestInvitations.settings = settings(max_examples=share(40, 1000))
TestInvitations.pytestmark = [pytest.mark.model]
