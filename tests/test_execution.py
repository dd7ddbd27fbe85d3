"""Operations, from the committed row to the outcome: one write each, whatever fails, and what the channel shows."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.execution.operation_runner import OperationRunner
from bot.operations.operation import (
    EndReason,
    Operation,
    OperationKind,
    OperationPolicy,
    OperationState,
    Wanted,
)
from bot.outbox.messages import MessageKind
from bot.store import interface_refusals, operation_rows
from bot.store.database import Store
from bot.store.tables import message, operation
from tests.conftest import VirtualClock
from tests.operators import CHEN, EVE, KINDS, PATHS, POLICY, Killed, Operators
from tests.wechat import Pauses
from wechat_kf import writes
from wechat_kf.protocol import KF_LIST
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.story


@pytest.fixture
async def operators(store: Store, clock: VirtualClock) -> Operators:
    return Operators(store, clock)


@pytest.fixture
async def after_rejection(operators: Operators) -> Operators:
    await operators.sees_a_rejection()
    return operators


@pytest.mark.parametrize("kind", KINDS)
async def test_operation_makes_one_write_and_is_done_when_the_list_shows_it(after_rejection, kind):
    world = after_rejection
    done = await world.performs(kind)
    assert (done.state, done.outcome.is_listed, done.outcome.errcode) == (OperationState.DONE, True, 0)
    assert (world.writes(kind), world.has_changed(kind)) == (1, True)
    assert await world.stored() == done


async def test_alert_follows_the_new_invitation_to_its_acceptance(after_rejection):
    world = after_rejection
    await world.performs(OperationKind.INVITE)
    posts = world.bot.slack.posted
    assert world.alert.startswith("Invited again: Chen (chen@harbour_tea). ")
    assert "sent a new invitation to ch•••le, until Tue 24 Nov" in world.alert
    assert [post.message.text.partition(",")[0] for post in posts[1:]] == ["Invited again by Lin: ch•••le"]
    await world.watches()
    world.wechat.accept(CHEN)
    await world.watches()
    assert world.alert.startswith("Bound: Chen (chen@harbour_tea). ch•••le accepted")
    assert len(posts) == 2


async def test_invitation_of_another_person_names_both(after_rejection):
    world = after_rejection
    await world.performs(OperationKind.INVITE, Wanted(CHEN, invite_wx="dahai_123"))
    assert "sent a new invitation to da•••23 instead of ch•••le, until" in world.alert
    assert "Invited again by Lin: da•••23 instead of ch•••le" in world.bot.slack.posted[1].message.text


async def test_deleted_account_is_shown_as_removed_after_one_more_poll(after_rejection):
    world = after_rejection
    await world.performs(OperationKind.DELETE)
    world.clock.forward(seconds=11)  # edits of one message are ten seconds apart
    await world.bot.watcher.tick()  # due at once
    await world.bot.deliver()
    assert world.alert == "Removed: Chen (chen@harbour_tea). Lin deleted the account."
    assert [post.message.text for post in world.bot.slack.posted[1:]] == ["Deleted by Lin."]


async def test_renamed_account_keeps_its_alert_with_the_new_name(after_rejection):
    world = after_rejection
    await world.performs(OperationKind.RENAME)
    assert "陈 (chen@harbour_tea)" in world.alert
    assert [post.message.text for post in world.bot.slack.posted[1:]] == ["Renamed by Lin: 陈 instead of Chen."]


async def test_operation_without_an_alert_is_a_message_of_its_own(operators):
    await operators.watches()
    await operators.performs(OperationKind.ADD)
    await operators.performs(OperationKind.INVITE, Wanted(EVE, invite_wx="eve_example"))
    assert [(post.message.text, post.thread_ts) for post in operators.bot.slack.posted] == [
        ("Added by Lin: Fay (fay@harbour_tea).", None),
        ("Invited by Lin: Eve (eve@harbour_tea).", None),
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_refused_write_changes_nothing_and_is_kept_with_its_errcode(after_rejection, kind):
    world = after_rejection
    before = world.alert
    world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=65409, path=PATHS[kind]))
    done = await world.performs(kind)
    assert (done.state, done.outcome.reason, done.outcome.errcode) == (
        OperationState.REFUSED,
        EndReason.ERRCODE,
        65409,
    )
    assert done.outcome.rid
    assert (world.alert, len(world.bot.slack.posted)) == (before, 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_lost_answer_is_settled_by_the_list_and_never_repeated(after_rejection, kind):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.ANSWER_LOST, path=PATHS[kind]))
    unsure = await world.performs(kind)
    assert unsure.state is OperationState.UNSURE
    if kind is OperationKind.INVITE:
        assert "WeChat has not confirmed it" in world.alert
    done = await world.settles()
    assert (done.state, world.writes(kind)) == (OperationState.DONE, 1)
    assert len(world.bot.slack.posted) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_write_that_never_arrived_is_reported_as_not_done_after_three_reads(after_rejection, kind):
    world = after_rejection
    before = world.alert
    world.wechat.inject(Fault(FaultMode.HTML, path=PATHS[kind]))
    world.wechat.inject(Fault(FaultMode.NOT_DONE, path=PATHS[kind], times=None))
    assert (await world.performs(kind)).state is OperationState.UNSURE
    done = await world.settles()
    assert (done.state, done.outcome.reason, done.polls) == (OperationState.FAILED, EndReason.NO_CHANGE, 2)
    assert (world.writes(kind), world.alert) == (1, before)


@pytest.mark.parametrize("reads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
async def test_list_that_lags_is_read_again(after_rejection, kind, reads):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.LIST_LAG, path=PATHS[kind], reads=reads))
    done = await world.performs(kind)
    assert (done.state, done.outcome.is_listed) == (OperationState.DONE, True)


async def test_accepted_invitation_that_the_list_does_not_show_ends_reminders(after_rejection):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.LIST_LAG, path=writes.INVITE, reads=4))
    done = await world.performs(OperationKind.INVITE)
    assert (done.state, done.outcome.is_listed) == (OperationState.DONE, False)
    assert world.alert.endswith("not in WeChat's list yet.")
    await world.watches()
    await world.watches()
    await world.watches()
    assert world.alert.startswith("Invited again: Chen")
    assert len(world.bot.slack.posted) == 2


async def test_deletion_that_wechat_accepts_and_does_not_make_is_reported(after_rejection):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.NOT_DONE, path=writes.DELETE))
    assert (await world.performs(OperationKind.DELETE)).state is OperationState.UNSURE
    done = await world.settles()
    assert (done.state, done.outcome.reason) == (OperationState.FAILED, EndReason.STILL_LISTED)
    assert world.writes(OperationKind.DELETE) == 1


async def test_account_that_was_gone_already_counts_as_deleted(after_rejection):
    world = after_rejection
    world.wechat.remove(CHEN)
    done = await world.performs(OperationKind.DELETE)
    assert (done.state, done.outcome.reason) == (OperationState.DONE, EndReason.GONE)
    assert world.writes(OperationKind.DELETE) == 0
    assert len(world.bot.slack.posted) == 1
    await world.watches()
    await world.watches()
    assert world.alert == "Removed: Chen (chen@harbour_tea). The account was removed from WeChat's list."
    assert not any("Lin" in post.message.text for post in world.bot.slack.posted)


async def test_account_deleted_in_the_console_meanwhile_is_not_reported_as_deleted_by_the_person(
    after_rejection,
):
    world = after_rejection

    class ConsoleFirst:
        async def delete(self, kf_account: str, *, within: float) -> None:
            world.wechat.remove(kf_account)
            await world.client.delete(kf_account, within=within)

    done = await world.runner(writer=ConsoleFirst()).run(await world.asks(OperationKind.DELETE))
    assert (done.state, done.outcome.reason) == (OperationState.DONE, EndReason.GONE)
    await world.watches()
    await world.watches()
    assert world.alert == "Removed: Chen (chen@harbour_tea). The account was removed from WeChat's list."
    assert not any("Lin" in post.message.text for post in world.bot.slack.posted)


@pytest.mark.parametrize("kind", [OperationKind.INVITE, OperationKind.RENAME, OperationKind.DELETE])
async def test_empty_list_before_the_write_lets_wechat_decide(after_rejection, kind):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.EMPTY, path=KF_LIST))
    done = await world.performs(kind)
    assert (done.state, world.writes(kind), world.has_changed(kind)) == (OperationState.DONE, 1, True)


@pytest.mark.parametrize("kind", KINDS)
async def test_empty_list_does_not_settle_an_operation(after_rejection, kind):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=-1, path=PATHS[kind]))  # not carried out
    await world.performs(kind)
    world.wechat.inject(Fault(FaultMode.EMPTY, path=KF_LIST, times=None))
    unsure = await world.settles()
    assert (unsure.state, unsure.polls) == (OperationState.UNSURE, 0)
    assert (await world.settles(seconds=600)).outcome.reason is EndReason.NOT_CONFIRMED


async def test_empty_list_proves_the_deletion_of_the_only_account(operators):
    operators.wechat.remove(EVE)
    await operators.watches()
    done = await operators.performs(OperationKind.DELETE)
    assert (done.state, done.outcome.is_listed) == (OperationState.DONE, True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda wechat, clock: wechat.invite(CHEN, "chen_example", clock() + timedelta(days=2)),
            EndReason.WAITING,
        ),
        (lambda wechat, _: wechat.remove(CHEN), EndReason.GONE),
    ],
    ids=["invited in the console", "deleted in the console"],
)
async def test_list_rules_an_operation_out_before_anything_is_sent(after_rejection, change, reason):
    world = after_rejection
    change(world.wechat, world.clock)
    done = await world.performs(OperationKind.INVITE)
    assert (done.state, done.outcome.reason, done.sent_at) == (OperationState.REFUSED, reason, None)
    assert world.writes(OperationKind.INVITE) == 0


async def test_wechat_that_cannot_be_read_before_the_write_ends_the_operation(after_rejection):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.DOWN, times=None))
    done = await world.performs(OperationKind.INVITE)
    assert (done.state, done.outcome.reason) == (OperationState.FAILED, EndReason.NOT_SENT)


@pytest.mark.parametrize("errcode", [40164, 45009, 48001, 65400])
async def test_list_that_wechat_refuses_before_the_write_ends_the_operation_with_its_errcode(operators, errcode):
    operators.wechat.inject(Fault(FaultMode.ERRCODE, errcode=errcode, path=KF_LIST, times=5))
    done = await operators.performs(OperationKind.INVITE)
    assert (done.state, done.outcome.reason, done.outcome.errcode) == (
        OperationState.REFUSED,
        EndReason.ERRCODE,
        errcode,
    )
    assert done.outcome.rid
    assert bool(done.outcome.address) is (errcode == 40164)
    async with operators.store.begin() as tx:
        assert await interface_refusals.current(tx) is None  # the write was not refused


async def test_unsure_operation_ends_unconfirmed_when_the_list_cannot_be_read_for_ten_minutes(after_rejection):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.ANSWER_LOST, path=writes.INVITE))
    await world.performs(OperationKind.INVITE)
    world.wechat.inject(Fault(FaultMode.DOWN, times=None))
    assert (await world.settles()).state is OperationState.UNSURE
    assert (await world.settles(seconds=600)).outcome.reason is EndReason.NOT_CONFIRMED
    report = "<@U0LIN> WeChat has not confirmed what you asked for Chen. It may have happened all the same"
    assert [post.message.text.partition(":")[0] for post in world.bot.slack.posted[1:]] == [report]


async def test_refused_right_is_stored_until_an_operation_succeeds(after_rejection):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=48001, path=writes.INVITE))
    await world.performs(OperationKind.INVITE)
    async with world.store.begin() as tx:
        refused = await interface_refusals.current(tx)
    assert refused is not None
    assert refused.family == "invite/add/delete"
    await world.performs(OperationKind.RENAME)
    async with world.store.begin() as tx:
        assert await interface_refusals.current(tx) == refused  # WeChat grants renaming separately
    await world.performs(OperationKind.INVITE)
    async with world.store.begin() as tx:
        assert await interface_refusals.current(tx) is None


STEPS = [(step, when) for step in ("sent", "request", "progressed", "completed") for when in ("before", "after")]
# At each step two kinds of operation are tried, one of them on PostgreSQL, too; each kind before and after steps.
# The rest is left to `make test-all`.
TRIED: dict[int, list[pytest.MarkDecorator]] = {0: [pytest.mark.both_stores], 1: []}
KILLS = [
    pytest.param(kind, *step, marks=TRIED.get((place - number) % len(KINDS), [pytest.mark.test_all]))
    for number, step in enumerate(STEPS)
    for place, kind in enumerate(KINDS)
]


@pytest.mark.parametrize(("kind", "step", "when"), KILLS)
async def test_killed_process_leaves_an_operation_that_the_next_one_settles(after_rejection, kind, step, when):
    world = after_rejection
    asked = await world.asks(kind)
    with pytest.raises(Killed):
        await world.runner(killed=(step, when)).run(asked)
    await world.runner().run(asked)  # the same row once more: changes nothing, sends nothing
    done = await world.settles(seconds=POLICY.lease.total_seconds() + 1)
    expected = OperationState.DONE if world.has_changed(kind) else OperationState.FAILED
    assert done.state is expected
    assert world.writes(kind) <= 1
    assert len(world.bot.slack.posted) == 2  # the operation, or its failure, which no modal shows


def test_write_ends_within_the_lease_however_short_and_the_reads_follow_as_soon():
    assert OperationPolicy.with_lease(POLICY.lease) == POLICY
    assert OperationPolicy.with_lease(2 * POLICY.lease) == replace(POLICY, lease=2 * POLICY.lease)
    short = OperationPolicy.with_lease(timedelta(seconds=9))
    assert short.write_seconds == pytest.approx(2)
    assert [after.total_seconds() for after in short.settle_after] == [0, 1, 12]


async def test_row_that_ended_is_not_carried_out_again(after_rejection):
    world = after_rejection
    asked = await world.asks(OperationKind.INVITE)
    done = await world.runner().run(asked)
    assert await world.runner().run(asked) == done
    assert world.writes(OperationKind.INVITE) == 1


@pytest.mark.both_stores
async def test_row_whose_request_may_have_left_is_not_carried_out_again(after_rejection):
    world = after_rejection
    asked = await world.asks(OperationKind.RENAME)

    class Again:
        """Carries out the stored row once more while the first request is on its way."""

        async def rename(self, *arguments: str, within: float) -> None:
            sent = await world.stored()
            assert (await world.runner().run(sent)).state is OperationState.OPEN
            assert await world.runner().records.sent(sent, sent) is None
            await world.client.rename(*arguments, within=within)

    done = await world.runner(writer=Again()).run(asked)
    assert (done.state, world.writes(OperationKind.RENAME)) == (OperationState.DONE, 1)


@pytest.mark.parametrize(("seconds", "requests"), [(34, 1), (36, 0)])
async def test_request_is_not_sent_if_it_could_outlast_the_lease(after_rejection, seconds, requests):
    world = after_rejection
    asked = await world.asks(OperationKind.INVITE)
    stalled = iter((100.0, 100.0 + seconds))  # before and after `sent_at` is committed
    runner = OperationRunner(
        world.runner().records,
        world.client,
        world.client,
        world.clock,
        sleep=Pauses(),
        stopwatch=lambda: next(stalled),
    )
    await runner.run(asked)
    assert world.writes(OperationKind.INVITE) == requests
    done = await world.settles(seconds=POLICY.lease.total_seconds() + 1)
    assert done.state is (OperationState.DONE if requests else OperationState.FAILED)


async def test_lost_answer_is_settled_by_an_invitation_that_was_declined_at_once(after_rejection):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.ANSWER_LOST, path=writes.INVITE))
    await world.performs(OperationKind.INVITE)
    world.wechat.reject(CHEN)
    done = await world.settles()
    assert (done.state, done.outcome.is_listed) == (OperationState.DONE, True)


@pytest.mark.both_stores
async def test_row_that_cannot_be_read_is_logged_once_and_does_not_delay_the_others(after_rejection, caplog):
    world = after_rejection
    newer = await world.asks(OperationKind.RENAME, Wanted(EVE, nickname="Eva"))
    async with world.store.begin() as tx:
        await tx.run(sa.update(operation).where(operation.c.id == newer.id).values(kind="merge"))
    asked = await world.asks(OperationKind.INVITE)
    with pytest.raises(Killed):
        await world.runner(killed=("request", "after")).run(asked)
    world.clock.forward(seconds=POLICY.lease.total_seconds() + 1)
    runner = world.runner()
    assert await runner.settle_due()
    assert not await runner.settle_due()
    async with world.store.begin() as tx:
        settled = await operation_rows.get(tx, asked.id)
    assert settled is not None
    assert settled.state is OperationState.DONE
    logged = [record.getMessage() for record in caplog.records if f"id={newer.id} " in record.getMessage()]
    assert len(logged) == 1
    assert logged[0].startswith("operation cannot be read")
    assert await runner.records.seconds_until_due() == math.inf


@pytest.mark.both_stores
async def test_second_operation_of_an_account_waits_for_the_first(operators):
    first = await operators.asks(OperationKind.INVITE)
    second = replace(first, id="op-other", submission="view-other", user_id="U0TOM")
    async with operators.store.begin() as tx:
        inserted = await operation_rows.insert(tx, second)
    assert (inserted.is_new, inserted.in_progress) == (False, first)


@pytest.mark.both_stores
async def test_form_submitted_twice_is_one_operation(operators):
    first = await operators.asks(OperationKind.INVITE)
    async with operators.store.begin() as tx:
        inserted = await operation_rows.insert(tx, replace(first, id="op-other"))
    assert (inserted.is_new, inserted.same_submission) == (False, first)


async def test_account_invited_in_the_console_in_the_same_second_has_one_reply(after_rejection):
    world = after_rejection
    asked = await world.asks(OperationKind.INVITE)

    class ConsoleFirst:
        """Invites in the console just before the request of the operation arrives."""

        async def invite(self, *arguments: str, within: float) -> None:
            world.wechat.invite(CHEN, "chen_example", world.clock() + timedelta(days=3))
            world.clock.forward(seconds=331)
            await world.bot.watcher.tick()
            await world.bot.watcher.tick()
            await world.client.invite(*arguments, within=within)

    done = await world.runner(writer=ConsoleFirst()).run(asked)
    await world.bot.deliver()
    assert (done.state, done.outcome.errcode) == (OperationState.REFUSED, 65411)
    await world.watches()
    await world.watches()
    assert world.alert.startswith("Invited again: Chen")
    assert len(world.bot.slack.posted) == 2


REPORT = "<@U0LIN> what you asked for Chen did not happen: WeChat refused it (errcode 65409)."


@pytest.fixture
async def refused(after_rejection: Operators) -> tuple[Operators, Operation]:
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=65409, path=writes.INVITE))
    return world, await world.performs(OperationKind.INVITE)


@pytest.mark.both_stores
async def test_failure_is_reported_to_the_person_once(refused):
    world, done = refused
    await world.runner().records.report_failure(done)
    await world.runner().records.report_failure(done)
    await world.settles(seconds=POLICY.lease.total_seconds() + 1)
    assert [post.message.text for post in world.bot.slack.posted[1:]] == [REPORT]


@pytest.mark.both_stores
async def test_failure_that_no_modal_shows_within_a_lease_is_reported_by_any_process(refused):
    world, done = refused
    assert 0 < await world.runner().records.seconds_until_due() <= POLICY.lease.total_seconds()
    assert not await world.runner().settle_due()
    world.clock.forward(seconds=POLICY.lease.total_seconds() + 1)
    assert await world.runner().settle_due()
    assert not await world.runner().settle_due()
    await world.bot.deliver()
    await world.runner().records.report_failure(done)
    await world.bot.deliver()
    assert [post.message.text for post in world.bot.slack.posted[1:]] == [REPORT]
    assert await world.runner().records.seconds_until_due() == math.inf


@pytest.mark.both_stores
async def test_failure_that_the_modal_shows_is_not_reported(refused):
    world, done = refused
    await world.runner().records.shown(done)
    await world.runner().records.report_failure(done)
    await world.settles(seconds=POLICY.lease.total_seconds() + 1)
    assert len(world.bot.slack.posted) == 1


async def test_reply_whose_alert_was_deleted_becomes_a_message_of_its_own(after_rejection):
    world = after_rejection
    asked = await world.asks(OperationKind.INVITE)
    await world.runner().run(asked)
    async with world.store.begin() as tx:  # before the reply is sent
        await tx.run(sa.update(message).where(message.c.kind == MessageKind.ALERT).values(is_deleted=True))
    await world.bot.deliver()
    assert [(post.message.text, post.thread_ts) for post in world.bot.slack.posted[1:]] == [
        ("Invited by Lin: Chen (chen@harbour_tea).", None)
    ]


async def test_alert_offers_no_invitation_for_a_day_after_wechat_refused_the_right(after_rejection):
    world = after_rejection
    assert "Invite again" in world.buttons()
    world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=48001, path=writes.INVITE))
    await world.performs(OperationKind.INVITE)
    world.clock.forward(seconds=11)
    await world.bot.deliver()
    assert "WeChat console" in world.buttons()
    assert "Invite again" not in world.buttons()
    world.clock.forward(seconds=24 * 3600)
    await world.bot.deliver()
    assert "Invite again" in world.buttons()


async def test_spent_quota_makes_the_watcher_poll_which_stops_if_it_is_spent_for_lists_too(after_rejection):
    world = after_rejection
    world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=45009, path=writes.INVITE))
    await world.performs(OperationKind.INVITE)
    world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=45009))
    await world.bot.watcher.tick()
    await world.bot.deliver()
    assert world.bot.slack.posted[-1].message.text.startswith("Today's WeChat quota is spent")
