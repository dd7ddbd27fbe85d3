"""Access tokens in rows that all processes share, and renew in turn: each renewal takes a lease of the row.

A renewal raises the row's fence when it begins and when it is completed. Without the second, a process that had
read the row during a renewal could begin another as soon as that one ends. The old token stays in the row until the
new one is stored; if a process dies between, its lease runs out and the next one renews.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import TypedDict

import httpx

from wechat_kf.errors import APIError, KfError, QuotaError, TransportError, api_error
from wechat_kf.platform import RenewedToken
from wechat_kf.shared_request import SharedRequest
from wechat_kf.token_store import NO_TIME, TokenKind, TokenPolicy, TokenRow, TokenStore
from wechat_kf.tokens import MAX_LIFE, REFUSED

POLICY = TokenPolicy()
SHANGHAI = timezone(timedelta(hours=8))  # without summer time
# A clock that is ahead by less must not try before midnight, be refused, and wait for another day.
AFTER_MIDNIGHT = timedelta(minutes=15)
IN_LEASE = 2 / 3  # the part of a lease in which a renewal must be answered; the rest is for storing the token


OnRenewal = Callable[[TokenKind, KfError | None], object]


@dataclass(frozen=True, slots=True)
class _Copy:
    token: str = field(repr=False)
    read_at: datetime
    until: datetime
    expires_at: datetime


class TokenOptions(TypedDict, total=False):
    """The keyword arguments that all sources take."""

    policy: TokenPolicy
    now: Callable[[], datetime]
    proxied: bool
    sleep: Callable[[float], Awaitable[object]]
    on_renewal: OnRenewal


class LeasedToken(ABC):
    """The token of one row. Concurrent callers in this process share one read or renewal of it."""

    kind: TokenKind
    _margin: timedelta  # a token with no more left of its life is renewed

    def __init__(
        self,
        http: httpx.AsyncClient,
        owner: str,
        store: TokenStore,
        *,
        policy: TokenPolicy = POLICY,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        proxied: bool = False,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        on_renewal: OnRenewal = lambda kind, error: None,
    ) -> None:
        """Create a source of the tokens of an owner, an AppID.

        Args:
            proxied: as in `KfClient`.
            on_renewal: called after each renewal by this process, with its error or None.
        """
        self._http = http
        self._owner = owner
        self._store = store
        self._policy = policy
        self._now = now
        self._proxied = proxied
        self._sleep = sleep
        self._on_renewal = on_renewal
        self._copy: _Copy | None = None
        self._shared = SharedRequest()

    @property
    def expires_at(self) -> datetime | None:
        """Return the end of the copy in memory, for a status display; None before the first."""
        return self._copy.expires_at if self._copy else None

    async def get(self) -> str:
        """Return the copy in memory if it is fresh; else the stored token, renewed if it is near its end."""
        copy = self._copy
        # A clock that was set back must not keep a copy.
        if copy and copy.read_at <= self._now() < copy.until:
            return copy.token
        return await self._shared.join(self._fetch)

    async def refresh(self, failed: str) -> str:
        """Return a token instead of the refused one. It is renewed only if the row still has the refused one."""
        if self._copy and self._copy.token == failed:
            self._copy = None
        if self._copy or self._shared.is_under_way:
            token = await self.get()
            if token != failed:
                return token
        return await self._shared.join(partial(self._fetch, failed))

    @abstractmethod
    async def _request(self) -> RenewedToken:
        """Get a new token from WeChat. The platform's own has no refresh token."""

    def _wait_after(self, fault: KfError) -> timedelta:
        """Return how long no process renews after a failure: after a spent quota until it is renewed."""
        return _until_midnight(self._now()) if isinstance(fault, QuotaError) else NO_TIME

    async def _delayed(self, row: TokenRow) -> TokenRow:
        """Return the row of a token that is to be renewed, with the wait of another row that delays this too."""
        return row

    @abstractmethod
    async def _note_replaced(self, token: str) -> None:
        """Record that a token was refused and replaced before its time."""

    async def _fetch(self, refused: str = "") -> str:
        for _ in range(1 + int(self._policy.longest_wait / self._policy.pause)):
            row = await self._store.get(self._owner, self.kind)
            is_usable = row.value not in ("", refused) and row.left > NO_TIME
            if is_usable and row.left > self._margin_for(row.life):
                return self._keep(row.value, row.left, row.life)
            row = await self._delayed(row)
            is_free = not row.is_leased and row.wait <= NO_TIME
            asked_at = asyncio.get_running_loop().time()  # the lease may begin here: the store may answer late
            if is_free and await self._store.claim(self._owner, self.kind, row.fence, self._policy.lease):
                try:
                    if token := await self._renewed(row, asked_at):
                        return token
                except KfError:
                    if not is_usable:
                        raise
            if is_usable:  # the old one, while another process renews it or WeChat issues none
                return self._keep(row.value, row.left, row.life)
            if row.wait > NO_TIME:
                raise _refusal(row.errcode)
            await self._sleep(self._policy.pause.total_seconds())
        raise TransportError(f"another process renews the {self.kind} token", timed_out=True)

    async def _renewed(self, row: TokenRow, asked_at: float) -> str:
        """Renew the token under the claim of this row. Return "" if the claim was lost meanwhile."""
        fence = row.fence + 1
        try:
            issued = await self._answer(asked_at)
        except KfError as error:
            fault = error
        else:
            return await self._stored(issued, row)
        errcode = fault.errcode if isinstance(fault, APIError) else 0
        await self._store.fail(self._owner, self.kind, fence, self._wait_after(fault), errcode)
        self._on_renewal(self.kind, fault)
        raise fault

    async def _stored(self, issued: RenewedToken, row: TokenRow) -> str:
        token, life = issued.access_token, timedelta(seconds=min(issued.expires_in, MAX_LIFE))
        is_ours = await self._store.put(
            self._owner, self.kind, row.fence + 1, token, life, refresh_token=issued.refresh_token
        )
        if not is_ours:
            return ""
        self._on_renewal(self.kind, None)
        # Within the margin, it may be refused since a process died between WeChat's answer and the row.
        if row.left > self._margin_for(row.life):
            await self._note_replaced(row.value)
        return self._keep(token, life, life)

    async def _answer(self, asked_at: float) -> RenewedToken:
        """Request a token within the lease that was asked for at this time of the loop."""
        within = self._policy.lease.total_seconds() * IN_LEASE
        try:
            async with asyncio.timeout_at(asked_at + within) as bound:
                return await self._request()
        except TimeoutError:
            if not bound.expired():  # the store's own
                raise
        raise TransportError(f"no {self.kind} token within {within:g} s", timed_out=True)

    def _margin_for(self, life: timedelta) -> timedelta:
        """Return the margin of a token: a shorter one if it would be renewed in the first half of its life."""
        return min(self._margin, life / 2)

    def _keep(self, token: str, left: timedelta, life: timedelta) -> str:
        now, fresh = self._now(), left - self._margin_for(life)
        self._copy = _Copy(token, now, now + min(self._policy.copy_life, fresh), now + left)
        return token


def _refusal(errcode: int) -> APIError:
    """Return the error while no process renews: the last refusal, or that of the token itself."""
    error = api_error(errcode or REFUSED, "the next attempt to renew the token waits")
    error.of_platform = True
    return error


def _until_midnight(now: datetime) -> timedelta:
    """Return the time until a quarter past midnight in Shanghai, where WeChat renews quotas."""
    # In that quarter it is today's: an account waits as long as the platform, whose refusal it was given.
    local = now.astimezone(SHANGHAI) - AFTER_MIDNIGHT
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) - local
