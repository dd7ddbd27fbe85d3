"""Read the history of accounts in the store. Nothing raises: an answer about WeChat does not need the store."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bot.operations.account_history import PAGE, AccountHistoryPage, account_history
from bot.operations.operation import Operation
from bot.runtime.logs import LogEvent
from bot.runtime.tasks import with_timeout
from bot.store import episodes, operation_rows
from bot.store.database import Store, Tx
from bot.store.store_errors import StoreError, waiting_for

log = logging.getLogger(__name__)

STORE_SECONDS = 2  # an unreachable store must not delay an answer
MOST_OPERATIONS = 500  # of one account: its history is joined in memory
MOST_EPISODES = 200


class HistoryReader:
    """Reads the operations and the invitations of accounts. Without a store there are none."""

    def __init__(self, store: Store | None) -> None:
        self._store = store

    async def page(self, keys: Sequence[str], number: int) -> AccountHistoryPage | None:
        """Return a page of a history; None if the store does not answer.

        Args:
            keys: of one account, as they may be spelled; the first with a history counts. Empty: of all accounts.
        """
        if self._store is None:
            return AccountHistoryPage(account_key=keys[0] if keys else "")
        try:
            return await with_timeout(_page(self._store, keys, number), STORE_SECONDS)
        except (*StoreError, TimeoutError) as exc:
            log.warning(LogEvent("history not read", error=waiting_for(exc) or type(exc).__name__))
            return None

    async def operations(self, account_key: str) -> Sequence[Operation]:
        """Return the operations of an account, newest first; none if the store does not answer."""
        if self._store is None:
            return ()
        try:
            return await with_timeout(_operations(self._store, account_key), STORE_SECONDS)
        except (*StoreError, TimeoutError):
            return ()


async def _page(store: Store, keys: Sequence[str], number: int) -> AccountHistoryPage:
    async with store.begin() as tx:
        if not keys:
            return await _of_all(tx, number)
        for key in keys:
            done = await operation_rows.history(tx, key, limit=MOST_OPERATIONS)
            past = await episodes.of_account(tx, key, MOST_EPISODES)
            if done or past:
                return AccountHistoryPage.of_account(key, account_history(done, past), number)
        return AccountHistoryPage(account_key=keys[0])


async def _of_all(tx: Tx, number: int) -> AccountHistoryPage:
    """Return a page of all operations; the last one if there are fewer."""
    found = await operation_rows.history(tx, limit=PAGE + 1, offset=(number - 1) * PAGE)
    if not found and number > 1:
        number = max(1, -(-await operation_rows.count(tx) // PAGE))
        found = await operation_rows.history(tx, limit=PAGE + 1, offset=(number - 1) * PAGE)
    return AccountHistoryPage(tuple(found[:PAGE]), number, len(found) > PAGE)


async def _operations(store: Store, account_key: str) -> Sequence[Operation]:
    async with store.begin() as tx:
        return await operation_rows.history(tx, account_key, limit=MOST_OPERATIONS)
