"""What a message may hold: text, blocks, metadata, as they came over the wire. Where it goes stays out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.demo import blockkit
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import Workspace
from bot.ports import Block

BLOCKS_TOO_LONG = 13_000  # characters of content; undocumented, seen from about there
METADATA_TOO_LARGE = 8_000  # bytes of JSON; undocumented, a guess on the small side


@dataclass(frozen=True, slots=True)
class Content:
    text: str
    blocks: list[Block]
    warnings: list[str]  # Slack's own words, for the answer


def read(slack: Workspace, arguments: Mapping[str, Any]) -> Content:
    """Take `text` and `blocks` (an array, or one as JSON text) out of a call.

    Raises:
        Refusal: no_text, invalid_blocks_format, invalid_blocks, msg_blocks_too_long, invalid_arguments.
    """
    text = arguments.get("text") or ""
    blocks = decoded(arguments.get("blocks") or [], list, "invalid_blocks_format")
    if not isinstance(text, str):
        raise Refusal("invalid_arguments", note="text is no string")
    if not text.strip() and not blocks:
        raise Refusal("no_text", note="a message without text and blocks")
    message = {"text": text, "blocks": blocks}
    if refusals := blockkit.refusals(message):
        raise _invalid_blocks(refusals)
    if blockkit.content_length(message) > BLOCKS_TOO_LONG:
        raise Refusal("msg_blocks_too_long", note="more content than one message holds")
    slack.unexpected += blockkit.flaws(message)
    slack.warnings += blockkit.advice(message)
    warnings = ["message_truncated"] if len(text) > blockkit.MAX_TEXT else []
    return Content(text[: blockkit.MAX_TEXT], blocks, warnings)


def note_mentions(slack: Workspace, said: Content) -> None:
    """Record whom a new message mentions without permission. A mention in an edit notifies no one."""
    for mention in blockkit.mentions({"text": said.text, "blocks": said.blocks}):
        if mention not in slack.may_mention:
            slack.unexpected.append(f"a message mentions {mention}")


def metadata(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Take `metadata` (an object, or one as JSON text) out of a call: None if absent, {} to remove it.

    Raises:
        Refusal: invalid_metadata_format, metadata_too_large.

    https://docs.slack.dev/messaging/message-metadata
    """
    if arguments.get("metadata") is None:
        return None
    found: dict[str, Any] = decoded(arguments["metadata"], dict, "invalid_metadata_format")
    if found and not _is_metadata(found):
        raise Refusal("invalid_metadata_format", note=f"odd metadata {found!r}")
    if len(json.dumps(found, ensure_ascii=False).encode()) > METADATA_TOO_LARGE:
        raise Refusal("metadata_too_large", note="too much metadata")
    return found


def decoded(value: Any, kind: type, error: str) -> Any:
    """Read a value that a form brings as JSON text, and a JSON body either so or as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise Refusal(error, note=f"{error}: broken JSON") from None
    if not isinstance(value, kind):
        raise Refusal(error, note=f"{error}: {type(value).__name__} instead of {kind.__name__}")
    return value


def _invalid_blocks(refusals: list[str]) -> Refusal:
    errors = []
    for refusal in refusals:
        place, _, wrong = refusal.partition(": ")
        errors.append(f"{wrong} [json-pointer:{place}]")
    return Refusal(
        "invalid_blocks",
        note=f"invalid_blocks: {'; '.join(refusals)}",
        errors=errors,
        response_metadata={"messages": [f"[ERROR] {error}" for error in errors]},
    )


def _is_metadata(found: dict[str, Any]) -> bool:
    kind, payload = found.get("event_type"), found.get("event_payload")
    return (
        set(found) == {"event_type", "event_payload"}
        and isinstance(kind, str)
        and bool(kind)
        and isinstance(payload, dict)
        and all(_is_value(value) for value in payload.values())
    )


def _is_value(value: Any) -> bool:
    """Scalars, objects of scalars, and lists of such objects; no null."""
    if isinstance(value, list):
        return all(isinstance(item, dict) and _is_value(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(part, str | int | float) for part in value.values())
    return isinstance(value, str | int | float)
