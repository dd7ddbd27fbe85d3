"""The app's answers to submitted views: none, errors, update, push, clear. How they travel stays out.

https://docs.slack.dev/surfaces/modals#responses
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.demo.slack_simulator import view_methods
from bot.demo.slack_simulator.open_views import MAX_STACK, View
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import Workspace

KEYS: Mapping[str, frozenset[str]] = {
    "clear": frozenset({"response_action"}),
    "errors": frozenset({"response_action", "errors"}),
    "push": frozenset({"response_action", "view"}),
    "update": frozenset({"response_action", "view"}),
}


def answer(slack: Workspace, sent: View, body: str) -> None:
    """Do with a submitted view what the body of the acknowledgement says. An empty one closes it.

    Nothing happens to a view that the person has closed meanwhile.

    Raises:
        Refusal: Slack does not accept the answer, and leaves the view as it is.
    """
    said = _read(body)
    present = slack.views.find(sent.id)
    match said.get("response_action"):
        case None if present:
            slack.views.close(present)
        case "errors" if present:
            _show_errors(slack, present, said["errors"])
        case "update":
            content = view_methods.read(slack, said["view"], "modal", instead_of=present)
            if present and present.hash != sent.hash and present.is_called:
                slack.unexpected.append("view_submission: its update replaces that of an earlier views.update")
            if present:
                slack.views.update(present, content, is_called=False)
        case "push":
            content = view_methods.read(slack, said["view"], "modal")
            if present and len(slack.views.modals[sent.user]) == MAX_STACK:
                raise Refusal("push_limit_reached", note=f"more than {MAX_STACK} views in a modal")
            if present:
                slack.views.push(sent.user, content)
        case "clear" if present:
            slack.views.close(slack.views.modals[sent.user][0])


def _read(body: str) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        said = json.loads(body)
    except ValueError:
        raise Refusal("invalid_json", note="an answer that is neither empty nor JSON") from None
    action = said.get("response_action") if isinstance(said, dict) else None
    if not isinstance(action, str) or action not in KEYS or set(said) != KEYS[action]:
        raise Refusal("invalid_arguments", note=f"an odd answer {said!r:.200}")
    return dict(said)


def _show_errors(slack: Workspace, view: View, errors: Any) -> None:
    fields = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors:
        raise Refusal("invalid_arguments", note="no errors by block_id")
    if unknown := sorted(set(errors) - fields):
        raise Refusal("invalid_arguments", note=f"errors at {', '.join(unknown)}, which are no input blocks")
    if not all(isinstance(text, str) and text.strip() for text in errors.values()):
        raise Refusal("invalid_arguments", note="an error without a text")
    slack.field_errors.append(errors)
    slack.views.refuse(view, errors)
