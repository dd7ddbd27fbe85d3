"""Check that a body is a form or a JSON object as Slack sends them, without I/O."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs

MAX_DEPTH = 50  # of nested JSON; Slack's own stay under 20
MAX_FIELDS = 1000  # of a form; Slack sends a dozen
NEEDS_PARSING = re.compile(r"payload|%[89A-Fa-f]")  # JSON in a form, or non-ASCII letters: Bolt may fail on these


class BadRequestError(Exception):
    """The body is not one that Slack sends; the text gives the reason."""


def decode_body(body: bytes, content_type: str) -> str:
    """Decode a body, and check that Bolt can read it: Bolt answers 500 to one that it cannot read.

    Raises:
        BadRequestError: it does not decode, does not parse, or is nested too deeply.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequestError("the body is not UTF-8") from None
    if content_type == "application/json" or text.lstrip()[:1] in ("{", "["):
        _check_json(text)
        return text
    if text.isascii() and text.count("&") < MAX_FIELDS and not NEEDS_PARSING.search(text):
        return text  # a command in plain letters: Bolt parses it anyway, and parsing twice delays the 200
    try:
        form = parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadRequestError("the form does not decode") from None
    for payload in form.get("payload", ()):
        _check_json(payload)
    return text


def _check_json(text: str) -> None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequestError("the JSON does not parse") from None
    if not isinstance(value, dict):
        raise BadRequestError("the JSON is no object")
    if _depth(text) > MAX_DEPTH:
        raise BadRequestError("the JSON is nested too deeply")


def _depth(text: str) -> int:
    """Return the nesting depth of brackets outside strings: Bolt must not overflow on a body that parses here."""
    depth = deepest = 0
    for bracket in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        if bracket in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "}]":
            depth -= 1
    return deepest
