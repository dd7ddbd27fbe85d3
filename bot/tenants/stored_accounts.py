"""Accounts of commands and of the platform: rows of the store, which mean the same as tables of a file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.sealing import DamagedSecretError, StoreKeys, UnknownKeyError
from bot.settings.reader import InvalidSetting
from bot.settings.values import Settings
from bot.store import sealed_secrets
from bot.store import tenants as tenant_rows
from bot.store.database import FaultKind, StoreError, Tx, classify
from bot.store.inspection import is_absent, read_only_stores
from bot.store.sealed_secrets import APPSECRET
from bot.store.tenants import StoredTenant
from bot.tenants.installation import PAUSED
from bot.tenants.table_keys import ACCOUNT, Source, read_table

KEYS = {key: parse for key, parse in ACCOUNT.items() if key != "secret"}
READ_SECONDS = 5.0
AGAIN = "`python -m bot accounts set HANDLE --secret -`"
PUT_BACK = f"Put it into STORE_KEYS of every process, or enter these AppSecrets again: {AGAIN}."
RESTORE = f"Restore the table `secret` from a backup, or enter them again: {AGAIN}."
ENTER = f"Enter it: {AGAIN}."
WITHOUT_SERVICE = f"Set it for every process, or enter an AppSecret: {AGAIN}."
ANOTHER_PLATFORM = "Set PLATFORM_APPID to that one again, or let the owner authorise the present one."
NOT_READ = "The accounts in the store cannot be read now ({}): look at DATABASE_URL."


@dataclass(frozen=True, slots=True)
class StoredAccounts:
    """The rows at one moment."""

    rows: tuple[StoredTenant, ...] = ()
    sealed: Mapping[str, str] = field(default_factory=dict, repr=False)  # AppSecrets by AppID
    changed_at: datetime | None = None  # the last change, which no other one shares
    problem: str = ""  # why they could not be read, in the words of the database


NO_ACCOUNTS = StoredAccounts()


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """A row with its parsed values, by the keys of a file, and its AppSecret."""

    values: Mapping[str, Any]
    secret: str = field(default="", repr=False)  # "" if its tokens come from a token service
    why_paused: str = ""  # a sentence without its full stop; "" if it can be watched
    remedy: str = ""  # a sentence; "" where `accounts set` corrects it


async def read_from(url: str, within: float = READ_SECONDS) -> StoredAccounts:
    """Read the accounts of a database without changing it: one that is not up to date yet has none."""
    if is_absent(url):
        return NO_ACCOUNTS
    try:
        async with asyncio.timeout(within), read_only_stores(url) as store_of, store_of("", "").begin() as tx:
            return await read(tx)
    except (*StoreError, TimeoutError) as exc:
        fault = classify(exc)
        if fault and fault.kind is FaultKind.SCHEMA:
            return NO_ACCOUNTS
        words = f"{fault.kind}: {fault.words}" if fault else type(exc).__name__
        return StoredAccounts(problem=words)


async def read(tx: Tx) -> StoredAccounts:
    """Read the accounts that only the store defines, with their sealed AppSecrets."""
    changed_at = await tenant_rows.last_change(tx)
    rows = tuple(row for row in await tenant_rows.load(tx) if row.origin in tenant_rows.STORED)
    return StoredAccounts(rows, await sealed_secrets.of_name(tx, APPSECRET), changed_at)


def open_account(row: StoredTenant, stored: StoredAccounts, keys: StoreKeys, settings: Settings) -> OpenedAccount:
    """Parse a row and open its AppSecret. A row that cannot be used has the reason in it, and loses nothing."""
    values, problems = parse_row(row)
    if not row.is_watched:
        return OpenedAccount(values, why_paused=PAUSED)
    if problems:
        return OpenedAccount(values, why_paused=str(problems[0]))
    if row.origin == tenant_rows.PLATFORM:
        if row.platform_appid == settings.platform_appid:
            return OpenedAccount(values)
        why = f"PLATFORM_APPID is not {row.platform_appid}"
        return OpenedAccount(values, why_paused=why, remedy=ANOTHER_PLATFORM)
    if values.get("source") is Source.SERVICE:
        if settings.token_service_url:
            return OpenedAccount(values)
        return OpenedAccount(values, why_paused="TOKEN_SERVICE_URL is not set", remedy=WITHOUT_SERVICE)
    try:
        return OpenedAccount(values, _secret(row.appid, stored, keys))
    except ValueError as exc:
        why, remedy = exc.args
        return OpenedAccount(values, why_paused=why, remedy=remedy)


def parse_row(row: StoredTenant) -> tuple[dict[str, Any], tuple[InvalidSetting, ...]]:
    """Return the values of a row by the keys of a file, None for a malformed one, with all problems."""
    name = {"name": row.name} if row.name else {}
    return read_table({"appid": row.appid, "handle": row.slug, **name, **row.own}, KEYS)


def _secret(appid: str, stored: StoredAccounts, keys: StoreKeys) -> str:
    """Open the AppSecret of an account.

    Raises:
        ValueError: why it cannot be opened, and the remedy.
    """
    if appid not in stored.sealed:
        raise ValueError("its AppSecret is not stored", ENTER)
    try:
        return keys.open(appid, APPSECRET, stored.sealed[appid])
    except UnknownKeyError as exc:
        raise ValueError(f"STORE_KEYS lacks the key {exc.key_id} of its AppSecret", PUT_BACK) from None
    except DamagedSecretError as exc:
        raise ValueError(str(exc), RESTORE) from None
