"""The answer to a search: the accounts that match, or the nearest account and command."""

from __future__ import annotations

from collections.abc import Sequence

from bot import actions
from bot.accounts import Reading, Row, nearest_account
from bot.blocks import builders
from bot.blocks.answers import account_rows, pagination
from bot.blocks.answers.overview import nothing, see_all
from bot.blocks.answers.replies import Suggestion
from bot.grammar import Find, Show
from bot.ports import Block, Message
from bot.text import TYPED, account_of, clean, escape, label_of, many


def found(reading: Reading, hits: Sequence[Row], text: str, number: int) -> Message:
    """Render a page, counted from 1, of the accounts that match; there is at least one."""
    page = pagination.Page.of(hits, number)
    title = f"{many(page.total, 'account')} {'matches' if page.total == 1 else 'match'} “{clean(text, TYPED)}”"
    long = page.total > pagination.PAGE
    said = escape(title) + (f", here {page.span(' to ')}." if long else ".")
    view = pagination.View(
        title=f"{title} · {page.span('–')}" if long else title,
        said=f"{said} {account_rows.names_by_state(page.rows, reading.at)}",
        value=lambda number: actions.encode(Find(text, number)),
        elsewhere=see_all(reading),
        order="best matches first",
    )
    return pagination.message(reading, page, view)


def not_found(reading: Reading, text: str, command: Suggestion | None = None) -> Message:
    """Name the account with the most similar spelling, and `command` if one is near."""
    if not reading.rows:
        return nothing(reading)
    typed, nearest = clean(text, TYPED), nearest_account(reading.rows, text)
    title = f"No account matches “{escape(typed)}”."
    total = many(len(reading.rows), "account")
    shown, said = f"Searched {total} by name, account, seat number and WeChat ID.", [title]
    buttons: dict[str, Block] = {}  # by action_id, which Slack wants to differ
    if command:
        words = f"/kf {clean(command.words, TYPED)}"
        shown += f"\nDid you mean *{escape(words)}*?"
        said.append(f"Did you mean {escape(words)}?")
        buttons[command.action_id] = builders.button(f"Run {words}", command.action_id, command.value)
    if nearest:
        account = nearest.account
        label = label_of(account)
        said.append(f"Nearest: {escape(label)}, {escape(account_of(account.key, account.kf_id))}.")
        buttons[actions.SHOW] = builders.button(
            f"Show {label}", actions.SHOW, actions.encode(Show(actions.handle(account.key)))
        )
    buttons.setdefault(actions.LIST, see_all(reading))
    said.append(f"{total} searched by name, account and WeChat ID.")
    blocks = [
        builders.section(f"*{title}*\n{shown}"),
        builders.actions(*buttons.values()),
        account_rows.source(reading, "/kf help"),
    ]
    return Message(" ".join([*said, account_rows.spoken_source(reading)]), blocks)
