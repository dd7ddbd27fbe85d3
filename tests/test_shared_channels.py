"""Several accounts in one channel: what they post at once is one message, for all of them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bot import actions
from bot.alerting.episode import AlertPolicy
from bot.alerting.quiet_hours import QuietHours
from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import NamedAccount, TenantLabel
from bot.delivery.backoffs import Backoffs
from bot.operations.operation import OperationKind
from bot.outbox import operation_messages
from bot.outbox.messages import ROWS, MessageKind
from bot.outbox.shared_channels import FIRST_RUN_WAIT, JOINS_WITHIN, MOST, WINDOW
from bot.ports import OutcomeUnknown, Refused, RetryLater
from bot.store import due, outbox, shared_channel_rows, stats, tenants
from bot.store.channels import BURST, WORKSPACE_GAP
from bot.store.database import Store
from bot.store.tables import message
from bot.store.tenants import StoredTenant
from bot.watcher.recovery import Recovery
from tests.accounts import bound, invited
from tests.bots import LEASE, Bot, rejected
from tests.conftest import VirtualClock
from tests.fakes import LOST, FakeChannel, Posted
from tests.operations import operation
from tests.test_kills import Fate, KilledError, MortalChannel, MortalStore
from wechat_kf import KfAccount

pytestmark = pytest.mark.story

MOST_BOUNDARIES = 6  # those of the digest
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Fleet:
    """The accounts of some channels, on one store, driven by hand."""

    def __init__(
        self,
        store: Store,
        clock: VirtualClock,
        *numbers: int,
        policies: Sequence[AlertPolicy] = (),
        slack: FakeChannel | None = None,
        backoffs: Backoffs | None = None,
    ) -> None:
        """Make a channel with so many accounts for each of the numbers. The first have these policies.

        Args:
            slack: the channel, if there is one.
        """
        self.clock = clock
        self.channels: list[FakeChannel] = []
        self.accounts: list[dict[str, NamedAccount]] = []
        self.bots: list[Bot] = []
        self.probing: dict[str, str] = {}  # by channel, the account that asks Slack about it
        for number in numbers:
            channel = slack or FakeChannel(clock=clock, id=f"C0{len(self.channels)}", mention="<!subteam^S1>")
            self.channels.append(channel)
            recovery = Recovery(channel, clock, lambda: clock().timestamp(), readers=number)
            accounts: dict[str, NamedAccount] = {}
            self.accounts.append(accounts)
            for one in range(number):
                policy = policies[one] if one < len(policies) else AlertPolicy()
                context = RenderContext(policy, mention="<!subteam^S1>")
                label = TenantLabel(f"wx{channel.id}-{one}", f"Brand {channel.id}-{one}")
                accounts[label.appid] = NamedAccount(label, context)
            self.probing[channel.id] = next(iter(accounts), "")
            for appid, named in accounts.items():
                of_account = store.of(appid, channel.id)
                self.bots.append(
                    Bot(
                        of_account,
                        clock,
                        channel,
                        recovery=recovery,
                        policy=named.context.policy,
                        mention="<!subteam^S1>",
                        label=named.label,
                        channel_accounts=accounts,
                        backoffs=backoffs or Backoffs(),
                    )
                )

    @property
    def slack(self) -> FakeChannel:
        return self.channels[0]

    async def polls(self, *accounts: KfAccount, bots: Iterable[Bot] | None = None) -> None:
        for bot in bots or self.bots:
            self.clock.forward(seconds=0.1)
            bot.wechat.listed = accounts
            await bot.watcher.make_due()
            await bot.watcher.tick()

    async def delivers(self, for_: timedelta) -> None:
        """Let the accounts that have something to deliver take their turns, as `AlertLoops` does."""
        end, rest = self.clock.now + for_, max(5.0, for_.total_seconds() / 10)
        while self.clock.now < end:
            async with self.bots[0].store.begin() as tx:
                appids = await due.to_deliver(tx, self.probing)
            pauses = [await bot.delivery.run() for bot in self.bots if bot.store.appid in appids]
            pause = min(filter(None, pauses), default=rest)
            self.clock.now = min(end, self.clock.now + timedelta(seconds=pause))


def parents(channel: FakeChannel) -> list[str]:
    return [one.message.text for one in channel.posted if one.thread_ts is None]


def keys_of(posted: Posted) -> list[str]:
    """Return the keys of the events that Slack keeps with a message."""
    return list(filter(None, posted.metadata["event_payload"]["e"].split(",")))


def replies(channel: FakeChannel) -> list[str]:
    return [one.message.text for one in channel.posted if one.thread_ts]


async def watching(
    store: Store, clock: VirtualClock, *numbers: int, invitations: Sequence[str] = ("bo",), **rest: Any
) -> Fleet:
    """Return a fleet whose accounts are watched, each with these invitations."""
    fleet = Fleet(store, clock, *numbers, **rest)
    await store.open()
    await fleet.polls(*(invited(name) for name in invitations))
    await fleet.delivers(3 * timedelta(seconds=1))
    assert [one.posted for one in fleet.channels] == [[] for _ in numbers]
    return fleet


async def test_storm_in_one_channel_is_one_message_that_names_each_account(store, clock):
    fleet = await watching(store, clock, 6, invitations=("bo", "chen"))
    await fleet.polls(rejected("bo"), rejected("chen"))
    await fleet.delivers(WINDOW)
    assert parents(fleet.slack) == []
    await fleet.delivers(timedelta(seconds=20))
    (text,) = parents(fleet.slack)
    assert text.startswith("12 at once in 6 Official Accounts: 12 rejected. ")
    assert all(f"Brand {bot.store.appid[2:]}: 2 rejected" in text for bot in fleet.bots)
    assert len(replies(fleet.slack)) == 1
    (digest, names) = fleet.slack.posted
    assert "<!subteam^S1> please take a look" in json.dumps(digest.message.blocks)
    shown = json.dumps(names.message.blocks)
    assert all(f"*Brand {bot.store.appid[2:]}*: Bo, Chen" in shown for bot in fleet.bots)
    await fleet.delivers(MINUTE)
    assert len(fleet.slack.posted) == 2


async def test_few_messages_of_a_channel_stay_apart(store, clock):
    fleet = await watching(store, clock, 5)
    await fleet.polls(rejected("bo"))
    await fleet.delivers(WINDOW + timedelta(seconds=6))
    texts = parents(fleet.slack)
    assert len(texts) == 5
    assert all(text.startswith("Brand ") and " · Rejected: Bo" in text for text in texts)


async def test_last_reminder_before_a_deadline_does_not_wait(store, clock):
    fleet = await watching(store, clock, 7)
    await fleet.polls(invited("chen", at=clock.now, expires_in=50 * MINUTE))
    await fleet.delivers(timedelta(seconds=8))
    assert len(parents(fleet.slack)) == 7


async def test_only_account_of_its_channel_does_not_wait(store, clock):
    fleet = await watching(store, clock, 1)
    await fleet.polls(rejected("bo"))
    await fleet.delivers(timedelta(seconds=1))
    assert len(parents(fleet.slack)) == 1


async def test_storm_over_many_channels_is_a_message_in_each_within_a_minute(store, clock):
    fleet = await watching(store, clock, *[6] * 2)
    await fleet.polls(rejected("bo"))
    await fleet.delivers(MINUTE)
    assert [len(parents(channel)) for channel in fleet.channels] == [1] * 2


async def test_in_a_storm_over_many_channels_replies_leave_their_turns_to_the_digests_of_others(store, clock):
    names = [f"n{number}" for number in range(ROWS + 1)]  # so many that a reply lists them
    fleet = await watching(store, clock, *[1] * (BURST + 4), invitations=names)
    await fleet.polls(*map(rejected, names))
    await fleet.delivers(8 * WORKSPACE_GAP)
    assert [len(parents(channel)) for channel in fleet.channels] == [1] * (BURST + 4)
    await fleet.delivers(timedelta(seconds=12))
    assert [len(replies(channel)) for channel in fleet.channels] == [1] * (BURST + 4)


async def test_storm_and_first_polls_of_thirty_accounts_are_a_message_each(store, clock):
    fleet = Fleet(store, clock, 30)
    await store.open()
    await fleet.polls(bound("bo"), rejected("chen"))
    every, fleet.bots = fleet.bots, fleet.bots[:1]  # one finds what all have
    await fleet.delivers(timedelta(seconds=5))
    assert [text.split(",")[0] for text in parents(fleet.slack)] == [
        "Now watching 60 accounts of 30 Official Accounts"
    ]
    await fleet.polls(rejected("bo"), rejected("chen"), bots=every)
    await fleet.delivers(MINUTE)
    assert [text.split(":")[0] for text in parents(fleet.slack)[1:]] == ["30 at once in 30 Official Accounts"]


@pytest.mark.both_stores
async def test_digest_of_one_account_becomes_part_of_that_of_its_channel(store, clock):
    names = [f"n{number}" for number in range(6)]
    fleet = await watching(store, clock, 6, invitations=["bo", *names])
    await fleet.polls(*map(rejected, names), invited("bo"), bots=fleet.bots[:1])
    await fleet.polls(rejected("bo"), *map(invited, names), bots=fleet.bots[1:])
    await fleet.delivers(WINDOW + timedelta(seconds=10))
    assert [text.split(": ")[0] for text in parents(fleet.slack)] == ["11 at once in 6 Official Accounts"]
    assert len(replies(fleet.slack)) == 1  # the digest's own list has been dropped


async def test_report_of_an_operation_names_its_account_when_the_alert_becomes_part_of_a_digest(store, clock):
    fleet = await watching(store, clock, 6)
    await fleet.polls(rejected("bo"))
    async with fleet.bots[2].store.begin() as tx:
        of_account = sa.and_(message.c.appid == tx.appid, message.c.kind == MessageKind.ALERT)
        (alert,) = (await tx.run(sa.select(message.c.id).where(of_account))).scalars()
        deleted = operation(OperationKind.DELETE, "bo", at=clock(), status="rejected")
        await outbox.enqueue(tx, [operation_messages.completed(deleted, "", alert)], {}, clock())
    await fleet.delivers(2 * MINUTE)
    digest, report = parents(fleet.slack)
    assert digest.startswith("6 at once in 6 Official Accounts")
    assert report == "Brand C00-2 · Deleted by Lin: Bo (bo@harbour_tea)."


async def test_digest_of_several_accounts_follows_each_of_them(store, clock):
    fleet = await watching(store, clock, 6)
    await fleet.polls(rejected("bo"))
    await fleet.delivers(WINDOW + timedelta(seconds=3))
    (digest,) = fleet.slack.posted
    await fleet.polls(bound("bo"), bots=fleet.bots[1:3])
    await fleet.delivers(timedelta(seconds=20))
    text = fleet.slack.text_now(digest.ts)
    assert text.startswith("6 at once in 6 Official Accounts: 4 still open. ")
    await fleet.polls(bound("bo"))
    await fleet.delivers(timedelta(seconds=20))
    assert fleet.slack.text_now(digest.ts).startswith("6 at once in 6 Official Accounts: all settled. ")
    edits = len(fleet.slack.edited)
    await fleet.delivers(timedelta(seconds=20))
    assert (len(fleet.slack.edited), len(fleet.slack.posted)) == (edits, 1)
    assert {row["is_final"] for row in await fleet.bots[0].rows() if row["status"] == "sent"} == {True}


@pytest.mark.parametrize(
    "outcomes",
    [
        pytest.param([], marks=pytest.mark.both_stores),
        [RetryLater(60, "ratelimited")],
        [LOST],
        [OutcomeUnknown("killed before the request")],
    ],
)
async def test_digest_whose_account_leaves_the_channel_is_posted_and_followed_by_another(store, clock, outcomes):
    fleet = await watching(store, clock, 6)
    fleet.slack.outcomes = list(outcomes)
    await fleet.polls(rejected("bo"))
    await fleet.delivers(WINDOW + timedelta(seconds=3))
    (owner,) = {row["appid"] for row in await fleet.bots[0].rows() if row["kind"] == "digest"}
    fleet.bots = [bot for bot in fleet.bots if bot.store.appid != owner]
    async with store.begin() as tx:
        await shared_channel_rows.hand_over(tx, {bot.store.appid: "C00" for bot in fleet.bots})
    await fleet.delivers(3 * MINUTE)
    await fleet.polls(bound("bo"))
    await fleet.delivers(MINUTE)
    (digest,) = [one for one in fleet.slack.posted if one.thread_ts is None]
    assert fleet.slack.text_now(digest.ts).startswith("6 at once in 6 Official Accounts: 1 still open. ")


async def test_last_account_of_a_channel_keeps_all_names_in_an_earlier_digest(store, clock):
    fleet = await watching(store, clock, 6)
    await fleet.polls(rejected("bo"))
    await fleet.delivers(WINDOW + timedelta(seconds=3))
    (digest,) = fleet.slack.posted
    async with store.begin() as tx:
        await tenants.record(
            tx, [StoredTenant(f"wxC00-{one}", f"b{one}", f"Brand C00-{one}", "file") for one in range(6)]
        )
        await shared_channel_rows.hand_over(tx, {"wxC00-0": "C00"})
    alone = Fleet(store, clock, 1, slack=fleet.slack)
    await alone.polls(bound("bo"))
    await alone.delivers(MINUTE)
    text = fleet.slack.text_now(digest.ts)
    assert text.startswith("6 at once in 6 Official Accounts: 5 still open. ")
    assert ["Brand C00-0: 1 bound" in text, "Brand C00-5: 1 rejected" in text, "wxC00" in text] == [
        True,
        True,
        False,
    ]


async def test_rest_that_slack_asks_for_holds_for_all_accounts_and_outlasts_their_services(store, clock):
    backoffs = Backoffs()
    fleet = await watching(store, clock, 2)
    await fleet.polls(rejected("bo"))
    await fleet.delivers(WINDOW + timedelta(seconds=3))
    await fleet.polls(bound("bo"))
    fleet.slack.outcomes = [RetryLater(60, "ratelimited")]
    edits = []
    for seconds in (0, 1, 60):
        clock.forward(seconds=seconds)
        fleet = Fleet(
            store, clock, 2, slack=fleet.slack, backoffs=backoffs
        )  # services that were dropped, made again
        for bot in fleet.bots:
            await bot.delivery.updater.update_all()
        edits.append(len(fleet.slack.edited))
    assert edits == [0, 0, 2]


async def test_buttons_of_a_digest_act_on_their_account_alone(store, clock):
    fleet = await watching(store, clock, 6)
    await fleet.polls(rejected("bo"))
    await fleet.delivers(WINDOW + timedelta(seconds=3))
    (digest,) = fleet.slack.posted
    values = [
        element["value"]
        for block in digest.message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
        if element["action_id"] == actions.ACKNOWLEDGE
    ]
    by_appid = dict(map(actions.split_tenant, values))
    assert by_appid.keys() == {bot.store.appid for bot in fleet.bots}
    third = fleet.bots[2]
    result = await third.clicks(actions.ACKNOWLEDGE, by_appid[third.store.appid])
    assert result
    assert len(result.changed) == 1
    await fleet.delivers(timedelta(seconds=20))
    shown = json.dumps(fleet.slack.message_now(digest.ts).blocks)
    assert shown.count("Acknowledged by") == 1
    assert replies(fleet.slack)[-1].startswith("Brand C00-2 · ")


@pytest.mark.parametrize("outcome", [LOST, OutcomeUnknown("killed before the request")])
async def test_digest_with_an_unknown_outcome_is_posted_once(store, clock, outcome):
    fleet = await watching(store, clock, 6)
    fleet.slack.outcomes = [outcome]
    await fleet.polls(rejected("bo"))
    await fleet.delivers(3 * MINUTE)
    assert len(parents(fleet.slack)) == 1


async def test_refused_digest_gives_its_messages_back(store, clock):
    fleet = await watching(store, clock, 6)
    fleet.slack.outcomes = [Refused("invalid_blocks")] * 2
    await fleet.polls(rejected("bo"))
    await fleet.delivers(MINUTE)
    assert len(parents(fleet.slack)) == 6
    await fleet.polls(bound("bo"))
    await fleet.delivers(MINUTE)
    assert len(parents(fleet.slack)) == 6
    assert len(replies(fleet.slack)) == 6  # each in the thread of its alert


async def test_refused_digest_gives_replies_back_to_the_alerts_that_show_their_news(store, clock):
    soon, declined = (invited("bo", status=status, expires_in=25 * HOUR) for status in ("waiting", "rejected"))
    fleet = await watching(store, clock, 6, invitations=())
    await fleet.polls(soon)
    clock.forward(hours=2)
    await fleet.polls(soon)
    await fleet.polls(declined)  # a reply to each alert that still waits
    fleet.slack.outcomes = [Refused("invalid_blocks")] * 2
    await fleet.delivers(MINUTE)
    assert [text.split(" · ")[1][:12] for text in parents(fleet.slack)] == ["Rejected: Bo"] * 6
    assert replies(fleet.slack) == []


async def test_messages_that_quiet_hours_hold_are_not_gathered(store, clock):
    night = QuietHours((clock.now - HOUR).time(), (clock.now + 8 * HOUR).time(), ZoneInfo("UTC"))
    fleet = await watching(store, clock, MOST + 2, policies=[AlertPolicy(quiet=night)] * 2)
    await fleet.polls(rejected("bo"))
    await fleet.delivers(MINUTE)
    assert len(parents(fleet.slack)) == MOST
    assert all(" · Rejected: Bo" in text for text in parents(fleet.slack))


@pytest.mark.model
async def test_digest_is_posted_once_wherever_the_process_is_killed(tmp_path, migrated_sqlite):
    """Kill the process at each boundary of the deliveries, and let another one go on."""
    at_storm, clock = tmp_path / "storm.db", VirtualClock()
    shutil.copy(migrated_sqlite, at_storm)
    store = Store.from_url(f"sqlite:///{at_storm}", "wx", clock=clock)
    fleet = await watching(store, clock, 6)
    await fleet.polls(rejected("bo"))
    await store.close()
    storm = clock.now + WINDOW
    deadly, passed = 0, 1
    while deadly < passed:
        with closing(sqlite3.connect(at_storm)) as source, closing(sqlite3.connect(tmp_path / "kf.db")) as target:
            source.backup(target)  # with its write-ahead log
        clock = VirtualClock(storm)
        fate = Fate(deadly)
        slack = MortalChannel(clock=clock, id="C00", mention="<!subteam^S1>")
        slack.fate = fate
        store = MortalStore.from_url(f"sqlite:///{tmp_path / 'kf.db'}", "wx", clock=clock)
        store.fate = fate
        first, second = Fleet(store, clock, 6, slack=slack), Fleet(store, clock, 6, slack=slack)
        store.migrated = True
        try:
            await first.delivers(timedelta(seconds=4))
        except KilledError:
            await second.delivers(2 * LEASE)
        passed = min(len(fate.passed), MOST_BOUNDARIES)
        await store.close()
        assert [text.split(":")[0] for text in parents(slack)] == ["6 at once in 6 Official Accounts"], fate.passed
        deadly += 1


# First runs


async def test_first_runs_of_a_channel_are_one_message_when_all_have_been_polled(store, clock):
    fleet = Fleet(store, clock, 4, 2)
    await store.open()
    await fleet.polls(rejected("bo"), bots=fleet.bots[:3])
    await fleet.delivers(timedelta(seconds=5))
    assert fleet.slack.posted == []
    await fleet.polls(bound("anna"), bots=fleet.bots[3:4])
    await fleet.delivers(timedelta(seconds=5))
    (text,) = parents(fleet.slack)
    assert text.startswith("Now watching 4 accounts of 4 Official Accounts, 3 need attention. ")
    assert "Brand C00-0: 1 rejected" in text
    assert "Brand C00-3" not in text
    assert [row["status"] for row in await fleet.bots[0].rows()].count("sent") == 1
    await fleet.polls(bound("anna"), bots=fleet.bots[4:])
    await fleet.delivers(FIRST_RUN_WAIT)
    assert (parents(fleet.channels[1]), len(fleet.slack.posted)) == ([], 1)
    assert sum(channel.looks for channel in fleet.channels) == 2  # one read of each history


async def test_accounts_that_are_polled_late_are_added_by_an_edit(store, clock):
    fleet = Fleet(store, clock, 6)
    await store.open()
    await fleet.polls(rejected("bo"), bots=fleet.bots[:3])
    await fleet.delivers(FIRST_RUN_WAIT + 2 * MINUTE)
    (first,) = fleet.slack.posted
    assert first.message.text.startswith("Now watching 3 accounts of 3 Official Accounts, 3 need attention. ")
    for bot in fleet.bots[3:5]:
        await fleet.polls(rejected("bo"), bots=[bot])
    await fleet.delivers(FIRST_RUN_WAIT + 5 * MINUTE)
    assert len(fleet.slack.posted) == 1
    assert len(fleet.slack.edited) == 1
    text = fleet.slack.text_now(first.ts)
    assert text.startswith("Now watching 5 accounts of 5 Official Accounts, 5 need attention. ")
    assert [len(keys_of(one)) for one in (first, fleet.slack.posted[0])] == [3, 5]  # for a store that is lost
    clock.forward(hours=JOINS_WITHIN.total_seconds() / 3600)
    await fleet.polls(rejected("bo"), bots=fleet.bots[5:])
    await fleet.delivers(timedelta(seconds=5))
    (alone,) = parents(fleet.slack)[1:]
    assert alone.startswith(
        "Now watching 1 account of 1 Official Account, 1 needs attention. Brand C00-5: 1 rejected."
    )


async def test_account_is_added_without_the_keys_of_events_that_are_too_many_for_slack(store, clock):
    fleet = Fleet(store, clock, 2)
    await store.open()
    await fleet.polls(rejected("bo"), bots=fleet.bots[:1])
    await fleet.delivers(FIRST_RUN_WAIT + 2 * MINUTE)
    await fleet.polls(rejected("bo"), bots=fleet.bots[1:])
    fleet.slack.outcomes = [Refused("metadata_too_large")]
    await fleet.delivers(MINUTE)
    (posted,) = fleet.slack.posted
    assert fleet.slack.text_now(posted.ts).startswith("Now watching 2 accounts of 2 Official Accounts")
    assert len(keys_of(posted)) == 1


@pytest.mark.both_stores
async def test_account_is_not_added_to_the_first_run_of_one_that_has_left(store, clock):
    fleet = Fleet(store, clock, 2)
    await store.open()
    await fleet.polls(rejected("bo"), bots=fleet.bots[:1])
    await fleet.delivers(FIRST_RUN_WAIT + 2 * MINUTE)
    fleet = Fleet(store, clock, 3, slack=fleet.slack)
    fleet.bots = fleet.bots[1:]
    del fleet.accounts[0]["wxC00-0"]
    await fleet.polls(rejected("bo"))
    await fleet.delivers(timedelta(seconds=20))
    assert parents(fleet.slack)[1].startswith("Now watching 2 accounts of 2 Official Accounts, 2 need attention. ")


async def test_first_run_that_waits_for_other_accounts_is_not_overdue(store, clock):
    fleet = Fleet(store, clock, 2)
    await store.open()
    await fleet.polls(rejected("bo"), bots=fleet.bots[:1])
    clock.now += FIRST_RUN_WAIT + MINUTE
    for expected in (0, 1):
        async with fleet.bots[0].store.begin() as tx:
            assert (await stats.queue_stats(tx, tx.now)).overdue(tx.now).count == expected
        clock.now += 5 * MINUTE


async def test_new_account_without_a_problem_in_an_old_channel_posts_nothing(store, clock):
    fleet = Fleet(store, clock, 3)
    await store.open()
    await fleet.polls(bound("anna"))
    await fleet.delivers(timedelta(seconds=5))
    assert fleet.slack.posted == []
