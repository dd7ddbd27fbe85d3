"""Polls of an unchanged list are not evaluated, and the states and messages are the same as if they were."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bot.alerting.episode import AlertPolicy
from bot.alerting.rows_digest import EVALUATED_EVERY, rows_digest
from bot.store.database import Store
from bot.store.tables import emitted_event, episode, message, poll_state
from bot.watcher.poller import Tick
from tests.accounts import account, bound, invited
from tests.bots import Bot
from tests.budgets import share
from tests.conftest import APPID, NOW, VirtualClock
from wechat_kf import Invitation, KfAccount, QuotaError

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLL = timedelta(seconds=331)
POLICY = AlertPolicy()
# Without the lists that were not evaluated, and without the schedule, which is theirs too.
TABLES = (episode, emitted_event, message, poll_state)
LEFT_OUT = {"rows_digest", "evaluated_at", "idle"}

SEATS = ("bo", "chen", "dee")
STATUSES = ("waiting", "short", "rejected", "expired", "bound", "free", "gone")


def row(seat: str, status: str) -> KfAccount | None:
    match status:
        case "gone":
            return None
        case "free":
            return account(seat)
        case "bound":
            return bound(seat)
        case "short":
            return invited(seat, expires_in=5 * HOUR)
    return invited(seat, status=status)


class Pair:
    """Two bots that see the same. One evaluates every list."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.clocks = [VirtualClock() for _ in urls]
        self.stores = [
            Store.from_url(url, APPID, clock=clock) for url, clock in zip(urls, self.clocks, strict=True)
        ]
        self.quick, self.thorough = map(Bot, self.stores, self.clocks)
        self.statuses = dict.fromkeys(SEATS, "free")
        self.ticks = Counter[Tick]()

    @property
    def bots(self) -> tuple[Bot, Bot]:
        return self.quick, self.thorough

    def forward(self, span: timedelta) -> None:
        for clock in self.clocks:
            clock.now += span

    async def close(self) -> None:
        for store in self.stores:
            await store.close()

    async def poll(self, times: int = 1) -> None:
        listed = tuple(found for seat, status in self.statuses.items() if (found := row(seat, status)))
        for _ in range(times):
            self.forward(POLL)
            async with self.thorough.store.begin() as tx:
                await tx.run(sa.update(poll_state).values(rows_digest=None))
            for bot in self.bots:
                bot.wechat.listed = listed
                self.ticks[await bot.watcher.tick()] += bot is self.quick
                await bot.delivery.run()

    async def act(self, step: str, seat: str) -> None:
        for bot in self.bots:
            match step:
                case "down":
                    bot.wechat.go_down()
                case "quota":
                    bot.wechat.error = QuotaError(45009, "reach max api daily quota limit")
                case "up":
                    bot.wechat.come_back()
                case "partial":
                    bot.wechat.unreadable = 1 - bot.wechat.unreadable
                case "skewed":
                    bot.wechat.clock = lambda clock=bot.clock: clock() - HOUR
                case "in time":
                    bot.wechat.clock = bot.clock
                case "ack" | "snooze":
                    choice = ":1h" if step == "snooze" else ""
                    async with bot.store.begin() as tx:
                        query = sa.select(episode.c.id).where(episode.c.kf_nick == seat.capitalize())
                        ids = (await tx.run(query.order_by(episode.c.first_seen.desc()))).scalars().all()
                    if ids:
                        await bot.clicks(f"alert.{step}", f"v1:{ids[0]}{choice}")

    async def assert_equal(self) -> None:
        first, second = [await self._rows(bot) for bot in self.bots]
        assert first == second
        shown = [[bot.slack.text_now(one.ts) for one in bot.slack.posted] for bot in self.bots]
        assert shown[0] == shown[1]

    async def _rows(self, bot: Bot) -> list[list[dict[str, object]]]:
        found = []
        async with bot.store.begin() as tx:
            for table in TABLES:
                columns = [column for column in table.c if column.name not in LEFT_OUT]
                rows = (await tx.run(sa.select(*columns).order_by(*table.primary_key))).mappings().all()
                found.append([dict(one) for one in rows])
        return found


ACTS = ("down", "quota", "up", "partial", "skewed", "in time", "ack", "snooze")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("poll"), st.integers(1, 5)),
        st.tuples(st.sampled_from(SEATS), st.sampled_from(STATUSES)),
        st.tuples(st.sampled_from(ACTS), st.sampled_from(SEATS)),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 1, 4, 20])),
    ),
    min_size=4,
    max_size=14,
)


