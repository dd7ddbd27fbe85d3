"""Incidents as rows: they are stored beside the episodes of invitations, with a kind of their own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

import sqlalchemy as sa

from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.store import outbox, published
from bot.store.conditions import among
from bot.store.database import Tx, UnreadableRow
from bot.store.tables import episode, poll_state, tenant
from bot.store.tenants import TenantState

HEALTH = "health"
RECENT = 100  # incidents whose addresses are still likely to be in use
IS_OPEN = episode.c.state_since == episode.c.first_seen  # of an incident, as `record` writes it
INCIDENT_LOCK = 0x6B66_6F75  # of PostgreSQL, for the time of a transaction


async def record(tx: Tx, before: Incident | None, after: Incident | None) -> None:
    """Insert or update an incident, if it changed. A sent notice is rendered again; a dropped one is requeued."""
    if after is None or after == before:
        return
    values = {
        "state": after.cause,
        "state_since": after.resolved_at or after.since,
        "began_at": after.began,
        "detail": {**asdict(after.fault), "over": after.resolved_at is not None},
    }
    if before is None or before.id != after.id:
        new = {**values, "id": after.id, "appid": tx.appid, "kind": HEALTH, "first_seen": after.since}
        await tx.run(sa.insert(episode).values(**new))
        return
    await tx.run(sa.update(episode).where(episode.c.id == after.id).values(**values))
    await published.reopen(tx, [after.id])
    if after.resolved_at is None:
        await outbox.requeue_dropped(tx, [after.id])


async def is_clock_reported(tx: Tx) -> bool:
    """Check whether another account that is watched reports the clock of this machine.

    Until the end of the transaction, other processes wait with this check.
    """
    if tx.connection.dialect.name == "postgresql":
        # Two accounts whose polls fail at the same moment would not see each other's incident.
        await tx.run(sa.select(sa.func.pg_advisory_xact_lock(INCIDENT_LOCK)))
    other = (
        sa.select(episode.c.id)
        .join(poll_state, poll_state.c.clock_incident == episode.c.id)
        .join(tenant, tenant.c.appid == poll_state.c.appid)
        .where(poll_state.c.appid != tx.appid, tenant.c.state == TenantState.ACTIVE, IS_OPEN)
    )
    return (await tx.run(other.limit(1))).first() is not None


async def refused_addresses(tx: Tx) -> list[str]:
    """Return the addresses of this installation that WeChat has refused for any account, the newest first."""
    newest = sa.select(episode.c.detail).where(episode.c.kind == HEALTH).order_by(episode.c.first_seen.desc())
    details = (await tx.run(newest.limit(RECENT))).scalars()
    found = [detail.get("address") for detail in details if isinstance(detail, dict)]
    return list(dict.fromkeys(filter(None, found)))


async def load(tx: Tx, incident_id: str | None) -> Incident | None:
    """Read an incident; None if it is missing or unreadable."""
    return (await load_many(tx, [incident_id])).get(incident_id) if incident_id else None


async def load_many(tx: Tx, ids: Collection[str]) -> dict[str, Incident]:
    """Read incidents by id, of any Official Account, without those that are missing or unreadable."""
    found = {}
    rows = (await tx.run(sa.select(episode).where(among(tx, episode.c.id, ids)))).mappings() if ids else ()
    for row in rows:
        try:
            found[row["id"]] = _incident(row)
        except (TypeError, ValueError, KeyError) as exc:
            # From a newer release, or damaged: polls continue without it.
            tx.unreadable[row["id"]] = UnreadableRow("", exc)
    return found


def _incident(row: sa.RowMapping) -> Incident:
    detail = dict(row["detail"])
    over = detail.pop("over")
    return Incident(
        id=row["id"],
        cause=Cause(row["state"]),
        since=row["first_seen"],
        fault=ErrorDetails(**detail),
        resolved_at=row["state_since"] if over else None,
        began=row["began_at"],
    )
