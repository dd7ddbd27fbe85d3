"""Conditions of queries that SQLite and PostgreSQL write differently."""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa

from bot.store.database import Tx


def among(tx: Tx, column: sa.Column[str], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a column has one of these values, all in one parameter: their number is limited."""
    if tx.connection.dialect.name == "sqlite":
        each = sa.func.json_each(json.dumps([*values])).table_valued("value")
        return column.in_(sa.select(each.c.value))
    return column == sa.any_(sa.literal([*values], sa.ARRAY(sa.Text)))
