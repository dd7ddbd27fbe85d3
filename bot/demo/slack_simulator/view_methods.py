"""The Web API methods of modals and Home: views.open, views.push, views.update, views.publish.

Each takes a call's arguments, changes the workspace, and returns what Slack answers beside `ok`.
No scope is needed. https://docs.slack.dev/reference/methods/views.open
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot.demo import blockkit
from bot.demo.slack_simulator import content, wire
from bot.demo.slack_simulator.open_views import MAX_STACK, Trigger, View
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import Workspace

TRIGGER_LIFETIME = timedelta(seconds=3)
MALFORMED_TRIGGER = "[ERROR] invalid `trigger_id` [json-pointer:/trigger_id]"


def views_open(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """views.open: a new modal for the person whose command or click the trigger is of."""
    modal = read(slack, arguments.get("view"), "modal")
    trigger = _trigger(slack, arguments)
    if trigger.view_id and slack.views.find(trigger.view_id):
        slack.unexpected.append("views.open: from inside a modal, where views.push and views.update belong")
    trigger.is_exchanged = True
    return _answer(slack, slack.views.open(trigger.user, modal))


def views_push(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """views.push: a view on top, for a trigger from inside the modal; of a closed one it is worth nothing.

    What Slack answers to a trigger from elsewhere: https://github.com/slackapi/python-slack-sdk/issues/804
    """
    modal = read(slack, arguments.get("view"), "modal")
    trigger = _trigger(slack, arguments)
    if not trigger.view_id:
        raise _invalid([MALFORMED_TRIGGER], note="a trigger_id that is not of a modal")
    if slack.views.find(trigger.view_id) is None:
        raise _invalid([MALFORMED_TRIGGER])
    if len(slack.views.modals[trigger.user]) == MAX_STACK:
        raise Refusal("push_limit_reached", note=f"more than {MAX_STACK} views in a modal")
    trigger.is_exchanged = True
    return _answer(slack, slack.views.push(trigger.user, modal))


def views_update(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """views.update: another content for an open view, unless `hash` is of an older one."""
    view_id, external_id = arguments.get("view_id"), arguments.get("external_id")
    if not view_id and not external_id:
        raise _invalid(["[ERROR] missing required field: view_id"], note="neither view_id nor external_id")
    found = slack.views.find(str(view_id)) if view_id else slack.views.find(str(external_id), external=True)
    modal = read(slack, arguments.get("view"), "modal", instead_of=found)
    if found is None:
        known = not view_id or view_id in slack.views.closed
        raise Refusal("not_found", note=None if known else f"no modal {view_id!r}")
    _check_hash(found, arguments)
    return _answer(slack, slack.views.update(found, modal, is_called=True))


def views_publish(slack: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """views.publish: the whole Home of one person, unless `hash` is of an older one."""
    user = str(arguments.get("user_id", ""))
    home = read(slack, arguments.get("view"), "home")
    if user not in slack.people:
        raise Refusal("user_not_found", note=f"no person {user!r}")
    if not slack.home_enabled:
        raise Refusal("not_enabled")
    _check_hash(slack.views.homes.get(user), arguments)
    return _answer(slack, slack.views.publish(user, home))


def read(slack: Workspace, view: Any, kind: str, *, instead_of: View | None = None) -> Mapping[str, Any]:
    """Take a view of one kind (an object, or one as JSON text) out of a call or an acknowledgement.

    Raises:
        Refusal: invalid_arguments, view_too_large, duplicate_external_id.
    """
    if view is None:
        raise _invalid(["[ERROR] missing required field: view"], note="without a view")
    found: Mapping[str, Any] = content.decoded(view, dict, "invalid_arguments")
    if blockkit.too_large(found):
        raise Refusal("view_too_large", note="a view of more than 250 kB")
    refusals = blockkit.view_refusals(found)
    if found.get("type") != kind:
        refusals.insert(0, f"/view/type: {found.get('type')!r} is not {kind}")
    if refusals:
        parts = [refusal.partition(": ") for refusal in refusals]
        errors = [f"[ERROR] {wrong} [json-pointer:{place}]" for place, _, wrong in parts]
        raise _invalid(errors, note=f"invalid_arguments: {'; '.join(refusals)}")
    other = slack.views.find(found["external_id"], external=True) if found.get("external_id") else None
    if other and (instead_of is None or other.id != instead_of.id):
        raise Refusal("duplicate_external_id", note=f"a second view {found['external_id']!r}")
    slack.unexpected += blockkit.view_flaws(found)
    return found


def _trigger(slack: Workspace, arguments: Mapping[str, Any]) -> Trigger:
    """Find the trigger of a call. That it comes too late is no mistake of the app alone."""
    trigger_id = arguments.get("trigger_id")
    if not trigger_id or not isinstance(trigger_id, str):
        raise _invalid([MALFORMED_TRIGGER], note="without a trigger_id")
    trigger = slack.triggers.get(trigger_id)
    if trigger is None:
        raise Refusal("invalid_trigger_id", note="an unknown trigger_id")
    if trigger.is_exchanged:
        raise Refusal("exchanged_trigger_id", note="a trigger_id used a second time")
    if slack.trigger_clock() - trigger.created >= TRIGGER_LIFETIME:
        raise Refusal("expired_trigger_id")
    return trigger


def _check_hash(present: View | None, arguments: Mapping[str, Any]) -> None:
    wanted = arguments.get("hash")
    if wanted and (present is None or wanted != present.hash):
        raise Refusal("hash_conflict")


def _answer(slack: Workspace, view: View) -> dict[str, Any]:
    """Write the view of an answer. What people have typed is not in it."""
    return {"view": wire.view(view, with_state=False)}


def _invalid(messages: list[str], *, note: str | None = None) -> Refusal:
    return Refusal("invalid_arguments", note=note, response_metadata={"messages": messages})
