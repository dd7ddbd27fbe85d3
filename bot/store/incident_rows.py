"""Incidents as rows: they are stored beside the episodes of invitations, with a kind of their own."""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa

from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.store import outbox, published
from bot.store.database import Tx, UnreadableRow
from bot.store.tables import episode

HEALTH = "health"


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


async def load(tx: Tx, incident_id: str | None) -> Incident | None:
    """Read an incident; None if it is missing or unreadable."""
    if incident_id is None:
        return None
    found = await tx.run(sa.select(episode).where(episode.c.id == incident_id))
    row = found.mappings().one_or_none()
    try:
        return _incident(row) if row else None
    except (TypeError, ValueError, KeyError) as exc:  # from a newer release, or damaged: polls continue without it
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
        resolved_at=row["state_since"] if over else None,
        began=row["began_at"],
    )
