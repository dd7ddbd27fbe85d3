"""Placeholders for accounts that cannot be rendered, so that a list shows the others and names these."""

from __future__ import annotations

from dataclasses import replace

from bot.accounts import AccountRow, Snapshot, find_accounts, nearest_account
from bot.blocks.answers.account_details import account_details
from bot.blocks.answers.account_rows import one_line
from bot.blocks.answers.lists import account_list, search_results
from bot.blocks.answers.overview import overview
from bot.blocks.context import RenderContext


def with_placeholders(snapshot: Snapshot, context: RenderContext) -> Snapshot:
    """Replace each row that cannot be rendered alone. Use it only for an answer that has failed: it is slow."""
    return replace(snapshot, rows=tuple(_checked(row, snapshot, context) for row in snapshot.rows))


def _checked(row: AccountRow, snapshot: Snapshot, context: RenderContext) -> AccountRow:
    alone = replace(snapshot, rows=(row,))
    try:
        one_line([row], snapshot.at, context)
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
        return AccountRow.placeholder(row.account, exc)
    return row
