"""Write the rows of many accounts in one transaction, and leave out only those that fail.

One row that the database refuses, or that the code cannot handle, must not stop the news of the other accounts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bot.store.database import Tx
from bot.store.store_errors import FaultKind, classify

T = TypeVar("T")


class RowFaultError(Exception):
    """One message row cannot be used, because of the exception that is this one's cause."""

    def __init__(self, row_id: str) -> None:
        super().__init__(row_id)
        self.row_id = row_id


class _RollBackError(Exception):
    """Ends the trial of one key."""


async def isolated(
    tx: Tx, keys: Sequence[str], write: Callable[[Sequence[str]], Awaitable[T]]
) -> tuple[list[T], dict[str, Exception]]:
    """Write all keys together. If that fails because of a row, leave out the keys that also fail alone.

    Args:
        write: writes these keys inside a savepoint of its own. It is called again with fewer keys after a failure.

    Returns what `write` returned for what stays written, and the exceptions by key.

    Raises:
        Exception: an error that does not concern a row, such as a lost connection.
    """
    try:
        return [await write(keys)], {}
    except Exception as exc:
        if not is_row_fault(exc):
            raise
    failures = {key: failure for key in keys if (failure := await _try_alone(tx, key, write))}
    rest = [key for key in keys if key not in failures]
    if not rest:
        return [], failures
    try:
        async with tx.savepoint():
            return [await write(rest)], failures
    except Exception as exc:
        if not is_row_fault(exc):
            raise
    written = []
    for key in rest:  # each is accepted alone, and not all of them together
        try:
            async with tx.savepoint():
                written.append(await write([key]))
        except Exception as exc:
            if not is_row_fault(exc):
                raise
            failures[key] = exc
    return written, failures


async def _try_alone(tx: Tx, key: str, write: Callable[[Sequence[str]], Awaitable[T]]) -> Exception | None:
    """Write one key and take it back. Return the exception if it fails."""
    try:
        async with tx.savepoint():
            await write([key])
            raise _RollBackError
    except _RollBackError:
        return None
    except Exception as exc:
        if not is_row_fault(exc):
            raise
        return exc


def is_row_fault(exc: Exception) -> bool:
    """Check whether an exception concerns the values of one row, and not the store as a whole."""
    fault = classify(exc)
    return fault is None or fault.kind is FaultKind.ROW  # not of the store: raised by the code that handles the row
