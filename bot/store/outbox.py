"""Message rows: `pending -> sending(lease, attempt) -> sent | dead`. Conditional updates decide which process acts.

A message returns from `sending` to `pending` when it is rescheduled, or becomes a message of the channel, and from
`dead` when it is requeued. One that cannot be rendered or claimed goes from `pending` to `dead`.

Edits of sent messages are in `published`, lookups of unknown outcomes in `unconfirmed`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from bot.outbox.coalescing import as_channel_message, brought_forward, extended
from bot.outbox.messages import COMMON, DropReason, MessageKind, MessageStatus, NewMessage, OutboxRow
from bot.store import channels, slack_state
from bot.store.channels import CLOCK_TOLERANCE
from bot.store.database import Tx, UnreadableRow
from bot.store.isolation import RowFaultError, is_row_fault
from bot.store.tables import Moment, message

LOOKUP_DIVISOR = 4  # the first lookup of an unknown outcome comes a fourth of the lease after the lease ends
Ids = Sequence[str] | sa.Select[tuple[str]]

# Built once: to build and hash the statements each time took a quarter of the CPU time of polls and deliveries.
_ID: sa.BindParameter[str] = sa.bindparam("message_id")
_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=Moment())
# A later time was set by a wrong clock.
_TOO_FAR: sa.BindParameter[datetime] = sa.bindparam("too_far", type_=Moment())
_WITH_ID = sa.select(message).where(message.c.id == _ID)
_LOCKED = _WITH_ID.with_for_update()
_UPDATE = sa.update(message).where(message.c.id == _ID)
_OF_ATTEMPT = message.c.attempt == sa.bindparam("of_attempt")
_UPDATE_CLAIMED = _UPDATE.where(_OF_ATTEMPT, message.c.status == MessageStatus.SENDING)
_POST_ATTEMPTS = sa.select(message.c.post_attempts).where(message.c.id == _ID)
_PENDING_QUIET_SUMMARIES = sa.select(message).where(
    message.c.appid == sa.bindparam("appid"),
    message.c.kind == MessageKind.QUIET_SUMMARY,
    message.c.status == MessageStatus.PENDING,
)


async def enqueue(
    tx: Tx,
    messages: Sequence[NewMessage],
    event_keys: Mapping[str, tuple[str, ...]],
    now: datetime,
    *,
    delays: Mapping[str, timedelta] = MappingProxyType({}),
) -> Mapping[str, str]:
    """Add messages to the queue.

    Args:
        event_keys: by message id, the keys of its events for Slack's metadata.
        delays: by message id, how long each waits for others of its channel.

    Returns, by message id, the id of the row that carries it: a summary of quiet hours extends a pending one.

    Raises:
        sqlalchemy.exc.IntegrityError: a message was added before; no event is reported twice.
    """
    row_ids = {new.id: new.id for new in messages}
    for position, new in enumerate(messages):
        events = event_keys.get(new.id, ())
        if new.kind is MessageKind.QUIET_SUMMARY and (pending := await _pending_quiet_summary(tx, new)):
            await update(tx, pending.id, **extended(pending, new, events))
            row_ids[new.id] = pending.id
            continue
        await tx.run(
            sa.insert(message),
            {
                "id": new.id,
                "appid": tx.appid,
                "kind": new.kind,
                "priority": new.priority,
                "episode_ids": list(new.episode_ids),
                "event_keys": list(events),
                "payload": {**new.payload, **await _parent_attempts_payload(tx, new)},
                "parent_id": new.parent_id,
                "broadcast": new.broadcast,
                "breakthrough": new.breakthrough,
                "status": MessageStatus.PENDING,
                "target": tx.channel_id,
                "created_at": now + timedelta(microseconds=position),  # keeps their order inside a priority
                "not_before": now + delays.get(new.id, timedelta(0)),
            },
        )
        await _bring_parent_forward(tx, new, events, now)
    return row_ids


async def _bring_parent_forward(tx: Tx, new: NewMessage, events: Sequence[str], now: datetime) -> None:
    parent = await get(tx, new.parent_id) if new.parent_id else None
    if parent and parent.status in (MessageStatus.PENDING, MessageStatus.SENDING):
        await update(tx, parent.id, **brought_forward(parent, new, events, now))


async def _pending_quiet_summary(tx: Tx, new: NewMessage) -> OutboxRow | None:
    """Return the pending summary of the same quiet hours."""
    rows = rows_of(tx, (await tx.run(_PENDING_QUIET_SUMMARIES, {"appid": tx.appid})).mappings())
    return next((row for row in rows if row.payload["ends"] == new.payload["ends"]), None)


def requeuing(ids: Ids) -> sa.Update:
    """Build the update that requeues these messages, and the member lists in their threads.

    It changes only those that were dropped as obsolete or failed.
    """
    lists = sa.and_(message.c.parent_id.in_(ids), message.c.kind == MessageKind.MEMBER_LIST)
    dropped = sa.and_(
        message.c.status == MessageStatus.DEAD, message.c.reason.in_((DropReason.OBSOLETE, DropReason.FAILED))
    )
    requeued = sa.update(message).where(sa.or_(message.c.id.in_(ids), lists), dropped)
    return requeued.values(status=MessageStatus.PENDING, reason=None)


async def claim(
    tx: Tx,
    now: datetime,
    lease: timedelta,
    *,
    breakthrough_only: bool = False,
    without: Collection[str] = (),
) -> OutboxRow | None:
    """Claim the message to post next. Return None if no message is due in a channel that is not paused.

    A message that has not been posted follows the account to another channel, but for notices and messages about
    several accounts. A reply stays with its parent.

    Args:
        lease: how long the message belongs to this process; its attempt must end before the lease does.
        breakthrough_only: claim only messages allowed in quiet hours.
        without: the ids of messages to skip.

    Raises:
        RowFaultError: the message cannot be claimed; it stays pending.
        NotItsTurnError: a message is due, but another one has just been posted. The transaction must be
            rolled back.
    """
    paused: list[str] = []
    at = {"now": now, "too_far": now + CLOCK_TOLERANCE}
    queue = {"appid": tx.appid, "channel": tx.channel_id, "without": list(without), "paused": paused, **at}
    while found := (await tx.run(_select_next(breakthrough_only), queue)).first():
        if await channels.take_turn(tx.of(tx.appid, found.target), now):
            break
        paused.append(found.target)  # what goes to another channel need not wait for it
    else:
        return None
    leased = {"lease_end": now + lease, "lookup_at": now + lease + lease / LOOKUP_DIVISOR}
    return await claim_by_id(
        tx, found.id, _claim(breakthrough_only), {"of_attempt": found.attempt, "into": found.target, **at, **leased}
    )


@cache
def _is_ready(breakthrough_only: bool) -> sa.ColumnElement[bool]:
    due = sa.or_(message.c.not_before <= _NOW, message.c.created_at > _TOO_FAR, message.c.started_at > _TOO_FAR)
    return sa.and_(
        message.c.status == MessageStatus.PENDING, due, *([message.c.breakthrough] if breakthrough_only else [])
    )


@cache
def _select_next(breakthrough_only: bool) -> sa.Select[tuple[str, int, str]]:
    parent = message.alias("parent")
    # As text: a damaged payload would end the query, and with it all other messages.
    is_common = sa.cast(message.c.payload, sa.Text).contains(f'"{COMMON}": true')
    stays = sa.or_(message.c.kind == MessageKind.NOTICE, is_common)
    own = sa.func.coalesce(parent.c.channel_id, sa.bindparam("channel", type_=sa.Text))
    target = sa.case((stays, message.c.target), else_=own)
    return (
        sa.select(message.c.id, message.c.attempt, target.label("target"))
        .outerjoin(parent, parent.c.id == message.c.parent_id)
        .where(message.c.appid == sa.bindparam("appid"), _is_ready(breakthrough_only))
        .where(message.c.id.not_in(sa.bindparam("without", expanding=True)))
        .where(target.not_in(sa.bindparam("paused", expanding=True)))
        .where(sa.or_(message.c.parent_id.is_(None), parent.c.status.in_((MessageStatus.SENT, MessageStatus.DEAD))))
        .order_by(message.c.priority, message.c.created_at, message.c.id)
        .limit(1)
    )


@cache
def _claim(breakthrough_only: bool) -> sa.UpdateBase:
    lease_end: sa.BindParameter[datetime] = sa.bindparam("lease_end", type_=Moment())
    claimed = {
        "status": MessageStatus.SENDING,
        "target": sa.bindparam("into", type_=sa.Text),
        "attempt": message.c.attempt + 1,
        "post_attempts": message.c.post_attempts + 1,
        "started_at": _NOW,
        "lease_until": lease_end,
        "posting_lease_until": lease_end,
        "failed_lookups": 0,
        "next_lookup_at": sa.bindparam("lookup_at", type_=Moment()),
    }
    return _UPDATE.where(_OF_ATTEMPT, _is_ready(breakthrough_only)).values(**claimed).returning(*message.c)


async def claim_by_id(
    tx: Tx, message_id: str, claiming: sa.UpdateBase, parameters: Mapping[str, object]
) -> OutboxRow | None:
    """Claim the message `message_id` by an update. Return None if another process was faster.

    Args:
        claiming: returns the row. It has the parameter `message_id` beside those in `parameters`.

    Raises:
        RowFaultError: the database refuses the update, or this release cannot read the row.
    """
    try:
        claimed = (await tx.run(claiming, {"message_id": message_id, **parameters})).mappings().first()
        return row_of(claimed) if claimed else None
    except Exception as exc:
        if is_row_fault(exc):
            raise RowFaultError(message_id) from exc
        raise


async def mark_failed(tx: Tx, message_id: str, error: str) -> None:
    """Drop a message that cannot be rendered or claimed. `/kf status` counts it."""
    unsent = message.c.status.in_((MessageStatus.PENDING, MessageStatus.SENDING))
    values = {"status": MessageStatus.DEAD, "reason": DropReason.FAILED, "error": error}
    await tx.run(sa.update(message).where(message.c.id == message_id, unsent).values(**values))


async def mark_sent(
    tx: Tx,
    row: OutboxRow,
    *,
    channel_id: str,
    ts: str,
    applied_hash: str | None,
    now: datetime,
    keep_blocked: bool = False,
) -> bool:
    """Mark a claimed message as sent. Return False if another process has claimed the row since.

    Args:
        applied_hash: the hash of what Slack shows; None if that is not known.
        keep_blocked: leave the record that Slack refuses posts: the message was found in the history, which does
            not prove that posts are accepted again.
    """
    values = {"status": MessageStatus.SENT, "channel_id": channel_id, "ts": ts, "sent_at": now, "error": None}
    edit = {"applied_hash": applied_hash, "next_edit_at": now}
    if not keep_blocked:
        await slack_state.record_success(tx)
    return await complete_attempt(tx, row, **values, **edit)


async def reschedule(tx: Tx, row: OutboxRow, until: datetime, error: str, **values: Any) -> bool:
    """Put a claimed message that Slack certainly did not receive back into the queue, due at `until`."""
    return await complete_attempt(tx, row, status=MessageStatus.PENDING, not_before=until, error=error, **values)


async def release(tx: Tx, row: OutboxRow, until: datetime, reason: str, **values: Any) -> bool:
    """Put a claimed message back into the queue without an attempt to post it, and do not count one."""
    return await reschedule(tx, row, until, reason, post_attempts=row.post_attempts - 1, **values)


async def mark_dead(tx: Tx, row: OutboxRow, reason: DropReason, error: str = "") -> bool:
    """Drop a claimed message. `/kf status` shows the refused and the unconfirmed ones."""
    return await complete_attempt(tx, row, status=MessageStatus.DEAD, reason=reason, error=error)


async def promote_to_channel(tx: Tx, row: OutboxRow) -> bool:
    """Queue a claimed thread reply as a channel message, because its parent was dropped."""
    return await complete_attempt(tx, row, status=MessageStatus.PENDING, **as_channel_message(row))


async def has_sent_since(tx: Tx, message_id: str) -> bool:
    """Check whether another message was sent after this one was created."""
    created_at = sa.select(message.c.created_at).where(message.c.id == message_id).scalar_subquery()
    sent_later = sa.select(message.c.id).where(message.c.appid == tx.appid, message.c.sent_at > created_at)
    return (await tx.run(sent_later.limit(1))).first() is not None


async def complete_attempt(tx: Tx, row: OutboxRow, **values: Any) -> bool:
    """Record the outcome of an attempt. Return False if another process has claimed the row since."""
    mine = {"message_id": row.id, "of_attempt": row.attempt}
    return (await tx.run(_UPDATE_CLAIMED, {**mine, **values})).rowcount == 1


async def update(tx: Tx, message_id: str, **values: Any) -> None:
    """Change a row, whether it is claimed or not."""
    await tx.run(_UPDATE, {"message_id": message_id, **values})


async def get(tx: Tx, message_id: str, *, lock: bool = False) -> OutboxRow | None:
    """Read one row. `lock` keeps other transactions from changing it before this one ends."""
    found = (await tx.run(_LOCKED if lock else _WITH_ID, {"message_id": message_id})).mappings().first()
    return row_of(found) if found else None


async def _parent_attempts_payload(tx: Tx, new: NewMessage) -> dict[str, int]:
    """Return the payload with the parent's attempts so far. If it is posted later, it shows the reply's event."""
    if new.parent_id is None:
        return {}
    found = await tx.run(_POST_ATTEMPTS, {"message_id": new.parent_id})
    return {"root_posts": posts} if (posts := found.scalar()) is not None else {}


def rows_of(tx: Tx, found: Iterable[sa.RowMapping]) -> list[OutboxRow]:
    """Read message rows. Those that this release cannot parse are recorded in `tx.unreadable` and skipped."""
    rows = []
    for one in found:
        try:
            rows.append(row_of(one))
        except (TypeError, ValueError, KeyError) as exc:
            tx.unreadable[one["id"]] = UnreadableRow(account_key="", error=exc)
    return rows


def row_of(found: sa.RowMapping) -> OutboxRow:
    values = {name: found[name] for name in OutboxRow.__slots__}
    return OutboxRow(
        **values
        | {
            "kind": MessageKind(found["kind"]),
            "status": MessageStatus(found["status"]),
            "episode_ids": tuple(found["episode_ids"]),
            "event_keys": tuple(found["event_keys"]),
            "payload": dict(found["payload"]),
        }
    )
