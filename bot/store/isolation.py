"""Write the rows of many accounts in one transaction, and leave out only those that fail.

A row that the database refuses, or that the code cannot handle, must not block the events of the other accounts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bot.store.database import Tx
from bot.store.store_errors import FaultKind, classify

T = TypeVar("T")


class RowFaultError(Exception):
    """A message row cannot be used. Its `__cause__` is the original exception."""

    def __init__(self, row_id: str) -> None:
        super().__init__(row_id)
        self.row_id = row_id


class _RollBackError(Exception):
    """The signal to roll back the trial of one key."""


async def isolated(
    tx: Tx, keys: Sequence[str], write: Callable[[Sequence[str]], Awaitable[T]]
) -> tuple[list[T], dict[str, Exception]]:
    """Write all keys together. If that fails because of a row, leave out the keys that also fail alone.

    Args:
        write: writes these keys inside its own savepoint. It is called again with fewer keys after a failure.

    Returns the results of `write` that stay written, and the exceptions by key.

    Raises:
        Exception: an error that does not concern a row, such as a lost connection.
    """
    try:
        return [await write(keys)], {}
    except Exception as exc:
        if not is_row_fault(exc):
            raise
    failures = {key: failure for key in keys if (failure := await _try_alone(tx, key, write))}
    remaining = [key for key in keys if key not in failures]
    if not remaining:
        return [], failures
    try:
        async with tx.savepoint():
            return [await write(remaining)], failures
    except Exception as exc:
        if not is_row_fault(exc):
            raise
    written = []
    for key in remaining:  # each succeeds alone, but not all together
        try:
            async with tx.savepoint():
                written.append(await write([key]))
        except Exception as exc:
            if not is_row_fault(exc):
                raise
            failures[key] = exc
    return written, failures


async def _try_alone(tx: Tx, key: str, write: Callable[[Sequence[str]], Awaitable[T]]) -> Exception | None:
    """Write one key and roll it back. Return the exception if the write fails."""
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
    return (
        fault is None or fault.kind is FaultKind.ROW
    )  # None: not an error of the store, but of the code that handles the row
