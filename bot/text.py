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
    """The most that a text may fill, its `…` included."""

    graphemes: int  # characters as a reader counts them
    units: int  # UTF-16 code units, as Slack may count


NAME = Limit(24, 80)
ACCOUNT = Limit(64, 64)  # accounts and WeChat IDs
STATUS_WORD = Limit(24, 80)
TYPED = Limit(40, 40)
ERRMSG = Limit(120, 120)

MUCH = 500  # the rest of a text is ignored: a hostile one must not keep the event loop busy
REMEMBERED = 512  # texts: a pass renders the same names in every open message

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
    r"(?<![\p{Emoji}--*])[\uFE0E\uFE0F]"  # the asterisk counts as one, and will not stay
    r"|(?<!\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]?)\u200D"
    r"|\u200D(?!\p{Extended_Pictographic})",
    regex.V1,
)
_PILED_MARKS = regex.compile(r"(\p{M}{4})\p{M}+")  # text that grows over its neighbours' lines
_MARKUP = regex.compile(
    r"[<>*~`]"
    r"|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])"  # between letters or digits it stays: IDs are copied
    r"|:(?=[^\s:：]+:)|(?<=:[^\s:：]+):"  # both colons of :tada:
)
_GRAPHEME = regex.compile(r"\X")
_QUOTES = str.maketrans(dict.fromkeys("‘’‛", "'") | dict.fromkeys("“”„‟", '"'))


def clean(text: str, limit: Limit) -> str:
    """Make foreign text harmless, and cut it to `limit`. Invisible text becomes "".

    The result has no markup, mentions no one and is on one line. Cleaning it again changes nothing.
    """
    return _clean(text[:MUCH], limit)


@lru_cache(maxsize=REMEMBERED)
def _clean(text: str, limit: Limit) -> str:
    harmless: str = _MARKUP.sub(_full_width, cut(visible(text), limit))
    return harmless


def escape(text: str) -> str:
    """Escape clean text for mrkdwn."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mrkdwn(text: str, limit: Limit) -> str:
    """Clean foreign text and escape it. Not twice: `&amp;` would be escaped again."""
    return escape(clean(text, limit))


def visible(text: str) -> str:
    """Remove characters that hide or reorder text, and fold white space to single blanks."""
    text = _STRAY.sub("", _HIDDEN.sub("", text[:MUCH]))
    shown: str = _BLANKS.sub(" ", _PILED_MARKS.sub(r"\1", text))
    return shown.strip()


def cut(text: str, limit: Limit) -> str:
    """Cut between graphemes, never inside one, and end a text that was longer with `…`."""
    if len(text) <= limit.graphemes and units(text) <= limit.units:
        return text  # it has no more graphemes than characters
    graphemes = _GRAPHEME.findall(text)
    if len(graphemes) <= limit.graphemes and units(text) <= limit.units:
        return text
    return _first(graphemes[: limit.graphemes - 1], limit.units - 1).rstrip() + "…"


def beginning(text: str, most: int) -> str:
    """Return the first `most` UTF-16 units of a text, without half a grapheme: for a person to edit, so no `…`."""
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
    """Count UTF-16 code units: most emoji count two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fold(text: str) -> str:
    """Fold differences that a search ignores: case, width, kinds of quotes, invisible characters."""
    return unicodedata.normalize("NFKC", visible(text).translate(_QUOTES)).casefold()


def id_of(wechat_id: str | None) -> str:
    """Return a whole WeChat ID, for ephemeral answers only."""
    return clean(wechat_id or "", ACCOUNT)


def masked(wechat_id: str | None) -> str:
    """Mask a WeChat ID for the channel: `bo•••le`. Bullets, because asterisks are markup."""
    whole = _GRAPHEME.findall(id_of(wechat_id))
    return "".join([*whole[:2], "•••", *whole[-2:]]) if len(whole) > 7 else "•••"


def many(number: int, noun: str, plural: str = "") -> str:
    """Write `1 account`, `2 accounts`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _full_width(match: regex.Match[str]) -> str:
    return chr(ord(match[0]) + 0xFEE0)  # ASCII and its full-width forms have the same order
