"""A modal that announces its content shows in the end that content, or why there is none."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from bot.blocks.answers import replies
from bot.blocks.modals.modal_view import message_view
from bot.interactions import view_answers
from bot.interactions.view_answers import Announcement, ModalAnswer, ViewAnswers
from bot.ports import BlockAction, Message, View
from tests.fakes import FakeViews
from tests.samples import CONTEXT, FAILED, RESTARTING


@pytest.fixture(autouse=True)
def announced_at_once(monkeypatch):
    monkeypatch.setattr(view_answers, "AT_ONCE", 0.0)


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def broken() -> Message:
    await asyncio.sleep(0.01)
    raise ValueError("a fault of the bot")


async def show(views: FakeViews, make: view_answers.Make) -> None:
    def view(notice: Message) -> View:
        return message_view(notice, CONTEXT)

    async def content(message: Message) -> View:
        return view(message)

    announcement = Announcement(view(replies.reading(CONTEXT)), view, CONTEXT)
    await ViewAnswers(views).show(BlockAction("kf.show", "v1"), ModalAnswer(make, content, announcement))


async def test_answer_that_cannot_be_made_takes_the_place_of_its_announcement():
    views = FakeViews()
    with pytest.raises(ValueError, match="a fault"):
        await show(views, broken)
    assert views.calls[-1] == ("update", "V1", message_view(FAILED, CONTEXT))


async def test_announcement_is_replaced_when_the_process_stops():
    views = FakeViews()
    task = asyncio.create_task(show(views, never))
    await views.called.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert views.calls[-1] == ("update", "V1", message_view(RESTARTING, CONTEXT))
