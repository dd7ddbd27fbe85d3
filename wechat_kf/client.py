"""The kf interfaces of one account: which requests a call makes, and how long it may take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import httpx

from wechat_kf import protocol, writes
from wechat_kf.errors import SYSTEM_ERRORS, BusyError, KfError, TokenError, TransportError
from wechat_kf.models import KfList, OnlineKf
from wechat_kf.transport import send

PAUSES = (1.0, 2.0, 4.0)  # seconds before the second, third and each later attempt
STALE_PAUSE = 1.0  # seconds before a refused token that WeChat issued again is used again

Call = Callable[[str], Awaitable[protocol.WeChatResponse]]  # one request, with this token


class TokenSource(Protocol):
    """A source of access tokens. `wechat_kf.tokens` has three, and `wechat_kf.service_token` one."""

    async def get(self) -> str:
        """Return a token that is valid as far as the source knows."""
        ...

    async def refresh(self, failed: str) -> str:
        """Return a token to replace the one that WeChat refused, or the same one if the source still has it.

        Raises:
            TokenError: the source has no other.
        """
        ...


class KfClient:
    """The kf interfaces of one account over an `httpx.AsyncClient`, which the caller opens and closes.

    The caller also sets its base URL, time-outs, proxy, and `trust_env=False`. No httpx error leaves the client:
    every failure is a `KfError`, and no text, log line or chained exception contains a token or a URL.

    A write is one request, and one more only after WeChat refused its token, which it does before anything else. A
    failed write may have taken effect, as `KfError.may_have_taken_effect` says; so may a cancelled one.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        tokens: TokenSource,
        *,
        proxied: bool = False,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Create a client. With `proxied`, `http` uses a proxy, so a failed connection is the proxy's failure."""
        self._http = http
        self._proxied = proxied
        self._tokens = tokens
        self._sleep = sleep

    async def kf_list(self, *, within: float = 10, attempts: int = 3) -> KfList:
        """Return every account, bound or not.

        `within` limits the whole read in seconds: token, attempts and the pauses between them.
        """
        response = await self._read(protocol.KF_LIST, within, attempts)
        return protocol.parse_kf_list(response.answer, served_at=response.served_at)

    async def online_kf_list(self, *, within: float = 10, attempts: int = 3) -> tuple[OnlineKf, ...]:
        """Return the accounts that are logged in to the web client. Limits as in `kf_list`."""
        response = await self._read(protocol.ONLINE_KF_LIST, within, attempts)
        return protocol.parse_online_kf_list(response.answer)

    async def invite(self, kf_account: str, invite_wx: str, *, within: float = 10) -> None:
        """Invite a person, by WeChat ID, to an account that is not bound. `within` limits the whole write."""
        await self._write(writes.INVITE, {"kf_account": kf_account, "invite_wx": invite_wx}, within)

    async def add(self, kf_account: str, nickname: str, *, within: float = 10) -> None:
        """Add an account. Limit as in `invite`."""
        await self._write(writes.ADD, {"kf_account": kf_account, "nickname": nickname}, within)

    async def rename(self, kf_account: str, nickname: str, *, within: float = 10) -> None:
        """Give an account another name; only verified Official Accounts may. Limit as in `invite`."""
        await self._write(writes.UPDATE, {"kf_account": kf_account, "nickname": nickname}, within)

    async def delete(self, kf_account: str, *, within: float = 10) -> None:
        """Delete an account. Limit as in `invite`. WeChat at times reports success and keeps the account."""
        await self._write(writes.DELETE, {"kf_account": kf_account}, within)

    async def _write(self, path: str, fields: Mapping[str, str], within: float) -> None:
        is_uncertain = False

        async def call(token: str) -> protocol.WeChatResponse:
            nonlocal is_uncertain
            is_uncertain = True  # until an answer arrives, or an error before the request left
            try:
                response = await send(self._http, writes.post(path, fields, token), proxied=self._proxied)
                writes.check(response.answer)
            except KfError as error:
                is_uncertain = writes.may_have_taken_effect(error)
                raise
            return response

        fault: KfError
        try:
            async with asyncio.timeout(within) as bound:
                await self._with_token(call, bound)
                return
        except KfError as error:
            fault = error
        except TimeoutError:
            fault = TransportError(f"POST {path}: no answer within {within:g} s", timed_out=True, sent=is_uncertain)
        # Not decided by the error alone: it may be that of a token request.
        fault.may_have_taken_effect = is_uncertain
        raise fault

    async def _read(self, path: str, within: float, attempts: int) -> protocol.WeChatResponse:
        """Retry until an answer arrives. Only for reads: a write that seems to fail may have been carried out."""
        attempt = 0
        fault: TransportError | BusyError

        async def call(token: str) -> protocol.WeChatResponse:
            return await send(self._http, protocol.get(path, token), proxied=self._proxied)

        try:
            async with asyncio.timeout(within) as bound:
                while True:
                    attempt += 1
                    try:
                        return await self._with_token(call, bound)
                    except (TransportError, BusyError) as error:
                        fault = error
                    pause = PAUSES[min(attempt, len(PAUSES)) - 1]
                    # A pause beyond the limit would only replace the fault by a time-out.
                    passes_soon = isinstance(fault, TransportError) or fault.errcode in SYSTEM_ERRORS
                    if attempt >= attempts or _seconds_left(bound) <= pause or not passes_soon:
                        break
                    await self._sleep(pause)
        except TimeoutError:
            fault = TransportError(f"GET {path}: no answer within {within:g} s", timed_out=True)
        raise fault.after(attempt) if isinstance(fault, TransportError) else fault

    async def _with_token(self, call: Call, bound: asyncio.Timeout) -> protocol.WeChatResponse:
        """Make one request, and another with a new token if the first token is refused."""
        token = await self._tokens.get()
        try:
            return await call(token)
        except TokenError as error:
            refusal = error
        try:
            token = await self._refreshed_token(token, bound)
        except TokenError as error:
            # The error of a source without another token has less detail than WeChat's refusal.
            refusal = error if error.rid else refusal
        else:
            return await call(token)
        raise refusal

    async def _refreshed_token(self, refused: str, bound: asyncio.Timeout) -> str:
        """Return another token, or the same one after a second.

        One of WeChat's nodes may refuse a token that the others know; a second later it usually accepts it.
        """
        token = await self._tokens.refresh(refused)
        if token == refused and _seconds_left(bound) > STALE_PAUSE:
            await self._sleep(STALE_PAUSE)
            token = await self._tokens.refresh(refused)
        return token


def _seconds_left(bound: asyncio.Timeout) -> float:
    """Return the seconds until the limit."""
    return (bound.when() or 0) - asyncio.get_running_loop().time()
