"""What Slack sends about modals, Home and events: the payloads.

https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload
https://docs.slack.dev/reference/events/app_home_opened
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.demo.slack_simulator import wire
from bot.demo.slack_simulator.open_views import View
from bot.demo.slack_simulator.state import Workspace
from bot.demo.slack_simulator.users import VERIFICATION_TOKEN


def click(slack: Workspace, view: View, action: Mapping[str, Any], trigger_id: str) -> dict[str, Any]:
    """Build a block_actions payload. It has no channel, no message and no response_url."""
    return {
        **_about(slack, "block_actions", view),
        "container": {"type": "view", "view_id": view.id},
        "trigger_id": trigger_id,
        "actions": [action],
    }


def submission(slack: Workspace, view: View, trigger_id: str) -> dict[str, Any]:
    return {**_about(slack, "view_submission", view), "trigger_id": trigger_id, "response_urls": []}


def closed(slack: Workspace, view: View, *, is_cleared: bool) -> dict[str, Any]:
    return {**_about(slack, "view_closed", view), "is_cleared": is_cleared}


def home_opened(slack: Workspace, user: str, tab: str) -> dict[str, Any]:
    """Build the event of a person who opens the app. The view comes with it once one is published."""
    ts = slack.next_ts()
    event: dict[str, Any] = {
        "type": "app_home_opened",
        "user": user,
        "channel": f"D{user[1:]}",
        "tab": tab,
        "event_ts": ts,
    }
    if tab == "home" and user in slack.views.homes:
        event["view"] = wire.view(slack.views.homes[user])
    enterprise = slack.organisation.id if slack.organisation else None
    installed = {"enterprise_id": enterprise, "team_id": wire.TEAM["id"], "user_id": wire.BOT_USER}
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": wire.TEAM["id"],
        "api_app_id": wire.APP_ID,
        "event": event,
        "type": "event_callback",
        "event_id": f"Ev{ts.replace('.', '')}",
        "event_time": int(float(ts)),
        "authorizations": [{**installed, "is_bot": True, "is_enterprise_install": False}],
        "is_ext_shared_channel": False,
    }


def _about(slack: Workspace, kind: str, view: View) -> dict[str, Any]:
    name, organisation = slack.name_of(view.user), slack.organisation
    return {
        "type": kind,
        "user": {"id": view.user, "username": name, "name": name, "team_id": slack.team_of(view.user)},
        "api_app_id": wire.APP_ID,
        "token": VERIFICATION_TOKEN,
        "team": wire.team(organisation),
        "enterprise": {"id": organisation.id, "name": organisation.name} if organisation else None,
        "is_enterprise_install": False,
        "view": wire.view(view),
    }
