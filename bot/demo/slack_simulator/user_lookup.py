"""People: what Slack shows an app about one of them.

https://docs.slack.dev/reference/methods/users.info
https://docs.slack.dev/reference/objects/user-object
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.demo.slack_simulator import rights, wire
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import Workspace

SCOPE = "users:read"
USER_ID = re.compile(r"[UW][A-Z0-9]+")


def users_info(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """users.info: one person; the locale only on request.

    Of other companies an app sees the people who share a channel with it.
    """
    rights.require(slack, SCOPE)
    wanted = str(arguments.get("user", ""))
    if not USER_ID.fullmatch(wanted):
        raise Refusal("user_not_found", note=f"no user ID {wanted!r}")
    person = slack.people.get(wanted)
    if person is None:
        raise Refusal("user_not_found")
    if slack.is_external(wanted) and not any(channel.is_ext_shared for channel in slack.channels.values()):
        raise Refusal("user_not_visible")
    with_locale = rights.flag(arguments.get("include_locale"))
    return {"user": wire.user(person, slack.team_of(wanted), slack.clock(), with_locale=with_locale)}
