"""What the page can ask for, by name. Each takes the world and the details of the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from bot.demo.playground import presets
from bot.demo.playground.people import PEOPLE
from bot.demo.playground.sandbox import RATES, Sandbox
from bot.demo.playground.wechat_console import CannotError
from bot.demo.slack_simulator.sent_messages import Ack
from bot.demo.slack_simulator.state import Message
from bot.settings import parsers

COMMAND = "/kf"
LONGEST = 4000  # characters of a text
Details = Mapping[str, Any]
Action = Callable[[Sandbox, Details], Awaitable[dict[str, Any]]]


async def _command(world: Sandbox, given: Details) -> dict[str, Any]:
    text = _text(given, "text")
    if not text.strip().startswith("/"):
        raise CannotError("A command begins with a slash.")
    name, *rest = text.split(maxsplit=1)
    if name.lower() != COMMAND:
        # Slack sends an app its own commands only; it says this itself.
        raise CannotError(
            "{name} is not a valid command. The app that is installed here has {command}.",
            name=name,
            command=COMMAND,
        )
    return _acked(await world.command(_channel(world, given), _user(given), " ".join([COMMAND, *rest])))


async def _say(world: Sandbox, given: Details) -> dict[str, Any]:
    text = _text(given, "text").strip()
    if not text:
        raise CannotError("There is nothing to say.")
    world.slack.say(_channel(world, given), text, user=_user(given))
    return {}


async def _click(world: Sandbox, given: Details) -> dict[str, Any]:
    details = {name: given[name] for name in ("value", "option", "block_id") if isinstance(given.get(name), str)}
    try:
        ack = await world.click(
            _message(world, given), _user(given), {"action_id": _text(given, "action_id"), **details}
        )
    except LookupError:
        raise CannotError("The message has changed meanwhile.") from None
    return _acked(ack)


async def _add(world: Sandbox, given: Details) -> dict[str, Any]:
    world.console.add(_text(given, "name"), _text(given, "nickname"))
    return {}


async def _invite(world: Sandbox, given: Details) -> dict[str, Any]:
    seconds = given.get("seconds")
    if not isinstance(seconds, int | float) or not abs(seconds) <= 1e9:  # NaN is not, either
        raise CannotError("For how long is the invitation?")
    world.console.invite(_text(given, "key"), _text(given, "invite_wx"), timedelta(seconds=seconds), world.clock())
    return {}


def _to_seat(name: str) -> Action:
    async def act(world: Sandbox, given: Details) -> dict[str, Any]:
        world.console.do(name, _text(given, "key"))
        return {}

    return act


async def _preset(world: Sandbox, given: Details) -> dict[str, Any]:
    name = _text(given, "name")
    if name not in presets.PRESETS:
        raise CannotError("There is no preset {name}.", name=repr(name))
    presets.apply(name, world.wechat, world.clock())
    return {}


async def _start_over(world: Sandbox, given: Details) -> dict[str, Any]:
    world.start_over()
    return {}


async def _zone(world: Sandbox, given: Details) -> dict[str, Any]:
    try:
        zone = parsers.zone(_text(given, "name"))
    except ValueError:
        raise CannotError("There is no time zone of that name.") from None
    world.use_zone(zone.key)
    return {}


async def _language(world: Sandbox, given: Details) -> dict[str, Any]:
    try:
        language = parsers.language(_text(given, "name"))
    except ValueError:
        raise CannotError("There is no language of that name.") from None
    world.use_language(language)
    return {}


async def _clock(world: Sandbox, given: Details) -> dict[str, Any]:
    if given.get("rate") not in RATES:
        raise CannotError("The clock runs at one of {rates}.", rates=", ".join(map(str, RATES)))
    world.run_clock(given["rate"])
    return {}


async def _fault(world: Sandbox, given: Details) -> dict[str, Any]:
    sides = {"wechat": world.console.break_wechat, "slack": world.console.break_slack}
    side = _text(given, "side")
    if side not in sides:
        raise CannotError("Trouble is with wechat or with slack.")
    sides[side](_text(given, "name"))
    world.tell_faults()
    return {}


async def _kill(world: Sandbox, given: Details) -> dict[str, Any]:
    if not world.keeper.kill():
        raise CannotError("There is no bot to kill at the moment: the next one is starting.")
    return {}


ACTIONS: Mapping[str, Action] = {
    "slack.command": _command,
    "slack.say": _say,
    "slack.click": _click,
    "wechat.add": _add,
    "wechat.invite": _invite,
    **{f"wechat.{name}": _to_seat(name) for name in ("accept", "reject", "expire", "withdraw", "unbind", "remove")},
    "preset": _preset,
    "start-over": _start_over,
    "clock": _clock,
    "zone": _zone,
    "language": _language,
    "fault": _fault,
    "bot.kill": _kill,
}


def _text(given: Details, name: str) -> str:
    text = given.get(name)
    if not isinstance(text, str) or len(text) > LONGEST:
        raise CannotError("The request lacks a text {name}.", name=repr(name))
    return text


def _channel(world: Sandbox, given: Details) -> str:
    channel = _text(given, "channel")
    if channel not in world.slack.channels:
        raise CannotError("There is no such channel.")
    return channel


def _user(given: Details) -> str:
    user = _text(given, "user")
    if user not in PEOPLE:
        raise CannotError("There is nobody of that ID.")
    return user


def _message(world: Sandbox, given: Details) -> Message:
    """Return the clicked message: an ephemeral one, or one of the channel."""
    ts = _text(given, "ts")
    found = world.slack.ephemerals.get(ts) or world.slack.channels[_channel(world, given)].messages.get(ts)
    if found is None:
        raise CannotError("The message is gone.")
    return found


def _acked(ack: Ack) -> dict[str, Any]:
    return {"ms": round(ack.ms, 1), "failure": ack.failure}
