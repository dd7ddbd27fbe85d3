"""The bot killed at every boundary: before and after each commit, before and after each request to Slack.

One night's story is played again and again, and each time the process dies at another boundary; a new one goes on.
"""

from __future__ import annotations

import copy
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.ports import Outcome
from bot.store.database import Store, Tx
from tests.accounts import bound, invited
from tests.bots import Bot, rejected
from tests.budgets import share
from tests.conftest import APPID, NOW, VirtualClock
from tests.fakes import LOST, FakeChannel

pytestmark = pytest.mark.model

HOUR = timedelta(hours=1)
SOON = invited("bo", expires_in=25 * HOUR)
# WeChat's response, and how much later.
STORY = (
    (timedelta(0), (bound("anna"), SOON, invited("chen"))),
    (2 * HOUR, (bound("anna"), SOON, rejected("chen"))),
    (22.5 * HOUR, (bound("anna"), SOON, rejected("chen"))),
    (HOUR, (bound("anna"), SOON, bound("chen"))),
)
# By its first words, the place of each message that the story must leave behind, each exactly once.
EXPECTED = Counter(
    {"Expiring root": 1, "Expiring broadcast": 1, "Rejected root": 1, "Expired broadcast": 1, "Bound line": 1}
)


class KilledError(BaseException):
    """The process is gone. Nothing in the bot may catch it."""


class Fate:
    """Counts boundaries, and kills at one of them."""

    def __init__(self, deadly: int = -1) -> None:
        self.deadly = deadly
        self.passed: list[str] = []

    def boundary(self, name: str) -> None:
        self.passed.append(name)
        if len(self.passed) - 1 == self.deadly:
            raise KilledError(name)


class MortalStore(Store):
    fate = Fate()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        async with super().begin() as tx:
            yield tx
            if tx.written:  # a kill around a mere read changes nothing
                self.fate.boundary("before a commit")
        if tx.written:
            self.fate.boundary("after a commit")


class MortalChannel(FakeChannel):
    """Channel that accepts every message; with `drops` the response is lost."""

    fate = Fate()
    drops: Callable[[int], bool] = staticmethod(lambda attempt: False)

    async def post(self, *args: Any, **rest: Any) -> Outcome:
        self.fate.boundary("before a post")
        if self.drops(self.attempts):
            self.outcomes = [LOST]
        outcome = await super().post(*args, **rest)
        self.fate.boundary("after a post")
        return outcome

    async def update(self, *args: Any, **rest: Any) -> Outcome:
        self.fate.boundary("before an edit")
        outcome = await super().update(*args, **rest)
        self.fate.boundary("after an edit")
        return outcome

    async def history(self, **rest: Any) -> Any:
        self.fate.boundary("before a look")
        page = await super().history(**rest)
        self.fate.boundary("after a look")
        return page


@dataclass(frozen=True)
class Checkpoint:
    """The state before a step of the story, from which the rest can be replayed."""

    step: int = 0
    passed: int = 0  # boundaries
    slack: MortalChannel | None = None
    now: datetime = NOW
    file: Path | None = None  # a copy of the SQLite store; None for a store without episodes


Save = Callable[[int, VirtualClock, MortalChannel], Awaitable[None]]


async def play(
    url: str, fate: Fate, drops: Callable[[int], bool], start: Checkpoint = Checkpoint(), save: Save | None = None
) -> MortalChannel:
    """Play the story from `start` to a bot, and to a second one if it is killed. Return the channel at the end.

    `save` is called before each step, while no transaction is open.
    """
    clock = VirtualClock(start.now)
    slack = MortalChannel(clock=clock) if start.slack is None else copy.copy(start.slack)
    slack.clock, slack.fate, slack.drops = clock, fate, drops
    slack.posted, slack.edited = list(slack.posted), list(slack.edited)
    store = MortalStore.from_url(url, APPID, clock=clock)
    store.migrated = True
    store.fate = fate
    bot = Bot(store, clock, slack)
    for step, (later, accounts) in enumerate(STORY[start.step :], start.step):
        if save:
            await save(step, clock, slack)
        clock.now += later
        bot.wechat.listed = accounts
        try:
            await lives(bot)
        except KilledError:
            bot = Bot(store, clock, slack)
            bot.wechat.listed = accounts
            await lives(bot)
            await bot.waits_out_a_lease()
    await store.close()
    return slack


