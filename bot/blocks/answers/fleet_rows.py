"""Rows of Official Accounts in answers, and sentences that name or count them."""

from __future__ import annotations

from datetime import datetime

from bot import actions
from bot.alerting.episode import NEEDS_ATTENTION
from bot.blocks import builders
from bot.blocks.account_states import state_words
from bot.blocks.answers.overview import many_accounts
from bot.blocks.channel.incident_notices import incident_title
from bot.blocks.context import RenderContext
from bot.blocks.times import near, span
from bot.fleet_overview import TenantName, TenantOverview
from bot.ports import Block
from bot.requests import Overview
from bot.tenant_states import AUTHORISATION
from bot.text import ACCOUNT, NAME, Limit, clean, escape

SLUG = Limit(32, 64)


def title_of(tenant: TenantName) -> str:
    """Return the name of an Official Account, else its handle, for plain_text."""
    return clean(tenant.title, NAME) or clean(tenant.slug, SLUG) or clean(tenant.appid, ACCOUNT)


def mark_of(tenant: TenantName) -> str:
    """Return what follows `/kf` to mean an Official Account, for plain_text: `@harbour`, else its AppID."""
    slug = clean(tenant.slug, SLUG)
    return f"@{slug}" if slug else clean(tenant.appid, ACCOUNT)


def name_line(tenant: TenantName) -> str:
    """Write `*Harbour Tea* · @harbour`."""
    return f"*{escape(title_of(tenant))}* · {escape(mark_of(tenant))}"


def opening(tenant: TenantName, context: RenderContext) -> Block:
    """Build the button that reads an Official Account from WeChat and shows its overview."""
    value = actions.encode_for(tenant.appid, actions.encode(Overview()))
    label = context.say("Open {name}", name=title_of(tenant))
    return builders.button(context.say("Open"), actions.LIST, value, label=label)


def many_tenants(number: int, context: RenderContext) -> str:
    return context.count("{number} Official Account", "{number} Official Accounts", number)


def age(
    oldest: datetime | None,
    never_read: int,
    now: datetime,
    context: RenderContext,
    example: TenantName | None = None,
) -> list[str]:
    """Write how old figures from the store are: `from the last polls`, and what reads the example now."""
    parts = []
    if oldest:
        parts.append(context.say("From the last polls, the oldest {when}", when=near(oldest, now, context)))
    if never_read:
        parts.append(context.count("{number} was not read yet", "{number} were not read yet", never_read))
    if example:
        command = f"/kf {escape(mark_of(example))}"
        parts.append(context.say("{command} reads one now", command=command))
    return parts


def tenant_row(row: TenantOverview, now: datetime, context: RenderContext) -> list[Block]:
    """Build a row with a button that opens it, and a grey line of facts below."""
    head = builders.section(f"{_icon(row)} {name_line(row.tenant)}")
    facts = [builders.context(" · ".join(_facts(row, now, context)))]
    if words := state_words(row.state, context):
        facts.append(builders.context(context.say("*Next:* {step}", step=words.next)))
    return [head | {"accessory": opening(row.tenant, context)}, *facts]


def _icon(row: TenantOverview) -> str:
    if row.figures.incident or row.state in AUTHORISATION:
        return builders.TROUBLE if row.needs_attention or row.state.is_polled else builders.ICONS["removed"]
    if row.figures.read_at is None:
        return builders.ICONS["unknown"]
    return next(
        (builders.ICONS[state] for state in NEEDS_ATTENTION if row.figures.counts.get(state)), builders.FINE
    )


def _facts(row: TenantOverview, now: datetime, context: RenderContext) -> list[str]:
    """List `2 rejected`, `1 expired`, `12 accounts`, `read 3 min ago`."""
    figures = row.figures
    facts = [*trouble(row, now, context), *counts(row, context)]
    if figures.read_at is None:
        return [*facts, context.say("never read yet")]
    ago = span(now - figures.read_at, context)
    return [*facts, many_accounts(figures.accounts, context), context.say("read {span} ago", span=ago)]


def trouble(row: TenantOverview, now: datetime, context: RenderContext) -> list[str]:
    """Write why an Official Account is not watched or cannot be read, and since when."""
    if words := state_words(row.state, context):
        return [words.title]
    incident, since = row.figures.incident, row.figures.failing_since
    return [
        *([incident_title(incident, context)] if incident else []),
        *([context.say("failing since {when}", when=near(since, now, context))] if since else []),
    ]


def counts(row: TenantOverview, context: RenderContext) -> list[str]:
    """List `2 rejected`, `1 expired`, `1 acknowledged`."""
    numbers, acknowledged = row.figures.counts, row.figures.acknowledged
    return [
        *(
            context.say("{number} {state}", number=numbers[state], state=context.state(state))
            for state in NEEDS_ATTENTION
            if numbers.get(state)
        ),
        *([context.say("{number} acknowledged", number=acknowledged)] if acknowledged else []),
    ]
