"""What a modal or a Home tab may hold, fields included, and the limits, as tables. Messages stay out.

https://docs.slack.dev/reference/views and https://docs.slack.dev/reference/block-kit/blocks/input-block
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bot.demo.blockkit.schema import BLOCK_KINDS, STATIC_SELECT, block, plain
from bot.demo.blockkit.shapes import (
    Check,
    array,
    boolean,
    one_of,
    shape,
    string,
    string_up_to,
    tagged,
    unique,
    units,
    whole_number,
)

MAX_VIEW_BLOCKS = 100
MAX_VIEW_BYTES = 250_000  # of JSON; Slack says 250 kB
MAX_TYPED = 3000  # characters in a field without a `max_length`


def lengths_agree(field: Any, place: str) -> Iterator[str]:
    """A field's shortest input is no longer than its longest, and its first value fits."""
    most = field.get("max_length", MAX_TYPED)
    if field.get("min_length", 0) > most:
        yield f"{place}/min_length: must not be more than max_length"
    if units(field.get("initial_value", "")) > most:
        yield f"{place}/initial_value: must be less than {most + 1} characters"


PLAIN_TEXT_INPUT = shape(
    {"type": one_of("plain_text_input")},
    {
        "action_id": string(255),
        "initial_value": string(MAX_TYPED),  # whether "" is taken is not documented
        "multiline": boolean,
        "min_length": whole_number(0, 3000),
        "max_length": whole_number(1, 3000),
        "dispatch_action_config": shape(
            {"trigger_actions_on": array(one_of("on_enter_pressed", "on_character_entered"), most=2)}, {}
        ),
        "focus_on_load": boolean,
        "placeholder": plain(150),
    },
    lengths_agree,
)

FIELDS = {"plain_text_input": PLAIN_TEXT_INPUT, "static_select": STATIC_SELECT}

INPUT = block(
    "input",
    {"label": plain(2000), "element": tagged(FIELDS)},
    {"hint": plain(2000), "optional": boolean, "dispatch_action": boolean},
)


def block_ids_are_unique(view: Any, place: str) -> Iterator[str]:
    return unique("block_id", view["blocks"], f"{place}/blocks")


def one_focus(view: Any, place: str) -> Iterator[str]:
    """Only one element of a view may take the focus."""
    if _count(view["blocks"], "focus_on_load") > 1:
        yield f"{place}/blocks: focus_on_load is set more than once"


def submit_for_fields(modal: Any, place: str) -> Iterator[str]:
    """A modal with an input block has a submit button. A Home has none, and takes input blocks without."""
    if "submit" not in modal and any(part["type"] == "input" for part in modal["blocks"]):
        yield f"{place}: missing required field: submit"


def _view(kind: str, required: dict[str, Check], optional: dict[str, Check], *rules: Check) -> Check:
    blocks = array(tagged({**BLOCK_KINDS, "input": INPUT}), most=MAX_VIEW_BLOCKS)
    return shape(
        {"type": one_of(kind), "blocks": blocks, **required},
        {
            "private_metadata": string_up_to(3000),
            "callback_id": string_up_to(255),
            "external_id": string_up_to(255),
            **optional,
        },
        block_ids_are_unique,
        one_focus,
        *rules,
    )


VIEW = tagged(
    {
        "modal": _view(
            "modal",
            {"title": plain(24)},
            {"submit": plain(24), "close": plain(24), "clear_on_close": boolean, "notify_on_close": boolean},
            submit_for_fields,
        ),
        "home": _view("home", {}, {}),
    }
)


def bytes_of(view: Mapping[str, Any]) -> int:
    """Count a view as JSON in ASCII, which is how Slack sends it back: the longest form."""
    return len(json.dumps(view))


def _count(value: Any, key: str) -> int:
    """Count the objects inside a value that set a flag."""
    if isinstance(value, Mapping):
        return (value.get(key) is True) + sum(_count(part, key) for part in value.values())
    if isinstance(value, list | tuple):
        return sum(_count(part, key) for part in value)
    return 0
