"""One Official Account of a crash run, with its people, its operators, its messages and their judges."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bot.demo.slack_simulator import Message, SlackSimulator
from bot.demo.slack_simulator.state import Change
from bot.outbox.event_keys import EventKeys
from tests.crash.accounts import CrashAccount
from tests.crash.operation_oracle import OperationVerdict
from tests.crash.operators import Operators
from tests.crash.oracle import ChannelRecorder, Oracle, Verdict
from tests.crash.several import part_of
from tests.crash.workload import SentInvitation, Workload, utc_now
from wechat_kf.simulator import Simulator

EDIT_REST = 10.5  # seconds: the bot edits a message once in ten


class WatchedAccount:
    """The messages about it are judged without its name, as those of a bot with a single account."""

    def __init__(
        self, account: CrashAccount, slack: SlackSimulator, rng: random.Random, note: Callable[[str], None]
    ) -> None:
        """`note` writes into the diary of the run."""

        def note_own(words: str) -> None:
            note(f"{account.prefix}{words}")

        self.account = account
        self.wechat = Simulator(account.appid, account.secret)
        self.event_keys = EventKeys(account.secret, account.appid)
        self.oracle = Oracle(self.event_keys)
        self.channel = ChannelRecorder()
        self.workload = Workload(self.wechat, rng, note=note_own, register=self.oracle.register)
        self.operators = Operators(
            *(slack, self.wechat, self.workload, rng),
            account=account,
            oracle=self.oracle,
            channel=self.channel,
            note=note_own,
        )

    def record(self, change: Change, message: Message) -> None:
        """Record a message about this account."""
        self.channel(change, replace(message, text=message.text.removeprefix(self.account.prefix)))

    def record_part(self, change: Change, message: Message) -> None:
        """Record the part about this account in a message about several."""
        if part := part_of(message, self.account, self.oracle.event_keys):
            self.channel(change, part)

    def editable(self) -> list[SentInvitation]:
        """Return open invitations whose own message may be edited at once."""
        return self.oracle.editable(self.channel, EDIT_REST, utc_now())

    def unreported_count(self) -> int:
        """Count the events that the channel does not show yet."""
        return len(self.oracle.unreported(self.channel, self.workload.invitations, utc_now()))

    def judge(self) -> Verdict:
        return self.oracle.judge(self.channel, self.workload.invitations, utc_now())

    def judge_operations(self) -> OperationVerdict:
        return self.operators.judge()

    def events_elsewhere(self, others: Sequence[WatchedAccount]) -> Iterator[str]:
        """Yield the events of other accounts in messages about this one. Their keys differ, all else is equal."""
        for message in self.channel.posted:
            for other in others:
                yield from (
                    f"{event.kind} of {one.nick} of {other.account.name}, in {message.ts} of {self.account.name}"
                    for one, event in other.oracle.events_in(message)
                )
