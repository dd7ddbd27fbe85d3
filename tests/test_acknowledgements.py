"""User actions on an invitation, and its timers while it is acknowledged or snoozed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.alerting.acknowledgements import Snooze, acknowledge, snooze, snooze_choices, unacknowledge, unsnooze
from bot.alerting.deadlines import advance, apply_timers, next_timer
from bot.alerting.episode import AlertEvent, AlertKind, AlertPolicy, Disposition, Episode, EpisodeState, UserAction
from bot.alerting.lifecycle import observe
from tests.accounts import account, invited
from tests.conftest import NOW
from tests.episodes import episode, leads

POLICY = AlertPolicy()
SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MEI = UserAction("U0MEI", "Mei", NOW)
ZERO = timedelta(0)


def waiting(left: timedelta, *told: float, **fields: object) -> Episode:
    return episode(EpisodeState.WAITING, expires_at=NOW + left, events=leads(*told), **fields)


def until(span: timedelta) -> UserAction:
    return replace(MEI, until=NOW + span)


def spoken(one: Episode, now: datetime) -> list[timedelta]:
    return [event.lead for event in apply_timers(one, now, POLICY)[1] if event.disposition is Disposition.NOTIFIED]


@pytest.mark.parametrize("choice", Snooze)
def test_snooze_never_ends_after_the_calendar(choice):
    last = datetime.max.replace(tzinfo=UTC)
    assert choice.until(last, SHANGHAI) == last
    episode = replace(waiting(HOUR, 24), expires_at=last)
    assert snooze_choices(episode, POLICY, SHANGHAI)[:1] == [Snooze.HOUR]


# Acknowledging


@pytest.mark.parametrize("state", [EpisodeState.WAITING, EpisodeState.REJECTED, EpisodeState.EXPIRED])
def test_open_episode_can_be_acknowledged_once(state):
    acked = acknowledge(episode(state), MEI)
    assert acked.acked == MEI
    assert acknowledge(acked, UserAction("U0TOM", "Tom", NOW)) is None


@pytest.mark.parametrize("state", [state for state in EpisodeState if state.closed])
def test_closed_episode_cannot_be_acknowledged(state):
    assert acknowledge(episode(state), MEI) is None
    assert snooze(episode(state), until(HOUR), POLICY) is None
    assert unacknowledge(episode(state, acked=MEI)) is None
    assert unsnooze(episode(state, snoozed=until(HOUR))) is None


def test_acknowledged_invitation_passes_its_leads_silently_and_still_expires():
    acked = acknowledge(waiting(7 * HOUR, 24), MEI)
    assert advance([acked], NOW + 6.5 * HOUR, POLICY) == []
    (change,) = advance([acked], NOW + 7 * HOUR, POLICY)
    assert [event.kind for event in change.new_events] == [AlertKind.EXPIRED]
    assert change.after.acked == MEI


def test_undo_emits_the_tightest_lead_that_passed_meanwhile():
    acked = acknowledge(waiting(7 * HOUR, 24), MEI)
    freed = unacknowledge(acked)
    assert spoken(freed, NOW + 6.5 * HOUR) == [HOUR]


def test_timer_of_an_acknowledged_invitation_is_its_deadline():
    acked = acknowledge(waiting(7 * HOUR, 24), MEI)
    assert next_timer(acked, POLICY) == NOW + 7 * HOUR


# Snoozing


def test_snooze_postpones_the_looser_leads_to_its_end():
    snoozed = snooze(waiting(7 * HOUR, 24), until(4 * HOUR), POLICY)
    assert next_timer(snoozed, POLICY) == NOW + 4 * HOUR
    assert apply_timers(snoozed, NOW + 3 * HOUR, POLICY) == (snoozed, ())
    awake, new_events = apply_timers(snoozed, NOW + 4 * HOUR, POLICY)
    assert awake.snoozed is None
    assert [event.lead for event in new_events] == [6 * HOUR]


def test_snooze_that_ends_without_a_new_event_still_reminds():
    snoozed = snooze(waiting(20 * HOUR, 24), until(HOUR), POLICY)
    (change,) = advance([snoozed], NOW + HOUR, POLICY)
    assert (change.new_events, change.after.snoozed) == ((), None)


def test_snooze_ends_when_the_person_accepts_and_the_same_invitation_that_waits_again_reminds():
    snoozed = snooze(waiting(24 * HOUR + 30 * MINUTE), until(4 * HOUR), POLICY)
    bound = account("bo", kf_wx="bo_example")
    (accepted,) = observe([snoozed], [bound], NOW + MINUTE, POLICY, appid="wx")
    assert (accepted.after.state, accepted.after.snoozed) == (EpisodeState.BOUND, None)
    again = invited("bo", wx="bo_example", expires_in=24 * HOUR, at=NOW + 30 * MINUTE)
    (change,) = observe([accepted.after], [again], NOW + 31 * MINUTE, POLICY, appid="wx")
    assert [(event.lead, event.disposition) for event in change.new_events] == [(24 * HOUR, Disposition.NOTIFIED)]


@pytest.mark.parametrize(
    ("left", "asked", "ends"),
    [
        (20 * HOUR, 4 * HOUR, 4 * HOUR),
        (3 * HOUR, 4 * HOUR, 2 * HOUR),
        (5 * HOUR, 4 * HOUR, 4 * HOUR),
        (5 * HOUR - MINUTE, 4 * HOUR, 4 * HOUR - MINUTE),
    ],
)
def test_snooze_ends_no_later_than_the_smallest_lead(left, asked, ends):
    snoozed = snooze(waiting(left, 24, 6), until(asked), POLICY)
    assert snoozed.snoozed.until == NOW + ends


@pytest.mark.parametrize("left", [HOUR, HOUR - MINUTE, ZERO])
def test_snooze_is_not_possible_within_the_smallest_lead(left):
    assert snooze(waiting(left, 24, 6, 1), until(HOUR), POLICY) is None


def test_acknowledged_or_endless_invitation_is_not_snoozed():
    assert snooze(acknowledge(waiting(20 * HOUR, 24), MEI), until(HOUR), POLICY) is None
    assert snooze(episode(EpisodeState.WAITING, expires_at=None), until(HOUR), POLICY) is None
    assert snooze(waiting(20 * HOUR, 24), MEI, POLICY) is None


@pytest.mark.parametrize("later", [ZERO, timedelta(seconds=1), 10 * MINUTE])
def test_second_snooze_has_no_effect(later):
    snoozed = snooze(waiting(20 * HOUR, 24), until(HOUR), POLICY)
    again = UserAction("U0TOM", "Tom", NOW + later, NOW + later + 4 * HOUR)
    assert snooze(snoozed, again, POLICY) is None


def test_smallest_lead_ends_a_snooze_that_a_moved_deadline_made_too_long():
    snoozed = replace(waiting(7 * HOUR, 24), snoozed=until(6 * HOUR + MINUTE))
    awake, new_events = apply_timers(snoozed, NOW + 6 * HOUR, POLICY)
    assert awake.snoozed is None
    assert [event.lead for event in new_events if event.disposition is Disposition.NOTIFIED] == [HOUR]


def test_acknowledging_ends_a_snooze():
    snoozed = snooze(waiting(20 * HOUR, 24), until(HOUR), POLICY)
    assert acknowledge(snoozed, MEI).snoozed is None


def test_expiring_ends_a_snooze():
    snoozed = replace(waiting(HOUR, 24), snoozed=until(2 * HOUR))
    (change,) = advance([snoozed], NOW + HOUR, POLICY)
    assert (change.after.state, change.after.snoozed) == (EpisodeState.EXPIRED, None)


# Undoing


def test_each_undo_takes_back_its_own_thing():
    snoozed = snooze(waiting(20 * HOUR, 24), until(HOUR), POLICY)
    assert unacknowledge(snoozed) is None
    assert unsnooze(snoozed).snoozed is None
    acked = acknowledge(snoozed, MEI)
    assert unsnooze(acked) is None
    assert unacknowledge(acked).acked is None


def test_undo_of_a_batch_keeps_acknowledgements_of_single_episodes():
    alone = acknowledge(waiting(20 * HOUR, 24), MEI)
    together = acknowledge(waiting(20 * HOUR, 24), replace(MEI, batch="digest-1"))
    assert unacknowledge(alone, batch="digest-1") is None
    assert unacknowledge(together, batch="digest-2") is None
    assert unacknowledge(together, batch="digest-1").acked is None
    assert unacknowledge(together).acked is None


# Offered actions


@pytest.mark.parametrize(
    ("expires_at", "told", "offered"),
    [
        # The 24 h lead passed at 18:00 in Shanghai: all three end before the last hour.
        (datetime.fromisoformat("2026-11-24T18:00:00+08:00"), 24, ["1h", "4h", "morning"]),
        # It passed at 9:30: tomorrow 9:00 is within the last hour.
        (datetime.fromisoformat("2026-11-24T09:30:00+08:00"), 24, ["1h", "4h"]),
        (datetime.fromisoformat("2026-11-24T10:00:00+08:00"), 24, ["1h", "4h"]),
        (datetime.fromisoformat("2026-11-24T10:01:00+08:00"), 24, ["1h", "4h", "morning"]),
        # 6 h before 3:00 is in the evening, and the next morning is too late.
        (datetime.fromisoformat("2026-11-24T03:00:00+08:00"), 6, ["1h", "4h"]),
        (datetime.fromisoformat("2026-11-24T03:00:00+08:00"), 1, []),
    ],
)
def test_snooze_choices_end_before_the_smallest_lead(expires_at, told, offered):
    one = episode(EpisodeState.WAITING, expires_at=expires_at, events=leads(told))
    assert [choice.value for choice in snooze_choices(one, POLICY, SHANGHAI)] == offered


def test_snooze_is_not_offered_for_acknowledged_closed_or_unreported_episodes():
    assert snooze_choices(acknowledge(waiting(20 * HOUR, 24), MEI), POLICY, SHANGHAI) == []
    assert (
        snooze_choices(episode(EpisodeState.EXPIRED, events=(AlertEvent(AlertKind.EXPIRED),)), POLICY, SHANGHAI)
        == []
    )
    assert snooze_choices(waiting(20 * HOUR), POLICY, SHANGHAI) == []


@pytest.mark.parametrize(
    ("at", "zone", "expected"),
    [
        ("2026-11-23T09:12:00+08:00", "Asia/Shanghai", "2026-11-24T09:00:00+08:00"),
        ("2026-11-23T00:30:00+08:00", "Asia/Shanghai", "2026-11-24T09:00:00+08:00"),
        (
            "2026-10-24T12:00:00+02:00",
            "Europe/Berlin",
            "2026-10-25T09:00:00+01:00",
        ),  # clocks are put back that night
        ("2026-03-28T12:00:00+01:00", "Europe/Berlin", "2026-03-29T09:00:00+02:00"),
    ],
)
def test_tomorrow_morning_is_nine_on_the_clocks_of_the_zone(at, zone, expected):
    moment = datetime.fromisoformat(at)
    assert Snooze.MORNING.until(moment, ZoneInfo(zone)) == datetime.fromisoformat(expected)
    assert Snooze.HOUR.until(moment, ZoneInfo(zone)) == moment + HOUR
