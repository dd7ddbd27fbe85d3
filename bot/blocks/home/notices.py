"""The views of App Home without any account: reading, and the refusals of a person who may not read."""

from __future__ import annotations

from collections.abc import Sequence

from bot.actions import HomeList
from bot.blocks import builders, mentions
from bot.blocks.answers.replies import MOST_NAMED, admission_not_checked_words
from bot.blocks.context import RenderContext
from bot.blocks.home.home_view import HomeUser, help_button, home_view, language_menu, try_again
from bot.ports import View


def reading(listed: HomeList, context: RenderContext) -> View:
    """Render what a person sees until the first answer of WeChat, or until their permission is known."""
    return home_view([builders.section(context.say("Reading from WeChat…"))], listed)


def refused(viewers: Sequence[str], person: HomeUser, listed: HomeList, context: RenderContext) -> View:
    """Refuse a person who may not read, and name those who may. Only this person sees it."""
    people = context.some([mentions.mention(one) for one in viewers], MOST_NAMED)
    for_people = context.say("It is for {people}.", people=people)
    step = context.say("ask one of them, or whoever runs this bot, to add you (setting KF_VIEWERS).")
    blocks = [
        builders.header(context.say("This board is not open to everybody here")),
        builders.section(f"{for_people}\n*{context.say('Next:')}* {step}"),
        builders.actions(help_button(context), *language_menu(person, context)),
    ]
    return home_view(blocks, listed)


def not_checked(person: HomeUser, listed: HomeList, context: RenderContext) -> View:
    """Refuse a person while Slack does not answer who is in a group."""
    title, why, step = admission_not_checked_words(context)
    blocks = [
        builders.header(f"{builders.TROUBLE} {title}"),
        builders.section(f"{why}\n*{context.say('Next:')}* {step}"),
        builders.actions(try_again(context), help_button(context), *language_menu(person, context)),
    ]
    return home_view(blocks, listed)
