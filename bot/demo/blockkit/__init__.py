"""Is this message or view fit for Slack? An own reading of Block Kit's limits. What it means stays out.

Slack's `blocks.validate` is the judge of last resort; this one answers offline. Values are those of decoded JSON,
so objects are dicts. Everything is reported as "JSON pointer: what is wrong"; lengths are UTF-16 code units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.demo.blockkit import markup, schema, view_schema
from bot.demo.blockkit.shapes import unique, units

MAX_CONTENT = 10_000  # ours: Slack says msg_blocks_too_long somewhere above 13,000
MAX_TEXT = 40_000  # Slack cuts what is longer
GOOD_TEXT = 4_000  # Slack's advice

MESSAGE_KEYS = frozenset(
    {"text", "blocks", "channel", "ts", "user", "thread_ts", "reply_broadcast", "metadata"}
    | {"mrkdwn", "unfurl_links", "unfurl_media", "response_type", "replace_original", "delete_original"}
)


def problems(message: Mapping[str, Any]) -> list[str]:
    """List all that is wrong with a message: the arguments of a post, an edit or a response_url.

    That is what Slack refuses, what it shows otherwise than meant, and what it advises against.
    """
    return [*refusals(message), *flaws(message), *advice(message)]


def refusals(message: Mapping[str, Any]) -> list[str]:
    """List what Slack answers with `invalid_blocks`."""
    blocks = message.get("blocks", ())
    found = list(schema.BLOCKS(blocks, "/blocks"))
    return found or list(unique("block_id", blocks, "/blocks"))


def flaws(message: Mapping[str, Any]) -> list[str]:
    """List what Slack takes, and people see wrong, or not at all."""
    found = [f": unknown field: {key}" for key in message if key not in MESSAGE_KEYS]
    text = message.get("text", "")
    if not isinstance(text, str):
        found.append("/text: must be a string")
    elif not text.strip():
        found.append("/text: is missing; notifications and screen readers have nothing else")
    elif units(text) > MAX_TEXT:
        found.append(f"/text: must be less than {MAX_TEXT + 1} characters")
    texts = [*_texts(message)]
    found += _flaws_inside(texts)
    if (length := _content_length(texts)) > MAX_CONTENT:
        found.append(f"/blocks: {length} characters of content, more than {MAX_CONTENT}")
    return found


def advice(message: Mapping[str, Any]) -> list[str]:
    """List what works, and Slack advises against."""
    text = message.get("text")
    if isinstance(text, str) and units(text) > GOOD_TEXT:
        return [f"/text: is best kept under {GOOD_TEXT + 1} characters"]
    return []


def view_problems(view: Mapping[str, Any]) -> list[str]:
    """List all that is wrong with a view: the `view` of a `views.*` call, or of an acknowledgement."""
    return [*view_refusals(view), *view_flaws(view)]


def view_refusals(view: Mapping[str, Any]) -> list[str]:
    """List what Slack answers with `invalid_arguments`, or with `view_too_large`."""
    return list(view_schema.VIEW(view, "/view")) or too_large(view)


def too_large(view: Mapping[str, Any]) -> list[str]:
    """Say that a view is too large for Slack, if it is."""
    size = view_schema.bytes_of(view)
    return (
        [f"/view: {size} bytes, more than {view_schema.MAX_VIEW_BYTES}"]
        if size > view_schema.MAX_VIEW_BYTES
        else []
    )


def view_flaws(view: Mapping[str, Any]) -> list[str]:
    """List what Slack takes in a view, and people see wrong."""
    return _flaws_inside(_texts_in(view, "/view"))


def mentions(message: Mapping[str, Any]) -> list[str]:
    """List the sequences that notify users (`<!channel>`, `<@U…>`, `<!subteam^…>`), as written, repeats included.

    The order is `text` first, then the blocks'. In plain_text they are only letters, and not listed.
    """
    return [
        mention for _, kind, content in _texts(message) if kind == "mrkdwn" for mention in markup.mentions(content)
    ]


def content_length(message: Mapping[str, Any]) -> int:
    """Count the characters that people can read in the blocks, labels of buttons and menus included."""
    return _content_length(_texts(message))


def _content_length(texts: Iterable[tuple[str, str, str]]) -> int:
    return sum(units(content) for place, _, content in texts if place != "/text")


def _flaws_inside(texts: Iterable[tuple[str, str, str]]) -> list[str]:
    found = []
    for place, kind, content in texts:
        inside = markup.in_mrkdwn if kind == "mrkdwn" else markup.in_plain_text
        found += [f"{place}: {flaw}" for flaw in inside(content)]
    return found


def _texts(message: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield place, kind (mrkdwn or plain_text) and content of all that is shown or read aloud."""
    if isinstance(text := message.get("text"), str):
        yield "/text", "mrkdwn", text
    yield from _texts_in(message.get("blocks", ()), "/blocks")


def _texts_in(value: Any, place: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, dict):
        if value.get("type") in ("mrkdwn", "plain_text") and isinstance(value.get("text"), str):
            yield f"{place}/text", value["type"], value["text"]
        for key, part in value.items():
            if key in ("alt_text", "accessibility_label") and isinstance(part, str):
                yield f"{place}/{key}", "plain_text", part
            else:
                yield from _texts_in(part, f"{place}/{key}")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _texts_in(part, f"{place}/{index}")
