"""How a request can be run again: the command to type, and the button that does the same."""

from __future__ import annotations

from bot import actions
from bot.alerting.episode import NEEDS_ATTENTION
from bot.blocks.answers.replies import Suggestion
from bot.requests import Find, Help, History, Known, List, Operate, Overview, Show, ShowStatus, Unknown


def suggestion_of(request: Known | Unknown) -> Suggestion:
    """Return the command that runs a request again, and the button that does the same.

    An operation has no such button: a form opens for a typed command.
    """
    match request:
        case List(_, states):
            words = "attention" if states == NEEDS_ATTENTION else " ".join(states) or "list"
            return Suggestion(words, actions.LIST, actions.encode(request))
        case Find(text):
            return Suggestion(f"find {text}", actions.LIST, actions.encode(request))
        case Unknown(text):
            return Suggestion(text, actions.LIST, actions.encode(Find(text, 1)))
        case Show(text):
            return Suggestion(f"show {text}", actions.SHOW, actions.encode(request))
        case History(text):
            return Suggestion(f"history {text}".strip(), actions.HISTORY, actions.encode(request))
        case Operate(kind, text):
            return Suggestion(f"{kind} {text}".strip(), "", "")
        case ShowStatus():
            return Suggestion("status", actions.REFRESH, actions.encode(request))
        case Help(topic):
            return Suggestion(topic or "help", actions.HELP, actions.encode(request))
        case Overview():
            return Suggestion("", actions.REFRESH, actions.encode(request))
