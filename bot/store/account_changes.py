"""Changes of Official Accounts by people: rows of the audit log.

They have no AppID in the column `appid`, but in `wanted`: the operations of an account are those on its
customer-service accounts.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from bot.operations.operation import OperationState
from bot.store.database import Tx
from bot.store.sanitizing import sanitize_text
from bot.store.tables import operation


class ChangeKind(StrEnum):
    """The command."""

    ADD = "accounts add"
    SET = "accounts set"
    PAUSE = "accounts pause"
    RESUME = "accounts resume"
    REMOVE = "accounts remove"
    IMPORT = "accounts import"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes an account."""

    user_id: str
    name: str


COMMAND_LINE = Actor("", "command line")


async def record(tx: Tx, kind: ChangeKind, details: Mapping[str, Mapping[str, Any]], actor: Actor) -> None:
    """Record the changes of accounts, by AppID, in the transaction that makes them. Details hold no secret."""
    common = {
        "appid": "",
        "kind": kind,
        "account_key": "",
        "state": OperationState.DONE,
        "result": {},
        "user_id": sanitize_text(actor.user_id),
        "user_name": sanitize_text(actor.name),
        "asked_at": tx.now,
        "ended_at": tx.now,
    }
    rows = []
    for appid, found in details.items():
        change_id = secrets.token_hex(8)
        wanted = {"appid": appid, **{key: sanitize_text(str(value)) for key, value in found.items()}}
        rows.append({**common, "id": change_id, "submission": change_id, "wanted": wanted})
    await tx.run(sa.insert(operation), rows)


async def load(tx: Tx) -> list[tuple[ChangeKind, Mapping[str, Any], Actor]]:
    """Return all changes, the oldest first."""
    rows = await tx.run(sa.select(operation).where(operation.c.appid == "").order_by(operation.c.asked_at))
    return [
        (ChangeKind(row["kind"]), row["wanted"], Actor(row["user_id"], row["user_name"])) for row in rows.mappings()
    ]
