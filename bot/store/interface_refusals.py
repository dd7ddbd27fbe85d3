"""WeChat's refusals of whole families of interfaces for operations, in the row of the account's polls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from bot.operations.operation import REFUSAL_STAYS, OperationKind
from bot.store.database import Tx
from bot.store.tables import Moment, poll_state

# Built once, as in `outbox`.
_OF_ALL = sa.select(
    poll_state.c.appid, poll_state.c.operation_refused_at, poll_state.c.operation_refused_family
).where(poll_state.c.operation_refused_at > sa.bindparam("since", type_=Moment()))
_OF_ACCOUNT = _OF_ALL.where(poll_state.c.appid == sa.bindparam("appid"))


class InterfaceRefusal(NamedTuple):
    """WeChat's refusal, with errcode 48001, of a family of interfaces."""

    family: str
    at: datetime


async def note(tx: Tx, refusal: InterfaceRefusal) -> None:
    """Store that WeChat does not grant a family of interfaces."""
    values = {"operation_refused_at": refusal.at, "operation_refused_family": refusal.family}
    await tx.run(sa.update(poll_state).where(poll_state.c.appid == tx.appid).values(**values))


async def clear(tx: Tx, family: str) -> None:
    """Store that WeChat grants a family of interfaces."""
    refused = sa.and_(poll_state.c.appid == tx.appid, poll_state.c.operation_refused_family == family)
    values = {"operation_refused_at": None, "operation_refused_family": None}
    await tx.run(sa.update(poll_state).where(refused).values(**values))


async def current(tx: Tx, kind: OperationKind | None = None) -> InterfaceRefusal | None:
    """Return WeChat's refusal of any operation, or of the family of `kind`, while it counts; None without one."""
    found = (await _read(tx, _OF_ACCOUNT, appid=tx.appid)).get(tx.appid)
    return found if found and (kind is None or kind.family == found.family) else None


async def of_all(tx: Tx) -> Mapping[str, InterfaceRefusal]:
    """Return WeChat's refusals of operations that count, by AppID, of all accounts."""
    return await _read(tx, _OF_ALL)


async def _read(tx: Tx, statement: sa.Select[Any], **parameters: str) -> dict[str, InterfaceRefusal]:
    rows = await tx.run(statement, {"since": tx.now - REFUSAL_STAYS, **parameters})
    return {
        row.appid: InterfaceRefusal(row.operation_refused_family or "", row.operation_refused_at) for row in rows
    }
