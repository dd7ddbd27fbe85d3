"""A long list as one message, ten rows at a time. Which rows, and under which title, stays out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot import actions
from bot.accounts import Reading, Row
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.grammar import Show
from bot.ports import Block, Message
from bot.text import label_of

PAGE = 10


@dataclass(frozen=True, slots=True)
class Page:
    """Ten rows or fewer out of `total`; pages and rows are counted from 1."""

    rows: Sequence[Row]
    number: int
    total: int

    @classmethod
    def of(cls, chosen: Sequence[Row], number: int) -> Page:
        """Cut out a page; in place of one that does not exist any more, the last."""
        number = min(number, -(-len(chosen) // PAGE))
        return cls(chosen[(number - 1) * PAGE : number * PAGE], number, len(chosen))

    def span(self, to: str, *, ahead: int = 0) -> str:
        """Which rows these are, such as `11–20`; `ahead` asks for another page's."""
        first = (self.number + ahead - 1) * PAGE + 1
        last = min(first + PAGE - 1, self.total)
        return f"{first}{to}{last}" if first < last else str(first)


@dataclass(frozen=True, slots=True)
class View:
    """What goes round the rows of a page."""

    title: str  # plain
    said: str  # the same and the rows, for `text`
    value: Callable[[int], str]  # of the button that turns to a page
    elsewhere: Block  # the menu or button that leads to other rows
    order: str  # in the last line
    hint: str = ""  # below the rows


def message(reading: Reading, page: Page, view: View) -> Message:
    """Two lines a row if they fit, else one; the menu of details is the first to go."""
    said = f"{view.said}{f' {view.hint}.' if view.hint else ''} {account_rows.spoken_source(reading)}"

    def drawn(render: account_rows.Render, *details: Block) -> Message:
        blocks = [
            builders.header(view.title),
            *render(page.rows, reading.at),
            *([builders.context(view.hint)] if view.hint else []),
            builders.actions(*_turns(page, view), view.elsewhere, *details),
            account_rows.source(reading, view.order),
        ]
        return Message(said, blocks)

    return builders.fitting(
        lambda: drawn(account_rows.two_lines, _details(page)),
        lambda: drawn(account_rows.one_line, _details(page)),
        lambda: drawn(account_rows.one_line),
    )


def _turns(page: Page, view: View) -> list[Block]:
    turns = []
    if page.number > 1:
        label = f"Previous page, accounts {page.span(' to ', ahead=-1)}"
        turns.append(builders.button("‹ Prev", actions.PREVIOUS_PAGE, view.value(page.number - 1), label=label))
    if page.number * PAGE < page.total:
        label = f"Next page, accounts {page.span(' to ', ahead=1)}"
        turns.append(builders.button("Next ›", actions.NEXT_PAGE, view.value(page.number + 1), label=label))
    return turns


def _details(page: Page) -> Block:
    """One menu instead of ten buttons; its answer is a new message, so the list stays."""
    options = {
        value: builders.option(label_of(row.account), value, f"{account_rows.account(row)} · {row.seen}")
        for row in page.rows
        if (value := actions.encode(Show(actions.handle(row.account.key))))
    }
    return builders.select("Details of…", actions.OPEN, [*options.values()])
