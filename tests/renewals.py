"""Processes that share the tokens of a platform in one store, and renew them in turn: `python -m tests.renewals`.

The program forks its processes, since most of their start is imports, and forks another for each that is killed.
Its argument is a `Plan` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import count, cycle, pairwise
from pathlib import Path

import httpx
from aiohttp import web

from bot.demo.servers import serve
from bot.sealing import StoreKeys
from bot.store import sealed_secrets
from bot.store.database import Store
from bot.store.sealed_secrets import REFRESH_TOKEN, TICKET, SealedSecret
from bot.store.store_errors import StoreError
from bot.store.token_leases import StoredTokens
from wechat_kf.errors import KfError
from wechat_kf.platform import AUTHORIZER_TOKEN, COMPONENT_TOKEN
from wechat_kf.platform_tokens import ComponentToken, PlatformToken
from wechat_kf.token_store import TokenKind, TokenPolicy

PLATFORM = "wx00000000000000c0"
BETWEEN = 0.005  # seconds between two uses of a token by a process
HELD_UP = 0.1  # seconds for which a process may be held up between its read of a row and its claim


@dataclass(frozen=True)
class Plan:
    """The tokens and processes of a run; times in seconds."""

    processes: int
    tokens: int
    life: int
    margin: float
    lease: float
    kept: float
    seconds: float
    store_url: str = ""
    issuer_url: str = ""
    key: str = ""
    report: str = ""  # the path of a file

    @property
    def policy(self) -> TokenPolicy:
        margin = timedelta(seconds=self.margin)
        return TokenPolicy(margin, margin, margin, timedelta(seconds=self.lease), timedelta(seconds=self.kept))

    @property
    def accounts(self) -> list[str]:
        return [f"wx{number:012d}a1ff" for number in range(self.tokens)]


# What a process does


class ReportingTokens(StoredTokens):
    """Reports the times of each renewal, before which and after which the store has seen it."""

    def __init__(self, store: Store, keys: StoreKeys, report: str) -> None:
        super().__init__(store, keys)
        self.claims: dict[str, float] = {}  # by owner: when its last claim began
        self._report = os.open(report, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def claim(self, owner: str, kind: TokenKind, fence: int, lease: timedelta) -> bool:
        await asyncio.sleep(random.uniform(0, HELD_UP))
        began = time.time()
        if not await super().claim(owner, kind, fence, lease):
            return False
        self.claims[owner] = began
        self._write(owner, "claimed")
        return True

    async def put(self, owner: str, kind: TokenKind, fence: int, token: str, life: timedelta, **more: str) -> bool:
        began = time.time()
        is_stored = await super().put(owner, kind, fence, token, life, **more)
        self._write(owner, "stored" if is_stored else "lost", began)
        return is_stored

    async def fail(self, owner: str, kind: TokenKind, fence: int, wait: timedelta, errcode: int = 0) -> None:
        await super().fail(owner, kind, fence, wait, errcode)
        self._write(owner, "failed")

    def _write(self, owner: str, what: str, at: float | None = None) -> None:
        """Write a line at once: this process may be killed with the next request."""
        row = [owner, self.claims[owner], what, at or time.time()]
        os.write(self._report, f"{json.dumps(row)}\n".encode())


async def use_tokens(plan: Plan, number: int) -> None:
    """Use the tokens of all accounts, in an order of its own, until this process is killed."""
    tokens = ReportingTokens(Store.from_url(plan.store_url, ""), StoreKeys([plan.key]), plan.report)

    async def name_claim(request: httpx.Request) -> None:
        owner = json.loads(request.content).get("authorizer_appid", PLATFORM)
        claim = {"owner": owner, "claim": tokens.claims[owner], "pid": os.getpid(), "number": number}
        request.headers["X-Claim"] = json.dumps(claim)

    async with httpx.AsyncClient(base_url=plan.issuer_url, event_hooks={"request": [name_claim]}) as http:
        component = ComponentToken(http, PLATFORM, "secret", tokens, policy=plan.policy)
        sources = [
            PlatformToken(http, PLATFORM, appid, component, tokens, policy=plan.policy) for appid in plan.accounts
        ]
        random.Random(number).shuffle(sources)
        for source in cycle(sources):
            with suppress(KfError, *StoreError):
                await source.get()
            await asyncio.sleep(BETWEEN)


def main(plan: Plan) -> None:
    numbers = count()
    for _ in range(plan.processes):
        fork(plan, next(numbers))
    signal.alarm(int(plan.seconds) + 60)  # if no test ends it
    while True:
        os.wait()
        fork(plan, next(numbers))


def fork(plan: Plan, number: int) -> None:
    if os.fork() == 0:
        signal.alarm(int(plan.seconds) + 60)
        asyncio.run(use_tokens(plan, number))


# What the test does


@dataclass
class Renewal:
    """A claim of a token, and what followed. Times are those of one machine; 0: it did not happen."""

    claiming_at: float  # before the claim
    claimed_at: float  # after it
    asked_at: float = 0  # the issuer has received the request
    answered_at: float = 0
    is_killed: bool = False  # its process, while the issuer had the request
    storing_at: float = 0  # before the token was stored
    has_failed: bool = False  # its end is recorded, or its claim was lost


@dataclass
class Issuer:
    """WeChat, as far as it issues tokens. It kills a third of the processes, each during a renewal."""

    plan: Plan
    seconds: float = 0.02  # until an answer
    asked: dict[tuple[str, float], tuple[float, float, bool]] = field(default_factory=dict)
    renewals_left: dict[int, int] = field(default_factory=dict)  # by the number of a process that is to be killed

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post(COMPONENT_TOKEN, self.answer)
        app.router.add_post(AUTHORIZER_TOKEN, self.answer)
        async with serve(app) as url:
            yield url

    async def answer(self, request: web.Request) -> web.Response:
        asked_at, claim = time.time(), json.loads(request.headers["X-Claim"])
        await asyncio.sleep(self.seconds)
        is_killed = self._kills(claim["number"])
        if is_killed:
            os.kill(claim["pid"], signal.SIGKILL)
        self.asked[claim["owner"], claim["claim"]] = asked_at, time.time(), is_killed
        token = f"token {len(self.asked)}"
        names = ("component_access_token", "authorizer_access_token")
        return web.json_response(dict.fromkeys(names, token) | {"expires_in": self.plan.life})

    def _kills(self, number: int) -> bool:
        if number % 3:
            return False
        left = self.renewals_left.setdefault(number, random.Random(number).randint(2, 5))
        self.renewals_left[number] -= 1
        return left == 1


async def prepare(store: Store, plan: Plan) -> None:
    """Store a ticket, and a refresh token for each account."""
    keys = StoreKeys([plan.key])
    async with store.begin() as tx:
        for owner, name in ((PLATFORM, TICKET), *((appid, REFRESH_TOKEN) for appid in plan.accounts)):
            await sealed_secrets.put(tx, SealedSecret(owner, name, keys.seal(owner, name, f"{name} of {owner}")))


@asynccontextmanager
async def renewing(plan: Plan) -> AsyncIterator[None]:
    """Run the processes of a plan."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.renewals", json.dumps(asdict(plan))),
        cwd=Path(__file__).parents[1],
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        await program.wait()


