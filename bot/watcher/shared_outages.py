"""Outages of WeChat that several Official Accounts share: the polls that they hold back, and their one notice.

The process whose poll begins or ends an outage queues the notice or the reply, in the same transaction. It is a
message like any other: the process that claims it posts it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from bot.alerting.circuit_breaker import CircuitBreaker, is_answer, on_answer, on_no_answer, spread
from bot.alerting.incidents import Cause, PollHealth
from bot.outbox.incident_messages import is_new, is_reported, notice, reply
from bot.runtime.logs import LogEvent
from bot.store import circuit_breaker_row, claims
from bot.store.claims import ClaimedPoll
from bot.store.database import Tx
from bot.watcher.incident_reporting import CommonNotices
from wechat_kf import KfError

log = logging.getLogger(__name__)


class SharedOutages:
    """Applies polls to the circuit breaker of all accounts. The caller opens the transaction."""

    def __init__(
        self,
        notices: CommonNotices,
        poll: timedelta,
        polls_per_second: float,
        wait: Callable[[], float] = random.random,
    ) -> None:
        """Keep what outages need.

        Args:
            notices: about all accounts.
            poll: the usual interval between polls.
            polls_per_second: how many polls may follow an outage in a second.
            wait: returns a number from 0 to 1 for each account, by which these polls are spread.
        """
        self.notices = notices
        self._poll = poll
        self._polls_per_second = polls_per_second
        self._wait = wait

    async def claim_probe(
        self, tx: Tx, lease: timedelta, *, without: Collection[str] = ()
    ) -> Sequence[ClaimedPoll] | None:
        """Claim the probe that is due: the poll of the account that has waited longest. None while polls go on.

        Args:
            without: the AppIDs that this process does not poll, or polls at this moment.
        """
        if not await circuit_breaker_row.is_open(tx):
            return None
        if not await circuit_breaker_row.claim_probe(tx, tx.now):
            return ()
        claimed = await claims.claim_next(tx, lease, without=without)
        return [replace(claimed, is_probe=True)] if claimed else ()

    async def lock(self, tx: Tx) -> CircuitBreaker:
        """Read the breaker; other processes wait with theirs. No row of `poll_state` may be locked before."""
        return await circuit_breaker_row.load(tx, lock=True)

    async def apply_failure(self, tx: Tx, breaker: CircuitBreaker, own: PollHealth, error: KfError) -> bool:
        """Apply a failed poll. Return whether it is part of the outage, so that it does not count as the account's.

        Args:
            own: the health of the account before this poll.
        """
        if is_answer(error):
            await self.apply_answer(tx, breaker)
            return False
        incident = own.incident
        has_notice = incident is not None and incident.cause is Cause.SOURCE_DOWN and incident.resolved_at is None
        if not breaker.is_open and has_notice:
            return False  # it fails for a reason of its own
        now = tx.now
        watched = await circuit_breaker_row.watched(tx)
        answered_at = await circuit_breaker_row.answered_at(tx, breaker.since, now)
        after = on_no_answer(breaker, tx.appid, error, now, watched=watched, answered_at=answered_at)
        await self._record(tx, breaker, after)
        return breaker.is_open

    async def apply_answer(self, tx: Tx, breaker: CircuitBreaker) -> None:
        """Apply an answered probe, or an answer that is not a good poll."""
        await self._record(tx, breaker, on_answer(breaker, tx.now))

    async def _record(self, tx: Tx, before: CircuitBreaker, after: CircuitBreaker) -> None:
        now = tx.now
        await circuit_breaker_row.record(self.notices.rows(tx), before, after)
        if after.incident and after.incident != before.incident:
            payload = {"accounts": await circuit_breaker_row.watched(tx)}
            if is_new(before.incident, after.incident):
                await self.notices.queue(tx, notice(after.incident, payload))
            elif is_reported(before.incident, after.incident):
                await self.notices.queue(tx, reply(after.incident, now, payload=payload))
        if after.is_open and not before.is_open:
            log.warning(LogEvent("polls paused, WeChat does not answer", since=after.since))
        if before.is_open and not after.is_open:
            held_back = await circuit_breaker_row.held_back(tx, before.since or now, now)
            waits = {appid: self._wait() for appid in held_back}
            await circuit_breaker_row.schedule(tx, spread(waits, now, self._poll, self._polls_per_second))
            log.info(LogEvent("polls resumed, WeChat answers", official_accounts=len(held_back)))
