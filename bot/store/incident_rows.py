"""Incidents as rows: they are stored beside the episodes of invitations, with a kind of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from bot.alerting.circuit_breaker import OUTAGE_ID
from bot.alerting.incident_groups import NAMED, TOGETHER, AccountIncident, IncidentGroup, refused_address
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.outbox.messages import MessageStatus
from bot.store import outbox, published
from bot.store.conditions import among
from bot.store.database import Tx, UnreadableRow
from bot.store.tables import episode, message, poll_state, tenant
from bot.store.tenants import IS_POLLED

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
    notice = sa.select(sa.func.coalesce(episode.c.notice_id, episode.c.id)).where(episode.c.id == after.id)
    await tx.run(published.reopening(notice))
    if after.resolved_at is None:
        await tx.run(outbox.requeuing(notice))


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
        .where(poll_state.c.appid != tx.appid, IS_POLLED, IS_OPEN)
    )
    return (await tx.run(other.limit(1))).first() is not None


async def refused_addresses(tx: Tx) -> list[str]:
    """Return the addresses of this installation that WeChat has refused for any account, the newest first."""
    newest = sa.select(episode.c.detail).where(episode.c.kind == HEALTH).order_by(episode.c.first_seen.desc())
    details = (await tx.run(newest.limit(RECENT))).scalars()
    found = [detail.get("address") for detail in details if isinstance(detail, dict)]
    return list(dict.fromkeys(filter(None, found)))


async def group(tx: Tx, notice_id: str) -> IncidentGroup | None:
    """Read the incidents that a notice shows; None if none of them is readable."""
    shown = sa.or_(episode.c.id == notice_id, episode.c.notice_id == notice_id)
    query = (
        sa.select(episode, tenant.c.name, tenant.c.slug)
        .outerjoin(tenant, tenant.c.appid == episode.c.appid)
        .where(shown)
        .order_by(sa.not_(IS_OPEN), episode.c.first_seen, episode.c.id)
    )
    rows = (await tx.run(query.limit(NAMED + 1))).mappings().all()
    incidents = _readable(tx, rows)
    names = {row["id"]: row["name"] or row["slug"] or row["appid"] for row in rows}
    named = tuple(AccountIncident(names[key], incident) for key, incident in incidents.items())[:NAMED]
    total = len(rows)
    if total > NAMED:
        total = (await tx.run(sa.select(sa.func.count()).select_from(episode).where(shown))).scalar_one()
    return IncidentGroup(named, total) if named else None


async def notice_to_join(tx: Tx, incident: Incident, now: datetime) -> str | None:
    """Return the ID of a notice of other accounts that reports a new incident too, if there is one.

    That is the one of the same refused address, else the newest in the channel, if it is some minutes old at most.
    """
    others = sa.select(sa.func.coalesce(episode.c.notice_id, episode.c.id)).where(episode.c.id != incident.id)
    if address := refused_address(incident):
        refused = sa.and_(IS_OPEN, episode.c.detail["address"].as_string() == address)
        of_present = others.join(poll_state, poll_state.c.incident == episode.c.id)
        active = of_present.join(tenant, tenant.c.appid == poll_state.c.appid)
        query = active.where(refused, IS_POLLED)
    else:
        recent = sa.and_(message.c.created_at.between(now - TOGETHER, now), message.c.target == tx.channel_id)
        alive = sa.and_(sa.not_(message.c.is_deleted), message.c.status != MessageStatus.DEAD)
        of_account = sa.and_(
            episode.c.state.in_((Cause.SOURCE_DOWN, Cause.CONFIG_PROBLEM, Cause.QUOTA)),
            episode.c.detail["address"].as_string() == "",
            sa.not_(episode.c.id.startswith(OUTAGE_ID, autoescape=True)),
        )
        query = others.join(message, message.c.id == episode.c.id).where(recent, alive, of_account)
        query = query.where(episode.c.notice_id.is_(None)).order_by(message.c.created_at.desc())
    found: str | None = (await tx.run(query.limit(1))).scalar()
    return found


async def join(tx: Tx, incident: Incident, notice_id: str) -> None:
    """Let a notice of another account report this incident, too."""
    await tx.run(sa.update(episode).where(episode.c.id == incident.id).values(notice_id=notice_id))
    await tx.run(published.reopening([notice_id]))
    await tx.run(outbox.requeuing([notice_id]))


async def notice_of(tx: Tx, incident: Incident) -> str:
    """Return the ID of the notice that reports an incident."""
    found = await tx.run(sa.select(episode.c.notice_id).where(episode.c.id == incident.id))
    return found.scalar() or incident.id


async def load(tx: Tx, incident_id: str | None) -> Incident | None:
    """Read an incident; None if it is missing or unreadable."""
    return (await load_many(tx, [incident_id])).get(incident_id) if incident_id else None


async def load_many(tx: Tx, ids: Collection[str]) -> dict[str, Incident]:
    """Read incidents by id, of any Official Account, without those that are missing or unreadable."""
    rows = (await tx.run(sa.select(episode).where(among(tx, episode.c.id, ids)))).mappings() if ids else ()
    return _readable(tx, rows)


def _readable(tx: Tx, rows: Iterable[sa.RowMapping]) -> dict[str, Incident]:
    found = {}
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
