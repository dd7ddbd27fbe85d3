"""The notice in the default channel that another channel takes no messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.slack_refusals import slack_refusal
from bot.blocks.times import date
from bot.ports import Message


def blocked_channel(payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Render the notice of a channel that Slack refuses, with the number of the messages that wait for it."""
    channel = f"<#{payload['channel']}>"
    title = context.count(
        "{number} message waits for {channel}",
        "{number} messages wait for {channel}",
        payload["waiting"],
        channel=channel,
    )
    why, step = _reason(payload, context)
    in_text = context.as_text
    text = in_text.count(
        "{number} message waits for another channel.",
        "{number} messages wait for another channel.",
        payload["waiting"],
    )
    text_why, text_step = _reason(payload, in_text)
    return Message(
        in_text.plain(in_text.paragraph(text, text_why, in_text.capitalized(text_step))),
        [
            builders.section(f"{builders.TROUBLE} *{title}*\n{why}"),
            builders.section(f"*{context.say('Next:')}* {step}"),
        ],
    )


def _reason(payload: Mapping[str, Any], context: RenderContext) -> tuple[str, str]:
    reason, step = slack_refusal(payload["error"], context)
    since = date(datetime.fromtimestamp(payload["since"], UTC), context)
    return context.say("Slack refuses posts there since {when}: {why}.", when=since, why=reason), step
