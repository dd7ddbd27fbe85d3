"""Name one of several Official Accounts in messages and views, and in the values of their buttons.

An installation with one account shows no name, and its values are those of `bot.actions` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot import actions, view_metadata
from bot.blocks.builders import FINE, ICONS, PERSON, TROUBLE
from bot.blocks.context import RenderContext
from bot.ports import Block, Message, View
from bot.text import NAME, clean, escape, units

# UTF-16 units: https://docs.slack.dev/reference/block-kit/blocks/section-block and header-block
LONGEST = {"section": 3000, "header": 150}
_MARKS = tuple(f"{icon} " for icon in (*ICONS.values(), FINE, TROUBLE, PERSON))


@dataclass(frozen=True, slots=True)
class TenantLabel:
    """The name of an account for people, and its AppID for buttons.

    The only account of a file needs no name, but its buttons carry the AppID: there may be more accounts tomorrow.
    """

    appid: str
    title: str
    is_named: bool = True

    def on_message(self, message: Message) -> Message:
        """Begin a message with the name, and let its buttons return the AppID."""
        blocks = self.on_blocks(message.blocks)
        if message.names_accounts or not self.is_named:
            return replace(message, blocks=blocks)
        return Message(f"{escape(self.name)} · {message.text}", self._named(blocks))

    def on_view(self, view: View, heading: Sequence[Block] | None = None) -> View:
        """Begin a modal or an App Home with the name, and let its buttons and its submission return the AppID.

        Args:
            heading: what takes the place of the name.
        """
        name = [self._context] if self.is_named else []
        first = name if heading is None else heading
        return view | {
            "blocks": [*first, *self.on_blocks(view["blocks"])],
            "private_metadata": view_metadata.with_appid(self.appid, view.get("private_metadata", "")),
        }

    def on_blocks(self, blocks: Sequence[Block]) -> list[Block]:
        """Let the buttons of blocks return the AppID. The name stands elsewhere in the message."""
        return [self._with_appid(block) for block in blocks]

    @property
    def name(self) -> str:
        """Return the name as `plain_text`."""
        return clean(self.title, NAME)

    @property
    def _context(self) -> Block:
        return {"type": "context", "elements": [{"type": "mrkdwn", "text": f"*{escape(self.name)}*"}]}

    def _named(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """Put the name behind the icon of the first text. Where it does not fit, it is a block of its own.

        The icon stays first: it is what people look for in a channel, as in lists.
        """
        if not blocks:
            return blocks
        first, *rest = blocks
        kind, text = first["type"], first.get("text")
        if text and kind in LONGEST:
            name = self.name if text["type"] == "plain_text" else f"*{escape(self.name)}*"
            longer = _with_name(name, text["text"])
            if units(longer) <= LONGEST[kind]:
                return [first | {"text": text | {"text": longer}}, *rest]
        return [self._context, *blocks]

    def _with_appid(self, part: Any) -> Any:
        """Return a part of a block with the AppID in the value of every button and option."""
        if isinstance(part, list):
            return [self._with_appid(one) for one in part]
        if not isinstance(part, dict):
            return part
        return {key: self._value(one) if key == "value" else self._with_appid(one) for key, one in part.items()}

    def _value(self, value: Any) -> Any:
        return actions.encode_for(self.appid, value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class NamedAccount:
    """An account in a message about several: its name, and the context of its part."""

    label: TenantLabel
    context: RenderContext


def _with_name(name: str, words: str) -> str:
    """Put a name behind the icon of a text. It concerns all lines, so a list has it on a line of its own."""
    line, _, others = words.partition("\n")
    mark = next((icon for icon in _MARKS if line.startswith(icon)), "")
    if mark and others.startswith(_MARKS):
        return f"{name}\n{words}"
    return f"{mark}{name} · {words.removeprefix(mark)}"
