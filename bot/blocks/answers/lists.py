"""The list of accounts: all of them, or those in some of the states."""

from __future__ import annotations

from collections.abc import Sequence

from bot import actions
from bot.accounts import Reading, Row
from bot.blocks import builders
from bot.blocks.answers import account_rows, pagination
from bot.blocks.answers.overview import nothing, owned, see_all
from bot.episodes import NEEDS_ATTENTION, Seen
from bot.grammar import List
from bot.ports import Block, Message
from bot.text import either, many


def accounts(reading: Reading, states: tuple[Seen, ...], number: int) -> Message:
    """Render a page, counted from 1, of the accounts in any of these states, or of all accounts."""
    if not reading.rows:
        return nothing(reading)
    chosen = reading.only(states)
    if not chosen:
        return _none(reading, states)
    page = pagination.Page.of(chosen, number)
    title, said = _title(page, states, chosen)
    view = pagination.View(
        title=title,
        said=f"{said}{_spoken_rows(reading, page, states)}",
        value=lambda number: actions.encode(List(number, states)),
        elsewhere=_filter(reading, states),
        order=many(len(reading.rows), "account") if states else "problems first",
        hint=_more_expiring(reading, states),
    )
    return pagination.message(reading, page, view)


def _title(page: pagination.Page, states: Sequence[Seen], chosen: Sequence[Row]) -> tuple[str, str]:
    """Return the title for the header, and for `text`: `3 accounts are rejected`, `Accounts 11–20 of 43`."""
    if not states:
        return f"Accounts {page.span('–')} of {page.total}", f"Accounts {page.span(' to ')} of {page.total}"
    one = page.total == 1
    does = f"need{'s' if one else ''} attention"
    title = f"{many(page.total, 'account')} {does if states == NEEDS_ATTENTION else _are(states, one=one)}"
    title = " · ".join([title, *owned(chosen)])
    if page.total <= pagination.PAGE:
        return title, title.replace(" · ", ", ")
    return f"{title} · {page.span('–')}", f"{title.replace(' · ', ', ')}, here {page.span(' to ')}"


def _are(states: Sequence[Seen], *, one: bool) -> str:
    return f"{'is' if one else 'are'} {either(states)}"


def _none(reading: Reading, states: tuple[Seen, ...]) -> Message:
    title = "Nothing needs attention" if states == NEEDS_ATTENTION else f"No account {_are(states, one=True)}"
    total = many(len(reading.rows), "account")
    hint = _more_expiring(reading, states)
    blocks = [
        builders.section(f"*{title}.*"),
        *([builders.context(hint)] if hint else []),
        builders.actions(see_all(reading), _filter(reading, states)),
        account_rows.source(reading, total),
    ]
    said = f"{title}.{f' {hint}.' if hint else ''} {total} in all."
    return Message(f"{said} {account_rows.spoken_source(reading)}", blocks)


def _spoken_rows(reading: Reading, page: pagination.Page, states: Sequence[Seen]) -> str:
    if len(states) == 1:
        return f": {account_rows.names(page.rows, reading.at)}."
    order = "." if states else ", problems first."
    return f"{order} {account_rows.names_by_state(page.rows, reading.at)}"


def _filter(reading: Reading, states: tuple[Seen, ...]) -> Block:
    """Build the menu of all, of what needs attention, and of the states that occur, with the present choice."""
    counts = reading.counts
    options: dict[tuple[Seen, ...], Block] = {
        (): builders.option(f"All ({len(reading.rows)})", actions.encode(List(1)))
    }
    if reading.due or states == NEEDS_ATTENTION:
        due = f"Needs attention ({len(reading.due)})"
        options[NEEDS_ATTENTION] = builders.option(due, actions.encode(List(1, NEEDS_ATTENTION)))
    for these in ((state,) for state in Seen if counts[state]):
        options[these] = _filter_option(reading, these)
    if states not in options:
        options[states] = _filter_option(reading, states)
    return builders.select("Filter", actions.FILTER, [*options.values()], initial=options[states])


def _filter_option(reading: Reading, states: tuple[Seen, ...]) -> Block:
    icons = "".join(builders.ICONS[state] for state in states)
    return builders.option(
        f"{icons} {either(states).capitalize()} ({len(reading.only(states))})", actions.encode(List(1, states))
    )


def _more_expiring(reading: Reading, states: Sequence[Seen]) -> str:
    """Mention expiring accounts below a list of waiting ones, since a reader may mean both."""
    expiring = reading.counts[Seen.EXPIRING]
    if states != (Seen.WAITING,) or not expiring:
        return ""
    return f"{expiring} more {'is' if expiring == 1 else 'are'} expiring: /kf expiring"
