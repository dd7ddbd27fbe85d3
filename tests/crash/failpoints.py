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
    VIEW = "view"  # a modal that is updated
    WRITE = "write"  # to WeChat, of an operation
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
    OPERATION_ASKED = "operation asked"  # its row, before anything is sent
    OPERATION_SENT = "operation sent"  # its request leaves after this
    OPERATION_ANSWERED = "operation answered"  # WeChat's yes, or that its answer is unknown
    OPERATION_ENDED = "operation ended"  # its outcome, and the message that reports it
    OPERATION_CLAIMED = "operation claimed"  # this process settles it by reading the list


class RequestPhase(StrEnum):
    """The stage of a request when its sender is killed."""

    LOST = "lost"  # it arrives, and is never accepted
    LATE = "late"  # it is under way, and is accepted after the sender died
    TAKEN = "taken"  # it was accepted, and there is no response yet
    ANSWERED = "answered"  # the response has just been sent


class Precondition(Enum):
    """What must happen at WeChat or Slack before a failpoint can be reached."""

    NOTHING = "nothing"
    NEW_EVENT = "a new event to report"
    CHANGED_MESSAGE = "a sent message that changes"
    LOST_RESPONSE = "a message whose response is lost"
    LOST_REQUEST = "a message that is lost"
    RATE_LIMITED = "a Slack that limits the rate"
    SUBMITTED_FORM = "a submitted form"
    LOST_ANSWER = "a submitted form, and a WeChat whose answer is lost"

    @property
    def needs_form(self) -> bool:
        return self in (Precondition.SUBMITTED_FORM, Precondition.LOST_ANSWER)


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
            (CommitKind.OPERATION_ASKED, Precondition.SUBMITTED_FORM),
            (CommitKind.OPERATION_SENT, Precondition.SUBMITTED_FORM),
            (CommitKind.OPERATION_ANSWERED, Precondition.SUBMITTED_FORM),
            (CommitKind.OPERATION_ENDED, Precondition.SUBMITTED_FORM),
            (CommitKind.OPERATION_CLAIMED, Precondition.LOST_ANSWER),
        )
    ),
    *(Failpoint(Site.POST, phase, Precondition.NEW_EVENT) for phase in RequestPhase),
    *(Failpoint(Site.EDIT, phase, Precondition.CHANGED_MESSAGE) for phase in RequestPhase),
    Failpoint(Site.LOOKUP, RequestPhase.LOST, Precondition.LOST_RESPONSE),
    Failpoint(Site.LOOKUP, RequestPhase.TAKEN, Precondition.LOST_RESPONSE),
    Failpoint(Site.LOOKUP, RequestPhase.ANSWERED, Precondition.LOST_REQUEST),
    *(Failpoint(Site.WRITE, phase, Precondition.SUBMITTED_FORM) for phase in RequestPhase),
    *(Failpoint(Site.VIEW, phase, Precondition.LOST_ANSWER) for phase in (RequestPhase.LOST, RequestPhase.TAKEN)),
    Failpoint(Site.TIME),
    Failpoint(Site.TWO),
]


def plan(kills: int, rng: random.Random) -> Sequence[Failpoint]:
    """Choose a failpoint per kill: those of an empty store first, then all others in random order, repeatedly."""
    chosen = [*ON_EMPTY_STORE]
    while len(chosen) < kills:
        chosen += rng.sample(FAILPOINTS, len(FAILPOINTS))
    return chosen[:kills]
