"""The rows of sealed secrets. Nothing here can open one: `bot.sealing` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa

from bot.sealing import sealing_key
from bot.store.conditions import among
from bot.store.database import Tx
from bot.store.tables import secret
from bot.store.upserts import upsert

APPSECRET = "appsecret"
REFRESH_TOKEN = "refresh_token"  # noqa: S105
TICKET = "ticket"  # of a third-party platform
CODE = "code"  # of an authorisation that is not exchanged yet
USED_CODE = "used_code"  # exchanged, by which the redirect of the owner finds the account until the code expires


class SealedSecret(NamedTuple):
    """One row. `owner` is an AppID, and `name` one of the constants above."""

    owner: str
    name: str
    value: str


async def put(tx: Tx, *sealed: SealedSecret) -> None:
    """Store sealed secrets, each in place of the one before."""
    rows = [{**one._asdict(), "key_id": sealing_key(one.value), "changed_at": tx.now} for one in sealed]
    await upsert(tx, secret, rows)


async def load(tx: Tx, owner: str, name: str) -> str:
    """Return one sealed secret; "" without it."""
    found = await tx.run(sa.select(secret.c.value).where(secret.c.owner == owner, secret.c.name == name))
    return found.scalar() or ""


async def of_name(tx: Tx, name: str) -> Mapping[str, str]:
    """Return the sealed secrets of this name, by owner."""
    rows = await tx.run(sa.select(secret.c.owner, secret.c.value).where(secret.c.name == name))
    return {row.owner: row.value for row in rows}


async def delete(tx: Tx, owner: str, name: str) -> None:
    """Delete one secret."""
    await tx.run(sa.delete(secret).where(secret.c.owner == owner, secret.c.name == name))


async def delete_of(tx: Tx, *owners: str) -> None:
    """Delete all secrets of these owners."""
    await tx.run(sa.delete(secret).where(among(tx, secret.c.owner, owners)))


async def count_by_key(tx: Tx) -> Mapping[str, int]:
    """Return the number of secrets by the ID of the key that has sealed them."""
    rows = await tx.run(sa.select(secret.c.key_id, sa.func.count().label("number")).group_by(secret.c.key_id))
    return {row.key_id: row.number for row in rows}


async def page_without_key(tx: Tx, key_id: str, after: SealedSecret | None, size: int) -> list[SealedSecret]:
    """Return the next secrets that other keys have sealed, in the order of their rows."""
    rows = sa.select(secret.c.owner, secret.c.name, secret.c.value).where(secret.c.key_id != key_id)
    if after:
        rows = rows.where(sa.tuple_(secret.c.owner, secret.c.name) > (after.owner, after.name))
    found = await tx.run(rows.order_by(secret.c.owner, secret.c.name).limit(size))
    return [SealedSecret(row.owner, row.name, row.value) for row in found]


async def replace(tx: Tx, before: SealedSecret, value: str) -> bool:
    """Replace a sealed value by the same secret under another key. Return False if it has changed meanwhile."""
    same = secret.c.value == before.value
    row = {"value": value, "key_id": sealing_key(value), "changed_at": tx.now}
    return bool((await tx.run(sa.update(secret).where(*_is(before), same).values(**row))).rowcount)


def _is(sealed: SealedSecret) -> tuple[sa.ColumnElement[bool], ...]:
    return secret.c.owner == sealed.owner, secret.c.name == sealed.name
