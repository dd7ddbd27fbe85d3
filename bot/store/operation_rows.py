"""Operation rows: inserted before the write leaves, claimed by a lease, ended once. The audit log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bot.operations.operation import (
    AccountFacts,
    EndReason,
    Operation,
    OperationKind,
    OperationState,
    Outcome,
    Wanted,
)
from bot.store.database import Tx, UnreadableRow
from bot.store.sanitizing import sanitize_text
from bot.store.tables import Moment, operation

_IN_PROGRESS = operation.c.state.in_((OperationState.OPEN, OperationState.UNSURE))
# One that did not happen keeps a lease until a modal shows it or a message reports it.
_NOT_REPORTED = sa.and_(
    operation.c.state.in_((OperationState.REFUSED, OperationState.FAILED)), operation.c.lease_until.is_not(None)
)
UNFINISHED = sa.or_(_IN_PROGRESS, _NOT_REPORTED)
# Built once, as in `outbox`.
_LEASE_UNTIL = operation.c.lease_until
_DUE = (
    sa.select(operation)
    .where(operation.c.appid == sa.bindparam("appid"), UNFINISHED)
    .where(sa.or_(_LEASE_UNTIL.is_(None), sa.bindparam("now", type_=Moment()) >= _LEASE_UNTIL))
    .order_by(_LEASE_UNTIL)
)


class Inserted(NamedTuple):
    """The result of an insert. Exactly one of the last two is set if the row was not inserted."""

    is_new: bool
    same_submission: Operation | None = None
    in_progress: Operation | None = None  # another operation of the same account


async def insert(tx: Tx, new: Operation) -> Inserted:
    """Insert an operation, unless its form was submitted before or another one of the account is in progress.

    Two unique indexes decide between processes that insert at the same time.
    """
    try:
        async with tx.savepoint():
            await tx.run(sa.insert(operation), {"appid": tx.appid, **_values(new)})
    except IntegrityError:
        if same := await of_submission(tx, new.submission):
            return Inserted(False, same_submission=same)
        if other := await in_progress(tx, new.account_key):
            return Inserted(False, in_progress=other)
        raise
    return Inserted(True)


async def get(tx: Tx, operation_id: str) -> Operation | None:
    return await _one(tx, operation.c.id == operation_id)


async def of_submission(tx: Tx, submission: str) -> Operation | None:
    """Return the operation of a submitted form; None without one."""
    return await _one(tx, operation.c.submission == sanitize_text(submission))


async def in_progress(tx: Tx, account_key: str) -> Operation | None:
    """Return the operation of an account that has not ended; None without one."""
    return await _one(tx, operation.c.account_key == sanitize_text(account_key), _IN_PROGRESS)


async def asked_since(tx: Tx, since: datetime) -> list[tuple[datetime, OperationKind]]:
    """Return when operations were requested since then, oldest first."""
    rows = await tx.run(
        sa.select(operation.c.asked_at, operation.c.kind)
        .where(operation.c.appid == tx.appid, operation.c.asked_at > since)
        .order_by(operation.c.asked_at)
    )
    return [(row.asked_at, OperationKind(row.kind)) for row in rows]


async def save(tx: Tx, before: Operation, after: Operation) -> bool:
    """Save an operation. Return False, and change nothing, if another process has claimed or ended it.

    The request is sent after `sent_at` was saved by this: of two calls with the same row, only one can set it.
    """
    unsent = [operation.c.sent_at.is_(None)] if before.sent_at is None else []
    saved = await tx.run(
        sa.update(operation)
        .where(operation.c.id == before.id, operation.c.attempt == before.attempt, _IN_PROGRESS, *unsent)
        .values(_values(after))
    )
    return bool(saved.rowcount)


async def end_report(tx: Tx, operation_id: str) -> bool:
    """Store that the person knows that an operation did not happen. Return False if that is stored already."""
    reported = await tx.run(
        sa.update(operation).where(operation.c.id == operation_id, _NOT_REPORTED).values(lease_until=None)
    )
    return bool(reported.rowcount)


async def claim_due(tx: Tx, now: datetime, lease_until: datetime) -> Operation | None:
    """Claim an operation whose lease, or wait for a read or a report, is over. Return it with its new attempt.

    `tx.unreadable` gets the unreadable ones, which do not keep the others from being claimed.
    """
    due = await tx.run(_DUE, {"appid": tx.appid, "now": now})
    found = next(_readable(tx, due.mappings()), None)
    if found is None:
        return None
    claimed = replace(found, attempt=found.attempt + 1, lease_until=lease_until)
    won = await tx.run(
        sa.update(operation)
        .where(
            operation.c.id == found.id,
            operation.c.attempt == found.attempt,
            UNFINISHED,
        )
        .values(attempt=claimed.attempt, lease_until=lease_until)
    )
    return claimed if won.rowcount else None


async def next_due(tx: Tx, *, without: Collection[str] = ()) -> datetime | None:
    """Return when the next operation can be claimed; None while there is nothing to settle or to report.

    Args:
        without: the IDs of unreadable ones.
    """
    due = await tx.run(
        sa.select(sa.func.min(operation.c.lease_until).label("due")).where(
            operation.c.appid == tx.appid,
            UNFINISHED,
            operation.c.id.not_in(list(without)),
        )
    )
    moment: datetime | None = due.scalar_one()
    return moment


async def history(tx: Tx, account_key: str | None = None, *, limit: int, offset: int = 0) -> list[Operation]:
    """Return operations, newest first: those of an account, or all. `tx.unreadable` gets the unreadable ones."""
    of_account = [] if account_key is None else [operation.c.account_key == sanitize_text(account_key)]
    rows = await tx.run(
        sa.select(operation)
        .where(operation.c.appid == tx.appid, *of_account)
        .order_by(operation.c.asked_at.desc(), operation.c.id)
        .limit(limit)
        .offset(offset)
    )
    return list(_readable(tx, rows.mappings()))


async def count(tx: Tx, account_key: str | None = None) -> int:
    """Return the number of operations of an account, or of all."""
    of_account = [] if account_key is None else [operation.c.account_key == sanitize_text(account_key)]
    found = await tx.run(
        sa.select(sa.func.count()).select_from(operation).where(operation.c.appid == tx.appid, *of_account)
    )
    return int(found.scalar_one())


async def _one(tx: Tx, *where: sa.ColumnElement[bool]) -> Operation | None:
    rows = await tx.run(
        sa.select(operation).where(operation.c.appid == tx.appid, *where).order_by(operation.c.lease_until).limit(1)
    )
    row = rows.mappings().first()
    return _operation(row) if row else None


def _readable(tx: Tx, rows: Iterable[sa.RowMapping]) -> Iterator[Operation]:
    for row in rows:
        try:
            yield _operation(row)
        except Exception as exc:  # from a newer release, or damaged: read the others
            tx.unreadable[row["id"]] = UnreadableRow(row["account_key"], exc)


def _values(one: Operation) -> dict[str, Any]:
    outcome = one.outcome
    return {
        "id": one.id,
        "kind": one.kind,
        "account_key": sanitize_text(one.account_key),
        "wanted": {
            "kf_account": sanitize_text(one.wanted.kf_account),
            "nickname": sanitize_text(one.wanted.nickname),
            "invite_wx": sanitize_text(one.wanted.invite_wx),
        },
        "before": _facts_json(one.before),
        "user_id": sanitize_text(one.user_id),
        "user_name": sanitize_text(one.user_name),
        "episode_id": sanitize_text(one.episode_id),
        "view_id": sanitize_text(one.view_id),
        "language": one.language,
        "submission": sanitize_text(one.submission),
        "asked_at": one.asked_at,
        "sent_at": one.sent_at,
        "lease_until": one.lease_until,
        "attempt": one.attempt,
        "polls": one.polls,
        "state": one.state,
        "errcode": outcome.errcode,
        "rid": sanitize_text(outcome.rid),
        "ended_at": one.ended_at,
        "result": {
            "reason": outcome.reason,
            "expires_at": outcome.expires_at.timestamp() if outcome.expires_at else None,
            "is_listed": outcome.is_listed,
            "error": sanitize_text(outcome.error),
            "address": sanitize_text(outcome.address),
            "attempts": outcome.attempts,
        },
    }


def _operation(row: sa.RowMapping) -> Operation:
    wanted, result = row["wanted"], row["result"]
    return Operation(
        id=row["id"],
        kind=OperationKind(row["kind"]),
        account_key=row["account_key"],
        wanted=Wanted(wanted["kf_account"], wanted["nickname"], wanted["invite_wx"]),
        user_id=row["user_id"],
        user_name=row["user_name"],
        asked_at=row["asked_at"],
        lease_until=row["lease_until"],
        state=OperationState(row["state"]),
        before=_facts(row["before"]),
        episode_id=row["episode_id"],
        view_id=row["view_id"],
        submission=row["submission"],
        language=row["language"],
        sent_at=row["sent_at"],
        attempt=row["attempt"],
        polls=row["polls"],
        outcome=Outcome(
            reason=EndReason(result["reason"]) if result["reason"] else None,
            errcode=row["errcode"],
            rid=row["rid"] or "",
            expires_at=_moment(result["expires_at"]),
            is_listed=result["is_listed"],
            error=result["error"],
            address=result["address"],
            attempts=result["attempts"],
        ),
        ended_at=row["ended_at"],
    )


def _facts_json(facts: AccountFacts | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    texts = ("kf_account", "kf_nick", "kf_id", "status", "kf_wx", "invite_wx")
    expires_at = facts.expires_at.timestamp() if facts.expires_at else None
    return {name: sanitize_text(getattr(facts, name)) for name in texts} | {"expires_at": expires_at}


def _facts(stored: Mapping[str, Any] | None) -> AccountFacts | None:
    return AccountFacts(**{**stored, "expires_at": _moment(stored["expires_at"])}) if stored else None


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
