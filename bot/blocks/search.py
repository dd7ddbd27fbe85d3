"""Which accounts a person means: by name, account, seat number or WeChat ID. Case and width do not matter."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from bot.blocks import values
from bot.blocks.reading import Row
from bot.blocks.text import fold

LIKE = 0.6  # how much of two words has to agree, from 0 to 1
LONGEST = 64  # comparing is quadratic, and a name may be hostile


def find(rows: Sequence[Row], text: str) -> list[Row]:
    """Those that hold the text anywhere, or whose seat number begins with it."""
    # A name that was copied from an answer may end with our own mark of a cut.
    wanted = fold(text).removesuffix("...")
    return [
        row
        for row in rows
        if wanted and (any(wanted in word for word in _words(row)) or fold(row.account.kf_id).startswith(wanted))
    ]


def pick(rows: Sequence[Row], text: str) -> Row | None:
    """The one account that is meant: by its handle, by a whole word, else by any part. None when in doubt."""
    wanted = fold(text)
    if not wanted:
        return None
    ways = (
        [row for row in rows if values.handle(row.account.key) == text],
        [row for row in rows if wanted in (*_words(row), fold(row.account.kf_id))],
        find(rows, text),
    )
    hits = next(filter(None, ways), [])
    return hits[0] if len(hits) == 1 else None


def nearest(rows: Sequence[Row], text: str) -> Row | None:
    """The account that is spelled most like the text, if any is near."""
    owners = {word[:LONGEST]: row for row in reversed(rows) for word in _spellings(row)}
    close = difflib.get_close_matches(fold(text)[:LONGEST], owners, n=1, cutoff=LIKE)
    return owners[close[0]] if close else None


def _words(row: Row) -> list[str]:
    account = row.account
    words = (account.kf_nick, account.kf_account, account.kf_openid, account.kf_wx, row.invite_wx)
    return [fold(word) for word in words if word]


def _spellings(row: Row) -> list[str]:
    return [*_words(row), fold(row.account.kf_account).partition("@")[0]]
