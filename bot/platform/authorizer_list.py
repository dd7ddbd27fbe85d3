"""The list of the accounts that have authorised the platform: what pushes that were lost have not brought."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from bot.platform.authorization import ListedAccount, Standing, after_list, granted_state, is_authorized_after
from bot.platform.calls import PlatformCalls
from bot.runtime.logs import LogEvent
from bot.sealing import StoreKeys
from bot.store import authorizer_rows, platform_rows, sealed_secrets, tenants
from bot.store.authorizer_rows import Authorizer
from bot.store.database import Store, Tx
from bot.store.platform_rows import PlatformRow
from bot.store.sealed_secrets import REFRESH_TOKEN, SealedSecret
from bot.tenant_states import TenantState
from bot.tenants.tenant import default_slug
from wechat_kf import platform

log = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
SOONER = timedelta(minutes=1)  # while WeChat refuses something that the list may have
LEASE = timedelta(minutes=5)  # for 20 pages of 10,000 accounts
MOST_PAGES = 200


class AuthorizerList:
    """Reads the list, one process at a time."""

    def __init__(self, store: Store, keys: StoreKeys, calls: PlatformCalls, appid: str) -> None:
        """Take the AppID of the platform."""
        self._store = store
        self._keys = keys
        self._calls = calls
        self._appid = appid

    async def read_if_due(self, *, always: bool = False) -> bool:
        """Read the list if it is due, and no other process does. Return whether it was read.

        Args:
            always: whenever the last one was read: a person asks for it.

        Raises:
            KfError: WeChat refuses a page, or does not answer. What the others contained is stored.
        """
        async with self._store.begin() as tx:
            row = await platform_rows.load(tx, self._appid)
            every = timedelta(0) if always else await self._every(tx, row)
            if row.listed_at and row.listed_at <= tx.now < row.listed_at + every:
                return False  # without a write, as nearly always
            until = await platform_rows.claim_list(tx, self._appid, LEASE, every)
        if until is None:
            return False
        is_complete = False
        try:
            listed = await self._read()
            async with self._store.begin() as tx:
                await authorizer_rows.record_list(tx, self._appid, listed)
            is_complete = True
        finally:
            async with self._store.begin() as tx:
                await platform_rows.finish_list(tx, self._appid, until, is_complete=is_complete)
        log.info(LogEvent("list of authorised accounts read", accounts=len(listed)))
        return True

    async def _every(self, tx: Tx, row: PlatformRow) -> timedelta:
        """Return the age from which the list is read again."""
        since = await authorizer_rows.list_wanted_since(tx, self._appid)
        is_wanted = since is not None and (row.listed_at is None or since > row.listed_at)
        return SOONER if is_wanted or row.fault else EVERY

    async def _read(self) -> frozenset[str]:
        """Apply each page as it comes, and return all AppIDs in the list."""
        async with self._store.begin() as tx:
            known = await authorizer_rows.of_platform(tx, self._appid)
            sealed = await sealed_secrets.of_name(tx, REFRESH_TOKEN)
        tokens = {appid: self._keys.opened(appid, REFRESH_TOKEN, sealed.get(appid, "")) for appid in known}
        listed: dict[str, None] = {}
        offset = 0
        for _ in range(MOST_PAGES):
            request = partial(platform.authorizer_list, self._appid, offset)
            page = platform.parse_authorizer_list(await self._calls.call(request))
            accounts = [ListedAccount(one.appid, one.refresh_token, one.authorized_at) for one in page.authorizers]
            await self._add([one for one in accounts if one.appid not in known])
            for one in accounts:
                if one.appid in known:
                    await self._apply(one, known[one.appid], tokens[one.appid])
            listed |= dict.fromkeys(one.appid for one in page.authorizers)
            offset += page.rows
            if offset >= page.total or page.rows == 0:
                break
        return frozenset(listed)

    async def _add(self, new: Sequence[ListedAccount]) -> None:
        """Add accounts of which no push has come, in one transaction: after the loss of a store these are all.

        One that has withdrawn, or that a person has removed, is added if it was authorised afterwards.
        """
        if not new:
            return
        async with self._store.begin() as tx:
            await tenants.lock(tx)
            ended = await authorizer_rows.ended(tx, [one.appid for one in new])
            new = [one for one in new if one.appid not in ended or is_authorized_after(one, ended[one.appid])]
            states = {
                one.appid: TenantState.ACTIVE if one.refresh_token else TenantState.UNEXCHANGED for one in new
            }
            added = await authorizer_rows.add(tx, self._appid, states, default_slug)
            for one in new:
                if one.appid in added and one.refresh_token:
                    await self._put(tx, one)

    async def _apply(self, listed: ListedAccount, known: Authorizer, refresh_token: str) -> None:
        """Apply the row of a known account. Most change nothing, which is decided without a transaction."""
        if _decide(listed, known, refresh_token) == (known.state, False):
            return
        async with self._store.begin() as tx:
            await tenants.lock(tx)
            before = await authorizer_rows.load(tx, listed.appid)
            if before is None:
                return  # removed meanwhile
            sealed = await sealed_secrets.load(tx, listed.appid, REFRESH_TOKEN)
            stored = self._keys.opened(listed.appid, REFRESH_TOKEN, sealed)
            state, takes_token = _decide(listed, before, stored)
            if takes_token:
                await self._put(tx, listed)
            refused_since = before.refused_since if state is before.state else None
            due = {"duty_at": before.duty_at or tx.now} if takes_token else {}  # its facts may have changed
            await authorizer_rows.update(tx, before, state=state, refused_since=refused_since, **due)

    async def _put(self, tx: Tx, listed: ListedAccount) -> None:
        value = self._keys.seal(listed.appid, REFRESH_TOKEN, listed.refresh_token)
        await sealed_secrets.put(tx, SealedSecret(listed.appid, REFRESH_TOKEN, value))


def _decide(listed: ListedAccount, account: Authorizer, refresh_token: str) -> tuple[TenantState, bool]:
    return after_list(
        listed,
        Standing(account.state, account.refused_since),
        event_at=account.event_at,
        refresh_token=refresh_token,
        granted=granted_state(account.sets, account.account_status),
    )
