"""Answers to a command that does not name an Official Account which its reader may see."""

from __future__ import annotations

from collections.abc import Sequence

from bot import actions
from bot.blocks import builders
from bot.blocks.answers.fleet_rows import mark_of, name_line, opening, title_of
from bot.blocks.context import RenderContext
from bot.fleet_overview import TenantName
from bot.ports import Block, Message
from bot.tenant_requests import AccountsOverview
from bot.text import TYPED, clean, escape

MOST_NAMED = 5
ALL = "/kf accounts"


def no_such_account(word: str, nearest: Sequence[TenantName], context: RenderContext) -> Message:
    """Answer a handle or an AppID that does not exist, or that the reader may not see, without a hint which.

    Args:
        nearest: those that the reader may see, and whose handle or name is similar.
    """
    nearest = nearest[:MOST_NAMED]
    title = context.say("There is no Official Account “{word}” for you here.", word=escape(clean(word, TYPED)))
    marks = context.either([escape(mark_of(tenant)) for tenant in nearest])
    step = (
        context.say("Did you mean {command}?", command=marks)
        if nearest
        else context.say("{command} lists those that you may see.", command=ALL)
    )
    blocks = [builders.section(f"*{title}*\n{step}")]
    blocks += [builders.section(name_line(one)) | {"accessory": opening(one, context)} for one in nearest]
    return Message(context.paragraph(title, step), [*blocks, builders.actions(_see_all(context))])


def which_account(tenants: Sequence[TenantName], words: str, context: RenderContext) -> Message:
    """Ask which Official Account a command means, with what to type for each.

    Args:
        words: the command as typed, after `/kf`.
    """
    shown = tenants[:MOST_NAMED]
    typed = clean(words, TYPED)
    commands = {tenant: f"/kf {mark_of(tenant)} {typed}".rstrip() for tenant in shown}
    title = context.say("Which Official Account do you mean?")
    lines = [f"`{escape(command)}` – {escape(title_of(tenant))}" for tenant, command in commands.items()]
    more = len(tenants) - len(shown)
    rest = context.say("And {number} more: {command}", number=more, command=ALL) if more else ""
    blocks = [
        builders.section("\n".join([f"*{title}*", *lines])),
        *([builders.context(rest)] if rest else []),
        builders.actions(_see_all(context)),
    ]
    first = context.say(
        "Type one of these: {commands}.", commands=context.series([*map(escape, commands.values())])
    )
    return Message(context.paragraph(title, first, context.say("{what}.", what=rest) if rest else ""), blocks)


def without_alerts(tenants: Sequence[TenantName], context: RenderContext) -> Message:
    """Say that a list over all Official Accounts needs the database, which is not used while alerts are off."""
    title = context.say("Alerts are off, so no accounts are stored")
    example = escape(f"/kf {mark_of(tenants[0])}")
    step = context.say("read one Official Account, such as {command}, or set ALERTS to on.", command=example)
    blocks = [builders.section(f"{builders.TROUBLE} *{title}*\n*{context.say('Next:')}* {step}")]
    text = context.paragraph(context.say("{what}.", what=title), context.capitalized(step))
    return Message(text, [*blocks, builders.actions(_see_all(context))])


def _see_all(context: RenderContext) -> Block:
    value = actions.encode(AccountsOverview())
    return builders.button(context.say("All Official Accounts"), actions.LIST, value)
