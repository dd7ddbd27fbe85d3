"""What the fields and menus of a view contain, and what Slack itself refuses of it. Sending it stays out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.demo.blockkit.shapes import units
from bot.demo.slack_simulator import elements
from bot.ports import Block

# `view.state.values`: by block_id and action_id.
State = Mapping[str, Mapping[str, Mapping[str, Any]]]

KEYS = {"plain_text_input": "value", "static_select": "selected_option"}
INITIAL = {"plain_text_input": "initial_value", "static_select": "initial_option"}

REQUIRED = "Please complete this required field."  # Slack's words differ with the client


def state(blocks: Sequence[Block], before: State | None = None) -> State:
    """Return what fields and menus contain at first. Those with both IDs as `before` keep what they contained.

    https://docs.slack.dev/reference/views/modal-views
    """
    values: dict[str, dict[str, Mapping[str, Any]]] = {}
    for block, element in _stateful(blocks):
        block_id, action_id = block["block_id"], element["action_id"]
        kept = (before or {}).get(block_id, {}).get(action_id)
        fits = kept if kept and _still_fits(element, kept) else None
        values.setdefault(block_id, {})[action_id] = fits or _contents(
            element, element.get(INITIAL[element["type"]])
        )
    return values


def filled(blocks: Sequence[Block], before: State, entries: Mapping[str, Any]) -> State:
    """Return the state after a person filled in fields, by block_id: a text, or an option or its value.

    Raises:
        LookupError: the view has no such field, or the menu no such option.
    """
    inputs = {block["block_id"]: block["element"] for block in blocks if block["type"] == "input"}
    values = {block_id: dict(contained) for block_id, contained in before.items()}
    for block_id, entry in entries.items():
        if block_id not in inputs:
            raise LookupError(f"no field {block_id!r} to fill in")
        element = inputs[block_id]
        if element["type"] == "static_select" and entry is not None:
            entry = elements.chosen(element, entry)
        values[block_id][element["action_id"]] = _contents(element, entry or None)
    return values


def used(before: State, action: Mapping[str, Any]) -> State:
    """Return the state after a click: a menu contains what was chosen, a button nothing."""
    key = KEYS.get(action["type"])
    if key is None:
        return before
    values = {block_id: dict(contained) for block_id, contained in before.items()}
    values[action["block_id"]][action["action_id"]] = {"type": action["type"], key: action.get(key)}
    return values


def refusals(blocks: Sequence[Block], contained: State) -> dict[str, str]:
    """List, by block_id, what Slack refuses before it sends anything to the app. The words are not Slack's own."""
    found = {}
    for block in blocks:
        if block["type"] != "input":
            continue
        element = block["element"]
        value = contained[block["block_id"]][element["action_id"]][KEYS[element["type"]]]
        if value is None:
            if not block.get("optional"):
                found[block["block_id"]] = REQUIRED
        elif isinstance(value, str) and (wrong := _wrong_length(element, value)):
            found[block["block_id"]] = wrong
    return found


def _wrong_length(element: Block, value: str) -> str:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if units(value) < least:
        return f"Please use at least {least} characters."
    return f"Please use at most {most} characters." if units(value) > most else ""


def _stateful(blocks: Sequence[Block]) -> Iterator[tuple[Block, Block]]:
    for block in blocks:
        for element in elements.elements(block):
            if element["type"] in KEYS:
                yield block, element


def _contents(element: Block, contained: Any) -> dict[str, Any]:
    return {"type": element["type"], KEYS[element["type"]]: contained}


def _still_fits(element: Block, kept: Mapping[str, Any]) -> bool:
    """Return whether an element of an updated view can show what was in it before."""
    if kept["type"] != element["type"]:
        return False
    option = kept.get("selected_option")
    return option is None or option in elements.options(element)
