"""The two ports of the watcher, faked: what WeChat says, and a channel that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.demo import blockkit
from bot.ports import Held, Message, Outcome, Sent
from wechat_kf import KfAccount, KfError, KfList, OnlineKf, TransportError


class FakeAccounts:
    """WeChat: `listed` is what it says, `error` is how it fails."""

    def __init__(self, listed: Iterable[KfAccount] = ()) -> None:
        self.listed = tuple(listed)
        self.unreadable = 0
        self.error: KfError | None = None
        self.reads: list[tuple[float, int]] = []

    async def kf_list(self, *, within: float = 10, attempts: int = 3) -> KfList:
        self.reads.append((within, attempts))
        if self.error:
            raise self.error
        return KfList(tuple(self.listed), self.unreadable)

    async def online_kf_list(self, *, within: float = 10, attempts: int = 3) -> Sequence[OnlineKf]:
        return ()

    def go_down(self) -> None:
        self.error = TransportError("GET /cgi-bin/customservice/getkflist: ConnectError", attempts=3)

    def come_back(self) -> None:
        self.error = None


@dataclass
class Posted:
    message: Message
    metadata: Mapping[str, Any]
    thread_ts: str | None
    broadcast: bool
    ts: str


@dataclass
class FakeChannel:
    """Slack: takes everything, unless `outcomes` has something else for the next call."""

    outcomes: list[Outcome] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    edited: list[tuple[str, Message]] = field(default_factory=list)
    attempts: int = 0
    refuses: str = ""  # a text that is refused by a word nobody knows
    slowness: Callable[[], None] = lambda: None

    async def post(
        self,
        message: Message,
        *,
        metadata: Mapping[str, Any],
        thread_ts: str | None = None,
        broadcast: bool = False,
        within: float,
    ) -> Outcome:
        self.attempts += 1
        _check(message)
        ts = f"17953963{self.attempts:02}.000100"
        outcome = self.outcomes.pop(0) if self.outcomes else Sent("C0ALERTS", ts)
        if self.refuses and self.refuses in message.text:
            outcome = Held("a_word_of_tomorrow")
        if isinstance(outcome, Sent):
            self.posted.append(Posted(message, metadata, thread_ts, broadcast, outcome.ts))
        return outcome

    async def update(self, message: Message, *, channel_id: str, ts: str, within: float) -> Outcome:
        _check(message)
        self.slowness()
        outcome = self.outcomes.pop(0) if self.outcomes else Sent(channel_id, ts)
        if isinstance(outcome, Sent):
            self.edited.append((ts, message))
        return outcome

    @property
    def texts(self) -> list[str]:
        return [posted.message.text for posted in self.posted]


def _check(message: Message) -> None:
    """Whatever is posted must be such that Slack takes it, and pings nobody."""
    content = {"text": message.text, "blocks": list(message.blocks)}
    assert blockkit.problems(content) == []
    assert blockkit.mentions(content) == []
