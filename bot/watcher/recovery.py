"""Recover from a lost store: read which events the channel already shows from the bot's own messages.

Their metadata has a key for the message and for each event that it reports; the current invitations determine
which keys to search for. The events of a digest or a summary are not reported again, but the message is not edited
any more: its other episodes, and acknowledgements, are lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic

from bot.alerting.deadlines import leads_of
from bot.alerting.episode import AlertEvent, AlertKind, AlertPolicy, Change, Episode, EpisodeState
from bot.outbox.event_keys import EventKeys
from bot.outbox.messages import MessageKind
from bot.ports import (
    Blocked,
    Channel,
    Clock,
    HistoryMessage,
    HistoryPage,
    HistoryUnreadable,
    NotFound,
    OutcomeUnknown,
    RetryLater,
)

REACH = timedelta(days=14)
REQUEST_SECONDS = 10
MOST_PAGES = 500  # of 200 messages; an upper bound
MOST_REPETITIONS = 1000  # an upper bound
MISSING = 2  # repetitions in a row without a message in the history, after which the search ends
STALE = 3600.0  # seconds without a page, after which the whole history is read again
CLOCK_MARGIN = timedelta(minutes=1)  # how far the window may be off


class Recovery:
    """A reader of the bot's messages in a channel. It keeps its position while Slack makes it wait.

    The accounts of a channel share what was read: each takes it once. One that asks again has lost its rows since.
    """

    def __init__(
        self, channel: Channel, clock: Clock, stopwatch: Callable[[], float] = monotonic, *, readers: int = 1
    ) -> None:
        """Take the channel, this machine's clock, and seconds that no setting of a clock changes.

        Args:
            readers: the number of accounts that post to the channel.
        """
        self._readers = readers
        self._taken_by = set[str]()
        self._past: tuple[HistoryMessage, ...] | None = None  # until every account has taken it
        self._reading = asyncio.Lock()
        self._channel = channel
        self._clock = clock
        self._stopwatch = stopwatch
        self._rest_until = float("-inf")  # by the stopwatch: Slack asked for no request until then
        self.obstacle: Blocked | RetryLater | OutcomeUnknown | None = None  # why the last read did not finish
        self.refusal = ""  # Slack's error code, if the last read shows that posts are refused, too
        self._begun = self._paged_at = 0.0  # by the stopwatch
        self._begin()

    def _begin(self) -> None:
        self._oldest: datetime | None = None
        self._cursor = ""
        self._found: list[HistoryMessage] = []

    @property
    def wait(self) -> timedelta:
        """Return how much longer Slack has asked to wait."""
        return timedelta(seconds=max(self._rest_until - self._stopwatch(), 0.0))

    async def read(self, appid: str) -> tuple[HistoryMessage, ...] | None:
        """Return the messages of the last 14 days, newest first; None if Slack does not answer, to retry later.

        Without the permission to read them, return no messages: the bot then reports all events as new.
        """
        async with self._reading:
            is_old = appid in self._taken_by or self._stopwatch() - self._paged_at > STALE
            past = await self._read() if self._past is None or is_old else self._past
            if past is None:
                return None
            if past is not self._past:
                self._taken_by = set()
            self._taken_by.add(appid)
            self._past = past if len(self._taken_by) < self._readers else None
            return past

    async def _read(self) -> tuple[HistoryMessage, ...] | None:
        if self.wait:
            return None
        self.refusal = ""
        if self._oldest is None or self._stopwatch() - self._paged_at > STALE:
            self._begin()
            self._begun = self._paged_at = self._stopwatch()
            self._oldest = self._window_begin()
        for _ in range(MOST_PAGES):
            page = await self._channel.history(oldest=self._oldest, cursor=self._cursor, within=REQUEST_SECONDS)
            if isinstance(page, HistoryUnreadable | NotFound):
                if isinstance(page, HistoryUnreadable) and page.refuses_posts:
                    self.refusal = page.error
                break
            if not isinstance(page, HistoryPage):
                self.obstacle = page
                if isinstance(page, RetryLater):
                    self._rest_until = self._stopwatch() + page.seconds
                return None
            self._paged_at = self._stopwatch()
            if not self._cursor and abs(self._window_begin() - self._oldest) > CLOCK_MARGIN:
                self._oldest = self._window_begin()  # the first response shows that this machine's clock is wrong
                continue
            self._found += page.messages
            self._cursor = page.cursor
            if not page.cursor:
                break
        found = tuple(self._found)
        self.obstacle = None
        self._begin()
        return found

    def _window_begin(self) -> datetime:
        """Return the oldest moment to read: by Slack's clock, which stamps messages, as soon as it is known."""
        since = timedelta(seconds=self._stopwatch() - self._begun)
        return (self._channel.now() or self._clock()) - since - REACH


