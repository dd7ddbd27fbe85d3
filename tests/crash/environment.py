"""The world of one run: WeChat and the people in it, Slack and what stands there, and a diary of it all."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.demo.process import environ_of
from bot.demo.servers import serve_wechat
from bot.demo.slack import Channel, SlackStandIn
from bot.marks import Marks
from tests.crash import faults
from tests.crash.failpoints import Needs
from tests.crash.fault_proxy import Gate
from tests.crash.oracle import Board, Oracle, Verdict
from tests.crash.workload import LEADS, Invitation, Script, utc_now
from wechat_kf.simulator import Simulator

APPID, SECRET, ALERTS = "wx0123456789abcdef", "app-secret", "C0ALERTS"
EDIT_REST = 10.5  # seconds: the bot edits a message once in ten


class World:
    """Everything but the bot."""

    def __init__(self, diary: Path, rng: random.Random) -> None:
        self._diary = diary
        self._rng = rng
        self._slack = SlackStandIn(channels=[Channel(ALERTS, "kf-alerts")])
        self._wechat = Simulator(APPID, SECRET)
        self._marks = Marks(SECRET, APPID)
        self._oracle = Oracle(self._marks)
        self.gate = Gate(self._slack, rng)
        self.board = Board()
        self.script = Script(self._wechat, rng, note=self.note, learn=self._oracle.learn)
        self._slack.on_change(self.board)
        self._slack.on_change(lambda change, message: self.note(f"{change} {message.ts} {message.text[:90]}"))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[dict[str, str]]:
        """Serve it, and yield the variables that lead a bot into it."""
        async with self.gate.serve() as slack_url, serve_wechat(self._wechat) as wechat_url:
            yield environ_of(
                *(self._slack, wechat_url, APPID, SECRET, ALERTS),
                SLACK_API_URL=slack_url,  # the gate in front of it
                POLL_SECONDS="1",
                ALERT_LEASE_SECONDS=str(faults.SHORT_LEASE),
                ALERT_LEADS=",".join(f"{int(lead.total_seconds())}s" for lead in LEADS),
                LOG_LEVEL="INFO",
            )

    def move_on(self, needs: Needs) -> Needs:
        """Let things happen, and go wrong, so that a point can be reached. Returns what was met of it."""
        rested = self.rested() if needs is Needs.VIEW else []
        met = Needs.NEWS if needs is Needs.VIEW and not rested else needs
        self.script.act(met, rested, self.owed())
        faults.arm(self._slack, self.gate, met, self._rng)
        return met

    def calm_down(self) -> None:
        """Nothing goes wrong at Slack any more."""
        faults.disarm(self._slack, self.gate)

    def rested(self) -> list[Invitation]:
        """Invitations whose own message may be edited at once, and that may still come to an end."""
        return self._oracle.rested(self.board, EDIT_REST, utc_now())

    def owed(self) -> int:
        """How many events are still untold."""
        return len(self._oracle.untold(self.board, self.script.invitations, utc_now()))

    def judge(self) -> Verdict:
        return self._oracle.judge(self.board, self.script.invitations, utc_now())

    def mark(self, message_id: str) -> str:
        """The mark that a message of the bot's carries."""
        return self._marks.of_message(message_id)

    def take_unexpected(self) -> list[str]:
        """What Slack would not have expected of an app."""
        return self._slack.take_unexpected()

    def note(self, words: str) -> None:
        with self._diary.open("a") as diary:
            diary.write(f"{utc_now():%H:%M:%S.%f} {words}\n")
