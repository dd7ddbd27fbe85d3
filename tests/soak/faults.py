"""Failures of Slack and WeChat under load, one at a time, so that a retry succeeds."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from bot.demo.slack_simulator import (
    RESPONSE_URL,
    SlackFault,
    SlackSimulator,
    dropped,
    http_error,
    ratelimited,
    reply_lost,
    slow,
)
from tests.crash.fault_proxy import EDIT, LOOKUP_METHODS, POST, UPDATE_VIEW
from tests.crash.faults import BUSY, LOST_REQUESTS, LOST_RESPONSES
from wechat_kf import simulator
from wechat_kf.simulator import FaultMode, Simulator

ANSWERS: tuple[Callable[[], SlackFault], ...] = (
    dropped,
    reply_lost,
    lambda: http_error(503),
    lambda: http_error(500, taken=True),
    lambda: ratelimited(1),
    lambda: slow(1.5),
)
READS = (
    simulator.Fault(FaultMode.SLOW, seconds=1.5),
    simulator.Fault(FaultMode.DOWN),
    simulator.Fault(FaultMode.HTML),
    simulator.Fault(FaultMode.ERRCODE, errcode=-1),
    simulator.Fault(FaultMode.TRUNCATED),
)
ALERTS = 2.0  # seconds between faults for alerts
OTHERS = 5.0  # seconds between faults of replies, and of WeChat: longer than a second attempt takes


class FaultInjector:
    """Makes requests fail until it is cancelled."""

    def __init__(self, slack: SlackSimulator, wechat: Simulator, rng: random.Random) -> None:
        self._slack = slack
        self._wechat = wechat
        self._rng = rng
        self.armed: Counter[str] = Counter()  # by method

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for step, every in (
                    (self._fail_alert, ALERTS),
                    (self._fail_reply, OTHERS),
                    (self._fail_view, OTHERS),
                    (self._fail_poll, OTHERS),
                ):
                    tasks.create_task(self._repeat(step, every))
        finally:
            self._disarm()

    async def _repeat(self, step: Callable[[], None], every: float) -> None:
        while True:
            await asyncio.sleep(every * self._rng.uniform(0.8, 1.2))
            step()

    def _fail_alert(self) -> None:
        method = self._rng.choice((POST, POST, EDIT, *LOOKUP_METHODS))
        self._arm(method, self._rng.choice(LOST_RESPONSES + LOST_REQUESTS + BUSY)())

    def _fail_reply(self) -> None:
        self._arm(RESPONSE_URL, self._rng.choice(ANSWERS)())

    def _fail_view(self) -> None:
        self._arm(UPDATE_VIEW, self._rng.choice(ANSWERS)())

    def _fail_poll(self) -> None:
        self._wechat.clear_faults()
        self._wechat.inject(self._rng.choice(READS))
        self.armed["WeChat"] += 1

    def _arm(self, method: str, fault: SlackFault) -> None:
        """Arm at most one fault per method: two in a row could fail both attempts of one reply."""
        waiting = self._slack.take_fault(method)
        self._slack.arm(method, waiting or fault)
        self.armed[method] += waiting is None

    def _disarm(self) -> None:
        for method in (POST, EDIT, UPDATE_VIEW, *LOOKUP_METHODS, RESPONSE_URL):
            self._slack.take_fault(method)
        self._wechat.clear_faults()