@dataclass(frozen=True, slots=True)
class RecoveredHistory:
    """The changes of the first poll without the events already posted, and the messages that report those."""

    changes: list[Change]
    alerts: Mapping[str, HistoryMessage]  # by episode id, its own alert, to be edited again
    posted: Mapping[tuple[str, AlertEvent], HistoryMessage]


def recover_history(
    changes: Sequence[Change], past: Sequence[HistoryMessage], event_keys: EventKeys, policy: AlertPolicy
) -> RecoveredHistory:
    """Remove the events that messages of the bot already report from the changes of the first poll. Pure."""
    by_key: dict[str, HistoryMessage] = {}
    for message in past:  # newest first, so the oldest message that reports an event wins
        by_key |= dict.fromkeys(message.event_keys, message)
    remaining: list[Change] = []
    alerts, messages = dict[str, HistoryMessage](), dict[tuple[str, AlertEvent], HistoryMessage]()
    for found in changes:
        change, posted = _number(found, by_key, event_keys, policy)
        remaining.append(_without_posted(change, posted) if posted else change)
        messages |= {(change.after.id, event): message for event, message in posted.items()}
        if alert := _own_alert(posted, past):
            alerts[change.after.id] = alert
    return RecoveredHistory(remaining, alerts, messages)


def _number(
    change: Change, by_key: Mapping[str, HistoryMessage], event_keys: EventKeys, policy: AlertPolicy
) -> tuple[Change, dict[AlertEvent, HistoryMessage]]:
    """Number the invitation after those in the history. Return the change and the events already posted.

    A rejected invitation never waits again: if the newest was rejected and this one waits, it is the next one.
    """
    episode, newest, posted = change.after, 0, dict[AlertEvent, HistoryMessage]()
    for repetition in range(MOST_REPETITIONS):
        if repetition > newest + MISSING:
            break
        if found := dict(_found(replace(episode, repetition=repetition), by_key, event_keys, policy)):
            newest, posted = repetition, found
    if episode.state is EpisodeState.WAITING and any(event.kind is AlertKind.REJECTED for event in posted):
        newest, posted = newest + 1, {}
    return (replace(change, after=replace(episode, repetition=newest)) if newest else change), posted


def _found(
    episode: Episode, by_key: Mapping[str, HistoryMessage], event_keys: EventKeys, policy: AlertPolicy
) -> Iterator[tuple[AlertEvent, HistoryMessage]]:
    """Yield the events of an episode whose keys are in the history, even if its deadline moved a little since."""
    leads = [AlertEvent(AlertKind.EXPIRING, lead) for lead in leads_of(episode, policy)]
    for event in (*leads, AlertEvent(AlertKind.EXPIRED), AlertEvent(AlertKind.REJECTED)):
        candidates = (event_keys.event_key(episode, event, moved=moved) for moved in (0, 1, -1))
        if message := next((by_key[key] for key in candidates if key in by_key), None):
            yield event, message


def _without_posted(change: Change, posted: Mapping[AlertEvent, HistoryMessage]) -> Change:
    """Return the change without the events already posted, with the times of those messages."""
    keys = {event.key for event in posted}
    events = tuple(event for event in change.new_events if event.key not in keys)
    when = {event.key: _posted_at(message) for event, message in posted.items()}
    after = change.after
    since = next(
        (moment for (kind, _), moment in when.items() if kind.value == after.state.value), after.state_since
    )
    first_seen = min([after.first_seen, *when.values()])
    after = replace(
        after, events=(*posted, *events), state_since=min(since, after.state_since), first_seen=first_seen
    )
    return Change(change.before, after, events)


def _own_alert(
    posted: Mapping[AlertEvent, HistoryMessage], past: Sequence[HistoryMessage]
) -> HistoryMessage | None:
    """Return the alert of this episode alone, or the one whose thread has a reply about it."""
    threads = {message.thread_ts for message in posted.values()}
    alerts = (message for message in past if message.thread_ts is None and message.kind == MessageKind.ALERT)
    return next((message for message in alerts if message in posted.values() or message.ts in threads), None)


def _posted_at(message: HistoryMessage) -> datetime:
    return datetime.fromtimestamp(float(message.ts), UTC)
