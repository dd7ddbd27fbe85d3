"""The row of the circuit breaker in front of WeChat, which all processes share, and the polls it holds back.

It is locked before any row of `poll_state`: a different order could deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from bot.alerting.circuit_breaker import PROBE_INTERVAL, SILENCE, CircuitBreaker
from bot.alerting.incidents import Cause
from bot.store import incident_rows
from bot.store.channels import CLOCK_TOLERANCE
from bot.store.conditions import among
from bot.store.database import Tx, insert_new
from bot.store.tables import episode, poll_state, source, tenant
from bot.store.tenants import IS_POLLED

WECHAT = source.c.id == "wechat"
_ROW = sa.select(source).where(WECHAT)
_LOCKED = _ROW.with_for_update()
_OPEN = sa.select(source.c.id).where(WECHAT, source.c.probe_at.is_not(None))


async def load(tx: Tx, *, lock: bool = False) -> CircuitBreaker:
    """Read the row; without one, WeChat has always answered. `lock` makes other processes wait with their polls."""
    if lock:
        await tx.run(insert_new(tx, source).values(id="wechat", failed_polls=0, failing=[], good_polls=0))
    row = (await tx.run(_LOCKED if lock else _ROW)).mappings().first()
    if row is None:
        return CircuitBreaker()
    return CircuitBreaker(
        failed_polls=row["failed_polls"],
        failing=tuple(row["failing"]),
        since=row["since"],
        probe_at=row["probe_at"],
        good_polls=row["good_polls"],
        incident=await incident_rows.load(tx, row["incident"]),
    )


async def record(tx: Tx, before: CircuitBreaker, after: CircuitBreaker) -> None:
    """Record the state of the breaker, and its incident, if they changed."""
    if after == before:
        return
    values = {name: getattr(after, name) for name in ("failed_polls", "since", "probe_at", "good_polls")}
    newest = after.incident.id if after.incident else None
    await tx.run(sa.update(source).where(WECHAT).values(**values, failing=list(after.failing), incident=newest))
    await incident_rows.record(tx, before.incident, after.incident)


async def watched(tx: Tx) -> int:
    """Count the accounts that are watched, without those that have reported an outage of their own."""
    own = sa.and_(poll_state.c.incident == episode.c.id, episode.c.state == Cause.SOURCE_DOWN)
    troubled = sa.select(poll_state.c.appid).join(episode, sa.and_(own, incident_rows.IS_OPEN))
    reported = troubled.where(poll_state.c.appid == tenant.c.appid).exists()
    active = sa.select(sa.func.count()).select_from(tenant)
    found = await tx.run(active.where(IS_POLLED, sa.not_(reported)))
    return int(found.scalar_one())


async def answered_at(tx: Tx, since: datetime | None, now: datetime) -> datetime | None:
    """Return when WeChat last answered a poll of any account, if that was in the last seconds or after `since`."""
    horizon = min(since or now, now - SILENCE)
    recent = poll_state.c.polled_at.between(horizon, now)  # one in the future was written by a wrong clock
    return (await tx.run(sa.select(sa.func.max(poll_state.c.polled_at)).where(recent))).scalar()


async def is_open(tx: Tx) -> bool:
    """Check whether the breaker is open, so that probes take the place of polls."""
    return (await tx.run(_OPEN)).first() is not None


async def claim_probe(tx: Tx, now: datetime) -> bool:
    """Claim the next probe for this process. Return False if it is not due, or another process has it."""
    due = sa.or_(source.c.probe_at <= now, source.c.probe_at > now + CLOCK_TOLERANCE)
    claim = sa.update(source).where(WECHAT, due).values(probe_at=now + PROBE_INTERVAL)
    return (await tx.run(claim)).rowcount == 1


async def probe_now(tx: Tx, now: datetime) -> bool:
    """Make the next probe due. Return False if the breaker is closed, or the probe is due already."""
    later = sa.and_(WECHAT, source.c.probe_at > now)
    return (await tx.run(sa.update(source).where(later).values(probe_at=now))).rowcount == 1


async def held_back(tx: Tx, since: datetime, now: datetime) -> list[str]:
    """Return the AppIDs whose polls are overdue, or wait because they failed after `since`."""
    overdue = sa.or_(poll_state.c.next_poll_at <= now, poll_state.c.failing_since >= since)
    active = sa.select(tenant.c.appid).where(IS_POLLED)
    found = sa.select(poll_state.c.appid).where(overdue, poll_state.c.appid.in_(active))
    return list((await tx.run(found.order_by(poll_state.c.appid))).scalars())


async def schedule(tx: Tx, polls: Iterable[tuple[str, datetime]]) -> None:
    """Schedule the next poll of several accounts. One that another transaction has locked stays due."""
    planned = dict(polls)
    free = sa.select(poll_state.c.appid).where(among(tx, poll_state.c.appid, planned))
    locked = (await tx.run(free.with_for_update(skip_locked=True))).scalars()
    rows = [{"which": appid, "next_poll_at": planned[appid]} for appid in locked]
    if rows:
        statement = sa.update(poll_state).where(poll_state.c.appid == sa.bindparam("which"))
        await tx.connection.execute(statement.values(next_poll_at=sa.bindparam("next_poll_at")), rows)
