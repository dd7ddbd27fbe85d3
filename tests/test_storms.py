"""Overlapping storms: digests, and messages about their members, while the outcome of a digest is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from bot.alerting.episode import AlertPolicy
from bot.outbox.messages import MessageKind
from bot.ports import HistoryUnreadable, Outcome, OutcomeUnknown, Refused, RetryLater, Unlisted
from bot.store.database import Store
from tests.accounts import bound, invited
from tests.bots import Bot
from tests.conftest import VirtualClock
from tests.fakes import LOST
from tests.test_quiet_hours import CARE, LOUD_NIGHT, Night, at, night_of, until
from wechat_kf import KfAccount

pytestmark = pytest.mark.story

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
WAITS, NEVER_ARRIVED, BLINDFOLD = (
    RetryLater(900, "ratelimited"),
    OutcomeUnknown("TimeoutError"),
    OutcomeUnknown("no answer"),
)
SEVEN = [f"kf{number}" for number in range(7)]
TWELVE = [f"kf{number}" for number in range(12)]  # more than a digest has rows for


class Storm(Bot):
    """Seven invitations that all expire in a day."""

    async def sees(self, *accounts: KfAccount, after: timedelta) -> None:
        """Poll WeChat with these accounts after a while, and deliver what may be sent."""
        await self.watcher.make_due()
        await self.reads(*accounts, after=after)

    async def breaks(self, outcome: Outcome, names: Sequence[str] = SEVEN) -> None:
        """Let the first reminder of all of them come due, with this outcome of its post."""
        await self.reads(*map(day, names), after=timedelta(0))
        self.slack.outcomes = [outcome] * (2 if isinstance(outcome, Unlisted) else 1)  # as text, too
        await self.reads(*map(day, names), after=HOUR + MINUTE)

    async def lets_all_out(self) -> None:
        self.clock.now += 20 * MINUTE
        await self.deliver()
        await self.waits_out_a_lease()
        await self.deliver()

    @property
    def parents(self) -> list[str]:
        """Return the first line of each parent message, as it was posted."""
        return [post.message.text.split(".")[0] for post in self.slack.posted if post.thread_ts is None]

    @property
    def named(self) -> list[str]:
        """Return every person whom the threads name, one word each."""
        lines = [post.message.text for post in self.slack.posted if post.thread_ts]
        return sorted(word for line in lines for word in line.split() if word.startswith("Kf"))


def day(name: str, status: str = "waiting") -> KfAccount:
    return invited(name, status=status, expires_in=25 * HOUR)


def tomorrow(name: str, status: str = "waiting") -> KfAccount:
    """Return an invitation that expires a day after a quarter to ten in the evening."""
    return invited(name, status=status, expires_in=24.75 * HOUR, at=at("21:00"))


def declined(count: int, names: Sequence[str] = SEVEN) -> list[KfAccount]:
    """Return accounts of which this many were rejected and the others still wait."""
    return [day(name, "rejected" if place < count else "waiting") for place, name in enumerate(names)]


@pytest.fixture
def storm(store: Store, clock: VirtualClock) -> Storm:
    return Storm(store, clock, mention=CARE)


@pytest.mark.both_stores
@pytest.mark.parametrize("outcome", [WAITS, NEVER_ARRIVED], ids=["refused", "unknown"])
@pytest.mark.parametrize(
    ("count", "says"), [(7, "7 rejected"), (6, "6 rejected, 1 expiring")], ids=["all", "all but one"]
)
async def test_two_pending_storms_are_posted_as_one_digest(storm, outcome, count, says):
    await storm.breaks(outcome)
    await storm.sees(*declined(count), after=15 * SECOND)
    await storm.lets_all_out()
    assert storm.parents == [f"7 invitations changed at once: {says}"]
    assert storm.named == []  # the digest has a row for each


@pytest.mark.parametrize("outcome", [WAITS, NEVER_ARRIVED], ids=["refused", "unknown"])
@pytest.mark.parametrize(
    ("count", "says"), [(12, "12 rejected"), (11, "11 rejected, 1 expiring")], ids=["all", "all but one"]
)
async def test_thread_of_a_merged_digest_names_each_member_once(storm, outcome, count, says):
    await storm.breaks(outcome, TWELVE)
    await storm.sees(*declined(count, TWELVE), after=15 * SECOND)
    await storm.lets_all_out()
    assert storm.parents == [f"12 invitations changed at once: {says}"]
    assert storm.named == sorted(name.capitalize() for name in TWELVE)


async def test_merged_digest_is_the_only_one_updated(storm):
    await storm.breaks(WAITS)
    await storm.sees(*declined(6), after=15 * SECOND)
    await storm.lets_all_out()
    await storm.reads(*declined(6)[:-1], day(SEVEN[-1], "rejected"))
    (parent,) = [post for post in storm.slack.posted if post.thread_ts is None]
    assert storm.slack.posted[-1].thread_ts == parent.ts
    assert "7 rejected" in storm.slack.text_now(parent.ts)


async def test_digest_that_arrived_is_followed_by_the_next_one(storm):
    await storm.breaks(LOST)
    await storm.sees(*declined(7), after=15 * SECOND)
    assert storm.parents == ["7 invitations changed at once: 7 expiring"]
    await storm.waits_out_a_lease()
    await storm.lets_all_out()
    assert storm.parents[1:] == ["7 invitations changed at once: 7 rejected"]


class LateHour(Storm):
    """A policy whose two reminders are a minute apart; one of the seven expires a little before the others."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        super().__init__(store, clock, policy=AlertPolicy(leads=(HOUR + MINUTE, HOUR)), mention=CARE)

    async def breaks(self, outcome: Outcome, names: Sequence[str] = SEVEN) -> None:
        await self.reads(*late(names=names), after=timedelta(0))
        self.slack.outcomes = [outcome] * (2 if isinstance(outcome, Unlisted) else 1)  # as text, too
        await self.sees(*late(names=names), after=59 * MINUTE)
        await self.sees(*late(names=names), after=20 * SECOND)  # an hour is left for the one


