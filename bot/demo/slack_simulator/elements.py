"""The parts of blocks that people use, and the IDs of those. Who uses them, and what follows, stays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.ports import Block


def with_ids(blocks: Sequence[Block], prefix: str = "b") -> list[Block]:
    """Give each block and element the id that Slack makes up where the app sent none."""
    return [_with_id(block, f"{prefix}{number}") for number, block in enumerate(blocks)]


def elements(block: Block) -> Sequence[Block]:
    """List what a block holds beside texts: its accessory, its buttons and menus, its field."""
    accessory = [block["accessory"]] if "accessory" in block else []
    field = [block["element"]] if block["type"] == "input" else []
    return [*accessory, *field, *(block["elements"] if block["type"] == "actions" else ())]


def clickable(block: Block) -> Sequence[Block]:
    """List the elements that send block_actions. A field does so only with `dispatch_action`."""
    return elements(block) if block["type"] != "input" or block.get("dispatch_action") else ()


def chosen(menu: Block, option: str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Find an option of a menu by its value. One that is given whole is taken as it is.

    Raises:
        LookupError: the menu does not offer it.
    """
    if isinstance(option, Mapping):
        return option
    for one in options(menu):
        if one["value"] == option:
            return one
    raise LookupError(f"no option {option!r} in {menu['action_id']!r}")


def options(menu: Block) -> list[Mapping[str, Any]]:
    """List the options of a menu, those of its groups included."""
    return [one for group in (menu, *menu.get("option_groups", ())) for one in group.get("options", ())]


def action(
    blocks: Sequence[Block],
    action_id: str,
    *,
    shown: str,
    block_id: str | None,
    value: str | None,
    option: str | Mapping[str, Any] | None,
    ts: str,
) -> dict[str, Any]:
    """Build the one action of a click on what the blocks show; `shown` names their message or view.

    Several buttons may share an `action_id`: `value` then distinguishes them. A `value` that no button
    has, or an `option` given whole, is sent as it is, as from a message of long ago. A button whose block was
    replaced while the person clicked is the one with its `value`, in whatever block it is now.

    Raises:
        LookupError: there is nothing like it to click.
    """
    named = [
        (block, element)
        for block in with_ids(blocks)
        for element in clickable(block)
        if element.get("action_id") == action_id
    ]
    found = [(block, element) for block, element in named if block_id in (None, block["block_id"])]
    found = found or [(block, element) for block, element in named if value and element.get("value") == value]
    if not found:
        raise LookupError(f"no {action_id!r} to click in {shown!r}")
    block, element = next(((b, e) for b, e in found if value and e.get("value") == value), found[0])
    done = {key: element[key] for key in ("type", "action_id")} | {"block_id": block["block_id"]}
    if element["type"] == "button":
        done |= {"text": element["text"], "value": element.get("value") if value is None else value}
    elif element["type"] == "plain_text_input":
        done["value"] = value
    else:
        done["selected_option"] = chosen(element, option)
    return {key: part for key, part in done.items() if part is not None} | {"action_ts": ts}


def _with_id(block: Block, name: str) -> Block:
    named = {"block_id": name, **block}
    if "accessory" in block:
        named["accessory"] = _with_action_id(block["accessory"], f"{name}a")
    if block["type"] == "input":
        named["element"] = _with_action_id(block["element"], f"{name}i")
    if block["type"] == "actions":
        numbered = enumerate(block["elements"])
        named["elements"] = [_with_action_id(element, f"{name}e{number}") for number, element in numbered]
    return named


def _with_action_id(element: Block, name: str) -> Block:
    return element if element["type"] == "image" else {"action_id": name, **element}
