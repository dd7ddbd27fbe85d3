"""Make foreign text safe for a terminal: escape control characters, and cut long text. Pure."""

from __future__ import annotations

import unicodedata


def escape(text: str, keep: str = "") -> str:
    r"""Escape what moves a cursor, changes the direction of text or cannot be seen: ESC becomes `\x1b`.

    Args:
        keep: control characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or _is_visible(c) else c.encode("unicode_escape").decode() for c in text)


def cut(text: str, limit: int) -> str:
    """Cut text to a number of characters, in the middle: the beginning and the end are the most useful."""
    if len(text) <= limit:
        return text
    head = limit // 2
    return f"{text[:head]}…{text[len(text) - (limit - head - 1) :]}"


def _is_visible(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"  # such as the wide space of Chinese