def late(others: str = "waiting", names: Sequence[str] = SEVEN) -> list[KfAccount]:
    """Return the late accounts: the last one, which expires first, and the others, which have this status."""
    last = invited(names[-1], expires_in=2 * HOUR - 45 * SECOND)
    return [*(invited(name, status=others, expires_in=2 * HOUR) for name in names[:-1]), last]


@pytest.fixture
def hour(store: Store, clock: VirtualClock) -> LateHour:
    return LateHour(store, clock)


async def test_last_reminder_waits_until_it_is_known_whether_the_digest_arrived(hour):
    await hour.breaks(NEVER_ARRIVED)
    assert hour.parents == []
    await hour.waits_out_a_lease()
    assert hour.parents == ["7 invitations changed at once: 7 expiring"]
    assert [row["reason"] for row in await hour.rows() if row["kind"] == MessageKind.ALERT] == ["told by another"]


async def test_last_reminder_follows_a_digest_that_had_arrived(hour):
    await hour.breaks(LOST)
    assert len(hour.parents) == 1
    await hour.waits_out_a_lease()
    assert hour.parents[1:] == ["Expiring: Kf6 (kf6@harbour_tea), less than 1 h left, until Mon 23 Nov 03:11 UTC"]


async def test_last_reminder_waits_a_limited_time_for_an_unreadable_history(hour):
    await hour.breaks(NEVER_ARRIVED)
    hour.slack.unreadable = [BLINDFOLD] * 1000
    began = hour.clock()
    while not hour.parents and hour.clock() < began + HOUR:
        hour.clock.forward(seconds=1)
        await hour.deliver()
    assert [parent.split(",")[0] for parent in hour.parents] == ["Expiring: Kf6 (kf6@harbour_tea)"]
    assert 2 * MINUTE < hour.clock() - began < 4 * MINUTE


