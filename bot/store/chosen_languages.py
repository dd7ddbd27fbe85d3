"""The language that each person chose in App Home."""

from __future__ import annotations

import sqlalchemy as sa

from bot.language import Language
from bot.store.database import Tx
from bot.store.sanitizing import sanitize_text
from bot.store.tables import reader


async def language_of(tx: Tx, user_id: str) -> Language | None:
    """Return the choice of a person; None without one, and for a language of a later release."""
    row = (await tx.run(sa.select(reader.c.language).where(*_of(tx, user_id)))).first()
    return Language(row.language) if row and row.language in set(Language) else None


async def set_language(tx: Tx, user_id: str, language: Language) -> None:
    """Store the choice of a person. Two clicks at once leave one row, with the later choice."""
    if (await tx.run(sa.update(reader).where(*_of(tx, user_id)).values(language=language))).rowcount:
        return
    try:
        async with tx.savepoint():
            values = {"appid": tx.appid, "user_id": sanitize_text(user_id), "language": language}
            await tx.run(sa.insert(reader).values(**values))
    except sa.exc.IntegrityError:  # another process was quicker
        await tx.run(sa.update(reader).where(*_of(tx, user_id)).values(language=language))


async def clear_language(tx: Tx, user_id: str) -> None:
    await tx.run(sa.delete(reader).where(*_of(tx, user_id)))


def _of(tx: Tx, user_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return reader.c.appid == tx.appid, reader.c.user_id == sanitize_text(user_id)
