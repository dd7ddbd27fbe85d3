"""The store: a database, and transactions on the rows of one Official Account. No rules.

`Store.of` returns the same database with the rows of another account. `Store.begin` opens a transaction, and the
functions of `episodes`, `poll_state`, `outbox` and others read and write inside it. The row of the account in
`poll_state` is locked before any other row, but for that of its channel: a different order could deadlock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import sqlalchemy as sa

from bot.ports import Clock, utc_now
from bot.runtime.tasks import with_timeout
from bot.store.async_engines import AsyncConnection, AsyncEngine
from bot.store.clock import database_clock
from bot.store.engine import make_engine, migrate
from bot.store.store_errors import FaultKind, StoreError, StoreFault, classify
from bot.store.tables import poll_state
from bot.store.transactions import transaction
from bot.store.trial import insert_and_roll_back

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["FaultKind", "Store", "StoreError", "StoreFault", "Tx", "UnreadableRow", "classify"]

CHECK_SECONDS = 3
TRANSACTION_SECONDS = 10
# Rows, or ids, of a statement: SQLAlchemy and the driver each copy all parameters, whose number databases limit.
MOST_AT_ONCE = 500
T = TypeVar("T")


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Divide values into lists that are short enough for one statement."""
    listed = list(values)
    for start in range(0, len(listed), MOST_AT_ONCE):
        yield listed[start : start + MOST_AT_ONCE]


