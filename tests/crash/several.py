"""A message about several Official Accounts of one channel, as each of them sees it: a digest of its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from bot.blocks.builders import FINE
from bot.demo.slack_simulator import Message
from tests.crash.accounts import CrashAccount
from tests.crash.oracle import DIGEST, PART

PARENT = re.compile(r"\d+ at once in \d+ Official|Now watching \d+ accounts? of \d+ Official")
NICK = re.compile(r"\bSo?\d+x\d+\b")  # of an invitation in the workload
STATE = re.compile(r"^\S+ ([A-Z][a-z ]+): (.*)$", re.MULTILINE)  # `⛔ Rejected: S1x1, S2x1`


def is_of_several(message: Message, parents: Collection[str]) -> bool:
    """Return whether a message is about several accounts: a digest, a first run, or the names in their thread."""
    return bool(PARENT.match(message.text)) or message.thread_ts in parents


def part_of(message: Message, account: CrashAccount, own_keys: Collection[str]) -> Message | None:
    """Return the part about an account, in the words of a digest of one account. None if there is none.

    Args:
        own_keys: those of all events of the account.
    """
    counts = re.search(rf"{re.escape(account.name)}: ([^;.]*)", message.text)
    if message.channel != account.channel or counts is None:
        return None
    payload = (message.metadata or {}).get("event_payload", {})
    keys = ",".join(key for key in str(payload.get("e", "")).split(",") if key in own_keys)
    metadata = {"event_payload": {**payload, "e": keys}}
    if message.thread_ts:
        names = " ".join(f"{nick} (" for text in _texts(message, account, ":") for nick in NICK.findall(text))
        return replace(message, text=names, blocks=[], metadata=metadata)
    settled = ", all settled" if _is_settled(message, account) else ""
    title = f"{PART} {DIGEST}" if "at once in" in message.text else f"{PART} found {DIGEST}"
    rows = [
        {"text": {"text": f"*{nick}* · {state.lower()}"}}
        for text in _texts(message, account, "\n")
        for state, names in STATE.findall(text)
        for nick in NICK.findall(names)
    ]
    return replace(message, text=f"{title}: {counts[1]}{settled}.", blocks=rows, metadata=metadata)


def _is_settled(message: Message, account: CrashAccount) -> bool:
    """Whether the part is a grey line. Its words do not show it: a replaced invitation shows the new one."""
    line = f"{FINE} *{account.name}* · "
    elements = [element for block in message.blocks for element in block.get("elements", ())]
    return any(str(element.get("text", "")).startswith(line) for element in elements)


def _texts(message: Message, account: CrashAccount, then: str) -> Iterator[str]:
    """Yield the texts that begin with the name of an account, without it."""
    for block in message.blocks:
        for line in re.split(r"\n(?=\*)", str(block.get("text", {}).get("text", ""))):
            if line.startswith(begin := f"*{account.name}*{then}"):
                yield line.removeprefix(begin)
