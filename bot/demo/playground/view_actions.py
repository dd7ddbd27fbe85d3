"""What people do in windows and in App Home. Messages and commands stay out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bot.demo.playground.request_details import LONGEST, Details, acked, action_of, text_of, user_of
from bot.demo.playground.sandbox import Sandbox
from bot.demo.playground.wechat_console import CannotError


async def open_home(world: Sandbox, given: Details) -> dict[str, Any]:
    user = user_of(given)
    await world.ready()
    return acked((await world.slack.open_home(user=user))[-1])


async def click_in_home(world: Sandbox, given: Details) -> dict[str, Any]:
    user, action = user_of(given), action_of(given)
    await world.ready()
    with _changes_reported():
        return acked((await world.slack.click_in_home(user=user, **action)).ack)


async def click_in_modal(world: Sandbox, given: Details) -> dict[str, Any]:
    """Click in the window in front. What its fields contain goes with the click."""
    user, action, entries = user_of(given), action_of(given), _entries(given)
    await world.ready()
    with _changes_reported():
        _check_in_front(world, given, user)
        world.slack.fill_in(entries, user=user)
        return acked((await world.slack.click_in_modal(user=user, **action)).ack)


async def submit(world: Sandbox, given: Details) -> dict[str, Any]:
    """Submit the window in front. A failure is shown in the window itself, and not returned."""
    user, entries = user_of(given), _entries(given)
    await world.ready()
    with _changes_reported():
        _check_in_front(world, given, user)
        ack = (await world.slack.submit(entries, user=user)).ack
    return {"ms": round(ack.ms, 1) if ack and not ack.failure else None, "failure": None}


async def close(world: Sandbox, given: Details) -> dict[str, Any]:
    """Close the window in front, or with `whole` those under it as well."""
    user = user_of(given)
    with _changes_reported():
        _check_in_front(world, given, user)
        await world.slack.close_modal(whole=given.get("whole") is True, user=user)
    return {"ms": None, "failure": None}


def _check_in_front(world: Sandbox, given: Details, user: str) -> None:
    if world.slack.modal(user).id != text_of(given, "view"):
        raise LookupError("another window is in front")


@contextmanager
def _changes_reported() -> Iterator[None]:
    """Say it in a sentence when a window or Home is gone, or does not show what the page believes."""
    try:
        yield
    except LookupError:
        raise CannotError("The window has changed meanwhile.") from None


def _entries(given: Details) -> dict[str, str]:
    """Return what the fields contain, by block_id: texts, and values of options."""
    entries = given.get("entries", {})
    if not isinstance(entries, dict) or not all(
        isinstance(entry, str) and len(entry) <= LONGEST for entry in entries.values()
    ):
        raise CannotError("The fields contain texts.")
    return entries
