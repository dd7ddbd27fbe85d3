"""Placeholders for accounts that cannot be rendered, so that a list shows the others and names these."""

from __future__ import annotations

from dataclasses import replace

from bot.accounts import Reading, Row, find_accounts, nearest_account
from bot.blocks.answers.account_details import account_details
from bot.blocks.answers.account_rows import one_line
from bot.blocks.answers.lists import account_list, search_results
from bot.blocks.answers.overview import overview
from bot.blocks.context import RenderContext


def with_placeholders(reading: Reading, context: RenderContext) -> Reading:
    """Replace each row that cannot be rendered alone. Too slow for every answer: only for one that has failed."""
    return replace(reading, rows=tuple(_checked(row, reading, context) for row in reading.rows))


def _checked(row: Row, reading: Reading, context: RenderContext) -> Row:
    alone = replace(reading, rows=(row,))
    try:
        one_line([row], reading.at, context)
        for shown in (
            overview(alone, context),
            account_list(alone, (), 1, context),
            search_results(alone, [row], "", 1, context),
            account_details(alone, row, None, context),
        ):
            str(shown)
        find_accounts([row], "@")
        nearest_account([row], "@")
    except Exception as exc:
        return Row.placeholder(row.account, exc)
    return row
