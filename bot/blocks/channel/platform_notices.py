"""What Slack shows of an authorisation: an account that was added, and one whose owner has withdrawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.ports import Block, Message
from bot.text import NAME, clean, escape


def withdrawal(payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Render the notice in an account's channel that its owner has withdrawn the authorisation."""
    name = escape(clean(payload["withdrawn"], NAME))
    handle = payload["handle"]
    title = context.say("{name} is no longer watched", name=name)
    why = context.say("Its owner has withdrawn the authorisation, so no more alerts about it come.")
    step = context.say(
        "if that was a mistake, let the owner open a new link: {command} gives it.", command="`/kf accounts link`"
    )
    text = context.as_text
    return Message(
        text.plain(text.paragraph(text.say("{what}.", what=title), why)),
        [
            builders.section(f"{builders.TROUBLE} *{title}*\n{why}"),
            builders.section(f"*{context.say('Next:')}* {step}"),
            builders.context(context.say("{command} still shows what was known.", command=f"`/kf @{handle}`")),
        ],
    )


def withdrawn(message: Message, context: RenderContext) -> Message:
    """Render a sent message of an account whose owner has withdrawn: what it showed last, and nothing to press."""
    text = context.paragraph(message.text, no_longer_watched(context.as_text))
    blocks = [_without_buttons(block) for block in message.blocks if block["type"] != "actions"]
    return replace(message, text=text, blocks=[*blocks, builders.context(no_longer_watched(context))])


def no_longer_watched(context: RenderContext) -> str:
    return context.say("No longer watched: the owner has withdrawn the authorisation.")


def _without_buttons(block: Block) -> Block:
    return {key: value for key, value in block.items() if key != "accessory"}


def account_added(name: str, slug: str, context: RenderContext, *, is_watched: bool) -> Message:
    """Render the direct message to the person who asked for the link of an account."""
    shown, command = escape(clean(name, NAME)) or f"@{slug}", f"`/kf @{slug}`"
    title = context.say("{name} has authorised the platform", name=shown)
    if is_watched:
        words = context.say("It is watched from now on: {command} shows its accounts.", command=command)
    else:
        words = context.say("It cannot be watched yet: {command} says why.", command=command)
    icon = builders.FINE if is_watched else builders.TROUBLE
    text = context.paragraph(context.say("{what}.", what=title), words)
    return Message(context.plain(text), [builders.section(f"{icon} *{title}*\n{words}")])
