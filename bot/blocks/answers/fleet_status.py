"""The answer to `/kf status` in an installation with several Official Accounts: those with a problem first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot import actions
from bot.blocks import builders
from bot.blocks.answers.diagnosis import explain, plain_words
from bot.blocks.answers.fleet_rows import many_tenants, mark_of, name_line, title_of
from bot.blocks.context import RenderContext
from bot.fleet_overview import TenantName
from bot.health.facts import Problem
from bot.ports import Block, Message
from bot.requests import ShowStatus
from bot.text import escape

SHOWN = 10  # accounts with a problem; the others are counted

Checked = tuple[TenantName, Sequence[Problem]]


def fleet_status(checked: Sequence[Checked], context: RenderContext) -> Message:
    """Render which Official Accounts have a problem, each with its worst one, or that all work."""
    troubled = [(tenant, problems) for tenant, problems in checked if problems]
    title = _title(len(troubled), len(checked), context)
    icon = builders.TROUBLE if troubled else builders.FINE
    rows = [block for tenant, problems in troubled[:SHOWN] for block in _row(tenant, problems[0], context)]
    more = len(troubled) - SHOWN
    blocks = [
        builders.header(f"{icon} {title}"),
        *rows,
        *([builders.context(context.say("and {number} more", number=more))] if more > 0 else []),
        builders.actions(builders.refresh(actions.encode(ShowStatus()), context)),
        builders.context(_hint(checked, context)),
    ]
    return Message(_plain_text(title, troubled, context.as_text), blocks)


def _title(troubled: int, total: int, context: RenderContext) -> str:
    if not troubled:
        return f"{many_tenants(total, context)} · {context.say('Working normally')}"
    return context.count(
        "{number} of {accounts} has a problem",
        "{number} of {accounts} have a problem",
        troubled,
        accounts=many_tenants(total, context),
    )


def _row(tenant: TenantName, problem: Problem, context: RenderContext) -> list[Block]:
    words = explain(problem, replace(context, handle=tenant.slug), "")
    value = actions.encode_for(tenant.appid, actions.encode(ShowStatus()))
    label = context.say("Status of {name}", name=title_of(tenant))
    open_ = builders.button(context.say("Status"), actions.LIST, value, label=label)
    head = builders.section(f"{name_line(tenant)}\n{words.title}") | {"accessory": open_}
    return [head, builders.context(context.say("*Next:* {step}", step=words.next))]


def _hint(checked: Sequence[Checked], context: RenderContext) -> str:
    command = f"/kf {escape(mark_of(checked[0][0]))} status"
    return context.say("{command} shows the facts of one Official Account", command=command)


def _plain_text(title: str, troubled: Sequence[Checked], context: RenderContext) -> str:
    parts = []
    for tenant, problems in troubled[:SHOWN]:
        what = " ".join(plain_words(problems[0], replace(context, handle=tenant.slug)))
        parts.append(context.say("{name}: {what}", name=escape(title_of(tenant)), what=what))
    return context.plain(context.paragraph(context.say("{what}.", what=title), *parts))
