"""Everything that speaks Slack: listeners, answers, the alert channel, Socket Mode. No rules of the bot's own."""

from aiohttp import ClientSession as Session
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient as Client

from bot.slack.calls import quiet_client
from bot.slack.dispatch import dispatch
from bot.slack.groups import members
from bot.slack.listeners import make_app, register
from bot.slack.posting import SlackChannel
from bot.slack.replies import REPLY_LIMITS, ReplyLimits
from bot.slack.socket import hold
from bot.slack.workspace import installation, is_shared_outside

__all__ = [
    "REPLY_LIMITS",
    "AsyncApp",
    "Client",
    "ReplyLimits",
    "Session",
    "SlackChannel",
    "dispatch",
    "hold",
    "installation",
    "is_shared_outside",
    "make_app",
    "members",
    "quiet_client",
    "register",
]
