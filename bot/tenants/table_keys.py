"""The keys of the tables in a file of accounts, and how the value of each is read. Pure; it knows no lines."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any

from bot.settings import parsers
from bot.settings.reader import InvalidSetting
from bot.tenants import secret_references
from bot.tenants.tenant import parse_slug
from bot.text import fold, visible

APPID = re.compile(r"[A-Za-z0-9_-]{1,18}")  # WeChat's have 18; a part of button values, with colons around it
SHOWN_KEY = re.compile(r"[A-Za-z0-9_-]{1,24}")  # shorter than an AppSecret: an error must not quote one


class Source(StrEnum):
    """How the access tokens of an account are obtained."""

    SECRET = "secret"  # noqa: S105  by its AppSecret
    SERVICE = "service"  # from a central token service
    PLATFORM = "platform"  # by the authorisation of a third-party platform


def _appid(text: str) -> str:
    if not APPID.fullmatch(text):
        raise ValueError("must be an AppID such as wx0123456789abcdef")
    return text


def _source(text: str) -> Source:
    if text.lower() not in (Source.SECRET, Source.SERVICE):  # the third is decided by the owner of an account
        raise ValueError('must be "secret" or "service"')
    return Source(text.lower())


def _labels(text: str) -> tuple[str, ...]:
    labels = tuple(dict.fromkeys(map(fold, text.split(","))))
    if not all(labels):
        raise ValueError('must be labels such as ["tea", "east"]')
    return labels


def _label(text: str) -> str:
    labels = _labels(text)
    if len(labels) > 1:
        raise ValueError("must be one label")
    return labels[0]


Parsers = Mapping[str, Callable[[str], Any]]
DEFAULTS: Parsers = {
    "source": _source,
    "channel": parsers.channel_id,
    "mention": parsers.mention,
    "leads": parsers.leads,
    "quiet": parsers.hours,
    "breakthrough": parsers.switch,
    "timezone": parsers.zone,
    "poll": parsers.interval,
    "language": parsers.language,
    "viewers": parsers.member_ids,
    "labels": _labels,
}
ACCOUNT: Parsers = {
    "handle": parse_slug,
    "appid": _appid,
    "secret": secret_references.parse,
    "name": visible,
    **DEFAULTS,
}
ROUTE: Parsers = {"label": _label, "channel": parsers.channel_id}
LISTS = ("leads", "viewers", "labels")  # as a list of texts, or as one text with commas
# An empty text: the account is without it, whatever [defaults] and the environment have.
EMPTY: Mapping[str, Any] = {"mention": "", "quiet": None, "labels": ()}


def read_table(table: Mapping[str, Any], keys: Parsers) -> tuple[dict[str, Any], tuple[InvalidSetting, ...]]:
    """Return the parsed values of a table by key, with all problems. A malformed value is None."""
    values: dict[str, Any] = {}
    problems = []
    for key, value in table.items():
        if key not in keys:
            problems.append(InvalidSetting(shown(key), unknown(key, keys)))
            continue
        try:
            values[key] = _parse(key, value, keys[key])
        except ValueError as exc:
            values[key] = None
            problems.append(InvalidSetting(key, *map(str, exc.args[:2])))
    return values, tuple(problems)


def shown(key: str) -> str:
    """Return what an error calls a foreign key."""
    return key if SHOWN_KEY.fullmatch(key) else "a key"


def unknown(key: str, known: Collection[str]) -> str:
    """Return the problem of a key, in words that follow it."""
    if key in ACCOUNT:
        return "belongs to one account: it must be below its [[account]]"
    close = difflib.get_close_matches(key, known, n=1)
    return f"is not known; the nearest is {close[0]}" if close else f"is not known; there are {', '.join(known)}"


def _parse(key: str, value: Any, parse: Callable[[str], Any]) -> Any:
    text = _text(key, value).strip()
    return EMPTY[key] if not text and key in EMPTY else parse(text)


def _text(key: str, value: Any) -> str:
    """Write a value of TOML as the text that the parser of its key takes."""
    if isinstance(value, str):
        return value
    if key in LISTS and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    if key == "breakthrough" and isinstance(value, bool):
        return "on" if value else "off"
    if key == "poll" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("must be a text in quotes, or a list of them" if key in LISTS else "must be a text in quotes")
