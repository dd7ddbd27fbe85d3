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
from bot.requests import (
    FILTERS,
    MAX_PAGE,
    MAX_TEXT,
    Answered,
    Find,
    Help,
    History,
    List,
    Overview,
    Show,
    ShowStatus,
    in_order,
)
from bot.tenant_requests import AccountsOverview, AllAccounts, FleetRequest
from bot.tenant_states import AUTHORISATION, TenantState
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
# Buttons of operations, of modals, and of App Home.
INVITE = "op.invite"
ADD = "op.add"
HISTORY = "kf.history"
HOME_REFRESH = "home.refresh"
HOME_FILTER = "home.filter"
HOME_PREVIOUS_PAGE = "home.page.prev"
HOME_NEXT_PAGE = "home.page.next"
HOME_LANGUAGE = "home.language"
HOME_ACCOUNT = "home.account"
# Buttons of administrators, whose values are `v1` and the AppID of an Official Account; and their form.
PAUSE_TENANT = "admin.pause"
RESUME_TENANT = "admin.resume"
ADD_TENANT = "admin.add"
# Modals, besides those of the operations, whose callback_id is `op.` and the kind.
PICK = "op.pick"
DETAILS_MODAL = "kf.details"
MESSAGE_MODAL = "kf.message"
OPEN_CONSOLE = "link.console"  # these open an address; their click asks for nothing
OPEN_PLATFORM = "link.platform"

LANGUAGE_CHOICES = ("auto", "en", "zh")
MAX_OPTION_VALUE = 150  # UTF-16 units: https://docs.slack.dev/reference/block-kit/composition-objects/option-object
_REPLACING = frozenset({LIST, PREVIOUS_PAGE, NEXT_PAGE, FILTER, REFRESH, RETRY, PAUSE_TENANT, RESUME_TENANT})
_TENANT = re.compile(r"v2:(?P<appid>[0-9A-Za-z_-]{1,32})(?P<rest>(?::.*)?)", re.ASCII | re.DOTALL)
_TENANT_UNITS = len(":wx0123456789abcdef")  # the length that `encode_for` adds to a value
# `v1:EPISODE` or `v1:batch:MESSAGE`, then the choice of a menu, or the action to undo.
_ID = re.compile(r"[0-9A-Za-z_-]{1,100}", re.ASCII)
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


@dataclass(frozen=True, slots=True)
class OpenInvite:
    """The form that invites a person for an account: of an alert's episode, or by the account's handle."""

    episode_id: str = ""
    handle: str = ""


@dataclass(frozen=True, slots=True)
class OpenAdd:
    """The form that adds an account."""


@dataclass(frozen=True, slots=True)
class HomeList:
    """A page of the board in App Home. `filter` is a token of `FILTERS`, `mine`, or a state."""

    filter: str = "due"
    page: int = 1


@dataclass(frozen=True, slots=True)
class ChooseLanguage:
    """The language of everything that one person reads: `auto`, `en` or `zh`."""

    choice: str


Action = Answered | AlertAction | EpisodeDetails | CheckNow | OpenInvite | OpenAdd | HomeList | ChooseLanguage


def encode(action: Action | FleetRequest) -> str:
    """Return the value of a button that asks for `action`.

    `decode` reads it, with the ID of the button; `decode_fleet` reads requests about several Official Accounts.
    """
    match action:
        case AccountsOverview(page, states, text, here, tenant_state):
            filter_ = tenant_state or filter_word(states)
            return f"v1:{'here' if here else 'accounts'}:{page}:{filter_}:{text}"
        case AllAccounts(states, page, here):
            return f"v1:{'allhere' if here else 'all'}:{page}:{filter_word(states)}"
        case Overview():
            return "v1:overview"
        case List(page, states):
            return f"v1:list:{page}:{filter_word(states)}"
        case Find(text, page):
            return f"v1:find:{page}:{text}"
        case Show(text):
            return f"v1:show:{text}"
        case ShowStatus():
            return "v1:status"
        case Help() | OpenAdd():
            return "v1"
        case History(text, page):
            return f"v1:history:{page}:{text}"
        case OpenInvite(episode_id, handle_):
            return f"v1:{episode_id}" if episode_id else f"v1:seat:{handle_}"
        case HomeList(filter_, page):
            return f"v1:list:{page}:{filter_}"
        case ChooseLanguage(choice):
            return f"v1:{choice}"
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
    if action_id == INVITE:
        return _open_invite(value)
    if action_id == ADD:
        return OpenAdd()
    if action_id.startswith("home."):
        return _home_action(action_id, value)
    if action_id == CHECK_NOW:
        return CheckNow(value.removeprefix("v1:"))
    return _request(value) if action_id.startswith("kf.") else None


