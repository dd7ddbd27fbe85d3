"""Messages, views, channels and people as Slack writes them in JSON. What they mean stays out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.demo.slack_simulator import elements
from bot.demo.slack_simulator.open_views import View
from bot.demo.slack_simulator.state import TEAM_ID, Channel, Message, Organisation, Person, UserGroup

TEAM = {"id": TEAM_ID, "domain": "harbour"}
APP_ID = "A0001"
BOT_ID = "B0001"
BOT_USER = "U0BOT"


def message(one: Message, *, replies: Iterable[Message] = (), metadata: bool = False) -> dict[str, Any]:
    """Write a message, and what a root says about its `replies`."""
    written: dict[str, Any] = {"type": "message", "user": one.user, "team": TEAM["id"], "ts": one.ts}
    written["text"] = one.text
    if one.user == BOT_USER:
        written |= {"bot_id": BOT_ID, "app_id": APP_ID}
    if one.blocks:
        written["blocks"] = elements.with_ids(one.blocks)
    if one.marked:
        written["edited"] = {"user": one.user, "ts": one.ts}
    if one.thread_ts:
        written["thread_ts"] = one.thread_ts
    if one.broadcast:
        written["subtype"] = "thread_broadcast"
    if metadata and one.metadata:
        written["metadata"] = one.metadata
    if answers := list(replies):
        written |= {"thread_ts": one.ts, "reply_count": len(answers), "latest_reply": answers[-1].ts}
    return written


def team(organisation: Organisation | None) -> dict[str, str]:
    """Write the app's workspace, with its organisation if there is one."""
    if organisation is None:
        return {**TEAM}
    return {**TEAM, "enterprise_id": organisation.id, "enterprise_name": organisation.name}


def channel(one: Channel) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "is_channel": not one.is_private,
        "is_group": one.is_private and not one.is_direct,
        "is_im": one.is_direct,
        "is_mpim": False,
        "is_private": one.is_private,
        "is_shared": one.is_org_shared or one.is_ext_shared,
        "is_org_shared": one.is_org_shared,
        "is_ext_shared": one.is_ext_shared,
        "is_archived": one.is_archived,
        "is_member": one.is_member,
    }


def usergroup(one: UserGroup, *, with_users: bool, with_count: bool) -> dict[str, Any]:
    """Write a group. A disabled one has a `date_delete`; the count is text, as Slack writes it."""
    written: dict[str, Any] = {
        "id": one.id,
        "team_id": TEAM["id"],
        "is_usergroup": True,
        "name": one.handle,
        "description": "",
        "handle": one.handle,
        "is_external": False,
        "date_create": 1795000000,
        "date_update": 1795000000,
        "date_delete": 1795000000 if one.is_disabled else 0,
        "auto_type": None,
        "created_by": "U0MEI",
        "updated_by": "U0MEI",
        "deleted_by": "U0MEI" if one.is_disabled else None,
        "prefs": {"channels": [], "groups": []},
    }
    if with_users:
        written["users"] = [*one.users]
    if with_count:
        written["user_count"] = str(len(one.users))
    return written


def user(one: Person, team_id: str, now: datetime, *, with_locale: bool) -> dict[str, Any]:
    """Write a person. The label of the time zone is its abbreviation; Slack writes the whole name."""
    written: dict[str, Any] = {
        "id": one.id,
        "team_id": team_id,
        "name": one.name,
        "deleted": False,
        "color": "9f69e7",
        "real_name": one.name.capitalize(),
        "profile": {
            "real_name": one.name.capitalize(),
            "real_name_normalized": one.name.capitalize(),
            "display_name": one.display_name or one.name,
            "display_name_normalized": one.display_name or one.name,
            "status_text": "",
            "status_emoji": "",
            "avatar_hash": "ge3b51ca72de",
            "team": team_id,
        },
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": False,
        "is_app_user": False,
        "updated": 1795000000,
    }
    if one.tz:
        there = now.astimezone(ZoneInfo(one.tz))
        offset = there.utcoffset() or timedelta()
        written |= {"tz": one.tz, "tz_label": there.tzname(), "tz_offset": int(offset.total_seconds())}
    if with_locale:
        written["locale"] = one.locale
    return written


def view(one: View, *, with_state: bool = True) -> dict[str, Any]:
    """Write a modal's view or a Home, with what its fields and menus contain."""
    content = one.content
    written = {
        "id": one.id,
        "team_id": TEAM["id"],
        "type": content["type"],
        "blocks": [*one.blocks],
        "private_metadata": content.get("private_metadata", ""),
        "callback_id": content.get("callback_id", ""),
        "state": {"values": one.state if with_state else {}},
        "hash": one.hash,
        "clear_on_close": content.get("clear_on_close", False),
        "notify_on_close": content.get("notify_on_close", False),
        "close": content.get("close"),
        "submit": content.get("submit"),
        "previous_view_id": one.previous_view_id,
        "root_view_id": one.root_view_id,
        "app_id": APP_ID,
        "external_id": content.get("external_id", ""),
        "app_installed_team_id": TEAM["id"],
        "bot_id": BOT_ID,
    }
    return written | ({"title": content["title"]} if "title" in content else {})
