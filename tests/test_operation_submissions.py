"""Submitted forms: checked, committed, carried out, and answered within Slack's three seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot import actions, view_metadata
from bot.execution.operation_runner import OperationRunner
from bot.execution.records import OperationRecords
from bot.interactions.account_reader import AccountReader
from bot.interactions.operation_gate import OperationGate
from bot.interactions.operation_modals import OperationModals
from bot.interactions.operation_submissions import OperationSubmissions
from bot.language import Language
from bot.operations.operation import OperationKind, OperationPolicy, OperationState, Wanted
from bot.ports import FieldErrors, Origin, ShowView, Submission
from bot.runtime.tasks import BackgroundTasks
from bot.store import operation_rows
from bot.store.database import Store
from bot.view_metadata import FormMetadata
from tests.conftest import VirtualClock
from tests.fakes import FakeViews
from tests.operators import CHEN, EVE, NEW, PATHS, Operators
from tests.samples import CONTEXT
from tests.wechat import Pauses
from wechat_kf import protocol, writes
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.story

# A busy machine must not turn a quick outcome into a late one; tests of late ones wait for hundredths of seconds.
POLICY = OperationPolicy(answer_within=10, update_after=0.05)
HURRIED = replace(POLICY, answer_within=0.2)
CHANNEL = "C0CARE"
PERMITTED: dict[str, bool | None] = {"U0LIN": True, "U0TOM": True, "U0MEI": False, "U0NEW": None}


class Forms:
    """The submissions of a process, and the people who submit."""

    def __init__(self, world: Operators, policy: OperationPolicy = POLICY) -> None:
        self.world, self.context = world, CONTEXT
        self.views = FakeViews()
        self.tasks = BackgroundTasks()
        self.permitted = dict(PERMITTED)
        self.writer: Any = world.client
        reader = AccountReader(
            world.client, now=world.clock, policy=CONTEXT.policy, owned=self._nobody, elapsed=lambda: 0.0
        )
        self.accounts = reader
        gate = OperationGate(("U0LIN",), self._permits, world.store, policy)
        records = OperationRecords(world.store, world.bot.recorder, policy)
        self.runner = OperationRunner(
            records,
            world.client,
            self,
            world.clock,
            sleep=Pauses(),
            changed=lambda one: self.modals.changed(one),
        )
        self.modals = OperationModals(
            self.views,
            reader,
            records,
            context=CONTEXT,
            channel=CHANNEL,
            clock=world.clock,
            policy=policy,
            tasks=self.tasks,
        )
        self.submissions = OperationSubmissions(
            self.modals,
            reader,
            gate,
            self.runner,
            world.store,
            channel=CHANNEL,
            clock=world.clock,
            tasks=self.tasks,
        )

    def __getattr__(self, name: str) -> Any:  # the writer
        return getattr(self.writer, name)

    async def _nobody(self) -> tuple[()]:
        return ()

    async def _permits(self, user_id: str, _: Origin) -> bool | None:
        return self.permitted[user_id]

    async def submit(
        self,
        kind: OperationKind,
        user: str = "U0LIN",
        version: str = "h1",
        handle: str = CHEN,
        *,
        after_read: bool = True,
        **values: str,
    ) -> Any:
        if after_read and self.accounts.last() is None:
            await self.accounts.read()
        metadata = FormMetadata(kind, "" if kind is OperationKind.ADD else handle, suffix="harbour_tea")
        submission = Submission(
            f"op.{kind}", "V1", version, view_metadata.encode_form(metadata), values, user, user[2:].lower()
        )
        return await self.submissions.submit(submission, self.context)

    async def settled(self) -> None:
        await self.tasks.drain(5)


def errors(answer: Any) -> dict[str, str]:
    assert isinstance(answer, FieldErrors), answer
    return dict(answer.errors)


def shown(answer: Any) -> str:
    """Return the first text of the modal."""
    assert isinstance(answer, ShowView), answer
    return str(answer.view["blocks"][0]["text"]["text"])


@pytest.fixture
async def forms(store: Store, clock: VirtualClock) -> AsyncIterator[Forms]:
    world = Operators(store, clock)
    await world.sees_a_rejection()
    made = Forms(world)
    yield made
    await made.settled()


@pytest.fixture
async def hurried(forms: Forms) -> AsyncIterator[Forms]:
    made = Forms(forms.world, HURRIED)
    yield made
    await made.settled()


@pytest.mark.both_stores
async def test_quick_success_is_the_answer_to_the_form(forms):
    answer = await forms.submit(OperationKind.INVITE, wx="chen_example")
    assert shown(answer).startswith("✅ *Invitation sent*\nChen waits for chen_example, <!date^")
    assert answer.view["clear_on_close"]
    await forms.settled()
    assert forms.views.calls == []
    assert (await forms.world.stored()).state is OperationState.DONE


@pytest.mark.parametrize(
    ("kind", "values", "errcode", "expected"),
    [
        (OperationKind.INVITE, {"wx": "chen_exmple"}, 65409, ("wx", "WeChat does not know this ID.")),
        (OperationKind.INVITE, {"wx2": "chen_exmple"}, 40132, ("wx2", "WeChat does not know this ID.")),
        (OperationKind.INVITE, {"wx": "chen_example"}, 65401, ("wx", "WeChat does not know this account")),
        (OperationKind.ADD, {"account": "fay", "name": "Fay"}, 65403, ("name", "WeChat refuses this name.")),
        (OperationKind.ADD, {"account": "fay", "name": "Fay"}, 65406, ("account", "This account exists already.")),
        (OperationKind.RENAME, {"name": "陈"}, 65403, ("name", "WeChat refuses this name.")),
    ],
)
async def test_refusal_is_an_error_at_its_field(forms, kind, values, errcode, expected):
    forms.world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=errcode, path=PATHS[kind]))
    ((field, text),) = errors(await forms.submit(kind, **values)).items()
    assert (field, text[: len(expected[1])]) == expected


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (OperationKind.INVITE, {"wx": "陈"}, ("wx", "A WeChat ID has letters, digits, - and _ only.")),
        (OperationKind.INVITE, {"wx": "+86 138-0013"}, ("wx", "A WeChat ID has letters, digits, - and _ only.")),
        (OperationKind.INVITE, {"wx": "+8613800138000"}, ("wx", "This looks like a phone number.")),
        (OperationKind.ADD, {"account": "a b!", "name": "x"}, ("account", "Up to 10 letters")),
        (OperationKind.ADD, {"account": "fay@other", "name": "x"}, ("account", "After the @ stands harbour_tea")),
        (OperationKind.ADD, {"account": "fay", "name": "x" * 17}, ("name", "This name has 17 characters")),
        (OperationKind.RENAME, {"name": "Chen"}, ("name", "This is the present name.")),
        (OperationKind.DELETE, {"typed": "Chen"}, ("typed", "This is not chen@harbour_tea.")),
    ],
)
async def test_wrong_field_is_refused_before_anything_is_stored(forms, kind, values, expected):
    ((field, text),) = errors(await forms.submit(kind, **values)).items()
    assert (field, text[: len(expected[1])]) == expected
    async with forms.world.store.begin() as tx:
        assert await operation_rows.count(tx) == 0


async def test_account_that_the_list_has_is_refused_without_a_write(forms):
    answer = errors(await forms.submit(OperationKind.ADD, account="chen", name="x"))
    assert answer["account"].startswith("This account exists already.")
    assert forms.world.writes(OperationKind.ADD) == 0


async def test_account_may_be_typed_in_any_width_and_case_to_delete_it(forms):
    assert shown(await forms.submit(OperationKind.DELETE, typed="ＣＨＥＮ＠harbour_tea ")).startswith(
        "✅ *Account deleted*"
    )


@pytest.mark.parametrize(
    ("user", "text"),
    [("U0MEI", "Only some people may change accounts."), ("U0NEW", "Slack does not say who may change accounts.")],
)
async def test_person_without_the_right_is_refused_at_the_first_field(forms, user, text):
    answer = errors(await forms.submit(OperationKind.INVITE, user, wx="chen_example"))
    assert answer["wx"].startswith(text)
    assert forms.world.writes(OperationKind.INVITE) == 0


async def test_person_who_lost_the_right_meanwhile_is_refused(forms):
    forms.permitted["U0LIN"] = False
    assert "wx" in errors(await forms.submit(OperationKind.INVITE, wx="chen_example"))


@pytest.mark.parametrize(
    "metadata",
    [
        *("", "{}", "[1]", '{"v":1,"act":"drop"}', '{"v":2,"act":"invite"}'),
        '{"v":1,"act":"delete","seat":"chen@harbour_tea"}',  # of another form
    ],
)
async def test_forged_metadata_is_an_error_at_the_first_field(forms, metadata):
    await forms.accounts.read()
    forged = Submission("op.invite", "V1", "h1", metadata, {"wx": "x_example"}, "U0LIN", "lin")
    answer = errors(await forms.submissions.submit(forged, forms.context))
    assert answer["wx"].startswith("This button is out of date.")
    assert forms.world.writes(OperationKind.INVITE) == 0


class Slow:
    """WeChat's writes, slower than a form waits for its answer."""

    def __init__(self, writer: Any, seconds: float) -> None:
        self._writer, self._seconds = writer, seconds

    async def invite(self, *arguments: str, within: float) -> None:
        await asyncio.sleep(self._seconds)
        await self._writer.invite(*arguments, within=within)


