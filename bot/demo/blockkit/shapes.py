"""Small checks that compose into the shape of a JSON object. What Block Kit says stays out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Takes a value and its JSON pointer, yields "pointer: what is wrong".
Check = Callable[[Any, str], Iterator[str]]


def units(text: str) -> int:
    """Count as Slack may count at worst: UTF-16 code units, so most emoji count two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def string(most: int) -> Check:
    """Return a check of a text of 1 to `most` code units."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"{place}: must be a string"
        elif not value:
            yield f"{place}: must be more than 0 characters"
        elif units(value) > most:
            yield f"{place}: must be less than {most + 1} characters"

    return check


def string_up_to(most: int) -> Check:
    """Return a check of a text of up to `most` code units, which may be empty."""
    filled = string(most)

    def check(value: Any, place: str) -> Iterator[str]:
        if value != "":
            yield from filled(value, place)

    return check


def whole_number(least: int, most: int) -> Check:
    """Return a check of an integer from `least` to `most`."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"{place}: must be an integer"
        elif not least <= value <= most:
            yield f"{place}: must be from {least} to {most}"

    return check


def one_of(*allowed: str) -> Check:
    def check(value: Any, place: str) -> Iterator[str]:
        if value not in allowed:
            yield f"{place}: {value!r} is not one of {', '.join(allowed)}"

    return check


def boolean(value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{place}: must be a boolean"


def array(item: Check, *, least: int = 1, most: int) -> Check:
    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list | tuple):
            yield f"{place}: must be an array"
            return
        if len(value) < least:
            yield f"{place}: no fewer than {least} items allowed"
        if len(value) > most:
            yield f"{place}: no more than {most} items allowed"
        for index, one in enumerate(value):
            yield from item(one, f"{place}/{index}")

    return check


def shape(required: Mapping[str, Check], optional: Mapping[str, Check], *rules: Check) -> Check:
    """Return a check of an object with these keys and no others; `rules` see the whole once its parts are valid."""
    known = {**required, **optional}

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place}: must be an object"
            return
        parts = [f"{place}: missing required field: {key}" for key in required if key not in value]
        parts += [f"{place}: unknown field: {key}" for key in value if key not in known]
        for key, part in value.items():
            if key in known:
                parts += known[key](part, f"{place}/{key}")
        yield from parts
        if not parts:
            for rule in rules:
                yield from rule(value, place)

    return check


def tagged(variants: Mapping[str, Check]) -> Check:
    """Return a check of an object whose `type` selects one of the `variants`."""
    known = one_of(*variants)

    def check(value: Any, place: str) -> Iterator[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        if isinstance(kind, str) and kind in variants:
            yield from variants[kind](value, place)
        elif isinstance(value, dict):
            yield from known(kind, f"{place}/type")
        else:
            yield f"{place}: must be an object"

    return check


def either(one: str, other: str) -> Check:
    """Return a rule for `shape`: exactly one of two keys."""

    def check(value: Any, place: str) -> Iterator[str]:
        if (one in value) == (other in value):
            yield f"{place}: needs exactly one of {one} and {other}"

    return check


def unique(key: str, items: Any, place: str) -> Iterator[str]:
    """Name each of the `items` whose `key` an earlier one has already."""
    seen = set()
    for index, item in enumerate(items):
        if (name := item.get(key)) is None:
            continue
        if name in seen:
            yield f"{place}/{index}/{key}: {name!r} is not unique"
        seen.add(name)
