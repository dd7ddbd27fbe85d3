"""Everything that speaks Slack: listeners, answers, posts, Socket Mode. No rules about accounts or alerts."""

from aiohttp import ClientSession as Session
from slack_bolt.app.async_app import AsyncApp

from bot.slack.listeners import make_app, register
from bot.slack.posting import SlackChannel, quiet_client
from bot.slack.socket import hold

__all__ = ["AsyncApp", "Session", "SlackChannel", "hold", "make_app", "quiet_client", "register"]
