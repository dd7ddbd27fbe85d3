"""The state of polling: the schedule, the results of the last polls, open incidents, failing rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from bot.alerting.incidents import ClockSkew, Incident, PollHealth
from bot.store import incident_rows
from bot.store.conditions import among
from bot.store.database import Tx
from bot.store.tables import Moment, poll_state

SOME = 100  # accounts; more names in a statement cost more than these rows
_APPID: sa.BindParameter[str] = sa.bindparam("of_appid")
_ROW = sa.select(poll_state).where(poll_state.c.appid == _APPID)
_LOCKED = _ROW.with_for_update()
_UPDATE = sa.update(poll_state).where(poll_state.c.appid == _APPID)
_BEGAN, _NOW, _PLANNED = (sa.bindparam(f"at_{name}", type_=Moment()) for name in ("began", "now", "planned"))
_REQUESTED = poll_state.c.requested_at
_SCHEDULE = _UPDATE.values(  # a request of the future was recorded by a wrong clock
    next_poll_at=sa.case((sa.and_(_REQUESTED > _BEGAN, _REQUESTED <= _NOW), _REQUESTED), else_=_PLANNED)
)


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
    failing: Mapping[str, FailingRow]
    polled_at: datetime | None = None
    poll_wait: timedelta | None = None
    requested_at: datetime | None = None


async def schedule_poll(
    tx: Tx, when: datetime, *, wait: timedelta | None = None, began: datetime | None = None
) -> None:
    """Schedule the next poll, which ends the claim of the last one.

    Args:
        wait: the interval until then, if it changes.
        began: when the last poll began: a poll that was requested later comes at once.
    """
    await _schedule(tx, {"poll_wait": int(wait.total_seconds())} if wait else {}, when, began, tx.now)


async def _schedule(
    tx: Tx, values: Mapping[str, Any], when: datetime, began: datetime | None, now: datetime
) -> None:
    if began is None:
        await _record(tx, next_poll_at=when, due_at=None, **values)
        return
    moments = {"at_began": began, "at_now": now, "at_planned": when}
    await tx.run(_SCHEDULE, {"of_appid": tx.appid, **moments, "due_at": None, **values})


async def poll_now(tx: Tx, now: datetime, *, always: bool = False) -> bool:
    """Make the next poll due: `always`, since a person needs it, or only after failed polls.

    Return False if nothing was changed.
    """
    mine, later = poll_state.c.appid == tx.appid, poll_state.c.next_poll_at > now
    if always:
        due = sa.case((later, now), else_=poll_state.c.next_poll_at)
        update = sa.update(poll_state).where(mine).values(next_poll_at=due, requested_at=now)
    else:
        update = sa.update(poll_state).where(mine, later, poll_state.c.failed_polls > 0).values(next_poll_at=now)
    return (await tx.run(update)).rowcount == 1


async def lock(tx: Tx, appids: Collection[str]) -> None:
    """Make other processes wait with their decisions about these accounts until this transaction ends."""
    rows = sa.select(poll_state.c.appid).where(poll_state.c.appid.in_(appids)).order_by(poll_state.c.appid)
    await tx.run(rows.with_for_update())


async def any_unpolled(tx: Tx, appids: Collection[str]) -> bool:
    """Check whether one of these accounts has not had a good poll yet."""
    unpolled = sa.select(poll_state.c.appid).where(poll_state.c.watching_since.is_(None))
    some = set((await tx.run(unpolled.limit(SOME))).scalars())
    if len(some) < SOME or not some.isdisjoint(appids):
        return not some.isdisjoint(appids)
    return (await tx.run(unpolled.where(among(tx, poll_state.c.appid, appids)).limit(1))).first() is not None


async def load(tx: Tx, *, lock: bool = False) -> PollState:
    """Read the row. `lock` makes other processes wait with their decisions until this transaction ends."""
    row = (await tx.run(_LOCKED if lock else _ROW, {"of_appid": tx.appid})).mappings().one()
    incidents = [one for one in (row["incident"], row["clock_incident"]) if one]
    return state_of(row, await incident_rows.load_many(tx, incidents))


def state_of(row: sa.RowMapping, incidents: Mapping[str, Incident]) -> PollState:
    """Return the state in a row of `poll_state`, with those of the incidents that are readable."""
    return PollState(
        next_poll_at=row["next_poll_at"],
        watching_since=row["watching_since"],
        last_read_at=row["last_read_at"],
        accounts=row["accounts"],
        empty_polls=row["empty_polls"],
        health=PollHealth(
            row["failed_polls"],
            row["good_polls"],
            incidents.get(row["incident"]),
            row["failing_since"],
        ),
        clock=ClockSkew(row["skewed_polls"], incident=incidents.get(row["clock_incident"])),
        polled_at=max(filter(None, (row["polled_at"], row["last_read_at"])), default=None),
        poll_wait=timedelta(seconds=row["poll_wait"]) if row["poll_wait"] else None,
        failing=_failing(row["failing_rows"]),
        requested_at=row["requested_at"],
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
        await _record(tx, failing_rows=failing or None, rows_digest=None)


async def record_read(
    tx: Tx,
    known: PollState,
    *,
    began: datetime,
    now: datetime,
    accounts: int,
    empty_polls: int,
    wait: timedelta | None = None,
    rows_digest: str | None = None,
    idle: bool = False,
) -> None:
    """Record a good poll whose list was accepted, and schedule the next one after `wait`.

    Args:
        rows_digest: of the list, if its evaluation changed nothing: nor will that of the same list.
        idle: nothing is expected to change soon.
    """
    values = {
        "watching_since": known.watching_since or began,
        "last_read_at": began,
        "polled_at": now,
        "accounts": accounts,
        "empty_polls": empty_polls,
        "rows_digest": rows_digest,
        "evaluated_at": began if rows_digest else None,
        "idle": idle,
    }
    await _record_poll(tx, values, began, now, wait)


async def record_empty(
    tx: Tx, empty_polls: int, *, began: datetime, now: datetime, wait: timedelta | None = None
) -> None:
    """Record an empty list after a full one, which is not accepted yet, and schedule the next poll after `wait`."""
    values = {"empty_polls": empty_polls, "polled_at": now, "rows_digest": None}
    await _record_poll(tx, values, began, now, wait)


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
    await _record(tx, **values, incident=current.id if current else None, rows_digest=None)
    await incident_rows.record(tx, before.incident, current)


async def record_clock(tx: Tx, before: ClockSkew, after: ClockSkew) -> None:
    """Record the comparison of the clocks, and the incident, if they changed."""
    if after == before:
        return
    current = after.incident
    values = {"skewed_polls": after.skewed_polls, "clock_incident": current.id if current else None}
    await _record(tx, **values, rows_digest=None)
    await incident_rows.record(tx, before.incident, current)


async def _record_poll(
    tx: Tx, values: Mapping[str, Any], began: datetime, now: datetime, wait: timedelta | None
) -> None:
    """Record a poll, and schedule the next one after `wait`; without it, the schedule stays."""
    if wait is None:
        await _record(tx, **values)
    else:
        await _schedule(tx, {**values, "poll_wait": int(wait.total_seconds())}, now + wait, began, now)


async def _record(tx: Tx, **values: Any) -> None:
    await tx.run(_UPDATE, {"of_appid": tx.appid, **values})
