"""The view around the blocks of App Home, the person who reads it, and the elements that its views share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot import actions, view_metadata
from bot.actions import LANGUAGE_CHOICES, ChooseLanguage, HomeList
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.ports import Block, View
from bot.requests import Help


@dataclass(frozen=True, slots=True)
class HomeUser:
    """The person who opened App Home."""

    user_id: str
    is_operator: bool = False
    language_choice: str = "auto"  # one of `LANGUAGE_CHOICES`; "" without a store, which would keep it


def home_view(blocks: Sequence[Block], listed: HomeList) -> View:
    """Build the view. Slack sends its `private_metadata` back with each click, so no state is stored."""
    return {
        "type": "home",
        "callback_id": "home",
        "private_metadata": view_metadata.encode_home(listed),
        "blocks": list(blocks),
    }


def refresh(context: RenderContext) -> Block:
    return builders.button(context.say("Refresh"), actions.HOME_REFRESH, "v1")


def try_again(context: RenderContext) -> Block:
    return builders.button(context.say("Try again"), actions.HOME_REFRESH, "v1")


def add_account(context: RenderContext, *, primary: bool = False) -> Block:
    value = actions.encode(actions.OpenAdd())
    return builders.button(context.say("Add an account"), actions.ADD, value, primary=primary)


def help_button(context: RenderContext) -> Block:
    return builders.button(context.say("Help"), actions.HELP, actions.encode(Help()))


def language_menu(person: HomeUser, context: RenderContext) -> list[Block]:
    """Build the menu of the reader's language, if a choice can be stored."""
    if not person.language_choice:
        return []
    names = dict(zip(LANGUAGE_CHOICES, (context.say("As in Slack"), "English", "中文"), strict=True))
    options = {
        choice: builders.option(name, actions.encode(ChooseLanguage(choice))) for choice, name in names.items()
    }
    menu = builders.select(
        context.say("Language"),
        actions.HOME_LANGUAGE,
        [*options.values()],
        initial=options[person.language_choice],
    )
    return [menu]
