"""The accounts that have authorised the platform: their states, what is due for them, and what its list lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.store import authorizers, platform_rows, sealed_secrets, tenants
from bot.store.authorizers import EventKind
from bot.store.conditions import among
from bot.store.database import Tx
from bot.store.sealed_secrets import CODE, USED_CODE
from bot.store.tables import tenant
from bot.store.tenants import PLATFORM
from bot.tenant_states import TenantState

LOADED = ("slug", "name", "state")  # what processes load again when it changes
IS_AUTHORIZER = sa.and_(tenant.c.origin == PLATFORM, tenant.c.removed_at.is_(None))


@dataclass(frozen=True, slots=True)
class Authorizer:
    """An account that has authorised the platform, as its row describes it. None: not known, or not now."""

    appid: str
    slug: str
    name: str
    state: TenantState
    kind: str | None = None  # "official" or "mini"
    sets: tuple[int, ...] | None = None  # the permission sets that are granted
    account_status: int | None = None
    event_at: datetime | None = None  # WeChat's time of the newest push about it
    code_until: datetime | None = None
    duty_at: datetime | None = None  # when the duties of the platform have something to do for it
    refused_since: datetime | None = None  # by the calls for it: 61003 or 61023
    code_lost_at: datetime | None = None  # when its code expired or was refused, before an exchange


async def load(tx: Tx, appid: str) -> Authorizer | None:
    """Read one account, and let other processes wait with their changes; None if it has not authorised."""
    found = sa.select(tenant).where(tenant.c.appid == appid, IS_AUTHORIZER).with_for_update()
    row = (await tx.run(found)).mappings().first()
    return _authorizer(row, tx.now) if row else None


async def of_platform(tx: Tx, platform_appid: str) -> dict[str, Authorizer]:
    """Return all accounts of a platform by AppID."""
    rows = await tx.run(sa.select(tenant).where(_ours(platform_appid)))
    return {row["appid"]: _authorizer(row, tx.now) for row in rows.mappings()}


async def claim_due(tx: Tx, platform_appid: str, lease: timedelta, most: int) -> list[Authorizer]:
    """Claim accounts for which something is due. No other process does it before the lease is over."""
    is_due = sa.and_(_ours(platform_appid), tenant.c.duty_at <= tx.now)
    found = sa.select(tenant).where(is_due).order_by(tenant.c.duty_at).limit(most)
    locked = (await tx.run(found.with_for_update(skip_locked=True))).mappings()
    rows = [_authorizer(row, tx.now) for row in locked]
    until = tx.now + lease
    claimed = tenant.c.appid.in_([one.appid for one in rows])
    if rows:
        await tx.run(sa.update(tenant).where(claimed).values(duty_at=until))
    return [replace(one, duty_at=until) for one in rows]


async def end_claim(tx: Tx, claimed: Authorizer, again_at: datetime | None) -> None:
    """Let the account be due again at a moment, or no more, unless a push has come meanwhile."""
    unchanged = tenant.c.duty_at == claimed.duty_at
    await tx.run(sa.update(tenant).where(tenant.c.appid == claimed.appid, unchanged).values(duty_at=again_at))


async def update(tx: Tx, before: Authorizer, **values: Any) -> None:
    """Change columns of an account. Processes load it again if they show one of them."""
    changed = {name: value for name, value in values.items() if value != getattr(before, name, ...)}
    if not changed:
        return
    if any(name in changed for name in LOADED):
        changed["changed_at"] = await tenants.time_of_change(tx)
    await tx.run(sa.update(tenant).where(tenant.c.appid == before.appid).values(**changed))
    if "state" in changed:
        await tenants.pause_polls(tx)


async def note_requester(tx: Tx, appid: str, user_id: str) -> bool:
    """Record who asked for the link of the present authorisation. Return False if that is recorded already."""
    is_first = sa.and_(tenant.c.appid == appid, tenant.c.requested_by.is_(None))
    return (await tx.run(sa.update(tenant).where(is_first).values(requested_by=user_id))).rowcount == 1


async def add(
    tx: Tx, platform_appid: str, new: Mapping[str, TenantState], slug_of: Callable[[str, Collection[str]], str]
) -> frozenset[str]:
    """Add accounts that no push has named, and let them be due. Return their AppIDs.

    One whose tokens have another source stays as it is, and is not among them.

    Args:
        new: their states by AppID.
        slug_of: returns the slug of an AppID, from those that are taken.
    """
    found = (await tx.run(sa.select(tenant).where(tenant.c.appid.in_(new)).with_for_update())).mappings()
    known = {row["appid"]: authorizers.is_gone({**row}) for row in found}
    taken, changed_at = {*await tenants.slugs(tx)}, await tenants.time_of_change(tx)
    rows: list[dict[str, Any]] = []
    for appid, state in new.items():
        if known.get(appid, True):
            slug = slug_of(appid, taken)
            taken.add(slug)
            rows.append({"appid": appid, "slug": slug, "state": state})
    if rows:
        again = [row["appid"] for row in rows if row["appid"] in known]
        await tx.run(sa.delete(tenant).where(tenant.c.appid.in_(again)))
        common = {"name": "", "origin": PLATFORM, "reason": "", "platform_appid": platform_appid}
        times = {"created_at": tx.now, "changed_at": changed_at, "duty_at": tx.now}
        await tx.run(sa.insert(tenant), [{**row, **common, **times} for row in rows])
        await tenants.pause_polls(tx)
    return frozenset(row["appid"] for row in rows)


async def ended(tx: Tx, appids: Collection[str]) -> dict[str, datetime]:
    """Return when authorisations have ended, for those of these accounts that were removed since."""
    removed = sa.and_(
        tenant.c.origin == PLATFORM, tenant.c.removed_at.is_not(None), among(tx, tenant.c.appid, appids)
    )
    rows = (await tx.run(sa.select(tenant).where(removed))).mappings()
    return {row["appid"]: _end(row, tx.now) for row in rows}


def _end(row: sa.RowMapping, now: datetime) -> datetime:
    removed_at: datetime = row["removed_at"]
    event_at = platform_rows.credible(row["event_at"], now) or removed_at
    # Without the push of a withdrawal, the newest one may be that of the authorisation.
    is_withdrawal = EventKind.WITHDRAWN in (row["event_kinds"] or "").split()
    return event_at if is_withdrawal else max(event_at, removed_at)


async def record_list(tx: Tx, platform_appid: str, listed: Collection[str]) -> None:
    """Count, for each account, the complete lists in a row that have lacked it."""
    missed = sa.func.coalesce(tenant.c.missed_lists, 0)
    found = await tx.run(sa.select(tenant.c.appid, missed.label("missed")).where(_ours(platform_appid)))
    after = [(row, 0 if row.appid in listed else row.missed + 1) for row in found]
    changed = [{"of": row.appid, "missed": missed} for row, missed in after if missed != row.missed]
    if changed:
        update = sa.update(tenant).where(tenant.c.appid == sa.bindparam("of"))
        await tx.run(update.values(missed_lists=sa.bindparam("missed")), changed)


async def lacking(tx: Tx, platform_appid: str, lists: int) -> list[str]:
    """Return the AppIDs that may be authorised, but that so many complete lists in a row have lacked."""
    left = tenant.c.state.not_in((TenantState.REVOKED, TenantState.UNEXCHANGED))
    missed = sa.and_(_ours(platform_appid), left, tenant.c.missed_lists >= lists)
    return [*(await tx.run(sa.select(tenant.c.appid).where(missed))).scalars()]


async def list_wanted_since(tx: Tx, platform_appid: str) -> datetime | None:
    """Return when an account was last refused, or lost its code: the list may have a good refresh token of it."""
    states = tenant.c.state.in_((TenantState.DOUBTFUL, TenantState.UNEXCHANGED))
    newest = sa.select(sa.func.max(tenant.c.refused_since), sa.func.max(tenant.c.code_lost_at))
    row = (await tx.run(newest.where(_ours(platform_appid), states))).one()
    return max(filter(None, row), default=None)


async def used_codes(tx: Tx, platform_appid: str) -> dict[str, str]:
    """Return the sealed codes that are exchanged and have not expired, by AppID."""
    unexpired = sa.and_(_ours(platform_appid), tenant.c.code_until > tx.now)
    appids = frozenset((await tx.run(sa.select(tenant.c.appid).where(unexpired))).scalars())
    return {owner: code for owner, code in (await sealed_secrets.of_name(tx, USED_CODE)).items() if owner in appids}


async def delete_expired_codes(tx: Tx) -> None:
    """Delete the authorisation codes that have expired. Of those never exchanged, the list is read soon."""
    found = await tx.run(sa.select(tenant.c.appid).where(tenant.c.code_until <= tx.now))
    for appid in [*found.scalars()]:
        for name in (CODE, USED_CODE):
            await sealed_secrets.delete(tx, appid, name)
        unexchanged = sa.case((tenant.c.state == TenantState.UNEXCHANGED, tx.now), else_=tenant.c.code_lost_at)
        changes = {"code_until": None, "code_lost_at": unexchanged}
        await tx.run(sa.update(tenant).where(tenant.c.appid == appid).values(**changes))


def _ours(platform_appid: str) -> sa.ColumnElement[bool]:
    return sa.and_(IS_AUTHORIZER, tenant.c.platform_appid == platform_appid)


def _authorizer(row: sa.RowMapping, now: datetime) -> Authorizer:
    sets = tuple(row["sets"]) if isinstance(row["sets"], list) else None
    columns = {name: row[name] for name in Authorizer.__dataclass_fields__}
    columns |= {"state": tenants.state_of(row), "event_at": platform_rows.credible(row["event_at"], now)}
    return Authorizer(**columns | {"sets": sets})
