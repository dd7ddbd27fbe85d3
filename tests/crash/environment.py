"""The surroundings of a crash run: simulated WeChat and Slack, the workload, the oracle, and a diary of it all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from bot.demo.process import BotProcess, environ_of
from bot.demo.slack_simulator import Channel, SlackSimulator
from bot.outbox.event_keys import EventKeys
from tests.crash import faults
from tests.crash.failpoints import Precondition
from tests.crash.fault_proxy import FaultProxy
from tests.crash.operators import PEOPLE, Operators
from tests.crash.oracle import ChannelRecorder, Oracle, Verdict
from tests.crash.wechat_proxy import WeChatProxy
from tests.crash.workload import LEADS, SentInvitation, Workload, utc_now
from wechat_kf.simulator import Simulator

APPID, SECRET, ALERTS = "wx0123456789abcdef", "app-secret", "C0ALERTS"
FORMS, FORM_SECONDS = 3, 3.0  # forms at most for a failpoint that needs one, so many seconds apart
FORM_ANYWAY = 0.3  # the share of other bots that get a form
EDIT_REST = 10.5  # seconds: the bot edits a message once in ten


class CrashEnvironment:
    """Everything except the bot."""

    def __init__(self, diary: Path, rng: random.Random) -> None:
        self._diary = diary
        self._rng = rng
        self._slack = SlackSimulator(channels=[Channel(ALERTS, "kf-alerts")])
        self._wechat = Simulator(APPID, SECRET)
        self._event_keys = EventKeys(SECRET, APPID)
        self._oracle = Oracle(self._event_keys)
        self.fault_proxy = FaultProxy(self._slack, rng)
        self.channel = ChannelRecorder()
        self.workload = Workload(self._wechat, rng, note=self.note, register=self._oracle.register)
        self.operators = Operators(
            *(self._slack, self._wechat, self.workload, rng),
            alerts=ALERTS,
            oracle=self._oracle,
            channel=self.channel,
            note=self.note,
        )
        self.wechat_proxy = WeChatProxy(
            self._wechat, rng, arrived=self.operators.write_arrived, handled=self.operators.write_handled
        )
        self._slack.on_change(lambda _, message: None if message.only_for else self.channel(_, message))
        self._slack.on_change(lambda change, message: self.note(f"{change} {message.ts} {message.text[:90]}"))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[dict[str, str]]:
        """Serve WeChat and Slack, and yield the environment variables that connect a bot to them."""
        async with self.fault_proxy.serve() as slack_url, self.wechat_proxy.serve() as wechat_url:
            yield environ_of(
                *(self._slack, wechat_url, APPID, SECRET, ALERTS),
                SLACK_API_URL=slack_url,  # the fault proxy in front of it
                KF_OPERATORS=",".join(PEOPLE),
                POLL_SECONDS="1",
                ALERT_LEASE_SECONDS=str(faults.SHORT_LEASE),
                ALERT_LEADS=",".join(f"{int(lead.total_seconds())}s" for lead in LEADS),
                LOG_LEVEL="INFO",
            )

    def prepare(self, precondition: Precondition) -> Precondition:
        """Create the events and faults that a failpoint needs. Return the precondition that was met."""
        editable = self.editable() if precondition is Precondition.CHANGED_MESSAGE else []
        met = (
            Precondition.NEW_EVENT
            if precondition is Precondition.CHANGED_MESSAGE and not editable
            else precondition
        )
        self.operators.prepare()
        self._wechat.clear_faults()
        self.workload.act(met, editable, self.unreported_count())
        faults.arm(self._slack, self.fault_proxy, met, self._rng)
        return met

    async def operate(self, bot: BotProcess, precondition: Precondition) -> None:
        """Let operators submit failed forms again, and new ones until a failpoint that needs one is reached.

        Return when the bot cannot answer any more.
        """
        self._slack.app_url = bot.slack_url
        if not await self._is_up(bot):
            return
        await self.operators.submit_again()
        wanted = FORMS if precondition.needs_form else self._rng.random() < FORM_ANYWAY
        fails = precondition is Precondition.LOST_ANSWER
        for _ in range(wanted):
            await self.operators.operate(lambda: bot.process.returncode is None, fails=fails)
            with suppress(TimeoutError):
                await asyncio.wait_for(bot.process.wait(), FORM_SECONDS)
                return

    async def _is_up(self, bot: BotProcess) -> bool:
        async with aiohttp.ClientSession() as session:
            while bot.process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{bot.url}/healthz") as answer:
                        if answer.status == 200:
                            return True
                await asyncio.sleep(0.05)
        return False

    def stop_faults(self) -> None:
        """Remove all faults at Slack and WeChat."""
        self._wechat.clear_faults()
        faults.disarm(self._slack, self.fault_proxy)

    def editable(self) -> list[SentInvitation]:
        """Return open invitations whose own message may be edited at once."""
        return self._oracle.editable(self.channel, EDIT_REST, utc_now())

    def unreported_count(self) -> int:
        """Count the events that the channel does not show yet."""
        return len(self._oracle.unreported(self.channel, self.workload.invitations, utc_now()))

    def judge(self) -> Verdict:
        return self._oracle.judge(self.channel, self.workload.invitations, utc_now())

    def message_key(self, message_id: str) -> str:
        """Return the key in the metadata of one of the bot's messages."""
        return self._event_keys.message_key(message_id)

    def take_unexpected(self) -> list[str]:
        """Return and clear the requests that Slack would not expect of an app."""
        return self._slack.take_unexpected()

    def note(self, words: str) -> None:
        with self._diary.open("a") as diary:
            diary.write(f"{utc_now():%H:%M:%S.%f} {words}\n")
