"""A lost store: what the channel has been told already, rebuilt from the bot's own messages.

Their metadata holds marks of the message and of each event it tells; the invitations that are there now say which
marks to look for. What a digest or a summary told stays told, but it is no view any more: whom else it named, and
who took it in hand, is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.alerting.deadlines import leads_of
from bot.alerting.episode import AlertEvent, AlertKind, AlertPolicy, Change, Episode, EpisodeState
from bot.outbox.event_keys import EventKeys
from bot.outbox.messages import MessageKind
from bot.ports import (
    Blocked,
    Clock,
    History,
    HistoryMessage,
    HistoryPage,
    HistoryUnreadable,
    NotFound,
    OutcomeUnknown,
    RetryLater,
)

REACH = timedelta(days=14)
REQUEST_SECONDS = 10
MOST_PAGES = 500  # of 200 messages: a bound, not a wish
MOST_REPETITIONS = 1000  # a bound
MISSING = 2  # repetitions in a row that left nothing in the history, before the search for later ones ends
STALE = timedelta(hours=1)  # after so long without a page all of it is read again


class Recovery:
    """Reads what the bot has told the channel, page by page. Keeps its place when Slack asks it to wait."""

    def __init__(self, channel: History, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self.rest_until: datetime | None = None  # Slack asked to be left alone until then
        self.obstacle: Blocked | RetryLater | OutcomeUnknown | None = (
            None  # why the last read did not come to its end
        )
        self._begin()

    def _begin(self) -> None:
        self._begun: datetime | None = None
        self._paged_at: datetime | None = None
        self._cursor = ""
        self._found: list[HistoryMessage] = []

    @property
    def rest(self) -> timedelta:
        """How long Slack has asked to be left alone from now on."""
        return max((self.rest_until or self._clock()) - self._clock(), timedelta(0))

    async def read(self) -> tuple[HistoryMessage, ...] | None:
        """The messages of the last 14 days, newest first. None when Slack does not answer: ask again later.

        Without the right to read them there are none: the bot goes on, and tells what it finds as new.
        """
        now = self._clock()
        if self.rest_until and now < self.rest_until:
            return None
        if self._begun is None or now - (self._paged_at or self._begun) > STALE:
            self._begin()
            self._begun = now
        for _ in range(MOST_PAGES):
            page = await self._channel.history(
                oldest=self._begun - REACH, cursor=self._cursor, within=REQUEST_SECONDS
            )
            if isinstance(page, HistoryUnreadable | NotFound):
                break
            if not isinstance(page, HistoryPage):
                self.obstacle = page
                if isinstance(page, RetryLater):
                    self.rest_until = self._clock() + timedelta(seconds=page.seconds)
                return None
            self._paged_at = self._clock()
            self._found += page.messages
            self._cursor = page.cursor
            if not page.cursor:
                break
        found = tuple(self._found)
        self.obstacle = None
        self._begin()
        return found


@dataclass(frozen=True, slots=True)
class RecoveredHistory:
    """The changes of a first look without what has been told, and who told it."""

    changes: list[Change]
    roots: Mapping[str, HistoryMessage]  # by episode id, the message that tells it alone: a view again
    told: Mapping[tuple[str, AlertEvent], HistoryMessage]


def recover_history(
    changes: Sequence[Change], past: Sequence[HistoryMessage], marks: EventKeys, policy: AlertPolicy
) -> RecoveredHistory:
    """Take out of the news of a first look what messages of the bot have told already. Pure."""
    by_mark: dict[str, HistoryMessage] = {}
    for message in past:  # newest first: the oldest that tells an event is where it was told
        by_mark |= dict.fromkeys(message.events, message)
    rest: list[Change] = []
    roots, tellers = dict[str, HistoryMessage](), dict[tuple[str, AlertEvent], HistoryMessage]()
    for each in changes:
        change, told = _continued(each, by_mark, marks, policy)
        rest.append(_without(change, told) if told else change)
        tellers |= {(change.after.id, event): message for event, message in told.items()}
        if root := _own_root(told, past):
            roots[change.after.id] = root
    return RecoveredHistory(rest, roots, tellers)


def _continued(
    change: Change, by_mark: Mapping[str, HistoryMessage], marks: EventKeys, policy: AlertPolicy
) -> tuple[Change, dict[AlertEvent, HistoryMessage]]:
    """Number the invitation after those that the history has, and return what was posted of it.

    A rejected invitation never waits again: if the newest was rejected and this one waits, it is the next.
    """
    episode, newest, posted = change.after, 0, dict[AlertEvent, HistoryMessage]()
    for repetition in range(MOST_REPETITIONS):
        if repetition > newest + MISSING:
            break
        if found := dict(_found(replace(episode, repetition=repetition), by_mark, marks, policy)):
            newest, posted = repetition, found
    if episode.state is EpisodeState.WAITING and any(event.kind is AlertKind.REJECTED for event in posted):
        newest, posted = newest + 1, {}
    return (replace(change, after=replace(episode, repetition=newest)) if newest else change), posted


def _found(
    episode: Episode, by_mark: Mapping[str, HistoryMessage], marks: EventKeys, policy: AlertPolicy
) -> Iterator[tuple[AlertEvent, HistoryMessage]]:
    """The events of an episode whose marks stand somewhere, though its deadline may have moved a little since."""
    leads = [AlertEvent(AlertKind.EXPIRING, lead) for lead in leads_of(episode, policy)]
    for event in (*leads, AlertEvent(AlertKind.EXPIRED), AlertEvent(AlertKind.REJECTED)):
        candidates = (marks.of_event(episode, event, moved=moved) for moved in (0, 1, -1))
        if message := next((by_mark[mark] for mark in candidates if mark in by_mark), None):
            yield event, message


def _without(change: Change, told: Mapping[AlertEvent, HistoryMessage]) -> Change:
    """The change without the news that are none, and with the times at which they were told."""
    keys = {event.key for event in told}
    news = tuple(event for event in change.news if event.key not in keys)
    when = {event.key: _moment(message) for event, message in told.items()}
    after = change.after
    since = next((moment for (kind, _), moment in when.items() if kind.value == after.state.value), after.since)
    first_seen = min([after.first_seen, *when.values()])
    after = replace(after, told=(*told, *news), since=min(since, after.since), first_seen=first_seen)
    return Change(change.before, after, news)


def _own_root(told: Mapping[AlertEvent, HistoryMessage], past: Sequence[HistoryMessage]) -> HistoryMessage | None:
    """The root that tells this episode alone, or in whose thread it was told on."""
    threads = {message.thread_ts for message in told.values()}
    roots = (message for message in past if message.thread_ts is None and message.shape == MessageKind.PROBLEM)
    return next((message for message in roots if message in told.values() or message.ts in threads), None)


def _moment(message: HistoryMessage) -> datetime:
    return datetime.fromtimestamp(float(message.ts), UTC)
