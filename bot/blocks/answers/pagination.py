"""A long list as one message, ten rows a page. The callers choose rows and title."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from bot import actions
from bot.accounts import AccountRow, Snapshot
from bot.actions import HomeList
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.context import RenderContext
from bot.blocks.names import label_of
from bot.ports import Block, Message
from bot.requests import Find, List, Show
from bot.tenant_requests import FleetRequest

PAGE = 10
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """At most `size` rows out of `total`; pages and rows are counted from 1."""

    rows: Sequence[R]
    number: int
    total: int
    size: int = PAGE

    @classmethod
    def of(cls, chosen: Sequence[R], number: int, size: int = PAGE) -> Page[R]:
        """Cut out a page; the last one if there are fewer."""
        number = min(number, -(-len(chosen) // size))
        return cls(chosen[(number - 1) * size : number * size], number, len(chosen), size)

    @property
    def pages(self) -> int:
        return -(-self.total // self.size)

    @property
    def rows_shown(self) -> str:
        """Return the numbers of the rows: `11–20`, or `43`."""
        return "–".join(dict.fromkeys(map(str, self._range())))

    def rows_in_words(self, context: RenderContext, *, ahead: int = 0) -> str:
        """Write the numbers of the rows as `11 to 20`; of a page `ahead` of this one."""
        first, last = self._range(ahead)
        return context.say("{first} to {last}", first=first, last=last) if first < last else str(first)

    def _range(self, ahead: int = 0) -> tuple[int, int]:
        first = (self.number + ahead - 1) * self.size + 1
        return first, min(first + self.size - 1, self.total)


def paged_list(
    snapshot: Snapshot,
    page: Page[AccountRow],
    context: RenderContext,
    *,
    title: str,
    text: str,
    request: List | Find,
    elsewhere: Block,
    order: str,
    hint: str = "",
) -> Message:
    """Render a page, with two lines a row if they fit, else one; the menu of details is the first to go.

    Args:
        title: of the header, plain.
        text: the title and the rows, for the fallback text.
        request: the command, whose page the buttons change.
        elsewhere: the menu or button that leads to other rows.
        order: of the rows, in the last line.
        hint: below the rows.
    """
    hinted = context.say("{what}.", what=hint) if hint else ""
    text = context.paragraph(text, hinted, account_rows.plain_text_source(snapshot, context))

    def with_rows(render: account_rows.RenderRows, *details: Block) -> Message:
        blocks = [
            builders.header(title),
            *render(page.rows, snapshot.at, context),
            *([builders.context(hint)] if hint else []),
            builders.actions(*turns(page, request, context), elsewhere, *details),
            account_rows.source(snapshot, context, order),
        ]
        return Message(text, blocks)

    return builders.first_that_fits(
        lambda: with_rows(account_rows.two_lines, _details(page, context)),
        lambda: with_rows(account_rows.one_line, _details(page, context)),
        lambda: with_rows(account_rows.one_line),
    )


def turns(
    page: Page[R],
    request: List | Find | HomeList | FleetRequest,
    context: RenderContext,
    *,
    previous: str = actions.PREVIOUS_PAGE,
    following: str = actions.NEXT_PAGE,
) -> list[Block]:
    """Build the buttons to the page before and the page after, where there is one; the last two are their IDs."""
    turns = []
    if page.number > 1:
        rows = page.rows_in_words(context, ahead=-1)
        label = context.say("Previous page, accounts {rows}", rows=rows)
        value = actions.encode(replace(request, page=page.number - 1))
        turns.append(builders.button(context.say("‹ Prev"), previous, value, label=label))
    if page.number < page.pages:
        rows = page.rows_in_words(context, ahead=1)
        label = context.say("Next page, accounts {rows}", rows=rows)
        value = actions.encode(replace(request, page=page.number + 1))
        turns.append(builders.button(context.say("Next ›"), following, value, label=label))
    return turns


def _details(page: Page[AccountRow], context: RenderContext) -> Block:
    options = (
        builders.option(
            label_of(row.account, context),
            actions.encode(Show(actions.handle(row.account.key))),
            f"{account_rows.account(row, context)} · {context.state(row.status)}",
        )
        for row in page.rows
    )
    return details_menu(options, context)


def details_menu(options: Iterable[Block], context: RenderContext) -> Block:
    """Build one menu instead of ten buttons; its answer is a new message, so the list stays.

    Args:
        options: of which each value is shown once.
    """
    by_value = {option["value"]: option for option in options}
    return builders.select(context.say("Details of…"), actions.OPEN, [*by_value.values()])
