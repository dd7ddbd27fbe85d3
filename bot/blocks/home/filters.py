"""The filters of the board: which rows each shows, its menu, its title, and its words without any row."""

from __future__ import annotations

from collections.abc import Sequence

from bot import actions
from bot.accounts import AccountRow, Snapshot
from bot.actions import HomeList
from bot.alerting.episode import AccountStatus, priority
from bot.blocks import builders
from bot.blocks.answers import lists
from bot.blocks.answers.overview import many_accounts, verdict
from bot.blocks.answers.pagination import Page
from bot.blocks.context import RenderContext
from bot.ports import Block

DUE, MINE, ALL = "due", "mine", "all"


def normal(filter_: str) -> str:
    """Return the one name of a filter: states in any order may mean `due`."""
    states = actions.states_of(filter_)
    return filter_ if states is None else actions.filter_word(states)


def rows_of(snapshot: Snapshot, filter_: str, user_id: str) -> tuple[AccountRow, ...]:
    """Return the rows of a filter; of `mine`, those that this user acknowledged or snoozed."""
    if filter_ == MINE:
        return tuple(row for row in snapshot.rows if row.owner and row.owner.user_id == user_id)
    return snapshot.only(actions.states_of(filter_) or ())


def menu(snapshot: Snapshot, filter_: str, user_id: str, context: RenderContext) -> Block:
    """Build the menu of the filters, with the present choice. All but the states are there without rows, too."""
    mine = len(rows_of(snapshot, MINE, user_id))
    words = {
        DUE: context.say("Needs attention ({number})", number=len(snapshot.due)),
        MINE: context.say("In your hands ({number})", number=mine),
        ALL: context.say("All ({number})", number=len(snapshot.rows)),
    }
    options = {name: builders.option(text, actions.encode(HomeList(name))) for name, text in words.items()}
    for state in sorted(AccountStatus, key=priority):  # as the rows
        if snapshot.counts[state] or filter_ == state:
            options[state] = lists.filter_option(snapshot, (state,), context)
    if filter_ not in options:  # several states
        options[filter_] = lists.filter_option(snapshot, actions.states_of(filter_) or (), context)
    return builders.select(
        context.say("Filter"), actions.HOME_FILTER, [*options.values()], initial=options[filter_]
    )


def title(snapshot: Snapshot, page: Page[AccountRow] | None, filter_: str, context: RenderContext) -> str:
    """Write the header: the verdict as in `/kf`, or which rows a list shows; `page` is None without rows."""
    if filter_ == DUE or page is None:
        return verdict(snapshot, many_accounts(len(snapshot.rows), context), context)
    if filter_ == ALL:
        return context.say("Accounts {rows} of {total}", rows=page.rows_shown, total=page.total)
    if filter_ == MINE:
        mine = context.say("In your hands ({number})", number=page.total)
        return lists.with_range(mine, page)
    return lists.with_range(lists.list_title(page, actions.states_of(filter_) or (), context), page)


def order(page: Page[AccountRow] | None, filter_: str, context: RenderContext) -> Sequence[str]:
    """Write what the grey line says of the rows: their order, or which page it is."""
    if page and filter_ == ALL:
        return [context.say("problems first")]
    if page and page.pages > 1:
        return [context.say("Page {number} of {total}", number=page.number, total=page.pages)]
    return []


def nothing(filter_: str, context: RenderContext) -> str:
    """Write that a list is empty."""
    if filter_ == MINE:
        return context.say("Nothing is in your hands.")
    return context.say("No account is {state}.", state=lists.either(actions.states_of(filter_) or (), context))
