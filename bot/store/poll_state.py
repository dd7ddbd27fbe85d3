"""The state of polling: the schedule, the results of the last polls, open incidents, failing rows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

import sqlalchemy as sa

from bot.alerting.incidents import ClockSkew, PollHealth
from bot.health.facts import SlackTrouble
from bot.store import incident_rows, slack_state
from bot.store.database import Tx
from bot.store.tables import poll_state

LONGEST_WAIT = timedelta(days=1)  # until midnight in Shanghai, when the quota is spent


class FailingRow(NamedTuple):
    """The error of an account whose changes cannot be stored."""

    error: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PollState:
    """The row of the Official Account, with its incidents."""

    next_poll_at: datetime
    watching_since: datetime | None
    last_read_at: datetime | None
    accounts: int
    empty_polls: int
    health: PollHealth
    clock: ClockSkew
    blocked_by: str | None
    failing: Mapping[str, FailingRow]
    polled_at: datetime | None = None
    poll_wait: timedelta | None = None
    slack: SlackTrouble | None = None


class Claim(Enum):
    """The outcome of claiming a poll."""

    NOT_MINE = "not due, or another process has it"
    WON = "mine"
    FIRST = "mine, and nothing has ever been read"


async def claim_poll(tx: Tx, now: datetime, until: datetime) -> Claim:
    """Claim the poll if it is due and no other process has claimed it; schedule the next one at `until`.

    A poll scheduled too far ahead was scheduled by a wrong clock, and counts as due.
    """
    planned_wrongly = sa.and_(poll_state.c.failed_polls == 0, poll_state.c.next_poll_at > now + 2 * (until - now))
    due = sa.or_(
        poll_state.c.next_poll_at <= now, poll_state.c.next_poll_at > until + LONGEST_WAIT, planned_wrongly
    )
    mine = sa.and_(poll_state.c.appid == tx.appid, due)
    values = {"next_poll_at": until, "poll_wait": int((until - now).total_seconds())}
    claim = sa.update(poll_state).where(mine).values(**values).returning(poll_state.c.watching_since)
    claimed = (await tx.run(claim)).first()
    if claimed is None:
        return Claim.NOT_MINE
    return Claim.FIRST if claimed.watching_since is None else Claim.WON


async def schedule_poll(tx: Tx, when: datetime, *, wait: timedelta | None = None) -> None:
    """Schedule the next poll. `wait` is the interval until then, if it changes."""
    await _record(tx, next_poll_at=when, **({"poll_wait": int(wait.total_seconds())} if wait else {}))


async def poll_now(tx: Tx, now: datetime, *, always: bool = False) -> bool:
    """Make the next poll due: `always`, or only after failed polls. Return False if it was due already."""
    later = sa.and_(poll_state.c.appid == tx.appid, poll_state.c.next_poll_at > now)
    affected = later if always else sa.and_(later, poll_state.c.failed_polls > 0)
    return (await tx.run(sa.update(poll_state).where(affected).values(next_poll_at=now))).rowcount == 1


async def load(tx: Tx, *, lock: bool = False) -> PollState:
    """Read the row. `lock` makes other processes wait with their decisions until this transaction ends."""
    query = sa.select(poll_state).where(poll_state.c.appid == tx.appid)
    row = (await tx.run(query.with_for_update() if lock else query)).mappings().one()
    return PollState(
        next_poll_at=row["next_poll_at"],
        watching_since=row["watching_since"],
        last_read_at=row["last_read_at"],
        accounts=row["accounts"],
        empty_polls=row["empty_polls"],
        health=PollHealth(
            row["failed_polls"],
            row["good_polls"],
            await incident_rows.load(tx, row["incident"]),
            row["failing_since"],
        ),
        clock=ClockSkew(row["skewed_polls"], incident=await incident_rows.load(tx, row["clock_incident"])),
        blocked_by=row["blocked_by"],
        polled_at=max(filter(None, (row["polled_at"], row["last_read_at"])), default=None),
        poll_wait=timedelta(seconds=row["poll_wait"]) if row["poll_wait"] else None,
        slack=slack_state.trouble_of(row),
        failing=_failing(row["failing_rows"]),
    )


def _failing(stored: object) -> Mapping[str, FailingRow]:
    """Return the failing rows without those that are damaged: the next poll notes them again if they still fail."""
    found = {}
    for key, one in stored.items() if isinstance(stored, dict) else ():
        match one:
            case {"error": str(error), "since": int(since) | float(since)}:
                with suppress(ValueError, OverflowError, OSError):  # not a moment
                    found[key] = FailingRow(error, datetime.fromtimestamp(since, UTC))
    return found


async def record_failing(tx: Tx, before: Mapping[str, FailingRow], after: Mapping[str, FailingRow]) -> None:
    """Record which accounts fail, if that has changed."""
    if before != after:
        failing = {key: {"error": one.error, "since": one.since.timestamp()} for key, one in after.items()}
        await _record(tx, failing_rows=failing or None)


async def record_read(
    tx: Tx, known: PollState, *, began: datetime, now: datetime, accounts: int, empty_polls: int
) -> None:
    """Record a good poll whose list was accepted."""
    await tx.run(
        sa.update(poll_state)
        .where(poll_state.c.appid == tx.appid)
        .values(
            watching_since=known.watching_since or began,
            last_read_at=began,
            polled_at=now,
            accounts=accounts,
            empty_polls=empty_polls,
        )
    )


async def record_empty(tx: Tx, empty_polls: int, now: datetime) -> None:
    """Record an empty list after a full one, which is not accepted yet."""
    await _record(tx, empty_polls=empty_polls, polled_at=now)


async def record_health(tx: Tx, before: PollHealth, after: PollHealth) -> None:
    """Record the results of polls, and the incident, if they changed."""
    if after == before:
        return
    current = after.incident
    values = {
        "failed_polls": after.failed_polls,
        "good_polls": after.good_polls,
        "failing_since": after.failing_since,
    }
    await _record(tx, **values, incident=current.id if current else None)
    await incident_rows.record(tx, before.incident, current)


async def record_clock(tx: Tx, before: ClockSkew, after: ClockSkew) -> None:
    """Record the comparison of the clocks, and the incident, if they changed."""
    if after == before:
        return
    current = after.incident
    await _record(tx, skewed_polls=after.skewed_polls, clock_incident=current.id if current else None)
    await incident_rows.record(tx, before.incident, current)


async def _record(tx: Tx, **values: Any) -> None:
    await tx.run(sa.update(poll_state).where(poll_state.c.appid == tx.appid).values(**values))
