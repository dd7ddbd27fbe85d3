"""The surroundings of a crash run: simulated WeChat and Slack, the workload, the oracle, and a diary of it all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from bot.demo.process import BotProcess, connected
from bot.demo.slack_simulator import Channel, Message, SlackSimulator, View
from bot.demo.slack_simulator.open_views import ViewChange
from bot.demo.slack_simulator.state import Change
from bot.outbox.event_keys import EventKeys
from tests.crash import faults, operation_oracle, oracle
from tests.crash.accounts import ALONE, PEOPLE, CrashAccount, settings_of
from tests.crash.confusion import foreign_data, is_about
from tests.crash.failpoints import Precondition
from tests.crash.fault_proxy import FaultProxy
from tests.crash.operation_oracle import OperationVerdict
from tests.crash.oracle import Verdict
from tests.crash.several import is_of_several
from tests.crash.watched_account import WatchedAccount
from tests.crash.wechat_proxy import WeChatProxy
from tests.crash.workload import LEADS, utc_now
from wechat_kf.simulator import World

FORMS, FORM_SECONDS = 3, 3.0  # forms at most for a failpoint that needs one, so many seconds apart
FORM_ANYWAY = 0.3  # the share of other bots that get a form
TOGETHER = 0.3  # the share of bots during which something happens in every account at the same time


class CrashEnvironment:
    """Everything except the bot."""

    def __init__(self, diary: Path, rng: random.Random, accounts: Sequence[CrashAccount] = ALONE) -> None:
        self._diary = diary
        self._rng = rng
        channels = dict.fromkeys(account.channel for account in accounts)
        self.slack = SlackSimulator(channels=[Channel(channel, channel.lower()) for channel in channels])
        self.accounts = [WatchedAccount(account, self.slack, rng, self.note) for account in accounts]
        self._wechat = World(one.wechat for one in self.accounts)
        self._mixed: list[str] = []
        self._of_several: set[str] = set()  # the messages about several accounts, by ts
        self.fault_proxy = FaultProxy(self.slack, rng)
        listeners = {one.account.appid: one.operators for one in self.accounts}
        self.wechat_proxy = WeChatProxy(self._wechat, rng, listeners)
        self.slack.on_change(self._record)
        self.slack.on_change(lambda change, message: self.note(f"{change} {message.ts} {message.text[:90]}"))
        self.slack.views.on_change(self._check_view)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[dict[str, str]]:
        """Serve WeChat and Slack, and yield the environment variables that connect a bot to them."""
        async with self.fault_proxy.serve() as slack_url, self.wechat_proxy.serve() as wechat_url:
            more = settings_of([one.account for one in self.accounts])
            more["SLACK_API_URL"] = slack_url  # the fault proxy in front of it
            yield connected(
                self.slack,
                wechat_url,
                **more,
                KF_OPERATORS=",".join(PEOPLE),
                POLL_SECONDS="1",
                ALERT_LEASE_SECONDS=str(faults.SHORT_LEASE),
                ALERT_LEADS=",".join(f"{int(lead.total_seconds())}s" for lead in LEADS),
                LOG_LEVEL="INFO",
            )

    def begin(self) -> None:
        """Create the state before the first poll, the same in every account."""
        for one in self.accounts:
            one.workload.begin()

    def prepare(self, precondition: Precondition) -> Precondition:
        """Create the events and faults that a failpoint needs. Return the precondition that was met."""
        needs_edit = precondition is Precondition.CHANGED_MESSAGE
        editable = {one: one.editable() if needs_edit else [] for one in self.accounts}
        met = Precondition.NEW_EVENT if needs_edit and not any(editable.values()) else precondition
        self._wechat.clear_faults()
        able = [one for one in self.accounts if editable[one] or met is not Precondition.CHANGED_MESSAGE]
        acting = able if self._rng.random() < TOGETHER else [self._rng.choice(able)]
        for one in self.accounts:
            one.operators.prepare()
            needed = met if one in acting else Precondition.NOTHING
            one.workload.act(needed, editable[one], self.unreported_count())
        faults.arm(self.slack, self.fault_proxy, met, self._rng)
        return met

    def add_event(self) -> None:
        """Perform one random action that leads to an event, in one of the accounts."""
        self._rng.choice(self.accounts).workload.add_event()

    async def operate(self, bot: BotProcess, precondition: Precondition) -> None:
        """Let operators submit failed forms again, and new ones until a failpoint that needs one is reached.

        Return when the bot cannot answer any more.
        """
        self.slack.app_url = bot.slack_url
        if not await self.is_up(bot):
            return
        for one in self.accounts:
            await one.operators.submit_again()
        wanted = FORMS if precondition.needs_form else self._rng.random() < FORM_ANYWAY
        fails = precondition is Precondition.LOST_ANSWER
        for _ in range(wanted):
            operators = self._rng.choice(self.accounts).operators
            await operators.operate(lambda: bot.process.returncode is None, fails=fails)
            with suppress(TimeoutError):
                await asyncio.wait_for(bot.process.wait(), FORM_SECONDS)
                return

    async def is_up(self, bot: BotProcess) -> bool:
        """Wait until a bot answers. Return False if it ended before."""
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
        faults.disarm(self.slack, self.fault_proxy)

    def is_any_editable(self) -> bool:
        """Return whether an open invitation has a message that may be edited at once."""
        return any(one.editable() for one in self.accounts)

    def is_due_soon(self) -> bool:
        return any(one.workload.is_due_soon() for one in self.accounts)

    def unreported_count(self) -> int:
        """Count the events that the channels do not show yet."""
        return sum(one.unreported_count() for one in self.accounts)

    def has_operated(self) -> bool:
        """Return whether an operation was requested."""
        return any(one.operators.operations for one in self.accounts)

    def judge(self) -> Verdict:
        return oracle.merged({one.account.prefix: one.judge() for one in self.accounts})

    def judge_operations(self) -> OperationVerdict:
        return operation_oracle.merged({one.account.prefix: one.judge_operations() for one in self.accounts})

    def mixed(self) -> list[str]:
        """Return the messages and modals about one account that contain data of another, or name none."""
        elsewhere = [line for one in self.accounts for line in one.events_elsewhere(self._others(one))]
        return [*self._mixed, *elsewhere]

    def message_key(self, appid: str, message_id: str, *, of_several: bool) -> str:
        """Return the key in the metadata of one of the bot's messages."""
        if of_several:  # it may pass to another account, with the same key
            return EventKeys(self.slack.signing_secret, "").message_key(message_id)
        return next(one for one in self.accounts if one.account.appid == appid).event_keys.message_key(message_id)

    def take_unexpected(self) -> list[str]:
        """Return and clear the requests that Slack would not expect of an app."""
        return self.slack.take_unexpected()

    def note(self, words: str) -> None:
        with self._diary.open("a") as diary:
            diary.write(f"{utc_now():%H:%M:%S.%f} {words}\n")

    def _record(self, change: Change, message: Message) -> None:
        """Give a message to the account that it is about."""
        if message.only_for:
            return
        account = next((one for one in self.accounts if is_about(message, one.account)), None)
        if account is None and is_of_several(message, self._of_several):
            self._of_several.add(message.ts)
            for one in self.accounts:
                one.record_part(change, message)
            return
        if account is None:
            self._mixed.append(f"{message.ts} names no account of {message.channel}: {message.text[:70]!r}")
            return
        self._check(account, {"text": message.text, "blocks": message.blocks}, message.ts)
        account.record(change, message)

    def _check_view(self, _change: ViewChange, view: View) -> None:
        account = next((one for one in self.accounts if view.user in one.account.operators), None)
        if account is not None:
            self._check(account, view.content, f"a modal of {view.user}")

    def _check(self, account: WatchedAccount, content: Mapping[str, Any], place: str) -> None:
        others = [other.account for other in self._others(account)]
        self._mixed += [f"{word} in {place} of {account.account.name}" for word in foreign_data(content, others)]

    def _others(self, account: WatchedAccount) -> list[WatchedAccount]:
        return [one for one in self.accounts if one is not account]
