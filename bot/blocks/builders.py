"""Builders of Block Kit dicts, with limits and icons, and the buttons that many messages have.

Plain dicts, because building model objects takes eighty times as long on the event loop. Construction keeps the
limits, and tests prove it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.actions import OPEN_CONSOLE, OPEN_PLATFORM, REFRESH
from bot.alerting.episode import AccountStatus
from bot.blocks.context import RenderContext
from bot.ports import Block, Message
from bot.text import Limit, cut
from wechat_kf.advice import Place

# https://docs.slack.dev/reference/block-kit/blocks and its neighbours. Counted in UTF-16 units, to be safe.
MAX_TEXT = 3000  # of a section or context element
MAX_HEADER = 150
MAX_FIELD = 2000
MAX_BUTTON = 75  # its text and its accessibility_label
MAX_PLACEHOLDER = 150
MAX_OPTION = 75  # its text and its description
# Undocumented: Slack refused messages from about 13,000 characters with msg_blocks_too_long.
MAX_MESSAGE = 9000
ADDED = 300  # of these are reserved for additions to a finished message, such as the line on a possible repeat

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
"""By state word, which a `AccountStatus` or an `EpisodeState` is."""
FINE = "✅"
TROUBLE = "⚠️"
PERSON = "👤"  # before the action of a user

_OPEN = {Place.CONSOLE: OPEN_CONSOLE, Place.DEVELOPER_PLATFORM: OPEN_PLATFORM}


def plain(text: str, most: int) -> Block:
    """Build a plain_text object. `emoji` is off, so that `:tada:` in a nickname stays text."""
    return {"type": "plain_text", "text": cut(text, Limit(most, most)), "emoji": False}


def mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, MAX_HEADER)}


def section(text: str = "", *, fields: Sequence[str] = (), expand: bool = False) -> Block:
    """Build a section of text, fields, or both. `expand` keeps Slack from folding a long text behind "See more"."""
    block: Block = {"type": "section"}
    if text:
        block["text"] = mrkdwn(text)
    if fields:
        block["fields"] = [mrkdwn(field) for field in fields]
    if expand:
        block["expand"] = True
    return block


def field(title: str, value: str) -> str:
    """Write a field of a section: a bold title over its value."""
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
    """Build a button. A screen reader reads `label` instead of its text."""
    element: dict[str, Any] = {"type": "button", "text": plain(text, MAX_BUTTON), "action_id": action_id}
    element["value"] = value
    if primary:
        element["style"] = "primary"
    if confirm:
        element["confirm"] = confirm
    if label:
        element["accessibility_label"] = cut(label, Limit(MAX_BUTTON, MAX_BUTTON))
    return element


def refresh(value: str, context: RenderContext) -> Block:
    return button(context.say("Refresh"), REFRESH, value)


def link(place: Place, context: RenderContext) -> Block:
    """Build the button that opens a page of WeChat; its click is only acknowledged."""
    text = {
        Place.CONSOLE: context.say("WeChat console"),
        Place.DEVELOPER_PLATFORM: context.say("Developer platform"),
    }[place]
    return {
        "type": "button",
        "text": plain(text, MAX_BUTTON),
        "action_id": _OPEN[place],
        "url": place.value,
    }


def console(context: RenderContext) -> Block:
    """Build the button that opens the WeChat console."""
    return link(Place.CONSOLE, context)


def option(text: str, value: str, description: str = "") -> Block:
    """Build an option of a menu; Slack shows the description in grey below the text."""
    block: Block = {"text": plain(text, MAX_OPTION), "value": value}
    return {**block, "description": plain(description, MAX_OPTION)} if description else block


def select(placeholder: str, action_id: str, options: Sequence[Block], *, initial: Block | None = None) -> Block:
    """Build a menu; `initial` must equal one of the options."""
    element: Block = {"type": "static_select", "placeholder": plain(placeholder, MAX_PLACEHOLDER)}
    element["action_id"] = action_id
    element["options"] = list(options)
    if initial:
        element["initial_option"] = initial
    return element


def confirm(title: str, text: str, yes: str, no: str) -> Block:
    """Build the question that Slack asks before a click takes effect."""
    return {"title": plain(title, 100), "text": mrkdwn(text), "confirm": plain(yes, 30), "deny": plain(no, 30)}


def size(blocks: Sequence[Block]) -> int:
    """Return the number of characters of the blocks as JSON."""
    return len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def icons_and_counts(lead: str, counts: Mapping[str, int], context: RenderContext) -> str:
    """Write `Also ✉️ 4 waiting ⚪ 2 idle`. No-break spaces join an icon and its count, wide ones separate them."""
    parts = [
        context.say("{icon} {number} {state}", icon=ICONS[state], number=counts[state], state=context.state(state))
        for state in AccountStatus
        if counts.get(state)
    ]
    return "\u2002".join([lead, *(part.replace(" ", "\u00a0") for part in parts)])


def first_that_fits(*renderings: Callable[[], Message]) -> Message:
    """Return the first rendering that is short enough for Slack, else the last one."""
    for render in renderings:
        message = render()
        if size(message.blocks) <= MAX_MESSAGE - ADDED:
            break
    return message
