"""Action IDs and button values, encoded and decoded. Slack sends them back with a click, perhaps months later.

A value is versioned, and a text comes last in it, since it may contain colons. The IDs and values of messages that
exist must stay readable; add new ones beside them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from bot.alerting.acknowledgements import ActionKind, Snooze
from bot.alerting.episode import AccountStatus
from bot.requests import FILTERS, MAX_PAGE, MAX_TEXT, Find, Help, Known, List, Overview, Show, ShowStatus, in_order
from bot.text import units

# Buttons and menus of answers. The answer to some replaces the message, if only the person who clicked sees it.
LIST = "kf.list"
PREVIOUS_PAGE = "kf.page.prev"
NEXT_PAGE = "kf.page.next"
FILTER = "kf.filter"
REFRESH = "kf.refresh"
RETRY = "kf.retry"
OPEN = "kf.open"
SHOW = "kf.show"
HELP = "kf.help"
# Buttons and menus of messages in the channel.
ACKNOWLEDGE = "alert.ack"
SNOOZE = "alert.snooze"
UNDO = "alert.undo"
DETAILS = "alert.details"
CHECK_NOW = "health.check"
OPEN_CONSOLE = "link.console"  # these open an address; their click asks for nothing
OPEN_PLATFORM = "link.platform"

MAX_OPTION_VALUE = 150  # UTF-16 units: https://docs.slack.dev/reference/block-kit/composition-objects/option-object
_REPLACING = frozenset({LIST, PREVIOUS_PAGE, NEXT_PAGE, FILTER, REFRESH, RETRY})
# `v1:EPISODE` or `v1:batch:MESSAGE`, then the choice of a menu, or the action to undo.
_ALERT = re.compile(r"v1:(?P<batch>batch:)?(?P<id>[0-9A-Za-z_-]{1,100})(?::(?P<choice>[0-9a-z]{1,10}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class AlertAction:
    """The action that a click on an alert requests."""

    kind: ActionKind
    id: str  # of an episode; of a message if `batch`
    batch: bool = False  # for every episode of the message
    snooze: Snooze | None = None


@dataclass(frozen=True, slots=True)
class EpisodeDetails:
    """The details of the invitation that an alert is about."""

    id: str


@dataclass(frozen=True, slots=True)
class CheckNow:
    """An immediate poll, requested at the notice of an incident."""

    cause: str


Action = Known | AlertAction | EpisodeDetails | CheckNow


def encode(action: Action) -> str:
    """Return the value of a button that asks for `action`. `decode` reads it, with the ID of the button."""
    match action:
        case Overview():
            return "v1:overview"
        case List(page, states):
            filters = (token for token, filtered in FILTERS.items() if filtered == states)
            return f"v1:list:{page}:{next(filters, ','.join(states))}"
        case Find(text, page):
            return f"v1:find:{page}:{text}"
        case Show(text):
            return f"v1:show:{text}"
        case ShowStatus():
            return "v1:status"
        case Help():
            return "v1"
        case EpisodeDetails(text) | CheckNow(text):
            return f"v1:{text}"
        case AlertAction(kind, id_, batch, snooze):
            choice = snooze or _UNDO_CHOICE.get(kind, "")
            return f"v1:batch:{id_}" if batch else f"v1:{id_}:{choice}".rstrip(":")


# An Undo names what it undoes: a button that is out of date must not take back something else.
_UNDO_CHOICE = {ActionKind.UNACKNOWLEDGED: "ack", ActionKind.UNSNOOZED: "snooze"}


def decode(action_id: str, value: str) -> Action | None:
    """Return the action that a click requests; None for a value that is forged, or of another release."""
    if action_id == DETAILS:
        version, _, id_ = value.partition(":")
        return EpisodeDetails(id_) if version == "v1" else None
    if is_alert_action(action_id):
        return _alert_action(action_id, value)
    if action_id == CHECK_NOW:
        return CheckNow(value.removeprefix("v1:"))
    return _request(value) if action_id.startswith("kf.") else None


def is_alert_action(action_id: str) -> bool:
    """Return whether a click changes an alert, as every member of the workspace may; the rest is for viewers."""
    return action_id.startswith("alert.") and action_id != DETAILS


def opens_link(action_id: str) -> bool:
    """Return whether the click only opens an address, which Slack does itself."""
    return action_id.startswith("link.")


def replaces_message(action_id: str) -> bool:
    """Return whether the answer to a click takes the place of the message, as the next page of a list does."""
    return action_id in _REPLACING


def handle(key: str) -> str:
    """Return a name for `KfAccount.key` that fits every menu: the key itself, or a digest of an odd one."""
    if key and key.isprintable() and units(encode(Show(key))) <= MAX_OPTION_VALUE:
        return key
    return "~" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _request(value: str) -> Known | None:
    match value.split(":", 3):
        case ["v1"]:
            return Help()
        case ["v1", "overview"]:
            return Overview()
        case ["v1", "status"]:
            return ShowStatus()
        case ["v1", "list", page, filter_] if (number := _page(page)) and (states := _states(filter_)) is not None:
            return List(number, states)
        case ["v1", "find", page, text] if 0 < len(text) <= MAX_TEXT and (number := _page(page)):
            return Find(text, number)
        case ["v1", "show", *key] if 0 < len(text := ":".join(key)) <= MAX_TEXT:
            return Show(text)
    return None


def _page(word: str) -> int:
    """Return the number of a page, counted from 1; 0 for anything else."""
    return int(word) if re.fullmatch(rf"[0-9]{{1,{MAX_PAGE}}}", word) else 0


def _states(token: str) -> tuple[AccountStatus, ...] | None:
    """Read the filter of a list: `all`, `due`, or comma-separated states. Return None for anything else."""
    if token in FILTERS:
        return FILTERS[token]
    words = token.split(",")
    return in_order({AccountStatus(word) for word in words}) if set(words) <= set(AccountStatus) else None


def _alert_action(action_id: str, value: str) -> AlertAction | None:
    match = _ALERT.fullmatch(value)
    if match is None:
        return None
    batch, choice = bool(match["batch"]), match["choice"]
    match action_id, choice:
        case "alert.ack", None:
            return AlertAction(ActionKind.ACKNOWLEDGED, match["id"], batch)
        case "alert.snooze", ("1h" | "4h" | "morning") if not batch:
            return AlertAction(ActionKind.SNOOZED, match["id"], snooze=Snooze(choice))
        case "alert.undo", "snooze" if not batch:
            return AlertAction(ActionKind.UNSNOOZED, match["id"])
        case "alert.undo", ("ack" | None) if batch or choice:
            return AlertAction(ActionKind.UNACKNOWLEDGED, match["id"], batch)
    return None
