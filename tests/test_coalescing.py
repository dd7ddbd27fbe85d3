"""The decision about a claimed message, and the merging of pending ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerting.episode import Episode, EpisodeState
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.alerting.quiet_hours import QuietHours
from bot.outbox.coalescing import (
    LINK,
    PAUSE,
    WAITS,
    Drop,
    Postpone,
    PromoteToChannel,
    Reason,
    Rivals,
    Send,
    Withhold,
    YieldTo,
    brought_forward,
    decide,
    episodes_left_to_list,
    extended,
    link_to,
    merged,
    taken_over,
)
from bot.outbox.messages import (
    DEMOTED,
    LAST,
    LATE,
    ROWS,
    SEVERAL,
    MessageKind,
    MessageStatus,
    NewMessage,
    OutboxRow,
)
from tests.conftest import NOW
from tests.episodes import episode, user_action

HERE = "C0ALERTS"
LEASE = timedelta(seconds=45)
NIGHT = QuietHours((NOW - timedelta(hours=1)).time(), (NOW + timedelta(hours=8)).time(), ZoneInfo("UTC"))
LOUD_NIGHT = replace(NIGHT, breakthrough=True)
BEGINNING = replace(NIGHT, begins=(NOW - LATE).time())
MORNING = NOW + timedelta(hours=8)
OPEN, BOUND = episode(EpisodeState.REJECTED), episode(EpisodeState.BOUND)
TROUBLE = Incident("i-1", Cause.SOURCE_DOWN, NOW, ErrorDetails("TransportError"))


def row(shape: MessageKind = MessageKind.ALERT, **fields: Any) -> OutboxRow:
    values: dict[str, Any] = {
        "id": "m-1",
        "appid": "wx",
        "priority": 2,
        "episode_ids": ("bo",),
        "event_keys": (),
        "payload": {},
        "parent_id": None,
        "broadcast": False,
        "breakthrough": False,
        "status": MessageStatus.SENDING,
        "attempt": 1,
        "post_attempts": 1,
        "started_at": NOW,
        "failed_lookups": 0,
        "posting_lease_until": NOW + LEASE,
        "target": HERE,
        "channel_id": None,
        "ts": None,
        "text_only": False,
        "applied_hash": None,
        "is_deleted": False,
        "error": None,
    }
    return OutboxRow(kind=shape, **values | fields)


def pending(shape: MessageKind = MessageKind.DIGEST, **fields: Any) -> OutboxRow:
    """Return another message that is not due yet."""
    return row(shape, **{"id": "g-1", "status": MessageStatus.PENDING, "post_attempts": 0, **fields})


def sent(shape: MessageKind = MessageKind.ALERT, **fields: Any) -> OutboxRow:
    return row(shape, **{"id": "r-1", "status": MessageStatus.SENT, "channel_id": HERE, "ts": "1.0", **fields})


def reply(shape: MessageKind = MessageKind.REPLY, **fields: Any) -> OutboxRow:
    return row(shape, **{"parent_id": "r-1", "payload": {"state": "bound"}, **fields})


def linked(one: OutboxRow, posts: int = 0) -> OutboxRow:
    return replace(one, payload=link_to(one, "g-1", posts))


def decided(
    one: OutboxRow,
    *members: Episode,
    incident: Incident | None = None,
    parent: OutboxRow | None = None,
    group: OutboxRow | None = None,
    groups: tuple[OutboxRow, ...] = (),
    quiet: QuietHours | None = None,
) -> Send | Withhold:
    rivals = Rivals(group, groups)
    return decide(one, members or (OPEN,), incident, parent, rivals, now=NOW, quiet=quiet, channel_id=HERE)


def postponed(one: OutboxRow, reason: Reason) -> Postpone:
    if reason is Reason.QUIET_HOURS:
        return Postpone(MORNING, reason, {"breakthrough": False})
    return Postpone(NOW + PAUSE, reason, {"payload": {**one.payload, WAITS: one.payload.get(WAITS, 0) + 1}})


@pytest.mark.parametrize(
    ("one", "around"),
    [
        (row(), {}),
        (row(MessageKind.DIGEST), {}),
        (row(MessageKind.QUIET_SUMMARY), {"quiet": NIGHT}),
        (row(MessageKind.INCIDENT), {"incident": TROUBLE}),
        (row(MessageKind.INCIDENT), {"incident": TROUBLE, "quiet": NIGHT}),
        (reply(), {"parent": sent()}),
        (reply(broadcast=True), {"parent": sent()}),
        (
            reply(MessageKind.MEMBER_LIST),
            {"parent": sent(MessageKind.DIGEST, episode_ids=tuple(map(str, range(ROWS + 1))))},
        ),
    ],
    ids=["alert", "digest", "summary", "incident", "incident at night", "reply", "broadcast", "member list"],
)
def test_message_with_nothing_against_it_is_sent(one, around):
    assert decided(one, **around) == Send()


def test_alert_of_a_closed_episode_is_dropped():
    assert decided(row(), BOUND) == Drop(Reason.OBSOLETE)


@pytest.mark.parametrize("incident", [None, replace(TROUBLE, resolved_at=NOW)])
def test_notice_of_an_incident_that_is_over_is_dropped(incident):
    assert decided(row(MessageKind.INCIDENT), incident=incident) == Drop(Reason.OBSOLETE)


def test_member_list_of_a_digest_that_shows_all_members_is_dropped():
    short = sent(MessageKind.DIGEST, episode_ids=tuple(map(str, range(ROWS))))
    assert decided(reply(MessageKind.MEMBER_LIST), parent=short) == Drop(Reason.OBSOLETE)


@pytest.mark.parametrize("shape", [MessageKind.REPLY, MessageKind.INCIDENT_REPLY])
def test_reply_whose_parent_was_posted_after_it_was_stored_is_dropped(shape):
    one = reply(shape, payload={"root_posts": 1})
    assert decided(one, parent=sent(post_attempts=2)) == Drop(Reason.SHOWN_BY_PARENT)
    assert decided(one, parent=sent(post_attempts=1)) == Send()
    assert decided(reply(shape), parent=sent(post_attempts=2)) == Send()  # stored by a release that did not count


@pytest.mark.parametrize(
    "parent",
    [sent(status=MessageStatus.DEAD), sent(is_deleted=True)],
    ids=["dead", "gone"],
)
def test_reply_without_its_parent_goes_to_the_channel_if_it_mentions_people_and_is_dropped_if_not(parent):
    assert decided(reply(broadcast=True), parent=parent) == PromoteToChannel()
    assert decided(reply(), parent=parent) == Drop(Reason.PARENT_LOST)


def test_reply_stays_in_a_former_channel_unless_it_mentions_people():
    former = sent(channel_id="C0OLD")
    assert decided(reply(), parent=former) == Send()
    assert decided(reply(broadcast=True), parent=former) == PromoteToChannel()


def test_alert_is_left_to_a_pending_group_message():
    assert decided(linked(row()), group=pending()) == YieldTo(pending())


def test_alert_is_left_to_a_group_message_that_was_posted_after_it_was_stored():
    for status in (MessageStatus.SENT, MessageStatus.SENDING):
        assert decided(linked(row(), posts=1), group=pending(status=status, post_attempts=2)) == YieldTo(
            pending(status=status, post_attempts=2)
        )
        assert decided(linked(row(), posts=1), group=pending(status=status, post_attempts=1)) == Send()


def test_alert_is_not_left_to_a_group_message_that_was_given_up():
    assert decided(linked(row()), group=pending(status=MessageStatus.DEAD, post_attempts=2)) == Send()


@pytest.mark.parametrize("refused", [{"text_only": True}, {"priority": 2 + DEMOTED}])
def test_alert_is_not_left_to_a_group_message_that_slack_refused(refused):
    assert decided(linked(row()), group=pending(**refused)) == Send()


def test_alert_allowed_in_quiet_hours_is_not_left_to_a_group_message_held_until_they_end():
    urgent = linked(row(priority=1, breakthrough=True))
    assert decided(urgent, group=pending(), quiet=LOUD_NIGHT) == Send()
    loud = pending(breakthrough=True)
    assert decided(urgent, group=loud, quiet=LOUD_NIGHT) == YieldTo(loud)
    assert decided(urgent, group=pending()) == YieldTo(pending())  # by day


@pytest.mark.parametrize(
    "one",
    [row(), row(MessageKind.DIGEST), row(MessageKind.QUIET_SUMMARY), reply(broadcast=True)],
    ids=["alert", "digest", "summary", "broadcast"],
)
def test_message_that_mentions_people_waits_for_the_outcome_of_a_group_message_being_posted(one):
    being_posted = pending(status=MessageStatus.SENDING, post_attempts=1)
    assert decided(one, groups=(being_posted,)) == postponed(one, Reason.MAYBE_COVERED)


@pytest.mark.parametrize("one", [reply(), reply(MessageKind.MEMBER_LIST), row(MessageKind.FIRST_RUN)])
def test_message_without_a_new_mention_does_not_wait_for_a_group_message(one):
    assert decided(one, groups=(pending(status=MessageStatus.SENDING, post_attempts=1),)) == Send()


def test_message_does_not_wait_for_itself_or_for_its_parent():
    one, parent = row(MessageKind.DIGEST), row(MessageKind.DIGEST, id="r-1")
    assert decided(one, groups=(one,)) == Send()
    assert decided(reply(broadcast=True), groups=(parent,)) == Send()


def test_digest_waits_for_a_pending_summary_of_quiet_hours_which_merges_it():
    summary, digest = pending(MessageKind.QUIET_SUMMARY), row(MessageKind.DIGEST)
    assert decided(digest, groups=(summary,)) == postponed(digest, Reason.MAYBE_COVERED)
    assert decided(row(), groups=(summary,)) == Send()
    assert decided(digest, groups=(pending(MessageKind.DIGEST),)) == Send()
    assert decided(digest, groups=(replace(summary, text_only=True),)) == Send()
    assert decided(replace(digest, text_only=True), groups=(summary,)) == Send()


@pytest.mark.parametrize(("lookable_after", "longest"), [(None, 60), (10, 60), (45, 135)])
def test_message_waits_for_a_minute_or_three_leases_whichever_is_longer(lookable_after, longest):
    lookable_from = NOW + timedelta(seconds=lookable_after) if lookable_after else None
    being_posted = pending(status=MessageStatus.SENDING, posting_lease_until=lookable_from)
    one, waits = row(), 0
    while isinstance(decision := decided(one, groups=(being_posted,)), Postpone):
        one, waits = replace(one, **decision.changes), waits + 1
    assert decision == Send()
    assert waits * PAUSE == timedelta(seconds=longest)


@pytest.mark.parametrize("shape", [MessageKind.ALERT, MessageKind.DIGEST, MessageKind.REPLY])
def test_reminder_meant_for_the_beginning_of_quiet_hours_waits_for_their_end_when_it_is_late(shape):
    one = row(shape, breakthrough=True)
    assert decided(one, quiet=NIGHT) == postponed(one, Reason.QUIET_HOURS)
    assert decided(one, quiet=BEGINNING) == Send()


def test_digest_of_several_accounts_does_not_wait_for_the_end_of_the_quiet_hours_of_one():
    one = row(MessageKind.DIGEST, breakthrough=True, payload={SEVERAL: True})
    assert decided(one, quiet=NIGHT) == Send()


@pytest.mark.parametrize(
    ("one", "quiet"),
    [
        (reply(payload={"deed": "acknowledged"}), NIGHT),
        (reply(payload={"operation": {"kind": "invite"}}), NIGHT),
        (row(priority=1), LOUD_NIGHT),
        (row(priority=1 + DEMOTED), LOUD_NIGHT),
    ],
)
def test_action_of_a_person_and_the_last_reminder_before_a_deadline_are_never_late(one, quiet):
    assert decided(one, quiet=quiet) == Send()


def test_first_reason_against_a_message_counts():
    one = linked(reply(broadcast=True, payload={"kind": "rejected", "lead": 0, "root_posts": 0}))
    lost, being_posted = sent(is_deleted=True), pending(status=MessageStatus.SENDING, post_attempts=1)
    assert decided(one, BOUND, parent=lost, group=pending(), groups=(being_posted,)) == Drop(Reason.OBSOLETE)
    assert decided(one, parent=lost, group=pending(), groups=(being_posted,)) == Drop(Reason.SHOWN_BY_PARENT)
    lost = replace(lost, post_attempts=0)
    assert decided(one, parent=lost, group=pending(), groups=(being_posted,)) == YieldTo(pending())
    waits = decided(one, parent=lost, groups=(being_posted,), quiet=NIGHT)
    assert waits == postponed(one, Reason.MAYBE_COVERED)
    assert decided(one, parent=lost, quiet=NIGHT) == postponed(one, Reason.QUIET_HOURS)
    assert decided(one, parent=lost) == PromoteToChannel()


def test_stored_reasons_and_keys_of_facts_stay():
    assert {reason.value for reason in (Reason.MAYBE_COVERED, Reason.QUIET_HOURS)} == {
        "another may have told it",
        "quiet hours",
    }
    assert (LINK, WAITS) == ("gathered", "waits")
    assert link_to(row(payload={"waits": 2}), "g-1", 3) == {
        "waits": 2,
        "gathered": {"root": "g-1", "posts": 3},
    }


facts = st.fixed_dictionaries(
    {"held": st.just({"bo": ["expiring"]}), "lead": st.sampled_from([0, 3600])},
    optional={
        LINK: st.fixed_dictionaries({"root": st.just("g-1"), "posts": st.integers(0, 2)}),
        WAITS: st.integers(0, 30),
        "root_posts": st.integers(0, 2),
        "kind": st.sampled_from(["expiring", "rejected"]),
        "deed": st.just("snoozed"),
    },
)
rows = st.builds(
    row,
    st.sampled_from(MessageKind),
    id=st.sampled_from(["m-1", "g-1", "r-1"]),
    priority=st.sampled_from([1, 2, 4, LAST, 2 + DEMOTED]),
    episode_ids=st.lists(st.sampled_from(["bo", "dee", "lin"]), min_size=1, unique=True).map(tuple),
    event_keys=st.lists(st.sampled_from("abc"), unique=True).map(tuple),
    payload=facts,
    parent_id=st.none() | st.just("r-1"),
    broadcast=st.booleans(),
    breakthrough=st.booleans(),
    status=st.sampled_from(MessageStatus),
    post_attempts=st.integers(0, 2),
    started_at=st.none() | st.just(NOW),
    posting_lease_until=st.none() | st.just(NOW + LEASE),
    channel_id=st.sampled_from([None, HERE, "C0OLD"]),
    text_only=st.booleans(),
    is_deleted=st.booleans(),
)
by_hand = st.none() | st.just(user_action())
members = st.lists(
    st.builds(
        episode,
        st.sampled_from(EpisodeState),
        acked=st.none() | st.just(user_action()),
        snoozed=st.none() | st.just(user_action()),
    ),
    min_size=1,
    max_size=3,
)


@given(
    one=rows.filter(lambda one: LINK in one.payload),
    about=members,
    incident=st.sampled_from([None, TROUBLE, replace(TROUBLE, resolved_at=NOW)]),
    parent=st.none() | rows,
    group=st.none() | rows,
    groups=st.lists(rows, max_size=2).map(tuple),
    quiet=st.sampled_from([None, NIGHT, LOUD_NIGHT, BEGINNING]),
)
def test_every_message_gets_one_decision_and_the_same_one_again(one, about, incident, parent, group, groups, quiet):
    around = {"incident": incident, "parent": parent, "group": group, "groups": groups, "quiet": quiet}
    decision = decided(one, *about, **around)
    assert decision == decided(one, *about, **around)
    match decision:
        case YieldTo(other):
            assert other == group
            assert other.status is not MessageStatus.DEAD
            assert not (other.status is MessageStatus.PENDING and other.was_rejected)
        case Postpone(until, _, changes):
            assert until > NOW
            assert set(changes) <= {"payload", "breakthrough"}
        case PromoteToChannel():
            assert one.broadcast
        case _:
            assert isinstance(decision, Send | Drop)


@given(one=rows, other=rows, reported=st.lists(st.tuples(st.sampled_from(["bo", "dee"]), st.just("expired"))))
def test_merging_loses_no_member_no_event_and_no_urgency(one, other, reported):
    result = merged(one, other, reported)
    assert set(result.episode_ids) == {*one.episode_ids, *other.episode_ids}
    assert set(result.event_keys) == {*one.event_keys, *other.event_keys}
    assert result.episode_ids[: len(one.episode_ids)] == one.episode_ids
    assert result.priority == min(one.priority, other.priority)
    assert result.breakthrough == (one.breakthrough or other.breakthrough)
    assert result.payload.get(LINK) == one.payload.get(LINK)
    assert replace(result, priority=0, episode_ids=(), event_keys=(), payload={}, breakthrough=False) == replace(
        one, priority=0, episode_ids=(), event_keys=(), payload={}, breakthrough=False
    )


def test_merged_digest_keeps_its_own_facts_and_takes_the_rest():
    one = row(MessageKind.DIGEST, payload={"noticed": 1})
    other = pending(payload={"noticed": 2, "repeat": True, LINK: {"root": "x", "posts": 0}, WAITS: 3})
    assert merged(one, other, [("bo", "expired")]).payload == {"noticed": 1, "repeat": True}


def test_summary_of_quiet_hours_shows_the_events_of_a_merged_digest_before_its_own():
    summary = row(MessageKind.QUIET_SUMMARY, payload={"held": {"bo": ["expired"]}})
    one = merged(summary, pending(), [("bo", "expiring"), ("dee", "rejected")])
    assert one.payload["held"] == {"bo": ["expiring", "expired"], "dee": ["rejected"]}
    assert summary.payload == {"held": {"bo": ["expired"]}}


def test_digest_names_the_members_that_it_gets_by_merging_and_a_summary_names_none():
    names = reply(MessageKind.MEMBER_LIST, episode_ids=("bo", "dee", "lin"))
    assert episodes_left_to_list(names, row(MessageKind.DIGEST, episode_ids=("dee",))) == ["bo", "lin"]
    assert episodes_left_to_list(names, row(MessageKind.QUIET_SUMMARY, episode_ids=("dee",))) == []


def test_pending_summary_of_quiet_hours_is_extended():
    summary = pending(
        MessageKind.QUIET_SUMMARY,
        priority=4,
        event_keys=("a",),
        payload={"ends": 1, "held": {"bo": ["expiring"]}, "waits": 1},
    )
    more = NewMessage(
        "d",
        MessageKind.QUIET_SUMMARY,
        priority=2,
        episode_ids=("bo", "dee"),
        payload={"held": {"bo": ["expired"], "dee": ["rejected"]}},
    )
    assert extended(summary, more, ["b"]) == {
        "episode_ids": ["bo", "dee"],
        "event_keys": ["a", "b"],
        "payload": {"ends": 1, "held": {"bo": ["expiring", "expired"], "dee": ["rejected"]}, "waits": 1},
        "priority": 2,
        "is_final": False,
    }
    assert extended(summary, replace(more, priority=LAST), [])["priority"] == 4


def test_parent_becomes_as_urgent_as_its_reply_and_as_loud():
    parent = pending(priority=4, event_keys=("a",))
    urgent = NewMessage("d", MessageKind.REPLY, priority=1, breakthrough=True)
    assert brought_forward(parent, urgent, ["b"], NOW) == {
        "priority": 1,
        "event_keys": ["a", "b"],
        "breakthrough": True,
        "not_before": NOW,
    }
    assert brought_forward(parent, NewMessage("d", MessageKind.REPLY, priority=LAST), [], NOW) == {
        "priority": 4,
        "event_keys": ["a"],
    }


@pytest.mark.parametrize("tried", [{"post_attempts": 1}, {"error": "quiet hours"}], ids=["by Slack", "by night"])
def test_parent_that_is_held_stays_held_when_an_urgent_reply_is_added(tried):
    urgent = NewMessage("d", MessageKind.REPLY, priority=1)
    assert "not_before" not in brought_forward(pending(priority=4, **tried), urgent, [], NOW)


def test_parent_that_slack_refused_stays_behind_others_when_an_urgent_reply_comes():
    urgent = NewMessage("c", MessageKind.REPLY, priority=1)
    assert brought_forward(pending(priority=4 + DEMOTED), urgent, [], NOW)["priority"] == 1 + DEMOTED


def test_pending_group_message_becomes_as_urgent_as_the_message_that_yields_and_is_due():
    one = row(priority=1 + DEMOTED, event_keys=("a", "b"))
    group = pending(priority=3, event_keys=("a",))
    assert taken_over(group, one, NOW) == {"priority": 1, "event_keys": ["a", "b"], "not_before": NOW}
    assert taken_over(replace(group, priority=1), replace(one, priority=2), NOW)["priority"] == 1


def test_group_message_that_was_refused_stays_behind_the_others_when_a_message_yields():
    assert taken_over(pending(priority=3 + DEMOTED), row(priority=1), NOW)["priority"] == 1 + DEMOTED


def test_group_message_being_posted_takes_no_more_event_keys_and_a_sent_one_nothing():
    assert taken_over(pending(priority=3, status=MessageStatus.SENDING), row(event_keys=("a",)), NOW) == {
        "priority": 2
    }
    assert taken_over(sent(), row(event_keys=("a",)), NOW) == {}
