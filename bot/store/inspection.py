"""What a database is like, without changing anything in it: can it be read, could it be written, is it migrated."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.store.database import Store
from bot.store.engine import is_sqlite, make_engine, revisions, sqlite_url
from bot.store.store_errors import DamagedError
from bot.store.tables import metadata, process

SQLITE_SECONDS = 2
ATTEMPT_BYTES = 65_536  # for less, a full disk may have room
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Schema(Enum):
    """How far a database is."""

    NEW = "nothing is in it yet"
    OLD = "an older release was here"
    PRESENT = "as this release wants it"
    NEWER = "a newer release was here"
    FOREIGN = "another program's, or tables are missing"


@dataclass(frozen=True, slots=True)
class Inspected:
    """What was found. `hindrance` says why it could not be written."""

    schema: Schema
    where: str  # of SQLite the whole path
    hindrance: str = ""


async def inspect(url: str) -> Inspected:
    """Look at the database of a `DATABASE_URL`. An SQLite file that is not there yet is no error.

    Raises:
        StoreError: it cannot be reached or read, or takes no row.
    """
    if is_sqlite(url):
        return await asyncio.to_thread(_sqlite, sqlite_url(url).database or "")
    engine = make_engine(url, read_only=True)
    try:
        async with engine.connect() as connection:
            # The server itself now refuses whatever would change something.
            await connection.execution_options(postgresql_readonly=True)
            found = await connection.run_sync(_postgresql)
        if found.schema is Schema.PRESENT and not found.hindrance:
            await _try_to_write(engine)
        return found
    finally:
        await engine.dispose()


async def _try_to_write(engine: AsyncEngine) -> None:
    """Insert a row and roll it back: a full disk, and a rule of the database, show in no privilege."""
    moment = datetime.now(UTC)
    row = {"id": f"doctor-{uuid.uuid4()}", "appid": "", "seen_at": moment}
    async with engine.connect() as connection, connection.begin() as attempt:
        await connection.execute(sa.insert(process).values(row))
        await attempt.rollback()


def _sqlite(database: str) -> Inspected:
    path = Path(database).absolute()
    if not path.exists():
        return Inspected(Schema.NEW, str(path), _unwritable(path))
    hindrance, name = _unwritable(path), _as_it_is(path)
    engine = sa.create_engine(
        "sqlite://",
        hide_parameters=True,
        creator=lambda: sqlite3.connect(name, uri=True, timeout=SQLITE_SECONDS),
        poolclass=sa.NullPool,
    )
    try:
        with engine.connect() as connection:
            words = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if words != "ok":
                raise DamagedError(words)
            return Inspected(_schema(connection), str(path), hindrance)
    except sa.exc.DatabaseError:
        if not hindrance:
            raise
        return Inspected(Schema.NEW, str(path), hindrance)  # the system's word says more than SQLite's


def _as_it_is(path: Path) -> str:
    """Return the name that opens an SQLite file for reading, and makes no file beside it."""
    # Unless a log belongs to it, even without its locks: those would be new files.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return f"file:{quote(str(path))}?{mode}"


def reader(url: str, appid: str) -> Store:
    """Return a store that is only read. The caller closes it."""
    if not is_sqlite(url):
        return Store(make_engine(url, read_only=True), appid)
    path = Path(sqlite_url(url).database or "").absolute()
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{_as_it_is(path)}&uri=true", poolclass=sa.NullPool, hide_parameters=True
    )
    return Store(engine, appid)


def _unwritable(path: Path) -> str:
    """Why an SQLite database could not be written here; "" when it could. Its log needs the folder, too."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as attempt:  # has no name, and is gone at once
            attempt.write(bytes(ATTEMPT_BYTES))
        if path.exists():
            with path.open("r+b"):
                pass
    except OSError as exc:
        return exc.strerror or type(exc).__name__
    return ""


def _postgresql(connection: sa.Connection) -> Inspected:
    asked = "SELECT current_schema(), pg_is_in_recovery(), current_setting('default_transaction_read_only')"
    place, copies, read_only = connection.execute(sa.text(asked)).one()
    if place is None:
        return Inspected(Schema.NEW, "", "the search_path names no schema that is there")
    schema = _schema(connection)
    if copies or read_only == "on":
        return Inspected(schema, place, "the server is a read-only copy" if copies else "it is set to read only")
    rights = [sa.func.has_schema_privilege(place, "CREATE")]
    if schema is Schema.PRESENT:
        rights = [sa.func.has_table_privilege(table, right) for table in metadata.tables for right in RIGHTS]
    may = all(connection.execute(sa.select(right)).scalar_one() for right in rights)
    return Inspected(schema, place, "" if may else "this user may not write there")


def _schema(connection: sa.Connection) -> Schema:
    present, known = revisions(connection)
    there = set(sa.inspect(connection).get_table_names())
    ours = set(metadata.tables)
    if present is None:
        # A migration makes all its tables or none: these are not of this bot.
        return Schema.FOREIGN if ours & there else Schema.NEW
    if present in known[1:]:
        return Schema.OLD
    if not ours <= there:
        return Schema.FOREIGN
    return Schema.PRESENT if present in known else Schema.NEWER
