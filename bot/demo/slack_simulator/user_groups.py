"""User groups: who there is, and who is in one. Who makes them stays out.

https://docs.slack.dev/reference/methods/usergroups.list
https://docs.slack.dev/reference/methods/usergroups.users.list
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.demo.slack_simulator import rights, wire
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import Workspace

SCOPE = "usergroups:read"


def usergroups_list(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """usergroups.list: those in use; with `include_disabled` all. People and their number only on request."""
    rights.require(slack, SCOPE)
    everything = rights.flag(arguments.get("include_disabled"))
    with_users = rights.flag(arguments.get("include_users"))
    with_count = rights.flag(arguments.get("include_count"))
    return {
        "usergroups": [
            wire.usergroup(group, with_users=with_users, with_count=with_count)
            for group in slack.usergroups.values()
            if everything or not group.is_disabled
        ]
    }


def usergroups_users_list(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """usergroups.users.list: the IDs of those who are in one group.

    What is answered about a disabled group without `include_disabled` is not documented; here it is no group.
    """
    rights.require(slack, SCOPE)
    wanted = arguments.get("usergroup")
    if not wanted:
        raise Refusal("invalid_arguments", note="without a usergroup")
    group = slack.usergroups.get(str(wanted))
    if group is None or (group.is_disabled and not rights.flag(arguments.get("include_disabled"))):
        raise Refusal("no_such_subteam")
    return {"users": [*group.users]}
