"""Delete what is over and old: a run a day, batch by batch. `store.pruning` has the statements."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain

from bot.alerting.episode import AlertPolicy, Episode
from bot.alerting.lifecycle import is_listed
from bot.ports import Accounts, Clock, no_op
from bot.ports import Counter as Count
from bot.retention import RetentionPolicy
from bot.runtime.logs import LogEvent, error_fields, fault_words
from bot.store import poll_state, pruning
from bot.store.database import Store, Tx
from bot.store.pruning import Batch
from bot.watcher.ingest import sanitize
from wechat_kf import Invitation, KfAccount, KfError

log = logging.getLogger(__name__)


@dataclass
class _Run:
    """The run in progress: what is still to be examined, and what was deleted."""

    before: datetime
    tables: list[Callable[[Tx, datetime, str, int], Awaitable[Batch]]]
    after: str = ""
    deleted: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Exception] = field(default_factory=dict)


class Pruner:
    """Deletes old rows of one Official Account. Each step is short: it prepares a run, or takes one batch.

    The processes on a store share the runs. One that ends in the middle leaves the rest to the run of the next day.
    """

    def __init__(
        self,
        accounts: Accounts,
        store: Store,
        *,
        policy: AlertPolicy,
        clock: Clock,
        retention: RetentionPolicy = RetentionPolicy(),  # noqa: B008  a frozen value
        count: Count = no_op,
    ) -> None:
        """Take the dependencies. `clock` is this process's, and only times its steps."""
        self._accounts = accounts
        self._store = store
        self._policy = policy
        self._clock = clock
        self._retention = retention
        self._count = count
        self.interval = retention.check.total_seconds()  # from one step to the next
        self._next_check = clock() + retention.check  # a process that has just started has more urgent work
        self._lists: list[tuple[KfAccount, ...]] = []
        self._run: _Run | None = None
        self.has_finished = False  # the run, or it is not this process's

    async def step(self) -> float | None:
        """Continue the run, or begin one that is due. Return the seconds until the next step during a run.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be used; a later step continues from here.
        """
        try:
            if self._run is None and self._clock() >= self._next_check:
                self._next_check = self._clock() + self._retention.check
                self._run = await self._begin()
            if self._run is None:
                return None
            await self._take_batch(self._run)
        except Exception:
            self._count("prune", "failed")
            raise
        return self._retention.pause.total_seconds()

    async def _begin(self) -> _Run | None:
        """Begin a run if one is due, enough lists were read, and no other process has begun it.

        An invitation on any of the lists counts as listed.
        """
        async with self._store.begin() as tx:
            due = await pruning.is_due(tx, self._retention.every)
            known = await poll_state.load(tx)
        if not due or known.watching_since is None or known.health.failed_polls:
            self._lists, self.has_finished = [], True
            return None
        accounts = await self._read(known.accounts)
        if accounts is None:
            self._count("prune", "postponed")
            return None
        # An account that is missing from one list may be back in the next.
        self._lists.append(accounts)
        if len(self._lists) < self._policy.agreeing_polls:
            return None
        listed, self._lists = _invitations(self._lists), []
        async with self._store.begin() as tx:
            if not await pruning.claim(tx, self._retention.every):
                self.has_finished = True
                return None
            before = tx.now - self._retention.keep

        def is_shown(episode: Episode) -> bool:
            return is_listed(episode, listed.get(episode.account_key, ()), self._policy)

        invitations = partial(pruning.prune_episodes, is_shown=is_shown)
        return _Run(before, [pruning.prune_operations, invitations, pruning.prune_messages])

    async def _read(self, known: int) -> tuple[KfAccount, ...] | None:
        """Read the list. Return None if it does not prove which accounts no longer show an invitation."""
        try:
            listed = await self._accounts.kf_list()
        except KfError as error:
            log.info(LogEvent("pruning postponed", **error_fields(error)))
            return None
        accounts, failures = sanitize(listed.accounts)
        if not listed.complete or failures or (known and not accounts):
            log.info(
                LogEvent("pruning postponed", accounts=len(accounts), known=known, unreadable=listed.unreadable)
            )
            return None
        return tuple(accounts)

    async def _take_batch(self, run: _Run) -> None:
        prune = run.tables[0]
        async with self._store.begin() as tx:
            batch = await prune(tx, run.before, run.after, self._retention.batch)
        run.deleted += batch.deleted
        run.failures |= batch.failures
        run.after = batch.after or ""
        if batch.after is None:
            run.tables.pop(0)
        if run.tables:
            return
        self._run, self.has_finished = None, True
        if run.failures:
            error = fault_words(next(iter(run.failures.values())))
            log.error(LogEvent("rows cannot be deleted", rows=len(run.failures), error=error))
        names = ("operations", "invitations", "incidents", "messages")
        log.info(LogEvent("pruned", **{name: run.deleted[name] for name in names}))
        self._count("prune", "ok")


def _invitations(lists: list[tuple[KfAccount, ...]]) -> dict[str, list[Invitation]]:
    """Return by account key the invitations that any of the lists shows, also on bound accounts."""
    found: dict[str, list[Invitation]] = {}
    for account in chain.from_iterable(lists):
        if account.invitation:
            found.setdefault(account.key, []).append(account.invitation)
    return found
