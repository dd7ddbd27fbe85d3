"""The accounts that authorise a third-party platform: rows of `tenant` with the origin "platform".

WeChat's pushes about an account arrive late, twice and in any order. `event_at` is the time of the newest one and
only moves forward; `event_kinds` are those of that second, so that a repeated push changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from bot.store import platform_rows, sealed_secrets, tenants, token_leases
from bot.store.database import Tx
from bot.store.sealed_secrets import CODE, SealedSecret
from bot.store.tables import tenant
from bot.store.tenants import PLATFORM, PauseReason
from bot.tenant_states import TenantState

SHOWN = ("slug", "origin", "state", "reason", "platform_appid", "removed_at")  # processes load these


class EventKind(StrEnum):
    """What a push says of an account, in WeChat's words."""

    AUTHORIZED = "authorized"
    UPDATED = "updateauthorized"
    WITHDRAWN = "unauthorized"


@dataclass(frozen=True, slots=True)
class AuthorizationEvent:
    """A push about an account."""

    kind: EventKind
    appid: str
    created_at: datetime
    code: str = field(default="", repr=False)  # sealed; "" without one
    code_until: datetime | None = None


async def note_event(
    tx: Tx, event: AuthorizationEvent, platform_appid: str, slug_of: Callable[[Collection[str]], str]
) -> bool:
    """Record what a push says of an account. Return False if that changes nothing.

    The account of a withdrawal has no secrets and no tokens from then on, and its pause by a person ends.

    Args:
        slug_of: returns the slug of a new account, from those that are taken.
    """
    await tenants.lock(tx)
    found = await tx.run(sa.select(tenant).where(tenant.c.appid == event.appid).with_for_update())
    row: dict[str, Any] = dict(found.mappings().first() or {})
    values = _changes(row, event, platform_appid, tx.now)
    if not values:
        return False
    if not row or values.get("origin") or (row["removed_at"] and "removed_at" in values):
        values["slug"] = slug_of(await tenants.slugs(tx, without=event.appid))
    is_shown = any(name in values and values[name] != row.get(name) for name in SHOWN)
    if is_shown:
        values["changed_at"] = await tenants.time_of_change(tx)
    if row:
        await tx.run(sa.update(tenant).where(tenant.c.appid == event.appid).values(**values))
    else:
        await tx.run(sa.insert(tenant).values(appid=event.appid, created_at=tx.now, **values))
    if values.get("state") is TenantState.REVOKED:
        await token_leases.clear(tx, event.appid)  # before the secrets, as in a renewal: they could deadlock
        await sealed_secrets.delete_of(tx, event.appid)
    if event.code and "duty_at" in values:
        await sealed_secrets.put(tx, SealedSecret(event.appid, CODE, event.code))
    if is_shown:
        await tenants.pause_polls(tx)
    return True


def _changes(
    row: Mapping[str, Any], event: AuthorizationEvent, platform_appid: str, now: datetime
) -> dict[str, Any]:
    """Return the columns that a push changes in the row of its account, which may be empty.

    Two different pushes of one second leave open which is the last: WeChat is asked, as after an authorisation.
    """
    is_known, is_withdrawal = row.get("origin") == PLATFORM, event.kind is EventKind.WITHDRAWN
    if row and not is_known and not is_gone(row):
        return {}  # an AppSecret or a token service supplies its tokens
    if is_known and is_withdrawal and row["platform_appid"] != platform_appid:
        return {}  # it has authorised the platform of earlier settings
    newest = platform_rows.credible(row.get("event_at"), now)
    kinds = {*(row["event_kinds"] or "").split()} if newest == event.created_at else set[str]()
    if event.kind in kinds or (newest and event.created_at < newest):
        return {}
    values: dict[str, Any] = {
        "event_at": event.created_at,
        "event_kinds": " ".join(sorted({*kinds, event.kind})),
        "platform_appid": platform_appid,
    }
    if not is_known:
        own = dict.fromkeys(("source", "channel", "mention", "policy", "viewers", "labels"))
        values |= own | {"origin": PLATFORM, "state": TenantState.UNEXCHANGED, "reason": "", "removed_at": None}
    if is_withdrawal and not kinds:
        values |= {"state": TenantState.REVOKED, "reason": "", "code_until": None}
        # The channel of a known account is to be informed. The row of another is not shown: it is there for the
        # pushes that are older.
        return values | ({"duty_at": now} if is_known else {"duty_at": None, "removed_at": now})
    is_removed = is_known and row["reason"] == PauseReason.REMOVED
    if is_removed and event.kind is EventKind.UPDATED:
        return values  # only its owner's next authorisation brings it back
    values["duty_at"] = now
    if not is_withdrawal:
        values |= {"code_until": event.code_until, "refused_since": None, "removed_at": None}
        if is_removed or row.get("state") == TenantState.REVOKED:
            values |= {"state": TenantState.UNEXCHANGED, "reason": ""}
    return values


def is_gone(row: Mapping[str, Any]) -> bool:
    """Return whether an account of another origin is no longer defined there."""
    return row["removed_at"] is not None or row["reason"] == PauseReason.GONE
