"""Stand-ins for accounts that cannot be rendered, so that a list shows the others, and names these."""

from __future__ import annotations

from dataclasses import replace

from bot.accounts import Reading, Row, find_accounts, nearest_account
from bot.blocks.answers import account_rows
from bot.blocks.answers.account_details import details
from bot.blocks.answers.found import found
from bot.blocks.answers.lists import accounts
from bot.blocks.answers.overview import overview


def with_stand_ins(reading: Reading) -> Reading:
    """Replace each row that cannot be rendered alone. Too slow for every answer: for those that have failed."""
    return replace(reading, rows=tuple(_checked(row, reading) for row in reading.rows))


def _checked(row: Row, reading: Reading) -> Row:
    alone = replace(reading, rows=(row,))
    try:
        account_rows.one_line([row], reading.at)
        for shown in (
            overview(alone),
            accounts(alone, (), 1),
            found(alone, [row], "", 1),
            details(alone, row, None),
        ):
            str(shown)
        find_accounts([row], "@")
        nearest_account([row], "@")
    except Exception as exc:
        return Row.stand_in(row.account, exc)
    return row
