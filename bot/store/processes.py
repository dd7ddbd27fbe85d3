"""The processes that use the store, for `/kf status` and the checks. No rule depends on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.health.facts import FailedReplies, RejectedRequests
from bot.store.database import Tx
from bot.store.tables import Moment, process

ACTIVE_WITHIN = timedelta(seconds=60)  # a process updates its row at least every 15 s
EXPIRE_AFTER = timedelta(hours=1)  # a killed process cannot delete its own row
_OF_PROCESS = process.c.id == sa.bindparam("process")
_UPDATE = sa.update(process).where(_OF_PROCESS)
_IS_ACTIVE = sa.and_(
    process.c.appid.in_((sa.bindparam("appid"), "")),
    process.c.seen_at > sa.bindparam("earliest", type_=Moment()),
    process.c.seen_at < sa.bindparam("latest", type_=Moment()),
)
_RUNNING = sa.select(process).where(_IS_ACTIVE)
_OLDEST = (
    sa.select(process.c.id)
    .where(_IS_ACTIVE, process.c.role != "")
    .order_by(process.c.started_at, process.c.id)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A running process, as other processes see it."""

    id: str
    role: str = ""  # "web" or "worker"; "" from an older release
    started_at: datetime | None = None
    receives_commands: bool = False
    settings: Mapping[str, str] = field(
        default_factory=dict
    )  # by variable: a digest of the value, which must agree
    rejected: RejectedRequests | None = None
    failed_replies: FailedReplies | None = None
    of_all: bool = False  # it serves every Official Account of this database, not one


async def touch(tx: Tx, info: ProcessInfo, clock: datetime) -> None:
    """Record that a process is running, and the time of its own clock."""
    now = tx.now
    seen = {
        "seen_at": now,
        "clock_at": clock,
        "receives_commands": info.receives_commands,
        "rejected": _stored(info),
    }
    if not (await tx.run(_UPDATE, {"process": info.id, **seen})).rowcount:
        # Its age by its own clock, subtracted from the time of the store.
        started_at = now - (clock - info.started_at) if info.started_at else None
        values = {"id": info.id, "role": info.role, "settings": dict(info.settings), "started_at": started_at}
        appid = "" if info.of_all else tx.appid
        await tx.run(sa.insert(process).values(**values | seen, appid=appid))
        await tx.run(sa.delete(process).where(process.c.seen_at < now - EXPIRE_AFTER))


async def request_reload(tx: Tx) -> int:
    """Ask every running process to read its file of accounts again. Return their number."""
    active = sa.and_(process.c.seen_at > tx.now - ACTIVE_WITHIN, process.c.seen_at < tx.now + ACTIVE_WITHIN)
    return (await tx.run(sa.update(process).where(active).values(reload_at=tx.now))).rowcount


async def reload_at(tx: Tx, process_id: str) -> datetime | None:
    """Return when a process was last asked to do so; None if never."""
    return (await tx.run(sa.select(process.c.reload_at).where(process.c.id == process_id))).scalar_one_or_none()


async def remove(tx: Tx, process_id: str) -> None:
    await tx.run(sa.delete(process).where(process.c.id == process_id))


async def running(tx: Tx, now: datetime) -> Sequence[ProcessInfo]:
    """Return the running processes of this account."""
    return [
        ProcessInfo(
            row["id"],
            row["role"],
            row["started_at"],
            row["receives_commands"],
            row["settings"] if isinstance(row["settings"], dict) else {},
            _rejected(row["rejected"]),
            _failed_replies(row["rejected"]),
        )
        for row in (await tx.run(_RUNNING, _active(tx, now))).mappings()
    ]


async def is_first(tx: Tx, process_id: str) -> bool:
    """Check whether a process is the one that has run for longest, which does what one of them is to do."""
    return (await tx.run(_OLDEST, _active(tx, tx.now))).scalar() == process_id


async def skew(tx: Tx) -> timedelta:
    """Return the largest difference between the clocks of the store and of the running processes."""
    rows = await tx.run(_RUNNING, _active(tx, tx.now))
    ahead = [timedelta(0), *(row.clock_at - row.seen_at for row in rows if row.clock_at)]
    most: timedelta = max(ahead) - min(ahead)
    return most


def _stored(info: ProcessInfo) -> dict[str, Any] | None:
    rejected, failed = info.rejected, info.failed_replies
    stored: dict[str, Any] = {}
    if rejected:
        stored |= {"reason": rejected.reason, "count": rejected.count, "since": rejected.since.timestamp()}
    if failed:  # in the same column, of which an older release reads the rest
        stored["replies"] = {"error": failed.error, "count": failed.count, "since": failed.since.timestamp()}
    return stored or None


def _rejected(stored: object) -> RejectedRequests | None:
    match stored:
        case {"reason": str(reason), "count": int(count), "since": int(since) | float(since)}:
            with suppress(ValueError, OverflowError, OSError):  # not a moment
                return RejectedRequests(reason, count, datetime.fromtimestamp(since, UTC))
    return None


def _failed_replies(stored: object) -> FailedReplies | None:
    match stored:
        case {"replies": {"error": str(error), "count": int(count), "since": int(since) | float(since)}}:
            with suppress(ValueError, OverflowError, OSError):  # not a moment
                return FailedReplies(error, count, datetime.fromtimestamp(since, UTC))
    return None


def _active(tx: Tx, now: datetime) -> Mapping[str, object]:
    """Return the parameters of `_IS_ACTIVE`."""
    return {"appid": tx.appid, "earliest": now - ACTIVE_WITHIN, "latest": now + ACTIVE_WITHIN}
