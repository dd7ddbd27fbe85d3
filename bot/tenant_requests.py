"""Commands of an installation with several Official Accounts: which one a command means, and those about all. Pure.

People name an Official Account by its handle, which is a `slug` in code, or by its AppID.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bot import command_words
from bot.alerting.episode import AccountStatus
from bot.requests import MAX_TEXT, QUOTES, command_text, list_words, plain_word, read_list, unescape
from bot.tenant_states import TenantState
from bot.text import fold


@dataclass(frozen=True, slots=True)
class AccountsOverview:
    """The Official Accounts: all, those with an account in one of the states, or those whose name has the text."""

    page: int = 1
    states: tuple[AccountStatus, ...] = ()
    text: str = ""
    here: bool = False  # only those of the channel in which it is asked, if it has any
    tenant_state: TenantState | None = None  # only those that are in it themselves


@dataclass(frozen=True, slots=True)
class AllAccounts:
    """The accounts in any of these states, of all Official Accounts."""

    states: tuple[AccountStatus, ...]
    page: int = 1
    here: bool = False  # as above


FleetRequest = AccountsOverview | AllAccounts


class Verb(StrEnum):
    """What an administrator does to an Official Account."""

    ADD = "add"
    PAUSE = "pause"
    RESUME = "resume"
    LINK = "link"  # for an owner who authorises the platform


@dataclass(frozen=True, slots=True)
class Administer:
    """A change of the Official Accounts themselves."""

    verb: Verb
    word: str = ""  # a handle without `@`, or an AppID, as typed


_TOKEN = re.compile(r"(?:<[^<>]*>|\S)+")  # a label of Slack's may contain blanks
_PERSON = re.compile(r"<@[A-Z0-9]+\|([^<>]+)>")
_APPID = re.compile(r"wx[0-9a-f]{16}")
_COMMAND = ("/kf", "kf")


def split_account(text: str) -> tuple[str, str]:
    """Take the word that names an Official Account out of what follows `/kf`, as Slack sent it.

    It is `@handle`, `in:handle` or an AppID, anywhere before a free text: in `find bo @harbour` it is a part of the
    text. The first one counts. Return it folded and without its mark, "" if there is none, and the rest.
    """
    command = ""
    for token in _TOKEN.finditer(text):
        if named := _named(token[0]):
            rest = f"{text[: token.start()].rstrip()} {text[token.end() :].lstrip()}"
            return named, rest.strip()
        if command in command_words.BEFORE_TEXT:
            break
        word = plain_word(token[0])
        if not command and word not in _COMMAND:
            command = command_words.in_english(word) or word
            split = None if command != word else command_words.split_text(word)
            if split and split[1]:
                break
            command = split[0] if split else command
    return "", text


def _named(token: str) -> str:
    """Return the handle or the AppID that a word is; "" for any other word."""
    if person := _PERSON.fullmatch(token):
        return fold(person[1]).lstrip("@ ")
    word = fold(unescape(token)).strip(QUOTES + " ")
    if word.startswith(("@", "in:")):
        return word.removeprefix("in:").lstrip("@").strip(QUOTES + " ")[:MAX_TEXT]
    return word if _APPID.fullmatch(word) else ""


def parse_fleet(text: str) -> FleetRequest | None:
    """Read `accounts [page | state | text]` and `all STATE… [page]`. Return None for any other command.

    `all` without a state is a list, as ever. States or a page may follow a Chinese word without a blank, but not a
    text: that may be the name of an account.
    """
    head, _, rest = command_text(text).partition(" ")
    word = plain_word(head)
    if word in ("accounts", "all"):
        return _fleet(word, rest)
    split = command_words.split_tenant_word(word)
    if split is None:
        return None
    english, glued = split
    words = f"{glued} {rest}".strip()
    request = _fleet(english, words) or _fleet("accounts", words)
    return None if glued and isinstance(request, AccountsOverview) and request.text else request


def parse_administration(text: str) -> Administer | None:
    """Read `accounts add`, `link`, and `pause` and `resume` with an account. Return None for any other text."""
    head, _, rest = command_text(text).partition(" ")
    word = plain_word(head)
    if word != "accounts":
        split = command_words.split_tenant_word(word)
        if split is None or split[0] != "accounts":
            return None
        rest = f"{split[1]} {rest}".strip()
    verb, named = command_words.split_administration(" ".join(map(plain_word, rest.split())))
    return Administer(Verb(verb), named.removeprefix("in:").lstrip("@")[:MAX_TEXT]) if verb else None


def _fleet(word: str, rest: str) -> FleetRequest | None:
    words = list_words(rest)
    state = command_words.tenant_state(words[0]) if words else ""
    listed = read_list(words[1:] if state else words)
    if word == "accounts" and state and listed and not listed.states:
        return AccountsOverview(listed.page, tenant_state=TenantState(state))
    listed = None if state else listed
    if word == "all":
        return AllAccounts(listed.states, listed.page) if listed and listed.states else None
    if listed:
        return AccountsOverview(listed.page, listed.states)
    return AccountsOverview(text=rest.strip(QUOTES + " ")[:MAX_TEXT])
