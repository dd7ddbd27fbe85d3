"""The list of accounts: all of them, or those of one state."""

from __future__ import annotations

from bot.blocks import kit, pages, rows, values
from bot.blocks.overview import nothing, see_all
from bot.blocks.reading import Reading
from bot.blocks.text import many
from bot.episodes import Seen
from bot.ports import Block, Message


def accounts(reading: Reading, state: Seen | None, number: int) -> Message:
    """A page, counted from 1, of the accounts of one state, or of all."""
    if not reading.rows:
        return nothing(reading)
    chosen = reading.only(state)
    if state and not chosen:
        return _none(reading, state)
    page = pages.Page.of(chosen, number)
    what = state.capitalize() if state else "Accounts"
    view = pages.View(
        title=f"{what} {page.span('–')} of {page.total}",
        said=f"{what} {page.span(' to ')} of {page.total}{_spoken_rows(reading, page, state)}",
        value=lambda number: values.listing(number, state),
        elsewhere=_filter(reading, state),
        order=many(len(reading.rows), "account") if state else "problems first",
        hint=_more_expiring(reading, state),
    )
    return pages.message(reading, page, view)


def _none(reading: Reading, state: Seen) -> Message:
    total = many(len(reading.rows), "account")
    hint = _more_expiring(reading, state)
    blocks = [
        kit.section(f"*No account is {state}.*"),
        *([kit.context(hint)] if hint else []),
        kit.actions(see_all(reading), _filter(reading, state)),
        rows.source(reading, total),
    ]
    said = f"No account is {state}.{f' {hint}.' if hint else ''} {total} in all."
    return Message(f"{said} {rows.spoken_source(reading)}", blocks)


def _spoken_rows(reading: Reading, page: pages.Page, state: Seen | None) -> str:
    if state:
        return f": {rows.names(page.rows, reading.at)}."
    return f", problems first. {rows.names_by_state(page.rows, reading.at)}"


def _filter(reading: Reading, state: Seen | None) -> Block:
    """The states that occur, with their counts, and the present choice."""
    counts = reading.counts
    options: dict[Seen | None, Block] = {None: kit.option(f"All ({len(reading.rows)})", values.listing(1))}
    for each in Seen:
        if counts[each] or each is state:
            text = f"{kit.ICONS[each]} {each.capitalize()} ({counts[each]})"
            options[each] = kit.option(text, values.listing(1, each))
    return kit.select("Filter", "kf.filter", [*options.values()], initial=options[state])


def _more_expiring(reading: Reading, state: Seen | None) -> str:
    """Who asks for those that wait may mean these as well."""
    expiring = reading.counts[Seen.EXPIRING]
    if state is not Seen.WAITING or not expiring:
        return ""
    return f"{expiring} more {'is' if expiring == 1 else 'are'} expiring: /kf expiring"
