"""Carry out one operation: read the list, send the write once, read the list again, and store each step.

Everything that is decided comes from the stored row and from WeChat, so a second call with the same row, or one in
another process, changes nothing and returns the same outcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic, perf_counter

from bot.execution.records import OperationRecords
from bot.operations.operation import (
    EndReason,
    Operation,
    OperationKind,
    OperationState,
    Outcome,
    find,
)
from bot.operations.refusals import GONE_CODES
from bot.operations.rules import facts_of, has_happened, is_absent, obstacle
from bot.ports import Accounts, AccountWriter, Clock, Counter, no_op
from bot.runtime.logs import LogEvent
from wechat_kf import APIError, KfAccount, KfError, KfList, TransportError

log = logging.getLogger(__name__)

READ_SECONDS = 5.0  # for each read of the list, so that an operation ends within its lease


class OperationRunner:
    """Carries out operations whose rows are committed, and settles those with an unknown outcome."""

    def __init__(
        self,
        records: OperationRecords,
        accounts: Accounts,
        writer: AccountWriter,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        changed: Callable[[Operation], None] = lambda _: None,
        count: Counter = no_op,
        stopwatch: Callable[[], float] = monotonic,
    ) -> None:
        """Keep what operations need.

        Args:
            clock: decides whether a listed deadline has passed; leases follow the store's clock.
            changed: is called after each change of state.
            stopwatch: seconds of a clock that is never set; measures whether the lease leaves time for the write.
        """
        self.records = records
        self._policy = records.policy
        self._accounts = accounts
        self._writer = writer
        self._clock = clock
        self._sleep = sleep
        self._changed = changed
        self._count = count
        self._stopwatch = stopwatch

    async def run(self, operation: Operation) -> Operation:
        """Carry out an operation that this process has just inserted. Return it as it is stored afterwards.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be written; another process settles the operation.
        """
        began = perf_counter()
        after = await self._run(operation)
        self._note(after, began)
        return after

    async def settle_due(self) -> bool:
        """Continue one operation whose process ended, or whose next read or report is due.

        Returns:
            False if there is none.
        """
        found = await self.records.claim_due()
        if found is None:
            return False
        claimed, now = found
        if claimed.state.ended:
            await self.records.report_failure(claimed)
            return True
        began = perf_counter()
        after = await self._settle(claimed, now)
        if after.state is not claimed.state:
            self._note(after, began)
        return True

    async def _run(self, operation: Operation) -> Operation:
        if operation.sent_at:  # its request may have left already
            return await self._as_stored(operation)
        try:
            listing = await self._accounts.kf_list(within=READ_SECONDS, attempts=2)
        except KfError as error:
            return await self._not_carried_out(operation, error)
        now = self._clock()
        account = find(listing.accounts, operation.wanted.kf_account)
        found = replace(operation, before=facts_of(account, now) if account else operation.before)
        absent = await self._is_absent(operation, listing)
        if reason := obstacle(operation.kind, operation.wanted, listing.accounts, now, absent=absent):
            return await self._ruled_out(found, reason)
        began = self._stopwatch()
        stored = await self.records.sent(operation, found)
        if stored is None:
            return await self._as_stored(operation)
        if self._stopwatch() - began > self._policy.lease.total_seconds() - self._policy.write_seconds:
            # The write could outlast the lease, and another process decide before it arrives.
            return await self._as_stored(operation)
        return await self._write(stored)

    async def _write(self, operation: Operation) -> Operation:
        try:
            await self._request(operation)
        except KfError as error:
            return await self._refused(operation, error)
        accepted = replace(operation, outcome=Outcome(errcode=0))
        stored = await self.records.progressed(operation, accepted)
        if stored is None:
            return await self._as_stored(operation)
        return await self._find_change(stored)

    async def _request(self, operation: Operation) -> None:
        wanted, within = operation.wanted, self._policy.write_seconds
        match operation.kind:
            case OperationKind.INVITE:
                await self._writer.invite(wanted.kf_account, wanted.invite_wx, within=within)
            case OperationKind.ADD:
                await self._writer.add(wanted.kf_account, wanted.nickname, within=within)
            case OperationKind.RENAME:
                await self._writer.rename(wanted.kf_account, wanted.nickname, within=within)
            case OperationKind.DELETE:
                await self._writer.delete(wanted.kf_account, within=within)

    async def _refused(self, operation: Operation, error: KfError) -> Operation:
        if error.may_have_taken_effect:
            return await self._unsure(operation, _outcome(error))
        if operation.kind is OperationKind.DELETE and isinstance(error, APIError) and error.errcode in GONE_CODES:
            return await self._complete(operation, _outcome(error, EndReason.GONE), None, seen=True)
        return await self._not_carried_out(operation, error)

    async def _not_carried_out(self, operation: Operation, error: KfError) -> Operation:
        """End an operation that WeChat has refused, or that did not reach it. Nothing has changed."""
        if isinstance(error, APIError):
            return await self._end(operation, OperationState.REFUSED, _outcome(error, EndReason.ERRCODE))
        return await self._end(operation, OperationState.FAILED, _outcome(error, EndReason.NOT_SENT))

    async def _find_change(self, operation: Operation) -> Operation:
        """Read the list until it shows what WeChat has accepted. A deletion is not believed before that."""
        passed = 0.0
        for after in self._policy.reads_after:
            await self._sleep(after.total_seconds() - passed)
            passed = after.total_seconds()
            if (listing := await self._read()) and await self._shows(operation, listing):
                account = find(listing.accounts, operation.wanted.kf_account)
                return await self._complete(operation, operation.outcome, account, seen=True)
        if operation.kind is OperationKind.DELETE:
            return await self._unsure(operation, operation.outcome)
        return await self._complete(operation, operation.outcome, None, seen=False)

    async def _settle(self, operation: Operation, now: datetime) -> Operation:
        """Decide the outcome of a write by a read of the list. The write itself is never repeated."""
        policy = self._policy
        if operation.sent_at is None:
            return await self._end(operation, OperationState.FAILED, Outcome(EndReason.NOT_SENT))
        listing = await self._read(attempts=2)
        if listing is None or await self._is_absent(operation, listing) is None:
            if now - operation.sent_at >= policy.give_up:
                outcome = replace(operation.outcome, reason=EndReason.NOT_CONFIRMED)
                return await self._end(operation, OperationState.FAILED, outcome)
            return await self._unsure(operation, operation.outcome, next_read=policy.settle_after[1])
        if await self._shows(operation, listing):
            account = find(listing.accounts, operation.wanted.kf_account)
            return await self._complete(operation, operation.outcome, account, seen=True)
        polls = operation.polls + 1
        if polls < len(policy.settle_after):
            wait = policy.settle_after[polls] - policy.settle_after[polls - 1]
            return await self._unsure(operation, operation.outcome, next_read=wait, polls=polls)
        if operation.outcome.errcode != 0:
            outcome = replace(operation.outcome, reason=EndReason.NO_CHANGE)
            return await self._end(operation, OperationState.FAILED, outcome)
        if operation.kind is OperationKind.DELETE:
            outcome = replace(operation.outcome, reason=EndReason.STILL_LISTED)
            return await self._end(operation, OperationState.FAILED, outcome)
        return await self._complete(operation, operation.outcome, None, seen=False)

    async def _read(self, *, attempts: int = 1) -> KfList | None:
        try:
            return await self._accounts.kf_list(within=READ_SECONDS, attempts=attempts)
        except KfError:
            return None

    async def _shows(self, operation: Operation, listing: KfList) -> bool:
        absent = await self._is_absent(operation, listing)
        return has_happened(operation, listing.accounts, self._clock(), absent=absent)

    async def _is_absent(self, operation: Operation, listing: KfList) -> bool | None:
        known = 0 if listing.accounts else await self.records.accounts()
        return is_absent(operation.kind, listing, operation.wanted, known)

    async def _ruled_out(self, operation: Operation, reason: EndReason) -> Operation:
        if operation.kind is OperationKind.DELETE and reason is EndReason.GONE:
            return await self._complete(operation, Outcome(reason), None, seen=True)
        return await self._end(operation, OperationState.REFUSED, Outcome(reason))

    async def _complete(
        self, operation: Operation, outcome: Outcome, account: KfAccount | None, *, seen: bool
    ) -> Operation:
        expires_at = account.invitation.expires_at if account and account.invitation else None
        outcome = replace(outcome, expires_at=expires_at, is_listed=seen)
        after = replace(operation, state=OperationState.DONE, outcome=outcome)
        return await self._stored(operation, await self.records.completed(operation, after, account, seen=seen))

    async def _end(self, operation: Operation, state: OperationState, outcome: Outcome) -> Operation:
        after = replace(operation, state=state, outcome=outcome)
        return await self._stored(operation, await self.records.ended(operation, after))

    async def _unsure(
        self, operation: Operation, outcome: Outcome, *, next_read: timedelta = timedelta(0), polls: int = 0
    ) -> Operation:
        """Leave the operation to the loop of any process, which reads the list after `next_read`."""
        after = replace(operation, state=OperationState.UNSURE, outcome=outcome, polls=max(polls, operation.polls))
        stored = await self.records.progressed(operation, after, next_read=next_read)
        return await self._stored(operation, stored)

    async def _stored(self, before: Operation, after: Operation | None) -> Operation:
        if after is None:
            return await self._as_stored(before)
        if after.state is not before.state:
            self._changed(after)
        return after

    async def _as_stored(self, operation: Operation) -> Operation:
        """Return the row that another process, or another call, has changed."""
        return await self.records.get(operation.id) or operation

    def _note(self, operation: Operation, began: float) -> None:
        outcome = operation.outcome
        self._count("operation", f"{operation.kind}_{operation.state}")
        log.info(
            LogEvent(
                "operation",
                id=operation.id,
                kind=operation.kind.value,
                outcome=operation.state.value,
                reason=outcome.reason.value if outcome.reason else None,
                errcode=outcome.errcode,
                rid=outcome.rid or None,
                ms=round((perf_counter() - began) * 1000),
            )
        )


def _outcome(error: KfError, reason: EndReason | None = None) -> Outcome:
    """Return what an error of WeChat means for an operation."""
    match error:
        case APIError():
            return Outcome(
                reason,
                errcode=error.errcode,
                rid=error.rid or "",
                error=error.errmsg,
                address=error.address or "",
            )
        case TransportError(status=int(status)) if not error.proxy:
            words = f"HTTP {status}"
        case TransportError(proxy=True):
            words = "proxy"
        case TransportError(timed_out=True):
            words = "time-out"
        case _:
            words = "no connection"
    return Outcome(reason, error=words, attempts=getattr(error, "attempts", 1))
