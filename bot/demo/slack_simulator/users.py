"""What Slack sends when a person types a command or clicks: the payloads, and their signature.

https://docs.slack.dev/interactivity/implementing-slash-commands
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from bot.demo.slack_simulator import elements, view_state, wire
from bot.demo.slack_simulator.state import Channel, Message, Organisation

VERIFICATION_TOKEN = "verification-token"  # noqa: S105 - the deprecated kind, which no receiver should read


def sign(body: str | bytes, secret: str, timestamp: int | str) -> str:
    """Make the `X-Slack-Signature` of a request with this raw body."""
    raw = body if isinstance(body, bytes) else body.encode()
    base = f"v0:{timestamp}:".encode() + raw
    return f"v0={hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()}"


def command(
    command: str,
    text: str,
    *,
    user: str,
    user_name: str,
    channel: Channel,
    response_url: str,
    trigger_id: str,
    organisation: Organisation | None = None,
) -> dict[str, str]:
    """Build the form fields of a slash command."""
    named = {"enterprise_id": organisation.id, "enterprise_name": organisation.name} if organisation else {}
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": wire.TEAM["id"],
        "team_domain": wire.TEAM["domain"],
        "channel_id": channel.id,
        "channel_name": "privategroup" if channel.is_private else channel.name,
        "user_id": user,
        "user_name": user_name,
        "command": command,
        "text": text,
        "api_app_id": wire.APP_ID,
        "is_enterprise_install": "false",
        **named,
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def click(
    message: Message,
    action: Mapping[str, Any],
    *,
    user: str,
    user_name: str,
    user_team: str,
    channel: Channel,
    response_url: str,
    trigger_id: str,
    organisation: Organisation | None = None,
) -> dict[str, Any]:
    """Build a block_actions payload. That of an ephemeral message has no copy of the message.

    `team` and `enterprise` are those of the app, in a channel shared with another company too; only
    `user.team_id` is of the person: https://github.com/slackapi/java-slack-sdk/issues/1041
    """
    container = {"type": "message", "message_ts": message.ts, "channel_id": message.channel}
    payload: dict[str, Any] = {
        "type": "block_actions",
        "user": {"id": user, "username": user_name, "name": user_name, "team_id": user_team},
        "api_app_id": wire.APP_ID,
        "token": VERIFICATION_TOKEN,
        "container": {**container, "is_ephemeral": message.only_for is not None},
        "trigger_id": trigger_id,
        "team": wire.team(organisation),
        "enterprise": {"id": organisation.id, "name": organisation.name} if organisation else None,
        "is_enterprise_install": False,
        "channel": {"id": channel.id, "name": "privategroup" if channel.is_private else channel.name},
        "state": {"values": view_state.used(view_state.state(elements.with_ids(message.blocks)), action)},
        "response_url": response_url,
        "actions": [action],
    }
    if message.thread_ts:
        payload["container"]["thread_ts"] = message.thread_ts
    if not message.only_for:
        payload["message"] = wire.message(message)
    return payload
