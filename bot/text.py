"""Foreign text made harmless, and WeChat IDs.

Text from WeChat or from users passes through `clean` once, and is then safe in plain_text. For mrkdwn, which the
fallback text of a message is as well, it also passes through `escape`.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

import regex  # type: ignore[import-untyped]  # without type stubs


class Limit(NamedTuple):
    """The maximum length of a text, its `…` included."""

    graphemes: int  # characters as a reader counts them
    units: int  # UTF-16 code units, in case Slack counts these


NAME = Limit(24, 80)
ACCOUNT = Limit(64, 64)  # accounts and WeChat IDs
STATUS_WORD = Limit(24, 80)
TYPED = Limit(40, 40)
ERRMSG = Limit(120, 120)

MAX_INPUT = 500  # characters; the rest is ignored: a hostile text must not keep the event loop busy
CACHE_SIZE = 512  # texts: each pass over the open messages renders the same names

_BLANKS = regex.compile(r"[\s\u2800]+")
# Controls, bidi and zero-width characters, halves of surrogate pairs, private and invisible ones:
# they hide or reorder what is around them, or make a name look empty.
_HIDDEN = regex.compile(
    r"[[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}]"
    r"--[\s\u200D\uFE0E\uFE0F]]",
    regex.V1,
)
# The joiner and the variation selectors are kept inside emoji only.
_STRAY = regex.compile(
    r"(?<![\p{Emoji}--*])[\uFE0E\uFE0F]"  # the asterisk has this property, but `clean` replaces it
    r"|(?<!\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]?)\u200D"
    r"|\u200D(?!\p{Extended_Pictographic})",
    regex.V1,
)
_PILED_MARKS = regex.compile(r"(\p{M}{4})\p{M}+")  # more than four marks on a letter would cover the lines above
_MARKUP = regex.compile(
    r"[<>*~`]"
    r"|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])"  # between letters or digits it stays, so that IDs can be copied
    r"|:(?=[^\s:：]+:)|(?<=:[^\s:：]+):"  # both colons of :tada:
)
_GRAPHEME = regex.compile(r"\X")
_QUOTES = str.maketrans(dict.fromkeys("‘’‛", "'") | dict.fromkeys("“”„‟", '"'))


def clean(text: str, limit: Limit) -> str:
    """Make foreign text harmless, and cut it to `limit`. Invisible text becomes "".

    The result has no markup, mentions no one and is on one line. Cleaning it again changes nothing.
    """
    return _clean(text[:MAX_INPUT], limit)


@lru_cache(maxsize=CACHE_SIZE)
def _clean(text: str, limit: Limit) -> str:
    harmless: str = _MARKUP.sub(_full_width, cut(visible(text), limit))
    return harmless


def escape(text: str) -> str:
    """Escape `&`, `<` and `>` for mrkdwn."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mrkdwn(text: str, limit: Limit) -> str:
    """Clean foreign text and escape it. Do not do it twice: `&amp;` would be escaped again."""
    return escape(clean(text, limit))


def visible(text: str) -> str:
    """Remove characters that hide or reorder text, and surplus marks; fold white space; cut at MAX_INPUT."""
    text = _STRAY.sub("", _HIDDEN.sub("", text[:MAX_INPUT]))
    shown: str = _BLANKS.sub(" ", _PILED_MARKS.sub(r"\1", text))
    return shown.strip()


def cut(text: str, limit: Limit) -> str:
    """Cut between graphemes, never inside one, and end a text that was longer with `…`."""
    if len(text) <= limit.graphemes and units(text) <= limit.units:
        return text  # a text never has more graphemes than characters
    graphemes = _GRAPHEME.findall(text)
    if len(graphemes) <= limit.graphemes and units(text) <= limit.units:
        return text
    return _first(graphemes[: limit.graphemes - 1], limit.units - 1).rstrip() + "…"


def beginning(text: str, most: int) -> str:
    """Return at most `most` UTF-16 units of a text, in whole graphemes. It is for input fields, so without `…`."""
    return text if units(text) <= most else _first(_GRAPHEME.findall(text), most)


def _first(graphemes: list[str], most: int) -> str:
    kept, room = "", most
    for grapheme in graphemes:
        room -= units(grapheme)
        if room < 0:
            break
        kept += grapheme
    return kept


def units(text: str) -> int:
    """Count UTF-16 code units: a character beyond U+FFFF, such as most emoji, counts two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fold(text: str) -> str:
    """Fold differences that a search ignores: case, width, kinds of quotes, invisible characters."""
    return unicodedata.normalize("NFKC", visible(text).translate(_QUOTES)).casefold()


def id_of(wechat_id: str | None) -> str:
    """Clean an ID of WeChat without masking it, for what only one user reads."""
    return clean(wechat_id or "", ACCOUNT)


def masked(wechat_id: str | None) -> str:
    """Mask an ID for channels and logs: `bo•••le`; `•••` if it is short. Bullets, because asterisks are markup."""
    whole = _GRAPHEME.findall(id_of(wechat_id))
    return "".join([*whole[:2], "•••", *whole[-2:]]) if len(whole) > 7 else "•••"


def many(number: int, noun: str, plural: str = "") -> str:
    """Write `1 account`, `2 accounts`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _full_width(match: regex.Match[str]) -> str:
    return chr(ord(match[0]) + 0xFEE0)  # full-width forms are ASCII plus this
