"""Inspect a database without changing it: is it readable, writable and migrated?"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from bot.store.async_engines import AsyncEngine, create_async_engine
from bot.store.database import Store
from bot.store.engine import DEVELOPMENT_REVISIONS, is_sqlite, make_engine, revisions, sqlite_url
from bot.store.store_errors import DamagedError
from bot.store.tables import metadata
from bot.store.trial import insert_and_roll_back

SQLITE_SECONDS = 2
ATTEMPT_BYTES = 65_536  # for less, a full disk may have room
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Schema(Enum):
    """The state of the schema of a database."""

    NEW = "nothing is in it yet"
    OLD = "an older release was here"
    DEVELOPMENT = "a development version was here"
    PRESENT = "as this release wants it"
    NEWER = "a newer release was here"
    FOREIGN = "another program's, or tables are missing"


@dataclass(frozen=True, slots=True)
class Inspected:
    """The result of an inspection. `hindrance` is the reason why the database is not writable, or ""."""

    schema: Schema
    where: str  # on SQLite the absolute path
    hindrance: str = ""


async def inspect(url: str) -> Inspected:
    """Inspect the database of a `DATABASE_URL`. An SQLite file that does not exist yet is not an error.

    Raises:
        StoreError: the database cannot be reached or read, or refuses a row.
    """
    if is_sqlite(url):
        return await asyncio.to_thread(_sqlite, sqlite_url(url).database or "")
    engine = make_engine(url, read_only=True)
    try:
        async with engine.connect() as connection:
            # From here on the server refuses all changes.
            await connection.execution_options(postgresql_readonly=True)
            found = await connection.run_sync(_postgresql)
        if found.schema is Schema.PRESENT and not found.hindrance:
            await _try_to_write(engine)
        return found
    finally:
        await engine.dispose()


async def _try_to_write(engine: AsyncEngine) -> None:
    """Insert rows and roll them back: privileges do not show a full disk or a rule of the database."""
    async with engine.connect() as connection:
        await insert_and_roll_back(connection, datetime.now(UTC))


def _sqlite(database: str) -> Inspected:
    path = Path(database).absolute()
    if not path.exists():
        return Inspected(Schema.NEW, str(path), _why_unwritable(path))
    hindrance, name = _why_unwritable(path), _read_only_name(path)
    engine = sa.create_engine(
        "sqlite://",
        hide_parameters=True,
        creator=lambda: sqlite3.connect(name, uri=True, timeout=SQLITE_SECONDS),
        poolclass=sa.NullPool,
    )
    try:
        with engine.connect() as connection:
            result = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if result != "ok":
                raise DamagedError(result)
            return Inspected(_schema(connection), str(path), hindrance)
    except sa.exc.DatabaseError:
        if not hindrance:
            raise
        return Inspected(Schema.NEW, str(path), hindrance)  # the error of the system is more precise than SQLite's


def _read_only_name(path: Path) -> str:
    """Return the name that opens an SQLite file for reading, and creates no file beside it."""
    # `immutable` would ignore an existing write-ahead log; without a log it avoids new files for locks.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return f"file:{quote(str(path))}?{mode}"


def is_absent(url: str) -> bool:
    """Return whether the file of an SQLite store does not exist yet."""
    return is_sqlite(url) and not Path(sqlite_url(url).database or "").exists()


@asynccontextmanager
async def read_only_stores(url: str) -> AsyncIterator[Callable[[str, str], Store]]:
    """Make stores, by AppID and channel, for reading only. They share connections, but not their faults."""
    engine = _read_only_sqlite(url) if is_sqlite(url) else make_engine(url, read_only=True)
    try:
        yield partial(Store, engine)
    finally:
        await engine.dispose()


def _read_only_sqlite(url: str) -> AsyncEngine:
    path = Path(sqlite_url(url).database or "").absolute()
    return create_async_engine(
        f"sqlite+aiosqlite:///{_read_only_name(path)}&uri=true", poolclass=sa.NullPool, hide_parameters=True
    )


def _why_unwritable(path: Path) -> str:
    """Return why an SQLite database is not writable here, or "". Its log needs the folder to be writable, too."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as attempt:  # has no name, and is deleted when it is closed
            attempt.write(bytes(ATTEMPT_BYTES))
        if path.exists():
            with path.open("r+b"):
                pass
    except OSError as exc:
        return exc.strerror or type(exc).__name__
    return ""


def _postgresql(connection: sa.Connection) -> Inspected:
    query = "SELECT current_schema(), pg_is_in_recovery(), current_setting('default_transaction_read_only')"
    schema_name, is_replica, read_only = connection.execute(sa.text(query)).one()
    if schema_name is None:
        return Inspected(Schema.NEW, "", "the search_path names no schema that is there")
    schema = _schema(connection)
    if is_replica or read_only == "on":
        return Inspected(
            schema, schema_name, "the server is a read-only copy" if is_replica else "it is set to read only"
        )
    rights = [sa.func.has_schema_privilege(schema_name, "CREATE")]
    if schema is Schema.PRESENT:
        rights = [sa.func.has_table_privilege(table, right) for table in metadata.tables for right in RIGHTS]
    is_allowed = all(connection.execute(sa.select(right)).scalar_one() for right in rights)
    return Inspected(schema, schema_name, "" if is_allowed else "this user may not write there")


def _schema(connection: sa.Connection) -> Schema:
    present, known = revisions(connection)
    existing = set(sa.inspect(connection).get_table_names())
    expected = set(metadata.tables)
    if present is None:
        # A migration creates all its tables or none, so these are of another program.
        return Schema.FOREIGN if expected & existing else Schema.NEW
    if present in DEVELOPMENT_REVISIONS:
        return Schema.DEVELOPMENT
    if present in known[1:]:
        return Schema.OLD
    if not expected <= existing:
        return Schema.FOREIGN
    return Schema.PRESENT if present in known else Schema.NEWER