async def test_last_reminder_yields_to_a_digest_that_merges_another(hour):
    await hour.breaks(WAITS)
    await hour.sees(*late("rejected"), after=10 * SECOND)
    await hour.lets_all_out()
    assert hour.parents == ["7 invitations changed at once: 1 expiring, 6 rejected"]


async def test_covered_messages_of_a_digest_pass_to_the_digest_that_merges_it(store, clock):
    leads = (HOUR + 2 * MINUTE, HOUR + MINUTE, HOUR)
    bot = Storm(store, clock, policy=AlertPolicy(leads=leads), mention=CARE)
    await bot.reads(*late(), after=timedelta(0))
    bot.slack.outcomes = [Unlisted("a_word_of_tomorrow")] * 2
    await bot.sees(*late(), after=57.5 * MINUTE)  # of the one, which goes behind everything else
    await bot.sees(*late(), after=1.6 * MINUTE)  # of all seven
    await bot.sees(*late("rejected"), after=5 * SECOND)  # of the six, before everything else
    await bot.lets_all_out()
    assert bot.parents == ["7 invitations changed at once: 6 rejected, 1 expiring"]


@pytest.mark.parametrize("outcome", [WAITS, NEVER_ARRIVED], ids=["refused", "unknown"])
async def test_storm_in_parts_is_posted_by_the_digest_that_overlaps_each_part(store, clock, outcome):
    twelve = [f"kf{number}" for number in range(12)]
    bot = Storm(store, clock, mention=CARE)
    await bot.reads(*map(day, twelve), after=timedelta(0))
    bot.slack.outcomes = [outcome]
    await bot.reads(*map(day, twelve), after=HOUR + MINUTE)
    half = [day(name, "rejected" if place < 6 else "waiting") for place, name in enumerate(twelve)]
    await bot.sees(*half, after=10 * SECOND)
    await bot.sees(*(day(name, "rejected") for name in twelve), after=10 * SECOND)
    await bot.lets_all_out()
    assert bot.parents == ["12 invitations changed at once: 12 rejected"]
    assert bot.named == sorted(name.capitalize() for name in twelve)


@pytest.mark.both_stores
async def test_refused_digest_restores_its_covered_messages(hour):
    await hour.breaks(WAITS)
    hour.slack.outcomes = [Refused("invalid_blocks"), Refused("no_text")]
    await hour.lets_all_out()
    assert [parent.split(",")[0] for parent in hour.parents] == ["Expiring: Kf6 (kf6@harbour_tea)"]
    assert ("dead", "refused") in await hour.statuses()


async def test_digest_is_as_urgent_as_its_covered_last_reminder(hour):
    await hour.breaks(WAITS)
    hour.slack.unreadable = [HistoryUnreadable("missing_scope")]
    hour.slack.outcomes = [NEVER_ARRIVED]
    await hour.lets_all_out()
    hour.clock.now += 20 * MINUTE
    await hour.deliver()
    assert hour.parents == ["7 invitations changed at once: 7 expiring"]
    assert "Possible repeat" in str(hour.slack.posted[0].message.blocks)


@pytest.mark.both_stores
@pytest.mark.parametrize(
    ("count", "says"),
    [
        (7, ["7 invitations changed at once: 7 rejected"]),
        (
            6,
            [
                "6 invitations changed at once: 6 rejected",
                f"{CARE} 7 invitations changed at once: 6 rejected, 1 expiring",  # as text
            ],
        ),
    ],
    ids=["all", "all but one"],
)
async def test_refused_digest_does_not_drop_another(storm, count, says):
    await storm.breaks(Unlisted("a_word_of_tomorrow"))
    await storm.sees(*declined(count), after=10 * SECOND)
    await storm.lets_all_out()
    assert storm.parents == says


async def test_refused_digest_covers_no_messages(hour):
    hour.slack.refuses = "7 invitations"
    await hour.breaks(Unlisted("a_word_of_tomorrow"))
    await hour.lets_all_out()
    assert [parent.split(",")[0] for parent in hour.parents] == ["Expiring: Kf6 (kf6@harbour_tea)"]