async def test_slow_success_replaces_the_announcement_after_slack_has_shown_it(hurried):
    hurried.writer = Slow(hurried.world.client, 0.25)
    answer = await hurried.submit(OperationKind.INVITE, wx="chen_example")
    assert shown(answer).startswith("*Asking WeChat…*")
    answered = asyncio.get_running_loop().time()
    await hurried.views.called.wait()
    assert asyncio.get_running_loop().time() - answered >= POLICY.update_after
    assert hurried.views.calls[0][:2] == ("update", "V1")
    assert hurried.views.versions == [""]
    assert hurried.views.last["blocks"][0]["text"]["text"].startswith("✅ *Invitation sent*")


async def test_late_refusal_shows_the_form_again_with_what_was_typed(hurried):
    hurried.writer = Slow(hurried.world.client, 0.25)
    hurried.world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=65409, path=writes.INVITE))
    await hurried.submit(OperationKind.INVITE, wx="chen_exmple")
    await hurried.views.called.wait()
    (field,) = [block for block in hurried.views.last["blocks"] if block["type"] == "input"]
    assert (field["block_id"], field["element"]["initial_value"]) == ("wx2", "chen_exmple")


async def test_failure_after_the_modal_was_closed_is_posted_to_the_person(hurried):
    world = hurried.world
    hurried.views.closed.add("V1")
    hurried.writer = Slow(world.client, 0.25)
    world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=65409, path=writes.INVITE))
    await hurried.submit(OperationKind.INVITE, wx="chen_exmple")
    await asyncio.sleep(0.3)
    await hurried.settled()
    await world.bot.deliver()
    assert [post.message.text.partition(" what")[0] for post in world.bot.slack.posted[1:]] == ["<@U0LIN>"]


