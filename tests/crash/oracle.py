"""What was told, lost, repeated: judged by the channel and the script, never by the bot's own store."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot import episodes
from bot.demo.slack import Message
from bot.demo.slack.state import Change
from bot.episodes import Episode, Kind, State
from bot.marks import Marks
from tests.crash.workload import EVENTS, SMALLEST, Event, Fate, Invitation

# `Rejected: S7x1 (kf7@harbour_tea)`, and for a lead `Expiring: …, less than 50 min left`
HEADLINE = re.compile(r"([A-Z][a-z ]+): (\S+) \(([^)]+)\)(, less than [^,]+ left)?")
SMALLEST_WORDS = f", less than {SMALLEST.seconds // 60} min left"
Words = tuple[str, str, str]  # the word, the name, and for a lead how little is left
DIGEST = "changed at once"
FIRST_RUN = "Now watching"


class Board:
    """The channel, as it was when each message arrived, and as it is."""

    def __init__(self) -> None:
        self.posted: list[Message] = []  # in their first form
        self.present: dict[str, Message] = {}  # by ts
        self._changed: dict[str, float] = {}  # when, by ts

    def __call__(self, _change: Change, message: Message) -> None:
        if message.ts not in self.present:
            self.posted.append(message)
        self.present[message.ts] = message
        self._changed[message.ts] = time.monotonic()

    def rested(self, ts: str) -> float:
        """Seconds since a message arrived or was edited."""
        return time.monotonic() - self._changed[ts]


@dataclass(slots=True)
class Verdict:
    """How it stands. Each complaint is a line of words."""

    told: int = 0
    lost: list[str] = field(default_factory=list)  # told by nothing that arrived
    repeated: list[str] = field(default_factory=list)  # messages that tell what another told
    untrue: list[str] = field(default_factory=list)  # never was so
    stale: list[str] = field(default_factory=list)  # messages that do not show what is so now

    @property
    def complaints(self) -> dict[str, list[str]]:
        kinds = ("lost", "repeated", "untrue", "stale")
        return {kind: lines for kind in kinds if (lines := getattr(self, kind))}


class Oracle:
    """Knows the marks of everything that can be told."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._known: dict[str, tuple[Invitation, Event]] = {}  # by mark

    def learn(self, one: Invitation) -> None:
        """From now on its marks are known."""
        self._known |= {self.mark(one, event): (one, event) for event in EVENTS}

    def mark(self, one: Invitation, event: Event) -> str:
        """The mark of an event. The one thing that is taken from the bot: it says nothing of what is told when."""
        moment = one.expires_at
        episode = Episode("", one.seat, one.invite_wx, moment, State.WAITING, first_seen=moment, since=moment)
        return self._marks.of_event(episode, episodes.Event(Kind(event.kind), timedelta(seconds=event.lead)))

    def told_by(self, message: Message) -> list[tuple[Invitation, Event]]:
        """What a message says it tells, by its marks."""
        return [self._known[mark] for mark in marks_of(message) if mark in self._known]

    def untold(
        self, board: Board, invitations: Iterable[Invitation], now: datetime
    ) -> set[tuple[Invitation, Event]]:
        """What must be told, and was not: by no mark, and by no words, of what the channel showed as it arrived."""
        shown = [message for message in board.posted if _is_shown(message)]
        told = {news for message in shown for news in self.told_by(message)}
        read = {words for message in shown for words in _read(message)}
        return {
            (one, event)
            for one in invitations
            for event in one.must(now)
            if (one, event) not in told and _words(one, event) not in read
        }

    def rested(self, board: Board, seconds: float, now: datetime) -> list[Invitation]:
        """Invitations whose own message has been left alone for so long, and that may still come to an end."""
        return [
            one
            for first in board.posted
            if first.thread_ts is None and board.rested(first.ts) > seconds
            for one, _ in self.told_by(first)
            if not one.is_closed and one.standing(now).capitalize() in first.text and one.nick in first.text
        ]

    def judge(self, board: Board, invitations: Sequence[Invitation], now: datetime) -> Verdict:
        verdict = Verdict(told=len({news for message in board.posted for news in self.told_by(message)}))
        verdict.lost = [
            f"{event.kind} {event.lead or ''} of {one.nick}" for one, event in self.untold(board, invitations, now)
        ]
        verdict.lost += _unnamed(board, self)
        verdict.repeated = [*_repeated(board.posted)]
        verdict.untrue = [*self._untrue(board.posted, now)]
        verdict.stale = [*self._stale(board, invitations, now)]
        return verdict

    def _untrue(self, posted: Iterable[Message], now: datetime) -> Iterator[str]:
        for message in posted:
            for mark in marks_of(message):
                if mark not in self._known:
                    yield f"a mark of nothing that happened, in {_shown(message)}"
            for one, event in self.told_by(message):
                if event not in one.may(now):
                    yield f"{event.kind} {event.lead or ''} of {one.nick}, in {_shown(message)}"

    def _stale(self, board: Board, invitations: Sequence[Invitation], now: datetime) -> Iterator[str]:
        for first in board.posted:
            if first.thread_ts:
                continue
            message, news = board.present[first.ts], self.told_by(first)
            shown = [_followed(one, invitations, now) for one, _ in news]
            if not all(_shows(message.text, first.text, one.nick, one.standing(now)) for one in shown):
                yield f"{' '.join(f'{one.nick} {one.standing(now)}' for one in shown)} is not {_shown(message)}"
            members = {one: seen for (one, _), seen in zip(news, shown, strict=True)}
            if DIGEST in first.text and not _counts_are_right(message.text, members, now):
                yield f"the counts of {_shown(message)}"


