"""Add, change, pause, resume and remove accounts of the store, and ask running processes to read the file again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from bot import hosting
from bot.accounts_cli.arguments import SETTINGS
from bot.accounts_cli.terminal import confirms, failed, is_repeated, read_secret
from bot.fleet import build_fleet
from bot.settings import parsers
from bot.settings.reader import InvalidSetting
from bot.settings.values import Settings
from bot.store import incident_rows, processes
from bot.store import tenants as tenant_rows
from bot.store.account_changes import COMMAND_LINE, ChangeKind
from bot.store.database import TRANSACTION_SECONDS, Store, Tx
from bot.store.inspection import is_absent, read_only_stores
from bot.store.store_errors import StoreError
from bot.store.tenants import StoredTenant
from bot.tenants import changes
from bot.tenants.accounts_file import AccountsFile
from bot.tenants.installation import Installation
from bot.tenants.loading import NO_CHANNEL, OwnSettings, tenant_of_row
from bot.tenants.stored_accounts import OpenedAccount, StoredAccounts, parse_row
from bot.tenants.table_keys import Source
from bot.tenants.tenant import Tenant, TenantOrigin
from bot.text import many
from wechat_kf import APIError, KfError

WITHOUT_KEYS = (
    "STORE_KEYS is not set, so no AppSecret can be stored. `python -m bot keys new` prints a key: set it for every "
    "process, and keep a copy apart from the database."
)
WITHOUT_ALERTS = "ALERTS is off: there is no store to keep accounts in."
SOON = "Running processes take it over within seconds."
ADDRESS_ERRORS = (40164, *range(89501, 89508))


@dataclass(frozen=True, slots=True)
class Present:
    """The installation as a command finds it."""

    settings: Settings
    installation: Installation
    stored: StoredAccounts
    file: AccountsFile

    def row(self, tenant: Tenant) -> StoredTenant:
        return next(row for row in self.stored.rows if row.appid == tenant.appid)

    def tenant_of(self, row: StoredTenant, secret: str = "") -> Tenant:
        return tenant_of_row(OwnSettings(self.settings), self.file, row, OpenedAccount(parse_row(row)[0], secret))


class ChangedMeanwhileError(Exception):
    """Another command has changed accounts since this one has read them."""


async def add(present: Present, given: argparse.Namespace) -> int:
    """Add an account, after WeChat has given a token for it. Return the exit status."""
    if refusal := changes.why_not_add(given.appid, present.installation):
        return failed(f"{given.appid} {refusal}. `accounts set` changes it.", 2)
    table = {"appid": given.appid, "source": given.source} | _settings(given)
    row, problems = changes.new_row(table, present.installation)
    if not problems:
        problems = tuple(needed(present, row))
    if problems:
        return _named(problems)
    secret = ""
    if given.source == Source.SECRET:
        if addresses := await _known_addresses(present.settings):
            print(f"The API IP allow-list of {row.appid} must hold {', '.join(addresses)}.", file=sys.stderr)
        secret = read_secret(row.appid)
    return await _store(present, ChangeKind.ADD, row, secret, reads=True)


async def change(present: Present, tenant: Tenant, given: argparse.Namespace) -> int:
    """Change the settings of an account, or its AppSecret. Return the exit status."""
    if refusal := changes.why_not(ChangeKind.SET, tenant, present.installation):
        return _refused(tenant, refusal, present.settings)
    table = _settings(given)
    if given.secret and tenant.origin is TenantOrigin.PLATFORM:
        return failed(f"@{tenant.slug} needs no AppSecret: its owner has authorised the platform.", 2)
    if given.secret:
        table["source"] = Source.SECRET
    if not table:
        return failed("Nothing to change: `python -m bot accounts set --help` lists the settings.", 2)
    row, problems = changes.changed_row(present.row(tenant), table, present.installation)
    if not problems:
        problems = tuple(needed(present, row, seals=bool(given.secret)))
    if problems:
        return _named(problems)
    secret = read_secret(row.appid) if given.secret else ""
    return await _store(present, ChangeKind.SET, row, secret, reads=bool(given.secret))


async def switch(present: Present, kind: ChangeKind, tenant: Tenant, *, is_sure: bool = True) -> int:
    """Pause, resume or remove an account. Return the exit status."""
    if refusal := changes.why_not(kind, tenant, present.installation):
        why = next((one.why for one in present.installation.paused if one.tenant == tenant), "")
        if refusal is changes.ChangeRefusal.NOT_PAUSED and why:
            return failed(f"@{tenant.slug} {refusal}. It is not watched, because {why}.", 2)
        return _refused(tenant, refusal, present.settings)
    question = f"{tenant.title} ({tenant.appid}): its AppSecret is deleted at once, its history in 90 days."
    if not is_sure and not confirms(question, tenant.slug):
        return failed("Nothing was changed.")
    async with opened(present) as tx:
        await changes.switch(tx, kind, tenant, COMMAND_LINE)
    done = {ChangeKind.PAUSE: "paused", ChangeKind.RESUME: "resumed", ChangeKind.REMOVE: "removed"}[kind]
    print(f"@{tenant.slug} is {done}. {SOON}")
    return 0


async def reload(present: Present) -> int:
    """Ask the running processes to read the file of accounts again. Return the exit status."""
    async with opened(present) as tx:
        number = await processes.request_reload(tx)
    if not number:
        return failed("No process runs on this database.")
    print(f"{many(number, 'process', 'processes')} will read the accounts again within seconds.")
    return 0


@asynccontextmanager
async def opened(present: Present, seconds: float = TRANSACTION_SECONDS) -> AsyncIterator[Tx]:
    """Open a transaction of so many seconds on the accounts of the store, whose tables are brought up to date.

    Raises:
        ChangedMeanwhileError: they are not those that the command has read.
    """
    store = Store.from_url(present.settings.database_url, "", seconds=seconds)
    try:
        await store.open()
        async with store.begin() as tx:
            await tenant_rows.lock(tx)
            if await tenant_rows.last_change(tx) != present.stored.changed_at:
                raise ChangedMeanwhileError("The accounts have just been changed by another command: try again.")
            yield tx
    finally:
        await store.close()


async def _known_addresses(settings: Settings) -> list[str]:
    """Return the addresses that WeChat has refused before, as far as the store can be read."""
    if is_absent(settings.database_url):
        return []
    with suppress(*StoreError):
        async with read_only_stores(settings.database_url) as store_of, store_of("", "").begin() as tx:
            return await incident_rows.refused_addresses(tx)
    return []


def _settings(given: argparse.Namespace) -> dict[str, str]:
    found = {key: getattr(given, key) for key in ("handle", *SETTINGS)}
    return {key: value for key, value in found.items() if value is not None}


def needed(present: Present, row: StoredTenant, *, seals: bool = True) -> list[InvalidSetting]:
    """Return what a valid account still lacks."""
    settings, tenant = present.settings, present.tenant_of(row)
    problems = []
    if row.own.get("source") == Source.SERVICE:
        if not settings.token_service_url:
            problems.append(InvalidSetting("source", 'is "service", but TOKEN_SERVICE_URL is not set'))
    elif seals and not settings.store_keys:
        problems.append(InvalidSetting("secret", "cannot be stored", WITHOUT_KEYS))
    if not tenant.settings.slack_alert_channel:
        problems.append(InvalidSetting("channel", f"is missing: {NO_CHANNEL}", "Add --channel C…."))
    return problems


async def _store(present: Present, kind: ChangeKind, row: StoredTenant, secret: str, *, reads: bool) -> int:
    """Store an account. Nothing is stored unless WeChat gives a token for a new AppSecret, or the service does."""
    tenant = present.tenant_of(row, secret)
    if reads:
        if not secret and row.own.get("source") != Source.SERVICE:
            return failed("No AppSecret was entered.", 2)
        try:
            parsers.word(secret)
        except ValueError as exc:
            return failed(f"The AppSecret {exc}.", 2)
        if why := await _why_no_token(present.settings, tenant):
            return failed(f"{why}\nNothing was stored.")
    async with opened(present) as tx:
        await changes.store(tx, kind, [(row, secret)], present.settings, COMMAND_LINE)
    done = "added" if kind is ChangeKind.ADD else "changed"
    print(f"@{row.slug} is {done}: {row.appid}, alerts in {tenant.settings.slack_alert_channel}. {SOON}")
    return 0


async def _why_no_token(settings: Settings, tenant: Tenant) -> str:
    """Request a token. Return why there is none; "" if there is one.

    On a terminal, an address that WeChat refuses can be allowed first, and then it is requested again.
    """
    quiet = replace(settings, alerts=False, heartbeat_url="")
    while True:
        async with build_fleet(quiet, [replace(tenant, settings=replace(tenant.settings, alerts=False))]) as fleet:
            try:
                await fleet.first.tokens.get()
            except KfError as exc:
                why = _explained(exc, settings, tenant)
                refuses_address = isinstance(exc, APIError) and exc.errcode in ADDRESS_ERRORS
                if not (refuses_address and is_repeated(why)):
                    return why
            else:
                return ""


def _explained(error: KfError, settings: Settings, tenant: Tenant) -> str:
    if not isinstance(error, APIError):
        return f"There is no token for {tenant.appid}: {error}."
    if error.errcode not in ADDRESS_ERRORS:
        return f"WeChat gives no token for {tenant.appid}: {error}. {error.advice}"
    host = settings.hosted_by_without_proxy
    first = f" {hosting.advice(host)}" if host else ""
    both = " A proxy add-on uses either of two addresses: add both." if settings.wechat_proxy_url else ""
    address = error.address or "of this server"
    return f"WeChat refuses the address {address} for {tenant.appid}.{first} {error.advice}{both}"


def _refused(tenant: Tenant, refusal: changes.ChangeRefusal, settings: Settings) -> int:
    if refusal is changes.ChangeRefusal.DEFINED:
        where = "the settings WECHAT_APPID and SLACK_ALERT_CHANNEL"
        if tenant.origin is TenantOrigin.FILE:
            where = settings.accounts_file or "KF_ACCOUNTS"
        return failed(f"@{tenant.slug} is kept in {where}: change it there.", 2)
    return failed(f"@{tenant.slug} {refusal}.", 2)


def _named(problems: Sequence[InvalidSetting]) -> int:
    return failed("\n".join(map(str, problems)), 2)