@pytest.mark.model
@settings(max_examples=share(5, 150), deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(steps=STEPS)
def test_histories_with_and_without_the_digest_are_the_same(migrated_sqlite, tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("pair")
    paths = [shutil.copy(migrated_sqlite, folder / name) for name in ("quick.db", "thorough.db")]

    async def play() -> None:
        pair = Pair([f"sqlite:///{path}" for path in paths])
        try:
            await pair.poll(4)
            for name, value in steps:
                if name in SEATS:
                    pair.statuses[name] = value
                elif name == "wait":
                    pair.forward(value * HOUR)
                elif name != "poll":
                    await pair.act(name, value)
                await pair.poll(value if name == "poll" else 1)
                await pair.assert_equal()
        finally:
            await pair.close()

    asyncio.run(play())


@pytest.fixture
async def bot(store, clock):
    bot = Bot(store, clock)
    bot.wechat.listed = (bound("anna"), invited("bo"))
    return bot


async def polls(bot: Bot, times: int = 1) -> list[Tick]:
    ticks = []
    for _ in range(times):
        bot.clock.now += POLL
        ticks.append(await bot.watcher.tick())
    return ticks


@pytest.mark.both_stores
async def test_list_is_not_evaluated_again_after_an_evaluation_that_changed_nothing(bot):
    # The first poll is new, and the second ends the count of good ones.
    assert await polls(bot, 5) == [Tick.GOOD] * 3 + [Tick.UNCHANGED] * 2
    async with bot.store.begin() as tx:
        (row,) = (await tx.run(sa.select(poll_state))).mappings()
    assert (row["last_read_at"], row["polled_at"], row["evaluated_at"]) == (bot.clock(),) * 3
    assert (row["next_poll_at"], row["due_at"], row["poll_wait"]) == (
        bot.clock() + timedelta(seconds=300),
        None,
        300,
    )


@pytest.mark.both_stores
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE poll_state SET failed_polls = 1",
        "UPDATE poll_state SET good_polls = 1",
        "UPDATE poll_state SET skewed_polls = 1",
        "UPDATE poll_state SET rows_digest = NULL",
        "UPDATE poll_state SET evaluated_at = NULL",  # an earlier release has polled
        "UPDATE episode SET next_timer_at = first_seen",
    ],
)
async def test_list_is_evaluated_if_the_store_is_not_as_it_was(bot, statement):
    await polls(bot, 4)
    async with bot.store.begin() as tx:
        await tx.run(sa.text(statement))
    assert await polls(bot) == [Tick.GOOD]


async def test_list_with_a_row_that_cannot_be_read_is_evaluated(bot):
    await polls(bot, 4)
    bot.wechat.unreadable = 1
    assert await polls(bot) == [Tick.GOOD]


async def test_list_is_evaluated_if_a_clock_is_wrong(bot):
    await polls(bot, 4)
    bot.wechat.clock = lambda: bot.clock() - HOUR
    assert await polls(bot) == [Tick.GOOD]
    bot.wechat.clock = None
    assert await polls(bot, 3) == [Tick.GOOD] * 3  # a response without a time does not end the problem
    bot.wechat.clock = bot.clock
    assert await polls(bot, 3) == [Tick.GOOD, Tick.GOOD, Tick.UNCHANGED]


async def test_list_is_evaluated_after_a_person_has_acted_on_an_invitation(bot):
    await polls(bot, 4)
    await bot.clicks("alert.ack", f"v1:{await bot.episode_id()}")
    assert await polls(bot, 2) == [Tick.GOOD, Tick.UNCHANGED]


def digest(*accounts: KfAccount, policy: AlertPolicy = POLICY, appid: str = APPID, after: float = 0) -> str:
    return rows_digest(accounts, policy, appid, NOW + timedelta(seconds=after))


@pytest.mark.parametrize(
    "changes",
    [
        {"kf_account": "other@harbour_tea"},
        {"kf_nick": "Other"},
        {"kf_id": "2002"},
        {"kf_wx": "someone"},
        {"kf_openid": "o-1"},
        {"invitation": None},
        {"invitation": Invitation("other", "waiting", NOW)},
        {"invitation": Invitation("bo_example", "rejected", NOW)},
        {"invitation": Invitation("bo_example", "waiting", None)},
    ],
    ids=str,
)
def test_digest_depends_on_each_field_that_the_rules_read(changes):
    one = invited("bo", expires_in=timedelta(0))
    assert digest(one) == digest(invited("bo", expires_in=timedelta(0), kf_headimgurl="https://example/new"))
    assert digest(one) != digest(replace(one, **changes))


def test_digest_depends_on_the_order_the_policy_and_the_hour():
    one, other = invited("bo"), invited("chen")
    assert digest(one, other) != digest(other, one)
    assert digest(one) != digest(one, policy=replace(POLICY, leads=(HOUR,)))
    assert digest(one) != digest(one, after=EVALUATED_EVERY)
    hours = [tuple(digest(one, appid=appid, after=60 * minute) for minute in range(60)) for appid in ("wx1", "wx2")]
    new_at = [next(minute for minute, one in enumerate(each) if one != each[0]) for each in hours]
    assert new_at[0] != new_at[1]


def test_digest_takes_text_that_is_no_unicode():
    assert digest(invited("b\udfffo")) != digest(invited("bo"))
