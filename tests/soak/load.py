"""Users who type commands and click buttons, and the outcome of each interaction."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, cycle

from bot.demo.slack_simulator import Channel, Message, SlackSimulator, View
from bot.demo.slack_simulator.sent_messages import Invocation
from tests.crash.oracle import ChannelRecorder
from tests.samples import READING
from tests.soak.processes import Bots, MeasuredProcess

CARE = Channel("C0CARE", "care")
TEXTS = ("", "", "list", "list", "waiting", "expired", "find S7", "show kf7@harbour_tea", "status", "help", "hlep")
READERS = tuple(f"U0READ{number}" for number in range(30))  # people who open details, one after the other
FOLLOW_UPS = ("kf.page.next", "kf.page.prev", "kf.list", "kf.refresh", "kf.retry")
CLOSED_ALERTS = ("Rejected:", "Expired:")  # acknowledging these suppresses no later alert
ANSWER_TIMEOUT = 30.0  # seconds until an answer counts as missing
HANDLING_SECONDS = 12.0  # seconds that a command may take: a poll of WeChat within ten, then the post
ANSWERS_KEPT = 60.0  # seconds that Slack keeps an answer: longer than any interaction may take


@dataclass(slots=True)
class Interaction:
    """One command or click, and its outcome."""

    what: str
    by: MeasuredProcess | None = None  # the receiving bot; None: no bot was running
    ack_ms: float = 0.0
    failure: str | None = None  # the error that the user saw instead of an acknowledgement
    answered: float | None = None  # seconds
    wants_answer: bool = True
    repeated: int = 0  # further copies of the answer
    text: str = ""
    cut_off: bool = False  # the bot got SIGKILL while it handled this


@dataclass(frozen=True, slots=True)
class Load:
    """The rates of users' interactions."""

    rate: float = 20.0  # commands a second
    burst: int = 200  # commands at once
    bursts_every: float = 30.0  # seconds
    alerts_every: float = 2.0  # seconds between clicks on alerts
    operations_every: float = 2.0  # seconds between forms of operators


@dataclass
class Users:
    """All users of one workspace."""

    slack: SlackSimulator
    bots: Bots
    channel: ChannelRecorder
    rng: random.Random
    interactions: list[Interaction] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _readers: Iterator[str] = field(default_factory=lambda: cycle(READERS))
    _sent: deque[tuple[float, Invocation, Interaction]] = field(default_factory=deque)

    async def run(self, load: Load) -> None:
        """Generate load until `stop`, and wait for the last answer."""
        async with asyncio.TaskGroup() as tasks:
            # At fixed intervals, so that a delay is not followed by a burst.
            for turn in count(1):
                if await self._stopped_within(1 / load.rate):
                    return
                tasks.create_task(self.use_command())
                if turn % round(load.bursts_every * load.rate) == 0:
                    for _ in range(load.burst):
                        tasks.create_task(self.use_command())
                if turn % round(load.alerts_every * load.rate) == 0:
                    tasks.create_task(self.click_alert())
                self.forget(ANSWERS_KEPT)

    def stop(self) -> None:
        """Start no new interaction."""
        self.stopping.set()

    async def _stopped_within(self, seconds: float) -> bool:
        """Wait for so many seconds, or until `stop`. Return whether it was called."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)
        return self.stopping.is_set()

    def find_bot(self) -> MeasuredProcess | None:
        """Direct the next request to the bot that receives commands now, and return it; None if there is none."""
        if self.bots.serving:
            self.slack.app_url = self.bots.serving.bot.slack_url
        return self.bots.serving

    async def use_command(self) -> None:
        """Send a command, wait for the answer, and sometimes click one of its buttons."""
        text = self.rng.choice(TEXTS)
        answer = await self._ask(Interaction(f"/kf {text}"), lambda: self.slack.command(text, channel=CARE.id))
        if answer and self.rng.random() < 0.2 and (turn := _offered(answer, *FOLLOW_UPS)):
            await self._ask(Interaction(f"click {turn}"), lambda: self.slack.click(answer, turn))

    async def click_alert(self) -> None:
        """Click a button of an alert."""
        roots = [first.ts for first in self.channel.posted if first.thread_ts is None]
        if not roots:
            return
        message = self.channel.current[self.rng.choice(roots[-30:])]
        if message.text.startswith(CLOSED_ALERTS) and self.rng.random() < 0.5:
            act = _offered(message, "alert.ack", "alert.undo")
            interaction = Interaction(f"click {act}", wants_answer=False)
            if act:
                await self._ask(interaction, lambda: self.slack.click(message, act, user="U0TOM"))
        elif act := _offered(message, "alert.details"):
            reader = next(self._readers)
            await self._ask(
                Interaction(f"click {act}"), lambda: self.slack.click(message, act, user=reader), modal_of=reader
            )

    def forget(self, seconds: float) -> None:
        """Remove older interactions from Slack, and count the answers after the first."""
        slack, until = self.slack, time.monotonic() - seconds
        while self._sent and self._sent[0][0] <= until:
            _, said, interaction = self._sent.popleft()
            late = said.answers()
            interaction.repeated += len(late)
            slack.response_urls.pop(str(said.payload["response_url"]).rpartition("/")[2], None)
        for ts in [ts for ts in slack.ephemerals if float(ts) < time.time() - seconds]:
            del slack.ephemerals[ts]
        slack.calls.clear()

    async def _ask(
        self, interaction: Interaction, send: Callable[[], Awaitable[Invocation]], *, modal_of: str = ""
    ) -> Message | None:
        """Send it to the bot that receives commands now, and wait for the answer.

        Args:
            modal_of: a person to whom a modal is the answer, too.
        """
        self.interactions.append(interaction)
        interaction.by = process = self.find_bot()
        if process is None:
            return None
        began, before = time.monotonic(), self.slack.views.visible(modal_of)
        said = await send()
        self._sent.append((time.monotonic(), said, interaction))
        interaction.ack_ms, interaction.failure = said.ack.ms, said.ack.failure
        answer = None
        if not said.ack.failure:
            with suppress(TimeoutError):
                if modal_of:
                    answer = await self._modal_or_answer(said, modal_of, before)
                else:
                    answer = await said.answer(ANSWER_TIMEOUT if interaction.wants_answer else 0.01)
                if answer.text == READING.text:
                    answer = await said.answer(ANSWER_TIMEOUT)
        if answer:
            interaction.answered, interaction.text = time.monotonic() - began, answer.text
        interaction.cut_off = process.killed_at is not None and process.killed_at < began + HANDLING_SECONDS
        return answer

    async def _modal_or_answer(self, said: Invocation, user: str, before: View | None) -> Message:
        """Wait for the modal of a person, or for a message if Slack did not open it."""
        async with asyncio.timeout(ANSWER_TIMEOUT):
            while True:
                view = self.slack.views.visible(user)
                if view and (before is None or view.id != before.id):
                    return Message(CARE.id, "", user, view.title)
                if answers := said.answers():
                    return answers[0]
                await asyncio.sleep(0.02)


def _offered(message: Message, *action_ids: str) -> str:
    """Return the first of these buttons that a message has, or ""."""
    shown = {
        element.get("action_id")
        for block in message.blocks
        for element in (block.get("accessory", {}), *block.get("elements", ()))
        if isinstance(element, dict)
    }
    return next((one for one in action_ids if one in shown), "")
