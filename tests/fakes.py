"""Fakes of the watcher's two ports: WeChat's accounts, and a channel with faults that a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bot.demo import blockkit
from bot.ports import (
    Blocked,
    Clock,
    HistoryMessage,
    HistoryPage,
    HistoryUnreadable,
    Message,
    NotFound,
    Outcome,
    OutcomeUnknown,
    RetryLater,
    Sent,
    ShownView,
    Unlisted,
    View,
    ViewRefused,
)
from wechat_kf import KfAccount, KfError, KfList, OnlineKf, TransportError


class FakeAccounts:
    """WeChat's accounts: `listed` is the response, `error` the exception."""

    def __init__(self, listed: Iterable[KfAccount] = ()) -> None:
        self.listed = tuple(listed)
        self.unreadable = 0
        self.unreadable_deadlines: tuple[tuple[str, str], ...] = ()
        self.error: KfError | None = None
        self.clock: Clock | None = None  # of the server, which sends its time with each response
        self.reads: list[tuple[float, int]] = []

    async def kf_list(self, *, within: float = 10, attempts: int = 3) -> KfList:
        self.reads.append((within, attempts))
        if self.error:
            raise self.error
        served_at, deadlines = self.clock() if self.clock else None, self.unreadable_deadlines
        return KfList(tuple(self.listed), self.unreadable, unreadable_deadlines=deadlines, served_at=served_at)

    async def online_kf_list(self, *, within: float = 10, attempts: int = 3) -> Sequence[OnlineKf]:
        return ()

    def go_down(self) -> None:
        self.error = TransportError("GET /cgi-bin/customservice/getkflist: ConnectError", attempts=3)

    def come_back(self) -> None:
        self.error = None


LOST = OutcomeUnknown("the reply was lost")  # Slack accepted the message anyway


@dataclass
class Posted:
    message: Message
    metadata: Mapping[str, Any]
    thread_ts: str | None
    broadcast: bool
    ts: str
    channel_id: str = ""


