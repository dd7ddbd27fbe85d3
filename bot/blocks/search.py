"""Which accounts a person means: by name, account, seat number or WeChat ID. Case and width do not matter."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from bot import actions
from bot.blocks.reading import Row
from bot.blocks.text import fold

LIKE = 0.6  # how much of two words has to agree, from 0 to 1
LONGEST = 64  # comparing is quadratic, and a name may be hostile


def find(rows: Sequence[Row], text: str) -> list[Row]:
    """Return the rows that match: exact matches, then those that begin with the text, then those that hold it.

    A seat number matches from its beginning only. Inside each group the order of `rows` is kept.
    """
    # A name that was copied from an answer may end with our own mark of a cut.
    wanted = fold(text).removesuffix("...")
    found = [(place, row) for row in rows if wanted and (place := _place(row, wanted)) is not None]
    return [row for _, row in sorted(found, key=lambda each: each[0])]


def _place(row: Row, wanted: str) -> int | None:
    """Rank a match: 0 exact, 1 a beginning, 2 any part. Return None if nothing matches."""
    seat = fold(row.account.kf_id)
    words = [*_words(row, wanted), *([seat] if seat.startswith(wanted) else [])]
    return min(
        (0 if word == wanted else 1 if word.startswith(wanted) else 2 for word in words if wanted in word),
        default=None,
    )


def pick(rows: Sequence[Row], text: str) -> Row | None:
    """The one account that is meant: by its handle, by a whole word, else by any part. None when in doubt."""
    wanted = fold(text)
    if not wanted:
        return None
    ways = (
        [row for row in rows if actions.handle(row.account.key) == text],
        [row for row in rows if wanted in (*_words(row, wanted), fold(row.account.kf_id))],
        find(rows, text),
    )
    hits = next(filter(None, ways), [])
    return hits[0] if len(hits) == 1 else None


def nearest(rows: Sequence[Row], text: str) -> Row | None:
    """The account that is spelled most like the text, if any is near."""
    owners = {word[:LONGEST]: row for row in reversed(rows) for word in _spellings(row)}
    close = difflib.get_close_matches(fold(text)[:LONGEST], owners, n=1, cutoff=LIKE)
    return owners[close[0]] if close else None


def _words(row: Row, wanted: str) -> list[str]:
    """Return the words of a row that a search compares.

    All accounts share the part after `@`, so it counts only if the search has an `@` too.
    """
    account = row.account
    kf_account = account.kf_account if "@" in wanted else account.kf_account.partition("@")[0]
    words = (account.kf_nick, kf_account, account.kf_openid, account.kf_wx, row.invite_wx)
    return [fold(word) for word in words if word]


def _spellings(row: Row) -> list[str]:
    return [*_words(row, "@"), fold(row.account.kf_account).partition("@")[0]]
