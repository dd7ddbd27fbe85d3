"""The failpoints, by name. `failpoint_bot`, `fault_proxy` and `runner` carry out the kills."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum


class Site(StrEnum):
    """The kinds of failpoint."""

    BEFORE = "before the commit"  # just before it reaches the database
    AFTER = "after the commit"  # before another statement
    POST = "post"
    EDIT = "edit"
    LOOKUP = "lookup"
    TIME = "any time"
    TWO = "two at a time"  # both use one store and are killed one after the other


class CommitKind(StrEnum):
    """The purpose of a transaction of the bot. A kill between any two of them must lose nothing."""

    SCHEMA = "schema"  # migrations
    POLL = "poll"  # this process claims the next poll
    READ = "read"  # the result of a poll, without events
    NEWS = "news"  # states, events and messages
    CLAIM = "claim"  # this process claims a message to post
    SENT = "sent"  # Slack accepted it
    BACK = "back"  # it returns to the queue, or is dropped
    LOOKUP = "lookup"  # this process looks up an unknown outcome
    ABSENT = "absent"  # it was not found
    ADOPTED = "adopted"  # it was found in the channel
    EDIT = "edit"  # an edit is claimed, or recorded


class RequestPhase(StrEnum):
    """The stage of a request when its sender is killed."""

    LOST = "lost"  # it arrives, and Slack never accepts it
    LATE = "late"  # it is under way, and Slack accepts it after the sender died
    TAKEN = "taken"  # Slack accepted it, and has not responded
    ANSWERED = "answered"  # the response has just been sent


class Precondition(Enum):
    """What must happen at WeChat or Slack before a failpoint can be reached."""

    NOTHING = "nothing"
    NEW_EVENT = "a new event to report"
    CHANGED_MESSAGE = "a sent message that changes"
    LOST_RESPONSE = "a message whose response is lost"
    LOST_REQUEST = "a message that is lost"
    RATE_LIMITED = "a Slack that limits the rate"


@dataclass(frozen=True, slots=True)
class Failpoint:
    """One place at which the bot is killed."""

    site: Site
    what: CommitKind | RequestPhase | None = None
    precondition: Precondition = Precondition.NEW_EVENT

    def __str__(self) -> str:
        return f"{self.site}: {self.what}" if self.what else self.site


# Reached only with a store that has no tables yet.
ON_EMPTY_STORE: Sequence[Failpoint] = [Failpoint(site, CommitKind.SCHEMA) for site in (Site.BEFORE, Site.AFTER)]

FAILPOINTS: Sequence[Failpoint] = [
    *(
        Failpoint(site, commit, precondition)
        for site in (Site.BEFORE, Site.AFTER)
        for commit, precondition in (
            (CommitKind.POLL, Precondition.NOTHING),
            (CommitKind.READ, Precondition.NOTHING),
            (CommitKind.NEWS, Precondition.NEW_EVENT),
            (CommitKind.CLAIM, Precondition.NEW_EVENT),
            (CommitKind.SENT, Precondition.NEW_EVENT),
            (CommitKind.BACK, Precondition.RATE_LIMITED),
            (CommitKind.LOOKUP, Precondition.LOST_RESPONSE),
            (CommitKind.ABSENT, Precondition.LOST_REQUEST),
            (CommitKind.ADOPTED, Precondition.LOST_RESPONSE),
            (CommitKind.EDIT, Precondition.CHANGED_MESSAGE),
        )
    ),
    *(Failpoint(Site.POST, phase, Precondition.NEW_EVENT) for phase in RequestPhase),
    *(Failpoint(Site.EDIT, phase, Precondition.CHANGED_MESSAGE) for phase in RequestPhase),
    Failpoint(Site.LOOKUP, RequestPhase.LOST, Precondition.LOST_RESPONSE),
    Failpoint(Site.LOOKUP, RequestPhase.TAKEN, Precondition.LOST_RESPONSE),
    Failpoint(Site.LOOKUP, RequestPhase.ANSWERED, Precondition.LOST_REQUEST),
    Failpoint(Site.TIME),
    Failpoint(Site.TWO),
]


def plan(kills: int, rng: random.Random) -> Sequence[Failpoint]:
    """Choose a failpoint per kill: those of an empty store first, then all others in random order, repeatedly."""
    chosen = [*ON_EMPTY_STORE]
    while len(chosen) < kills:
        chosen += rng.sample(FAILPOINTS, len(FAILPOINTS))
    return chosen[:kills]
