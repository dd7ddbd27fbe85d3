"""Explain Slack's error codes: why it refuses a channel or the token, and what to do."""

from __future__ import annotations

from bot.blocks.context import RenderContext
from bot.slack import error_codes
from bot.text import ACCOUNT, mrkdwn


def slack_refusal(error: str, context: RenderContext) -> tuple[str, str]:
    """Return the reason of Slack's error code, such as `the app is not a member`, and the next step, as mrkdwn."""
    code = error_codes.lookup(error)
    if not code.because:
        return mrkdwn(error, ACCOUNT), see_log(context)
    step = context.say(code.remedy).replace(error_codes.INVITE, f"*{error_codes.INVITE}*")
    step = step.replace("SLACK_ALERT_CHANNEL", context.channel_setting)
    return context.say(code.because), step


def see_log(context: RenderContext) -> str:
    return context.say("see the log for the reason.")
