"""What may be wrong with the Official Accounts that are watched: the same few queries, however many there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.alerting.circuit_breaker import CircuitBreaker
from bot.alerting.incidents import GOOD_POLLS
from bot.health.facts import SlackTrouble
from bot.health.problem_rules import INTERVALS
from bot.runtime.logs import fault_words
from bot.store import circuit_breaker_row, incident_rows, slack_state, stats, tenants
from bot.store.database import Tx
from bot.store.poll_state import PollState, state_of
from bot.store.stats import QueueStats
from bot.store.tables import poll_state
from bot.store.tenants import WATCHED
from bot.tenant_states import TenantState

_POLLED_AT = sa.func.coalesce(poll_state.c.polled_at, poll_state.c.last_read_at)
_POLLED = sa.extract("epoch", _POLLED_AT)


@dataclass(frozen=True, slots=True)
class FleetReading:
    """What one transaction has read about all accounts that are watched."""

    now: datetime  # by the clock of the store
    states: Mapping[str, PollState]  # by AppID: those whose polls fail or are late
    never_polled: Collection[str]  # AppIDs
    queues: Mapping[str, QueueStats]  # by AppID: those with messages to count
    unreadable: Mapping[str, str]  # by AppID, why its row cannot be read
    oldest_poll: datetime | None  # of those that have been polled
    accounts: Mapping[TenantState, int]  # how many there are in the store, by state
    channels: Mapping[str, SlackTrouble]  # by ID: those that Slack refuses, or for which it does not answer
    breaker: CircuitBreaker  # in front of WeChat


async def read(tx: Tx, shortest: timedelta) -> FleetReading:
    """Read what the problems of all accounts are computed from.

    Args:
        shortest: the shortest interval of polls of any account. It chooses which polls may be late.
    """
    now = tx.now
    states, unreadable = await _states(tx, _noteworthy(now, shortest))
    never = await tx.run(sa.select(poll_state.c.appid).where(WATCHED, _POLLED.is_(None)))
    oldest = await tx.run(sa.select(sa.func.min(_POLLED_AT)).where(WATCHED))
    return FleetReading(
        now,
        states,
        never.scalars().all(),
        await stats.queues(tx, now),
        unreadable,
        oldest.scalar_one(),
        await tenants.count(tx),
        await slack_state.load_all(tx),
        await circuit_breaker_row.load(tx),
    )


def _noteworthy(now: datetime, shortest: timedelta) -> sa.ColumnElement[bool]:
    """Return the condition for the accounts that may have a problem. It may choose some that have none."""
    seconds = shortest.total_seconds()
    interval = sa.case((poll_state.c.poll_wait > seconds, poll_state.c.poll_wait), else_=seconds)
    return sa.or_(
        _POLLED + INTERVALS * interval < now.timestamp(),
        poll_state.c.failed_polls > 0,
        # Good polls in a row have resolved the newest incident.
        sa.and_(poll_state.c.incident.is_not(None), poll_state.c.good_polls < GOOD_POLLS),
        poll_state.c.clock_incident.is_not(None),
        poll_state.c.failing_rows.is_not(None),
    )


async def _states(tx: Tx, which: sa.ColumnElement[bool]) -> tuple[dict[str, PollState], dict[str, str]]:
    rows = (await tx.run(sa.select(poll_state).where(WATCHED, which))).mappings().all()
    ids = {one for row in rows for one in (row["incident"], row["clock_incident"]) if one}
    incidents = await incident_rows.load_many(tx, ids)
    states, unreadable = dict[str, PollState](), dict[str, str]()
    for row in rows:
        try:
            states[row["appid"]] = state_of(row, incidents)
        except Exception as exc:  # damaged, or of a newer release: the others are read anyway
            unreadable[row["appid"]] = fault_words(exc)
    return states, unreadable
