"""The blocks a message of this bot may hold, and their limits, as tables. Views and their fields stay out.

https://docs.slack.dev/reference/block-kit/blocks and its pages on elements and composition objects.
Blocks and elements that the bot does not use are unknown here: using one asks for its limits first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.demo.blockkit.shapes import Check, array, boolean, either, one_of, shape, string, tagged, unique

MAX_BLOCKS = 50


def text(most: int, *types: str) -> Check:
    """Return a check of a text object of up to `most` characters, of one of `types` (default: both)."""
    variants = {
        "plain_text": shape({"type": one_of("plain_text"), "text": string(most)}, {"emoji": boolean}),
        "mrkdwn": shape({"type": one_of("mrkdwn"), "text": string(most)}, {"verbatim": boolean}),
    }
    return tagged({kind: variants[kind] for kind in types or variants})


def plain(most: int) -> Check:
    return text(most, "plain_text")


CONFIRM = shape(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": one_of("primary", "danger")},
)

OPTION = shape({"text": plain(75), "value": string(150)}, {"description": plain(75)})
LINK_OPTION = shape({"text": plain(75), "value": string(150)}, {"description": plain(75), "url": string(3000)})
OPTION_GROUP = shape({"label": plain(75), "options": array(OPTION, most=100)}, {})

SLACK_FILE = shape({}, {"id": string(255), "url": string(3000)}, either("id", "url"))


def initial_is_offered(select: Any, place: str) -> Iterator[str]:
    """`initial_option` has to equal one of the options, and not only share its value."""
    offered = [*select.get("options", ())]
    for group in select.get("option_groups", ()):
        offered += group["options"]
    if "initial_option" in select and select["initial_option"] not in offered:
        yield f"{place}/initial_option: is not one of the options"


BUTTON = shape(
    {"type": one_of("button"), "text": plain(75)},
    {
        "action_id": string(255),
        "value": string(2000),
        "url": string(3000),
        "style": one_of("primary", "danger"),
        "confirm": CONFIRM,
        "accessibility_label": string(75),
    },
)

STATIC_SELECT = shape(
    {"type": one_of("static_select")},
    {
        "action_id": string(255),
        "placeholder": plain(150),
        "options": array(OPTION, most=100),
        "option_groups": array(OPTION_GROUP, most=100),
        "initial_option": OPTION,
        "confirm": CONFIRM,
        "focus_on_load": boolean,
    },
    either("options", "option_groups"),
    initial_is_offered,
)

OVERFLOW = shape(
    {"type": one_of("overflow"), "options": array(LINK_OPTION, most=5)},
    {"action_id": string(255), "confirm": CONFIRM},
)

IMAGE_ELEMENT = shape(
    {"type": one_of("image"), "alt_text": string(2000)},
    {"image_url": string(3000), "slack_file": SLACK_FILE},
    either("image_url", "slack_file"),
)

INTERACTIVE = {"button": BUTTON, "static_select": STATIC_SELECT, "overflow": OVERFLOW}


def has_text_or_fields(section: Any, place: str) -> Iterator[str]:
    if "text" not in section and "fields" not in section:
        yield f"{place}: needs text or fields"


def action_ids_are_unique(actions: Any, place: str) -> Iterator[str]:
    return unique("action_id", actions["elements"], f"{place}/elements")


def block(kind: str, required: dict[str, Check], optional: dict[str, Check], *rules: Check) -> Check:
    return shape({"type": one_of(kind), **required}, {"block_id": string(255), **optional}, *rules)


BLOCK_KINDS = {
    "header": block("header", {"text": plain(150)}, {}),
    "section": block(
        "section",
        {},
        {
            "text": text(3000),
            "fields": array(text(2000), most=10),
            "accessory": tagged({**INTERACTIVE, "image": IMAGE_ELEMENT}),
            "expand": boolean,
        },
        has_text_or_fields,
    ),
    "context": block(
        "context",
        {
            "elements": array(
                tagged({"plain_text": plain(3000), "mrkdwn": text(3000, "mrkdwn"), "image": IMAGE_ELEMENT}),
                most=10,
            )
        },
        {},
    ),
    "divider": block("divider", {}, {}),
    "actions": block("actions", {"elements": array(tagged(INTERACTIVE), most=25)}, {}, action_ids_are_unique),
    "image": block(
        "image",
        {"alt_text": string(2000)},
        {"image_url": string(3000), "slack_file": SLACK_FILE, "title": plain(2000)},
        either("image_url", "slack_file"),
    ),
}

BLOCKS = array(tagged(BLOCK_KINDS), least=0, most=MAX_BLOCKS)
