"""The history of an account: operations joined with invitations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerting.episode import AlertKind, EpisodeState
from bot.operations.account_history import (
    LISTED_WITHIN,
    PAGE,
    AccountHistoryPage,
    EpisodeNote,
    NoteKind,
    PastEpisode,
    account_history,
    during,
    moment,
    name_after,
    sent_by,
)
from bot.operations.operation import EndReason, Operation, OperationKind, OperationState, Outcome
from tests.conftest import NOW
from tests.episodes import episode, episodes, user_action
from tests.operations import operation, operations
from tests.samples import DAY, HOUR, MINUTE

INVITE, ADD, RENAME, DELETE = OperationKind


def past(state=EpisodeState.WAITING, reported=(), **fields):
    return PastEpisode(episode(state, "chen", **fields), dict(reported))


def words(entries):
    """Return each entry in short, oldest first: the kind of an operation, or the state of an invitation."""
    return [
        str(entry.kind) if isinstance(entry, Operation) else f"{entry.state} {entry.kind}"
        for entry in entries[::-1]
    ]


@pytest.mark.parametrize(
    ("invitation", "expected"),
    [
        (past(), ["waiting first seen"]),
        (past(EpisodeState.REJECTED), ["waiting first seen", "rejected noticed"]),
        (past(EpisodeState.REJECTED, first_seen=NOW), ["rejected first seen"]),
        (past(EpisodeState.BOUND), ["waiting first seen", "bound noticed"]),
        (
            past(EpisodeState.BOUND, {AlertKind.EXPIRED: NOW - HOUR, AlertKind.EXPIRING: NOW - DAY}),
            ["waiting first seen", "expired noticed", "bound noticed"],
        ),
        # Its problem was noticed before it was reported, in the morning.
        (
            past(EpisodeState.REJECTED, {AlertKind.REJECTED: NOW + 8 * HOUR}),
            ["waiting first seen", "rejected noticed"],
        ),
        (past(EpisodeState.REPLACED, {AlertKind.REJECTED: NOW - HOUR}), ["waiting first seen", "rejected noticed"]),
        (past(EpisodeState.REPLACED, {AlertKind.REJECTED: NOW}, first_seen=NOW), ["rejected first seen"]),
        (
            past(EpisodeState.REJECTED, acked=user_action(at=NOW + HOUR)),
            ["waiting first seen", "rejected noticed", "waiting acknowledged"],
        ),
    ],
)
def test_invitation_is_listed_with_its_states_and_its_acknowledgement(invitation, expected):
    assert words(account_history([], [invitation])) == expected


def test_problem_has_the_time_when_it_was_noticed():
    reported = {AlertKind.REJECTED: NOW + 8 * HOUR}
    (newest, _) = account_history([], [past(EpisodeState.REJECTED, reported)])
    assert moment(newest) == NOW
    (newest, _) = account_history([], [past(EpisodeState.REPLACED, reported)])
    assert moment(newest) == NOW + 8 * HOUR


def test_invitation_that_an_operation_sent_is_not_listed_as_seen():
    sent = operation(at=NOW - 2 * DAY, outcome=Outcome(expires_at=NOW + DAY))
    refused = operation(at=NOW - 3 * DAY, state=OperationState.REFUSED)
    invitation = past(EpisodeState.REJECTED, first_seen=NOW - 2 * DAY + MINUTE, expires_at=NOW + DAY + MINUTE)
    assert words(account_history([sent, refused], [invitation])) == ["invite", "invite", "rejected noticed"]


@pytest.mark.parametrize(
    ("fields", "invitation"),
    [
        ({}, {"first_seen": NOW - MINUTE}),  # it was there before
        ({}, {"first_seen": NOW + LISTED_WITHIN + MINUTE}),
        ({"wx": "other"}, {}),
        ({"state": OperationState.FAILED}, {}),
        ({"kind": RENAME}, {}),
        ({"outcome": Outcome(expires_at=NOW + DAY)}, {"expires_at": NOW + DAY + 3 * MINUTE}),
    ],
)
def test_other_invitation_is_listed_beside_the_operation(fields, invitation):
    other = episode(EpisodeState.WAITING, "chen", **{"first_seen": NOW} | invitation)
    assert sent_by([operation(**fields)], other) is None
    assert sent_by([operation()], episode(EpisodeState.WAITING, "chen", first_seen=NOW)) is not None


def test_newest_of_equal_operations_has_sent_the_invitation():
    older, newer = operation(at=NOW - MINUTE), operation(at=NOW)
    assert sent_by([older, newer], episode(EpisodeState.WAITING, "chen", first_seen=NOW)) is newer


def test_deletion_by_an_operation_is_listed_once():
    gone = past(EpisodeState.REMOVED)
    deleted = operation(DELETE, at=NOW - MINUTE)
    assert words(account_history([deleted], [gone])) == ["waiting first seen", "delete"]
    failed = operation(DELETE, at=NOW - MINUTE, state=OperationState.FAILED)
    assert words(account_history([failed], [gone])) == ["waiting first seen", "delete", "removed noticed"]
    gone_before = operation(DELETE, at=NOW - MINUTE, outcome=Outcome(EndReason.GONE))
    assert words(account_history([gone_before], [gone])) == ["waiting first seen", "delete", "removed noticed"]


def test_history_of_an_invitation_has_its_own_operation_and_later_ones():
    invitation = episode(EpisodeState.WAITING, "chen", first_seen=NOW)
    sent, renamed = operation(at=NOW - MINUTE), operation(RENAME, at=NOW + MINUTE)
    earlier = operation(at=NOW - DAY)
    assert during([renamed, sent, earlier], invitation) == [renamed, sent]


@pytest.mark.parametrize(
    ("done", "name"),
    [
        (operation(RENAME, nickname="Chen Wei"), "Chen Wei"),
        (operation(RENAME, nickname="Chen Wei", state=OperationState.REFUSED), "Chen"),
        (operation(ADD, nickname="Eve"), "Eve"),
        (operation(DELETE), "Chen"),
    ],
)
def test_name_of_the_account_follows_the_operation(done, name):
    assert name_after(done) == name
    assert AccountHistoryPage.of_account("chen@harbour_tea", [done], 1).kf_nick == name


@pytest.mark.parametrize(
    ("total", "asked", "number", "length", "has_next"),
    [
        (0, 1, 1, 0, False),
        (10, 2, 1, 10, False),
        (11, 1, 1, 10, True),
        (11, 2, 2, 1, False),
        (30, 10**9, 3, 10, False),
    ],
)
def test_page_that_does_not_exist_is_the_last_one(total, asked, number, length, has_next):
    entries = [operation(at=NOW - MINUTE * index) for index in range(total)]
    page = AccountHistoryPage.of_account("chen@harbour_tea", entries, asked)
    assert (page.number, len(page.entries), page.has_next) == (number, length, has_next)


@given(st.lists(operations, max_size=5), st.lists(episodes, max_size=5))
def test_any_history_is_newest_first_and_complete(done, found):
    invitations = [PastEpisode(one, {AlertKind.REJECTED: one.first_seen}) for one in found]
    entries = account_history(done, invitations)
    assert [moment(one) for one in entries] == sorted(map(moment, entries), reverse=True)
    assert {one.id for one in entries if isinstance(one, Operation)} == {one.id for one in done}
    notes = [one for one in entries if isinstance(one, EpisodeNote) and one.kind is NoteKind.FIRST_SEEN]
    assert len(notes) == sum(sent_by(done, one) is None for one in found)
    assert AccountHistoryPage.of_account("", entries, 1).entries == tuple(entries[:PAGE])
