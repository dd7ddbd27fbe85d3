"""Access tokens of a third-party platform and of the accounts that authorise it, shared by all processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Unpack

import httpx

from wechat_kf import platform
from wechat_kf.client import TokenSource
from wechat_kf.errors import SYSTEM_ERRORS, APIError, BusyError, KfError, QuotaError, SetupError, TokenError
from wechat_kf.leased_tokens import LeasedToken, TokenOptions
from wechat_kf.platform import RenewedToken
from wechat_kf.protocol import Answer, Request
from wechat_kf.token_store import NO_TIME, TokenKind, TokenPolicy, TokenRow, TokenStore
from wechat_kf.transport import send

TICKET, REFRESH_TOKEN = "ticket", "refresh_token"
TICKET_EXPIRED = 61005
TICKET_CODES = frozenset({TICKET_EXPIRED, 61006})
REFRESH_TOKEN_INVALID = 61023


class NoTicketError(BusyError):
    """WeChat has not pushed a ticket yet, so the platform cannot get a token."""

    of_platform = True

    def __init__(self) -> None:
        super().__init__(TICKET_EXPIRED, "no ticket has been pushed yet")


class NoRefreshTokenError(SetupError):
    """There is no refresh token of the account, or WeChat refuses it: the list of authorizers may have another."""

    def __init__(self, refusal: APIError | None = None) -> None:
        errmsg = refusal.errmsg if refusal else "no refresh token is stored"
        super().__init__(REFRESH_TOKEN_INVALID, errmsg, rid=refusal.rid if refusal else None)


async def call_platform(
    http: httpx.AsyncClient, component: TokenSource, build: Callable[[str], Request], *, proxied: bool = False
) -> Answer:
    """Make a call with the platform's token, and once more with another if that one is refused.

    Args:
        build: builds the request with a token.

    Raises:
        KfError: as `transport.send` does, with `of_platform` set if the answer is not about an account.
    """
    token = await component.get()
    try:
        return await _call(http, build(token), proxied=proxied)
    except TokenError:
        pass
    return await _call(http, build(await component.refresh(token)), proxied=proxied)


async def _call(http: httpx.AsyncClient, request: Request, *, proxied: bool) -> Answer:
    try:
        return (await send(http, request, proxied=proxied)).answer
    except APIError as error:
        error.of_platform = error.errcode in platform.OWN_CALL_CODES
        raise


class ComponentToken(LeasedToken):
    """Tokens of the platform itself. WeChat ends one five minutes after it has issued the next."""

    kind = TokenKind.COMPONENT

    def __init__(
        self,
        http: httpx.AsyncClient,
        appid: str,
        secret: str,
        store: TokenStore,
        **options: Unpack[TokenOptions],
    ) -> None:
        """Create a source for the platform with this AppID and AppSecret."""
        super().__init__(http, appid, store, **options)
        self._secret = secret
        self._margin = self._policy.margin

    async def _request(self) -> RenewedToken:
        refused, refusal = "", None
        for _ in range(2):  # a newer ticket may have been pushed meanwhile
            ticket = await self._store.secret(self._owner, TICKET)
            if ticket in ("", refused):
                break
            try:
                return await self._issued(ticket)
            except APIError as error:
                if error.errcode not in TICKET_CODES:
                    raise
                refused, refusal = ticket, error
        raise refusal or NoTicketError()

    async def _issued(self, ticket: str) -> RenewedToken:
        request = platform.component_token(self._owner, self._secret, ticket)
        try:
            response = await send(self._http, request, proxied=self._proxied)
        except APIError as error:
            error.of_platform = True
            raise
        issued = platform.parse_component_token(response.answer)
        return RenewedToken(issued.access_token, issued.expires_in)

    def _wait_after(self, fault: KfError) -> timedelta:
        if isinstance(fault, NoTicketError):
            return self._policy.no_ticket
        is_lasting = isinstance(fault, APIError) and fault.errcode not in SYSTEM_ERRORS
        return max(super()._wait_after(fault), self._policy.retry if is_lasting else NO_TIME)

    async def _note_replaced(self, token: str) -> None:
        await self._store.note_refused(self._owner, self.kind, token)


class PlatformToken(LeasedToken):
    """Tokens of one account that authorises the platform."""

    kind = TokenKind.AUTHORIZER

    def __init__(
        self,
        http: httpx.AsyncClient,
        platform_appid: str,
        appid: str,
        component: TokenSource,
        store: TokenStore,
        **options: Unpack[TokenOptions],
    ) -> None:
        """Create a source for the account with this AppID. `component` gives the platform's tokens."""
        super().__init__(http, appid, store, **options)
        self._platform_appid = platform_appid
        self._component = component
        self._margin = _margin_of(appid, self._policy)

    async def _request(self) -> RenewedToken:
        refused, refusal = "", None
        for _ in range(2):  # the list of authorizers may have brought another meanwhile
            refresh_token = await self._store.secret(self._owner, REFRESH_TOKEN)
            if refresh_token in ("", refused):
                break
            try:
                return await self._issued(refresh_token)
            except APIError as error:
                if error.errcode != REFRESH_TOKEN_INVALID:
                    raise
                refused, refusal = refresh_token, error
        raise NoRefreshTokenError(refusal)

    async def _issued(self, refresh_token: str) -> RenewedToken:
        build = partial(platform.authorizer_token, self._platform_appid, self._owner, refresh_token)
        try:
            answer = await call_platform(self._http, self._component, build, proxied=self._proxied)
        except QuotaError as error:
            await self._delay_all(error)
            raise
        issued = platform.parse_authorizer_token(answer)
        # To store it again could replace a newer one, which came from the list during this call.
        return replace(issued, refresh_token="") if issued.refresh_token == refresh_token else issued

    async def _delayed(self, row: TokenRow) -> TokenRow:
        if row.is_leased or row.wait > NO_TIME:
            return row
        quota = await self._store.get(self._platform_appid, self.kind)
        return replace(row, wait=quota.wait, errcode=quota.errcode)

    async def _note_replaced(self, token: str) -> None:
        """Leave it out: only the platform's own token shows that another system renews tokens."""

    async def _delay_all(self, error: QuotaError) -> None:
        """Let no account renew before the quota that all share is renewed: a row of the platform has the wait."""
        owner, kind = self._platform_appid, self.kind
        row = await self._store.get(owner, kind)
        if await self._store.claim(owner, kind, row.fence, self._policy.lease):
            await self._store.fail(owner, kind, row.fence + 1, self._wait_after(error), error.errcode)


def _margin_of(appid: str, policy: TokenPolicy) -> timedelta:
    """Return the margin of an account: the same in every process, and another for most other accounts."""
    number = int.from_bytes(hashlib.sha256(appid.encode()).digest()[:4], "big")
    return policy.least_margin + (policy.most_margin - policy.least_margin) * (number / 2**32)
