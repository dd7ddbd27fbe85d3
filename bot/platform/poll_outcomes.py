"""What polls show of the authorisation of an account, and of the platform. Each is recorded in a transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from bot.platform.authorization import DOUBTS, Standing, after_refused_poll
from bot.platform.call_gate import PAUSE, CallGate
from bot.runtime.logs import LogEvent
from bot.store import authorizer_rows, platform_rows, sealed_secrets, tenants, token_leases
from bot.store.database import Store
from bot.tenant_states import TenantState
from wechat_kf import APIError, KfError

log = logging.getLogger(__name__)


class PollOutcomes:
    """Applies the outcomes of polls to the states of accounts: a `bot.watcher.poller.Authorizations`."""

    def __init__(self, store: Store, gate: CallGate, appid: str) -> None:
        """Take the AppID of the platform."""
        self._store = store
        self._gate = gate
        self._appid = appid
        self._doubtful = set[str]()

    def note_doubtful(self, appids: Iterable[str]) -> None:
        """Take over which accounts are in doubt, as processes have loaded them."""
        self._doubtful = {*appids}

    async def apply_failure(self, appid: str, error: KfError) -> timedelta | None:
        """Record what a failed poll shows. Return the time until the next one, if it is no problem of the account.

        None: it counts as a failed poll of the account, like any other.
        """
        if await self._gate.note_error(error):
            return PAUSE
        if not isinstance(error, APIError):
            return None
        async with self._store.begin() as tx:
            await tenants.lock(tx)
            account = await authorizer_rows.load(tx, appid)
            if account is None:
                return None
            listed_at = (await platform_rows.load(tx, self._appid)).listed_at
            before = Standing(account.state, account.refused_since)
            verdict = after_refused_poll(before, error.errcode, tx.now, listed_at)
            if verdict is None or account.state in (TenantState.PAUSED, TenantState.REVOKED):
                return None
            after, wait = verdict
            is_revoked = after.state is TenantState.REVOKED
            due = {"duty_at": tx.now} if is_revoked else {}  # its channel is to be informed
            await authorizer_rows.update(tx, account, state=after.state, refused_since=after.refused_since, **due)
            if is_revoked:
                await token_leases.clear(tx, appid)  # before the secrets, as in a renewal
                await sealed_secrets.delete_of(tx, appid)
        if after.state is TenantState.DOUBTFUL:
            self._doubtful.add(appid)
        if after.state is not account.state:
            log.warning(LogEvent("authorisation changed", state=after.state.value, errcode=error.errcode))
        return DOUBTS[-1] if is_revoked else wait

    async def apply_success(self, appid: str) -> None:
        """Record a good poll, which ends a doubt, and a fault that stopped all calls."""
        await self._gate.note_success()
        if appid not in self._doubtful:
            return
        async with self._store.begin() as tx:
            await tenants.lock(tx)
            account = await authorizer_rows.load(tx, appid)
            if account and account.state is TenantState.DOUBTFUL:
                await authorizer_rows.update(tx, account, state=TenantState.ACTIVE, refused_since=None)
        self._doubtful.discard(appid)
