"""Rows that are updated if they are there, and inserted otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from bot.store.conditions import among
from bot.store.database import Tx, insert_new


async def upsert(
    tx: Tx, table: sa.Table, rows: Sequence[Mapping[str, Any]], on_insert: Mapping[str, Any] | None = None
) -> None:
    """Store rows that all have the same columns, by their primary keys, whose first column is a text.

    ON CONFLICT DO UPDATE would need the right to insert, and room on the disk for it, for mere updates as well.

    Args:
        on_insert: columns that rows have from the beginning, such as the time of their creation.
    """
    keys = [*table.primary_key.columns]
    firsts = {row[keys[0].name] for row in rows}
    known = {tuple(row) for row in await tx.run(sa.select(*keys).where(among(tx, keys[0], firsts)))}
    changed, added = list[dict[str, Any]](), list[dict[str, Any]]()
    for row in rows:
        key = {column.name: row[column.name] for column in keys}
        if (*key.values(),) in known:
            others = {name: value for name, value in row.items() if name not in key}
            changed.append(others | {f"of_{name}": value for name, value in key.items()})
        else:
            added.append({**(on_insert or {}), **row})
    if changed:
        await tx.run(sa.update(table).where(*(one == sa.bindparam(f"of_{one.name}") for one in keys)), changed)
    if added:
        await tx.run(insert_new(tx, table), added)
