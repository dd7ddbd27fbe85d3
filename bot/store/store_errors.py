"""Classify the errors of databases and their drivers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoResultFound,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bot.runtime.logs import fault_words

StoreError = (SQLAlchemyError, OSError)  # base classes of every error of a store, on either database
LONGEST = 200  # characters of the database's error text


class FaultKind(StrEnum):
    """The kind of a store error; each has a different remedy."""

    UNREACHABLE = "unreachable"  # no connection, or it was lost
    HANGING = "hanging"  # connected, but no answer in time
    BUSY = "busy"  # locked by another process, or out of connections
    READ_ONLY = "read_only"  # a replica, or set to read only
    FULL = "full"  # no space or memory left
    DENIED = "denied"  # password, role or privilege
    DAMAGED = "damaged"  # the file is not a database, or is malformed
    UNSUITABLE = "unsuitable"  # its encoding cannot hold every name
    SCHEMA = "schema"  # tables or columns are missing
    ROW = "row"  # the values of one row; others can be written
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StoreFault:
    """A store error in plain values. `words` are the database's text, in one line, without row values."""

    kind: FaultKind
    words: str


class HangingError(TimeoutError):
    """The database did not answer within the time limit."""


class ReadOnlyError(SQLAlchemyError):
    """The connected server accepts no writes."""


class DamagedError(SQLAlchemyError):
    """Pages of the database file are damaged."""


class UnsuitableError(SQLAlchemyError):
    """The database cannot store every text."""


class DevelopmentSchemaError(SQLAlchemyError):
    """The tables are those of a development version, which this release neither reads nor changes."""

    def __init__(self) -> None:
        super().__init__(
            "this database was made by a development version before 1.0.0 and is not modified: "
            "move it away, or name another in DATABASE_URL"
        )


_OWN = {
    HangingError: FaultKind.HANGING,
    PoolTimeoutError: FaultKind.HANGING,
    TimeoutError: FaultKind.HANGING,
    ReadOnlyError: FaultKind.READ_ONLY,
    DamagedError: FaultKind.DAMAGED,
    UnsuitableError: FaultKind.UNSUITABLE,
    DevelopmentSchemaError: FaultKind.SCHEMA,
    OSError: FaultKind.UNREACHABLE,
    NoResultFound: FaultKind.SCHEMA,  # the account's row does not exist yet
}
# By SQLSTATE, whole or its class; the longest match wins.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES = {
    "08": FaultKind.UNREACHABLE,
    "22": FaultKind.ROW,
    "22P05": FaultKind.UNSUITABLE,  # a character without an equivalent in the encoding
    "23": FaultKind.ROW,
    "25006": FaultKind.READ_ONLY,
    "28": FaultKind.DENIED,
    "3D": FaultKind.DENIED,  # no such database
    "3F": FaultKind.SCHEMA,
    "40": FaultKind.BUSY,
    "42501": FaultKind.DENIED,
    "42P01": FaultKind.SCHEMA,
    "42703": FaultKind.SCHEMA,
    "44": FaultKind.ROW,
    "53": FaultKind.FULL,
    "53300": FaultKind.BUSY,
    "54": FaultKind.ROW,
    "55P03": FaultKind.BUSY,
    "57": FaultKind.UNREACHABLE,
    "57014": FaultKind.HANGING,  # a statement was cancelled by its time limit
    "58": FaultKind.DAMAGED,
    "P0": FaultKind.ROW,  # raised by a trigger
    "XX001": FaultKind.DAMAGED,
    "XX002": FaultKind.DAMAGED,
}
# https://www.sqlite.org/rescode.html, by the beginning of the name
_SQLITE = {
    "SQLITE_BUSY": FaultKind.BUSY,
    "SQLITE_LOCKED": FaultKind.BUSY,
    "SQLITE_READONLY": FaultKind.READ_ONLY,
    "SQLITE_FULL": FaultKind.FULL,
    "SQLITE_NOMEM": FaultKind.FULL,
    "SQLITE_PERM": FaultKind.DENIED,
    "SQLITE_AUTH": FaultKind.DENIED,
    "SQLITE_CANTOPEN": FaultKind.UNREACHABLE,
    "SQLITE_IOERR": FaultKind.DAMAGED,
    "SQLITE_CORRUPT": FaultKind.DAMAGED,
    "SQLITE_NOTADB": FaultKind.DAMAGED,
    "SQLITE_CONSTRAINT": FaultKind.ROW,
    "SQLITE_TOOBIG": FaultKind.ROW,
    "SQLITE_MISMATCH": FaultKind.ROW,
}


def classify(error: Exception) -> StoreFault | None:
    """Classify an error of the store. Return None for any other error."""
    if not isinstance(error, StoreError):
        return None
    if isinstance(error, DBAPIError):
        kind = _kind_of_driver_error(error)
    else:
        kind = next((kind for type_, kind in _OWN.items() if isinstance(error, type_)), FaultKind.UNKNOWN)
    return StoreFault(kind, fault_words(error) if kind is FaultKind.ROW else _words(error))


def waiting_for(error: Exception) -> str | None:
    """Return the error text of a fault that ends once the store is usable again; None for other errors."""
    fault = classify(error)
    return None if fault is None or fault.kind is FaultKind.ROW else f"{fault.kind}: {fault.words}"


def discard_broken(context: ExceptionContext) -> None:
    """Discard a connection whose server turned read-only, or whose file is damaged: the next one may work."""
    fault = classify(context.sqlalchemy_exception) if context.sqlalchemy_exception else None
    if fault and fault.kind in (FaultKind.READ_ONLY, FaultKind.DAMAGED):
        context.is_disconnect = True


def _kind_of_driver_error(error: DBAPIError) -> FaultKind:
    if sqlstate := getattr(error.orig, "sqlstate", None):
        return _SQLSTATES.get(sqlstate) or _SQLSTATES.get(sqlstate[:2]) or FaultKind.UNKNOWN
    if name := getattr(error.orig, "sqlite_errorname", None):
        kinds = (kind for beginning, kind in _SQLITE.items() if name.startswith(beginning))
        missing = "no such table" in str(error.orig) or "no such column" in str(error.orig)
        return next(kinds, FaultKind.SCHEMA if missing else FaultKind.UNKNOWN)
    if isinstance(error, DataError | IntegrityError):
        return FaultKind.ROW
    if type(error.orig).__name__ == "ConnectionTimeout":  # psycopg's, which is not imported for SQLite
        return FaultKind.HANGING
    # Without a code: the connection could not be made, or was lost.
    return FaultKind.UNREACHABLE if isinstance(error, OperationalError | InterfaceError) else FaultKind.UNKNOWN


def _words(error: BaseException) -> str:
    """Return the first line. The others contain details, such as the values of a row, and hints."""
    if isinstance(error, PoolTimeoutError):
        return "all connections are in use"
    cause = getattr(error, "orig", None) or error
    lines = [re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", line).strip() for line in str(cause).splitlines()]
    return next(filter(None, lines), type(cause).__name__)[:LONGEST]
