"""Forms of accounts that the last list does not have yet."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from bot import actions, view_metadata
from bot.actions import OpenInvite
from bot.blocks.context import RenderContext
from bot.interactions import operation_forms
from bot.interactions.account_reader import AccountReader
from bot.interactions.operation_forms import OperationForms
from bot.interactions.operation_gate import OperationGate
from bot.operations.operation import OperationKind, OperationPolicy
from bot.ports import BlockAction, ClickedView, Command, Origin
from bot.requests import Operate
from bot.runtime.tasks import BackgroundTasks
from bot.store.database import Store
from tests.conftest import VirtualClock
from tests.fakes import FakeViews
from tests.operators import NEW, Operators
from tests.samples import CONTEXT, RESTARTING
from wechat_kf import protocol
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.story


class OpenForms:
    """Forms that a process opens, some time after it read the list."""

    def __init__(self, world: Operators) -> None:
        self.world, self.views, self.tasks = world, FakeViews(), BackgroundTasks()
        self.accounts = AccountReader(
            world.client,
            now=world.clock,
            policy=CONTEXT.policy,
            owned=self._nobody,
            elapsed=lambda: world.clock().timestamp(),
        )
        gate = OperationGate(("U0LIN",), self._permits, world.store, OperationPolicy())
        self.forms = OperationForms(
            self.views, self.accounts, gate, channel="C0CARE", clock=world.clock, tasks=self.tasks
        )

    async def _nobody(self) -> tuple[()]:
        return ()

    async def _permits(self, user_id: str, _: Origin) -> bool:
        return True

    async def reader(self) -> RenderContext:
        return CONTEXT

    async def read_before_an_account_is_added(self) -> None:
        await self.accounts.read()
        self.world.wechat.add_account(NEW, "Fay")
        self.world.clock.now += timedelta(minutes=5)

    async def types(self, kind: OperationKind, text: str) -> str:
        """Return the account of the form that a command opens, or the answer."""
        answer = await self.forms.command(Command(text, "U0LIN"), Operate(kind, text), self.reader)
        await self.tasks.drain(5)
        return answer.text if answer else self.account()

    def account(self) -> str:
        form = view_metadata.decode_form(self.views.last["private_metadata"])
        return form.handle if form else ""


@pytest.fixture
async def opened(store: Store, clock: VirtualClock) -> OpenForms:
    forms = OpenForms(Operators(store, clock))
    await forms.read_before_an_account_is_added()
    return forms


@pytest.mark.parametrize("kind", [OperationKind.INVITE, OperationKind.RENAME, OperationKind.DELETE])
async def test_command_finds_an_account_that_is_newer_than_the_last_list(opened, kind):
    assert await opened.types(kind, "fay") == NEW


async def test_button_of_a_new_account_opens_its_form(opened):
    click = BlockAction(
        actions.INVITE, "", "U0LIN", view=ClickedView("V1", "h1", callback_id=f"op.{OperationKind.ADD}")
    )
    assert await opened.forms.click(click, OpenInvite(handle=NEW), opened.reader) is None
    await opened.tasks.drain(5)
    assert opened.account() == NEW
    assert opened.views.calls[0][:2] == ("update", "V1")


async def test_unknown_account_is_answered_although_the_list_cannot_be_read_again(opened):
    opened.world.wechat.inject(Fault(FaultMode.DOWN, path=protocol.KF_LIST, times=None))
    assert (await opened.types(OperationKind.RENAME, "fay")).startswith("No account matches “fay”.")


@pytest.mark.parametrize(
    ("action", "title"),
    [(OpenInvite(episode_id="e1"), "Invite again"), (OpenInvite(handle=NEW), "Invite somebody")],
)
async def test_announcement_of_a_form_has_the_title_of_the_form(opened, monkeypatch, action, title):
    monkeypatch.setattr(operation_forms, "AT_ONCE", 0.0)
    await opened.forms.click(BlockAction(actions.INVITE, "", "U0LIN"), action, opened.reader)
    await opened.tasks.drain(5)
    assert opened.views.calls[0][2]["title"]["text"] == title


async def test_announcement_of_a_form_is_replaced_when_the_process_stops(opened, monkeypatch):
    monkeypatch.setattr(operation_forms, "AT_ONCE", 0.0)
    opened.world.wechat.inject(Fault(FaultMode.SLOW, path=protocol.KF_LIST, seconds=600))
    opened.accounts.expire()
    command = Command("fay", "U0LIN")
    task = asyncio.create_task(opened.forms.command(command, Operate(OperationKind.RENAME, "fay"), opened.reader))
    await opened.views.called.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    method, _, view = opened.views.calls[-1]
    assert (method, RESTARTING.text in str(view["blocks"])) == ("update", True)
