"""Access tokens shared by processes in a dictionary, and a WeChat that issues them to a platform."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from tests.conftest import VirtualClock
from tests.wechat import answer, http_client, refusal
from wechat_kf.platform import AUTHORIZER_TOKEN, COMPONENT_TOKEN
from wechat_kf.platform_tokens import ComponentToken, PlatformToken
from wechat_kf.token_store import NO_TIME, TokenKind, TokenRow

PLATFORM, MERCHANT = "wx00000000000000c0", "wx00000000000000a1"
SECRET = "HUSH-of-the-platform"
LIFE = timedelta(hours=2)
OVERLAP = timedelta(minutes=5)  # an old token of the platform works for so long beside the next


class KilledError(Exception):
    """The process dies here: nothing that it meant to do afterwards happens."""


@dataclass
class Row:
    value: str = ""
    expires_at: datetime | None = None
    life: timedelta = LIFE
    lease_until: datetime | None = None
    fence: int = 0
    next_try_at: datetime | None = None
    errcode: int = 0


@dataclass(frozen=True)
class Claim:
    """A lease that a process has taken, and the token of the row then."""

    at: datetime
    value: str
    left: timedelta


@dataclass
class Rows:
    """The rows, by the clock of the store. `before` is called with the name of each method, and may raise."""

    clock: VirtualClock
    rows: dict[tuple[str, TokenKind], Row] = field(default_factory=dict)
    secrets: dict[tuple[str, str], str] = field(default_factory=dict)
    reported: list[str] = field(default_factory=list)  # refused tokens
    calls: list[str] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    before: Callable[[str], object] = lambda method: None

    def row(self, owner: str = PLATFORM, kind: TokenKind = TokenKind.COMPONENT) -> Row:
        return self.rows.setdefault((owner, kind), Row())

    async def get(self, owner: str, kind: TokenKind) -> TokenRow:
        await self._called("get")
        row = self.row(owner, kind)
        left, lease, wait = (self._left(at) for at in (row.expires_at, row.lease_until, row.next_try_at))
        return TokenRow(row.value, left, row.life, lease > NO_TIME, row.fence, wait, row.errcode)

    async def claim(self, owner: str, kind: TokenKind, fence: int, lease: timedelta) -> bool:
        await self._called("claim")
        row = self.row(owner, kind)
        if row.fence != fence or self._left(row.lease_until) or self._left(row.next_try_at):
            return False
        row.fence, row.lease_until = fence + 1, self.clock() + lease
        self.claims.append(Claim(self.clock(), row.value, self._left(row.expires_at)))
        return True

    async def put(
        self, owner: str, kind: TokenKind, fence: int, token: str, life: timedelta, *, refresh_token: str = ""
    ) -> bool:
        await self._called("put")
        if self.row(owner, kind).fence != fence:
            return False
        self.rows[owner, kind] = Row(token, self.clock() + life, life, fence=fence + 1)
        if refresh_token:
            self.secrets[owner, "refresh_token"] = refresh_token
        return True

    async def fail(self, owner: str, kind: TokenKind, fence: int, wait: timedelta, errcode: int = 0) -> None:
        await self._called("fail")
        row = self.row(owner, kind)
        if row.fence == fence:
            row.lease_until, row.next_try_at, row.errcode = None, self.clock() + wait, errcode

    async def secret(self, owner: str, name: str) -> str:
        await self._called("secret")
        return self.secrets.get((owner, name), "")

    async def note_refused(self, owner: str, kind: TokenKind, token: str) -> None:
        await self._called("note_refused")
        self.reported.append(token)

    async def _called(self, method: str) -> None:
        self.calls.append(method)
        await asyncio.sleep(0)  # other processes may come between two statements
        self.before(method)

    def _left(self, moment: datetime | None) -> timedelta:
        return max(moment - self.clock(), NO_TIME) if moment else NO_TIME


@dataclass
class Issuer:
    """WeChat, as the platform's calls for tokens see it.

    `refusals` are given first, each to one request. An errcode comes with a text that repeats the request.
    """

    clock: VirtualClock
    refusals: list[httpx.Response | Exception | int] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    valid_until: dict[str, datetime] = field(default_factory=dict)  # of the platform's tokens
    refresh_token: str = "refreshtoken@@@HUSH"  # in answers; "" to leave it out
    life: timedelta = LIFE
    expires_in: object = None  # what answers say of it, if it is something else
    under_way: int = 0
    most_at_once: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(json.loads(request.content))
        self.under_way += 1
        self.asked.set()
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            for _ in range(3):  # a request takes time
                await asyncio.sleep(0)
            await self.open.wait()
            return self._answer(request)
        finally:
            self.under_way -= 1

    def _answer(self, request: httpx.Request) -> httpx.Response:
        given = self.refusals.pop(0) if self.refusals else None
        if isinstance(given, Exception):
            raise given
        if isinstance(given, int):
            return refusal(given, f"{request.content!r} {request.url.query!r}")
        if given is not None:
            return given
        if request.url.path == COMPONENT_TOKEN:
            for token, until in self.valid_until.items():
                self.valid_until[token] = min(until, self.clock() + OVERLAP)
            token = self._new("component")
            self.valid_until[token] = self.clock() + self.life
            return answer(component_access_token=token, expires_in=self.expires_in or self.life.total_seconds())
        assert request.url.path == AUTHORIZER_TOKEN
        if self.valid_until.get(request.url.params["component_access_token"], self.clock()) <= self.clock():
            return refusal(40001, "invalid credential")
        refresh_token = {"authorizer_refresh_token": self.refresh_token} if self.refresh_token else {}
        token = self._new("authorizer")
        return answer(
            authorizer_access_token=token, expires_in=self.expires_in or self.life.total_seconds(), **refresh_token
        )

    def _new(self, kind: str) -> str:
        self.issued.append(f"HUSH-{kind}-{len(self.issued) + 1}")
        return self.issued[-1]


@dataclass
class Fleet:
    """Processes over the same rows. Each has a clock of its own; a wait takes the time of all clocks."""

    clock: VirtualClock
    rows: Rows
    issuer: Issuer
    renewals: list[tuple[str, str]] = field(default_factory=list)  # kind, and the name of the error or ""

    def component(self, **options: object) -> ComponentToken:
        """Return the platform's tokens in a new process."""
        return ComponentToken(http_client(self.issuer), PLATFORM, SECRET, self.rows, **self._options(options))

    def merchant(
        self, component: ComponentToken | None = None, appid: str = MERCHANT, **options: object
    ) -> PlatformToken:
        """Return the tokens of an account in a new process."""
        http, source = http_client(self.issuer), component or self.component()
        return PlatformToken(http, PLATFORM, appid, source, self.rows, **self._options(options))

    async def sleep(self, seconds: float) -> None:
        self.clock.forward(seconds=seconds)
        await asyncio.sleep(0)

    def _options(self, options: dict[str, object]) -> dict[str, object]:
        def renewed(kind: TokenKind, error: Exception | None) -> None:
            self.renewals.append((kind.value, type(error).__name__ if error else ""))

        return {"now": self.clock, "sleep": self.sleep, "on_renewal": renewed, **options}


def fleet() -> Fleet:
    """Return no process yet, and a platform with a ticket and an account that authorises it."""
    clock = VirtualClock()
    rows = Rows(clock)
    rows.secrets = {(PLATFORM, "ticket"): "ticket@@@HUSH", (MERCHANT, "refresh_token"): "refreshtoken@@@HUSH"}
    return Fleet(clock, rows, Issuer(clock))
