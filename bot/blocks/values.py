"""What a click sends back: versioned, and the text last, since it may hold colons. `grammar` reads it again."""

from __future__ import annotations

import hashlib

from bot.blocks.kit import MAX_OPTION_VALUE
from bot.blocks.text import units
from bot.episodes import Seen
from bot.grammar import FILTERS

HELP = "v1"
OVERVIEW = "v1:overview"
STATUS = "v1:status"
SHOW = "v1:show:"


def listing(page: int, states: tuple[Seen, ...] = ()) -> str:
    """Name a page of the list of accounts in these states; without any, of all accounts."""
    token = next((token for token, these in FILTERS.items() if these == states), ",".join(states))
    return f"v1:list:{page}:{token}"


def found(page: int, text: str) -> str:
    """A page of what a search finds. The grammar bounds `text` well below what a button holds."""
    return f"v1:find:{page}:{text}"


def show(text: str) -> str:
    """The details of one account: of a `handle`, or of what somebody typed."""
    return SHOW + text


def handle(key: str) -> str:
    """A name for `KfAccount.key` that fits every menu: the key itself, or a digest of an odd one."""
    if key and key.isprintable() and units(show(key)) <= MAX_OPTION_VALUE:
        return key
    return "~" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]
