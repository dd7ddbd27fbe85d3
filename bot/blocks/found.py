"""What a search finds, and what to say when it finds nothing."""

from __future__ import annotations

from bot.blocks import kit, pages, rows, search, values
from bot.blocks.overview import nothing, see_all
from bot.blocks.reading import Reading, Row
from bot.blocks.text import TYPED, account_of, clean, escape, label_of, many
from bot.ports import Message


def found(reading: Reading, text: str, number: int) -> Message:
    """A page, counted from 1, of the accounts that match; or the one account that is nearest."""
    if not reading.rows:
        return nothing(reading)
    if not (hits := search.find(reading.rows, text)):
        return _nothing(reading, clean(text, TYPED), search.nearest(reading.rows, text))
    page = pages.Page.of(hits, number)
    title = f"{many(page.total, 'account')} {'matches' if page.total == 1 else 'match'} “{clean(text, TYPED)}”"
    long = page.total > pages.PAGE
    said = escape(title) + (f", here {page.span(' to ')}." if long else ".")
    view = pages.View(
        title=f"{title} · {page.span('–')}" if long else title,
        said=f"{said} {rows.names_by_state(page.rows, reading.at)}",
        value=lambda number: values.found(number, text),
        elsewhere=see_all(reading),
        order="problems first",
    )
    return pages.message(reading, page, view)


def _nothing(reading: Reading, typed: str, nearest: Row | None) -> Message:
    title = f"No account matches “{escape(typed)}”."
    total = many(len(reading.rows), "account")
    said, buttons = [title], [see_all(reading)]
    if nearest:
        account = nearest.account
        label = label_of(account)
        said.append(f"Nearest: {escape(label)}, {escape(account_of(account.key, account.kf_id))}.")
        value = values.show(values.handle(account.key))
        buttons.insert(0, kit.button(f"Show {label}", "kf.show", value))
    said.append(f"{total} searched by name, account and WeChat ID.")
    blocks = [
        kit.section(f"*{title}*\nSearched {total} by name, account, seat number and WeChat ID."),
        kit.actions(*buttons),
        rows.source(reading),
    ]
    return Message(" ".join([*said, rows.spoken_source(reading)]), blocks)
