"""Lookups about people: members of groups, who belongs to the workspace, and what Slack knows of one."""

from __future__ import annotations

import logging
from zoneinfo import ZoneInfo

from slack_sdk.web.async_client import AsyncWebClient

from bot.ports import (
    BotWorkspace,
    Members,
    OutcomeUnknown,
    Reader,
    RetryLater,
    UnknownMembersError,
    UnknownReaderError,
    UnknownWorkspaceError,
)
from bot.runtime.logs import LogEvent
from bot.settings import parsers
from bot.slack.error_codes import MISSING_SCOPE
from bot.slack.web_api import ApiError, call
from bot.slack.workspace import ODD, BotIdentity, ChannelInfo, auth_test, channel_info

log = logging.getLogger(__name__)

SECONDS = 5.0  # for one request


async def bot_workspace(client: AsyncWebClient) -> BotWorkspace:
    """Return the workspace that the bot is installed in, with its organisation.

    Raises:
        UnknownWorkspaceError: Slack did not answer, or refused; the log has its error code.
    """
    bot = await auth_test(client, SECONDS)
    if isinstance(bot, BotIdentity) and bot.team_id:
        return BotWorkspace(bot.team_id, bot.enterprise_id)
    raise _unknown("the workspace of the bot token", ODD if isinstance(bot, BotIdentity) else bot)


async def is_shared_outside(client: AsyncWebClient, channel_id: str) -> bool:
    """Return whether a channel may be shared with another company, by Slack Connect.

    Raises:
        UnknownWorkspaceError: Slack did not answer, or refused; the log has its error code.
    """
    channel = await channel_info(client, channel_id, SECONDS)
    if isinstance(channel, ChannelInfo):
        return channel.is_ext_shared is not False
    raise _unknown(f"channel {channel_id}", channel)


def _unknown(subject: str, response: ApiError | RetryLater | OutcomeUnknown) -> UnknownWorkspaceError:
    error = response.code if isinstance(response, ApiError) else response.error
    log.warning(LogEvent("membership cannot be checked", of=subject, error=error))
    return UnknownWorkspaceError(error)


async def group_members(client: AsyncWebClient, group_id: str) -> Members:
    """Return the user IDs of a group's members.

    Raises:
        UnknownMembersError: Slack did not answer, or refused; the log has its error code.

    https://docs.slack.dev/reference/methods/usergroups.users.list
    """
    response = await call(client.api_call("usergroups.users.list", data={"usergroup": group_id}), SECONDS)
    match response:
        case {"users": list(users)}:
            return frozenset(user for user in users if isinstance(user, str))
        case ApiError(code):
            error = code
        case dict():
            error = "an answer without users"
        case _:
            error = response.error
    log.warning(LogEvent("group members not available", group=group_id, error=error))
    raise UnknownMembersError(error)


async def reader(client: AsyncWebClient, user_id: str) -> Reader:
    """Return the language, the time zone and the name of a person. This needs the scope `users:read`.

    Raises:
        UnknownReaderError: Slack did not answer, or refused. The caller logs it.

    https://docs.slack.dev/reference/methods/users.info
    """
    arguments = {"user": user_id, "include_locale": "true"}
    response = await call(client.api_call("users.info", data=arguments), SECONDS)
    match response:
        case {"user": dict(user)}:
            locale = user.get("locale")
            return Reader(locale if isinstance(locale, str) else "", _zone(user.get("tz")), _name(user))
        case dict():
            raise UnknownReaderError("an answer without a user")
        case ApiError(code):
            raise UnknownReaderError(code, lacks_scope=code == MISSING_SCOPE)
        case RetryLater(seconds, error):
            raise UnknownReaderError(error, wait=seconds)
    raise UnknownReaderError(response.error)


def _name(user: dict[str, object]) -> str:
    match user.get("profile"):
        case {"display_name": str(name)} if name:
            return name
        case {"real_name": str(name)}:
            return name
    return ""


def _zone(name: object) -> ZoneInfo | None:
    try:
        return parsers.zone(name) if isinstance(name, str) else None
    except ValueError:
        return None
