"""The workspace of the bot token, and the channels that it shares with other companies."""

from __future__ import annotations

import logging

from slack_sdk.web.async_client import AsyncWebClient

from bot.ports import Installation, Members, OutcomeUnknown, RetryLater, UnknownMembersError, UnknownWorkspaceError
from bot.runtime.logs import LogEvent
from bot.slack.web_api import ApiError, call
from bot.slack.workspace import ODD, BotIdentity, ChannelInfo, auth_test, channel_info

log = logging.getLogger(__name__)

SECONDS = 5.0


async def installation(client: AsyncWebClient) -> Installation:
    """Return the workspace that the bot is installed in, with its organisation.

    Raises:
        UnknownWorkspaceError: Slack did not answer, or refused; the log has its error code.
    """
    bot = await auth_test(client, SECONDS)
    if isinstance(bot, BotIdentity) and bot.team_id:
        return Installation(bot.team_id, bot.enterprise_id)
    raise _unknown("the workspace of the bot token", ODD if isinstance(bot, BotIdentity) else bot)


async def is_shared_outside(client: AsyncWebClient, channel_id: str) -> bool:
    """Return whether a channel may be shared with another company, by Slack Connect.

    Raises:
        UnknownWorkspaceError: Slack did not answer, or refused; the log has its error code.
    """
    seen = await channel_info(client, channel_id, SECONDS)
    if isinstance(seen, ChannelInfo):
        return seen.is_ext_shared is not False
    raise _unknown(f"channel {channel_id}", seen)


def _unknown(subject: str, response: ApiError | RetryLater | OutcomeUnknown) -> UnknownWorkspaceError:
    error = response.code if isinstance(response, ApiError) else response.error
    log.warning(LogEvent("membership cannot be checked", of=subject, error=error))
    return UnknownWorkspaceError(error)


log = logging.getLogger(__name__)

SECONDS = 5.0


async def group_members(client: AsyncWebClient, group_id: str) -> Members:
    """The IDs of a group's members.

    Raises:
        UnknownMembersError: Slack did not say, or refused; the log has its word.

    https://docs.slack.dev/reference/methods/usergroups.users.list
    """
    said = await call(client.api_call("usergroups.users.list", data={"usergroup": group_id}), SECONDS)
    match said:
        case {"users": list(users)}:
            return frozenset(user for user in users if isinstance(user, str))
        case ApiError(word):
            why = word
        case dict():
            why = "an answer without users"
        case _:
            why = said.error
    log.warning(LogEvent("group members not available", group=group_id, error=why))
    raise UnknownMembersError(why)
