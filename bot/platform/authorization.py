"""What WeChat's answers mean for the authorisation of an account. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.tenant_states import TenantState

COVERING = frozenset({1, 6, 19, 100, 101})  # permission sets with the interfaces of customer service
OFFICIAL_SET, MINI_SET = 6, 19  # what owners are asked for; set 1 would oblige the platform to answer customers
CLOSED = frozenset({14, 16, 19})  # an `account_status`: closed, banned, frozen

NOT_AUTHORISED = 61003  # also by mistake, for a few hours
REFRESH_TOKEN_REFUSED = 61023
CODE_REFUSED = frozenset({61009, 61010})  # exchanged before, or expired
UNPUBLISHED = 61028
NOT_GRANTED = frozenset({61002, 61007, 61016, 61017})

DOUBTS = (timedelta(minutes=10), timedelta(hours=1))  # after the first 61003, when it is asked again
LISTING = timedelta(minutes=1)  # within which the list of authorised accounts is read
RETRIES = (1, 4, 15, 60)  # seconds between attempts to exchange a code; the last one repeats
CLOSED_AGAIN = timedelta(days=1)  # after which WeChat is asked again about a closed account


class Standing(NamedTuple):
    """The state of an account, and since when WeChat has refused the calls for it."""

    state: TenantState
    refused_since: datetime | None = None


class Verdict(NamedTuple):
    """The meaning of a refused poll. Without `wait` it counts as a problem of the account, like any other."""

    standing: Standing
    wait: timedelta | None = None  # until the next poll, which decides


class ListedAccount(NamedTuple):
    """An account as the list of the platform names it."""

    appid: str
    refresh_token: str  # "" if its code was never exchanged
    authorized_at: datetime | None


def covers(sets: Collection[int]) -> bool:
    """Return whether these permission sets contain the interfaces of customer service."""
    return not COVERING.isdisjoint(sets)


def granted_state(sets: Collection[int] | None, account_status: int | None) -> TenantState:
    """Return the state of an account whose refresh token is stored. What is not known yet, a poll shows."""
    if account_status in CLOSED:
        return TenantState.CLOSED
    return TenantState.ACTIVE if sets is None or covers(sets) else TenantState.UNGRANTED


def exchanged_state(sets: Collection[int], account_status: int | None, *, has_tokens: bool) -> TenantState:
    """Return the state after an exchange. WeChat issues tokens only if some interface was granted."""
    if has_tokens or not covers(sets):
        return granted_state(sets, account_status)
    return TenantState.UNEXCHANGED


def retry_wait(failures: int) -> timedelta:
    """Return the pause before the next attempt to exchange a code, after so many failed ones."""
    return timedelta(seconds=RETRIES[min(failures, len(RETRIES)) - 1])


def after_refused_poll(before: Standing, errcode: int, now: datetime, listed_at: datetime | None) -> Verdict | None:
    """Return what a refused poll means; None if it says nothing of the authorisation.

    Args:
        listed_at: the end of the last complete list, whose refresh tokens are stored.
    """
    if errcode in NOT_GRANTED:
        return Verdict(Standing(TenantState.UNGRANTED))
    if errcode not in (NOT_AUTHORISED, REFRESH_TOKEN_REFUSED):
        return None
    since = min(before.refused_since or now, now)  # one of the future was recorded by a wrong clock
    doubtful = Standing(TenantState.DOUBTFUL, since)
    if errcode == NOT_AUTHORISED:
        left = [since + doubt - now for doubt in DOUBTS if since + doubt > now]
        return Verdict(doubtful, left[0]) if left else Verdict(Standing(TenantState.REVOKED, since))
    is_over = now - since >= DOUBTS[-1] or (listed_at is not None and listed_at > since)
    return Verdict(Standing(TenantState.UNEXCHANGED, since)) if is_over else Verdict(doubtful, LISTING)


def is_authorized_after(listed: ListedAccount, ended_at: datetime) -> bool:
    """Return whether an account was authorised after this moment: WeChat lists some that have withdrawn."""
    return listed.authorized_at is not None and listed.authorized_at > ended_at


def after_list(
    listed: ListedAccount,
    before: Standing,
    *,
    event_at: datetime | None,
    refresh_token: str,
    granted: TenantState,
) -> tuple[TenantState, bool]:
    """Return the state of a known account in the list, and whether its refresh token there is to be stored.

    Args:
        event_at: WeChat's time of the newest push about it.
        refresh_token: the one that is stored; "" without one.
        granted: its state if the refresh token is good.
    """
    state, is_new = before.state, listed.refresh_token not in ("", refresh_token)
    if state is TenantState.REVOKED:
        ended_at = max(filter(None, (event_at, before.refused_since)), default=None)
        if not ended_at or not is_authorized_after(listed, ended_at):
            return state, False
        return (granted, True) if listed.refresh_token else (TenantState.UNEXCHANGED, False)
    if state is TenantState.PAUSED:
        return state, is_new
    if is_new:
        return granted, True
    # A refresh token that is stored may be good although the list has none: a poll shows that.
    return (state if refresh_token else TenantState.UNEXCHANGED), False
