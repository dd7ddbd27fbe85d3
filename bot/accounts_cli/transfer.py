"""Write the accounts of the store as a file of accounts, and add or change those of such a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from bot.accounts_cli.changing import SOON, WITHOUT_KEYS, Present, needed, opened
from bot.accounts_cli.terminal import failed
from bot.settings.reader import InvalidSetting
from bot.store.account_changes import COMMAND_LINE, ChangeKind
from bot.store.tenants import PLATFORM, StoredTenant
from bot.tenants import accounts_file, changes, secret_references
from bot.tenants.accounts_file import AccountEntry
from bot.tenants.installation import Installation, is_changeable
from bot.tenants.loading import ReadFile
from bot.tenants.table_keys import Source
from bot.tenants.tenant import default_slug
from bot.text import many

SYNC = "If its owner has authorised the platform, run `python -m bot platform sync` first."
IMPORT_SECONDS = 30.0  # 10,000 accounts take five, in which other changes of accounts wait
KEPT_ELSEWHERE = "is an account of the file or the environment: it is changed there"


def export(present: Present) -> int:
    """Print the accounts of the store, those that are paused too. Return the exit status."""
    rows = present.stored.rows
    print("\n".join([f"# {many(len(rows), 'account')} of the store, without the AppSecrets", *map(_toml, rows)]))
    return 0


async def load_file(present: Present, path: str, environ: Mapping[str, str], read_file: ReadFile) -> int:
    """Add or change all accounts of a file, or none if it has a mistake. Return the exit status.

    An account without `secret` keeps the AppSecret that is stored. WeChat is not asked.
    """
    try:
        text = read_file(path)
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        return failed(f"{path} cannot be read: {why}.", 2)
    file = accounts_file.parse(text, PurePath(path).name)
    problems = list(file.problems)
    rows: list[tuple[StoredTenant, str]] = []
    others = _without(present.installation, {entry.appid for entry in file.entries})
    slugs = {one.slug for one in others.all} | {entry.slug for entry in file.entries}
    before = {row.appid: row for row in present.stored.rows}
    defined = {one.appid for one in present.installation.all if not is_changeable(one)}
    for entry in file.entries if not problems else ():
        slug = entry.slug or default_slug(entry.appid, slugs)
        slugs.add(slug)
        stored = before.get(entry.appid)
        authorised = stored if stored and stored.origin == PLATFORM else None
        row, found = _row(entry, authorised, slug, others)
        try:
            secret = _secret(present, entry, authorised, environ, read_file)
        except ValueError as exc:
            secret, found = "", (*found, InvalidSetting("secret", *map(str, exc.args[:2])))
        if row.appid in defined:
            found = (*found, InvalidSetting("appid", KEPT_ELSEWHERE))
        found = (*found, *needed(present, row, seals=False))
        problems += [entry.problem(one.name, one.why, one.remedy) for one in found]
        # One that a person has paused stays so.
        rows.append((replace(row, state=stored.state, reason=stored.reason) if stored else row, secret))
    if problems:
        return failed("\n".join(map(str, problems)), 2)
    async with opened(present, seconds=IMPORT_SECONDS) as tx:
        await changes.store(tx, ChangeKind.IMPORT, rows, present.settings, COMMAND_LINE)
    print(f"{many(len(rows), 'account')} stored. {SOON}")
    return 0


def _row(
    entry: AccountEntry, authorised: StoredTenant | None, slug: str, others: Installation
) -> tuple[StoredTenant, tuple[InvalidSetting, ...]]:
    """Return the row of an account of the file. One of the platform stays that, with the settings of the file."""
    table = {**entry.table, "handle": slug}
    if authorised:
        return changes.changed_row(authorised, table, others)
    return changes.new_row({"source": Source.SECRET, **table}, others)


def _secret(
    present: Present,
    entry: AccountEntry,
    authorised: StoredTenant | None,
    environ: Mapping[str, str],
    read_file: ReadFile,
) -> str:
    """Return the AppSecret of an account; "" if it needs none, or keeps the one that is stored."""
    if authorised:
        if entry.own.get("secret") or entry.values.get("source") is Source.SERVICE:
            raise ValueError("and source are not for this account: its owner has authorised the platform")
        return ""
    if entry.values.get("source") is Source.SERVICE:
        return ""
    reference = entry.own.get("secret")
    if not reference:
        if entry.appid in present.stored.sealed:
            return ""
        remedy = f"Write {secret_references.FORMS}."
        raise ValueError("is missing", f"{remedy} {SYNC}" if present.settings.has_platform else remedy)
    if not present.settings.store_keys:
        raise ValueError("cannot be stored", WITHOUT_KEYS)
    return secret_references.resolve(reference, environ, read_file)


def _without(installation: Installation, appids: set[str]) -> Installation:
    """Return the installation without the accounts that a file changes."""
    watched = [one for one in installation.watched if one.appid not in appids or not is_changeable(one)]
    return Installation(watched, [one for one in installation.paused if one.tenant.appid not in appids])


def _toml(row: StoredTenant) -> str:
    values: dict[str, Any] = {"handle": row.slug, "appid": row.appid, **({"name": row.name} if row.name else {})}
    lines = [f"{key} = {_value(value)}" for key, value in {**values, **row.own}.items()]
    return "\n".join(["", "[[account]]", *lines])


def _value(value: Any) -> str:
    """Write a value in TOML, whose texts are those of JSON; the rows hold no control characters."""
    return json.dumps(value, ensure_ascii=False)
