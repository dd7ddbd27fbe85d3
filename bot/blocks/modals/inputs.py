"""The fields of forms, and their block IDs.

Slack keeps what a person typed in a field for as long as its block_id stays. A form that is shown again with values
of its own therefore has new ones: `wx2`, `wx3`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.blocks import builders
from bot.ports import Block
from bot.text import beginning, visible

MAX_LABEL = 2000  # also of a hint: https://docs.slack.dev/reference/block-kit/blocks/input-block
ACTION_ID = "value"
_BLOCK_ID = re.compile(r"(?P<field>[a-z]+)(?P<number>[0-9]{0,4})", re.ASCII)


def block_id(field: str, number: int = 1) -> str:
    """Return the block_id of a field in the form that is shown for the `number`th time."""
    return field if number == 1 else f"{field}{number}"


def field_of(block_id: str) -> str:
    """Return the field that a block_id belongs to; "" for one that is forged."""
    found = _BLOCK_ID.fullmatch(block_id)
    return found["field"] if found else ""


def next_number(block_ids: Iterable[str]) -> int:
    """Return the number of the next showing of the form that was submitted with these block IDs."""
    found = [_BLOCK_ID.fullmatch(one) for one in block_ids]
    return 1 + max((int(one["number"] or 1) for one in found if one), default=1)


def text_input(
    field: str,
    label: str,
    *,
    most: int,
    number: int = 1,
    value: str = "",
    hint: str = "",
    placeholder: str = "",
    focus: bool = False,
) -> Block:
    """Build a field for one line of text.

    Args:
        most: the number of UTF-16 units that can be typed.
        value: foreign text to begin with. It is for the person to edit, so it is only made visible and cut.
    """
    element: Block = {"type": "plain_text_input", "action_id": ACTION_ID, "max_length": most, "min_length": 1}
    if shown := beginning(visible(value), most):
        element["initial_value"] = shown
    if placeholder:
        element["placeholder"] = builders.plain(placeholder, builders.MAX_PLACEHOLDER)
    if focus:
        element["focus_on_load"] = True
    return _input(block_id(field, number), label, element, hint)


def menu(field: str, label: str, placeholder: str, groups: Iterable[tuple[str, list[Block]]]) -> Block:
    """Build a field with a menu, whose options are in groups."""
    element: Block = {
        "type": "static_select",
        "placeholder": builders.plain(placeholder, builders.MAX_PLACEHOLDER),
        "action_id": ACTION_ID,
        "option_groups": [
            {"label": builders.plain(title, builders.MAX_OPTION), "options": options} for title, options in groups
        ],
    }
    return _input(field, label, element)


def _input(block_id: str, label: str, element: Block, hint: str = "") -> Block:
    block: Block = {
        "type": "input",
        "block_id": block_id,
        "label": builders.plain(label, MAX_LABEL),
        "element": element,
    }
    return {**block, "hint": builders.plain(hint, MAX_LABEL)} if hint else block