async def test_unsure_outcome_is_shown_and_then_replaced_by_what_the_list_shows(forms):
    forms.world.wechat.inject(Fault(FaultMode.ANSWER_LOST, path=writes.INVITE))
    answer = await forms.submit(OperationKind.INVITE, wx="chen_example")
    assert shown(answer).startswith("⚠️ *WeChat did not answer in time*")
    await forms.runner.settle_due()
    await forms.views.called.wait()
    assert forms.views.last["blocks"][0]["text"]["text"].startswith("✅ *Invitation sent*")


@pytest.mark.both_stores
async def test_form_submitted_twice_at_once_makes_one_write(forms):
    first, second = await asyncio.gather(
        forms.submit(OperationKind.INVITE, wx="chen_example"), forms.submit(OperationKind.INVITE, wx="chen_example")
    )
    assert isinstance(first, ShowView)
    assert isinstance(second, ShowView)
    assert forms.world.writes(OperationKind.INVITE) == 1


async def test_form_submitted_again_later_gets_the_answer_of_the_first(forms):
    first = await forms.submit(OperationKind.INVITE, wx="chen_example")
    assert shown(await forms.submit(OperationKind.INVITE, wx="chen_example")) == shown(first)
    assert forms.world.writes(OperationKind.INVITE) == 1


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (OperationKind.INVITE, {"wx": "chen_example"}),
        (OperationKind.ADD, {"account": "fay", "name": "Fay"}),
        (OperationKind.RENAME, {"name": "陈"}),
        (OperationKind.DELETE, {"typed": CHEN}),
    ],
)
async def test_form_submitted_again_to_another_process_gets_the_answer_of_the_first(forms, kind, values):
    first = await forms.submit(kind, **values)
    other = Forms(forms.world)  # its list shows the change
    assert shown(await other.submit(kind, **values)) == shown(first)
    assert forms.world.writes(kind) == 1


