"""The accounts of all Official Accounts in some states, as the store knows them: ten a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot import actions
from bot.accounts import AccountRow
from bot.alerting.episode import NEEDS_ATTENTION
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.answers.fleet_rows import age, many_tenants, mark_of, name_line, title_of
from bot.blocks.answers.lists import either, list_title, with_range
from bot.blocks.answers.pagination import Page, details_menu, turns
from bot.blocks.context import RenderContext
from bot.blocks.names import label_of
from bot.fleet_overview import STORED_STATES, InvitationPage, OpenInvitation, TenantName
from bot.ports import Block, Message
from bot.requests import Show
from bot.tenant_requests import AllAccounts
from bot.text import escape
from wechat_kf import Invitation, KfAccount


@dataclass(frozen=True, slots=True)
class _Row:
    """An account, and the Official Account that it belongs to."""

    tenant: TenantName
    row: AccountRow

    @classmethod
    def of(cls, one: OpenInvitation, tenants: Mapping[str, TenantName]) -> _Row:
        account = KfAccount(
            kf_account=one.kf_account or one.account_key,
            kf_nick=one.kf_nick,
            kf_id=one.kf_id,
            invitation=Invitation(one.invite_wx, one.status, one.expires_at),
        )
        return cls(
            tenants.get(one.appid, TenantName(one.appid, "", "")), AccountRow(account, one.status, one.owner)
        )


def all_page(
    found: InvitationPage,
    tenants: Sequence[TenantName],
    request: AllAccounts,
    now: datetime,
    context: RenderContext,
) -> Message:
    """Render a page of accounts, each with its Official Account.

    Args:
        tenants: all that the reader may see, from which `found` comes.
    """
    source = _source(found, tenants, request, now, context)
    as_text = context.as_text
    sentences = [as_text.say("{what}.", what=part) for part in _source(found, tenants, request, now, as_text)]
    if not found.rows:
        return _empty(request, source, sentences, context)
    known = {tenant.appid: tenant for tenant in tenants}
    page = Page([_Row.of(one, known) for one in found.rows], found.number, found.total)
    title = list_title(page, request.states, context)
    names = context.series([_name(row, context) for row in page.rows])
    text = context.paragraph(
        context.say("{title}: {names}.", title=with_range(title, page), names=names),
        *sentences,
    )

    def with_rows(lines: int, *details: Block) -> Message:
        rows = [block for row in page.rows for block in _blocks(row, now, context, lines)]
        refresh = builders.refresh(actions.encode(request), context)
        blocks = [
            builders.header(with_range(title, page)),
            *rows,
            builders.actions(*turns(page, request, context), *details, refresh),
            builders.context(" · ".join(source)),
        ]
        return Message(text, blocks)

    return builders.first_that_fits(
        lambda: with_rows(2, _details(page, context)),
        lambda: with_rows(1, _details(page, context)),
        lambda: with_rows(1),
    )


def _blocks(one: _Row, now: datetime, context: RenderContext, lines: int) -> list[Block]:
    head = account_rows.head(one.row, now, context)
    if lines == 1:
        return [builders.section(f"{head} · {escape(mark_of(one.tenant))}")]
    facts = [name_line(one.tenant), *account_rows.facts(one.row, context)]
    return [builders.section(head), builders.context(" · ".join(facts))]


def _name(one: _Row, context: RenderContext) -> str:
    """Write `Chen (Harbour Tea)` for the fallback text."""
    name = escape(label_of(one.row.account, context))
    return context.say("{name} ({facts})", name=name, facts=escape(title_of(one.tenant)))


def _details(page: Page[_Row], context: RenderContext) -> Block:
    """Build the menu that shows an account; the value names its Official Account, too."""
    options = (
        builders.option(
            label_of(one.row.account, context),
            actions.encode_for(one.tenant.appid, actions.encode(Show(actions.handle(one.row.account.key)))),
            f"{title_of(one.tenant)} · {account_rows.account(one.row, context)}",
        )
        for one in page.rows
    )
    return details_menu(options, context)


def _source(
    found: InvitationPage,
    tenants: Sequence[TenantName],
    request: AllAccounts,
    now: datetime,
    context: RenderContext,
) -> list[str]:
    hint = _known_to_wechat(tenants, request, context)
    parts = [*age(found.read_at, found.never_read, now, context), many_tenants(len(tenants), context)]
    return [*parts, hint] if hint else parts


def _known_to_wechat(tenants: Sequence[TenantName], request: AllAccounts, context: RenderContext) -> str:
    """Name the states that the store does not have, and the command that reads them. Return "" if it has all."""
    missing = [state for state in request.states if state not in STORED_STATES]
    if not missing or not tenants or request.states == NEEDS_ATTENTION:
        return ""
    command = f"/kf {escape(mark_of(tenants[0]))} {missing[0]}"
    return context.say(
        "Accounts that are {state} are known to WeChat alone: {command}",
        state=either(missing, context),
        command=command,
    )


def _empty(
    request: AllAccounts, source: Sequence[str], sentences: Sequence[str], context: RenderContext
) -> Message:
    if request.states == NEEDS_ATTENTION:
        title = context.say("Nothing needs attention.")
    elif set(request.states) & set(STORED_STATES):
        title = context.say("No account is {state}.", state=either(request.states, context))
    else:
        title = context.say("Of several Official Accounts, only open invitations are known.")
    blocks = [
        builders.section(f"*{title}*"),
        builders.actions(builders.refresh(actions.encode(request), context)),
        builders.context(" · ".join(source)),
    ]
    return Message(context.paragraph(title, *sentences), blocks)
