"""Which Official Accounts are pruned now: of many, some at a time, and by one process."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from bot.fleet import Fleet
from bot.retention import RetentionPolicy
from bot.store import processes, pruning
from bot.store.database import Store
from bot.wiring import Services

CANDIDATES = 500  # accounts that are examined for old rows at a time
MOST = 100  # that are pruned at the same time: their lists are kept in memory until they agree
ROUND_SECONDS = 3600.0  # then those whose lists could not be read make room for others


class PruningRounds:
    """Chooses accounts with old rows, and keeps them until their runs have finished."""

    def __init__(self, fleet: Fleet, store: Store, retention: RetentionPolicy) -> None:
        self._fleet = fleet
        self._store = store
        self._retention = retention
        self._round: list[Services] = []
        self._began_at = 0.0  # by the monotonic clock

    async def accounts(self) -> Sequence[Services]:
        """Return the accounts whose pruners take a step now. A single account is always among them.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be used.
        """
        if not self._fleet.is_several:
            return [self._fleet.first] if self._fleet.tenants else []
        self._round = [one for one in self._round if one.pruner and not one.pruner.has_finished]
        if not self._round or monotonic() - self._began_at > ROUND_SECONDS:
            self._round, self._began_at = await self._choose(), monotonic()
        return self._round

    async def _choose(self) -> list[Services]:
        async with self._store.begin() as tx:
            if not await processes.is_first(tx, self._fleet.shared.process.id):
                return []
            before = tx.now - self._retention.keep
            appids = await pruning.choose(tx, self._retention.every, before, CANDIDATES)
        chosen = [self._fleet.accounts[appid] for appid in appids if appid in self._fleet.tenants][:MOST]
        for services in chosen:
            if services.pruner:
                services.pruner.has_finished = False
        return chosen