async def test_process_that_has_not_read_the_list_takes_a_form_of_another_process(forms):
    answer = await forms.submit(OperationKind.RENAME, after_read=False, name="陈")
    assert shown(answer).startswith("✅ *Renamed*\nChen is now 陈.")


async def test_account_that_is_newer_than_the_last_read_is_found(forms):
    await forms.accounts.read()
    forms.world.wechat.add_account(NEW, "Fay")
    assert shown(await forms.submit(OperationKind.DELETE, handle=NEW, typed=NEW)).startswith("✅ *Account deleted*")


async def test_list_that_cannot_be_read_refuses_the_form_of_another_process(forms):
    forms.world.wechat.inject(Fault(FaultMode.DOWN, path=protocol.KF_LIST, times=None))
    answer = errors(await forms.submit(OperationKind.RENAME, after_read=False, name="陈"))
    assert answer["name"].startswith("This button is out of date.")


async def test_second_click_of_the_last_operation_in_an_hour_gets_the_answer_of_the_first(forms):
    for number in range(19):
        asked = await forms.world.asks(OperationKind.RENAME, replace_account(OperationKind.RENAME, number))
        async with forms.world.store.begin() as tx:
            await operation_rows.save(tx, asked, replace(asked, state=OperationState.DONE, ended_at=asked.asked_at))
    first = await forms.submit(OperationKind.INVITE, wx="chen_example")
    assert shown(await forms.submit(OperationKind.INVITE, wx="chen_example")) == shown(first)


async def test_second_click_of_another_attempt_gets_the_answer_of_that_attempt(forms):
    forms.world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=65408, path=writes.INVITE))
    assert errors(await forms.submit(OperationKind.INVITE, wx="chen_example"))
    forms.world.clock.forward(seconds=61)
    again = await forms.submit(OperationKind.INVITE, wx="chen_example")
    assert shown(await forms.submit(OperationKind.INVITE, wx="chen_example")) == shown(again)


async def test_corrected_value_is_submitted_although_the_view_keeps_its_hash(forms):
    forms.world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=65409, path=writes.INVITE))
    assert errors(await forms.submit(OperationKind.INVITE, wx="chen_exmple"))
    assert shown(await forms.submit(OperationKind.INVITE, wx="chen_example")).startswith("✅")


async def test_same_value_is_another_attempt_a_minute_after_a_refusal(forms):
    forms.world.wechat.inject(Fault(FaultMode.ERRCODE, errcode=65408, path=writes.INVITE))
    assert errors(await forms.submit(OperationKind.INVITE, wx="chen_example"))
    assert errors(await forms.submit(OperationKind.INVITE, wx="chen_example"))
    forms.world.clock.forward(seconds=61)
    assert shown(await forms.submit(OperationKind.INVITE, wx="chen_example")).startswith("✅")


