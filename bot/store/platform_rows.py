"""The row of the third-party platform: ticket, list of accounts, faults, signs of a second holder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.store import sealed_secrets
from bot.store.database import Tx, insert_new
from bot.store.sealed_secrets import TICKET, SealedSecret
from bot.store.tables import platform

RIVAL_SPAN = timedelta(hours=1)  # two refusals within it show a rival, which the last one shows for as long
MOST_AHEAD = timedelta(days=1)  # of a CreateTime; a later one is wrong, and stops no later push


@dataclass(frozen=True, slots=True)
class PlatformRow:
    """What is known of the platform; None: not yet, or not now."""

    ticket_at: datetime | None = None  # CreateTime of the ticket
    pushed_at: datetime | None = None  # when the ticket arrived
    started_at: datetime | None = None  # when WeChat was last asked to push tickets
    listed_at: datetime | None = None  # the end of the last complete list
    listing_until: datetime | None = None
    refused_at: datetime | None = None
    rival_at: datetime | None = None
    fault: Mapping[str, Any] | None = None
    fault_at: datetime | None = None
    next_call_at: datetime | None = None
    incident: str | None = None


async def load(tx: Tx, appid: str) -> PlatformRow:
    """Read the row; an empty one if there is none."""
    columns = [platform.c[name] for name in PlatformRow.__dataclass_fields__]
    row = (await tx.run(sa.select(*columns).where(platform.c.appid == appid))).mappings().first()
    return PlatformRow(**row) if row else PlatformRow()


async def take_ticket(tx: Tx, appid: str, created_at: datetime, sealed: str) -> bool:
    """Store a ticket. Return False if it is not newer than the one before: a push may be repeated."""
    taken_at = platform.c.ticket_at
    is_newer = sa.or_(taken_at.is_(None), taken_at < created_at, taken_at > tx.now + MOST_AHEAD)
    if not await _update(tx, appid, is_newer, ticket_at=created_at, pushed_at=tx.now):
        return False
    await sealed_secrets.put(tx, SealedSecret(appid, TICKET, sealed))
    return True


async def claim_start(tx: Tx, appid: str, every: timedelta) -> bool:
    """Claim the request that lets WeChat push tickets. Return False if one was made less than `every` ago."""
    return await _update(tx, appid, _is_over(platform.c.started_at, tx.now - every, tx.now), started_at=tx.now)


async def claim_list(tx: Tx, appid: str, lease: timedelta, every: timedelta) -> datetime | None:
    """Claim the reading of the list. Return the end of the lease; None if another process reads it or has read it.

    Args:
        every: the age from which a complete list is read again.
    """
    now, until = tx.now, tx.now + lease
    is_free = _is_over(platform.c.listing_until, now, now + lease)
    is_due = _is_over(platform.c.listed_at, now - every, now)
    return until if await _update(tx, appid, sa.and_(is_free, is_due), listing_until=until) else None


async def finish_list(tx: Tx, appid: str, until: datetime, *, is_complete: bool) -> bool:
    """End the lease of a list. Return False if it is another process's by now."""
    values = {"listed_at": tx.now} if is_complete else {}
    return await _update(tx, appid, platform.c.listing_until == until, listing_until=None, **values)


async def record_fault(tx: Tx, appid: str, fault: Mapping[str, Any], next_call_at: datetime | None = None) -> None:
    """Record an error that concerns the whole platform. It began with the first in a row.

    Args:
        next_call_at: no call of the platform is made before; None: calls go on.
    """
    since = sa.func.coalesce(platform.c.fault_at, tx.now)
    await _update(tx, appid, sa.true(), fault=dict(fault), fault_at=since, next_call_at=next_call_at)


async def may_call(tx: Tx, appid: str, pause: timedelta) -> bool:
    """Return whether a call of the platform may be made. While calls have stopped, one may for each `pause`."""
    if (await load(tx, appid)).next_call_at is None:
        return True
    is_due = _is_over(platform.c.next_call_at, tx.now, tx.now + pause)
    return await _update(tx, appid, is_due, next_call_at=tx.now + pause)


async def clear_fault(tx: Tx, appid: str) -> None:
    """Record that a call of the platform has succeeded."""
    is_faulty = sa.or_(platform.c.fault_at.is_not(None), platform.c.next_call_at.is_not(None))
    await _update(tx, appid, is_faulty, fault=None, fault_at=None, next_call_at=None)


async def note_refusal(tx: Tx, appid: str) -> None:
    """Record that WeChat has refused the platform's token before its end. The second in an hour shows a rival."""
    refused_at = (await load(tx, appid)).refused_at
    rival = {"rival_at": tx.now} if _is_recent(refused_at, tx.now) else {}
    await _update(tx, appid, sa.true(), refused_at=tx.now, **rival)


async def has_rival(tx: Tx, appid: str) -> bool:
    """Return whether another system has renewed the platform's token in the last hour, as refusals show."""
    return _is_recent((await load(tx, appid)).rival_at, tx.now)


def credible(created_at: datetime | None, now: datetime) -> datetime | None:
    """Return the CreateTime of a push; None if it is wrong."""
    return created_at if created_at and created_at <= now + MOST_AHEAD else None


def _is_recent(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now - RIVAL_SPAN <= moment <= now


def _is_over(column: sa.Column[datetime], before: datetime, latest: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a moment is past, or later than a right clock can have written it."""
    return sa.or_(column.is_(None), column <= before, column > latest)


async def _update(tx: Tx, appid: str, condition: sa.ColumnElement[bool], **values: Any) -> bool:
    await tx.run(insert_new(tx, platform).values(appid=appid))
    update = sa.update(platform).where(platform.c.appid == appid, condition).values(**values)
    return (await tx.run(update)).rowcount == 1