class UnreadableRow(NamedTuple):
    """A stored row that this release cannot read."""

    account_key: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Tx:
    """An open transaction, the Official Account whose rows it reads and writes, and the channel of its alerts."""

    connection: AsyncConnection
    appid: str
    channel_id: str = ""
    unreadable: dict[str, UnreadableRow] = field(default_factory=dict)  # by row id: the rows that queries skipped
    clock: Clock = utc_now  # the store's
    written: set[str] = field(default_factory=set)  # "insert", "update": the statements that changed rows so far

    @property
    def now(self) -> datetime:
        """Return the current time of the store's clock, which on PostgreSQL all processes share."""
        return self.clock()

    def of(self, appid: str, channel_id: str) -> Tx:
        """Return this transaction for the rows of another account, or for another channel."""
        return replace(self, appid=appid, channel_id=channel_id)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Open a savepoint: an exception rolls the block back, and the transaction can continue."""
        async with self.connection.begin_nested():
            yield

    async def run(
        self,
        statement: sa.Executable,
        parameters: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
    ) -> sa.CursorResult[Any]:
        """Run a statement; with a sequence of parameters once for each, many in one call of the driver.

        The result of such a sequence is that of the last call.
        """
        if isinstance(parameters, Sequence):
            while len(parameters) > MOST_AT_ONCE:
                await self.run(statement, parameters[:MOST_AT_ONCE])
                parameters = parameters[MOST_AT_ONCE:]
        result = await self.connection.execute(statement, parameters)
        if statement.is_dml and result.rowcount:
            self.written.add("insert" if statement.is_insert else "update")
        return result


@dataclass
class _Database:
    """What the stores of all accounts in one database share."""

    engine: AsyncEngine
    clock: Clock | None
    seconds: float
    appids: dict[str, None] = field(default_factory=dict)  # the accounts whose rows `open` makes, in their order
    migrated: bool = False
    opened: bool | None = None  # whether `open` has ever succeeded; None while the first has not ended
    fault: StoreFault | None = None


class Store:
    """One database, and one Official Account in it. Without an AppID, its transactions concern no account."""

    def __init__(
        self,
        engine: AsyncEngine,
        appid: str,
        channel_id: str = "",
        clock: Clock | None = None,
        seconds: float = TRANSACTION_SECONDS,
    ) -> None:
        """Use an engine, without connecting.

        Args:
            channel_id: the channel of the account's alerts.
            clock: None is the database's own on PostgreSQL, and this machine's on SQLite.
            seconds: the time limit of one transaction on PostgreSQL.
        """
        self._database = _Database(engine, clock, seconds, {appid: None} if appid else {})
        self.appid = appid
        self.channel_id = channel_id

    @classmethod
    def from_url(
        cls,
        url: str,
        appid: str,
        channel_id: str = "",
        *,
        clock: Clock | None = None,
        seconds: float = TRANSACTION_SECONDS,
    ) -> Store:
        """Make a store for a `DATABASE_URL`, without connecting. For the other arguments see `Store`.

        Raises:
            sqlalchemy.exc.ArgumentError, psycopg.ProgrammingError: the URL is malformed.
        """
        return cls(make_engine(url), appid, channel_id, clock, seconds)

    def include(self, appids: Iterable[str]) -> None:
        """Let the next `open` make the rows of more accounts."""
        new = [appid for appid in appids if appid and appid not in self._database.appids]
        if new:
            self._database.appids |= dict.fromkeys(new)
            self.migrated = False  # the next step of the watcher makes the rows

    def of(self, appid: str, channel_id: str) -> Store:
        """Return this database with the rows of another account. A fault or a migration of one is that of both."""
        self.include([appid])
        other = copy(self)
        other.appid, other.channel_id = appid, channel_id
        return other

    @property
    def migrated(self) -> bool:
        """Return whether the tables are up to date, and every account has its row."""
        return self._database.migrated

    @migrated.setter
    def migrated(self, migrated: bool) -> None:
        self._database.migrated = migrated

    @property
    def is_new(self) -> bool:
        """Return whether the first `open` has not ended yet: a migration may take long."""
        return self._database.opened is None and not self.migrated

    @property
    def was_opened(self) -> bool:
        """Return whether this process has ever used the tables."""
        return bool(self._database.opened) or self.migrated

    @property
    def fault(self) -> StoreFault | None:
        """Return the fault of the last failed transaction, until a later one writes."""
        return self._database.fault

    @fault.setter
    def fault(self, fault: StoreFault | None) -> None:
        self._database.fault = fault

    @property
    def kind(self) -> str:
        return "SQLite" if self._database.engine.dialect.name == "sqlite" else "PostgreSQL"

    async def open(self) -> None:
        """Migrate the schema and insert the rows of accounts that have none. Safe to repeat, and to race."""
        appids = tuple(self._database.appids)  # another may be added meanwhile
        try:
            await migrate(self._database.engine)
        except BaseException:
            self._database.opened = self._database.opened or False
            raise
        async with self.begin() as tx:
            now = tx.now
            for some in batches(appids):
                known = set(
                    (await tx.run(sa.select(poll_state.c.appid).where(poll_state.c.appid.in_(some)))).scalars()
                )
                if new := [one for one in some if one not in known]:
                    rows = [{"appid": one, "next_poll_at": now, "next_post_at": now} for one in new]
                    await tx.run(insert_new(tx, poll_state), rows)
        self._database.opened = True
        self.migrated = len(appids) == len(self._database.appids)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """Open a transaction: committed at the end of the block, rolled back by an exception."""
        try:
            async with transaction(self._database.engine, self._database.seconds) as connection:
                clock = self._database.clock or database_clock(connection.sync_connection)
                tx = Tx(connection, self.appid, self.channel_id, clock=clock)
                yield tx
        except StoreError as exc:
            # The next connection may reach another or an empty database: check its tables first. If none was free,
            # nothing is known of the database, and to read all accounts again would make the wait longer.
            if not isinstance(exc, sa.exc.TimeoutError):
                self.migrated = False
            fault = classify(exc)
            self.fault = self.fault if fault and fault.kind is FaultKind.ROW else fault
            raise
        # A full disk still accepts updates of existing rows.
        if tx.written and (self.fault is None or self.fault.kind is not FaultKind.FULL or "insert" in tx.written):
            self.fault = None

    async def check(self) -> StoreFault | None:
        """Write to the store, new rows too, without changing it. Return the fault that prevents it, or None."""
        try:
            fault = await with_timeout(self._write_without_change(), CHECK_SECONDS)
        except TimeoutError:
            return StoreFault(FaultKind.HANGING, f"no answer within {CHECK_SECONDS} s")
        except StoreError as exc:
            return classify(exc)
        if fault is not None or self.fault is not None:
            return fault or self.fault  # the latter: this write succeeded, but another one failed
        # After a fault the next tick migrates again; this write shows that the tables exist.
        if self.migrated or self._database.opened:
            return None
        return StoreFault(FaultKind.SCHEMA, "its tables are not up to date yet")

    async def try_to_insert(self) -> StoreFault | None:
        """Insert rows and roll them back. Return the fault that prevents it, unless it concerns only these rows."""
        try:
            async with transaction(self._database.engine, self._database.seconds) as connection:
                await insert_and_roll_back(connection, (self._database.clock or utc_now)())
        except StoreError as exc:
            fault = classify(exc)
            return None if fault and fault.kind is FaultKind.ROW else fault
        if self.fault and self.fault.kind is FaultKind.FULL:
            self.fault = None
        return None

    async def _write_without_change(self) -> StoreFault | None:
        # A row that another transaction has locked is being written, which proves the same.
        row = (
            sa.select(poll_state.c.appid).where(poll_state.c.appid == self.appid).with_for_update(skip_locked=True)
        )
        async with self.begin() as tx:
            await tx.run(
                sa.update(poll_state).where(poll_state.c.appid.in_(row)).values(accounts=poll_state.c.accounts)
            )
        return await self.try_to_insert()

    async def close(self) -> None:
        await self._database.engine.dispose()


def insert_new(tx: Tx, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that does nothing if another process has inserted the row."""
    # Imported here: that of the other database takes 50 ms.
    if tx.connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table).on_conflict_do_nothing()
