"""Judge the outcome of submitted forms: by WeChat, the channel and the modals, never by the bot's store."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.demo.slack_simulator import Message
from bot.operations.operation import OperationKind
from wechat_kf.simulator import Simulator

# `Renamed by opal: O7r (o7@harbour_tea), was O7.`, and in the thread of an alert `Deleted by opal.`
NOTICE = re.compile(r"(?:Added|Invited|Renamed|Deleted) by \w+: \S+ \(([^)]+)\)")
REPLY = re.compile(r"(?:Added|Invited again|Renamed|Deleted) by \w+[:.]")
FAILURE = re.compile(r"what you asked for (\S+) did not happen")
UNDECIDED = (
    *("Asking WeChat…", "The list is being read again", "The bot is restarting", "It may have happened"),
    "This could not be answered",
)


class Claim(StrEnum):
    """What a modal says about an operation."""

    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class RequestedOperation:
    """A form that a person submitted. Each has an account of its own, which identifies it everywhere."""

    kind: OperationKind
    kf_account: str
    nick: str  # the name that messages show
    value: str  # the WeChat ID or the name in the form
    user: str
    view_id: str = ""
    submitted_at: float | None = None
    writes: int = 0  # requests that arrived at WeChat
    took_effect: bool = False
    claims: set[Claim] = field(default_factory=set)  # of its modal
    last_words: str = ""  # of its modal

    def is_shown(self, wechat: Simulator) -> bool:
        """Return whether WeChat is as the form asked for."""
        seat = next((seat for seat in wechat.seats if seat.kf_account == self.kf_account), None)
        match self.kind:
            case OperationKind.INVITE:
                return seat is not None and seat.invite_wx == self.value
            case OperationKind.RENAME:
                return seat is not None and seat.kf_nick == self.value
            case OperationKind.ADD:
                return seat is not None
        return seat is None

    def __str__(self) -> str:
        return f"{self.kind} {self.kf_account}"


@dataclass(slots=True)
class OperationVerdict:
    """The judgement. Each complaint is one line of text."""

    requested: int = 0
    took_effect: int = 0
    repeated_writes: list[str] = field(default_factory=list)  # more than one request for a form
    denied: list[str] = field(default_factory=list)  # reported as failed, though it took effect
    invented: list[str] = field(default_factory=list)  # reported as done, though it did not happen
    unreported: list[str] = field(default_factory=list)  # took effect, and the channel does not show it
    reported_again: list[str] = field(default_factory=list)  # the channel shows it twice
    unasked: list[str] = field(default_factory=list)  # writes that no form asked for

    @property
    def lists(self) -> dict[str, list[str]]:
        return {
            "repeated writes": self.repeated_writes,
            "reported failed though effective": self.denied,
            "reported done though not": self.invented,
            "unreported": self.unreported,
            "reported again": self.reported_again,
            "writes without a form": self.unasked,
        }

    @property
    def complaints(self) -> dict[str, list[str]]:
        return {f"operations: {kind}": lines for kind, lines in self.lists.items() if lines}


def merged(verdicts: Mapping[str, OperationVerdict]) -> OperationVerdict:
    """Return the judgement on several accounts; each complaint begins with the key of its verdict."""
    total = OperationVerdict(
        sum(verdict.requested for verdict in verdicts.values()),
        sum(verdict.took_effect for verdict in verdicts.values()),
    )
    for account, verdict in verdicts.items():
        for kind, lines in verdict.lists.items():
            total.lists[kind].extend(f"{account}{line}" for line in lines)
    return total


def judge(
    operations: Sequence[RequestedOperation],
    posted: Iterable[Message],
    account_of_thread: Mapping[str, str],
    unasked: Iterable[str] = (),
) -> OperationVerdict:
    """Compare the forms with WeChat and the channel.

    Args:
        posted: all messages of the channel, in their first form.
        account_of_thread: the account of each alert, by its ts.
        unasked: accounts of writes without a form.
    """
    done, failed = Counter[str](), Counter[str]()
    accounts = {name: one.kf_account for one in operations for name in (one.nick, one.value)}
    for message in posted:
        done.update(_reported_accounts(message, account_of_thread))
        failed.update(accounts.get(nick, nick) for nick in FAILURE.findall(message.text.replace("*", "")))
    verdict = OperationVerdict(len(operations), sum(one.took_effect for one in operations), unasked=[*unasked])
    for one in operations:
        reports, name = done[one.kf_account], f"{one}: the modal ends with {one.last_words[:60]!r}"
        if one.writes > 1:
            verdict.repeated_writes.append(f"{one}: {one.writes} requests")
        if one.took_effect and (failed[one.kf_account] or Claim.FAILED in one.claims):
            verdict.denied.append(name)
        if not one.took_effect and (reports or Claim.DONE in one.claims):
            verdict.invented.append(name)
        if one.took_effect and not reports:
            verdict.unreported.append(name)
        if reports > 1 or failed[one.kf_account] > 1:
            verdict.reported_again.append(f"{one}: {reports} times done, {failed[one.kf_account]} times failed")
    return verdict


def claim_of(words: str) -> Claim | None:
    """Return what a modal, or an error in it, says about the operation of its form; None while it is undecided."""
    if words.startswith("✅"):
        return Claim.DONE
    return None if any(undecided in words for undecided in UNDECIDED) else Claim.FAILED


def words_of(content: Mapping[str, Any]) -> str:
    """Return the texts of a view's sections."""
    texts = [block["text"]["text"] for block in content["blocks"] if block["type"] == "section" and "text" in block]
    return "\n".join(texts)


def _reported_accounts(message: Message, account_of_thread: Mapping[str, str]) -> Iterator[str]:
    """Yield the account of an operation that a message reports as done."""
    if notice := NOTICE.match(message.text):
        yield notice[1]
    elif message.thread_ts and message.thread_ts in account_of_thread and REPLY.match(message.text):
        yield account_of_thread[message.thread_ts]
