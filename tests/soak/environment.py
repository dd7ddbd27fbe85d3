"""WeChat and Slack of a run, what happens in the one, and what the other must have been told of it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.demo.process import environ_of
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack import Channel, Message, SlackStandIn
from bot.demo.slack.state import Change
from bot.marks import Marks
from tests.crash.environment import ALERTS, APPID, EDIT_REST, SECRET
from tests.crash.failpoints import Needs
from tests.crash.faults import SHORT_LEASE
from tests.crash.oracle import Board, Oracle, Verdict
from tests.crash.workload import LEADS, PLENTY, Invitation, Script, utc_now
from tests.soak.load import CARE
from wechat_kf.simulator import Simulator


class World:
    """Everything but the bots and the people who use them."""

    def __init__(self, rng: random.Random, diary: Path) -> None:
        """`diary` takes what happens, in words."""
        self._rng = rng
        self._diary = diary
        self.slack = SlackStandIn(channels=[Channel(ALERTS, "kf-alerts"), CARE])
        self.wechat = Simulator(APPID, SECRET)
        self.board = Board()
        self._oracle = Oracle(Marks(SECRET, APPID))
        self._script = Script(self.wechat, rng, note=self._note, learn=self._oracle.learn)
        self.slack.on_change(self._see)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[dict[str, str]]:
        """Serve it, and yield the variables that lead a bot into it."""
        self._script.begin()
        async with serve_slack(self.slack), serve_wechat(self.wechat) as wechat_url:
            yield environ_of(
                *(self.slack, wechat_url, APPID, SECRET, ALERTS),
                POLL_SECONDS="1",
                ALERT_LEASE_SECONDS=str(SHORT_LEASE),
                ALERT_LEADS=",".join(f"{int(lead.total_seconds())}s" for lead in LEADS),
            )

    async def happen(self, every: float) -> None:
        """Let something happen to invitations every so many seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(every * self._rng.uniform(0.5, 1.5))
            rested, owed = self._rested(), self._owed()
            if rested and self._rng.random() < 0.4:
                self._script.act(Needs.VIEW, rested, PLENTY)
            elif owed < PLENTY:
                self._script.make_news()

    def is_due_soon(self) -> bool:
        return self._script.is_due_soon()

    def judge(self) -> Verdict:
        return self._oracle.judge(self.board, self._script.invitations, utc_now())

    def _see(self, change: Change, message: Message) -> None:
        if message.channel == ALERTS and not message.only_for:
            self.board(change, message)
            shown = (
                f" {json.dumps(message.blocks, ensure_ascii=False)} {message.metadata}"
                if change == "posted"
                else ""
            )
            self._note(f"{change} {message.ts} {message.text}{shown}")

    def _note(self, words: str) -> None:
        with self._diary.open("a") as diary:
            diary.write(f"{utc_now():%H:%M:%S.%f} {words}\n")

    def _owed(self) -> int:
        return len(self._oracle.untold(self.board, self._script.invitations, utc_now()))

    def _rested(self) -> list[Invitation]:
        """Invitations that their own message shows as they are, and that may still come to an end."""
        return self._oracle.rested(self.board, EDIT_REST, utc_now())