def renewals_of(report: Path, issuer: Issuer) -> dict[str, list[Renewal]]:
    """Return the renewals of each owner in their order."""
    found: dict[str, dict[float, Renewal]] = {}
    for line in _whole_lines(report):
        owner, claiming_at, what, at = json.loads(line)
        renewals = found.setdefault(owner, {})
        if what == "claimed":
            renewals[claiming_at] = Renewal(claiming_at, at, *issuer.asked.get((owner, claiming_at), ()))
        elif what == "stored":
            renewals[claiming_at].storing_at = at
        else:
            renewals[claiming_at].has_failed = True
    return {owner: sorted(each.values(), key=lambda one: one.claimed_at) for owner, each in found.items()}


def _whole_lines(report: Path) -> Sequence[str]:
    """Return the lines that processes have written so far, without one that is being written."""
    return report.read_text().rpartition("\n")[0].splitlines()


def mistakes(renewals: Sequence[Renewal], plan: Plan) -> Iterator[str]:
    """Yield each renewal of one token that overlaps the one before, or that is too early."""
    for before, after in pairwise(renewals):
        lease_until = before.claiming_at + plan.lease
        if after.asked_at and after.asked_at < before.answered_at <= lease_until:
            yield f"{after} overlaps {before}"
        if before.storing_at:
            earliest = before.storing_at + plan.life - plan.margin
        else:
            earliest = 0 if before.has_failed else lease_until
        if after.claimed_at < earliest:
            yield f"{after} is {earliest - after.claimed_at:.3f} s too early after {before}"


if __name__ == "__main__":
    main(Plan(**json.loads(sys.argv[1])))