def decode_fleet(value: str) -> FleetRequest | None:
    """Return the request about several Official Accounts that a value asks for; None for any other value."""
    match value.split(":", 4):
        case ["v1", "accounts" | "here" as word, page, filter_, text] if len(text) <= MAX_TEXT:
            number, states, is_here = page_number(page), states_of(filter_), word == "here"
            if number and states is not None:
                return AccountsOverview(number, states, text, is_here)
            if number and filter_ in AUTHORISATION:
                return AccountsOverview(number, (), text, is_here, TenantState(filter_))
        case ["v1", "all" | "allhere" as word, page, filter_]:
            number, states = page_number(page), states_of(filter_)
            if number and states:
                return AllAccounts(states, number, word == "allhere")
    return None


def encode_for(appid: str, value: str) -> str:
    """Return the value of a button of one of several Official Accounts: `v2:APPID:` and the rest of a `v1` value.

    A value of another form, such as an option of a form, is returned unchanged.
    """
    return f"v2:{appid}{value[2:]}" if value == "v1" or value.startswith("v1:") else value


def split_tenant(value: str) -> tuple[str, str]:
    """Split a value into the AppID, "" if it names none, and the `v1` value, which `decode` reads."""
    match = _TENANT.fullmatch(value)
    return (match["appid"], f"v1{match['rest']}") if match else ("", value)


def is_alert_action(action_id: str) -> bool:
    """Return whether a click changes an alert, as every member of the workspace may; the rest is for viewers."""
    return action_id.startswith("alert.") and action_id != DETAILS


def opens_details(action_id: str) -> bool:
    """Return whether a click on the name of an account shows its details as a modal."""
    return action_id in (SHOW, OPEN)


def opens_link(action_id: str) -> bool:
    """Return whether the click only opens an address, which Slack does itself."""
    return action_id.startswith("link.")


def replaces_message(action_id: str) -> bool:
    """Return whether the answer to a click takes the place of the message, as the next page of a list does."""
    return action_id in _REPLACING


def handle(key: str) -> str:
    """Return a name for `KfAccount.key` that fits every menu: the key itself, or a digest of an odd one."""
    if key and key.isprintable() and units(encode(Show(key))) + _TENANT_UNITS <= MAX_OPTION_VALUE:
        return key
    return "~" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _request(value: str) -> Answered | None:
    match value.split(":", 3):
        case ["v1"]:
            return Help()
        case ["v1", "overview"]:
            return Overview()
        case ["v1", "status"]:
            return ShowStatus()
        case ["v1", "list", page, filter_] if (number := page_number(page)) and (
            states := states_of(filter_)
        ) is not None:
            return List(number, states)
        case ["v1", "history", page, *key] if (number := page_number(page)) and len(
            text := ":".join(key)
        ) <= MAX_TEXT:
            return History(text, number)
        case ["v1", "find", page, text] if 0 < len(text) <= MAX_TEXT and (number := page_number(page)):
            return Find(text, number)
        case ["v1", "show", *key] if 0 < len(text := ":".join(key)) <= MAX_TEXT:
            return Show(text)
    return None


def _open_invite(value: str) -> OpenInvite | None:
    match value.split(":", 2):
        case ["v1", "seat", handle_] if 0 < len(handle_) <= MAX_TEXT:
            return OpenInvite(handle=handle_)
        case ["v1", id_] if _ID.fullmatch(id_):
            return OpenInvite(episode_id=id_)
    return None


def _home_action(action_id: str, value: str) -> HomeList | ChooseLanguage | None:
    match value.split(":"):
        case ["v1"] if action_id == HOME_REFRESH:
            return HomeList()
        case ["v1", choice] if action_id == HOME_LANGUAGE and choice in LANGUAGE_CHOICES:
            return ChooseLanguage(choice)
        case ["v1", "list", page, filter_] if (number := page_number(page)) and is_home_filter(filter_):
            return HomeList(filter_, number)
    return None


def is_home_filter(word: str) -> bool:
    """Return whether the board has such a filter: those of lists, and `mine`, what the reader acknowledged."""
    return word == "mine" or states_of(word) is not None


def page_number(word: str) -> int:
    """Return the number of a page, counted from 1; 0 for anything else."""
    return int(word) if re.fullmatch(rf"[0-9]{{1,{MAX_PAGE}}}", word) else 0


def states_of(token: str) -> tuple[AccountStatus, ...] | None:
    """Read the filter of a list: `all`, `due`, or comma-separated states. Return None for anything else."""
    if token in FILTERS:
        return FILTERS[token]
    words = token.split(",")
    return in_order({AccountStatus(word) for word in words}) if set(words) <= set(AccountStatus) else None


def filter_word(states: tuple[AccountStatus, ...]) -> str:
    """Return the filter of a list with accounts in any of these states; `states_of` reads it."""
    return next((word for word, filtered in FILTERS.items() if filtered == states), ",".join(states))


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
