"""What the page can ask for, by name. Each takes the world and the details of the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from bot.demo.playground import presets, view_actions
from bot.demo.playground.request_details import (
    Details,
    account_of,
    acked,
    action_of,
    channel_of,
    message_of,
    text_of,
    user_of,
)
from bot.demo.playground.sandbox import RATES, Sandbox
from bot.demo.playground.wechat_console import CannotError
from bot.settings import parsers

COMMAND = "/kf"
Action = Callable[[Sandbox, Details], Awaitable[dict[str, Any]]]


async def _command(world: Sandbox, given: Details) -> dict[str, Any]:
    text = text_of(given, "text")
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
    return acked(await world.command(channel_of(world, given), user_of(given), " ".join([COMMAND, *rest])))


async def _say(world: Sandbox, given: Details) -> dict[str, Any]:
    text = text_of(given, "text").strip()
    if not text:
        raise CannotError("There is nothing to say.")
    world.slack.say(channel_of(world, given), text, user=user_of(given))
    return {}


async def _click(world: Sandbox, given: Details) -> dict[str, Any]:
    try:
        ack = await world.click(message_of(world, given), user_of(given), action_of(given))
    except LookupError:
        raise CannotError("The message has changed meanwhile.") from None
    return acked(ack)


async def _add(world: Sandbox, given: Details) -> dict[str, Any]:
    world.console.add(account_of(world, given), text_of(given, "name"), text_of(given, "nickname"))
    return {}


async def _invite(world: Sandbox, given: Details) -> dict[str, Any]:
    seconds = given.get("seconds")
    if not isinstance(seconds, int | float) or not abs(seconds) <= 1e9:  # NaN is not, either
        raise CannotError("For how long is the invitation?")
    left = timedelta(seconds=seconds)
    invited = (text_of(given, "key"), text_of(given, "invite_wx"))
    world.console.invite(account_of(world, given), *invited, left, world.clock())
    return {}


def _to_seat(name: str) -> Action:
    async def act(world: Sandbox, given: Details) -> dict[str, Any]:
        world.console.do(account_of(world, given), name, text_of(given, "key"))
        return {}

    return act


async def _withdraw_authorization(world: Sandbox, given: Details) -> dict[str, Any]:
    world.consents.withdraw(account_of(world, given).appid)
    return {}


async def _preset(world: Sandbox, given: Details) -> dict[str, Any]:
    name = text_of(given, "name")
    if name not in presets.PRESETS:
        raise CannotError("There is no preset {name}.", name=repr(name))
    world.use_preset(presets.PRESETS[name])
    return {}


async def _start_over(world: Sandbox, given: Details) -> dict[str, Any]:
    world.start_over()
    return {}


async def _zone(world: Sandbox, given: Details) -> dict[str, Any]:
    try:
        zone = parsers.zone(text_of(given, "name"))
    except ValueError:
        raise CannotError("There is no time zone of that name.") from None
    world.use_zone(zone.key)
    return {}


async def _language(world: Sandbox, given: Details) -> dict[str, Any]:
    try:
        language = parsers.language(text_of(given, "name"))
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
    side = text_of(given, "side")
    if side not in sides:
        raise CannotError("Trouble is with wechat or with slack.")
    sides[side](text_of(given, "name"))
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
    "slack.open-home": view_actions.open_home,
    "slack.click-in-home": view_actions.click_in_home,
    "slack.click-in-modal": view_actions.click_in_modal,
    "slack.submit": view_actions.submit,
    "slack.close": view_actions.close,
    "wechat.add": _add,
    "wechat.invite": _invite,
    **{f"wechat.{name}": _to_seat(name) for name in ("accept", "reject", "expire", "withdraw", "unbind", "remove")},
    "wechat.withdraw-authorization": _withdraw_authorization,
    "preset": _preset,
    "start-over": _start_over,
    "clock": _clock,
    "zone": _zone,
    "language": _language,
    "fault": _fault,
    "bot.kill": _kill,
}
