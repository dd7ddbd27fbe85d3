"""Read Slack's payloads into the values of `bot.ports`. A field that is missing or of another type is empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.ports import BlockAction, ClickedView, Command, HomeOpened, Origin, Submission

Payload = Mapping[str, Any]


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def object_of(value: object) -> Payload:
    return value if isinstance(value, dict) else {}


def command_of(body: Payload) -> Command:
    """Read a slash command, which Slack offers only in the workspace that installed the app."""
    return Command(
        text=text_of(body.get("text")),
        user_id=text_of(body.get("user_id")),
        user_name=text_of(body.get("user_name")),
        trigger_id=text_of(body.get("trigger_id")),
        origin=Origin(
            team_id=text_of(body.get("team_id")),
            enterprise_id=text_of(body.get("enterprise_id")),
            channel_id=text_of(body.get("channel_id")),
        ),
    )


def block_action_of(body: Payload, action: Payload) -> BlockAction:
    """Read a click, in a message, in a modal or in App Home."""
    view = object_of(body.get("view"))
    return BlockAction(
        action_id=text_of(action.get("action_id")),
        value=_value(action),
        user_id=_user_id(body),
        user_name=_user_name(body),
        origin=_origin(body),
        trigger_id=text_of(body.get("trigger_id")),
        view=_clicked_view(view) if view else None,
    )


def submission_of(body: Payload) -> Submission:
    view = object_of(body.get("view"))
    return Submission(
        callback_id=text_of(view.get("callback_id")),
        view_id=text_of(view.get("id")),
        version=text_of(view.get("hash")),
        private_metadata=text_of(view.get("private_metadata")),
        values=dict(_values(view)),
        user_id=_user_id(body),
        user_name=_user_name(body),
        origin=_origin(body),
    )


def home_opened_of(body: Payload) -> HomeOpened | None:
    """Read an `app_home_opened`; None for another tab than Home."""
    event = object_of(body.get("event"))
    if event.get("tab") != "home":
        return None
    view = object_of(event.get("view"))
    return HomeOpened(
        text_of(event.get("user")),
        has_view=bool(view),
        private_metadata=text_of(view.get("private_metadata")),
    )


def _clicked_view(view: Payload) -> ClickedView:
    return ClickedView(
        id=text_of(view.get("id")),
        version=text_of(view.get("hash")),
        is_home=view.get("type") == "home",
        private_metadata=text_of(view.get("private_metadata")),
        callback_id=text_of(view.get("callback_id")),
    )


def _values(view: Payload) -> Iterator[tuple[str, str]]:
    """Yield the inputs of a modal by block ID, in the order of its blocks, so that the first is the first field."""
    stored = object_of(object_of(view.get("state")).get("values"))
    blocks = view.get("blocks")
    shown = [text_of(object_of(block).get("block_id")) for block in blocks] if isinstance(blocks, list) else []
    for block_id in dict.fromkeys([*shown, *stored]):
        for element in object_of(stored.get(block_id)).values():
            yield block_id, _value(object_of(element))


def _value(element: Payload) -> str:
    """Return the chosen option of a menu, or the value of a button or an input."""
    return text_of((object_of(element.get("selected_option")) or element).get("value"))


def _user_id(body: Payload) -> str:
    return text_of(object_of(body.get("user")).get("id"))


def _user_name(body: Payload) -> str:
    user = object_of(body.get("user"))
    return text_of(user.get("name")) or text_of(user.get("username"))


def _origin(body: Payload) -> Origin:
    user = object_of(body.get("user"))
    enterprise = object_of(body.get("enterprise")).get("id") or object_of(body.get("team")).get("enterprise_id")
    return Origin(
        team_id=text_of(user.get("team_id")),
        user_enterprise_id=text_of(user.get("enterprise_id")),
        enterprise_id=text_of(enterprise),
        channel_id=text_of(object_of(body.get("channel")).get("id")),
        is_ephemeral=object_of(body.get("container")).get("is_ephemeral") is True,
    )
