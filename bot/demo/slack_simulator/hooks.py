"""Answers through a response_url, and in the body of an acknowledgement. How they travel stays out.

https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot.demo.slack_simulator import content, rights, wire
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.state import Message, ResponseUrlState, Workspace

MAX_USES = 5
LIFETIME = timedelta(minutes=30)

GONE = frozenset({"no_service", "expired_url", "used_url", "message_not_found"})  # HTTP 404, else 400

KEYS = frozenset(
    {"text", "blocks", "response_type", "replace_original", "delete_original", "thread_ts"}
    | {"mrkdwn", "unfurl_links", "unfurl_media"}
)


def use(slack: Workspace, key: str, payload: Mapping[str, Any]) -> None:
    """Answer once more. A refused answer is a use as well.

    Raises:
        Refusal: no_service (unknown), expired_url, used_url, and what the message is refused for.
    """
    url = slack.response_urls.get(key)
    if url is None:
        raise Refusal("no_service", note="an unknown response_url")
    if slack.clock() - url.created > LIFETIME:
        raise Refusal("expired_url", note="a response_url used after 30 minutes")
    if url.uses == MAX_USES:
        raise Refusal("used_url", note="a response_url used a 6th time")
    url.uses += 1
    answer(slack, url, payload)


def answer(slack: Workspace, url: ResponseUrlState, payload: Mapping[str, Any]) -> None:
    """Show what an app answers to a command or a click, and keep it with the `url`."""
    if unknown := sorted(set(payload) - KEYS):
        slack.unexpected.append(f"an answer with {', '.join(unknown)}")
    replaces = rights.flag(payload.get("replace_original"))
    deletes = rights.flag(payload.get("delete_original"))
    original = _original(slack, url) if replaces or deletes else None
    if not deletes:
        shown = _replace(slack, original, payload) if original else _add(slack, url, payload)
        url.last = shown if shown.only_for else None
        url.answers.put_nowait(shown)
    elif original:
        slack.delete(original)


def answer_at_once(slack: Workspace, url: ResponseUrlState, body: str) -> None:
    """Show the body of a command's ack: a message as JSON, or its text alone. It costs no use.

    Raises:
        Refusal: what the message is refused for.
    """
    try:
        payload = json.loads(body)
    except ValueError:
        payload = {"text": body, "response_type": "ephemeral"}
    answer(slack, url, payload)


def _original(slack: Workspace, url: ResponseUrlState) -> Message | None:
    """Find the clicked message, or of a command the ephemeral answer before: the typed command is not a message."""
    if url.source is None and url.last:
        return slack.present(url.last) if slack.replaces_answers else None
    if url.source is None:
        slack.unexpected.append("a command's answer has nothing to replace or delete")
        return None
    if original := slack.present(url.source):
        return original
    raise Refusal("message_not_found")


def _replace(slack: Workspace, original: Message, payload: Mapping[str, Any]) -> Message:
    if original.only_for and payload.get("response_type") == "in_channel":
        slack.unexpected.append("an ephemeral message never becomes public")
    said = content.read(slack, payload)
    return slack.edit(original, text=said.text, blocks=said.blocks, marked=not said.blocks)


def _add(slack: Workspace, url: ResponseUrlState, payload: Mapping[str, Any]) -> Message:
    kind = payload.get("response_type")
    if kind is None:
        slack.warnings.append("an answer without response_type, which is ephemeral")
    elif kind not in ("ephemeral", "in_channel"):
        slack.unexpected.append(f"an answer with response_type {kind!r}")
    said = content.read(slack, payload)
    if kind == "in_channel":
        content.note_mentions(slack, said)
    return slack.add(
        Message(
            channel=url.channel,
            ts=slack.next_ts(),
            user=wire.BOT_USER,
            text=said.text,
            blocks=said.blocks,
            thread_ts=rights.thread_root(slack.channels[url.channel], payload),
            only_for=None if kind == "in_channel" else url.user,
        )
    )
