"""What the watcher remembers between two looks: when to look, how the looks went, what trouble there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

import sqlalchemy as sa

from bot.alerting.incidents import Cause, ClockSkew, ErrorDetails, Incident, PollHealth
from bot.health.facts import SlackTrouble
from bot.store import outbox, published, slack_state
from bot.store.database import Tx, UnreadableRow
from bot.store.tables import episode, meta

HEALTH = "health"
LONGEST_WAIT = timedelta(days=1)  # until midnight in Shanghai, when the quota is spent


class FailingRow(NamedTuple):
    """An account whose news cannot be written down."""

    error: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PollState:
    """The account's row of `meta`."""

    next_poll_at: datetime
    watching_since: datetime | None
    last_read_at: datetime | None
    accounts: int
    empty_reads: int
    health: PollHealth
    clock: ClockSkew
    held: str | None
    failing: Mapping[str, FailingRow]
    polled_at: datetime | None = None
    poll_wait: timedelta | None = None
    slack: SlackTrouble | None = None


class Claim(Enum):
    """Whose the poll is."""

    NOT_MINE = "not due, or another process has it"
    MINE = "mine"
    FIRST = "mine, and nothing has ever been read"


async def claim_poll(tx: Tx, now: datetime, until: datetime) -> Claim:
    """Take the poll that is due, if nobody else has: the next one comes at `until`.

    A poll that is planned too far ahead was planned by a clock that was wrong; it is due as well.
    """
    usual = sa.and_(meta.c.failed_reads == 0, meta.c.next_poll_at > now + 2 * (until - now))
    due = sa.or_(meta.c.next_poll_at <= now, meta.c.next_poll_at > until + LONGEST_WAIT, usual)
    mine = sa.and_(meta.c.appid == tx.appid, due)
    values = {"next_poll_at": until, "poll_wait": int((until - now).total_seconds())}
    claim = sa.update(meta).where(mine).values(**values).returning(meta.c.watching_since)
    claimed = (await tx.run(claim)).first()
    if claimed is None:
        return Claim.NOT_MINE
    return Claim.FIRST if claimed.watching_since is None else Claim.MINE


async def schedule_poll(tx: Tx, when: datetime, *, wait: timedelta | None = None) -> None:
    """Plan the next poll. `wait` is the interval that is in force until then, if it changes."""
    await _record(tx, next_poll_at=when, **({"poll_wait": int(wait.total_seconds())} if wait else {}))


async def poll_now(tx: Tx, now: datetime, *, always: bool = False) -> bool:
    """Let the next poll come now: `always`, or if reads had failed. True when it was not due anyway."""
    later = sa.and_(meta.c.appid == tx.appid, meta.c.next_poll_at > now)
    troubled = later if always else sa.and_(later, meta.c.failed_reads > 0)
    return (await tx.run(sa.update(meta).where(troubled).values(next_poll_at=now))).rowcount == 1


async def load(tx: Tx, *, lock: bool = False) -> PollState:
    """Read the row. `lock` makes whoever else decides wait until this transaction ends."""
    query = sa.select(meta).where(meta.c.appid == tx.appid)
    row = (await tx.run(query.with_for_update() if lock else query)).mappings().one()
    return PollState(
        next_poll_at=row["next_poll_at"],
        watching_since=row["watching_since"],
        last_read_at=row["last_read_at"],
        accounts=row["accounts"],
        empty_reads=row["empty_reads"],
        health=PollHealth(
            row["failed_reads"], row["good_reads"], await incident(tx, row["incident"]), row["failing_since"]
        ),
        clock=ClockSkew(row["skewed_reads"], incident=await incident(tx, row["clock_incident"])),
        held=row["held"],
        polled_at=max(filter(None, (row["polled_at"], row["last_read_at"])), default=None),
        poll_wait=timedelta(seconds=row["poll_wait"]) if row["poll_wait"] else None,
        slack=slack_state.trouble_of(row),
        failing={
            key: FailingRow(one["error"], datetime.fromtimestamp(one["since"], UTC))
            for key, one in (row["failing_rows"] or {}).items()
        },
    )


async def record_failing(tx: Tx, before: Mapping[str, FailingRow], after: Mapping[str, FailingRow]) -> None:
    """Write down which accounts fail, if that has changed."""
    if before != after:
        failing = {key: {"error": one.error, "since": one.since.timestamp()} for key, one in after.items()}
        await _record(tx, failing_rows=failing or None)


async def record_read(
    tx: Tx, memory: PollState, *, began: datetime, now: datetime, accounts: int, empty_reads: int
) -> None:
    """A good read was taken in."""
    await tx.run(
        sa.update(meta)
        .where(meta.c.appid == tx.appid)
        .values(
            watching_since=memory.watching_since or began,
            last_read_at=began,
            polled_at=now,
            accounts=accounts,
            empty_reads=empty_reads,
        )
    )


async def record_empty(tx: Tx, empty_reads: int, now: datetime) -> None:
    """An empty list after a full one was read, and is not believed yet."""
    await _record(tx, empty_reads=empty_reads, polled_at=now)


async def record_health(tx: Tx, before: PollHealth, after: PollHealth) -> None:
    """Write down how reads go, and the incident if it changed."""
    if after == before:
        return
    change = after.incident
    values = {
        "failed_reads": after.failed_reads,
        "good_reads": after.good_reads,
        "failing_since": after.failing_since,
    }
    await _record(tx, **values, incident=change.id if change else None)
    await _record_incident(tx, before.incident, change)


async def record_clock(tx: Tx, before: ClockSkew, after: ClockSkew) -> None:
    """Write down how this server's clock does, and the incident if it changed."""
    if after == before:
        return
    change = after.incident
    await _record(tx, skewed_reads=after.skewed_reads, clock_incident=change.id if change else None)
    await _record_incident(tx, before.incident, change)


async def _record(tx: Tx, **values: Any) -> None:
    await tx.run(sa.update(meta).where(meta.c.appid == tx.appid).values(**values))


async def _record_incident(tx: Tx, before: Incident | None, after: Incident | None) -> None:
    if after is None or after == before:
        return
    values = {
        "state": after.cause,
        "since": after.over_at or after.since,
        "began_at": after.began,
        "detail": {**asdict(after.fault), "over": after.over_at is not None},
    }
    if before is None or before.id != after.id:
        new = {**values, "id": after.id, "appid": tx.appid, "kind": HEALTH, "first_seen": after.since}
        await tx.run(sa.insert(episode).values(**new))
        return
    await tx.run(sa.update(episode).where(episode.c.id == after.id).values(**values))
    await published.reopen(tx, [after.id])
    if after.over_at is None:
        await outbox.requeue_dropped(tx, [after.id])


async def incident(tx: Tx, incident_id: str | None) -> Incident | None:
    """One stretch of trouble, as it stands."""
    if incident_id is None:
        return None
    found = await tx.run(sa.select(episode).where(episode.c.id == incident_id))
    row = found.mappings().one_or_none()
    try:
        return _incident(row) if row else None
    except (TypeError, ValueError, KeyError) as exc:  # of a newer release, or damaged: polls go on without it
        tx.unreadable[incident_id] = UnreadableRow("", exc)
        return None


def _incident(row: sa.RowMapping) -> Incident:
    detail = dict(row["detail"])
    over = detail.pop("over")
    return Incident(
        id=row["id"],
        cause=Cause(row["state"]),
        since=row["first_seen"],
        fault=ErrorDetails(**detail),
        over_at=row["since"] if over else None,
        began=row["began_at"],
    )