async def lives(bot: Bot) -> None:
    await bot.watcher.make_due()
    await bot.watcher.tick()
    await bot.deliver()
    await bot.waits_out_a_lease()


def standing(slack: FakeChannel) -> Counter[str]:
    def place(posted: Any) -> str:
        return "root" if posted.thread_ts is None else "broadcast" if posted.broadcast else "line"

    return Counter(f"{posted.message.text.split(':')[0]} {place(posted)}" for posted in slack.posted)


def as_edited(slack: FakeChannel) -> list[str]:
    """Return the messages as they are at the end, without when a change was noticed: a kill may delay that."""
    return sorted(re.sub(r"[Nn]oticed .*? UTC", "", slack.text_now(posted.ts)) for posted in slack.posted)


def posted_twice(slack: FakeChannel) -> list[str]:
    event_keys = Counter(
        key for posted in slack.posted for key in posted.metadata["event_payload"]["e"].split(",") if key
    )
    return [event_key for event_key, number in event_keys.items() if number > 1]


REPLIES = {
    "every reply arrives": lambda attempt: False,
    "every second reply is lost": lambda attempt: attempt % 2 == 0,
}


def some_of(boundaries: Sequence[str], every: int, first: int = 0) -> list[int]:
    """Return the numbers of the boundaries to kill at: one of so many, and the first of each kind."""
    return [
        number
        for number, kind in enumerate(boundaries)
        if number % every == first % every or kind not in boundaries[:number]
    ]


@pytest.mark.parametrize("replies", REPLIES)
async def test_each_message_is_posted_once_when_the_process_dies_at_any_boundary(
    migrated_sqlite, tmp_path, replies
):
    drops, path = REPLIES[replies], tmp_path / "kf.db"
    untouched, checkpoints = Fate(), list[Checkpoint]()

    async def save(step: int, clock: VirtualClock, slack: MortalChannel) -> None:
        file = tmp_path / f"{step}.db"
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(file)) as target:
            source.backup(target)
        kept = copy.copy(slack)
        kept.posted, kept.edited = list(slack.posted), list(slack.edited)
        checkpoints.append(Checkpoint(step, len(untouched.passed), kept, clock.now, file))

    shutil.copy(migrated_sqlite, path)
    undisturbed = await play(f"sqlite:///{path}", untouched, drops, save=save)
    assert standing(undisturbed) == EXPECTED
    # Other boundaries with each kind of reply: together, every tenth.
    for deadly in some_of(untouched.passed, every=share(20, 1), first=10 * [*REPLIES].index(replies)):
        # The steps before the kill are the same each time, so each replay starts at the step of its kill.
        start = max((one for one in checkpoints if one.passed <= deadly), key=lambda one: one.passed)
        for leftover in tmp_path.glob("kf.db*"):
            leftover.unlink()
        shutil.copy(start.file, path)
        slack = await play(f"sqlite:///{path}", Fate(deadly - start.passed), drops, start)
        where = f"killed at boundary {deadly}: {untouched.passed[deadly]}"
        assert (standing(slack), posted_twice(slack)) == (EXPECTED, []), where
        assert as_edited(slack) == as_edited(undisturbed), where
    assert {name.split()[-1] for name in untouched.passed} == {"commit", "post", "edit", "look"}


@pytest.mark.test_all  # the crash run of make test kills a process on PostgreSQL, too
async def test_each_message_is_posted_once_on_postgresql_too(migrated_database):
    untouched, url = Fate(), migrated_database.url
    try:
        await play(url, untouched, REPLIES["every second reply is lost"])
        for deadly in some_of(untouched.passed, every=3):
            migrated_database.restore()
            slack = await play(url, Fate(deadly), REPLIES["every second reply is lost"])
            assert (standing(slack), posted_twice(slack)) == (EXPECTED, []), f"killed at boundary {deadly}"
    finally:
        migrated_database.restore()
