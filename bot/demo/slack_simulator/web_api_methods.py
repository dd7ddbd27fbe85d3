"""One call of the Web API, from token to answer. Reading it off the network stays out.

What Slack refuses comes as `{"ok": false, "error": …}`, and with HTTP 200.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from bot.demo.slack_simulator import reading, user_groups, user_lookup, view_methods, writing
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import Workspace

OPEN_SOCKET = "apps.connections.open"  # the only method for the app-level token

Run = Callable[[Workspace, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the Web API. `arguments` are those that the simulator uses, or may safely ignore.

    Most methods that write take JSON, most that read take a form or a query alone:
    https://docs.slack.dev/apis/web-api
    """

    run: Run
    arguments: Set[str] = frozenset()
    takes_json: bool = True


_PAGED = frozenset({"channel", "cursor", "inclusive", "include_all_metadata", "latest", "limit", "oldest"})
_POSTED = frozenset({"channel", "text", "blocks", "metadata", "unfurl_links", "unfurl_media", "mrkdwn"})

METHODS: Mapping[str, Method] = {
    OPEN_SOCKET: Method(reading.connections_open),
    "auth.test": Method(reading.auth_test, frozenset({"team_id"})),  # Bolt sends it
    "chat.postMessage": Method(writing.post_message, _POSTED | {"thread_ts", "reply_broadcast"}),
    "chat.update": Method(writing.update, frozenset({"channel", "ts", "text", "blocks", "metadata"})),
    "chat.postEphemeral": Method(
        writing.post_ephemeral, frozenset({"channel", "user", "text", "blocks", "thread_ts"})
    ),
    "conversations.history": Method(reading.conversations_history, _PAGED, takes_json=False),
    "conversations.info": Method(
        reading.conversations_info,
        frozenset({"channel", "include_locale", "include_num_members"}),
        takes_json=False,
    ),
    "conversations.replies": Method(reading.conversations_replies, _PAGED | {"ts"}, takes_json=False),
    "usergroups.list": Method(
        user_groups.usergroups_list, frozenset({"include_count", "include_disabled", "include_users"})
    ),
    "usergroups.users.list": Method(
        user_groups.usergroups_users_list, frozenset({"include_disabled", "usergroup"}), takes_json=False
    ),
    "views.open": Method(view_methods.views_open, frozenset({"trigger_id", "view"})),
    "views.publish": Method(view_methods.views_publish, frozenset({"hash", "user_id", "view"})),
    "views.push": Method(view_methods.views_push, frozenset({"trigger_id", "view"})),
    "views.update": Method(view_methods.views_update, frozenset({"external_id", "hash", "view", "view_id"})),
    "users.info": Method(user_lookup.users_info, frozenset({"include_locale", "user"}), takes_json=False),
}


def call(slack: Workspace, method: str, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do what one of `METHODS` does, and return Slack's answer.

    Raises:
        Refusal: whatever Slack answers instead.
    """
    if method not in METHODS:
        raise Refusal("unknown_method", note="no such method here", req_method=method)
    _check_token(slack, method, token)
    if unknown := sorted(set(arguments) - METHODS[method].arguments):
        slack.unexpected.append(f"{method}: with {', '.join(unknown)}, which the stand-in does not know")
    return {"ok": True, **METHODS[method].run(slack, arguments)}


def takes_json(method: str) -> bool:
    return method not in METHODS or METHODS[method].takes_json


def _check_token(slack: Workspace, method: str, token: str) -> None:
    if not token:
        raise Refusal("not_authed", note="without a token")
    if token not in (slack.bot_token, slack.app_token):
        raise Refusal("invalid_auth", note="with an unknown token")
    if (token == slack.app_token) != (method == OPEN_SOCKET):
        raise Refusal("not_allowed_token_type", note="with the other kind of token")


def answered(slack: Workspace, method: str, refusal: Refusal) -> dict[str, Any]:
    """Turn a refusal into Slack's answer, and note it if it should never have come to it."""
    if refusal.note:
        slack.unexpected.append(f"{method}: {refusal.note}")
    return {"ok": False, "error": refusal.error, **refusal.fields}
