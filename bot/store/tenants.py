"""The Official Accounts of the installation. Their settings are not stored, and neither are secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from bot.store.database import Tx, insert_new
from bot.store.tables import tenant


class TenantState(StrEnum):
    """Whether an account is watched."""

    ACTIVE = "active"
    PAUSED = "paused"  # it is no longer in the file or the environment; its rows stay


@dataclass(frozen=True, slots=True)
class StoredTenant:
    """An Official Account as it is stored."""

    appid: str
    slug: str
    name: str
    origin: str
    state: TenantState = TenantState.ACTIVE


async def record(tx: Tx, tenants: Sequence[StoredTenant]) -> None:
    """Store the accounts that the process has loaded, and pause those that are no longer among them."""
    known = {one.appid: one for one in await load(tx)}
    for one in tenants:
        values = {
            "slug": one.slug,
            "name": one.name,
            "origin": one.origin,
            "state": one.state,
            "changed_at": tx.now,
        }
        if one.appid not in known:
            await tx.run(insert_new(tx, tenant).values(appid=one.appid, created_at=tx.now, **values))
        elif known[one.appid] != one:
            await tx.run(sa.update(tenant).where(tenant.c.appid == one.appid).values(**values))
    gone = sa.and_(tenant.c.appid.not_in([one.appid for one in tenants]), tenant.c.state == TenantState.ACTIVE)
    await tx.run(sa.update(tenant).where(gone).values(state=TenantState.PAUSED, changed_at=tx.now))


async def load(tx: Tx) -> list[StoredTenant]:
    """Return all accounts that this installation has or had, by AppID."""
    columns = (tenant.c.appid, tenant.c.slug, tenant.c.name, tenant.c.origin, tenant.c.state)
    rows = await tx.run(sa.select(*columns).order_by(tenant.c.appid))
    return [StoredTenant(row.appid, row.slug, row.name, row.origin, _state(row.state)) for row in rows]


def _state(word: str) -> TenantState:
    """Read a state. One of a newer release is not watched here."""
    try:
        return TenantState(word)
    except ValueError:
        return TenantState.PAUSED
