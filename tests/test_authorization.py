"""What WeChat's answers mean for the authorisation of an account."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.platform.authorization import (
    LISTING,
    ListedAccount,
    Standing,
    Verdict,
    after_list,
    after_refused_poll,
    exchanged_state,
    granted_state,
    retry_wait,
)
from bot.tenant_states import TenantState
from tests.conftest import NOW
from tests.for_each import for_each

ACTIVE, DOUBTFUL, REVOKED = TenantState.ACTIVE, TenantState.DOUBTFUL, TenantState.REVOKED
UNEXCHANGED, UNGRANTED, CLOSED = TenantState.UNEXCHANGED, TenantState.UNGRANTED, TenantState.CLOSED
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@for_each(
    ("sets", "status", "state"),
    [
        ([6], 1, ACTIVE),
        ([19, 30], None, ACTIVE),
        ([100], 18, ACTIVE),
        ([], 1, UNGRANTED),
        ([2, 3, 11], 1, UNGRANTED),
        (None, None, ACTIVE),
        *(([6], status, CLOSED) for status in (14, 16, 19)),
        ([], 14, CLOSED),
    ],
)
def test_granted_sets_and_the_status_of_the_account_decide_its_state(sets, status, state):
    assert granted_state(sets, status) is state


def test_exchange_without_tokens_is_not_one_unless_nothing_was_granted():
    assert exchanged_state([6], 1, has_tokens=True) is ACTIVE
    assert exchanged_state([6], 1, has_tokens=False) is UNEXCHANGED
    assert exchanged_state([], 1, has_tokens=False) is UNGRANTED


def test_code_is_tried_after_1_4_15_and_then_every_60_seconds():
    assert [retry_wait(failures).seconds for failures in range(1, 7)] == [1, 4, 15, 60, 60, 60]


def test_61003_is_asked_again_after_10_minutes_and_an_hour_and_then_believed():
    standing, plan = Standing(ACTIVE), []
    for after in (0, 10, 60):
        verdict = after_refused_poll(standing, 61003, NOW + after * MINUTE, None)
        standing = verdict.standing
        plan.append((standing.state, verdict.wait))
    assert plan == [(DOUBTFUL, 10 * MINUTE), (DOUBTFUL, 50 * MINUTE), (REVOKED, None)]
    assert standing.refused_since == NOW


def test_poll_that_a_person_requests_shortens_no_doubt():
    doubted = Standing(DOUBTFUL, NOW)
    for after, left in ((1, 9), (9, 1), (11, 49), (59, 1)):
        verdict = Verdict(doubted, left * MINUTE)
        assert after_refused_poll(doubted, 61003, NOW + after * MINUTE, None) == verdict
    ahead = Standing(DOUBTFUL, NOW + HOUR)
    assert after_refused_poll(ahead, 61003, NOW, None) == Verdict(doubted, 10 * MINUTE)


@pytest.mark.parametrize("errcode", [61002, 61007, 61016, 61017])
def test_missing_permission_ends_the_polls_at_once(errcode):
    assert after_refused_poll(Standing(ACTIVE), errcode, NOW, None) == Verdict(Standing(UNGRANTED))


def test_refused_refresh_token_waits_for_the_list_once():
    first = after_refused_poll(Standing(ACTIVE), 61023, NOW, NOW - HOUR)
    assert first == Verdict(Standing(DOUBTFUL, NOW), LISTING)
    again = NOW + LISTING
    assert after_refused_poll(first.standing, 61023, again, NOW - HOUR) == first  # it could not be read
    listed = after_refused_poll(first.standing, 61023, again, NOW + timedelta(seconds=9))
    assert listed == Verdict(Standing(UNEXCHANGED, NOW))
    assert after_refused_poll(first.standing, 61023, NOW + HOUR, None) == Verdict(Standing(UNEXCHANGED, NOW))


@pytest.mark.parametrize("errcode", [-1, 40001, 45009, 48001, 61004, 61005])
def test_other_codes_say_nothing_of_the_authorisation(errcode):
    assert after_refused_poll(Standing(ACTIVE), errcode, NOW, None) is None


@for_each(
    ("state", "listed", "stored", "state_after", "is_stored"),
    [
        (ACTIVE, "new", "old", ACTIVE, True),
        (ACTIVE, "old", "old", ACTIVE, False),
        (ACTIVE, "", "old", ACTIVE, False),
        (ACTIVE, "", "", UNEXCHANGED, False),
        (UNEXCHANGED, "new", "", ACTIVE, True),
        (UNEXCHANGED, "new", "refused", ACTIVE, True),
        (UNEXCHANGED, "refused", "refused", UNEXCHANGED, False),
        (DOUBTFUL, "new", "refused", ACTIVE, True),
        (DOUBTFUL, "refused", "refused", DOUBTFUL, False),
        (TenantState.PAUSED, "new", "old", TenantState.PAUSED, True),
        (TenantState.PAUSED, "", "", TenantState.PAUSED, False),
    ],
)
def test_list_brings_newer_refresh_tokens(state, listed, stored, state_after, is_stored):
    account, before = ListedAccount("wx1", listed, NOW), Standing(state, None)
    found = after_list(account, before, event_at=NOW - HOUR, refresh_token=stored, granted=ACTIVE)
    assert found == (state_after, is_stored)


@pytest.mark.parametrize(
    ("authorized_at", "token", "found"),
    [
        (NOW + MINUTE, "new", (ACTIVE, True)),
        (NOW + MINUTE, "", (UNEXCHANGED, False)),
        (NOW - MINUTE, "old", (REVOKED, False)),
        (None, "old", (REVOKED, False)),
    ],
)
def test_list_returns_a_withdrawn_account_only_if_it_was_authorised_again(authorized_at, token, found):
    account = ListedAccount("wx1", token, authorized_at)
    by_push = after_list(account, Standing(REVOKED), event_at=NOW, refresh_token="", granted=ACTIVE)
    doubted = Standing(REVOKED, NOW)
    by_doubt = after_list(account, doubted, event_at=NOW - HOUR, refresh_token="", granted=ACTIVE)
    assert by_push == by_doubt == found
