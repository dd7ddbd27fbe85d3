"""The board: which accounts need attention, with their owners, and whether the bot works."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot import actions
from bot.accounts import AccountRow, Snapshot
from bot.actions import HomeList
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.answers.overview import FEW, calm, many_accounts, no_accounts_words, others
from bot.blocks.answers.pagination import Page, turns
from bot.blocks.context import RenderContext
from bot.blocks.home import filters
from bot.blocks.home.bot_lines import bot_lines, may_add
from bot.blocks.home.home_view import HomeUser, add_account, home_view, refresh, try_again
from bot.blocks.names import name_of
from bot.blocks.problems import Explanation
from bot.blocks.times import near
from bot.ports import Block, View
from bot.requests import Show
from bot.status import Status

ROWS = 20  # a page: two blocks a row, of the 100 of a view


def board(snapshot: Snapshot, status: Status, person: HomeUser, listed: HomeList, context: RenderContext) -> View:
    """Render a page of the accounts as WeChat reported them. A page that no longer exists shows the last."""
    if not snapshot.rows:
        return _empty(snapshot, status, person, listed, context)
    listed, page = _page(snapshot, listed, person)
    more = filters.order(page, listed.filter, context)
    blocks = [
        builders.header(filters.title(snapshot, page, listed.filter, context)),
        account_rows.source(snapshot, context, *more),
        _controls(snapshot, page, listed, person, refresh(context), context),
        *_body(snapshot, page, listed, snapshot.at, context),
        *bot_lines(status, person, snapshot.at, context),
    ]
    return home_view(blocks, listed)


def unavailable(
    why: Explanation,
    last: Snapshot | None,
    status: Status,
    person: HomeUser,
    listed: HomeList,
    now: datetime,
    context: RenderContext,
) -> View:
    """Render the last good read, when WeChat refuses or does not answer; without one, the reason alone."""
    facts = list(why.facts)
    controls, rows = builders.actions(try_again(context)), list[Block]()
    if last:
        when = near(last.at, now, context)
        facts.insert(0, context.say("{title}, so this is as of {when}.", title=why.title, when=when))
    if last and last.rows:
        listed, page = _page(last, listed, person)
        controls = _controls(last, page, listed, person, try_again(context), context)
        rows = _body(last, page, listed, now, context)
    blocks = [
        builders.header(f"{builders.TROUBLE} {why.title}"),
        builders.section("\n".join(filter(None, [why.why, why.shown(context)]))),
        *([builders.context(" · ".join(facts))] if facts else []),
        controls,
        *rows,
        *bot_lines(status, person, now, context, explained=why.title, offers_add=False),
    ]
    return home_view(blocks, listed)


def _empty(snapshot: Snapshot, status: Status, person: HomeUser, listed: HomeList, context: RenderContext) -> View:
    title, why, step = no_accounts_words(snapshot, context)
    adds = may_add(status, person)
    blocks = [
        builders.header(title),
        builders.section(context.paragraph(why, step)),
        account_rows.source(snapshot, context),
        builders.actions(
            refresh(context), *([add_account(context, primary=True)] if adds else []), builders.console(context)
        ),
        *bot_lines(status, person, snapshot.at, context, offers_add=False),
    ]
    return home_view(blocks, listed)


def _page(snapshot: Snapshot, listed: HomeList, person: HomeUser) -> tuple[HomeList, Page[AccountRow] | None]:
    """Return the page that exists, with the list that names it; no page without rows."""
    filter_ = filters.normal(listed.filter)
    rows = filters.rows_of(snapshot, filter_, person.user_id)
    if not rows:
        return HomeList(filter_), None
    page = Page.of(rows, listed.page, ROWS)
    return HomeList(filter_, page.number), page


def _controls(
    snapshot: Snapshot,
    page: Page[AccountRow] | None,
    listed: HomeList,
    person: HomeUser,
    again: Block,
    context: RenderContext,
) -> Block:
    leads = (
        turns(page, listed, context, previous=actions.HOME_PREVIOUS_PAGE, following=actions.HOME_NEXT_PAGE)
        if page
        else []
    )
    return builders.actions(*leads, again, filters.menu(snapshot, listed.filter, person.user_id, context))


def _body(
    snapshot: Snapshot, page: Page[AccountRow] | None, listed: HomeList, now: datetime, context: RenderContext
) -> list[Block]:
    if listed.filter != filters.DUE:
        if page is None:
            return [builders.section(f"*{filters.nothing(listed.filter, context)}*")]
        return _rows(page.rows, now, context)
    if page is None and len(snapshot.rows) <= FEW:
        return _rows(snapshot.rows, now, context)
    if page is None:
        return calm(snapshot, many_accounts(len(snapshot.rows), context), context)
    blocks = _rows(page.rows, now, context)
    if rest := others(snapshot):
        counted = builders.icons_and_counts(context.say("Also"), rest, context)
        blocks += [builders.divider(), builders.section(counted)]
    return blocks


def _rows(rows: Sequence[AccountRow], now: datetime, context: RenderContext) -> list[Block]:
    """Build each row as in `/kf`, with a button beside it that opens its details."""
    blocks = account_rows.two_lines(rows, now, context)
    for row, section in zip(rows, blocks[::2], strict=True):
        section["accessory"] = _details(row, context)
    return blocks


def _details(row: AccountRow, context: RenderContext) -> Block:
    name, state = name_of(row.account.kf_nick, context), context.state(row.status)
    return builders.button(
        context.say("Details"),
        actions.SHOW,
        actions.encode(Show(actions.handle(row.account.key))),
        label=context.say("Details of {name}, {state}", name=name, state=state),
    )
