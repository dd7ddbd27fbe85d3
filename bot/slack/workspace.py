"""Read-only requests about the bot's identity, scopes, channel and user groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.ports import OutcomeUnknown, RetryLater
from bot.slack import error_codes
from bot.slack.error_codes import Affects
from bot.slack.web_api import ApiError, ApiResponse, call, call_with_headers
from wechat_kf.protocol import http_date

ODD = OutcomeUnknown("an answer of another shape")


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """The bot user and the workspace of a token, with its scopes."""

    name: str
    team: str
    team_id: str  # "" if Slack did not send it
    enterprise_id: str  # "" outside Enterprise Grid
    scopes: frozenset[str] | None  # None if Slack did not send them
    served_at: datetime | None  # Slack's clock as it answered; aware, UTC


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """The properties of a channel that the bot can see."""

    name: str  # "" for a direct message
    is_private: bool
    is_archived: bool
    is_member: bool
    is_ext_shared: bool | None = False  # with another company, by Slack Connect; None if Slack did not send it


@dataclass(frozen=True, slots=True)
class UserGroupInfo:
    """A user group."""

    handle: str  # without the @
    is_disabled: bool
    people: int | None  # None if Slack did not send the number


async def auth_test(client: AsyncWebClient, within: float) -> BotIdentity | ApiError | RetryLater | OutcomeUnknown:
    """Return the identity and the scopes of the token. This works with any valid bot token.

    https://docs.slack.dev/reference/methods/auth.test
    """
    response = await call_with_headers(client.api_call("auth.test"), within)
    if not isinstance(response, ApiResponse):
        return response
    name, team = response.data.get("user"), response.data.get("team")
    if not (isinstance(name, str) and isinstance(team, str)):
        return ODD
    granted = response.headers.get("x-oauth-scopes")
    scopes = None if granted is None else frozenset(scope.strip() for scope in granted.split(","))
    return BotIdentity(
        name=name,
        team=team,
        team_id=str(response.data.get("team_id") or ""),
        enterprise_id=str(response.data.get("enterprise_id") or ""),
        scopes=scopes,
        served_at=http_date(response.headers.get("date", "")),
    )


async def channel_info(
    client: AsyncWebClient, channel_id: str, within: float
) -> ChannelInfo | ApiError | RetryLater | OutcomeUnknown:
    """Return the properties of a channel. A private one that the bot is not a member of is `channel_not_found`.

    https://docs.slack.dev/reference/methods/conversations.info
    """
    response = await call(client.api_call("conversations.info", data={"channel": channel_id}), within)
    if not isinstance(response, dict):
        return response
    match response.get("channel"):
        case {"is_im": True}:
            return ChannelInfo("", is_private=True, is_archived=False, is_member=True)
        case {"name": str(name), "is_member": bool(is_member), **rest}:
            return ChannelInfo(
                name,
                is_private=rest.get("is_private") is True,
                is_archived=rest.get("is_archived") is True,
                is_member=is_member,
                is_ext_shared=shared if isinstance(shared := rest.get("is_ext_shared"), bool) else None,
            )
    return ODD


async def still_refuses(
    client: AsyncWebClient, channel_id: str, error: str, within: float
) -> str | RetryLater | OutcomeUnknown | None:
    """Return the code with which Slack refuses posts, without one; None if nothing that can be seen is in the way.

    Args:
        error: the code of the last refusal; "" if there was no answer.
    """
    shown_by = error_codes.lookup(error).shown_by
    if error and shown_by is None:
        return error
    found: ChannelInfo | BotIdentity | ApiError | RetryLater | OutcomeUnknown
    if shown_by is Affects.CHANNEL:
        found = await channel_info(client, channel_id, within)
    else:
        found = await auth_test(client, within)
    match found:
        case ChannelInfo(is_archived=is_archived, is_member=is_member):
            # Otherwise it may be a public channel.
            needs_membership = error in (error_codes.NOT_IN_CHANNEL, error_codes.NO_PERMISSION)
            return error if is_archived or (needs_membership and not is_member) else None
        case BotIdentity(scopes=scopes):
            return error if error == error_codes.MISSING_SCOPE and "chat:write" not in (scopes or ()) else None
        case ApiError(code):
            # A missing scope is that of the question.
            is_shown = error_codes.lookup(code).shown_by and code != error_codes.MISSING_SCOPE
            return code if is_shown else error or code
    return found


async def groups(
    client: AsyncWebClient, within: float
) -> Mapping[str, UserGroupInfo] | ApiError | RetryLater | OutcomeUnknown:
    """Return every user group by its ID, disabled ones too. This needs the scope `usergroups:read`.

    https://docs.slack.dev/reference/methods/usergroups.list
    """
    arguments = {"include_disabled": "true", "include_count": "true"}
    response = await call(client.api_call("usergroups.list", data=arguments), within)
    if not isinstance(response, dict):
        return response
    found = response.get("usergroups")
    if not isinstance(found, list):
        return ODD
    return {one["id"]: _group(one) for one in found if isinstance(one, dict) and isinstance(one.get("id"), str)}


async def connections_open(client: AsyncWebClient, within: float) -> ApiError | RetryLater | OutcomeUnknown | None:
    """Return the error if Slack grants no connection to an app-level token; None if it does. Do not open it.

    https://docs.slack.dev/reference/methods/apps.connections.open
    """
    response = await call(client.api_call("apps.connections.open"), within)
    if not isinstance(response, dict):
        return response
    return None if isinstance(response.get("url"), str) else ODD


def _group(one: Mapping[str, Any]) -> UserGroupInfo:
    count = str(one.get("user_count", ""))  # a number, or the text of one
    return UserGroupInfo(
        handle=str(one.get("handle", "")),
        is_disabled=bool(one.get("date_delete")),
        people=int(count) if count.isdecimal() else None,
    )