def _followed(one: Invitation, invitations: Sequence[Invitation], now: datetime) -> Invitation:
    """Return what a message about `one` shows: the newest invitation that replaced it, if that one is decided."""
    newest = one
    later = [other for other in invitations if other.seat == one.seat]
    for successor in later[later.index(one) + 1 :]:
        if newest.fate is not Fate.REPLACED:
            break
        newest = successor
    return one if newest.standing(now) == "expiring" else newest


def marks_of(message: Message) -> list[str]:
    """The marks of the events that a message tells."""
    return [mark for mark in str(_payload(message).get("e", "")).split(",") if mark]


def _payload(message: Message) -> Mapping[str, object]:
    payload: Mapping[str, object] = (message.metadata or {}).get("event_payload", {})
    return payload


def _repeated(posted: Sequence[Message]) -> Iterator[str]:
    """Messages that are another's double: by their own mark, by an event's, or by anything that people read."""
    seen: defaultdict[object, list[Message]] = defaultdict(list)
    for message in posted:
        traits: list[object] = [("k", _payload(message).get("k")), *marks_of(message)]
        if _is_shown(message):
            traits += set(_read(message))
        if doubles := [seen[trait][0] for trait in traits if seen[trait]]:
            yield f"{_shown(message)} tells again what {doubles[0].ts} told"
        for trait in traits:
            seen[trait].append(message)


def _is_shown(message: Message) -> bool:
    """Whether the channel shows it, and not its thread alone."""
    return message.thread_ts is None or message.broadcast


def _read(message: Message) -> Iterator[Words]:
    """All that somebody reads in a message when it arrives: a digest says several things."""
    if headline := _headline(message):
        yield headline
    for nick, state in _rows(message):
        yield ("Expiring", nick, f", {state}") if "left" in state else (state.capitalize(), nick, "")
    for block in message.blocks:
        words = str(block.get("text", {}).get("text", ""))
        for word, nicks in re.findall(r"\*(\w+)\*\n(.+)", words):
            yield from ((word, nick, "") for nick in re.split(r"[, ]+", nicks))


def _rows(message: Message) -> Iterator[tuple[str, str]]:
    """Yield the name and the state of each row of a digest."""
    for block in message.blocks:
        yield from re.findall(r"\*(\S+)\* · ([^\n]+)", str(block.get("text", {}).get("text", "")))


def _headline(message: Message) -> Words | None:
    """What a message says first."""
    found = HEADLINE.match(message.text)
    return (found[1], found[2], found[4] or "") if found else None


def _words(one: Invitation, event: Event) -> Words:
    return event.kind.capitalize(), one.nick, SMALLEST_WORDS if event.lead else ""


def _unnamed(board: Board, oracle: Oracle) -> Iterator[str]:
    """Members of a digest that neither a row of it names nor a line of its thread."""
    roots = {first.ts: str(_payload(first).get("k")) for first in board.posted if DIGEST in first.text}
    named: defaultdict[str, set[str]] = defaultdict(set)
    for message in board.posted:
        if message.thread_ts in roots:
            named[roots[message.thread_ts]].update(re.findall(r"(\S+) \(", message.text))
        elif message.ts in roots:
            named[roots[message.ts]].update(nick for nick, _ in _rows(message))
    for first in board.posted:
        if key := roots.get(first.ts):
            yield from (
                f"{one.nick} in the thread of {first.ts}"
                for one, _ in oracle.told_by(first)
                if one.nick not in named[key]
            )


def _shows(text: str, first: str, nick: str, standing: str) -> bool:
    """Whether a root shows where an invitation stands. Digests count; they are looked at as a whole."""
    word = standing.capitalize()
    if first.startswith(FIRST_RUN):
        return any(nick in re.split(r"[ ,]+", names) for names in re.findall(rf"{word}: ([^.]*)\.", text))
    return DIGEST in first or text.startswith(f"{word}: {nick} ")


def _counts_are_right(text: str, members: Mapping[Invitation, Invitation], now: datetime) -> bool:
    """Check a digest's counts: of the members that are open, or of the outcomes of all of them.

    Args:
        members: each with the invitation that shows its outcome.
    """
    waiting = [one for one in members if not one.is_closed]
    counts = Counter(one.standing(now) for one in waiting or members.values())
    return all(f"{number} {word}" in text for word, number in counts.items()) and ("all settled" in text) == (
        not waiting
    )


def _shown(message: Message) -> str:
    place = "broadcast" if message.broadcast else "line" if message.thread_ts else "root"
    return f"{place} {message.ts} {message.text[:70]!r}"
