"""Requests, and the parser of the text of a command. Pure; nothing is looked up here.

A new command needs a request class in `Answered`, its word in `_WORDS` and `_command`, its Chinese words in
`command_words`, an answer in `interactions.commands` (`_answer` if it needs no WeChat, else `_from_wechat`), and a
line in the help, `blocks.answers.guide`. For a button that runs it, extend `actions.encode` and `decode`.
CONTRIBUTING.md lists what else belongs to it: samples, manifests, documents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile

from bot import command_words
from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.operations.operation import OperationKind

MAX_TEXT = 200  # of a search: no account or nickname of WeChat is as long
MAX_PAGE = 9  # digits


@dataclass(frozen=True, slots=True)
class Overview:
    pass


@dataclass(frozen=True, slots=True)
class List:
    page: int = 1
    states: tuple[AccountStatus, ...] = ()  # in the order of `AccountStatus`; empty: all


@dataclass(frozen=True, slots=True)
class Find:
    text: str
    page: int = 1


@dataclass(frozen=True, slots=True)
class Show:
    text: str  # a handle, a key, or typed text


@dataclass(frozen=True, slots=True)
class ShowStatus:
    pass


@dataclass(frozen=True, slots=True)
class Help:
    topic: str = ""  # a command that needs a text, such as "find": that one alone; "": all of them


@dataclass(frozen=True, slots=True)
class Operate:
    """The form of an operation. `text` is the account and what to fill in, as typed: see `operation_targets`."""

    kind: OperationKind
    text: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """What people changed: of the account that `text` means (a handle, or typed), or of all.

    Only buttons turn pages: a number may be the name of an account.
    """

    text: str = ""
    page: int = 1


Answered = Overview | List | Find | Show | ShowStatus | Help | History  # by a message
Known = Answered | Operate  # an operation is answered by a form


@dataclass(frozen=True, slots=True)
class Unknown:
    """Words that are not a command: the name of an account, or a command with a typing error."""

    text: str
    typo_of: Answered | None = None  # the command at edit distance one
    nearest: Known | None = None  # the command with the most similar spelling, if any is near


Request = Known | Unknown

FILTERS: dict[str, tuple[AccountStatus, ...]] = {
    "all": (),
    "due": NEEDS_ATTENTION,
}  # of a list, in a button's value
_STATES: dict[str, tuple[AccountStatus, ...]] = {
    "all": (),
    "attention": NEEDS_ATTENTION,
    "unbound": (AccountStatus.IDLE,),
    **{state.value: (state,) for state in AccountStatus},
}
_HELP = ("help", "?", "-h", "--help")
_OPERATIONS = {kind.value: kind for kind in OperationKind}
_NEED_TEXT = ("find", "show", OperationKind.RENAME, OperationKind.DELETE)
_WORDS = ("list", "find", "show", "status", "help", "history", *_OPERATIONS, *_STATES)
QUOTES = "'\"‘’‛“”„‟«»「」『』＂＇"
# With `should_escape`, Slack hands on people, channels and addresses in angle brackets; `<!here>` stays typed text.
_LINK = re.compile(r"<(?:[@#](?P<id>[A-Z0-9]+)|(?P<url>(?:https?://|mailto:)[^<>|]+))(?:\|(?P<label>[^<>]*))?>")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def parse_command(text: str) -> Request:
    """Read what follows `/kf`. Language, case, width, quotes and surplus white space do not matter.

    Whole words go first: `已拒绝` is a state. Only then may a text follow without a blank, as in `查找小波`.
    """
    typed = command_text(text)
    command, rest = _read(typed)
    return _command(command, rest) or Unknown(typed, _typo_of(command, rest), _nearest(command, rest))


def _read(typed: str) -> tuple[str, str]:
    """Split a text into the command, in English, and what follows it."""
    head, _, after = typed.partition(" ")
    command, rest = plain_word(head), after.strip(QUOTES + " ")
    words = command_words.list_words(f"{command} {plain_word(rest)}")
    if command and words and _is_list(words[0]):
        return words[0], " ".join(words[1:])
    if (english := command_words.in_english(command)) is not None:
        return english, rest
    if split := command_words.split_text("".join(dropwhile(lambda char: not plain_word(char), head))):
        return split[0], f"{split[1]} {after}".strip(QUOTES + " ")
    return command, rest


def _command(command: str, rest: str) -> Known | None:
    if not command:
        return Overview()
    if command == "status":
        return ShowStatus()
    if _is_list(command):
        return read_list([command, *list_words(rest)])
    text = rest[:MAX_TEXT]
    if command in _HELP:
        return Help()
    if not plain_word(text):
        if command in _NEED_TEXT:
            return Help(command)
        text = ""
    if command in _OPERATIONS:
        return Operate(_OPERATIONS[command], text)
    match command:
        case "find":
            return Find(text)
        case "show":
            return Show(text)
        case "history":
            return History(text)
    return None


def read_list(words: Sequence[str]) -> List | None:
    """Read `list`, states, `page` and a number, in any order. Return None if another word is among them."""
    page, states = 1, set[AccountStatus]()
    for word in words:
        if word in _STATES:
            states.update(_STATES[word])
        elif re.fullmatch(rf"-?[0-9]{{1,{MAX_PAGE}}}", word):
            page = max(1, int(word))  # one that does not exist shows the nearest that does
        elif word not in ("list", "page"):
            return None
    return List(page, in_order(states))


def in_order(states: set[AccountStatus]) -> tuple[AccountStatus, ...]:
    return tuple(state for state in AccountStatus if state in states)


def _typo_of(command: str, rest: str) -> Answered | None:
    """Return the command that one edit of the wrong word makes. The other words must fit: it runs unasked.

    An operation is only suggested: whether the word is the name of an account is known too late for a form.
    """
    word = command_words.corrected(_wrong_word(command, rest), _WORDS)
    meant = _with_word(command, rest, word) if word else None
    return None if isinstance(meant, Operate) else meant


def _nearest(command: str, rest: str) -> Known | None:
    """Return the command whose spelling is most similar, with the other words as far as they fit.

    `找小波` is not a search for `小波`, because it may be a name, but is near to one.
    """
    if close := command_words.nearest(_wrong_word(command, rest), _WORDS):
        return _with_word(command, rest, close) or _command(close, "")
    split = command_words.split_text(command, shortest=1)
    return _command(split[0], f"{split[1]} {rest}".strip()) if split else None


def _is_list(command: str) -> bool:
    return command == "list" or command in _STATES


def list_words(rest: str) -> list[str]:
    """Split the words that may follow `list`, in English as far as they belong to a list."""
    return command_words.list_words(plain_word(rest))


def _wrong_word(command: str, rest: str) -> str:
    """Return the word that made the command unknown: the first one, or one among the words of a list."""
    if not _is_list(command):
        return command
    return next(word for word in list_words(rest) if read_list([word]) is None)


def _with_word(command: str, rest: str, word: str) -> Known | None:
    """Read the command again with `word` in place of the wrong word."""
    if not _is_list(command):
        return _command(word, rest)
    wrong = _wrong_word(command, rest)
    return read_list([command, *(word if each == wrong else each for each in list_words(rest))])


def command_text(text: str) -> str:
    """Unescape what follows `/kf`, without the command itself if it was typed once more."""
    return re.sub(r"^[/／]?[kｋ][fｆ](?: |$)", "", unescape(text), flags=re.IGNORECASE)


def unescape(text: str) -> str:
    """Undo what Slack made of the text, and fold white space of any kind and width."""
    text = _LINK.sub(lambda link: link["label"] or link["id"] or link["url"], text)
    for entity, char in _ENTITIES:
        text = text.replace(entity, char)
    return " ".join(text.split())


def plain_word(word: str) -> str:
    """Normalise a word: half-width, lower case, without quotes and invisible characters."""
    shown = (char for char in unicodedata.normalize("NFKC", word) if unicodedata.category(char) not in ("Cc", "Cf"))
    return "".join(shown).strip(QUOTES + " ").casefold()


def is_command_word(word: str) -> bool:
    """Return whether a normalised word, in either language, is a command or a state of a list."""
    return word in (*_WORDS, *_HELP, "page") or command_words.in_english(word) is not None
