"""The messages planned for the events of one tick."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.alerting.episode import (
    AccountStatus,
    AlertEvent,
    AlertKind,
    AlertPolicy,
    Change,
    Disposition,
    Episode,
    EpisodeState,
)
from bot.outbox.messages import LAST, InitialSnapshot, MessageKind, Parent, is_relevant
from bot.outbox.planner import plan
from tests.conftest import NOW
from tests.for_each import for_each

POLICY = AlertPolicy()
HOUR = timedelta(hours=1)
REJECTED, EXPIRED = AlertEvent(AlertKind.REJECTED), AlertEvent(AlertKind.EXPIRED)
LOOSER, SMALLEST = AlertEvent(AlertKind.EXPIRING, 6 * HOUR), AlertEvent(AlertKind.EXPIRING, HOUR)
FIRST = InitialSnapshot(total=40, counts={AccountStatus.BOUND: 29})


def episode(name: str, state: EpisodeState, **fields: Any) -> Episode:
    made = Episode(name, f"{name}@harbour_tea", f"{name}_example", NOW + HOUR, state, NOW, NOW, kf_nick=name)
    return replace(made, **fields)


def change(
    name: str,
    *news: AlertEvent,
    state: EpisodeState = EpisodeState.REJECTED,
    before: EpisodeState | None = EpisodeState.WAITING,
) -> Change:
    return Change(episode(name, before) if before else None, episode(name, state), news)


def shapes(
    *changes: Change, roots: dict[str, Parent] | None = None, first: InitialSnapshot | None = None
) -> list[tuple]:
    drafts = plan(changes, roots or {}, POLICY, NOW, first=first)
    return [(message.kind, message.parent_id, message.broadcast) for message in drafts]


def test_event_without_a_parent_message_gets_one():
    assert shapes(change("bo", REJECTED)) == [(MessageKind.ALERT, None, False)]


@pytest.mark.parametrize(
    ("event", "broadcast"), [(REJECTED, True), (EXPIRED, True), (SMALLEST, True), (LOOSER, False)]
)
def test_event_of_a_reported_episode_goes_to_its_thread_and_mentions_only_if_urgent(event, broadcast):
    assert shapes(change("bo", event), roots={"bo": Parent("r", MessageKind.ALERT)}) == [
        (MessageKind.REPLY, "r", broadcast)
    ]


@pytest.mark.parametrize("shape", [MessageKind.DIGEST, MessageKind.FIRST_RUN])
def test_smallest_lead_of_an_account_in_a_summary_gets_a_parent_message(shape):
    assert shapes(change("bo", SMALLEST), roots={"bo": Parent("r", shape)}) == [(MessageKind.ALERT, None, False)]
    assert shapes(change("bo", REJECTED), roots={"bo": Parent("r", shape)}) == [(MessageKind.REPLY, "r", True)]


def test_deleted_parent_message_is_replaced_only_for_an_urgent_event():
    gone = {"bo": Parent("r", MessageKind.ALERT, is_deleted=True)}
    assert shapes(change("bo", LOOSER), roots=gone) == []
    assert shapes(change("bo", SMALLEST), roots=gone) == [(MessageKind.ALERT, None, False)]
    assert shapes(change("bo", state=EpisodeState.BOUND), roots=gone) == []


def test_change_without_an_event_is_a_plain_reply_to_its_own_parent_message():
    bound = change("bo", state=EpisodeState.BOUND)
    assert shapes(bound, roots={"bo": Parent("r", MessageKind.ALERT)}) == [(MessageKind.REPLY, "r", False)]
    assert shapes(bound, roots={"bo": Parent("r", MessageKind.DIGEST)}) == []
    assert shapes(bound) == []


def test_change_of_facts_alone_is_no_reply():
    assert shapes(change("bo", before=EpisodeState.REJECTED), roots={"bo": Parent("r", MessageKind.ALERT)}) == []


def test_superseded_events_are_not_posted():
    assert shapes(change("bo", AlertEvent(AlertKind.EXPIRING, 24 * HOUR, Disposition.SUPERSEDED))) == []


def test_more_than_five_events_become_a_digest_and_history_goes_on():
    changes = [change(f"kf{number}", REJECTED) for number in range(6)]
    bound = change("bo", state=EpisodeState.BOUND)
    assert shapes(*changes, bound, roots={"bo": Parent("r", MessageKind.ALERT)}) == [
        (MessageKind.DIGEST, None, False),
        (MessageKind.MEMBER_LIST, plan(changes, {}, POLICY, NOW)[0].id, False),
        (MessageKind.REPLY, "r", False),
    ]


@pytest.mark.parametrize(("events", "threads"), [(6, 1), (25, 1), (26, 2), (100, 4), (125, 5), (126, 5), (900, 5)])
def test_digest_has_at_most_five_thread_messages_and_every_name(events, threads):
    digest, *names = plan([change(f"kf{number}", REJECTED) for number in range(events)], {}, POLICY, NOW)
    assert len(names) == threads
    assert [member for message in names for member in message.episode_ids] == list(digest.episode_ids)
    assert len(set(digest.episode_ids)) == len(digest.events) == events


def test_every_event_is_in_exactly_one_message():
    changes = [change("bo", REJECTED), change("dee", SMALLEST), change("lin", LOOSER)]
    drafts = plan(changes, {"lin": Parent("r", MessageKind.ALERT)}, POLICY, NOW)
    assert sorted(told[0] for message in drafts for told in message.events) == ["bo", "dee", "lin"]
    assert len({message.id for message in drafts}) == 3


def test_expiring_invitations_go_first_and_history_last():
    changes = [
        change("a", LOOSER),
        change("b", EXPIRED),
        change("c", REJECTED),
        change("d", SMALLEST),
        change("e", state=EpisodeState.BOUND),
    ]
    drafts = plan(changes, {"e": Parent("r", MessageKind.ALERT)}, POLICY, NOW)
    assert [message.episode_ids for message in drafts] == [("d",), ("c",), ("b",), ("a",), ("e",)]
    assert [message.priority for message in drafts] == [1, 2, 3, 4, LAST]


def test_first_run_sums_up_its_backlog():
    backlog = change("chen", AlertEvent(AlertKind.REJECTED, disposition=Disposition.BACKLOG), before=None)
    expiring = change(
        "lin",
        AlertEvent(AlertKind.EXPIRING, 24 * HOUR, Disposition.SUPERSEDED),
        state=EpisodeState.WAITING,
        before=None,
    )
    (summary,) = plan([backlog, expiring, change("eve", before=None)], {}, POLICY, NOW, first=FIRST)
    assert summary.kind is MessageKind.FIRST_RUN
    assert summary.episode_ids == ("chen", "lin")
    assert summary.payload == {"total": 40, "counts": {"bound": 29}, "noticed": NOW.timestamp()}


def test_first_run_without_a_problem_posts_nothing():
    expiring = change(
        "lin",
        AlertEvent(AlertKind.EXPIRING, 24 * HOUR, Disposition.SUPERSEDED),
        state=EpisodeState.WAITING,
        before=None,
    )
    assert shapes(expiring, first=FIRST) == []


@for_each(
    ("shape", "facts", "states", "expected"),
    [
        (MessageKind.ALERT, {}, [EpisodeState.REJECTED], True),
        (MessageKind.ALERT, {}, [EpisodeState.BOUND], False),
        (MessageKind.DIGEST, {}, [EpisodeState.BOUND, EpisodeState.EXPIRED], True),
        (MessageKind.DIGEST, {}, [EpisodeState.BOUND, EpisodeState.REMOVED], False),
        (MessageKind.REPLY, {"kind": "expiring", "lead": 3600}, [EpisodeState.WAITING], True),
        (MessageKind.REPLY, {"kind": "expiring", "lead": 3600}, [EpisodeState.EXPIRED], False),
        (MessageKind.REPLY, {"kind": "rejected"}, [EpisodeState.REJECTED], True),
        (MessageKind.REPLY, {"kind": "expired"}, [EpisodeState.REJECTED], True),
        (MessageKind.REPLY, {"kind": "expired"}, [EpisodeState.WAITING], False),
        (MessageKind.REPLY, {"kind": "expired"}, [EpisodeState.BOUND], False),
        (MessageKind.REPLY, {"state": "bound"}, [EpisodeState.BOUND], True),
        (MessageKind.MEMBER_LIST, {}, [EpisodeState.BOUND], True),
    ],
)
def test_pending_message_is_sent_only_while_part_of_it_is_relevant(shape, facts, states, expected):
    assert is_relevant(shape, facts, [episode("bo", state) for state in states]) is expected
