"""The form that adds an Official Account, and what follows it. It asks for no AppSecret: Slack would keep it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from bot import actions
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.modals.inputs import ACTION_ID, text_input
from bot.blocks.modals.modal_view import modal
from bot.ports import Block, View
from bot.text import escape

SECRET, SERVICE = "secret", "service"  # the values of the menu: where access tokens come from
OPTIONS = ("handle", "name", "channel")  # of the command, in its order


def add_tenant_form(context: RenderContext, *, has_service: bool, needs_channel: bool) -> View:
    """Render the form.

    Args:
        has_service: a token service is set, so an account needs no AppSecret.
        needs_channel: there is no channel for accounts without one of their own.
    """
    optional = {"optional": True}
    handle = text_input(
        "handle",
        context.say("Handle"),
        most=32,
        hint=context.say("What people type after @. Empty: made of the AppID."),
    )
    name = text_input("name", context.say("Name"), most=64, hint=context.say("What messages call it."))
    of_channel = context.say("Such as C0123456789: the last line of the channel’s details.")
    channel = text_input("channel", context.say("ID of the channel for alerts"), most=32, hint=of_channel)
    blocks = [
        text_input("appid", context.say("AppID"), most=32, placeholder="wx0123456789abcdef", focus=True),
        handle | optional,
        name | optional,
        channel if needs_channel else channel | optional,
    ]
    if has_service:
        blocks.append(_sources(context))
    else:
        blocks.append(
            builders.context(context.say("The AppSecret is entered on the host of the bot, never in Slack."))
        )
    return _modal(blocks, context, submit=context.say("Go on"))


def command_view(table: Mapping[str, str], context: RenderContext) -> View:
    """Show the command that adds the account on the host, where it asks for the AppSecret."""
    options = [f"--{key} {shlex.quote(table[key])}" for key in OPTIONS if table.get(key)]
    command = " ".join(["python -m bot accounts add", table["appid"], *options])
    text = context.say("Run this on the host of the bot. It asks for the AppSecret, which must never be in Slack.")
    after = context.say(
        "WeChat must give a token before anything is stored; then the account is watched within seconds."
    )
    blocks = [builders.section(text), builders.section(f"```{escape(command)}```"), builders.context(after)]
    return _modal(blocks, context)


def added_view(table: Mapping[str, str], context: RenderContext) -> View:
    """Confirm that an account was added."""
    done = context.say("{name} is added.", name=escape(f"@{table['handle']}"))
    more = context.say("The bot takes it over within seconds, and its tokens come from the token service.")
    return _modal([builders.section(f"*{done}*\n{more}")], context)


def refused_view(text: str, context: RenderContext) -> View:
    """Show why nothing was added."""
    return _modal([builders.section(text)], context)


def field_problem(field: str, context: RenderContext) -> str:
    """Write what a field must be."""
    match field:
        case "appid":
            return context.say("An AppID begins with wx and has 18 characters.")
        case "handle":
            return context.say(
                "1 to 32 letters, digits, - and _, beginning with a letter. No word of the command, and no handle "
                "that another account has."
            )
        case "channel":
            return context.say("The ID of a channel, such as C0123456789.")
    return context.say("This cannot be used.")


def exists_already(context: RenderContext) -> str:
    return context.say("This account is there already.")


def _sources(context: RenderContext) -> Block:
    options = [
        builders.option(context.say("AppSecret, entered on the host"), SECRET),
        builders.option(context.say("Token service"), SERVICE),
    ]
    element = builders.select(context.say("Choose"), ACTION_ID, options, initial=options[0])
    label = builders.plain(context.say("Access tokens come from"), 2000)
    return {"type": "input", "block_id": "source", "label": label, "element": element}


def _modal(blocks: list[Block], context: RenderContext, submit: str = "") -> View:
    title = context.say("Add Official Account")
    return modal(title, blocks, context, callback_id=actions.ADD_TENANT, submit=submit)
