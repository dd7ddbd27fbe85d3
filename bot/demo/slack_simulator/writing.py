"""The Web API methods that write: chat.postMessage, chat.update, chat.postEphemeral.

Each takes a call's arguments, changes the workspace, and returns what Slack
answers beside `ok`. https://docs.slack.dev/reference/methods
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.demo.slack_simulator import content, rights, wire
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import Message, Workspace


def post_message(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """chat.postMessage. The answer's `channel` is the ID, also when a name was given."""
    channel = rights.channel_to_write(slack, arguments)
    thread_ts = rights.thread_root(channel, arguments)
    broadcast = rights.flag(arguments.get("reply_broadcast"))
    if broadcast and not thread_ts:
        slack.unexpected.append("chat.postMessage: reply_broadcast without thread_ts")
    metadata = content.metadata(arguments)
    said = content.read(slack, arguments)
    content.note_mentions(slack, said)
    posted = slack.add(
        Message(
            channel=channel.id,
            ts=slack.next_ts(),
            user=wire.BOT_USER,
            text=said.text,
            blocks=said.blocks,
            metadata=metadata or None,
            thread_ts=thread_ts,
            broadcast=broadcast and thread_ts is not None,
        )
    )
    answer = {"channel": channel.id, "ts": posted.ts, "message": wire.message(posted, metadata=True)}
    return answer | _warned(said)


def update(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """chat.update. Blocks and metadata that are absent stay; `[]` and `{}` remove them.

    Slack's documents disagree about `text` without `blocks`: its OpenAPI says that the old blocks stay, other
    words of its that they go. What was seen is that they stay: https://github.com/slack-go/slack/issues/1214
    """
    rights.require(slack, "chat:write")
    channel = rights.channel_named(slack, arguments)
    message = rights.own_message(channel, arguments, wire.BOT_USER)
    if channel.is_archived:
        raise Refusal("is_archived")
    metadata = content.metadata(arguments)
    said = content.read(slack, arguments)
    edited = slack.edit(
        message,
        text=said.text,
        blocks=message.blocks if arguments.get("blocks") is None else said.blocks,
        metadata=message.metadata if metadata is None else metadata or None,
        marked=not said.blocks,
    )
    answer = {"channel": channel.id, "ts": edited.ts, "text": edited.text}
    return answer | {"message": wire.message(edited, metadata=True)} | _warned(said)


def post_ephemeral(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """chat.postEphemeral: seen by one person of the channel, never edited."""
    channel = rights.channel_to_write(slack, arguments)
    user = str(arguments.get("user", ""))
    if channel.members is not None and user not in channel.members:
        raise Refusal("user_not_in_channel")
    thread_ts = rights.thread_root(channel, arguments)
    said = content.read(slack, arguments)
    shown = slack.add(
        Message(
            channel=channel.id,
            ts=slack.next_ts(),
            user=wire.BOT_USER,
            text=said.text,
            blocks=said.blocks,
            thread_ts=thread_ts,
            only_for=user,
        )
    )
    return {"message_ts": shown.ts} | _warned(said)


def _warned(said: content.Content) -> dict[str, Any]:
    if not said.warnings:
        return {}
    return {"warning": ",".join(said.warnings), "response_metadata": {"warnings": said.warnings}}
