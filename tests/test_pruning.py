"""Pruning deletes what is over and old, and nothing that could be reported again or is still shown."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from bot.alerting.episode import AlertPolicy
from bot.app import Process
from bot.demo.process import free_port
from bot.fleet import build_fleet
from bot.operations.operation import Operation, OperationKind, OperationState, Wanted
from bot.outbox.messages import MessageKind, MessageStatus
from bot.ports import Blocked, Counter, no_op
from bot.retention import RetentionPolicy
from bot.settings.values import Settings
from bot.store import operation_rows
from bot.store.database import Store
from bot.store.pruning import prune_messages
from bot.store.tables import emitted_event, episode, message, operation, poll_state
from bot.tenants.tenant import of_environment
from bot.watcher.pruner import Pruner
from tests.accounts import account, bound, invited
from tests.bots import Bot, rejected
from tests.conftest import APPID, NOW, VirtualClock
from tests.documents import ROOT
from tests.running import until, utc_now, world
from wechat_kf import KfAccount

pytestmark = pytest.mark.mostly_sqlite

DAY = timedelta(days=1)
RETENTION = RetentionPolicy()
KEEP = RETENTION.keep
BOUND_STILL_SHOWN = invited(status="rejected", kf_wx="bo_example")  # WeChat keeps the row of the invitation


@pytest.fixture
def bot(store: Store, clock: VirtualClock) -> Bot:
    return Bot(store, clock)


def pruner(bot: Bot, retention: RetentionPolicy = RETENTION, count: Counter = no_op) -> Pruner:
    policy = bot.recorder.policy
    return Pruner(bot.wechat, bot.store, policy=policy, clock=bot.clock, retention=retention, count=count)


async def prune(bot: Bot, *, after: timedelta = timedelta(0)) -> None:
    """Let messages settle, and after some time let a process that has just started carry out a run."""
    await settle(bot)
    bot.clock.now += after
    await run(bot, pruner(bot))


async def run(bot: Bot, process: Pruner) -> None:
    """Take all steps of a run: before its first batch, two lists have to agree."""
    for _ in range(bot.recorder.policy.agreeing_polls):
        bot.clock.forward(seconds=process.interval)
        while await process.step() is not None:
            pass


async def settle(bot: Bot) -> None:
    """Let each message be edited, and be recognised as final in a later pass."""
    for _ in range(2):
        bot.clock.forward(seconds=11)
        await bot.deliver()


async def count(bot: Bot, *tables: sa.Table) -> list[int]:
    async with bot.store.begin() as tx:
        queries = [sa.select(sa.func.count()).select_from(table) for table in tables]
        return [(await tx.run(query)).scalar_one() for query in queries]


async def rows(bot: Bot) -> list[int]:
    """Return the numbers of invitations and incidents, of their events, and of messages."""
    return await count(bot, episode, emitted_event, message)


async def is_rejected_and_bound(bot: Bot, *after: KfAccount) -> None:
    """Let bo decline, then accept after all; then WeChat lists these accounts."""
    await bot.reads(account())
    await bot.reads(rejected())
    await bot.reads(*(after or [bound()]))
    await settle(bot)


async def test_closed_invitation_is_deleted_with_its_events_and_thread_after_400_days(bot):
    await is_rejected_and_bound(bot)
    assert await rows(bot) == [1, 1, 2]
    await prune(bot, after=KEEP - 3 * RETENTION.check)
    assert await rows(bot) == [1, 1, 2]
    await prune(bot, after=2 * DAY)
    assert await rows(bot) == [0, 0, 0]


@pytest.mark.parametrize("listed", [rejected(), invited(status="expired"), invited(status="waiting")])
async def test_invitation_that_is_not_closed_is_kept_for_as_long_as_it_takes(bot, listed):
    await bot.reads(account())
    await bot.reads(listed)
    await bot.reads(listed, after=10 * KEEP)
    before = await rows(bot)
    await prune(bot)
    assert await rows(bot) == before
    assert before[0] == 1


async def test_invitation_that_a_bound_account_still_shows_is_kept_and_not_reported_again(bot):
    await is_rejected_and_bound(bot, BOUND_STILL_SHOWN)
    await prune(bot, after=2 * KEEP)
    assert await rows(bot) == [1, 1, 2]
    posted = len(bot.slack.posted)
    await bot.reads(rejected())  # unbound: the old invitation is all that is left
    assert [one for one in bot.slack.posted[posted:] if one.thread_ts is None] == []
    assert await count(bot, emitted_event) == [1]


async def test_account_that_is_missing_from_one_list_keeps_its_invitation(bot):
    await is_rejected_and_bound(bot, BOUND_STILL_SHOWN)
    bot.clock.now += 2 * KEEP
    process = pruner(bot)
    for listed in ([BOUND_STILL_SHOWN], [bound("anna")]):
        bot.wechat.listed = listed
        bot.clock.now += RETENTION.check
        while await process.step() is not None:
            pass
    assert await rows(bot) == [1, 1, 2]
    await prune(bot, after=DAY)
    assert await rows(bot) == [0, 0, 0]


@pytest.mark.both_stores
async def test_old_invitation_of_an_account_goes_and_the_one_that_it_shows_stays(bot):
    await bot.reads(account())
    await bot.reads(rejected())
    await bot.reads(invited(wx="other_example", expires_in=2 * KEEP))
    await bot.reads(account(kf_wx="other_example", invitation=bot.wechat.listed[0].invitation))
    await prune(bot, after=KEEP + DAY)
    async with bot.store.begin() as tx:
        assert (await tx.run(sa.select(episode.c.invite_wx))).scalars().all() == ["other_example"]


async def test_digest_keeps_all_its_invitations_until_the_last_is_closed(bot):
    names = [f"kf{number}" for number in range(6)]
    await bot.reads(*map(account, names))
    await bot.reads(*map(rejected, names))
    await bot.reads(*map(bound, names[1:]), rejected(names[0]))
    digest = bot.slack.text_now(bot.slack.posted[0].ts)
    await prune(bot, after=2 * KEEP)
    await bot.reads(*map(bound, names[1:]), rejected(names[0]))
    assert bot.slack.text_now(bot.slack.posted[0].ts) == digest
    assert (await rows(bot))[:2] == [6, 6]
    await bot.reads(*map(bound, names))
    await prune(bot, after=DAY)
    assert (await rows(bot))[:2] == [1, 1]  # the last was closed a day ago
    assert await count(bot, message) != [0]
    await prune(bot, after=KEEP + DAY)
    assert await rows(bot) == [0, 0, 0]


async def test_invitation_stays_while_its_message_is_not_sent(bot):
    for listed in (account(), rejected(), bound()):  # as if Slack were away all the time
        bot.wechat.listed = (listed,)
        bot.clock.forward(seconds=331)
        await bot.watcher.tick()
    bot.clock.now += 2 * KEEP
    await run(bot, pruner(bot))
    assert await rows(bot) == [1, 1, 2]
    await prune(bot, after=DAY)
    assert await rows(bot) == [0, 0, 0]


@pytest.mark.both_stores
async def test_message_that_follows_a_later_invitation_keeps_both_until_it_shows_the_outcome(bot):
    await bot.reads(account())
    await bot.reads(rejected())
    await bot.reads(invited(wx="second_example", expires_in=None))
    await prune(bot, after=2 * KEEP)
    assert (await rows(bot))[0] == 2
    bot.slack.outcomes = [Blocked("not_in_channel")]  # the edit
    await bot.reads(bound(wx="second_example"))
    bot.clock.now += KEEP + DAY
    await run(bot, pruner(bot))
    assert (await rows(bot))[0] == 2
    await bot.deliver()
    assert bot.slack.text_now(bot.slack.posted[0].ts).startswith("Bound: Bo (bo@harbour_tea). se•••le accepted.")
    await prune(bot, after=DAY)
    assert await rows(bot) == [0, 0, 0]


@pytest.mark.parametrize(
    ("reply", "listed", "event_of", "left"),
    [
        ({}, [], "", 0),
        ({"status": MessageStatus.PENDING}, [], "", 2),
        ({"created_at": NOW}, [], "", 2),
        ({}, ["here"], "", 2),
        ({}, [], "alert", 2),
        ({}, [], "reply", 2),
    ],
    ids=[
        "over",
        "reply not sent",
        "reply is new",
        "shows an episode",
        "reports an event",
        "reply reports an event",
    ],
)
async def test_thread_is_deleted_as_a_whole_once_nothing_needs_it(bot, reply, listed, event_of, left):
    old = {
        "appid": APPID,
        "priority": 0,
        "event_keys": [],
        "payload": {},
        "created_at": NOW - DAY,
        "not_before": NOW,
    }
    alert = old | {"id": "alert", "kind": MessageKind.ALERT, "status": MessageStatus.DEAD, "episode_ids": listed}
    line = old | {"id": "reply", "kind": MessageKind.REPLY, "status": MessageStatus.SENT, "episode_ids": ["gone"]}
    here = {"id": "here", "appid": APPID, "kind": "invitation", "state": "bound"}
    event = {"episode_id": "here", "kind": "rejected", "lead_seconds": 0, "disposition": "told", "at": NOW}
    async with bot.store.begin() as tx:
        await tx.run(sa.insert(episode).values(**here, first_seen=NOW, state_since=NOW))
        await tx.run(sa.insert(message).values(**alert))
        await tx.run(sa.insert(message).values(**line | reply, parent_id="alert"))
        await tx.run(sa.insert(emitted_event).values(**event, message_id=event_of or None))
        await prune_messages(tx, NOW, "", 10)
    assert await count(bot, message) == [left]


@pytest.mark.both_stores
async def test_resolved_incidents_are_deleted_with_their_notices_but_for_the_newest(bot):
    for _ in range(2):
        bot.wechat.go_down()
        for _ in range(3):
            await bot.reads(account(), after=timedelta(hours=2))
        bot.wechat.come_back()
        for _ in range(3):
            await bot.reads(account(), after=timedelta(hours=2))
    async with bot.store.begin() as tx:
        newest = (await tx.run(sa.select(poll_state.c.incident))).scalar_one()
    await prune(bot, after=KEEP - DAY)
    assert (await rows(bot))[0] == 2
    await prune(bot, after=2 * DAY)
    async with bot.store.begin() as tx:
        assert (await tx.run(sa.select(episode.c.id))).scalars().all() == [newest]
        left = sa.select(message.c.id).where(message.c.id != newest, message.c.parent_id != newest)
        assert (await tx.run(left)).all() == []
    assert await count(bot, message) == [2]


@pytest.mark.both_stores
async def test_incident_that_lasts_is_kept(bot):
    await bot.reads(account())
    bot.wechat.go_down()
    for _ in range(3):
        await bot.reads(account(), after=timedelta(hours=2))
    async with bot.store.begin() as tx:  # nothing else holds it: an older one whose notice a person has deleted
        await tx.run(sa.update(poll_state).values(incident=None, failed_polls=0))
        await tx.run(sa.update(message).values(is_deleted=True))
    bot.wechat.come_back()
    await prune(bot, after=2 * KEEP)
    assert (await rows(bot))[0] == 1


def asked(bot: Bot, number: int, *, ended_ago: timedelta | None) -> Operation:
    now = bot.clock()
    return Operation(
        f"op-{number}",
        OperationKind.INVITE,
        f"kf{number}@harbour_tea",
        Wanted(f"kf{number}@harbour_tea", invite_wx="bo_example"),
        user_id="U0MEI",
        user_name="Mei",
        asked_at=now - 3 * KEEP,
        lease_until=None,
        state=OperationState.OPEN if ended_ago is None else OperationState.DONE,
        submission=str(number),
        ended_at=now - ended_ago if ended_ago is not None else None,
    )


@pytest.mark.both_stores
async def test_operations_are_deleted_400_days_after_their_end(bot):
    await bot.reads(account())
    async with bot.store.begin() as tx:
        for number, ended_ago in enumerate([KEEP + DAY, KEEP - DAY, None]):
            await operation_rows.insert(tx, asked(bot, number, ended_ago=ended_ago))
    await prune(bot)
    async with bot.store.begin() as tx:
        assert (await tx.run(sa.select(operation.c.id).order_by(operation.c.id))).scalars().all() == [
            "op-1",
            "op-2",
        ]


@pytest.mark.both_stores
async def test_rows_of_another_official_account_are_not_touched(bot, store_url):
    await is_rejected_and_bound(bot)
    async with bot.store.begin() as tx:
        await operation_rows.insert(tx, asked(bot, 1, ended_ago=2 * KEEP))
    other = Store.from_url(store_url, "wx-other", clock=bot.clock)
    await other.open()
    await prune(Bot(other, bot.clock), after=2 * KEEP)
    watched = Bot(other, bot.clock)
    await watched.reads(account())
    await prune(watched, after=2 * KEEP)
    await other.close()
    assert [*await rows(bot), *await count(bot, operation)] == [1, 1, 2, 1]


async def test_batches_are_small_and_kept_invitations_hold_up_no_others(bot):
    names = [f"kf{number}" for number in range(9)]
    await bot.reads(*map(account, names))
    await bot.reads(*map(rejected, names))
    shown = [invited(name, status="rejected", kf_wx="bo_example") for name in names[:4]]
    await bot.reads(*shown, *map(bound, names[4:]))
    await settle(bot)
    small = replace(RETENTION, batch=2)
    bot.clock.now += KEEP + DAY
    process, sizes = pruner(bot, small), [9]
    for _ in range(2):
        bot.clock.now += small.check
        while await process.step() == small.pause.total_seconds():
            sizes += await count(bot, emitted_event)
    assert max(before - after for before, after in pairwise(sizes)) <= 2
    assert sizes[-1] == 4


@pytest.mark.both_stores
async def test_run_comes_once_a_day_whichever_process_begins_it(bot, store_url, caplog):
    caplog.set_level(logging.INFO)
    await is_rejected_and_bound(bot)
    other = Bot(Store.from_url(store_url, APPID, clock=bot.clock), bot.clock)
    other.wechat = bot.wechat
    reads = len(bot.wechat.reads)
    first, second = pruner(bot), pruner(other)
    for _ in range(110):  # more than a day
        bot.clock.now += RETENTION.check
        await asyncio.gather(first.step(), second.step())
    await other.store.close()
    assert [line.partition(" ")[0] for line in caplog.messages if line.startswith("pruned")] == ["pruned"] * 2
    assert len(bot.wechat.reads) - reads <= 2 * 2 * bot.recorder.policy.agreeing_polls


async def test_list_is_not_read_while_the_watcher_cannot_read_it(bot):
    await is_rejected_and_bound(bot)
    bot.clock.now += 2 * KEEP
    bot.wechat.go_down()
    await bot.watcher.tick()
    process, reads = pruner(bot), len(bot.wechat.reads)
    await run(bot, process)
    assert len(bot.wechat.reads) == reads
    assert await rows(bot) == [1, 1, 2]


async def test_process_that_has_just_started_does_nothing_yet(bot):
    await is_rejected_and_bound(bot)
    bot.clock.now += 2 * KEEP
    process, reads = pruner(bot), len(bot.wechat.reads)
    bot.clock.now += RETENTION.check - timedelta(seconds=1)
    assert [await process.step() for _ in range(5)] == [None] * 5
    assert len(bot.wechat.reads) == reads


@pytest.mark.parametrize("fault", ["down", "incomplete", "empty"])
async def test_list_that_proves_nothing_postpones_the_run_but_not_for_a_day(bot, fault):
    await is_rejected_and_bound(bot, BOUND_STILL_SHOWN)
    sound = bot.wechat.listed
    bot.clock.now += 2 * KEEP
    counted: list[tuple[str, str]] = []
    process = pruner(bot, count=lambda *what: counted.append(what))
    if fault == "down":
        bot.wechat.go_down()
    bot.wechat.unreadable = int(fault == "incomplete")
    bot.wechat.listed = () if fault == "empty" else [bound("anna")]
    for _ in range(4):
        bot.clock.now += RETENTION.check
        assert await process.step() is None
    assert await rows(bot) == [1, 1, 2]
    assert counted == [("prune", "postponed")] * 4
    bot.wechat.come_back()
    bot.wechat.listed, bot.wechat.unreadable = [*sound, bound("anna")], 0
    for _ in range(2):
        bot.clock.now += RETENTION.check
        while await process.step() is not None:
            pass
    assert counted[4:] == [("prune", "ok")]


@pytest.mark.both_stores
async def test_interrupted_run_continues_where_it_stopped(bot, caplog):
    await is_rejected_and_bound(bot)
    bot.clock.now += 2 * KEEP
    counted: list[tuple[str, str]] = []
    process = pruner(bot, count=lambda *what: counted.append(what))
    bot.clock.now += RETENTION.check
    await process.step()
    bot.clock.now += RETENTION.check
    assert await process.step() is not None
    async with bot.store.begin() as tx:
        await tx.run(sa.text("ALTER TABLE emitted_event RENAME TO elsewhere"))
    with pytest.raises(sa.exc.DBAPIError):
        await process.step()
    async with bot.store.begin() as tx:
        await tx.run(sa.text("ALTER TABLE elsewhere RENAME TO emitted_event"))
    caplog.set_level(logging.INFO)
    while await process.step() is not None:
        pass
    assert await rows(bot) == [0, 0, 0]
    assert caplog.messages == ["pruned operations=0 invitations=1 incidents=0 messages=2"]
    assert counted == [("prune", "failed"), ("prune", "ok")]


@pytest.mark.both_stores
async def test_row_that_the_database_does_not_delete_holds_up_no_other(bot, caplog):
    names = ("bo", "dee", "eve")
    await bot.reads(*map(account, names))
    await bot.reads(*map(rejected, names))
    await bot.reads(*map(bound, names))
    refused = await bot.episode_id("dee")
    async with bot.store.begin() as tx:
        await refuse_deletion(tx, refused)
    await prune(bot, after=2 * KEEP)
    async with bot.store.begin() as tx:
        assert (await tx.run(sa.select(episode.c.id))).scalars().all() == [refused]
    assert (await rows(bot))[1:] == [1, 2]
    assert [line for line in caplog.messages if line.startswith("rows cannot be deleted rows=1 error=")]


async def refuse_deletion(tx, episode_id: str) -> None:
    if tx.connection.dialect.name == "sqlite":
        when = f"WHEN OLD.id = '{episode_id}' BEGIN SELECT RAISE(ABORT, 'kept'); END"
        await tx.run(sa.text(f"CREATE TRIGGER kept BEFORE DELETE ON episode {when}"))
        return
    raises = f"IF OLD.id = '{episode_id}' THEN RAISE EXCEPTION 'kept' USING ERRCODE = '23514'; END IF; RETURN OLD;"
    await tx.run(sa.text(f"CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {raises} END$$"))
    await tx.run(sa.text("CREATE TRIGGER kept BEFORE DELETE ON episode FOR EACH ROW EXECUTE FUNCTION kept()"))


def test_sentence_about_the_history_names_the_number_of_the_policy():
    source = (ROOT / "bot/blocks/answers/history_answer.py").read_text(encoding="utf-8")
    assert f'"kept for {KEEP.days} days"' in source


@pytest.mark.server
async def test_running_process_prunes_beside_its_other_work(sqlite_url, caplog):
    caplog.set_level(logging.INFO)
    quick = RetentionPolicy(check=timedelta(seconds=0.1), pause=timedelta(seconds=0.01))
    async with world(sqlite_url) as around:
        around.invite("bo")
        settings = Settings.from_environ(around.environ | {"PORT": str(free_port())})
        async with build_fleet(settings, [of_environment(settings)], utc_now, role="web") as fleet:
            services = fleet.first
            policy = AlertPolicy()
            services.pruner = Pruner(
                services.accounts, services.store, policy=policy, clock=utc_now, retention=quick
            )
            stop = asyncio.Event()
            running = asyncio.create_task(Process(fleet, "web", pytest.fail).run(stop))
            await until(lambda: "pruned operations=0 invitations=0 incidents=0 messages=0" in caplog.messages)
            stop.set()
            await running
