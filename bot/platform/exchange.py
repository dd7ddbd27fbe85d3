"""Exchange the code of an owner for tokens, and ask WeChat about the account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bot.platform.authorization import CLOSED_AGAIN, exchanged_state, granted_state
from bot.platform.calls import PlatformCalls
from bot.sealing import StoreKeys
from bot.store import authorizer_rows, sealed_secrets, tenants, token_leases
from bot.store.authorizer_rows import Authorizer
from bot.store.database import Store, Tx
from bot.store.sealed_secrets import CODE, REFRESH_TOKEN, USED_CODE, SealedSecret
from bot.tenant_states import TenantState
from bot.tenants.tenant import default_slug, free_slug, parse_slug
from bot.text import NAME, cut, visible
from wechat_kf import platform
from wechat_kf.platform import Authorization, AuthorizerInfo
from wechat_kf.token_store import TokenKind

FACTS = timedelta(seconds=60)  # within which the process that has exchanged a code asks for the facts
# What the facts of an account decide; a doubt ends with a good poll, and a pause by a person.
DECIDED = (TenantState.ACTIVE, TenantState.UNGRANTED, TenantState.CLOSED, TenantState.UNEXCHANGED)


class ForeignAccountError(Exception):
    """The tokens of this account have another source: the environment, a file, or an AppSecret in the store."""


class Exchange:
    """Turns codes into stored tokens. Both the redirect of an owner and the push of WeChat come here."""

    def __init__(self, store: Store, keys: StoreKeys, calls: PlatformCalls, appid: str) -> None:
        """Take the AppID of the platform."""
        self._store = store
        self._keys = keys
        self._calls = calls
        self._appid = appid

    async def exchange(self, code: str, *, until: datetime, claimed: Authorizer | None = None) -> Authorizer:
        """Exchange a code, and store what WeChat answers. Return the account.

        Args:
            until: the end of the code.
            claimed: the account that a push has named; None after a redirect, which names none.

        Raises:
            KfError: WeChat refuses the code, or does not answer.
            ForeignAccountError: nothing is stored.
        """
        answer = await self._calls.call(partial(platform.query_auth, self._appid, code))
        authorization = platform.parse_authorization(answer)
        async with self._store.begin() as tx:
            await tenants.lock(tx)
            before = await self._known(tx, authorization.appid)
            if claimed and before.state is TenantState.REVOKED:
                return before  # withdrawn meanwhile
            await self._store_tokens(tx, authorization)
            await self._forget(tx, before.appid, code)
            await self._put(tx, before.appid, USED_CODE, code)
            has_tokens = authorization.refresh_token != ""
            state = exchanged_state(authorization.sets, before.account_status, has_tokens=has_tokens)
            values: dict[str, Any] = {
                "state": TenantState.PAUSED if before.state is TenantState.PAUSED else state,
                "sets": tuple(sorted(authorization.sets)),
                "code_until": max(until, before.code_until or until),
                "refused_since": None,
                "code_lost_at": None,
                # After a redirect, the duties ask for its facts if this process does not.
                **({} if claimed else {"duty_at": tx.now + FACTS}),
            }
            await authorizer_rows.update(tx, before, requested_by=None, **values)
        return replace(before, **{"duty_at": claimed.duty_at if claimed else None, **values})

    async def read_facts(self, account: Authorizer) -> Authorizer:
        """Ask WeChat for the name, the kind, the status and the permission sets of an account. Return it with them.

        Nothing is due for the account then, unless a push has come meanwhile. A closed one is asked about again.

        Raises:
            KfError: WeChat refuses the call, or does not answer.
        """
        appid = account.appid
        answer = await self._calls.call(partial(platform.authorizer_info, self._appid, appid))
        info = platform.parse_authorizer_info(answer)
        async with self._store.begin() as tx:
            await tenants.lock(tx)
            before = await authorizer_rows.load(tx, appid)
            if before is None or before.state is TenantState.REVOKED:
                return before or account
            refresh_token = await self.refresh_token(tx, appid)
            if info.refresh_token not in ("", refresh_token):
                refresh_token = info.refresh_token
                await self._put(tx, appid, REFRESH_TOKEN, refresh_token)
            values: dict[str, Any] = {"kind": info.kind, "account_status": info.status}
            values["sets"] = tuple(sorted(info.sets))
            if before.state in DECIDED:
                state = granted_state(info.sets, info.status)
                has_tokens = refresh_token != "" or state is not TenantState.ACTIVE
                values["state"] = state if has_tokens else TenantState.UNEXCHANGED
            if before.duty_at == account.duty_at:
                is_closed = values.get("state") is TenantState.CLOSED
                values["duty_at"] = tx.now + CLOSED_AGAIN if is_closed else None
            if before.kind is None:  # the first time; an operator may have changed both since
                values |= _names(info, before, await tenants.slugs(tx, without=appid))
            await authorizer_rows.update(tx, before, **values)
        return replace(before, **values)

    async def give_up(self, claimed: Authorizer, code: str) -> Authorizer:
        """Delete the code of an account, which WeChat refuses. Without a refresh token the list is read soon."""
        async with self._store.begin() as tx:
            await tenants.lock(tx)
            await self._forget(tx, claimed.appid, code)
            account = await authorizer_rows.load(tx, claimed.appid)
            if account is None or account.state is not TenantState.UNEXCHANGED:
                return account or claimed
            await authorizer_rows.update(tx, account, code_lost_at=tx.now)
            return account

    async def account_of(self, code: str) -> Authorizer | None:
        """Return the account whose owner was given this code, if it has been exchanged; None if none has it."""
        async with self._store.begin() as tx:
            for appid, sealed in (await authorizer_rows.used_codes(tx, self._appid)).items():
                if self._keys.opened(appid, USED_CODE, sealed) == code:
                    return await authorizer_rows.load(tx, appid)
        return None

    async def claim_notice(self, appid: str, user_id: str) -> bool:
        """Return whether a person is to be informed of this authorisation: once, though its page is reloaded."""
        async with self._store.begin() as tx:
            return await authorizer_rows.note_requester(tx, appid, user_id)

    async def code(self, appid: str) -> str:
        """Return the code of an account that is not exchanged yet; "" without one."""
        async with self._store.begin() as tx:
            return self._keys.opened(appid, CODE, await sealed_secrets.load(tx, appid, CODE))

    async def refresh_token(self, tx: Tx, appid: str) -> str:
        """Return the refresh token of an account; "" without one."""
        return self._keys.opened(appid, REFRESH_TOKEN, await sealed_secrets.load(tx, appid, REFRESH_TOKEN))

    async def _known(self, tx: Tx, appid: str) -> Authorizer:
        """Return the account of an authorisation. One that no push has named yet is added."""
        if found := await authorizer_rows.load(tx, appid):
            return found
        await authorizer_rows.add(tx, self._appid, {appid: TenantState.UNEXCHANGED}, default_slug)
        if added := await authorizer_rows.load(tx, appid):
            return added
        raise ForeignAccountError(appid)

    async def _store_tokens(self, tx: Tx, authorization: Authorization) -> None:
        appid, kind = authorization.appid, TokenKind.AUTHORIZER
        if issued := authorization.token:  # before the secrets, as in a renewal
            sealed = self._keys.seal(appid, token_leases.sealed_name(kind), issued.access_token)
            await token_leases.replace(tx, appid, kind, sealed, timedelta(seconds=issued.expires_in))
        if authorization.refresh_token:
            await self._put(tx, appid, REFRESH_TOKEN, authorization.refresh_token)

    async def _forget(self, tx: Tx, appid: str, code: str) -> None:
        """Delete a code, unless a push has brought another one meanwhile."""
        if self._keys.opened(appid, CODE, await sealed_secrets.load(tx, appid, CODE)) == code:
            await sealed_secrets.delete(tx, appid, CODE)

    async def _put(self, tx: Tx, appid: str, name: str, value: str) -> None:
        await sealed_secrets.put(tx, SealedSecret(appid, name, self._keys.seal(appid, name, value)))


def _names(info: AuthorizerInfo, before: Authorizer, taken: Collection[str]) -> dict[str, str]:
    """Return the name of an account, and its slug: its alias, if that is one."""
    name = before.name or cut(visible(info.name), NAME)
    try:
        return {"name": name, "slug": free_slug(parse_slug(info.alias), taken)}
    except ValueError:
        return {"name": name}
