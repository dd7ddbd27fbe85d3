"""A bot, WeChat with one rejected invitation, and operators: what the tests of operations share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from bot.execution.operation_runner import OperationRunner
from bot.execution.records import OperationRecords
from bot.operations.operation import Operation, OperationKind, OperationPolicy, Wanted
from bot.store import operation_rows
from bot.store.database import Store
from tests.bots import Bot
from tests.conftest import APPID, VirtualClock
from tests.crash.operators import PATHS
from tests.fakes import FakeChannel
from tests.wechat import SECRET, Pauses, simulated
from wechat_kf.simulator import Simulator

CHEN, EVE, NEW = "chen@harbour_tea", "eve@harbour_tea", "fay@harbour_tea"
POLICY = OperationPolicy()
WANTED = {
    OperationKind.INVITE: Wanted(CHEN, invite_wx="chen_example"),
    OperationKind.ADD: Wanted(NEW, nickname="Fay"),
    OperationKind.RENAME: Wanted(CHEN, nickname="陈"),
    OperationKind.DELETE: Wanted(CHEN),
}
KINDS = list(OperationKind)


class Killed(BaseException):
    """The process ends here."""


def dying_runner(step: str, when: str, *arguments: Any, **more: Any) -> OperationRunner:
    """Return a runner whose process ends before or after one step, as by `kill -9`."""

    def dies(name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def step_or_death(*arguments: Any, **more: Any) -> Any:
            if (name, "before") == (step, when):
                raise Killed
            result = await method(*arguments, **more)
            if (name, "after") == (step, when):
                raise Killed
            return result

        return step_or_death

    class DyingRecords(OperationRecords):
        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            return dies(name, found) if name == step else found

    class DyingWriter:
        def __init__(self, writer: Any) -> None:
            self._writer = writer

        def __getattr__(self, name: str) -> Any:
            return dies("request", getattr(self._writer, name))

    records, accounts, writer, *others = arguments
    records = DyingRecords(records.store, records.recorder, records.policy)
    return OperationRunner(records, accounts, DyingWriter(writer), *others, **more)


class Operators:
    """A bot, WeChat with one rejected invitation, and people who may act."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self.store, self.clock = store, clock
        self.wechat = Simulator(APPID, SECRET, suffix="harbour_tea")
        self.wechat.add_account(CHEN, "Chen")
        self.wechat.add_account(EVE, "Eve")
        self.wechat.invite(CHEN, "chen_example", clock() + timedelta(hours=40))
        self.client = simulated(self.wechat, clock, pauses=Pauses())
        slack = FakeChannel(clock=clock, mention="<@U0LIN>")  # a person who waits for a result is mentioned
        self.bot = Bot(store, clock, slack, accounts=self.client, operations=True)
        self._asked = 0

    async def watches(self) -> None:
        self.clock.forward(seconds=331)
        await self.bot.watcher.tick()
        await self.bot.deliver()

    async def sees_a_rejection(self) -> None:
        await self.watches()
        self.wechat.reject(CHEN)
        await self.watches()

    def runner(self, *, killed: tuple[str, str] | None = None, writer: Any = None, **more: Any) -> OperationRunner:
        make = partial(dying_runner, *killed) if killed else OperationRunner
        records = OperationRecords(self.store, self.bot.recorder, POLICY)
        return make(records, self.client, writer or self.client, self.clock, sleep=Pauses(), **more)

    async def asks(self, kind: OperationKind, wanted: Wanted | None = None, **fields: Any) -> Operation:
        self._asked += 1
        wanted = wanted or WANTED[kind]
        asked = Operation(
            id=f"op-{self._asked}",
            kind=kind,
            account_key=wanted.kf_account,
            wanted=wanted,
            user_id="U0LIN",
            user_name="lin",
            asked_at=self.clock(),
            lease_until=self.clock() + POLICY.lease,
            submission=f"view-{self._asked}",
            **fields,
        )
        async with self.store.begin() as tx:
            inserted = await operation_rows.insert(tx, asked)
        assert inserted.is_new
        return asked

    async def performs(self, kind: OperationKind, wanted: Wanted | None = None) -> Operation:
        done = await self.runner().run(await self.asks(kind, wanted))
        await self.bot.deliver()
        return done

    async def settles(self, *, seconds: float = 0) -> Operation:
        """Let another process settle what is due, now and in the next two minutes."""
        self.clock.forward(seconds=seconds)
        for _ in range(15):
            while await self.runner().settle_due():
                pass
            self.clock.forward(seconds=10)
        await self.bot.deliver()
        return await self.stored()

    async def stored(self, number: int = 0) -> Operation:
        async with self.store.begin() as tx:
            return (await operation_rows.history(tx, limit=10))[number]

    def writes(self, kind: OperationKind) -> int:
        return sum(call.path == PATHS[kind] for call in self.wechat.log)

    def has_changed(self, kind: OperationKind) -> bool:
        seats = {seat.kf_account: seat for seat in self.wechat.seats}
        match kind:
            case OperationKind.INVITE:
                return seats[CHEN].invite_status == "waiting"
            case OperationKind.ADD:
                return NEW in seats
            case OperationKind.RENAME:
                return seats[CHEN].kf_nick == "陈"
        return CHEN not in seats

    @property
    def alert(self) -> str:
        """Return the text of the alert as it is now."""
        return self.bot.slack.text_now(self.bot.slack.posted[0].ts)

    def buttons(self) -> list[str]:
        """Return the captions of the alert's buttons as they are now."""
        message = self.bot.slack.message_now(self.bot.slack.posted[0].ts)
        rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
        return [str(element["text"]["text"]) for row in rows for element in row]