async def test_refused_digest_restores_its_merged_messages(hour):
    await hour.breaks(WAITS)
    await hour.sees(*late("rejected"), after=10 * SECOND)
    hour.slack.outcomes = [Refused("invalid_blocks"), Refused("no_text")]
    await hour.lets_all_out()
    assert [parent.split(",")[0] for parent in hour.parents] == [
        "Expiring: Kf6 (kf6@harbour_tea)",
        "6 invitations changed at once: 6 rejected",
    ]


async def test_digest_that_a_refused_one_gives_back_names_its_members_in_its_thread(hour):
    await hour.breaks(WAITS, TWELVE)
    await hour.sees(*late("rejected", TWELVE), after=10 * SECOND)
    hour.slack.outcomes = [Refused("invalid_blocks"), Refused("no_text")]
    await hour.lets_all_out()
    assert [parent.split(",")[0] for parent in hour.parents] == [
        "Expiring: Kf11 (kf11@harbour_tea)",
        "11 invitations changed at once: 11 rejected",
    ]
    assert hour.named == sorted(name.capitalize() for name in TWELVE[:-1])


async def test_pending_message_was_not_attempted(hour):
    await hour.breaks(NEVER_ARRIVED)
    hour.slack.unreadable = [BLINDFOLD] * 2
    for _ in range(20):
        hour.clock.forward(seconds=1)
        await hour.deliver()
    assert [row["post_attempts"] for row in await hour.rows() if row["kind"] == MessageKind.ALERT] == [0]


async def assert_summary(night: Night, accounts: list[KfAccount]) -> None:
    """Assert that one message shows all seven."""
    await night.sees("08:00", *accounts)
    night.clock.forward(minutes=2)
    await night.deliver()
    (parent,) = night.slack.posted
    assert parent.message.text.startswith("While it was quiet: 7 need attention")


@pytest.mark.parametrize("extra", [0, 1], ids=["the same", "one more"])
async def test_pending_evening_digest_is_merged_into_the_quiet_summary(
    store: Store, clock: VirtualClock, extra: int
):
    night: Night = await night_of(store, clock)
    names = SEVEN[: 7 - extra]
    await night.sees("21:30", *(tomorrow(name) for name in SEVEN))
    night.slack.outcomes = [RetryLater(1200, "ratelimited")]
    await night.sees("21:50", *(tomorrow(name) for name in SEVEN))
    late = [tomorrow(name, "rejected" if name in names else "waiting") for name in SEVEN]
    await night.sees("23:00", *late)
    await assert_summary(night, late)


@pytest.mark.both_stores
@pytest.mark.parametrize("wait", [1200, 36000], ids=["for minutes", "all night"])
async def test_urgent_evening_digest_waits_for_the_quiet_summary_that_merges_it(
    store: Store, clock: VirtualClock, wait: int
):
    night: Night = await night_of(store, clock)
    seven = [until(name, "22:40") for name in SEVEN]
    await night.sees("21:30", *seven)
    night.slack.outcomes = [RetryLater(wait, "ratelimited")]
    await night.sees("21:45", *seven)
    await night.sees("23:00", *seven)
    await assert_summary(night, seven)


async def test_breakthrough_message_merges_messages_pending_before_quiet_hours(store: Store, clock: VirtualClock):
    night: Night = await night_of(store, clock, LOUD_NIGHT)
    seven = [until(name, "03:50") for name in SEVEN]
    await night.sees("21:30", *seven)
    night.slack.outcomes = [RetryLater(4 * 3600, "ratelimited")]
    for hour in ("21:51", "22:10", "02:00", "02:51"):
        await night.sees(hour, *seven)
    (parent,) = [post for post in night.slack.posted if post.thread_ts is None]
    assert "7 expiring" in parent.message.text
    await night.sees("03:00", *map(bound, SEVEN))
    await night.sees("08:00", *map(bound, SEVEN))
    assert [post for post in night.slack.posted if post.thread_ts is None] == [parent]
