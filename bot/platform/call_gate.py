"""Stop the calls of the platform while WeChat refuses its address: one a minute goes on, over all processes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from bot.alerting.incidents import ErrorDetails
from bot.store import platform_rows
from bot.store.database import Store
from bot.store.platform_rows import PlatformRow
from wechat_kf import APIError, KfError, SetupError
from wechat_kf.platform import concerns_platform
from wechat_kf.platform_tokens import TICKET_CODES, NoTicketError

ADDRESS_REFUSED = 61004
PAUSE = timedelta(minutes=1)  # between two calls while they have stopped


class StoppedCallError(SetupError):
    """A call was not made, because WeChat has refused the last one."""


class CallGate:
    """The faults of the whole platform, as its row and the last calls of this process show them."""

    def __init__(self, store: Store, appid: str) -> None:
        """Take the AppID of the platform."""
        self._store = store
        self._appid = appid
        self._fault: ErrorDetails | None = None
        self._is_closed = False

    @property
    def has_fault(self) -> bool:
        return self._fault is not None

    def note_row(self, row: PlatformRow) -> None:
        """Take over what other processes have found out."""
        fault = row.fault
        self._fault = ErrorDetails(**fault) if fault and fault.keys() == asdict(ErrorDetails("")).keys() else None
        self._is_closed = row.next_call_at is not None

    async def enter(self) -> None:
        """Let a call pass.

        Raises:
            StoppedCallError: calls have stopped, and another one has been made within the last minute.
        """
        if not self._is_closed or self._fault is None:
            return
        async with self._store.begin() as tx:
            may_call = await platform_rows.may_call(tx, self._appid, PAUSE)
        if not may_call:
            fault = self._fault
            raise StoppedCallError(ADDRESS_REFUSED, fault.errmsg, address=fault.address or None)

    async def note_error(self, error: KfError) -> bool:
        """Record an error if it concerns the whole platform. Return whether it does."""
        if isinstance(error, StoppedCallError | NoTicketError):
            return True  # the first is recorded, and the row has the age of the ticket
        if not isinstance(error, APIError) or not concerns_platform(error):
            return False
        fault, is_closed = ErrorDetails.of(error), error.errcode == ADDRESS_REFUSED
        if self._fault and self._fault.errcode == fault.errcode and not is_closed:
            return True
        async with self._store.begin() as tx:
            row = await platform_rows.load(tx, self._appid)
            if fault.errcode in TICKET_CODES and row.pushed_at is None:
                return True  # the first ticket has not come yet
            next_call_at = tx.now + PAUSE if is_closed else None
            await platform_rows.record_fault(tx, self._appid, asdict(fault), next_call_at)
        self._fault, self._is_closed = fault, is_closed
        return True

    async def note_success(self, *, of_platform: bool = False) -> None:
        """Record that the fault is over: a poll shows that for the address, a call of the platform for all else."""
        if self._fault is None or not (of_platform or self._is_closed):
            return
        self._fault, self._is_closed = None, False
        async with self._store.begin() as tx:
            await platform_rows.clear_fault(tx, self._appid)
