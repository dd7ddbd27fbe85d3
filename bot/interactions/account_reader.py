"""The accounts of WeChat with their owners, as every answer and view of a process shows them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from bot.accounts import AccountRow, Snapshot, account_of
from bot.alerting.episode import AlertPolicy, Episode
from bot.blocks.answers.broken_rows import with_placeholders
from bot.blocks.context import RenderContext
from bot.interactions.read_limit import ReadLimit
from bot.ports import Accounts, Clock
from bot.runtime.logs import LogEvent, fault_words
from bot.runtime.single_flight import SingleFlight
from bot.text import masked
from wechat_kf import KfError, KfList, OnlineKf

log = logging.getLogger(__name__)

T = TypeVar("T")

ONLINE_SECONDS = 2  # the online list is optional: an answer does not wait longer for it
GOOD_FOR = 5.0  # seconds: repeated commands must not become as many calls to WeChat


class AccountReader:
    """Reads the accounts. Concurrent callers share one read of WeChat, and the last good read is kept."""

    def __init__(
        self,
        accounts: Accounts,
        *,
        now: Clock,
        policy: AlertPolicy,
        owned: Callable[[], Awaitable[Sequence[Episode]]],
        on_good_read: Callable[[], None] = lambda: None,
        limit: ReadLimit | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what a snapshot is made from.

        Args:
            owned: returns the open invitations that a user acknowledged or snoozed, and does not raise.
            on_good_read: is called after each good read, and may not raise or wait.
            limit: of the reads that answers cause; None for any number.
        """
        self._accounts = accounts
        self._now = now
        self._policy = policy
        self._owned = owned
        self._on_good_read = on_good_read
        self._limit = limit
        self._reads = SingleFlight(self._read, GOOD_FOR, elapsed)
        self._last: Snapshot | None = None
        self._checks_rows = False  # a rendering has failed: find the accounts that cannot be rendered
        self._faults: dict[str, str] = {}  # by account key, why it cannot be shown

    async def read(self) -> Snapshot:
        """Return the accounts as of now, or a read of the last seconds, with owners as of now.

        Raises:
            wechat_kf.KfError: WeChat refuses, or does not answer.
        """
        (snapshot, is_cached), owned = await asyncio.gather(self._reads.get(), self._owned())
        self._last = self._shown(replace(snapshot, is_cached=is_cached), owned)
        return self._last

    async def read_sparingly(self) -> Snapshot:
        """Return the accounts as `read` does; those of the last good read if there were too many in the last hour.

        Raises:
            wechat_kf.KfError: WeChat refuses, or does not answer.
        """
        wait = self._limit.wait() if self._limit else 0
        last = await self.last_with_owners() if wait else None
        if last is None:
            return await self.read()
        return replace(last, next_read_at=self._now() + timedelta(seconds=wait))

    def last(self) -> Snapshot | None:
        """Return the last good read, however old, with owners as they were then; None before the first."""
        read = self._reads.last()
        return self._last if self._last and read and self._last.at == read.at else read

    async def find(self, handle: str) -> AccountRow | None:
        """Return an account from the last good read, however old; if that lacks it, from a new one.

        Raises:
            wechat_kf.KfError: WeChat refuses, or does not answer.
        """
        last = self.last()
        row = account_of(last.rows, handle) if last else None
        if row or not handle:
            return row
        self.expire()  # the account may be newer than a read of the last seconds
        return account_of((await self.read()).rows, handle)

    async def last_with_owners(self) -> Snapshot | None:
        """Return the last good read, however old, with owners and deadlines as of now; None before the first.

        `at` stays the time of the read.
        """
        read, owned = self._reads.last(), await self._owned()
        if read is None:
            return None
        return replace(self._shown(read.by_clock(self._now(), self._policy), owned), at=read.at)

    def expire(self) -> None:
        """Let the next read ask WeChat, since something has changed."""
        self._reads.expire()

    async def online(self) -> Sequence[OnlineKf] | None:
        """Return the online users; None if WeChat does not answer in time, or has answered too often."""
        if self._limit and self._limit.wait():
            return None
        try:
            return await self._accounts.online_kf_list(within=ONLINE_SECONDS, attempts=1)
        except KfError:
            return None

    async def contained(self, render: Callable[[], Awaitable[T]]) -> T:
        """Read and render. If an account cannot be rendered, do so again with a placeholder for it."""
        try:
            return await render()
        except KfError:
            raise
        except Exception:
            if self._checks_rows:
                raise
            self._checks_rows = True
            return await render()

    async def _read(self) -> Snapshot:
        if self._limit:
            self._limit.note()
        listing: KfList = await self._accounts.kf_list()
        snapshot = Snapshot.of(listing, self._now(), self._policy)
        self._on_good_read()
        return snapshot

    def _shown(self, read: Snapshot, owned: Sequence[Episode]) -> Snapshot:
        snapshot = read.with_owners(owned, self._policy)
        if self._checks_rows:
            snapshot = with_placeholders(snapshot, RenderContext(self._policy, around=self._now()))
        self._note_faults(snapshot)
        return snapshot

    def _note_faults(self, snapshot: Snapshot) -> None:
        """Log each account that cannot be shown, once until it can be shown again."""
        faults = {row.account.key: fault_words(row.fault) for row in snapshot.rows if row.fault}
        for key, words in faults.items() - self._faults.items():
            log.error(LogEvent("account cannot be shown", account=masked(key), error=words))
        self._faults = faults
        self._checks_rows = self._checks_rows and bool(faults)
