"""Simulated WeChat and Slack of a soak run, with the workload of the one and the oracle of the other."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bot.demo.process import environ_of
from bot.demo.servers import serve_slack
from bot.demo.slack_simulator import Channel, Message, SlackSimulator
from bot.demo.slack_simulator.state import Change
from tests.crash.accounts import ALONE, PEOPLE
from tests.crash.failpoints import Precondition
from tests.crash.faults import SHORT_LEASE
from tests.crash.operation_oracle import OperationVerdict
from tests.crash.oracle import Verdict
from tests.crash.watched_account import WatchedAccount
from tests.crash.wechat_proxy import WeChatProxy
from tests.crash.workload import LEADS, MAX_UNREPORTED, utc_now
from tests.soak.load import CARE
from wechat_kf.simulator import World

(ACCOUNT,) = ALONE


class SoakEnvironment:
    """Everything except the bots and their users."""

    def __init__(self, rng: random.Random, diary: Path) -> None:
        """`diary` takes a line per event."""
        self._rng = rng
        self._diary = diary
        self.slack = SlackSimulator(channels=[Channel(ACCOUNT.channel, "kf-alerts"), CARE])
        self.account = WatchedAccount(ACCOUNT, self.slack, rng, self._note)
        world, listeners = World([self.account.wechat]), {ACCOUNT.appid: self.account.operators}
        self._wechat_proxy = WeChatProxy(world, rng, listeners)
        self.slack.on_change(self._record)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[dict[str, str]]:
        """Serve WeChat and Slack, and yield the environment variables that connect a bot to them."""
        self.account.workload.begin()
        async with serve_slack(self.slack), self._wechat_proxy.serve() as wechat_url:
            yield environ_of(
                *(self.slack, wechat_url, ACCOUNT.appid, ACCOUNT.secret, ACCOUNT.channel),
                KF_OPERATORS=",".join(PEOPLE),
                POLL_SECONDS="1",
                ALERT_LEASE_SECONDS=str(SHORT_LEASE),
                ALERT_LEADS=",".join(f"{int(lead.total_seconds())}s" for lead in LEADS),
            )

    async def change_invitations(self, every: float) -> None:
        """Change invitations every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(every * self._rng.uniform(0.5, 1.5))
            editable, workload = self.account.editable(), self.account.workload
            if editable and self._rng.random() < 0.4:
                workload.act(Precondition.CHANGED_MESSAGE, editable, MAX_UNREPORTED)
            elif self.account.unreported_count() < MAX_UNREPORTED:
                workload.add_event()

    async def operate(self, every: float, stopping: asyncio.Event) -> None:
        """Let an operator do something every so many seconds until `stopping`, and wait for the last one.

        No operation is begun while the channel has many to report: Slack takes one message a second.
        """
        operators = self.account.operators
        async with asyncio.TaskGroup() as tasks:
            while not stopping.is_set():
                if len(operators.judge().unreported) < MAX_UNREPORTED:
                    operators.prepare()
                    tasks.create_task(operators.operate(lambda: True))
                tasks.create_task(operators.submit_again())
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), every)

    def is_due_soon(self) -> bool:
        return self.account.workload.is_due_soon()

    def judge(self) -> Verdict:
        return self.account.judge()

    def judge_operations(self) -> OperationVerdict:
        return self.account.judge_operations()

    def _record(self, change: Change, message: Message) -> None:
        if message.channel == ACCOUNT.channel and not message.only_for:
            self.account.record(change, message)
            shown = (
                f" {json.dumps(message.blocks, ensure_ascii=False)} {message.metadata}"
                if change == "posted"
                else ""
            )
            self._note(f"{change} {message.ts} {message.text}{shown}")

    def _note(self, words: str) -> None:
        with self._diary.open("a") as diary:
            diary.write(f"{utc_now():%H:%M:%S.%f} {words}\n")
