"""A lost store: what the channel has been told already, rebuilt from the bot's own messages.

Their metadata holds marks of the message and of each event it tells; the invitations that are there now say which
marks to look for. What a digest or a summary told stays told, but it is no view any more: whom else it named is
lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.deadlines import leads_of
from bot.episodes import AlertPolicy, Change, Episode, Event, Kind
from bot.marks import Marks
from bot.outbox import Shape
from bot.ports import Blind, Clock, Gone, History, Page, Past

REACH = timedelta(days=14)
REQUEST_SECONDS = 10
MOST_PAGES = 500  # of 200 messages: a bound, not a wish


class Recovery:
    """Reads what the bot has told the channel, page by page. Keeps its place when Slack asks it to wait."""

    def __init__(self, channel: History, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self._oldest: datetime | None = None
        self._cursor = ""
        self._found: list[Past] = []

    async def read(self) -> tuple[Past, ...] | None:
        """The messages of the last 14 days, newest first. None when Slack does not answer: ask again later.

        Without the right to read them there are none: the bot goes on, and tells what it finds as new.
        """
        self._oldest = self._oldest or self._clock() - REACH
        for _ in range(MOST_PAGES):
            page = await self._channel.history(oldest=self._oldest, cursor=self._cursor, within=REQUEST_SECONDS)
            if isinstance(page, Blind | Gone):
                break
            if not isinstance(page, Page):
                return None
            self._found += page.messages
            self._cursor = page.cursor
            if not page.cursor:
                break
        found = tuple(self._found)
        self._begin()
        return found


@dataclass(frozen=True, slots=True)
class Adopted:
    """A message that stands in Slack, as the row that was lost."""

    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Remembered:
    """The changes of a first look without what has been told, and the rows for what has been."""

    changes: list[Change]
    messages: list[Adopted]
    tellers: Mapping[tuple[str, Event], str]


def remember(changes: Sequence[Change], past: Sequence[Past], marks: Marks, policy: AlertPolicy) -> Remembered:
    """Take out of the news of a first look what messages of the bot have told already. Pure."""
    by_mark: dict[str, Past] = {}
    for message in past:  # newest first: the oldest that tells an event is where it was told
        by_mark |= dict.fromkeys(message.events, message)
    remembered: list[Change] = []
    messages: dict[str, Adopted] = {}
    tellers: dict[tuple[str, Event], str] = {}
    for change in changes:
        told = {event: by_mark[mark] for event, mark in _marks_found(change.after, by_mark, marks, policy)}
        remembered.append(_without(change, told) if told else change)
        root = _own_root(told, past)
        for event, message in told.items():
            adopted = _adopted(root, change.after) if root else _forgotten(message)
            messages[adopted.values["id"]] = adopted
            tellers[change.after.id, event] = adopted.values["id"]
    return Remembered(remembered, list(messages.values()), tellers)


def _marks_found(
    episode: Episode, by_mark: Mapping[str, Past], marks: Marks, policy: AlertPolicy
) -> Iterator[tuple[Event, str]]:
    """The events of an episode whose marks stand somewhere, though its deadline may have moved a little since."""
    leads = [Event(Kind.EXPIRING, lead) for lead in leads_of(episode, policy)]
    for event in (*leads, Event(Kind.EXPIRED), Event(Kind.REJECTED)):
        for moved in _nearest_first(policy.same_deadline if episode.expires_at else timedelta(0)):
            mark = marks.of_event(episode, event, moved=moved)
            if mark in by_mark:
                yield event, mark
                break


def _nearest_first(most: timedelta) -> Iterator[int]:
    yield 0
    for seconds in range(1, int(most.total_seconds()) + 1):
        yield seconds
        yield -seconds


def _without(change: Change, told: Mapping[Event, Past]) -> Change:
    """The change without the news that are none, and with the times at which they were told."""
    keys = {event.key for event in told}
    news = tuple(event for event in change.news if event.key not in keys)
    when = {event.key: _moment(message) for event, message in told.items()}
    after = change.after
    since = next((moment for (kind, _), moment in when.items() if kind.value == after.state.value), after.since)
    first_seen = min([after.first_seen, *when.values()])
    after = replace(after, told=(*told, *news), since=min(since, after.since), first_seen=first_seen)
    return Change(change.before, after, news)


def _own_root(told: Mapping[Event, Past], past: Sequence[Past]) -> Past | None:
    """The root that tells this episode alone: it tells one event, or stands above a line that does."""
    threads = {message.thread_ts for message in told.values()}
    roots = (message for message in past if message.thread_ts is None and len(message.events) == 1)
    return next((message for message in roots if message in told.values() or message.ts in threads), None)


def _adopted(root: Past, episode: Episode) -> Adopted:
    return Adopted(_row(root, Shape.PROBLEM, members=[episode.id]))


def _forgotten(message: Past) -> Adopted:
    return Adopted(_row(message, Shape.DIGEST, members=[]) | {"gone": True, "settled": True})


def _row(message: Past, shape: Shape, members: list[str]) -> dict[str, Any]:
    moment = _moment(message)
    return {
        "id": f"{shape}-adopted-{message.channel_id}-{message.ts}",
        "shape": shape,
        "rank": 0,
        "members": members,
        "events": list(message.events),
        "facts": {},
        "created_at": moment,
        "not_before": moment,
        "channel_id": message.channel_id,
        "ts": message.ts,
        "sent_at": moment,
        "next_edit_at": moment,
    }


def _moment(message: Past) -> datetime:
    return datetime.fromtimestamp(float(message.ts), UTC)
