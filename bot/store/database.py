"""What must survive a restart: rows, and the transactions they change in. No rules.

`Store.begin` opens a transaction; the functions of `rows`, `memory` and `queue` read and write inside it. The
order of locks is the account's row of `meta`, then others: the other way round transactions would deadlock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.ports import Clock, utc_now
from bot.runtime.tasks import with_timeout
from bot.store.clock import database_clock
from bot.store.engine import make_engine, migrate
from bot.store.store_errors import FaultKind, StoreError, StoreFault, classify
from bot.store.tables import meta
from bot.store.transactions import transaction

__all__ = ["FaultKind", "Store", "StoreError", "StoreFault", "Tx", "UnreadableRow", "classify"]

CHECK_SECONDS = 3
TRANSACTION_SECONDS = 10


class UnreadableRow(NamedTuple):
    """A stored row that this release cannot read."""

    seat: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Tx:
    """An open transaction, and the Official Account whose rows it is about."""

    connection: AsyncConnection
    appid: str
    unreadable: dict[str, UnreadableRow] = field(default_factory=dict)  # by ID of the row, what reads left out
    clock: Clock = utc_now  # the store's
    written: set[str] = field(default_factory=set)  # "insert", "update": what changed rows so far

    @property
    def now(self) -> datetime:
        """The present moment by the store's clock, which is one for all processes on PostgreSQL."""
        return self.clock()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Open a savepoint: an exception takes back what was written in the block, and the transaction goes on."""
        async with self.connection.begin_nested():
            yield

    async def run(
        self, statement: sa.Executable, parameters: Mapping[str, object] | None = None
    ) -> sa.CursorResult[Any]:
        result = await self.connection.execute(statement, parameters)
        if statement.is_dml and result.rowcount:
            self.written.add("insert" if statement.is_insert else "update")
        return result


class Store:
    """One database, and one Official Account in it."""

    def __init__(
        self, engine: AsyncEngine, appid: str, clock: Clock | None = None, seconds: float = TRANSACTION_SECONDS
    ) -> None:
        """`clock`: None is the database's own on PostgreSQL, and this machine's on SQLite.

        `seconds` is the longest that one transaction may take on PostgreSQL.
        """
        self._engine = engine
        self._appid = appid
        self._clock = clock
        self._seconds = seconds
        self.migrated = False
        self._opened = False  # once: its tables were up to date
        self.fault: StoreFault | None = None  # of the last failed transaction, until one has written since

    @classmethod
    def at(cls, url: str, appid: str, *, clock: Clock | None = None, seconds: float = TRANSACTION_SECONDS) -> Store:
        """Make a store at a `DATABASE_URL`. Connects to nothing yet. For `clock` see `Store`.

        Raises:
            sqlalchemy.exc.ArgumentError, psycopg.ProgrammingError: the URL makes no sense.
        """
        return cls(make_engine(url), appid, clock, seconds)

    @property
    def kind(self) -> str:
        return "SQLite" if self._engine.dialect.name == "sqlite" else "PostgreSQL"

    async def open(self) -> None:
        """Bring the schema up to date and make sure of the account's row. Safe to repeat, and to race."""
        await migrate(self._engine)
        async with self.begin() as tx:
            if not (await tx.run(sa.select(meta.c.appid).where(meta.c.appid == self._appid))).first():
                await tx.run(_insert_meta(self._engine, self._appid, tx.now))
        self.migrated = self._opened = True

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """Open a transaction: committed at the end of the block, rolled back by an exception."""
        try:
            async with transaction(self._engine, self._seconds) as connection:
                clock = self._clock or database_clock(connection.sync_connection)
                tx = Tx(connection, self._appid, clock=clock)
                yield tx
        except StoreError as exc:
            # What comes back may be another database, or an empty one: look at its tables first.
            self.migrated = False
            fault = classify(exc)
            self.fault = self.fault if fault and fault.kind is FaultKind.ROW else fault
            raise
        # A full disk still takes updates of rows that are there.
        if tx.written and (self.fault is None or self.fault.kind is not FaultKind.FULL or "insert" in tx.written):
            self.fault = None

    async def check(self) -> StoreFault | None:
        """Write to the store without changing it. Return what prevents that, or None."""
        try:
            await with_timeout(self._write_nothing_new(), CHECK_SECONDS)
        except TimeoutError:
            return StoreFault(FaultKind.HANGING, f"no answer within {CHECK_SECONDS} s")
        except StoreError as exc:
            return classify(exc)
        if self.fault is not None:
            return self.fault  # it takes this write, and did not take another one
        # After a fault the next poll looks at the tables again; this write shows that they are there.
        if self.migrated or self._opened:
            return None
        return StoreFault(FaultKind.SCHEMA, "its tables are not up to date yet")

    async def _write_nothing_new(self) -> None:
        # A row that another transaction has locked is being written, which is as good.
        row = sa.select(meta.c.appid).where(meta.c.appid == self._appid).with_for_update(skip_locked=True)
        async with self.begin() as tx:
            await tx.run(sa.update(meta).where(meta.c.appid.in_(row)).values(accounts=meta.c.accounts))

    async def close(self) -> None:
        await self._engine.dispose()


def _insert_meta(engine: AsyncEngine, appid: str, now: datetime) -> sa.Executable:
    from sqlalchemy.dialects import postgresql, sqlite

    insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
    return insert(meta).values(appid=appid, next_poll_at=now, next_post_at=now).on_conflict_do_nothing()
