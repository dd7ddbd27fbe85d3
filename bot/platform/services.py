"""Everything that a process has for the third-party platform, and the token source of each of its accounts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import httpx

from bot.platform.authorizer_list import AuthorizerList
from bot.platform.call_gate import CallGate
from bot.platform.calls import PlatformCalls
from bot.platform.exchange import Exchange
from bot.platform.poll_outcomes import PollOutcomes
from bot.ports import Clock, Counter, no_op
from bot.sealing import StoreKeys
from bot.settings.values import Settings
from bot.store.database import Store
from bot.store.token_leases import StoredTokens
from wechat_kf import APIError, KfError
from wechat_kf.leased_tokens import OnRenewal
from wechat_kf.platform_tokens import ComponentToken, PlatformToken
from wechat_kf.token_store import TokenKind, TokenPolicy

POLICY = TokenPolicy()


class AuthorizerTokens:
    """The tokens of one account, which are not used while the calls of the platform have stopped."""

    def __init__(self, tokens: PlatformToken, gate: CallGate) -> None:
        self._tokens = tokens
        self._gate = gate

    @property
    def expires_at(self) -> datetime | None:
        return self._tokens.expires_at

    async def get(self) -> str:
        await self._gate.enter()
        return await self._tokens.get()

    async def refresh(self, failed: str) -> str:
        return await self._tokens.refresh(failed)


@dataclass(frozen=True, slots=True)
class PlatformServices:
    """The services of the platform, over the store and the HTTP client of the process."""

    settings: Settings
    store: Store
    http: httpx.AsyncClient
    clock: Clock
    stored: StoredTokens
    component: ComponentToken
    gate: CallGate
    calls: PlatformCalls
    exchange: Exchange
    list: AuthorizerList
    outcomes: PollOutcomes
    policy: TokenPolicy
    on_renewal: OnRenewal
    tokens: dict[str, AuthorizerTokens] = field(default_factory=dict)  # by AppID, as they are needed

    @property
    def appid(self) -> str:
        """Return the AppID of the platform."""
        return self.settings.platform_appid

    @property
    def proxied(self) -> bool:
        return self.settings.wechat_proxy_url != ""

    def tokens_of(self, appid: str) -> AuthorizerTokens:
        """Return the token source of an account, which keeps its token for the life of this process."""
        if appid not in self.tokens:
            tokens = PlatformToken(
                self.http,
                self.appid,
                appid,
                self.component,
                self.stored,
                policy=self.policy,
                now=self.clock,
                proxied=self.proxied,
                on_renewal=self.on_renewal,
            )
            self.tokens[appid] = AuthorizerTokens(tokens, self.gate)
        return self.tokens[appid]


def build_platform(
    settings: Settings,
    store: Store,
    http: httpx.AsyncClient,
    clock: Clock,
    policy: TokenPolicy = POLICY,
    count: Counter = no_op,
) -> PlatformServices:
    """Build the services of the platform. Nothing is read or requested.

    Args:
        http: the client of WeChat.
        count: counts a renewal of a token by its kind and its result.
    """

    def on_renewal(kind: TokenKind, error: KfError | None) -> None:
        count(kind, "ok" if error is None else "refused" if isinstance(error, APIError) else "failed")

    appid, keys, proxied = settings.platform_appid, StoreKeys(settings.store_keys), bool(settings.wechat_proxy_url)
    store = store.of("", "")
    stored = StoredTokens(store, keys)
    component = ComponentToken(
        http,
        appid,
        settings.platform_secret,
        stored,
        policy=policy,
        now=clock,
        proxied=proxied,
        on_renewal=on_renewal,
    )
    gate = CallGate(store, appid)
    calls = PlatformCalls(http, component, gate, proxied=proxied)
    return PlatformServices(
        settings,
        store,
        http,
        clock,
        stored,
        component,
        gate,
        calls,
        Exchange(store, keys, calls, appid),
        AuthorizerList(store, keys, calls, appid),
        PollOutcomes(store, gate, appid),
        policy,
        on_renewal,
    )
