"""One look at WeChat, or at the clock: read, decide, write down. No rules of its own, and nothing is sent here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum

from bot import outages
from bot.deadlines import advance
from bot.episodes import AlertPolicy, Change, Seen, seen
from bot.invitations import observe, strangers
from bot.marks import Marks
from bot.outages import Health
from bot.outbox import Draft, FirstLook, Shape, plan
from bot.ports import Accounts, Clock
from bot.store import Store, Tx, memory, queue, rows
from bot.store.memory import Memory
from wechat_kf import KfAccount, KfError, KfList

log = logging.getLogger(__name__)

TIMER_PASS = timedelta(seconds=15)  # a deadline is noticed this soon, or at each poll if that is sooner
FRESH = timedelta(seconds=60)  # an older read is verified before the clock alone speaks
VERIFY_SECONDS = 5


class Look(Enum):
    """What a tick did."""

    NOTHING_DUE = "nothing due"
    GOOD = "good"
    FAILED = "failed"


class Watcher:
    """Feeds the list and the clock to the rules, and writes down what follows.

    Any number of processes may run one on the same store: conditional updates decide who polls, and the
    account's locked row decides who decides.
    """

    def __init__(
        self,
        accounts: Accounts,
        store: Store,
        *,
        policy: AlertPolicy,
        poll: timedelta,
        marks: Marks,
        appid: str,
        clock: Clock,
        jitter: Callable[[], float] = lambda: 1.0,
    ) -> None:
        """`jitter` is drawn once a poll and multiplies the interval."""
        self._accounts = accounts
        self._store = store
        self._policy = policy
        self._poll = poll
        self._marks = marks
        self._appid = appid
        self._clock = clock
        self._jitter = jitter

    async def make_due(self) -> None:
        """Let the next tick poll, whenever the last poll was: somebody asks for a look now."""
        now = self._clock()
        await self._store.open(now)
        async with self._store.begin() as tx:
            await memory.hasten_poll(tx, now, always=True)

    async def tick(self) -> Look:
        """Poll if it is time and nobody else does; let the clock speak in any case.

        Raises:
            bot.store.StoreError: the store cannot be reached; nothing was lost, the next tick looks again.
        """
        now = self._clock()
        if not self._store.migrated:
            await self._store.open(now)
        async with self._store.begin() as tx:
            mine = await memory.claim_poll(tx, now, now + self._poll * self._jitter())
        look = await self._read(now) if mine else Look.NOTHING_DUE
        if look is not Look.GOOD:
            await self._timers(ask=look is Look.NOTHING_DUE)
        return look

    async def _read(self, began: datetime) -> Look:
        try:
            listed = await self._accounts.kf_list()
        except KfError as error:
            log.warning("read failed error=%s", error)
            await self._take_failure(error)
            return Look.FAILED
        await self._take(listed, began)
        return Look.GOOD

    async def _timers(self, *, ask: bool) -> None:
        """Tell the leads and deadlines that have passed, after a look at WeChat if the last one is old."""
        now = self._clock()
        async with self._store.begin() as tx:
            due = await rows.due(tx, now)
            last_read_at = (await memory.recall(tx)).last_read_at
        if not due:
            return
        stale = last_read_at is None or now - last_read_at > max(FRESH, self._poll)
        if stale and ask and await self._verify(now):
            return
        async with self._store.begin() as tx:
            await memory.recall(tx, lock=True)
            await self._by_the_clock(tx, confirmed_at=last_read_at if stale else None)

    async def _verify(self, began: datetime) -> bool:
        """Look before telling what only the clock says. The read brings the clock's news along."""
        try:
            listed = await self._accounts.kf_list(within=VERIFY_SECONDS, attempts=1)
        except KfError as error:
            log.info("not verified error=%s", error)
            return False
        await self._take(listed, began)
        return True

    async def _take(self, listed: KfList, began: datetime) -> None:
        """Take a good read in: states, events and messages in one transaction."""
        async with self._store.begin() as tx:
            known = await memory.recall(tx, lock=True)
            now = self._clock()
            if known.last_read_at and began <= known.last_read_at <= now:
                return  # another process has taken in a newer one
            after = outages.after_good(known.health, now)
            await memory.note_health(tx, known.health, after)
            empty_reads = 0 if listed.accounts else known.empty_reads + (1 if listed.complete else 0)
            if not self._believable(known, listed, empty_reads):
                await memory.note_empty(tx, empty_reads)
                await self._by_the_clock(tx)
                return
            await memory.note_read(tx, known, began=began, accounts=len(listed.accounts), empty_reads=empty_reads)
            await self._observe(tx, known, listed, now, reads=max(1, empty_reads))

    def _believable(self, known: Memory, listed: KfList, empty_reads: int) -> bool:
        """Whether a list without accounts is evidence: never when it has unreadable rows, late after a full one."""
        if listed.accounts:
            return True
        return listed.complete and (known.accounts == 0 or empty_reads >= self._policy.agreeing_empty_reads)

    async def _by_the_clock(self, tx: Tx, *, confirmed_at: datetime | None = None) -> None:
        now = self._clock()
        changes = advance(await rows.due(tx, now), now, self._policy, confirmed_at=confirmed_at)
        await self._write(tx, changes, now)

    async def _observe(self, tx: Tx, known: Memory, listed: KfList, now: datetime, *, reads: int) -> None:
        accounts = [rows.storable(account) for account in listed.accounts]
        latest = await rows.latest(tx, [account.key for account in accounts])
        earlier = await rows.earlier(tx, strangers(latest, accounts, self._policy))
        first = known.watching_since is None
        changes = observe(
            [*latest, *earlier],
            accounts,
            now,
            self._policy,
            appid=self._appid,
            complete=listed.complete,
            reads=reads,
            first_run=first,
        )
        await self._write(tx, changes, now, first=self._first_look(accounts, now) if first else None)

    def _first_look(self, accounts: Sequence[KfAccount], now: datetime) -> FirstLook:
        counts = dict.fromkeys(Seen, 0)
        for account in accounts:
            counts[seen(account, now, self._policy.leads)] += 1
        return FirstLook(total=len(accounts), counts=counts)

    async def _take_failure(self, error: KfError) -> None:
        async with self._store.begin() as tx:
            known = await memory.recall(tx, lock=True)
            now = self._clock()
            after = outages.after_failure(known.health, error, now, appid=self._appid)
            await memory.note_health(tx, known.health, after)
            wait = outages.wait_after_failure(error, after.failed_reads, self._poll, now)
            await memory.poll_at(tx, now + wait)
            await queue.add(tx, _notice(known.health, after), {}, now)

    async def _write(
        self, tx: Tx, changes: Sequence[Change], now: datetime, *, first: FirstLook | None = None
    ) -> None:
        roots = await rows.roots(tx, [change.after.id for change in changes])
        drafts = plan(changes, roots, self._policy, now, first=first)
        tellers = {told: draft.id for draft in drafts for told in draft.tells}
        await rows.save(tx, changes, tellers, self._policy, now)
        await queue.add(tx, drafts, self._marks.of_drafts(drafts, changes), now)
        for change in changes:
            log.info("episode=%s state=%s news=%s", change.after.id, change.after.state, len(change.news))


def _notice(before: Health, after: Health) -> list[Draft]:
    """The notice of an incident that has just begun."""
    begun = after.incident
    if begun is None or (before.incident and before.incident.id == begun.id):
        return []
    return [Draft(id=begun.id, shape=Shape.HEALTH, rank=0)]
