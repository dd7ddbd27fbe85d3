"""The rules of an invitation, one transition at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time, timedelta

import pytest

from bot.alerting.deadlines import advance, next_timer
from bot.alerting.episode import (
    NO_INVITATION,
    AccountStatus,
    AlertEvent,
    AlertKind,
    AlertPolicy,
    Change,
    Disposition,
    Episode,
    EpisodeState,
    account_status,
    priority,
)
from bot.alerting.lifecycle import observe, unmatched_invitations
from bot.alerting.quiet_hours import SHANGHAI, QuietHours
from tests.accounts import account, bound, invited
from tests.conftest import NOW
from tests.for_each import for_each
from wechat_kf import Invitation, KfAccount

POLICY = AlertPolicy()
DAY, HOUR, MINUTE, SECOND = (timedelta(**{unit: 1}) for unit in ("days", "hours", "minutes", "seconds"))
ZERO = timedelta(0)


class Seats:
    """Episodes in memory, as in the store, to which a test feeds lists."""

    def __init__(self) -> None:
        self.episodes: dict[str, Episode] = {}
        self.now = NOW
        self.first = False

    def read(self, *accounts: KfAccount, after: timedelta = MINUTE, **how: object) -> list[Change]:
        self.now += after
        return self._keep(
            observe(self.episodes.values(), accounts, self.now, POLICY, appid="wx", **how)  # type: ignore[arg-type]
        )

    def wait(self, span: timedelta, **how: object) -> list[Change]:
        self.now += span
        return self._keep(advance(self.episodes.values(), self.now, POLICY, **how))  # type: ignore[arg-type]

    def _keep(self, changes: list[Change]) -> list[Change]:
        for change in changes:
            assert change.after != change.before
            self.episodes[change.after.id] = change.after
        return changes

    @property
    def states(self) -> list[EpisodeState]:
        return [episode.state for episode in self.episodes.values()]


@pytest.fixture
def seats() -> Seats:
    return Seats()


def new_events(changes: Sequence[Change]) -> list[tuple[AlertKind, timedelta, Disposition]]:
    return [(event.kind, event.lead, event.disposition) for change in changes for event in change.new_events]


def notified(changes: Sequence[Change]) -> list[AlertKind]:
    return [
        event.kind for change in changes for event in change.new_events if event.disposition is Disposition.NOTIFIED
    ]


# Reading one row


@for_each(
    ("row", "expected"),
    [
        (account(), AccountStatus.IDLE),
        (account(kf_wx=""), AccountStatus.IDLE),
        (bound(), AccountStatus.BOUND),
        (invited(status="rejected", kf_wx="bo_example"), AccountStatus.BOUND),
        (invited(status="rejected"), AccountStatus.REJECTED),
        (invited(status="rejected", expires_in=-DAY), AccountStatus.REJECTED),
        (invited(status="expired", expires_in=9 * DAY), AccountStatus.EXPIRED),
        (invited(expires_in=DAY + SECOND), AccountStatus.WAITING),
        (invited(expires_in=DAY), AccountStatus.EXPIRING),
        (invited(expires_in=SECOND), AccountStatus.EXPIRING),
        (invited(expires_in=ZERO), AccountStatus.EXPIRED),
        (invited(expires_in=None), AccountStatus.WAITING),
        (invited(status="pondering"), AccountStatus.UNKNOWN),
        (invited(status=""), AccountStatus.IDLE),
    ],
)
def test_status_of_a_row_follows_the_first_matching_rule(row, expected):
    assert account_status(row, NOW, POLICY) is expected


def test_row_whose_last_reminder_before_quiet_hours_was_due_is_expiring():
    # The reminder is due at 22:00 in Shanghai, 12 h 48 min after NOW.
    policy = AlertPolicy(leads=(HOUR,), quiet=QuietHours(time(22), time(8), SHANGHAI))
    in_quiet_hours, before, reminded = invited(expires_in=20 * HOUR), NOW + 767 * MINUTE, NOW + 768 * MINUTE
    assert account_status(in_quiet_hours, before, policy) is AccountStatus.WAITING
    assert account_status(in_quiet_hours, reminded, policy) is AccountStatus.EXPIRING
    assert account_status(invited(expires_in=32 * HOUR), reminded, policy) is AccountStatus.WAITING


def test_expiring_within_the_hour_has_priority_over_lost():
    assert (
        priority(AccountStatus.EXPIRING, urgent=True)
        < priority(AccountStatus.REJECTED)
        < priority(AccountStatus.EXPIRED)
        < priority(AccountStatus.EXPIRING)
    )


# From nothing


def test_waiting_invitation_is_watched_without_an_event(seats):
    assert new_events(seats.read(invited())) == []
    assert seats.states == [EpisodeState.WAITING]


@pytest.mark.parametrize("row", [bound(), account(), invited(status="pondering")])
def test_row_without_an_invitation_makes_no_episode(seats, row):
    assert seats.read(row) == []


@pytest.mark.parametrize("status", ["rejected", "expired"])
def test_problem_in_the_first_row_of_an_account_is_emitted(seats, status):
    assert notified(seats.read(invited(status=status))) == [AlertKind(status)]


@pytest.mark.parametrize("status", ["rejected", "expired"])
def test_problem_in_the_first_poll_is_backlog(seats, status):
    assert new_events(seats.read(invited(status=status), first_run=True)) == [
        (AlertKind(status), ZERO, Disposition.BACKLOG)
    ]


def test_account_without_any_key_cannot_be_watched(seats):
    assert seats.read(invited(kf_account="", kf_id="", status="rejected")) == []


def test_first_of_two_rows_with_one_key_counts(seats):
    seats.read(invited(status="rejected"), invited())
    assert seats.states == [EpisodeState.REJECTED]


# Leads


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (25 * HOUR, []),
        (24 * HOUR, [(AlertKind.EXPIRING, 24 * HOUR, Disposition.NOTIFIED)]),
        (6 * HOUR + SECOND, [(AlertKind.EXPIRING, 24 * HOUR, Disposition.NOTIFIED)]),
        (
            6 * HOUR,
            [
                (AlertKind.EXPIRING, 24 * HOUR, Disposition.SUPERSEDED),
                (AlertKind.EXPIRING, 6 * HOUR, Disposition.NOTIFIED),
            ],
        ),
        (
            SECOND,
            [
                (AlertKind.EXPIRING, 24 * HOUR, Disposition.SUPERSEDED),
                (AlertKind.EXPIRING, 6 * HOUR, Disposition.SUPERSEDED),
                (AlertKind.EXPIRING, HOUR, Disposition.NOTIFIED),
            ],
        ),
        (ZERO, [(AlertKind.EXPIRED, ZERO, Disposition.NOTIFIED)]),
        (-DAY, [(AlertKind.EXPIRED, ZERO, Disposition.NOTIFIED)]),
    ],
)
def test_only_the_tightest_passed_lead_is_emitted(seats, left, expected):
    seats.read(invited(expires_in=3 * DAY, at=seats.now))
    seats.now = NOW + 3 * DAY
    assert new_events(seats.wait(-left)) == expected


def test_every_lead_is_emitted_once_before_the_deadline(seats):
    row = invited(expires_in=3 * DAY)
    events = notified(seats.read(row))
    while seats.now < NOW + 4 * DAY:
        events += notified(seats.wait(13 * MINUTE)) + notified(seats.read(row))
    assert events == [AlertKind.EXPIRING, AlertKind.EXPIRING, AlertKind.EXPIRING, AlertKind.EXPIRED]


@pytest.mark.parametrize(
    ("left", "expected"), [(5 * HOUR, []), (HOUR, [AlertKind.EXPIRING]), (SECOND, [AlertKind.EXPIRING])]
)
def test_short_lived_invitation_is_emitted_only_within_the_smallest_lead(seats, left, expected):
    assert notified(seats.read(invited(expires_in=left + MINUTE))) == expected


def test_lead_that_is_added_later_does_not_repeat_a_tighter_one(seats):
    seats.read(invited(expires_in=5 * HOUR))
    wider = AlertPolicy(leads=(24 * HOUR, 12 * HOUR, 6 * HOUR, HOUR))
    changes = advance(seats.episodes.values(), seats.now, wider)
    assert new_events(changes) == [(AlertKind.EXPIRING, 12 * HOUR, Disposition.SUPERSEDED)]


def test_lead_set_again_is_not_emitted_after_a_tighter_one(seats):
    seats.read(invited(expires_in=HOUR))
    changes = advance(seats.episodes.values(), seats.now, AlertPolicy(leads=(24 * HOUR, 2 * HOUR)))
    assert new_events(changes) == [(AlertKind.EXPIRING, 2 * HOUR, Disposition.SUPERSEDED)]


def test_row_without_a_deadline_does_not_reopen_an_expired_invitation(seats):
    seats.read(invited(expires_in=HOUR))
    seats.read(invited(expires_in=HOUR), after=2 * HOUR)
    assert seats.states == [EpisodeState.EXPIRED]
    assert [seats.read(invited(expires_in=None)) for _ in range(6)] == [[]] * 6
    assert seats.states == [EpisodeState.EXPIRED]


def test_invitation_without_deadline_has_no_leads(seats):
    seats.read(invited(expires_in=None))
    assert seats.wait(900 * DAY) == []


@pytest.mark.parametrize(
    ("told_leads", "expected"),
    [((), 24 * HOUR), ((24 * HOUR,), 6 * HOUR), ((24 * HOUR, 6 * HOUR, HOUR), ZERO), ((HOUR,), ZERO)],
)
def test_next_timer_is_the_widest_remaining_lead(seats, told_leads, expected):
    (change,) = seats.read(invited())
    episode = change.after
    events = tuple(AlertEvent(AlertKind.EXPIRING, lead) for lead in told_leads)
    timed = type(episode)(**{name: getattr(episode, name) for name in Episode.__slots__} | {"events": events})
    assert next_timer(timed, POLICY) == episode.expires_at - expected


def test_only_waiting_invitations_with_a_deadline_have_a_timer(seats):
    (without,) = seats.read(invited(expires_in=None))
    (rejected,) = seats.read(invited(status="rejected", expires_in=None))
    assert next_timer(without.after, POLICY) is None
    assert next_timer(rejected.after, POLICY) is None


# Problems


def test_invitation_expires_by_the_clock_while_its_row_is_still_waiting(seats):
    seats.read(invited(expires_in=2 * MINUTE))
    assert notified(seats.read(invited(expires_in=2 * MINUTE), after=MINUTE)) == [AlertKind.EXPIRED]
    assert seats.read(invited(expires_in=2 * MINUTE)) == []
    assert new_events(seats.read(invited(status="expired", expires_in=2 * MINUTE))) == []


def test_expiry_by_the_clock_is_unconfirmed_until_wechat_reports_it(seats):
    seats.read(invited(expires_in=3 * DAY))
    (change,) = seats.wait(4 * DAY, confirmed_at=NOW)
    assert change.after.confirmed_at == NOW
    (change,) = seats.read(invited(status="expired", expires_in=3 * DAY))
    assert change.after.confirmed_at is None


def test_early_expired_row_is_accepted(seats):
    seats.read(invited())
    assert notified(seats.read(invited(status="expired"))) == [AlertKind.EXPIRED]


def test_row_without_status_after_the_deadline_means_expired(seats):
    seats.read(invited(expires_in=2 * MINUTE))
    assert notified(seats.read(account(), after=HOUR)) == [AlertKind.EXPIRED]


def test_rejection_is_emitted_once(seats):
    seats.read(invited())
    assert notified(seats.read(invited(status="rejected"))) == [AlertKind.REJECTED]
    assert seats.read(invited(status="rejected")) == []


def test_rejection_after_the_expiry_changes_the_state_without_an_event(seats):
    seats.read(invited(status="expired"))
    assert new_events(seats.read(invited(status="rejected"))) == []
    assert seats.states == [EpisodeState.REJECTED]


@pytest.mark.parametrize("status", ["expired", "pondering", ""])
def test_rejection_stays_whatever_the_next_row_shows(seats, status):
    seats.read(invited(status="rejected"))
    assert seats.read(invited(status=status)) == []


def test_rejection_stays_when_the_row_waits_past_its_deadline(seats):
    seats.read(invited(status="rejected"))
    assert [seats.read(invited(), after=4 * DAY) for _ in range(3)] == [[]] * 3
    assert seats.states == [EpisodeState.REJECTED]


@pytest.mark.parametrize("status", ["rejected", "expired"])
def test_problem_with_blank_invite_fields_belongs_to_the_open_episode(seats, status):
    seats.read(invited())
    assert notified(seats.read(invited(wx="", status=status, expires_in=None))) == [AlertKind(status)]
    (episode,) = seats.episodes.values()
    assert episode.invite_wx == "bo_example"
    assert episode.expires_at == NOW + 3 * DAY


def test_problem_with_blank_invite_fields_does_not_revive_a_closed_episode(seats):
    seats.read(invited())
    seats.read(bound())
    assert notified(seats.read(invited(wx="", status="rejected", expires_in=None))) == [AlertKind.REJECTED]
    assert seats.states == [EpisodeState.BOUND, EpisodeState.REJECTED]


def test_nameless_episode_is_matched_again(seats):
    blank = invited(wx="", status="rejected", expires_in=None)
    seats.read(blank)
    seats.read(bound())
    assert notified(seats.read(blank)) == []
    seats.read(invited())
    assert notified(seats.read(blank)) == [AlertKind.REJECTED]  # now it is the newer invitation that was declined


def test_unknown_status_keeps_the_state_and_the_clock_goes_on(seats):
    seats.read(invited())
    assert seats.read(invited(status="pondering")) == []
    assert notified(seats.wait(4 * DAY)) == [AlertKind.EXPIRED]


def test_expired_turns_to_waiting_again_after_two_agreeing_polls(seats):
    seats.read(invited(status="expired"))
    seats.read(invited())
    assert seats.states == [EpisodeState.EXPIRED]
    assert new_events(seats.read(invited())) == []
    assert seats.states == [EpisodeState.WAITING]
    assert notified(seats.read(invited(status="expired"))) == []  # emitted events stay emitted


def test_single_contradicting_poll_is_ignored(seats):
    seats.read(invited(status="expired"))
    seats.read(invited())
    seats.read(invited(status="expired"))
    seats.read(invited())
    assert seats.states == [EpisodeState.EXPIRED]


def test_expiry_emitted_before_is_not_emitted_again(seats):
    seats.read(invited(status="expired", expires_in=2 * HOUR))
    seats.read(invited(expires_in=2 * HOUR))
    seats.read(invited(expires_in=2 * HOUR))
    assert seats.states == [EpisodeState.WAITING]
    (change,) = seats.wait(3 * HOUR)
    assert (change.after.state, change.new_events) == (EpisodeState.EXPIRED, ())


# Ends


@pytest.mark.parametrize("status", ["waiting", "rejected", "expired"])
def test_bound_row_closes_an_open_episode_without_an_event(seats, status):
    seats.read(invited(status=status))
    assert new_events(seats.read(bound())) == []
    assert seats.states == [EpisodeState.BOUND]


def test_bound_account_stays_closed(seats):
    seats.read(invited())
    seats.read(bound())
    assert seats.read(bound()) == seats.read(account()) == seats.read() == []


def test_withdrawal_is_accepted_after_two_agreeing_polls(seats):
    seats.read(invited())
    seats.read(account())
    assert seats.states == [EpisodeState.WAITING]
    assert new_events(seats.read(account())) == []
    assert seats.states == [EpisodeState.CANCELLED]


@pytest.mark.parametrize("status", ["waiting", "rejected", "expired"])
def test_absent_account_is_removed_after_two_agreeing_polls(seats, status):
    seats.read(invited(status=status))
    seats.read()
    assert EpisodeState.REMOVED not in seats.states
    seats.read()
    assert seats.states == [EpisodeState.REMOVED]


def test_incomplete_poll_does_not_count_as_absence(seats):
    seats.read(invited())
    for _ in range(5):
        assert seats.read(complete=False) == []


def test_poll_that_counts_for_several_is_accepted_at_once(seats):
    seats.read(invited())
    seats.read(reads=3)
    assert seats.states == [EpisodeState.REMOVED]


def test_different_pending_states_do_not_add_up(seats):
    seats.read(invited())
    seats.read()
    seats.read(account())
    assert seats.states == [EpisodeState.WAITING]


@pytest.mark.parametrize("end", [[account(), account()], [None, None]])
def test_closed_episode_continues_when_it_is_listed_again_without_repeats(seats, end):
    seats.read(invited(expires_in=30 * HOUR))
    assert notified(seats.wait(10 * HOUR)) == [AlertKind.EXPIRING]
    for row in end:
        seats.read(*[row] if row else [])
    assert seats.states[0].closed
    assert notified(seats.read(invited(expires_in=30 * HOUR))) == []
    assert seats.states == [EpisodeState.WAITING]
    assert notified(seats.read(invited(expires_in=30 * HOUR, status="rejected"))) == [AlertKind.REJECTED]


# A new invitation


@pytest.mark.parametrize("status", ["waiting", "rejected", "expired"])
def test_new_invitation_replaces_the_one_before(seats, status):
    seats.read(invited(status=status))
    seats.read(invited(wx="dana_example", expires_in=9 * DAY))
    old, new = seats.episodes.values()
    assert (old.state, old.is_latest, old.successor_wx, old.successor_expires_at) == (
        EpisodeState.REPLACED,
        False,
        "dana_example",
        NOW + 9 * DAY,
    )
    assert (new.state, new.is_latest) == (EpisodeState.WAITING, True)


def test_same_person_invited_with_a_new_deadline_is_a_new_invitation(seats):
    seats.read(invited(status="rejected"))
    assert notified(seats.read(invited(status="rejected", expires_in=5 * DAY))) == [AlertKind.REJECTED]
    assert seats.states == [EpisodeState.REPLACED, EpisodeState.REJECTED]


@pytest.mark.parametrize("moved", [ZERO, 90 * SECOND, -120 * SECOND])
def test_rejected_person_who_waits_in_two_agreeing_polls_is_invited_again(seats, moved):
    seats.read(invited(status="rejected"))
    assert notified(seats.read(invited(expires_in=3 * DAY + moved))) == []
    assert seats.states == [EpisodeState.REJECTED]
    assert notified(seats.read(invited(expires_in=3 * DAY + moved))) == []
    first, second = seats.episodes.values()
    assert (first.state, first.is_latest, first.expires_at) == (EpisodeState.REPLACED, False, NOW + 3 * DAY)
    assert (second.state, second.is_latest, second.expires_at) == (
        EpisodeState.WAITING,
        True,
        NOW + 3 * DAY + moved,
    )
    assert (first.repetition, second.repetition) == (0, 1)


@pytest.mark.parametrize("status", ["rejected", "expired"])
def test_new_invitation_of_a_rejected_person_has_events_of_its_own(seats, status):
    seats.read(invited(status="rejected"))
    for _ in range(2):
        seats.read(invited())
    assert notified(seats.read(invited(status=status))) == [AlertKind(status)]
    assert seats.read(invited(status=status)) == []


def test_every_rejection_of_a_repeatedly_invited_person_is_emitted(seats):
    events = []
    for _ in range(4):
        for status in ("waiting", "waiting", "rejected", "rejected"):
            events += notified(seats.read(invited(status=status)))
    assert events == [AlertKind.REJECTED] * 4
    assert [episode.repetition for episode in seats.episodes.values()] == [0, 1, 2, 3]


@pytest.mark.parametrize("between", ["rejected", "expired", "pondering", ""])
def test_one_waiting_poll_after_a_rejection_is_not_a_new_invitation(seats, between):
    seats.read(invited(status="rejected"))
    for status in ("waiting", between, "waiting", "rejected"):
        assert notified(seats.read(invited(status=status))) == []
    assert seats.states == [EpisodeState.REJECTED]


def test_new_invitation_without_a_person_belongs_to_the_person_who_rejected(seats):
    seats.read(invited(status="rejected"))
    for _ in range(2):
        seats.read(invited(wx="", expires_in=None))
    assert seats.read(invited()) == []
    assert [(episode.invite_wx, episode.expires_at) for episode in seats.episodes.values()] == [
        ("bo_example", NOW + 3 * DAY)
    ] * 2


def test_rejected_person_who_is_invited_again_after_another_has_events_of_their_own(seats):
    seats.read(invited(status="rejected"))
    seats.read(invited(wx="dana_example"))
    seats.read(invited())
    assert notified(seats.read(invited(status="rejected"))) == [AlertKind.REJECTED]
    assert seats.states == [EpisodeState.REPLACED, EpisodeState.REPLACED, EpisodeState.REJECTED]
    assert [episode.repetition for episode in seats.episodes.values()] == [0, 0, 1]


def test_newest_of_equal_invitations_continues_when_it_is_listed_again(seats):
    for status in ("rejected", "waiting", "waiting", "rejected"):
        seats.read(invited(status=status))
    seats.read(invited(wx="dana_example"))
    assert seats.read(invited(status="rejected"))[-1].after.repetition == 1
    assert seats.states == [EpisodeState.REPLACED, EpisodeState.REJECTED, EpisodeState.REPLACED]


@pytest.mark.parametrize(("moved", "episodes"), [(120 * SECOND, 1), (-120 * SECOND, 1), (121 * SECOND, 2)])
def test_deadline_that_moves_a_little_is_the_same_invitation(seats, moved, episodes):
    seats.read(invited())
    seats.read(invited(expires_in=3 * DAY + moved))
    assert len(seats.episodes) == episodes
    assert list(seats.episodes.values())[-1].expires_at == NOW + 3 * DAY + moved


def test_earlier_invitation_that_is_listed_again_is_recognised(seats):
    seats.read(invited(status="rejected"))
    seats.read(invited(wx="dana_example"))
    assert notified(seats.read(invited(status="rejected"))) == []
    first, second = seats.episodes.values()
    assert (first.state, first.is_latest) == (EpisodeState.REJECTED, True)
    assert (second.state, second.is_latest) == (EpisodeState.REPLACED, False)


def test_closed_episode_steps_back_for_a_new_invitation_without_a_change_of_state(seats):
    seats.read(invited())
    seats.read(bound())
    seats.read(invited(wx="dana_example"))
    first, second = seats.episodes.values()
    assert (first.state, first.is_latest, second.is_latest) == (EpisodeState.BOUND, False, True)


def test_unmatched_invitations_are_the_rows_that_an_earlier_episode_may_own(seats):
    seats.read(invited(), invited("dee", wx="dee_example"))
    rows = [
        invited(),
        invited("dee", wx="other"),
        invited("eve", wx="eve_example"),
        account("anna"),
        bound("fan"),
        account("gil", invitation=NO_INVITATION),
    ]
    assert unmatched_invitations(seats.episodes.values(), rows, POLICY) == [
        ("dee@harbour_tea", "other"),
        ("eve@harbour_tea", "eve_example"),
    ]


def test_two_episodes_of_one_deadline_have_different_ids(seats):
    seats.read(invited(expires_in=DAY))
    for step in (90, 180):
        seats.read(invited(expires_in=DAY + step * SECOND))
    seats.read(invited(expires_in=DAY))
    assert len(seats.episodes) == 2


def test_renamed_account_is_a_change_so_that_messages_follow(seats):
    seats.read(invited())
    (change,) = seats.read(invited(kf_nick="小波"))
    assert change.after.kf_nick == "小波"
    assert seats.read(invited(kf_nick="小波")) == []


def test_half_filled_invitation_matches_by_its_filled_fields(seats):
    seats.read(invited())
    seats.read(account(invitation=Invitation("bo_example", "rejected", None)))
    assert seats.states == [EpisodeState.REJECTED]
    seats.read(account(invitation=Invitation("", "rejected", NOW + 9 * DAY)))
    assert seats.states == [EpisodeState.REPLACED, EpisodeState.REJECTED]
