"""The details of a request of the page: texts, and what they name in Slack. What is done with it stays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.demo.playground.people import PEOPLE
from bot.demo.playground.sandbox import Sandbox
from bot.demo.playground.wechat_console import CannotError
from bot.demo.slack_simulator.sent_messages import Ack
from bot.demo.slack_simulator.state import Message
from wechat_kf.simulator import Simulator

LONGEST = 4000  # characters of a text
Details = Mapping[str, Any]


def action_of(given: Details) -> dict[str, str]:
    """Return the parts of a click that it has: the ID of its button or menu, its block, its value or option."""
    parts = {name: given[name] for name in ("value", "option", "block_id") if isinstance(given.get(name), str)}
    return {"action_id": text_of(given, "action_id"), **parts}


def text_of(given: Details, name: str) -> str:
    text = given.get(name)
    if not isinstance(text, str) or len(text) > LONGEST:
        raise CannotError("The request lacks a text {name}.", name=repr(name))
    return text


def channel_of(world: Sandbox, given: Details) -> str:
    channel = text_of(given, "channel")
    if channel not in world.slack.channels:
        raise CannotError("There is no such channel.")
    return channel


def user_of(given: Details) -> str:
    user = text_of(given, "user")
    if user not in PEOPLE:
        raise CannotError("There is no person with that ID.")
    return user


def account_of(world: Sandbox, given: Details) -> Simulator:
    """Return the Official Account that the request is about."""
    appid = text_of(given, "account")
    if all(appid != account.appid for account in world.installation.consoles):
        raise CannotError("There is no such Official Account.")
    return world.wechat[appid]


def message_of(world: Sandbox, given: Details) -> Message:
    """Return the clicked message: an ephemeral one, or one of the channel."""
    ts = text_of(given, "ts")
    found = world.slack.ephemerals.get(ts) or world.slack.channels[channel_of(world, given)].messages.get(ts)
    if found is None:
        raise CannotError("The message is gone.")
    return found


def acked(ack: Ack) -> dict[str, Any]:
    return {"ms": round(ack.ms, 1), "failure": ack.failure}
