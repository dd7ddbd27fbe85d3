"""Judge which alerts were reported, lost or repeated: by the channel and the workload, never by the bot's store."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.alerting import episode
from bot.alerting.episode import AlertKind, Episode, EpisodeState
from bot.demo.slack_simulator import Message
from bot.demo.slack_simulator.state import Change
from bot.outbox.event_keys import EventKeys
from tests.crash.workload import EVENTS, SMALLEST_LEAD, ExpectedEvent, Outcome, SentInvitation

# `Rejected: S7x1 (kf7@harbour_tea)`, and for a lead `Expiring: …, less than 50 min left`
HEADLINE = re.compile(r"([A-Z][a-z ]+): (\S+) \(([^)]+)\)(, less than [^,]+ left)?")
SMALLEST_LEAD_TEXT = f", less than {SMALLEST_LEAD.seconds // 60} min left"
Announcement = tuple[str, str, str]  # the state, the name, and for a reminder the time left
DIGEST = "changed at once"
FIRST_RUN = "Now watching"
PART = "The part of an account"  # of a message about several: it names those that are open
KINDS = ("lost", "repeated", "untrue", "stale")  # of complaints


class ChannelRecorder:
    """Records each message of the channel in its first and in its current form."""

    def __init__(self) -> None:
        self.posted: list[Message] = []  # in their first form
        self.current: dict[str, Message] = {}  # by ts
        self._changed: dict[str, float] = {}  # when, by ts

    def __call__(self, _change: Change, message: Message) -> None:
        if message.ts not in self.current:
            self.posted.append(message)
        self.current[message.ts] = message
        self._changed[message.ts] = time.monotonic()

    def unchanged_for(self, ts: str) -> float:
        """Return the seconds since a message was posted or edited."""
        return time.monotonic() - self._changed[ts]


@dataclass(slots=True)
class Verdict:
    """The judgement. Each complaint is one line of text."""

    reported: int = 0
    lost: list[str] = field(default_factory=list)  # no message reports it
    repeated: list[str] = field(default_factory=list)  # messages that report what another reported
    untrue: list[str] = field(default_factory=list)  # reports of something that never happened
    stale: list[str] = field(default_factory=list)  # messages that do not show the present state

    @property
    def complaints(self) -> dict[str, list[str]]:
        return {kind: lines for kind in KINDS if (lines := getattr(self, kind))}


def merged(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Return the judgement on several accounts; each complaint begins with the key of its verdict."""
    return Verdict(
        sum(verdict.reported for verdict in verdicts.values()),
        *(
            [f"{account}{line}" for account, verdict in verdicts.items() for line in getattr(verdict, kind)]
            for kind in KINDS
        ),
    )


class Oracle:
    """Recognises each event that can be reported by its key."""

    def __init__(self, event_keys: EventKeys) -> None:
        self._event_keys = event_keys
        self._known: dict[str, tuple[SentInvitation, ExpectedEvent]] = {}  # by event key

    @property
    def event_keys(self) -> Collection[str]:
        """Return the keys of all events that are known."""
        return self._known.keys()

    def register(self, one: SentInvitation) -> None:
        """Remember the keys of all its possible events."""
        self._known |= {self.event_key(one, event): (one, event) for event in EVENTS}

    def event_key(self, one: SentInvitation, event: ExpectedEvent) -> str:
        """Compute the key of an event, with the bot's own function: it does not decide what is reported when."""
        moment = one.expires_at
        one_episode = Episode(
            "", one.kf_account, one.invite_wx, moment, EpisodeState.WAITING, first_seen=moment, state_since=moment
        )
        return self._event_keys.event_key(
            one_episode, episode.AlertEvent(AlertKind(event.kind), timedelta(seconds=event.lead))
        )

    def events_in(self, message: Message) -> list[tuple[SentInvitation, ExpectedEvent]]:
        """Return the events that a message reports, by its keys."""
        return [self._known[event_key] for event_key in event_keys_in(message) if event_key in self._known]

    def unreported(
        self, channel: ChannelRecorder, invitations: Iterable[SentInvitation], now: datetime
    ) -> set[tuple[SentInvitation, ExpectedEvent]]:
        """Return the required events that no message in the channel reported, by key or in its first text."""
        shown = [message for message in channel.posted if _is_in_channel(message)]
        reported = {event for message in shown for event in self.events_in(message)}
        read = {words for message in shown for words in _announcements(message)}
        return {
            (one, event)
            for one in invitations
            for event in one.required_events(now)
            if (one, event) not in reported
            # What shows several accounts at once names the state alone.
            and read.isdisjoint({_announcement(one, event), (event.kind.capitalize(), one.nick, "")})
        }

    def editable(self, channel: ChannelRecorder, seconds: float, now: datetime) -> list[SentInvitation]:
        """Return open invitations whose own message has not changed for so many seconds."""
        return [
            one
            for first in channel.posted
            if first.thread_ts is None and channel.unchanged_for(first.ts) > seconds
            for one, _ in self.events_in(first)
            if not one.is_closed
            and not one.is_reserved
            and one.status(now).capitalize() in first.text
            and one.nick in first.text
        ]

    def judge(self, channel: ChannelRecorder, invitations: Sequence[SentInvitation], now: datetime) -> Verdict:
        verdict = Verdict(reported=len({event for message in channel.posted for event in self.events_in(message)}))
        verdict.lost = [
            f"{event.kind} {event.lead or ''} of {one.nick}"
            for one, event in self.unreported(channel, invitations, now)
        ]
        verdict.lost += _find_missing(channel, self)
        verdict.repeated = [*_find_repeated(channel.posted)]
        verdict.untrue = [*self._find_untrue(channel.posted, now)]
        verdict.stale = [*self._find_stale(channel, invitations, now)]
        return verdict

    def _find_untrue(self, posted: Iterable[Message], now: datetime) -> Iterator[str]:
        for message in posted:
            for event_key in event_keys_in(message):
                if event_key not in self._known:
                    yield f"an unknown key, in {_described(message)}"
            for one, event in self.events_in(message):
                if event not in one.allowed_events(now):
                    yield f"{event.kind} {event.lead or ''} of {one.nick}, in {_described(message)}"

    def _find_stale(
        self, channel: ChannelRecorder, invitations: Sequence[SentInvitation], now: datetime
    ) -> Iterator[str]:
        for first in channel.posted:
            if first.thread_ts:
                continue
            message, events = channel.current[first.ts], self.events_in(first)
            shown = [_shown_invitation(one, invitations, now) for one, _ in events]
            if not all(_shows(message.text, first.text, one.nick, one.status(now)) for one in shown):
                yield f"{' '.join(f'{one.nick} {one.status(now)}' for one in shown)} is not {_described(message)}"
            members = {one: seen for (one, _), seen in zip(events, shown, strict=True)}
            if DIGEST in first.text and not _has_right_counts(message.text, members, now):
                yield f"wrong counts in {_described(message)}"


