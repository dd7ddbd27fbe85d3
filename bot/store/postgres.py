"""PostgreSQL: connection parameters, and the setup of transactions, also through a pooler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.store.clock import note_reading
from bot.store.store_errors import ReadOnlyError, UnsuitableError, discard_broken
from bot.store.transactions import CONNECT_SECONDS

if TYPE_CHECKING:
    from bot.store.async_engines import AsyncEngine

HANG_SECONDS = 10
LOOPBACK = {"", "localhost", "127.0.0.1", "::1"}
ENCODINGS = (b"UTF8", b"SQL_ASCII")  # SQL_ASCII stores any bytes; what the bot writes is UTF-8
# Poolers refuse `options` at connect, and a pooled session serves other clients between two transactions. So the
# first statement of each transaction makes settings for that transaction. Times are read in UTC: in a zone to the
# east, those at the end of year 9999 would overflow. A server that became a replica accepts reads, but no writes.
BEGIN = (
    "SELECT set_config('TimeZone', 'UTC', true), "
    f"set_config('statement_timeout', '{HANG_SECONDS}s', true), "
    "current_setting('transaction_read_only') AS read_only, clock_timestamp() AS moment"
)


def connection_parameters(url: str) -> dict[str, Any]:
    """Parse a `DATABASE_URL` as libpq does: with several hosts, socket directories and its own options.

    Heroku-style hosts write `postgres://`. TLS is required if a host is remote and the URL has no `sslmode`.

    Raises:
        psycopg.ProgrammingError: the URL is malformed, or has an option that libpq does not know.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    from psycopg.conninfo import conninfo_to_dict

    _, _, rest = url.partition("://")
    parameters: dict[str, Any] = conninfo_to_dict(f"postgresql://{rest}")
    hosts = str(parameters.get("hostaddr") or parameters.get("host") or "").split(",")
    if any(host not in LOOPBACK and not host.startswith(("/", "@")) for host in hosts):
        parameters.setdefault("sslmode", "require")
    if len(hosts) > 1:
        parameters.setdefault("target_session_attrs", "read-write")  # the first host that answers may be a replica
    return {
        "connect_timeout": int(CONNECT_SECONDS),
        # A server that disappears without closing connections is noticed in seconds, not in 15 minutes.
        "tcp_user_timeout": HANG_SECONDS * 1000,
        "keepalives_idle": HANG_SECONDS,
        **parameters,
        "client_encoding": "utf8",  # a database in SQL_ASCII would return bytes
        "prepare_threshold": None,  # a prepared statement belongs to a session, which poolers share
    }


def prepare(engine: AsyncEngine, *, read_only: bool) -> None:
    """Set up each connection and transaction of an engine. `read_only` accepts a server without writes."""

    def begin(connection: sa.Connection) -> None:
        began = connection.exec_driver_sql(BEGIN).one()
        note_reading(connection, began.moment)
        if began.read_only == "on" and not read_only:
            connection.invalidate()  # a new connection may reach the primary
            raise ReadOnlyError("the server accepts no writes: it is a replica, or set to read only")

    sa.event.listen(engine.sync_engine, "connect", _refuse_unsuitable)
    sa.event.listen(engine.sync_engine, "begin", begin)
    sa.event.listen(engine.sync_engine, "handle_error", discard_broken)


def _refuse_unsuitable(connection: Any, _record: object) -> None:
    encoding = connection.driver_connection.pgconn.parameter_status(b"server_encoding")
    if encoding not in (None, *ENCODINGS):
        raise UnsuitableError(
            f"the database has the encoding {encoding.decode()}, which cannot store every name; it needs UTF8"
        )
