"""A long list as one message, ten rows a page. The callers choose rows and title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot import actions
from bot.accounts import AccountRow, Snapshot
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.context import RenderContext
from bot.ports import Block, Message
from bot.requests import Find, List, Show
from bot.text import label_of

PAGE = 10


@dataclass(frozen=True, slots=True)
class Page:
    """Ten rows or fewer out of `total`; pages and rows are counted from 1."""

    rows: Sequence[AccountRow]
    number: int
    total: int

    @classmethod
    def of(cls, chosen: Sequence[AccountRow], number: int) -> Page:
        """Cut out a page; the last one if there are fewer."""
        number = min(number, -(-len(chosen) // PAGE))
        return cls(chosen[(number - 1) * PAGE : number * PAGE], number, len(chosen))

    def span(self, to: str, *, ahead: int = 0) -> str:
        """Write the numbers of the rows, such as `11–20`; of a page `ahead` of this one."""
        first = (self.number + ahead - 1) * PAGE + 1
        last = min(first + PAGE - 1, self.total)
        return f"{first}{to}{last}" if first < last else str(first)


def paged_list(
    snapshot: Snapshot,
    page: Page,
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
    text = f"{text}{f' {hint}.' if hint else ''} {account_rows.plain_text_source(snapshot, context)}"

    def with_rows(render: account_rows.RenderRows, *details: Block) -> Message:
        blocks = [
            builders.header(title),
            *render(page.rows, snapshot.at, context),
            *([builders.context(hint)] if hint else []),
            builders.actions(*_turns(page, request), elsewhere, *details),
            account_rows.source(snapshot, context, order),
        ]
        return Message(text, blocks)

    return builders.first_that_fits(
        lambda: with_rows(account_rows.two_lines, _details(page)),
        lambda: with_rows(account_rows.one_line, _details(page)),
        lambda: with_rows(account_rows.one_line),
    )


def _turns(page: Page, request: List | Find) -> list[Block]:
    turns = []
    if page.number > 1:
        label = f"Previous page, accounts {page.span(' to ', ahead=-1)}"
        value = actions.encode(replace(request, page=page.number - 1))
        turns.append(builders.button("‹ Prev", actions.PREVIOUS_PAGE, value, label=label))
    if page.number * PAGE < page.total:
        label = f"Next page, accounts {page.span(' to ', ahead=1)}"
        value = actions.encode(replace(request, page=page.number + 1))
        turns.append(builders.button("Next ›", actions.NEXT_PAGE, value, label=label))
    return turns


def _details(page: Page) -> Block:
    """Build one menu instead of ten buttons; its answer is a new message, so the list stays."""
    options = {
        value: builders.option(label_of(row.account), value, f"{account_rows.account(row)} · {row.status}")
        for row in page.rows
        if (value := actions.encode(Show(actions.handle(row.account.key))))
    }
    return builders.select("Details of…", actions.OPEN, [*options.values()])
