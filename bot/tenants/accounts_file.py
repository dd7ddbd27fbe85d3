"""Read a file of accounts: TOML with `[defaults]`, an `[[account]]` each, and a `[[route]]` by label. Pure.

`loading` resolves the secrets, and combines the accounts with that of the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bot.settings.reader import InvalidSetting
from bot.tenants.table_keys import ACCOUNT, DEFAULTS, ROUTE, Source, read_table, shown, unknown
from bot.tenants.toml_text import MalformedToml, TomlText

HEADERS = {"defaults": "[defaults]", "account": "[[account]]", "route": "[[route]]"}
MISSING = "is missing"
SHOWN_APPID = re.compile(r"wx[A-Za-z0-9]{1,18}")  # shorter than an AppSecret, which no error quotes

Routes = Sequence[tuple[str | None, str | None]]  # labels and channels


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One `[[account]]`: parsed values by key, None for a malformed one."""

    place: str  # what errors call it: `accounts.toml, line 12 (@harbour)`
    own: Mapping[str, Any]
    values: Mapping[str, Any]  # `own`, and for other keys the channel of a route and `[defaults]`
    table: Mapping[str, Any]  # `values` as they are written, without a reference to a secret

    @property
    def appid(self) -> str:
        return self.own.get("appid") or ""

    @property
    def slug(self) -> str:
        """Return the handle; "" without one."""
        return self.own.get("handle") or ""

    def problem(self, key: str, why: str, remedy: str = "") -> InvalidSetting:
        return InvalidSetting(f"{self.place}: {key}", why, remedy)


class AccountsFile(NamedTuple):
    """The accounts of a file in their order, with all its problems, and what holds for accounts elsewhere."""

    entries: tuple[AccountEntry, ...] = ()
    problems: tuple[InvalidSetting, ...] = ()
    defaults: Mapping[str, Any] = {}
    routes: Routes = ()

    def complete(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of an account, and for keys that it lacks the channel of a route and `[defaults]`."""
        return _completed(own, self.defaults, self.routes)


def parse(text: str, source: str, *, needs_account: bool = True) -> AccountsFile:
    """Read a file.

    Args:
        source: what errors call the text.
        needs_account: whether `[defaults]` or a `[[route]]` alone is a mistake.
    """
    toml = TomlText(text, source)
    try:
        data = toml.load()
    except MalformedToml as exc:
        return AccountsFile(problems=(exc.problem,))
    defaults, found = read_table(_table(data, "defaults"), DEFAULTS)
    in_defaults = _at(toml.place("defaults"), found) if found else []  # the search takes time in a long file
    routes, in_routes = _routes(_tables(data, "route"), toml)
    entries, in_accounts = _entries(data, toml, defaults, routes)
    lacking = _lacking(data, toml) if needs_account or not (defaults or routes) else ()
    problems = (*_misplaced(data, toml), *lacking, *in_defaults, *in_routes, *in_accounts)
    return AccountsFile(entries, problems, defaults, routes)


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    return data[key] if isinstance(data.get(key), dict) else {}


def _tables(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = data.get(key)
    return found if isinstance(found, list) and all(isinstance(one, dict) for one in found) else []


def _misplaced(data: Mapping[str, Any], toml: TomlText) -> Iterator[InvalidSetting]:
    """Yield the problems of a text outside its tables."""
    for key, value in data.items():
        if key in HEADERS:
            if value is not (_table(data, key) if key == "defaults" else _tables(data, key)):
                yield InvalidSetting(f"{toml.place(key)}:", f"the header must be {HEADERS[key]}")
        elif key in ACCOUNT:
            yield InvalidSetting(f"{toml.place(key)}: {key}", "must be below [[account]] or [defaults]")
        else:
            yield InvalidSetting(f"{toml.place(key)}: {shown(key)}", unknown(key, HEADERS))


def _lacking(data: Mapping[str, Any], toml: TomlText) -> Iterator[InvalidSetting]:
    if not data.get("account"):
        yield InvalidSetting(toml.source, "has no account", "Each begins with [[account]], and has an appid.")


def _routes(tables: Sequence[Mapping[str, Any]], toml: TomlText) -> tuple[Routes, list[InvalidSetting]]:
    routes: list[tuple[str | None, str | None]] = []
    problems: list[InvalidSetting] = []
    for table, place in zip(tables, toml.places("route", len(tables)), strict=True):
        values, found = read_table(table, ROUTE)
        missing = (InvalidSetting(key, MISSING) for key in ROUTE if key not in values)
        problems += _at(place, (*found, *missing))
        routes.append((values.get("label"), values.get("channel")))
    return routes, problems


def _entries(
    data: Mapping[str, Any], toml: TomlText, defaults: Mapping[str, Any], routes: Routes
) -> tuple[tuple[AccountEntry, ...], list[InvalidSetting]]:
    tables = _tables(data, "account")
    entries: list[AccountEntry] = []
    problems: list[InvalidSetting] = []
    places = toml.places("account", len(tables))
    for table, place in zip(tables, places, strict=True):
        own, found = read_table(table, ACCOUNT)
        values = _completed(own, defaults, routes)
        written = {key: one for key, one in {**_table(data, "defaults"), **table}.items() if key != "secret"}
        channel = {"channel": values["channel"]} if "channel" in values else {}  # which may be that of a route
        entry = AccountEntry(f"{place}{_name(own)}", own, values, written | channel)
        entries.append(entry)
        problems += _at(entry.place, (*found, *_check(entry)))
    for key in ("handle", "appid"):
        problems += _repeats(key, entries, places)
    return tuple(entries), problems


def _completed(own: Mapping[str, Any], defaults: Mapping[str, Any], routes: Routes) -> dict[str, Any]:
    return {**defaults, **_routed({**defaults, **own}.get("labels"), routes), **own}


def _routed(labels: tuple[str, ...] | None, routes: Routes) -> dict[str, Any]:
    """Return the channel of the first route whose label is among these."""
    return next(({"channel": channel} for label, channel in routes if label in (labels or ())), {})


def _check(entry: AccountEntry) -> Iterator[InvalidSetting]:
    if "appid" not in entry.own:
        yield InvalidSetting("appid", MISSING)
    if "secret" in entry.own and entry.values.get("source") is Source.SERVICE:
        yield InvalidSetting("secret", 'is not used with source = "service"', "Remove one of the two.")


def _repeats(key: str, entries: Sequence[AccountEntry], places: Sequence[str]) -> Iterator[InvalidSetting]:
    """Yield a problem for each value that an earlier account has. It names both lines."""
    first: dict[str, str] = {}
    for entry, place in zip(entries, places, strict=True):
        value = entry.own.get(key)
        if value and first.setdefault(value, place) != place:
            yield entry.problem(key, f"is the same as in {first[value]}")


def _name(own: Mapping[str, Any]) -> str:
    """Return ` (@handle)`, or the AppID if there is none and errors may quote it."""
    appid = own.get("appid") or ""
    if own.get("handle"):
        return f" (@{own['handle']})"
    return f" ({appid})" if SHOWN_APPID.fullmatch(appid) else ""


def _at(place: str, problems: Iterable[InvalidSetting]) -> list[InvalidSetting]:
    return [replace(problem, name=f"{place}: {problem.name}") for problem in problems]
