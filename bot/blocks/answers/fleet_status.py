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
from bot.health.problem_groups import ProblemGroup, grouped
from bot.ports import Block, Message
from bot.requests import ShowStatus
from bot.text import escape

SHOWN = 10  # accounts with a problem, each in a row; those of more are grouped
NAMED = 5  # accounts of a group

Troubled = tuple[TenantName, Sequence[Problem]]


def fleet_status(
    troubled: Sequence[Troubled],
    total: int,
    example: TenantName,
    context: RenderContext,
    shared: Sequence[Problem] = (),
    platform: Sequence[str] = (),
) -> Message:
    """Render which Official Accounts have a problem, each with its worst one, or that all work.

    Of more than ten, each kind of problem has a row, with the number of accounts and five of them.

    Args:
        total: the number of all accounts, those without a problem included.
        example: one of them.
        shared: the problems of all of them, or of all of the platform, which each of them does not have.
        platform: what is known of the third-party platform, in words.
    """
    title = _title(len(troubled), total, shared, context)
    icon = builders.TROUBLE if troubled or shared else builders.FINE
    groups = grouped(troubled) if len(troubled) > SHOWN else []
    rows = [block for group in groups[:SHOWN] for block in _group(group, context)]
    if not groups:
        rows = [block for tenant, problems in troubled for block in _row(tenant, problems[0], context)]
    blocks = [
        builders.header(f"{icon} {title}"),
        *(block for problem in shared for block in _of_all(problem, context)),
        *rows,
        builders.actions(builders.refresh(actions.encode(ShowStatus()), context)),
        *([builders.context(_about_platform(platform, context))] if platform else []),
        builders.context(_hint(example, context)),
    ]
    sentences = _of_groups(groups, context.as_text) if groups else _of_accounts(troubled, context.as_text)
    for place, problem in enumerate(shared):
        name, what = _concerned(problem, context.as_text), " ".join(plain_words(problem, context.as_text))
        sentences.insert(place, context.as_text.say("{name}: {what}", name=name, what=what))
    if platform:
        sentences.append(context.as_text.say("{what}.", what=_about_platform(platform, context.as_text)))
    plain = context.as_text.paragraph(context.as_text.say("{what}.", what=title), *sentences)
    return Message(context.as_text.plain(plain), blocks)


def _title(troubled: int, total: int, shared: Sequence[Problem], context: RenderContext) -> str:
    if shared:
        return f"{many_tenants(total, context)} · {explain(shared[0], context, '').title}"
    if not troubled:
        return f"{many_tenants(total, context)} · {context.say('Working normally')}"
    return context.count(
        "{number} of {accounts} has a problem",
        "{number} of {accounts} have a problem",
        troubled,
        accounts=many_tenants(total, context),
    )


def _of_all(problem: Problem, context: RenderContext) -> list[Block]:
    words = explain(problem, context, "")
    head = builders.section(f"*{_concerned(problem, context)}*\n{words.title}")
    return [head, builders.context(context.say("*Next:* {step}", step=words.next))]


def _concerned(problem: Problem, context: RenderContext) -> str:
    if problem.is_outage_of_all:
        return context.say("All Official Accounts")
    return context.say("All Official Accounts of the platform")


def _about_platform(words: Sequence[str], context: RenderContext) -> str:
    return context.say("Platform: {facts}", facts=context.clauses(words))


def _row(tenant: TenantName, problem: Problem, context: RenderContext) -> list[Block]:
    words = explain(problem, replace(context, handle=tenant.slug), "")
    value = actions.encode_for(tenant.appid, actions.encode(ShowStatus()))
    label = context.say("Status of {name}", name=title_of(tenant))
    open_ = builders.button(context.say("Status"), actions.LIST, value, label=label)
    head = builders.section(f"{name_line(tenant)}\n{words.title}") | {"accessory": open_}
    return [head, builders.context(context.say("*Next:* {step}", step=words.next))]


def _group(group: ProblemGroup[TenantName], context: RenderContext) -> list[Block]:
    words = explain(group.problem, context, "")
    number = many_tenants(len(group.accounts), context)
    head = builders.section(f"*{number}* · {words.title}\n{_marks(group, context)}")
    return [head, builders.context(context.say("*Next:* {step}", step=words.next))]


def _marks(group: ProblemGroup[TenantName], context: RenderContext) -> str:
    return context.some([escape(mark_of(tenant)) for tenant in group.accounts], NAMED)


def _hint(example: TenantName, context: RenderContext) -> str:
    command = f"/kf {escape(mark_of(example))} status"
    return context.say("{command} shows the facts of one Official Account", command=command)


def _of_accounts(troubled: Sequence[Troubled], context: RenderContext) -> list[str]:
    sentences = []
    for tenant, problems in troubled:
        what = " ".join(plain_words(problems[0], replace(context, handle=tenant.slug)))
        sentences.append(context.say("{name}: {what}", name=escape(title_of(tenant)), what=what))
    return sentences


def _of_groups(groups: Sequence[ProblemGroup[TenantName]], context: RenderContext) -> list[str]:
    sentences = []
    for group in groups[:SHOWN]:
        number, what = many_tenants(len(group.accounts), context), " ".join(plain_words(group.problem, context))
        name = context.say("{name} ({facts})", name=number, facts=_marks(group, context))
        sentences.append(context.say("{name}: {what}", name=name, what=what))
    return sentences
