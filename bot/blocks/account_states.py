"""The states of an authorisation in words: what each means, and the one next step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bot.blocks.context import RenderContext
from bot.language import gettext_noop, pgettext_noop
from bot.tenant_states import TenantState

LINK = "/kf accounts link"


class StateWords(NamedTuple):
    """A state in words."""

    title: str  # without a full stop
    why: str
    next: str  # follows "*Next:*"
    past: str = ""  # the title when it is over, if that is in the present tense


_WORDS: Mapping[TenantState, StateWords] = {
    TenantState.UNEXCHANGED: StateWords(
        gettext_noop("The authorisation is not complete"),
        gettext_noop("The owner has authorised the platform, but the bot has no token for the account."),
        gettext_noop("send the owner a new link, which {command} makes."),
        gettext_noop("The authorisation was not complete"),
    ),
    TenantState.UNGRANTED: StateWords(
        gettext_noop("The owner has not granted customer service"),
        gettext_noop("WeChat needs permission set 6 for an Official Account, or 19 for a Mini Program."),
        gettext_noop("send the owner a new link, which {command} makes, and ask them to keep that set selected."),
    ),
    TenantState.DOUBTFUL: StateWords(
        gettext_noop("WeChat does not find the authorisation"),
        gettext_noop("That may be its mistake: it is asked again after 10 minutes and after an hour."),
        gettext_noop("nothing yet. If the owner has not withdrawn it, this ends without any action."),
        gettext_noop("WeChat did not find the authorisation"),
    ),
    TenantState.REVOKED: StateWords(
        gettext_noop("The owner has withdrawn the authorisation"),
        gettext_noop("The account is not watched any more."),
        gettext_noop("if that was a mistake, send the owner a new link, which {command} makes."),
    ),
    TenantState.CLOSED: StateWords(
        gettext_noop("WeChat has closed or frozen the account"),
        gettext_noop("The account is not watched any more."),
        gettext_noop(
            "the owner finds the reason in the WeChat console. When it is open again, send them a new link, which "
            "{command} makes."
        ),
    ),
}


_NAMES: Mapping[TenantState, str] = {
    TenantState.ACTIVE: pgettext_noop("official account", "watched"),
    TenantState.PAUSED: pgettext_noop("official account", "paused"),
    TenantState.UNEXCHANGED: pgettext_noop("official account", "not complete"),
    TenantState.UNGRANTED: pgettext_noop("official account", "without customer service"),
    TenantState.DOUBTFUL: pgettext_noop("official account", "doubtful"),
    TenantState.REVOKED: pgettext_noop("official account", "withdrawn"),
    TenantState.CLOSED: pgettext_noop("official account", "closed"),
}


def state_name(state: TenantState, context: RenderContext) -> str:
    """Return the word for a state, beside a number of accounts."""
    return context.term("official account", _NAMES[state])


def state_words(state: TenantState, context: RenderContext) -> StateWords | None:
    """Return the words for a state of an authorisation; None for one that needs none."""
    words = _WORDS.get(state)
    if words is None:
        return None
    return StateWords(
        context.say(words.title),
        context.say(words.why),
        context.say(words.next, command=f"`{LINK}`"),
        context.say(words.past) if words.past else "",
    )
