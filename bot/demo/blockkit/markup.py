"""What stands inside a text: dates, mentions, escapes. Which texts a message has stays out.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Iterator

DATE_TOKENS = frozenset(
    {"date_num", "date", "date_short", "date_long", "date_pretty", "date_short_pretty", "date_long_pretty"}
    | {"time", "time_secs", "ago"}
)

_SEQUENCE = re.compile(r"<([^<>]*)>")
_MENTION = re.compile(r"@[UW][A-Z0-9]+(\|.*)?|!subteam\^S[A-Z0-9]+(\|.*)?|!(here|channel|everyone)(\|.*)?", re.S)
_CHANNEL = re.compile(r"#[CG][A-Z0-9]+(\|.*)?", re.S)
_LINK = re.compile(r"(https?://|mailto:|tel:)[^\s|]+(\|.+)?", re.S)
_DATE = re.compile(r"!date\^(?P<seconds>[^|^]*)\^(?P<tokens>[^|^]*)(\^(?P<link>[^|]*))?\|(?P<fallback>.*)", re.S)
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.S)
# What has to be an entity: a `<` always, a `>` but for a quote's, a `&` that starts none of the three.
_BARE = re.compile(r"<|(?<!^)(?<!^>)(?<!^>>)>|&(?!amp;|lt;|gt;)", re.M)


def in_plain_text(text: str) -> Iterator[str]:
    """Say what a plain_text object, or a label, would show as it stands."""
    if "<!date^" in text:
        yield "a date stays literal outside mrkdwn"


def in_mrkdwn(text: str) -> Iterator[str]:
    """Say what Slack would show otherwise than meant."""
    for span in _CODE.findall(text):
        if "<!date^" in span:
            yield "a date stays literal in code"
    for sequence in _SEQUENCE.findall(text):
        yield from _in_sequence(sequence)
    for bare in _BARE.findall(_SEQUENCE.sub("·", text)):
        yield f"a bare {bare!r}, which should be escaped"


def mentions(text: str) -> list[str]:
    """List the sequences that notify users, as written, in order."""
    return [f"<{sequence}>" for sequence in _SEQUENCE.findall(text) if _MENTION.fullmatch(sequence)]


def _in_sequence(sequence: str) -> Iterator[str]:
    if sequence.startswith("!date^"):
        yield from _in_date(sequence)
    elif not any(known.fullmatch(sequence) for known in (_MENTION, _CHANNEL, _LINK)):
        yield f"an unknown sequence {f'<{sequence}>'!r}"


def _in_date(sequence: str) -> Iterator[str]:
    if not (date := _DATE.fullmatch(sequence)):
        yield f"a malformed date {f'<{sequence}>'!r}"
        return
    if not re.fullmatch("[0-9]+", date["seconds"]):
        yield f"a date of {date['seconds']!r}, not of integer seconds"
    tokens = re.findall(r"\{([^{}]*)\}", date["tokens"])
    if not tokens or re.search("[{}]", re.sub(r"\{[^{}]*\}", "", date["tokens"])):
        yield f"a date with malformed tokens {date['tokens']!r}"
    for token in tokens:
        if token not in DATE_TOKENS:
            yield f"a date with the unknown token {token!r}"
    if date["link"] is not None and not re.fullmatch(r"https?://\S+", date["link"]):
        yield f"a date with the odd link {date['link']!r}"
    if not date["fallback"].strip():
        yield "a date without a fallback"
