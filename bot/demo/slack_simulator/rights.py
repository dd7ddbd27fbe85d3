"""Who may do what where: scopes, channels, threads. What is said there stays out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import Channel, Message, Workspace


def require(slack: Workspace, scope: str) -> None:
    """Insist on a scope of the bot's token.

    Raises:
        Refusal: missing_scope, with what is needed and what there is.
    """
    if scope not in slack.scopes:
        raise Refusal("missing_scope", needed=scope, provided=",".join(sorted(slack.scopes)))


def channel_named(slack: Workspace, arguments: Mapping[str, Any], *, by_name: bool = False) -> Channel:
    """Find the conversation of a call, by ID or, where Slack still allows it, by name.

    Raises:
        Refusal: channel_not_found. A private one that the bot is not in looks like none at all.
    """
    wanted = arguments.get("channel", "")
    for channel in slack.channels.values():
        if wanted == channel.id or (by_name and wanted in (channel.name, f"#{channel.name}")):
            if channel.is_private and not channel.is_member:
                raise Refusal("channel_not_found")
            return channel
    raise Refusal("channel_not_found", note=f"no channel {wanted!r}")


def channel_to_write(slack: Workspace, arguments: Mapping[str, Any]) -> Channel:
    """Find the conversation to post to. A person's ID leads to their conversation with the app.

    Raises:
        Refusal: missing_scope, channel_not_found, not_in_channel, is_archived.
    """
    require(slack, "chat:write")
    if (user := str(arguments.get("channel", ""))) in slack.people:
        return slack.direct_channel(user)
    channel = channel_named(slack, arguments, by_name=True)
    if not channel.is_member and "chat:write.public" not in slack.scopes:
        raise Refusal("not_in_channel")
    if channel.is_archived:
        raise Refusal("is_archived")
    return channel


def channel_to_read(slack: Workspace, arguments: Mapping[str, Any]) -> Channel:
    """Find the conversation whose messages are asked for.

    Raises:
        Refusal: channel_not_found, missing_scope, not_in_channel.
    """
    channel = channel_named(slack, arguments)
    require(slack, "groups:history" if channel.is_private else "channels:history")
    if not channel.is_member:
        raise Refusal("not_in_channel")
    return channel


def thread_root(channel: Channel, arguments: Mapping[str, Any]) -> str | None:
    """Take `thread_ts` out of a call: the ts of a message that is there and is no reply itself.

    Raises:
        Refusal: thread_not_found, cannot_reply_to_message.
    """
    ts = arguments.get("thread_ts")
    if ts is None:
        return None
    if ts in channel.deleted:
        raise Refusal("thread_not_found")
    if not is_ts(ts) or ts not in channel.messages:
        raise Refusal("thread_not_found", note=f"no message {ts!r} to reply to")
    if channel.messages[ts].thread_ts:
        raise Refusal("cannot_reply_to_message", note=f"{ts} is a reply: use the ts of its root")
    return str(ts)


def own_message(channel: Channel, arguments: Mapping[str, Any], user: str) -> Message:
    """Find the message to edit.

    Raises:
        Refusal: message_not_found, cant_update_message.
    """
    ts = arguments.get("ts")
    if ts in channel.deleted:
        raise Refusal("message_not_found")
    if not is_ts(ts) or ts not in channel.messages:
        raise Refusal("message_not_found", note=f"no message {ts!r} to edit")
    if channel.messages[ts].user != user:
        raise Refusal("cant_update_message", note=f"{ts} is somebody else's message")
    return channel.messages[ts]


def is_ts(ts: Any) -> bool:
    return isinstance(ts, str) and re.fullmatch(r"[0-9]{1,11}\.[0-9]{6}", ts) is not None


def flag(value: Any) -> bool:
    """Read a boolean: JSON has its own, forms write `true` or `1`."""
    return value in (True, "true", "1")
