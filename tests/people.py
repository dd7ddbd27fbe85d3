"""People in front of the running bot: accounts in WeChat, operators, and the modals they wait for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bot.demo.slack_simulator import Invocation, Message, View
from tests.running import ALERTS, CARE, World, until, world
from wechat_kf import writes

LIN, TOM, MEI = "U0LIN", "U0TOM", "U0MEI"  # an operator, and others; Lin alone is mentioned, when nothing happened
CHEN, EVE = "chen@harbour_tea", "eve@harbour_tea"


@asynccontextmanager
async def care_team(store_url: str, *, operators: str = LIN, **of_slack: Any) -> AsyncIterator[World]:
    """Serve WeChat with three accounts, one of them invited, and Slack; `operators` may change accounts."""
    slack = {"may_mention": {f"<@{LIN}>"}, **of_slack}
    async with world(store_url, **slack) as made:
        made.slack.add_person(LIN, "lin")
        made.wechat.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
        made.wechat.add_account(EVE, "Eve")
        made.invite("chen")
        if operators:
            made.environ["KF_OPERATORS"] = operators
        yield made


async def rejection(place: World) -> Message:
    """Let Chen reject the invitation, and wait for the alert."""
    await until(lambda: len(place.wechat.log) > 2)
    place.wechat.reject(CHEN)
    await until(lambda: place.texts)
    return alert_of(place)


def alert_of(place: World) -> Message:
    return place.slack.messages(ALERTS)[0]


def shown(of: Message | View) -> str:
    """Return the blocks of a message or a view as text."""
    return json.dumps(of.blocks, ensure_ascii=False)


def buttons(of: Message | View) -> list[str]:
    """Return the action IDs of the buttons and menus."""
    parts = [part for block in of.blocks for part in (block.get("accessory", {}), *block.get("elements", ()))]
    return [part["action_id"] for part in parts if "action_id" in part]


def entered(view: View) -> dict[str, str | None]:
    """Return what the fields of a form hold, by block_id."""
    return {block: next(iter(fields.values()))["value"] for block, fields in view.state.items()}


async def modal(place: World, words: str, user: str = LIN, within: float = 20) -> View:
    """Wait until the modal in front of a person has these words, in its title or its blocks."""
    views = place.slack.views

    def is_there() -> bool:
        view = views.visible(user)
        return view is not None and words in f"{view.title} {shown(view)}"

    try:
        await until(is_there, within)
    except TimeoutError:
        view = views.visible(user)
        raise AssertionError(f"no {words!r} in {view.title + shown(view) if view else 'no modal'}") from None
    return place.slack.modal(user)


async def form(place: World, action_id: str, user: str = LIN) -> View:
    """Press a button of the alert that opens a form, and wait for the form."""
    clicked = await place.slack.click(alert_of(place), action_id, user=user)
    assert (clicked.ack.status, clicked.ack.body) == (200, "")
    return await fields(place, user)


async def fields(place: World, user: str = LIN) -> View:
    """Wait until a person has a form in front."""
    await until(lambda: (view := place.slack.views.visible(user)) is not None and "submit" in view.content, 20)
    return place.slack.modal(user)


async def typed(place: World, text: str, user: str = LIN) -> View:
    """Type a command that opens a form, and wait for the form. It gets no other answer."""
    said = await place.slack.command(text, channel=CARE, user=user)
    assert (said.ack.status, said.ack.body) == (200, "")
    view = await fields(place, user)
    assert said.answers() == []
    return view


async def answer_to(place: World, text: str, user: str) -> str:
    """Type a command, and return the text of its answer, which only this person sees."""
    said = await place.slack.command(text, channel=CARE, user=user)
    answer = await said.answer()
    assert answer.only_for == user
    return answer.text


async def refusal(place: World, said: Invocation, words: str, user: str = LIN) -> None:
    """Wait for the words that refuse a form to this person: the answer, or a modal if the form was announced.

    The modal comes first where the machine is busy: the bot announces a form whose reason it does not know in time.
    """
    answers: list[Message] = []

    def is_refused() -> bool:
        answers.extend(said.answers())
        view = place.slack.views.visible(user)
        is_shown = view is not None and words.partition(".")[0] in shown(view)  # each sentence is a block there
        return is_shown or any(one.text.startswith(words) for one in answers)

    await until(is_refused, 20)
    if answers:
        assert [one.only_for for one in answers] == [user]
    else:
        await place.slack.close_modal(user=user)


async def command_refused(place: World, text: str, words: str, user: str = LIN) -> None:
    await refusal(place, await place.slack.command(text, channel=CARE, user=user), words, user)


def written(place: World) -> list[str]:
    """Return the path of each write that reached WeChat, in order."""
    return [call.path for call in place.wechat.log if call.path in writes.PATHS]
