"""The Official Accounts of an installation, as the store knows them: ten a page, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot import actions
from bot.alerting.episode import NEEDS_ATTENTION
from bot.blocks import builders
from bot.blocks.account_states import state_words
from bot.blocks.answers import fleet_rows
from bot.blocks.answers.lists import either, with_range
from bot.blocks.answers.pagination import Page, turns
from bot.blocks.context import RenderContext
from bot.fleet_overview import TenantName, TenantOverview, choose, worst_first
from bot.ports import Message
from bot.tenant_requests import AccountsOverview
from bot.text import TYPED, clean, escape


def accounts_page(
    rows: Sequence[TenantOverview], request: AccountsOverview, now: datetime, context: RenderContext
) -> Message:
    """Render a page of the Official Accounts that the request chooses.

    Args:
        rows: all that the reader may see here.
    """
    chosen = choose(worst_first(rows), request.states, request.text, request.tenant_state)
    if not chosen:
        return _nothing_chosen(rows, request, now, context)
    page = Page.of(chosen, request.page)
    blocks = [builders.header(with_range(_title(page, rows, request, context), page))]
    for row in page.rows:
        blocks += fleet_rows.tenant_row(row, now, context)
    refresh = builders.refresh(actions.encode(request), context)
    example = next((row.tenant for row in page.rows if row.state.is_polled), None)
    age = _age(rows, now, context, example)
    blocks.append(builders.actions(*turns(page, request, context), refresh))
    if age:
        blocks.append(builders.context(" · ".join(age)))
    return Message(_plain_text(page, rows, request, now, context.as_text), blocks)


def _title(
    page: Page[TenantOverview], rows: Sequence[TenantOverview], request: AccountsOverview, context: RenderContext
) -> str:
    if request.text:
        return context.count(
            "{number} Official Account matches “{text}”",
            "{number} Official Accounts match “{text}”",
            page.total,
            text=clean(request.text, TYPED),
        )
    if request.tenant_state and (words := state_words(request.tenant_state, context)):
        return f"{fleet_rows.many_tenants(page.total, context)} · {words.title}"
    if request.states and request.states != NEEDS_ATTENTION:
        return context.count(
            "{number} Official Account with accounts that are {state}",
            "{number} Official Accounts with accounts that are {state}",
            page.total,
            state=either(request.states, context),
        )
    due = sum(row.needs_attention for row in rows)
    verdict = (
        context.count("{number} needs attention", "{number} need attention", due)
        if due
        else context.say("nothing needs attention")
    )
    return f"{fleet_rows.many_tenants(len(rows), context)} · {verdict}"


def _age(
    rows: Sequence[TenantOverview], now: datetime, context: RenderContext, example: TenantName | None = None
) -> list[str]:
    read = [row.figures.read_at for row in rows if row.figures.read_at]
    return fleet_rows.age(min(read, default=None), len(rows) - len(read), now, context, example)


def _plain_text(
    page: Page[TenantOverview],
    rows: Sequence[TenantOverview],
    request: AccountsOverview,
    now: datetime,
    context: RenderContext,
) -> str:
    names = []
    for row in page.rows:
        name = escape(fleet_rows.title_of(row.tenant))
        facts = context.clauses([*fleet_rows.trouble(row, now, context), *fleet_rows.counts(row, context)])
        names.append(context.say("{name} ({facts})", name=name, facts=facts) if facts else name)
    title = escape(with_range(_title(page, rows, request, context), page))
    return context.paragraph(
        context.say("{title}: {names}.", title=title, names=context.series(names)),
        *(context.say("{what}.", what=part) for part in _age(rows, now, context)),
    )


def _nothing_chosen(
    rows: Sequence[TenantOverview], request: AccountsOverview, now: datetime, context: RenderContext
) -> Message:
    if not rows:
        title = context.say("There is no Official Account for you here.")
        step = context.say("Ask the person who runs this bot which channel an Official Account is for.")
        return Message(context.paragraph(title, step), [builders.section(f"*{title}*\n{step}")])
    if request.text:
        title = context.say("No Official Account matches “{text}”.", text=escape(clean(request.text, TYPED)))
    elif request.tenant_state:
        title = context.say("No Official Account is in this state.")
    elif request.states == NEEDS_ATTENTION:
        title = context.say("Nothing needs attention.")
    else:
        title = context.say(
            "No Official Account has accounts that are {state}.", state=either(request.states, context)
        )
    total = fleet_rows.many_tenants(len(rows), context)
    every = builders.button(
        context.say("See all {number}", number=len(rows)),
        actions.REFRESH,
        actions.encode(AccountsOverview(here=request.here)),
    )
    blocks = [
        builders.section(f"*{title}*"),
        builders.actions(every),
        builders.context(" · ".join([*_age(rows, now, context), total])),
    ]
    parts = [*_age(rows, now, context.as_text), context.as_text.say("{total} in all", total=total)]
    return Message(context.paragraph(title, *(context.say("{what}.", what=part) for part in parts)), blocks)
