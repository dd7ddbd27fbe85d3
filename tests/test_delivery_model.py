"""Random nights through the whole bot: faults of Slack, restarts, people, in any order. What people read is judged.

The oracle knows only what happened at WeChat, and counts the messages in the channel.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.ports import Blocked, Outcome, OutcomeUnknown, Refused, RetryLater
from bot.store.database import Store
from tests.accounts import bound, invited
from tests.bots import Bot
from tests.budgets import share
from tests.conftest import APPID, NOW, VirtualClock
from tests.fakes import LOST, FakeChannel
from wechat_kf import KfAccount

HOUR = timedelta(hours=1)
SEATS = tuple(f"kf{number}" for number in range(7))
# From invitation to deadline: some end during a night, with a reminder or two before.
LASTS = dict(zip(SEATS, [72 * HOUR, 72 * HOUR, 72 * HOUR, 1.4 * HOUR, 3 * HOUR, 25 * HOUR, 30 * HOUR], strict=True))
DEEDS = [
    ("alert.ack", ""),
    ("alert.ack", ""),
    ("alert.undo", ":ack"),
    ("alert.snooze", ":1h"),
    ("alert.snooze", ":4h"),
    ("alert.undo", ":snooze"),
]
FAULTS = [
    LOST,
    LOST,
    OutcomeUnknown("TimeoutError"),
    RetryLater(30, "ratelimited"),
    Blocked("not_in_channel"),
    Blocked("channel_not_found"),
]


class Nights(RuleBasedStateMachine):
    """One channel, one store, and bots that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.slack = FakeChannel(clock=self.clock)
        self.statuses = dict.fromkeys(SEATS, "waiting")
        self.invitations = dict.fromkeys(SEATS, 0)  # how many people were invited before
        self.refused = False

    @initialize()
    def it_watches(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.mkdtemp()
        self.bots = [self._bot(), self._bot()]
        self._poll(self.bots[0])

    @rule(
        seats=st.sets(st.sampled_from(SEATS), min_size=1),
        worker=st.integers(0, 1),
        fault=st.none() | st.sampled_from(FAULTS),
    )
    def some_decline(self, seats: set[str], worker: int, fault: Outcome | None) -> None:
        self.slack.outcomes = [*([fault] if fault else []), *self.slack.outcomes]
        for seat in seats:
            if self.statuses[seat] == "waiting":
                self.statuses[seat] = "rejected"
        self._poll(self.bots[worker])

    @rule(seat=st.sampled_from(SEATS), worker=st.integers(0, 1))
    def one_accepts(self, seat: str, worker: int) -> None:
        if self.statuses[seat] == "waiting":
            self.statuses[seat] = "bound"
        self._poll(self.bots[worker])

    @rule(seat=st.sampled_from(SEATS), worker=st.integers(0, 1))
    def another_is_invited(self, seat: str, worker: int) -> None:
        if self.statuses[seat] == "rejected":
            self.statuses[seat] = "waiting"
            self.invitations[seat] += 1
        self._poll(self.bots[worker])

    @rule(faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3))
    def slack_fails(self, faults: list) -> None:
        self.slack.outcomes += faults

    @precondition(lambda self: not self.refused)
    @rule()
    def slack_refuses_a_message_once(self) -> None:
        self.refused = True  # a second time the message would be given up, and rightly so
        self.slack.outcomes.append(Refused("invalid_blocks"))

    @rule(worker=st.integers(0, 1))
    def a_bot_is_restarted(self, worker: int) -> None:
        self._run(self.bots[worker].store.close())
        self.bots[worker] = self._bot()

    @rule(seconds=st.sampled_from([1, 12, 50, 60, 331, 3600, 6 * 3600]), worker=st.integers(0, 1))
    def time_passes(self, seconds: int, worker: int) -> None:
        self.clock.forward(seconds=seconds)
        self._run(self.bots[worker].deliver())

    @rule(seat=st.sampled_from(SEATS), deed=st.sampled_from(DEEDS), worker=st.integers(0, 1))
    def click_alert(self, seat: str, deed: tuple[str, str], worker: int) -> None:
        bot, (action_id, choice) = self.bots[worker], deed
        self._run(bot.clicks(action_id, f"v1:{self._run(bot.episode_id(seat))}{choice}"))

    @rule(deed=st.sampled_from(["alert.ack", "alert.undo"]), worker=st.integers(0, 1))
    def click_digest(self, deed: str, worker: int) -> None:
        bot = self.bots[worker]
        digests = [row["id"] for row in self._run(bot.rows()) if row["kind"] == "digest" and row["ts"]]
        if digests:
            self._run(bot.clicks(deed, f"v1:batch:{digests[-1]}"))

    @invariant()
    def no_message_is_posted_twice(self) -> None:
        event_keys = Counter(
            event_key
            for posted in self.slack.posted
            for event_key in posted.metadata["event_payload"]["e"].split(",")
            if event_key
        )
        keys = Counter(posted.metadata["event_payload"]["k"] for posted in self.slack.posted)
        assert max(event_keys.values(), default=1) == max(keys.values(), default=1) == 1

    def teardown(self) -> None:
        """Repair Slack, and assert that every relevant event was posted once."""
        if hasattr(self, "runner"):
            try:
                self._end()
            finally:
                for bot in self.bots:
                    self._run(bot.store.close())
                self.runner.close()
                shutil.rmtree(self.folder)

    def _end(self) -> None:
        self.slack.outcomes.clear()
        for _ in range(8):  # a lost response takes two: the second lookup waits for the first
            self._poll(self.bots[0])
        self.no_message_is_posted_twice()
        for state, word in (("rejected", "ejected"), ("expired", "xpired")):
            posted = [one.message for one in self.slack.posted if word in one.message.text]
            told = "".join(f"{message.text}{message.blocks}" for message in posted)  # a small digest has rows
            assert [seat for seat in self._seats_in(state) if seat.capitalize() not in told] == []
        self._check_new_invitations()
        parents = [self.slack.text_now(posted.ts) for posted in self.slack.posted if posted.thread_ts is None]
        bound_now = [seat.capitalize() for seat, status in self.statuses.items() if status == "bound"]
        assert [text for text in parents for name in bound_now if text.startswith(f"Rejected: {name} ")] == []

    def _check_new_invitations(self) -> None:
        """Assert that no message shows a closed invitation as waiting."""
        over = set(SEATS) - {seat for seat in SEATS if self._waits(seat)}
        for posted in self.slack.posted:
            text = self.slack.text_now(posted.ts)
            if "new invitation is out" in text:
                assert [seat for seat in over if f"{seat.capitalize()} (" in text] == []

    def _waits(self, seat: str) -> bool:
        return self.statuses[seat] == "waiting" and NOW + LASTS[seat] > self.clock.now

    def _seats_in(self, state: str) -> list[str]:
        """Return the accounts whose state the last poll must have posted."""
        over = [seat for seat in SEATS if NOW + LASTS[seat] < self.clock.now - timedelta(minutes=10)]
        if state == "expired":
            return [seat for seat in over if self.statuses[seat] == "waiting"]
        return [seat for seat in SEATS if self.statuses[seat] == state]

    def _bot(self) -> Bot:
        store = Store.from_url(f"sqlite:///{Path(self.folder) / 'kf.db'}", APPID, clock=self.clock)
        return Bot(store, self.clock, self.slack)

    def _poll(self, bot: Bot) -> None:
        rows = []
        for seat, status in self.statuses.items():
            rows.append(bound(seat) if status == "bound" else self._invited(seat, status))
        self._run(bot.reads(*rows))

    def _invited(self, seat: str, status: str) -> KfAccount:
        wx = f"person_{self.invitations[seat]}"
        return invited(seat, wx=wx, status=status, expires_in=LASTS[seat])

    def _run(self, work):
        return self.runner.run(work)


TestNights = Nights.TestCase
TestNights.settings = settings(
    max_examples=share(5, 200),
    stateful_step_count=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
TestNights.pytestmark = [pytest.mark.model]
