"""What a person asks: a command's text or a button's value, as a `Request`. Pure; nothing is looked up here."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass

from bot.episodes import Seen

MAX_TEXT = 200  # of a search: no account or nickname of WeChat is as long
MAX_PAGE = 9  # digits


@dataclass(frozen=True, slots=True)
class Overview:
    pass


@dataclass(frozen=True, slots=True)
class List:
    page: int = 1
    state: Seen | None = None  # None: all


@dataclass(frozen=True, slots=True)
class Find:
    text: str
    page: int = 1


@dataclass(frozen=True, slots=True)
class Show:
    text: str  # a handle, a key, or what somebody typed


@dataclass(frozen=True, slots=True)
class Status:
    pass


@dataclass(frozen=True, slots=True)
class Help:
    pass


Known = Overview | List | Find | Show | Status | Help


@dataclass(frozen=True, slots=True)
class Unknown:
    """Words that are no command, and the command that may have been meant."""

    text: str
    meant: Known | None = None


Request = Known | Unknown

_STATES: dict[str, Seen | None] = {"all": None, "unbound": Seen.IDLE, **{state.value: state for state in Seen}}
_WORDS = ("list", "find", "show", "status", "help", *_STATES)
_QUOTES = "'\"‘’‛“”„‟«»「」『』＂＇"
# With `should_escape`, Slack hands on people, channels and addresses in angle brackets; `<!here>` stays typed text.
_LINK = re.compile(r"<(?:[@#](?P<id>[A-Z0-9]+)|(?P<url>(?:https?://|mailto:)[^<>|]+))(?:\|(?P<label>[^<>]*))?>")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def parse(text: str) -> Request:
    """Read what follows `/kf`. Case, width, quotes and surplus white space do not matter."""
    typed = _typed(text)
    typed = re.sub(r"^/?kf(?: |$)", "", typed, flags=re.IGNORECASE)  # the command, typed or copied once more
    head, _, rest = typed.partition(" ")
    command, rest = _plain(head), rest.strip(_QUOTES + " ")
    if not command:
        return Overview()
    return _command(command, rest) or Unknown(typed, _meant(command, rest))


def parse_value(value: str) -> Known | None:
    """Read what a button of ours sent. None for anything odd: it may be forged, or older than a release."""
    match value.split(":", 3):
        case ["v1"]:
            return Help()
        case ["v1", "overview"]:
            return Overview()
        case ["v1", "status"]:
            return Status()
        case ["v1", "list", page, state] if state in _STATES and (number := _page(page)):
            return List(number, _STATES[state])
        case ["v1", "find", page, text] if 0 < len(text) <= MAX_TEXT and (number := _page(page)):
            return Find(text, number)
        case ["v1", "show", *key] if 0 < len(text := ":".join(key)) <= MAX_TEXT:
            return Show(text)
    return None


def _command(command: str, rest: str) -> Known | None:
    if command == "status":
        return Status()
    if command == "list" or command in _STATES:
        return _list([command, *_plain(rest).split()])
    text = rest[:MAX_TEXT]
    if command == "help" or (command in ("find", "show") and not _plain(text)):
        return Help()
    if command == "find":
        return Find(text)
    return Show(text) if command == "show" else None


def _list(words: list[str]) -> List | None:
    """Read `list`, a state, a page, in any order; None if another word is among them."""
    asked = List()
    for word in words:
        if word in _STATES:
            asked = List(asked.page, _STATES[word])
        elif re.fullmatch(rf"-?[0-9]{{1,{MAX_PAGE}}}", word):
            asked = List(max(1, int(word)), asked.state)  # one that does not exist shows the nearest that does
        elif word != "list":
            return None
    return asked


def _meant(command: str, rest: str) -> Known | None:
    """The command that is spelled most like it, with the other words as far as they fit."""
    lists = command == "list" or command in _STATES
    wrong = _plain(rest).split()[-1] if lists else command
    if not (close := difflib.get_close_matches(wrong, _WORDS, n=1)):
        return None
    return _command(close[0], rest) or _command(close[0], "")


def _page(word: str) -> int:
    """The number of a page, counted from 1; 0 for what is none."""
    return int(word) if re.fullmatch(rf"[0-9]{{1,{MAX_PAGE}}}", word) else 0


def _typed(text: str) -> str:
    """Undo what Slack made of the text, and fold white space of any kind and width."""
    text = _LINK.sub(lambda link: link["label"] or link["id"] or link["url"], text)
    for entity, char in _ENTITIES:
        text = text.replace(entity, char)
    return " ".join(text.split())


def _plain(word: str) -> str:
    """A word as the grammar knows it: narrow, lower case, without quotes and invisible characters."""
    shown = (char for char in unicodedata.normalize("NFKC", word) if unicodedata.category(char) not in ("Cc", "Cf"))
    return "".join(shown).strip(_QUOTES + " ").casefold()