@dataclass
class FakeChannel:
    """Slack: takes everything, unless `outcomes` has something else for the next call."""

    outcomes: list[Outcome] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    edited: list[tuple[str, Message]] = field(default_factory=list)
    attempts: int = 0
    refuses: str = ""  # a text that is refused with an unknown error code
    slowness: Callable[[], None] = lambda: None
    clock: Clock = lambda: datetime(2026, 11, 23, 1, 12, tzinfo=UTC)
    mention: str = ""  # the only permitted mentions
    looks: int = 0
    probes: list[str] = field(default_factory=list)
    unreadable: list[HistoryUnreadable | RetryLater | Blocked | NotFound | OutcomeUnknown] = field(
        default_factory=list
    )  # instead of the history
    page: int = 200
    id: str = "C0ALERTS"
    slack_now: Callable[[], datetime | None] | None = None  # instead of `clock`

    def now(self) -> datetime | None:
        return (self.slack_now or self.clock)()

    async def post(
        self,
        message: Message,
        *,
        channel_id: str = "",
        metadata: Mapping[str, Any],
        thread_ts: str | None = None,
        broadcast: bool = False,
        within: float,
    ) -> Outcome:
        self.attempts += 1
        self._check(message)
        ts = f"{self.clock().timestamp() + self.attempts / 1_000_000:.6f}"
        outcome = self.outcomes.pop(0) if self.outcomes else Sent(channel_id or self.id, ts)
        if self.refuses and self.refuses in message.text:
            outcome = Unlisted("a_word_of_tomorrow")
        if isinstance(outcome, Sent) or outcome is LOST:
            self.posted.append(Posted(message, metadata, thread_ts, broadcast, ts, channel_id))
        return outcome

    async def update(
        self,
        message: Message,
        *,
        channel_id: str,
        ts: str,
        metadata: Mapping[str, Any] | None = None,
        within: float,
    ) -> Outcome:
        self._check(message, edit=True)
        self.slowness()
        outcome = self.outcomes.pop(0) if self.outcomes else Sent(channel_id, ts)
        if isinstance(outcome, Sent):
            self.edited.append((ts, message))
            if metadata is not None:
                self.posted = [replace(one, metadata=metadata) if one.ts == ts else one for one in self.posted]
        return outcome

    async def probe(self, error: str, within: float) -> Blocked | RetryLater | OutcomeUnknown | None:
        """Answer as the next post would be answered."""
        self.probes.append(error)
        outcome = self.outcomes[0] if self.outcomes else None
        return outcome if isinstance(outcome, Blocked | RetryLater | OutcomeUnknown) else None

    async def history(
        self,
        *,
        channel_id: str = "",
        oldest: datetime,
        latest: datetime | None = None,
        thread_ts: str | None = None,
        cursor: str = "",
        within: float,
    ) -> HistoryPage | HistoryUnreadable | RetryLater | Blocked | NotFound | OutcomeUnknown:
        """Return the messages: newest first in the channel, oldest first in a thread."""
        self.looks += 1
        if self.unreadable:
            return self.unreadable.pop(0)
        until = latest.timestamp() if latest else float("inf")
        there = [
            one for one in self.posted if oldest.timestamp() <= float(one.ts) <= until and _is_in(one, thread_ts)
        ]
        if thread_ts is None:
            there.reverse()
        start = int(cursor or 0)
        more = str(start + self.page) if there[start + self.page :] else ""
        return HistoryPage(tuple(map(_past, there[start : start + self.page])), more)

    @property
    def texts(self) -> list[str]:
        return [posted.message.text for posted in self.posted]

    def text_now(self, ts: str) -> str:
        """Return the current text of a message."""
        return self.message_now(ts).text

    def message_now(self, ts: str) -> Message:
        edits = [message for edited, message in self.edited if edited == ts]
        return (edits or [one.message for one in self.posted if one.ts == ts])[-1]

    def _check(self, message: Message, *, edit: bool = False) -> None:
        """Assert that Slack would accept the message, and that it has no mention; an edit never notifies."""
        content = {"text": message.text, "blocks": list(message.blocks)}
        assert blockkit.problems(content) == []
        assert edit or set(blockkit.mentions(content)) <= {self.mention}


def _is_in(one: Posted, thread_ts: str | None) -> bool:
    return one.thread_ts == thread_ts or (thread_ts is None and one.broadcast)


def _past(one: Posted) -> HistoryMessage:
    payload = one.metadata["event_payload"]
    events = tuple(payload["e"].split(",")) if payload["e"] else ()
    return HistoryMessage("C0ALERTS", one.ts, one.thread_ts, payload["k"], events, payload["s"])


class FakeViews:
    """Slack's views: takes every one that the checker accepts, unless `refusals` has an error for the next call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, View]] = []  # method, trigger or view or person, view
        self.versions: list[str] = []
        self.refusals: list[str] = []
        self.closed: set[str] = set()
        self.called = asyncio.Event()

    @property
    def last(self) -> View:
        return self.calls[-1][2]

    async def open(self, trigger_id: str, view: View) -> ShownView | ViewRefused:
        return self._take("open", trigger_id, view)

    async def push(self, trigger_id: str, view: View) -> ShownView | ViewRefused:
        return self._take("push", trigger_id, view)

    async def update(self, view_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused:
        self.versions.append(version)
        return ViewRefused("not_found") if view_id in self.closed else self._take("update", view_id, view)

    async def publish(self, user_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused:
        return self._take("publish", user_id, view)

    def _take(self, method: str, of: str, view: View) -> ShownView | ViewRefused:
        assert blockkit.view_problems(view) == []
        if self.refusals:
            return ViewRefused(self.refusals.pop(0))
        self.calls.append((method, of, view))
        self.called.set()
        return ShownView(f"V{len(self.calls)}", f"h{len(self.calls)}")
