"""Changes of accounts in the store: whether one is possible, and the rows that it writes.

Both the command line and Slack change accounts by these functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from bot.sealing import StoreKeys
from bot.settings.reader import InvalidSetting
from bot.settings.values import Settings
from bot.store import account_changes, sealed_secrets
from bot.store import tenants as tenant_rows
from bot.store.account_changes import Actor, ChangeKind
from bot.store.database import Tx
from bot.store.sealed_secrets import APPSECRET, SealedSecret
from bot.store.tenants import COMMAND, StoredTenant
from bot.tenants.installation import Installation, find, is_changeable
from bot.tenants.stored_accounts import parse_row
from bot.tenants.table_keys import EMPTY, Source
from bot.tenants.tenant import Tenant, TenantOrigin, default_slug

IDENTITY = ("appid", "handle", "name")  # keys of a table that are columns of their own


class ChangeRefusal(StrEnum):
    """Why an account cannot be changed. The values are the ends of sentences that begin with its handle."""

    DEFINED = "is not in the store: it is changed where it is defined"
    EXISTS = "is there already"
    AUTHORIZED = "is here by an authorisation that only its owner can withdraw: pause it instead"
    LAST = "is the only account that is watched: add another one first, or stop the bot"
    PAUSED = "is paused already"
    NOT_PAUSED = "was not paused"
    NOT_POLLED = "is not polled in its present state, which `accounts list` shows: a pause would hide that"


def new_row(table: Mapping[str, Any], taken: Installation) -> tuple[StoredTenant, tuple[InvalidSetting, ...]]:
    """Return the row of a new account from the values of its table, with all problems.

    Args:
        table: by the keys of a file, as written. Without a handle the account gets one.
    """
    appid = str(table.get("appid", ""))
    others = {one.slug: one.appid for one in taken.all}
    handle = str(table.get("handle", "")) or default_slug(appid, others)
    name = str(table.get("name", ""))
    return checked(StoredTenant(appid, handle, name, COMMAND, own=_own(table)), taken)


def changed_row(
    row: StoredTenant, table: Mapping[str, Any], taken: Installation
) -> tuple[StoredTenant, tuple[InvalidSetting, ...]]:
    """Return a row with other values in place, with all problems.

    An empty text removes a value; for a key such as `mention`, it means that the account has none.
    """
    own = {**row.own, **_own(table)}
    kept = {key: value for key, value in own.items() if value != "" or key in EMPTY}
    name = str(table.get("name", row.name))
    handle = str(table.get("handle", row.slug))
    return checked(replace(row, slug=handle, name=name, own=kept), taken)


def checked(row: StoredTenant, taken: Installation) -> tuple[StoredTenant, tuple[InvalidSetting, ...]]:
    """Return a row with its normalised handle and name, and with all problems."""
    values, found = parse_row(row)
    problems = list(found)
    slug = values.get("handle") or row.slug
    if any(one.slug == slug and one.appid != row.appid for one in taken.all):
        problems.append(InvalidSetting("handle", f"@{slug} is another account's"))
    labels = {"labels": [*values["labels"]]} if values.get("labels") else {}  # without hidden characters
    own = {**row.own, **labels}
    return replace(row, slug=slug, name=values.get("name") or "", own=own), tuple(problems)


def why_not_add(appid: str, installation: Installation) -> ChangeRefusal | None:
    """Return why an account cannot be added; None if it can."""
    return ChangeRefusal.EXISTS if find(installation.all, appid) else None


def why_not(kind: ChangeKind, tenant: Tenant, installation: Installation) -> ChangeRefusal | None:
    """Return why an account cannot be changed in this way; None if it can."""
    if not is_changeable(tenant):
        return ChangeRefusal.DEFINED
    if kind is ChangeKind.REMOVE and tenant.origin is TenantOrigin.PLATFORM:
        return ChangeRefusal.AUTHORIZED
    is_paused = installation.is_paused(tenant)
    if kind in (ChangeKind.PAUSE, ChangeKind.REMOVE) and installation.is_last(tenant):
        return ChangeRefusal.LAST
    if kind is ChangeKind.PAUSE and is_paused:
        return ChangeRefusal.PAUSED
    if kind is ChangeKind.PAUSE and not tenant.state.is_polled:
        return ChangeRefusal.NOT_POLLED  # the end of the pause would make it active
    return ChangeRefusal.NOT_PAUSED if kind is ChangeKind.RESUME and not is_paused else None


async def store(
    tx: Tx, kind: ChangeKind, rows: Sequence[tuple[StoredTenant, str]], settings: Settings, actor: Actor
) -> None:
    """Store accounts that were added or changed, each with its AppSecret if there is a new one.

    Args:
        rows: with AppSecrets, which need STORE_KEYS; "" keeps the one before, unless the tokens come from a service
            now.
    """
    stored = sorted((row for row, _ in rows), key=lambda row: row.appid)  # the order in which rows are locked
    if of_service := [row.appid for row in stored if row.own.get("source") == Source.SERVICE]:
        await sealed_secrets.delete_of(tx, *of_service)
    if with_secret := sorted((row.appid, secret) for row, secret in rows if secret):
        seal = StoreKeys(settings.store_keys).seal
        sealed = [SealedSecret(appid, APPSECRET, seal(appid, APPSECRET, secret)) for appid, secret in with_secret]
        await sealed_secrets.put(tx, *sealed)
    await tenant_rows.save(tx, *stored)
    details = {
        row.appid: {"handle": row.slug, **({"name": row.name} if row.name else {}), **row.own} for row in stored
    }
    await account_changes.record(tx, kind, details, actor)


async def switch(tx: Tx, kind: ChangeKind, tenant: Tenant, actor: Actor) -> None:
    """Pause, resume or remove an account."""
    change = {
        ChangeKind.PAUSE: tenant_rows.pause,
        ChangeKind.RESUME: tenant_rows.resume,
        ChangeKind.REMOVE: tenant_rows.remove,
    }[kind]
    await change(tx, tenant.appid)
    await account_changes.record(tx, kind, {tenant.appid: {"handle": tenant.slug}}, actor)


def _own(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in IDENTITY}
