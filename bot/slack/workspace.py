"""The workspace of the bot token, and the channels that it shares with other companies."""

from __future__ import annotations

import logging

from slack_sdk.web.async_client import AsyncWebClient

from bot.logs import Line
from bot.membership import Installation, UnknownWorkspaceError
from bot.ports import Later, Unknown
from bot.slack.calls import No
from bot.slack.rights import ODD, Bot, Room, room, who

log = logging.getLogger(__name__)

SECONDS = 5.0


async def installation(client: AsyncWebClient) -> Installation:
    """Return the workspace that the bot is installed in, with its organisation.

    Raises:
        UnknownWorkspaceError: Slack did not answer, or refused; the log has its error code.
    """
    bot = await who(client, SECONDS)
    if isinstance(bot, Bot) and bot.team_id:
        return Installation(bot.team_id, bot.enterprise_id)
    raise _unknown("the workspace of the bot token", ODD if isinstance(bot, Bot) else bot)


async def is_shared_outside(client: AsyncWebClient, channel_id: str) -> bool:
    """Return whether a channel may be shared with another company, by Slack Connect.

    Raises:
        UnknownWorkspaceError: Slack did not answer, or refused; the log has its error code.
    """
    seen = await room(client, channel_id, SECONDS)
    if isinstance(seen, Room):
        return seen.is_ext_shared is not False
    raise _unknown(f"channel {channel_id}", seen)


def _unknown(subject: str, response: No | Later | Unknown) -> UnknownWorkspaceError:
    error = response.word if isinstance(response, No) else response.error
    log.warning(Line("membership cannot be checked", of=subject, error=error))
    return UnknownWorkspaceError(error)
