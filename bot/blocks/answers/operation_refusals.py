"""Answers to a person who asked for an operation that cannot be offered."""

from __future__ import annotations

from collections.abc import Sequence

from bot.blocks import builders, mentions
from bot.blocks.answers.replies import MOST_NAMED
from bot.blocks.context import RenderContext
from bot.operations.operation import Availability
from bot.ports import Message


def not_an_operator(operators: Sequence[str], context: RenderContext) -> Message:
    """Refuse a person who may not change accounts, and name those who may. No mention notifies: one person sees it.

    Args:
        operators: IDs of people and user groups.
    """
    people = context.some([mentions.mention(id_) for id_ in operators], MOST_NAMED)
    return _refusal(
        context.say("Only some people may change accounts"),
        context.say("They are {people}.", people=people),
        context.say("ask one of them to do it, or whoever runs this bot to add you (setting KF_OPERATORS)."),
        context,
    )


def operators_not_checked(context: RenderContext) -> Message:
    """Refuse a person while Slack does not answer who is in a group of KF_OPERATORS."""
    return _refusal(
        context.say("Slack does not say who may change accounts"),
        context.say("It did not name a user group's members."),
        context.say("try again in a minute."),
        context,
    )


def operations_off(availability: Availability, context: RenderContext) -> Message:
    """Explain why accounts cannot be changed from Slack: no operator is named, or there is no store."""
    if availability is Availability.NO_STORE:
        why = context.say("It must be written down who did what, and with ALERTS=off there is no database.")
        step = context.say("do it in the WeChat console, or have whoever runs this bot set ALERTS=on.")
    else:
        why = context.say("Nobody is named who may.")
        step = context.say("do it in the WeChat console, or have whoever runs this bot set KF_OPERATORS.")
    title = context.say("Accounts cannot be changed from Slack yet")
    return _refusal(title, why, step, context, console=True)


def only_in_console(context: RenderContext) -> Message:
    """Explain that an account without a `kf_account` cannot be named to WeChat."""
    return _refusal(
        context.say("This account can only be changed in the WeChat console"),
        context.say("WeChat lists it without a kf_account."),
        context.say("do it in the WeChat console."),
        context,
        console=True,
    )


def too_late_to_open(context: RenderContext, *, typed: bool) -> Message:
    """Ask for another click, or with `typed` another command: Slack opens a modal within three seconds only."""
    if typed:
        text = context.say("Slack waited too long for this window. Please type the command again.")
    else:
        text = context.say("Slack waited too long for this window. Please click again.")
    return Message(text, [builders.section(text)])


def _refusal(title: str, why: str, step: str, context: RenderContext, *, console: bool = False) -> Message:
    blocks = [
        builders.section(f"*{title}*\n{why}"),
        builders.section(f"*{context.say('Next:')}* {step}"),
        *([builders.actions(builders.console(context))] if console else []),
    ]
    text = context.paragraph(context.say("{what}.", what=title), why, context.capitalized(step))
    return Message(text, blocks)
