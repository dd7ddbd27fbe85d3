"""What Slack says of the bot itself: who it is, what it may do, where it is. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.ports import OutcomeUnknown, RetryLater
from bot.slack.web_api import ApiError, ApiResponse, call, call_with_headers
from wechat_kf.protocol import http_date

ODD = OutcomeUnknown("an answer of another shape")


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """Whose token it is."""

    name: str
    team: str
    team_id: str  # "": Slack did not say
    enterprise_id: str  # "" outside Enterprise Grid
    scopes: frozenset[str] | None  # None: Slack did not say
    served_at: datetime | None  # Slack's clock as it answered; aware, UTC


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """A channel, as far as the bot sees it."""

    name: str  # "" for a direct message
    is_private: bool
    is_archived: bool
    is_member: bool
    is_ext_shared: bool | None = False  # with another company, by Slack Connect; None: Slack did not say


@dataclass(frozen=True, slots=True)
class UserGroupInfo:
    """A user group."""

    handle: str  # without the @
    is_disabled: bool
    people: int | None  # None: Slack did not say


async def auth_test(client: AsyncWebClient, within: float) -> BotIdentity | ApiError | RetryLater | OutcomeUnknown:
    """Whose the token is, and which scopes it has. Works with any bot token that works at all.

    https://docs.slack.dev/reference/methods/auth.test
    """
    heard = await call_with_headers(client.api_call("auth.test"), within)
    if not isinstance(heard, ApiResponse):
        return heard
    name, team = heard.data.get("user"), heard.data.get("team")
    if not (isinstance(name, str) and isinstance(team, str)):
        return ODD
    granted = heard.headers.get("x-oauth-scopes")
    scopes = None if granted is None else frozenset(scope.strip() for scope in granted.split(","))
    return BotIdentity(
        name=name,
        team=team,
        team_id=str(heard.data.get("team_id") or ""),
        enterprise_id=str(heard.data.get("enterprise_id") or ""),
        scopes=scopes,
        served_at=http_date(heard.headers.get("date", "")),
    )


async def channel_info(
    client: AsyncWebClient, channel_id: str, within: float
) -> ChannelInfo | ApiError | RetryLater | OutcomeUnknown:
    """What kind of channel it is. A private one that the bot is not in is `channel_not_found`.

    https://docs.slack.dev/reference/methods/conversations.info
    """
    said = await call(client.api_call("conversations.info", data={"channel": channel_id}), within)
    if not isinstance(said, dict):
        return said
    match said.get("channel"):
        case {"is_im": True}:
            return ChannelInfo("", is_private=True, is_archived=False, is_member=True)
        case {"name": str(name), "is_member": bool(is_member), **rest}:
            return ChannelInfo(
                name,
                is_private=rest.get("is_private") is True,
                is_archived=rest.get("is_archived") is True,
                is_member=is_member,
                is_ext_shared=_flag(rest.get("is_ext_shared")),
            )
    return ODD


async def groups(
    client: AsyncWebClient, within: float
) -> Mapping[str, UserGroupInfo] | ApiError | RetryLater | OutcomeUnknown:
    """Every user group by its ID, the disabled ones, too. It needs the scope `usergroups:read`.

    https://docs.slack.dev/reference/methods/usergroups.list
    """
    asked = {"include_disabled": "true", "include_count": "true"}
    said = await call(client.api_call("usergroups.list", data=asked), within)
    if not isinstance(said, dict):
        return said
    found = said.get("usergroups")
    if not isinstance(found, list):
        return ODD
    return {one["id"]: _group(one) for one in found if isinstance(one, dict) and isinstance(one.get("id"), str)}


async def connections_open(client: AsyncWebClient, within: float) -> ApiError | RetryLater | OutcomeUnknown | None:
    """Whether an app-level token is granted a connection, which is not opened; None when it is.

    https://docs.slack.dev/reference/methods/apps.connections.open
    """
    said = await call(client.api_call("apps.connections.open"), within)
    if not isinstance(said, dict):
        return said
    return None if isinstance(said.get("url"), str) else ODD


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _group(one: Mapping[str, Any]) -> UserGroupInfo:
    count = str(one.get("user_count", ""))  # a number, or the text of one
    return UserGroupInfo(
        handle=str(one.get("handle", "")),
        is_disabled=bool(one.get("date_delete")),
        people=int(count) if count.isdecimal() else None,
    )
