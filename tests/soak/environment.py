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
from bot.outbox.event_keys import EventKeys
from tests.crash.environment import ALERTS, APPID, EDIT_REST, SECRET
from tests.crash.failpoints import Precondition
from tests.crash.faults import SHORT_LEASE
from tests.crash.operators import PEOPLE, Operators
from tests.crash.oracle import ChannelRecorder, Oracle, Verdict
from tests.crash.wechat_proxy import WeChatProxy
from tests.crash.workload import LEADS, MAX_UNREPORTED, SentInvitation, Workload, utc_now
from tests.soak.load import CARE
from wechat_kf.simulator import Simulator


class SoakEnvironment:
    """Everything except the bots and their users."""

    def __init__(self, rng: random.Random, diary: Path) -> None:
        """`diary` takes a line per event."""
        self._rng = rng
        self._diary = diary
        self.slack = SlackSimulator(channels=[Channel(ALERTS, "kf-alerts"), CARE])
        self.wechat = Simulator(APPID, SECRET)
        self.channel = ChannelRecorder()
        self._oracle = Oracle(EventKeys(SECRET, APPID))
        self._workload = Workload(self.wechat, rng, note=self._note, register=self._oracle.register)
        self.operators = Operators(
            *(self.slack, self.wechat, self._workload, rng),
            alerts=ALERTS,
            oracle=self._oracle,
            channel=self.channel,
            note=self._note,
        )
        self._wechat_proxy = WeChatProxy(
            self.wechat, rng, arrived=self.operators.write_arrived, handled=self.operators.write_handled
        )
        self.slack.on_change(self._record)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[dict[str, str]]:
        """Serve WeChat and Slack, and yield the environment variables that connect a bot to them."""
        self._workload.begin()
        async with serve_slack(self.slack), self._wechat_proxy.serve() as wechat_url:
            yield environ_of(
                *(self.slack, wechat_url, APPID, SECRET, ALERTS),
                KF_OPERATORS=",".join(PEOPLE),
                POLL_SECONDS="1",
                ALERT_LEASE_SECONDS=str(SHORT_LEASE),
                ALERT_LEADS=",".join(f"{int(lead.total_seconds())}s" for lead in LEADS),
            )

    async def change_invitations(self, every: float) -> None:
        """Change invitations every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(every * self._rng.uniform(0.5, 1.5))
            editable, unreported_count = self._editable(), self._unreported_count()
            if editable and self._rng.random() < 0.4:
                self._workload.act(Precondition.CHANGED_MESSAGE, editable, MAX_UNREPORTED)
            elif unreported_count < MAX_UNREPORTED:
                self._workload.add_event()

    async def operate(self, every: float, stopping: asyncio.Event) -> None:
        """Let an operator do something every so many seconds until `stopping`, and wait for the last one.

        No operation is begun while the channel has many to report: Slack takes one message a second.
        """
        async with asyncio.TaskGroup() as tasks:
            while not stopping.is_set():
                if len(self.operators.judge().unreported) < MAX_UNREPORTED:
                    self.operators.prepare()
                    tasks.create_task(self.operators.operate(lambda: True))
                tasks.create_task(self.operators.submit_again())
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), every)

    def is_due_soon(self) -> bool:
        return self._workload.is_due_soon()

    def judge(self) -> Verdict:
        return self._oracle.judge(self.channel, self._workload.invitations, utc_now())

    def _record(self, change: Change, message: Message) -> None:
        if message.channel == ALERTS and not message.only_for:
            self.channel(change, message)
            shown = (
                f" {json.dumps(message.blocks, ensure_ascii=False)} {message.metadata}"
                if change == "posted"
                else ""
            )
            self._note(f"{change} {message.ts} {message.text}{shown}")

    def _note(self, words: str) -> None:
        with self._diary.open("a") as diary:
            diary.write(f"{utc_now():%H:%M:%S.%f} {words}\n")

    def _unreported_count(self) -> int:
        return len(self._oracle.unreported(self.channel, self._workload.invitations, utc_now()))

    def _editable(self) -> list[SentInvitation]:
        """Return open invitations whose own message is up to date and may be edited at once."""
        return self._oracle.editable(self.channel, EDIT_REST, utc_now())
