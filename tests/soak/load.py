"""People who type commands and press buttons, and a note of what came of each."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from bot.blocks.answers.replies import READING
from bot.demo.slack import Channel, Message, SlackStandIn
from bot.demo.slack.outbox import Invocation
from tests.crash.oracle import Board
from tests.soak.processes import Fleet, Member

CARE = Channel("C0CARE", "care")
TEXTS = ("", "", "list", "list", "waiting", "expired", "find S7", "show kf7@harbour_tea", "status", "help", "hlep")
TURNS = ("kf.page.next", "kf.page.prev", "kf.list", "kf.refresh", "kf.retry")
CALM = ("Rejected:", "Expired:")  # to acknowledge these holds nothing back that is still to be told
PATIENCE = 30.0  # seconds until an answer counts as missing
IN_HAND = 12.0  # seconds that a bot may have a command in hand: a read of WeChat within ten, then the post
KEPT = 60.0  # seconds that Slack remembers an answer: longer than anything of ours may take


@dataclass(slots=True)
class Asked:
    """One command or click, and what came of it."""

    what: str
    by: Member | None = None  # who was asked; None: nobody listened
    ack_ms: float = 0.0
    failure: str | None = None  # the word that the person read instead of an acknowledgement
    answered: float | None = None  # seconds
    wants_answer: bool = True
    repeated: int = 0  # further answers of the same
    text: str = ""
    cut_off: bool = False  # whoever was asked got SIGKILL while it had this in hand


@dataclass(frozen=True, slots=True)
class Load:
    """How much people ask."""

    rate: float = 20.0  # commands a second
    burst: int = 200  # commands at once,
    bursts_every: float = 30.0  # seconds
    alerts_every: float = 2.0  # seconds between clicks on alerts


@dataclass
class People:
    """All of them; they use one workspace."""

    slack: SlackStandIn
    fleet: Fleet
    board: Board
    rng: random.Random
    asked: list[Asked] = field(default_factory=list)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _kept: deque[tuple[float, Invocation, Asked]] = field(default_factory=deque)

    async def crowd(self, load: Load) -> None:
        """Ask until `leave`, and wait for the last answer."""
        async with asyncio.TaskGroup() as tasks:
            # A second is cut into turns, so that what is late is not made up for in a burst.
            for turn in count(1):
                if await self._left(1 / load.rate):
                    return
                tasks.create_task(self.one())
                if turn % round(load.bursts_every * load.rate) == 0:
                    for _ in range(load.burst):
                        tasks.create_task(self.one())
                if turn % round(load.alerts_every * load.rate) == 0:
                    tasks.create_task(self.look_at_an_alert())
                self.forget(KEPT)

    def leave(self) -> None:
        """Nobody asks anything new."""
        self._leaving.set()

    async def _left(self, seconds: float) -> bool:
        """Wait, at the longest until everybody leaves. Did they?"""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._leaving.wait(), seconds)
        return self._leaving.is_set()

    async def one(self) -> None:
        """A person types a command, reads the answer, and perhaps presses one of its buttons."""
        text = self.rng.choice(TEXTS)
        answer = await self._ask(Asked(f"/kf {text}"), lambda: self.slack.command(text, channel=CARE.id))
        if answer and self.rng.random() < 0.2 and (turn := _offered(answer, *TURNS)):
            await self._ask(Asked(f"click {turn}"), lambda: self.slack.click(answer, turn))

    async def look_at_an_alert(self) -> None:
        """A person presses a button of an alert."""
        roots = [first.ts for first in self.board.posted if first.thread_ts is None]
        if not roots:
            return
        message = self.board.present[self.rng.choice(roots[-30:])]
        if message.text.startswith(CALM) and self.rng.random() < 0.5:
            act = _offered(message, "alert.ack", "alert.undo")
            asked = Asked(f"click {act}", wants_answer=False)
        else:
            act = _offered(message, "alert.details")
            asked = Asked(f"click {act}")
        if act:
            await self._ask(asked, lambda: self.slack.click(message, act, user="U0TOM"))

    def forget(self, seconds: float) -> None:
        """Let Slack forget what is older, and note what came of it after the first answer."""
        slack, until = self.slack, time.monotonic() - seconds
        while self._kept and self._kept[0][0] <= until:
            _, said, asked = self._kept.popleft()
            late = said.answers()
            asked.repeated += len(late)
            slack.response_urls.pop(str(said.payload["response_url"]).rpartition("/")[2], None)
        for ts in [ts for ts in slack.ephemerals if float(ts) < time.time() - seconds]:
            del slack.ephemerals[ts]
        slack.calls.clear()

    async def _ask(self, asked: Asked, send: Callable[[], Awaitable[Invocation]]) -> Message | None:
        """Send it to whoever takes commands now, and wait for the answer."""
        self.asked.append(asked)
        asked.by = member = self.fleet.serving
        if member is None:
            return None
        self.slack.app_url = member.bot.slack_url  # read before anything else can run
        began = time.monotonic()
        said = await send()
        self._kept.append((time.monotonic(), said, asked))
        asked.ack_ms, asked.failure = said.ack.ms, said.ack.failure
        answer = None
        if not said.ack.failure:
            with suppress(TimeoutError):
                answer = await said.answer(PATIENCE if asked.wants_answer else 0.01)
                if answer.text == READING.text:
                    answer = await said.answer(PATIENCE)
        if answer:
            asked.answered, asked.text = time.monotonic() - began, answer.text
        asked.cut_off = member.killed_at is not None and member.killed_at < began + IN_HAND
        return answer


def _offered(message: Message, *action_ids: str) -> str:
    """The first of these buttons that a message shows; "" for none."""
    shown = {
        element.get("action_id")
        for block in message.blocks
        for element in (block.get("accessory", {}), *block.get("elements", ()))
        if isinstance(element, dict)
    }
    return next((one for one in action_ids if one in shown), "")