def _shown_invitation(one: SentInvitation, invitations: Sequence[SentInvitation], now: datetime) -> SentInvitation:
    """Return what a message about `one` shows: the newest invitation that replaced it, if that one is decided."""
    newest = one
    later = [other for other in invitations if other.kf_account == one.kf_account]
    for successor in later[later.index(one) + 1 :]:
        if newest.outcome is not Outcome.REPLACED:
            break
        newest = successor
    return one if newest.status(now) == "expiring" else newest


def event_keys_in(message: Message) -> list[str]:
    """Return the keys of the events that a message reports."""
    return [event_key for event_key in str(_payload(message).get("e", "")).split(",") if event_key]


def _payload(message: Message) -> Mapping[str, object]:
    payload: Mapping[str, object] = (message.metadata or {}).get("event_payload", {})
    return payload


def _find_repeated(posted: Sequence[Message]) -> Iterator[str]:
    """Yield messages that repeat another: with the same message key, event key or text."""
    seen: defaultdict[object, list[Message]] = defaultdict(list)
    for message in posted:
        traits: list[object] = [("k", _payload(message).get("k")), *event_keys_in(message)]
        if _is_in_channel(message):
            announced = set(_announcements(message))
            if message.text.startswith(FIRST_RUN):  # lists those that expire, too, which have messages of their own
                announced = {one for one in announced if one[0] != "Expiring"}
            traits += announced
        if doubles := [seen[trait][0] for trait in traits if seen[trait]]:
            yield f"{_described(message)} reports again what {doubles[0].ts} reported"
        for trait in traits:
            seen[trait].append(message)


def _is_in_channel(message: Message) -> bool:
    """Whether the channel shows it, not only a thread."""
    return message.thread_ts is None or message.broadcast


def _announcements(message: Message) -> Iterator[Announcement]:
    """Yield the events that the text of a message reports; a digest reports several."""
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


def _headline(message: Message) -> Announcement | None:
    """Parse the headline of a message."""
    found = HEADLINE.match(message.text)
    return (found[1], found[2], found[4] or "") if found else None


def _announcement(one: SentInvitation, event: ExpectedEvent) -> Announcement:
    return event.kind.capitalize(), one.nick, SMALLEST_LEAD_TEXT if event.lead else ""


def _find_missing(channel: ChannelRecorder, oracle: Oracle) -> Iterator[str]:
    """Yield members of a digest whom neither its rows nor its thread name."""
    digests = [
        first for first in channel.posted if DIGEST in first.text and not first.text.startswith(f"{PART} found")
    ]
    roots = {first.ts: str(_payload(first).get("k")) for first in digests}
    named: defaultdict[str, set[str]] = defaultdict(set)
    for message in channel.posted:
        if message.thread_ts in roots:
            named[roots[message.thread_ts]].update(re.findall(r"(\S+) \(", message.text))
        elif message.ts in roots:
            named[roots[message.ts]].update(nick for nick, _ in _rows(message))
    for first in channel.posted:
        if key := roots.get(first.ts):
            yield from (
                f"{one.nick} in the thread of {first.ts}"
                for one, _ in oracle.events_in(first)
                if one.nick not in named[key] and not (one.is_closed and first.text.startswith(PART))
            )


def _shows(text: str, first: str, nick: str, status: str) -> bool:
    """Whether a parent message shows the state of an invitation. Digests are checked by `_has_right_counts`."""
    word = status.capitalize()
    if first.startswith(FIRST_RUN):
        return any(nick in re.split(r"[ ,]+", names) for names in re.findall(rf"{word}: ([^.]*)\.", text))
    return DIGEST in first or text.startswith(f"{word}: {nick} ")


def _has_right_counts(text: str, members: Mapping[SentInvitation, SentInvitation], now: datetime) -> bool:
    """Check a digest's counts: of the members that are open, or of the outcomes of all of them.

    Args:
        members: each with the invitation that shows its outcome.
    """
    waiting = [one for one in members if not one.is_closed]
    counts = Counter(one.status(now) for one in waiting or members.values())
    is_counted = (re.search(rf"\b{number} {word}\b", text) for word, number in counts.items())
    return all(is_counted) and ("all settled" in text) == (not waiting)


def _described(message: Message) -> str:
    place = "broadcast" if message.broadcast else "reply" if message.thread_ts else "parent"
    return f"{place} {message.ts} {message.text[:70]!r}"
