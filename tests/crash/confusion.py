"""Find what a message or a modal about one Official Account contains of another. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.demo.slack_simulator import Message
from tests.crash.accounts import CrashAccount


def is_about(message: Message, account: CrashAccount) -> bool:
    """Return whether a message is about an account: in its channel, beginning with its name."""
    return message.channel == account.channel and message.text.startswith(account.prefix)


def foreign_data(content: Mapping[str, Any], others: Iterable[CrashAccount]) -> Iterator[str]:
    """Yield the names and AppIDs of other accounts in a message or view. Equal data is found by its event keys."""
    shown = json.dumps(content, ensure_ascii=False)
    yield from (word for other in others for word in (other.appid, other.name) if word and word in shown)
