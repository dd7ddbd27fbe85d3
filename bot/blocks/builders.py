"""Block Kit as plain dicts: shapes, limits, icons. No sentence is written here.

Plain dicts, because building model objects costs eighty times as much on the event loop; the limits are
held by construction and proved by tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from bot.actions import OPEN_CONSOLE, REFRESH
from bot.ports import Block, Message
from bot.text import Limit, cut

# https://docs.slack.dev/reference/block-kit/blocks and its neighbours. Counted in UTF-16 units, to be safe.
MAX_TEXT = 3000  # of a section or context element
MAX_HEADER = 150
MAX_FIELD = 2000
MAX_BUTTON = 75  # its text and its accessibility_label
MAX_PLACEHOLDER = 150
MAX_OPTION = 75  # its text and its description
# Undocumented: Slack refused messages from about 13,000 characters with msg_blocks_too_long.
MAX_MESSAGE = 9000
ADDED = 300  # of these are for what a finished message may still get, such as the line on a possible repeat

ICONS = {
    "expiring": "⏰",
    "rejected": "⛔",
    "expired": "⌛",
    "unknown": "❔",
    "waiting": "✉️",
    "idle": "⚪",
    "bound": "✅",
    "removed": "➖",
}
"""The icon of each state word; a `Seen` or a `State` finds its own."""
FINE = "✅"
TROUBLE = "⚠️"
PERSON = "👤"  # somebody did this

CONSOLE = "https://mp.weixin.qq.com"


def plain(text: str, most: int) -> Block:
    """A plain_text object. `emoji` is off, so that `:tada:` in a nickname stays text."""
    return {"type": "plain_text", "text": cut(text, Limit(most, most)), "emoji": False}


def mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, MAX_HEADER)}


def section(text: str = "", *, fields: Sequence[str] = (), expand: bool = False) -> Block:
    """Text, fields, or both. `expand` keeps Slack from folding a long text behind "See more"."""
    block: Block = {"type": "section"}
    if text:
        block["text"] = mrkdwn(text)
    if fields:
        block["fields"] = [mrkdwn(field) for field in fields]
    if expand:
        block["expand"] = True
    return block


def field(title: str, value: str) -> str:
    """One of a section's fields: a bold title over its value."""
    return f"*{title}*\n{value}"


def context(text: str) -> Block:
    return {"type": "context", "elements": [mrkdwn(text)]}


def divider() -> Block:
    return {"type": "divider"}


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def button(
    text: str,
    action_id: str,
    value: str,
    *,
    primary: bool = False,
    confirm: Block | None = None,
    label: str = "",
) -> Block:
    """A button. `label` is what a screen reader says instead of its text."""
    element: dict[str, Any] = {"type": "button", "text": plain(text, MAX_BUTTON), "action_id": action_id}
    element["value"] = value
    if primary:
        element["style"] = "primary"
    if confirm:
        element["confirm"] = confirm
    if label:
        element["accessibility_label"] = cut(label, Limit(MAX_BUTTON, MAX_BUTTON))
    return element


def refresh(value: str) -> Block:
    return button("Refresh", REFRESH, value)


def console() -> Block:
    """The button that opens the WeChat console; its click is acknowledged, nothing else."""
    return {
        "type": "button",
        "text": plain("WeChat console", MAX_BUTTON),
        "action_id": OPEN_CONSOLE,
        "url": CONSOLE,
    }


def option(text: str, value: str, description: str = "") -> Block:
    """Build an option of a menu; Slack shows the description in grey below the text."""
    block: Block = {"text": plain(text, MAX_OPTION), "value": value}
    return {**block, "description": plain(description, MAX_OPTION)} if description else block


def select(placeholder: str, action_id: str, options: Sequence[Block], *, initial: Block | None = None) -> Block:
    """A menu; `initial` has to equal one of the options."""
    element: Block = {"type": "static_select", "placeholder": plain(placeholder, MAX_PLACEHOLDER)}
    element["action_id"] = action_id
    element["options"] = list(options)
    if initial:
        element["initial_option"] = initial
    return element


def confirm(title: str, text: str, yes: str) -> Block:
    """The question before a click takes effect."""
    return {
        "title": plain(title, 100),
        "text": mrkdwn(text),
        "confirm": plain(yes, 30),
        "deny": plain("Cancel", 30),
    }


def size(blocks: Sequence[Block]) -> int:
    """How many characters the blocks fill on the wire."""
    return len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def fitting(*ways: Callable[[], Message]) -> Message:
    """The first of several ways to say the same that is short enough for Slack, else the last one."""
    for way in ways:
        message = way()
        if size(message.blocks) <= MAX_MESSAGE - ADDED:
            break
    return message
