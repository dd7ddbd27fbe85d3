"""Message rows: `pending -> sending(lease, attempt) -> sent | dead`. Conditional updates decide who acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.outbox import Dead, Draft, Shape, Status
from bot.store import Tx
from bot.store.tables import message, meta

LOST_RECENTLY = timedelta(days=1)
LONGEST_REST = timedelta(days=1)
DEMOTED = 10  # beyond every rank
Ids = Sequence[str] | sa.Select[tuple[str]]
ROOTS = (Shape.PROBLEM, Shape.DIGEST, Shape.FIRST_RUN, Shape.HEALTH)


@dataclass(frozen=True, slots=True)
class Row:
    """A message row. `attempt` is the fence: whoever claimed later has a higher one."""

    id: str
    shape: Shape
    members: tuple[str, ...]
    events: tuple[str, ...]
    facts: dict[str, Any]
    root_id: str | None
    broadcast: bool
    status: Status
    attempt: int
    channel_id: str | None
    ts: str | None
    text_only: bool
    applied_hash: str | None
    gone: bool


async def add(tx: Tx, drafts: Sequence[Draft], marks: Mapping[str, tuple[str, ...]], now: datetime) -> None:
    """Write down what there is to tell.

    Args:
        marks: by draft id, the marks of its events for Slack's metadata.

    Raises:
        sqlalchemy.exc.IntegrityError: it was written down before. Nothing may be told twice.
    """
    for place, draft in enumerate(drafts):
        await tx.run(
            sa.insert(message).values(
                id=draft.id,
                appid=tx.appid,
                shape=draft.shape,
                rank=draft.rank,
                members=list(draft.members),
                events=list(marks.get(draft.id, ())),
                facts={**draft.facts, **await _root_attempt(tx, draft)},
                root_id=draft.root_id,
                broadcast=draft.broadcast,
                status=Status.PENDING,
                created_at=now + timedelta(microseconds=place),  # keeps their order inside a rank
                not_before=now,
            )
        )
        # An urgent line cannot go before its root: a root that still waits becomes as urgent.
        waiting = sa.and_(message.c.id == draft.root_id, message.c.rank > draft.rank)
        await tx.run(sa.update(message).where(waiting).values(rank=draft.rank))


async def unsettle(tx: Tx, ids: Ids) -> None:
    """What these roots tell may change again: they are views anew."""
    await tx.run(sa.update(message).where(message.c.id.in_(ids)).values(settled=False))


async def revive(tx: Tx, ids: Ids) -> None:
    """What these tell is true again: those that were dropped as untrue go out after all."""
    dropped = sa.and_(message.c.id.in_(ids), message.c.status == Status.DEAD, message.c.reason == Dead.UNTRUE)
    await tx.run(sa.update(message).where(dropped).values(status=Status.PENDING, reason=None))


async def claim(tx: Tx, now: datetime, lease: timedelta, gap: timedelta) -> Row | None:
    """Take the message that is to go next, if there is one and the channel is not resting.

    A `sending` row whose lease ran out is taken too: whoever held it is gone, or its outcome is unknown.
    """
    root = message.alias("root")
    ready = sa.or_(
        sa.and_(message.c.status == Status.PENDING, message.c.not_before <= now),
        sa.and_(message.c.status == Status.SENDING, message.c.lease_until <= now),
    )
    candidate = (
        sa.select(message)
        .outerjoin(root, root.c.id == message.c.root_id)
        .where(message.c.appid == tx.appid, ready)
        .where(sa.or_(message.c.root_id.is_(None), root.c.status.in_((Status.SENT, Status.DEAD))))
        .order_by(message.c.rank, message.c.created_at, message.c.id)
        .limit(1)
    )
    found = (await tx.run(candidate)).mappings().first()
    if found is None:
        return None
    # A moment too far away was written by a clock that was wrong.
    free = sa.or_(meta.c.next_post_at <= now, meta.c.next_post_at > now + LONGEST_REST)
    rested = sa.and_(meta.c.appid == tx.appid, free)
    if not (await tx.run(sa.update(meta).where(rested).values(next_post_at=now + gap))).rowcount:
        return None
    taken = await tx.run(
        sa.update(message)
        .where(message.c.id == found["id"], message.c.attempt == found["attempt"], ready)
        .values(status=Status.SENDING, lease_until=now + lease, attempt=message.c.attempt + 1, started_at=now)
        .returning(*message.c)
    )
    claimed = taken.mappings().first()
    return _row(claimed) if claimed else None


async def sent(tx: Tx, row: Row, *, channel_id: str, ts: str, applied_hash: str, now: datetime) -> bool:
    """It stands in Slack. False: somebody else has claimed the row since."""
    values = {"status": Status.SENT, "channel_id": channel_id, "ts": ts, "sent_at": now, "error": None}
    edit = {"applied_hash": applied_hash, "next_edit_at": now}
    await tx.run(sa.update(meta).where(meta.c.appid == tx.appid, meta.c.held.is_not(None)).values(held=None))
    return await _finish(tx, row, **values, **edit)


async def later(tx: Tx, row: Row, until: datetime, error: str, **values: Any) -> bool:
    """Surely not sent: it goes back into the queue, not before `until`."""
    return await _finish(tx, row, status=Status.PENDING, not_before=until, error=error, **values)


async def demote(tx: Tx, row: Row, until: datetime, error: str) -> bool:
    """Not sent, and perhaps itself to blame: behind all others, lest it block them for ever."""
    rank = sa.case((message.c.rank < DEMOTED, message.c.rank + DEMOTED), else_=message.c.rank)
    return await later(tx, row, until, error, rank=rank)


async def dead(tx: Tx, row: Row, reason: Dead, error: str = "") -> bool:
    """Given up. Refused and unconfirmed ones are shown by `/kf status`."""
    return await _finish(tx, row, status=Status.DEAD, reason=reason, error=error)


async def as_root(tx: Tx, row: Row) -> bool:
    """The root of this thread message was given up: it goes to the channel by itself."""
    return await _finish(tx, row, status=Status.PENDING, root_id=None, shape=Shape.PROBLEM, broadcast=False)


async def rest(tx: Tx, until: datetime, *, held: str | None = None) -> None:
    """Post nothing before `until`; `held` names the error that only a person can mend."""
    values: dict[str, Any] = {"next_post_at": until} | ({"held": held} if held else {})
    await tx.run(sa.update(meta).where(meta.c.appid == tx.appid).values(**values))


async def _finish(tx: Tx, row: Row, **values: Any) -> bool:
    mine = sa.and_(message.c.id == row.id, message.c.attempt == row.attempt, message.c.status == Status.SENDING)
    return (await tx.run(sa.update(message).where(mine).values(**values))).rowcount == 1


async def get(tx: Tx, message_id: str) -> Row | None:
    found = (await tx.run(sa.select(message).where(message.c.id == message_id))).mappings().first()
    return _row(found) if found else None


async def views(tx: Tx, now: datetime) -> list[Row]:
    """The roots in Slack whose members may still change, and that may be edited now."""
    living = sa.select(message).where(
        message.c.appid == tx.appid,
        message.c.status == Status.SENT,
        message.c.shape.in_(ROOTS),
        sa.not_(message.c.settled),
        sa.not_(message.c.gone),
        message.c.next_edit_at <= now,
    )
    return [_row(found) for found in (await tx.run(living.order_by(message.c.sent_at))).mappings()]


async def claim_edit(tx: Tx, row: Row, now: datetime, until: datetime) -> bool:
    """Take the edit of a root; nobody else edits it before `until`."""
    free = sa.and_(message.c.id == row.id, message.c.next_edit_at <= now)
    # What Slack shows is not known until the edit is confirmed.
    values = {"next_edit_at": until, "applied_hash": None}
    return (await tx.run(sa.update(message).where(free).values(**values))).rowcount == 1


async def note_view(tx: Tx, row: Row, **values: Any) -> None:
    """Write down what became of a view: `applied_hash`, `settled`, `gone`, `next_edit_at`."""
    await tx.run(sa.update(message).where(message.c.id == row.id).values(**values))


@dataclass(frozen=True, slots=True)
class Waiting:
    """The state of the queue, for people."""

    pending: int = 0
    oldest: datetime | None = None
    refused: int = 0
    unconfirmed: int = 0


async def waiting(tx: Tx, now: datetime) -> Waiting:
    """What waits, and what was given up in the last day: an old loss is no news for ever."""
    mine = message.c.appid == tx.appid
    unsent = sa.and_(mine, message.c.status.in_((Status.PENDING, Status.SENDING)))
    found = await tx.run(
        sa.select(sa.func.count().label("number"), sa.func.min(message.c.created_at).label("oldest")).where(unsent)
    )
    queued = found.one()
    lost = await tx.run(
        sa.select(message.c.reason, sa.func.count().label("number"))
        .where(mine, message.c.status == Status.DEAD, message.c.created_at > now - LOST_RECENTLY)
        .group_by(message.c.reason)
    )
    by_reason = {row.reason: row.number for row in lost}
    return Waiting(queued.number, queued.oldest, by_reason.get(Dead.REFUSED, 0), by_reason.get(Dead.UNCONFIRMED, 0))


async def _root_attempt(tx: Tx, draft: Draft) -> dict[str, int]:
    """How often its root had been tried: sent at a later attempt, the root has shown this line's news itself."""
    found = await tx.run(sa.select(message.c.attempt).where(message.c.id == draft.root_id))
    return {"root_attempt": attempt} if (attempt := found.scalar()) is not None else {}


def _row(found: sa.RowMapping) -> Row:
    values = {name: found[name] for name in Row.__slots__}
    return Row(
        **values
        | {
            "shape": Shape(found["shape"]),
            "status": Status(found["status"]),
            "members": tuple(found["members"]),
            "events": tuple(found["events"]),
            "facts": dict(found["facts"]),
        }
    )