async def test_second_person_reads_who_changes_the_account(forms):
    forms.writer = Slow(forms.world.client, 0.3)
    first = asyncio.create_task(forms.submit(OperationKind.INVITE, wx="chen_example"))
    await asyncio.sleep(0.1)
    answer = errors(await forms.submit(OperationKind.DELETE, "U0TOM", version="h2", typed=CHEN))
    assert answer["typed"].startswith("Lin is changing this account right now, since ")
    await first


async def test_account_that_changed_meanwhile_is_an_error_with_its_state(forms):
    await forms.accounts.read()
    forms.world.wechat.invite(CHEN, "chen_example", forms.world.clock() + timedelta(days=2))
    forms.world.wechat.accept(CHEN)
    answer = errors(await forms.submit(OperationKind.INVITE, wx="chen_example"))
    assert "it is bound now" in answer["wx"]


@pytest.mark.parametrize(("kind", "most"), [(OperationKind.RENAME, 20), (OperationKind.DELETE, 5)])
async def test_operations_of_one_hour_are_limited(forms, kind, most):
    world = forms.world
    for number in range(most):
        asked = await world.asks(kind, replace_account(kind, number))
        async with world.store.begin() as tx:
            await operation_rows.save(tx, asked, replace(asked, state=OperationState.DONE, ended_at=world.clock()))
    values = {"name": "Other"} if kind is OperationKind.RENAME else {"typed": CHEN}
    (text,) = errors(await forms.submit(kind, **values)).values()
    assert text.startswith(f"That is much for one hour: {most} changes. Wait until ")
    world.clock.forward(seconds=3601)
    assert isinstance(await forms.submit(kind, **values), ShowView)


def replace_account(kind: OperationKind, number: int) -> Any:
    return Wanted(f"kf{number}@harbour_tea", nickname="x" if kind is OperationKind.RENAME else "")


async def test_unreachable_database_sends_nothing(forms, monkeypatch):
    await forms.accounts.read()
    await forms.world.store.close()
    lost = Store.from_url("sqlite:////nowhere/kf.db", "wx")
    monkeypatch.setattr(forms.world.store, "_database", lost._database)
    (text,) = errors(await forms.submit(OperationKind.INVITE, wx="chen_example")).values()
    assert text.startswith("The database does not answer.")
    assert forms.world.writes(OperationKind.INVITE) == 0


async def test_chosen_account_is_answered_with_its_form(forms):
    await forms.accounts.read()
    picked = Submission(
        actions.PICK,
        "V1",
        "h1",
        view_metadata.encode_form(FormMetadata(OperationKind.INVITE)),
        {"account": EVE},
        "U0LIN",
        "lin",
    )
    answer = await forms.submissions.submit(picked, forms.context)
    assert answer.view["callback_id"] == "op.invite"
    assert NEW not in str(answer.view)


async def test_form_that_another_process_opened_is_carried_out(forms):
    assert forms.accounts.last() is None
    metadata = view_metadata.encode_form(FormMetadata(OperationKind.RENAME, CHEN))
    form = Submission("op.rename", "V1", "h1", metadata, {"name": "Chen Yi"}, "U0LIN", "lin")
    assert "Chen is now Chen Yi." in shown(await forms.submissions.submit(form, forms.context))


async def test_form_of_a_deleted_account_never_means_another_with_a_similar_name(forms):
    forms.world.wechat.add_account(f"x{EVE}", "Steve")
    forms.world.wechat.remove(EVE)
    (text,) = errors(await forms.submit(OperationKind.INVITE, handle=EVE, wx="eve_example")).values()
    assert text.startswith("This button is out of date.")
    assert forms.world.writes(OperationKind.INVITE) == 0


async def test_answer_is_in_the_language_of_the_person(forms):
    forms.context = replace(CONTEXT, language=Language.CHINESE)
    assert shown(await forms.submit(OperationKind.INVITE, wx="chen_example")).startswith("✅ *邀请已发送*")
