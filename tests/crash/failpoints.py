"""Where the bot is killed, by name. Carrying it out is the business of `victim`, `gate` and `arena`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum


class Where(StrEnum):
    """The kinds of kill."""

    BEFORE = "before the commit"  # just before it reaches the database
    AFTER = "after the commit"  # before another statement
    POST = "post"
    EDIT = "edit"
    CONTEXT = "look"
    TIME = "any time"
    TWO = "two at a time"  # both at work on one store, killed one after the other


class Commit(StrEnum):
    """What a transaction of the bot was for: the boundaries between which a kill must lose nothing."""

    SCHEMA = "schema"  # migrations
    POLL = "poll"  # this process reads WeChat next
    READ = "read"  # what was read, without news
    NEWS = "news"  # states, events and messages
    CLAIM = "claim"  # this process posts next
    SENT = "sent"  # Slack took it
    BACK = "back"  # it goes back into the queue, or was given up
    CONTEXT = "look"  # this process looks an unknown outcome up
    ABSENT = "absent"  # it was not found
    ADOPTED = "adopted"  # it was found
    VIEW = "view"  # an edit is claimed, or noted


class Moment(StrEnum):
    """Where a request is when its sender is killed."""

    LOST = "lost"  # it arrives, and Slack never takes it
    LATE = "late"  # it has left, and Slack takes it when the sender is dead
    TAKEN = "taken"  # Slack took it, and has not answered
    ANSWERED = "answered"  # the answer has just left


class Needs(Enum):
    """What must happen in the world for a point to be reached."""

    NOTHING = "nothing"
    NEWS = "something to tell"
    VIEW = "a told message that changes"
    FOUND = "a message whose answer is lost"
    ABSENT = "a message that is lost"
    BUSY = "a Slack that is busy"


@dataclass(frozen=True, slots=True)
class Point:
    """One place to be killed at."""

    where: Where
    what: Commit | Moment | None = None
    needs: Needs = Needs.NEWS

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.what else self.where


# Only a store without tables passes these.
FIRST: Sequence[Point] = [Point(where, Commit.SCHEMA) for where in (Where.BEFORE, Where.AFTER)]

POINTS: Sequence[Point] = [
    *(
        Point(where, commit, needs)
        for where in (Where.BEFORE, Where.AFTER)
        for commit, needs in (
            (Commit.POLL, Needs.NOTHING),
            (Commit.READ, Needs.NOTHING),
            (Commit.NEWS, Needs.NEWS),
            (Commit.CLAIM, Needs.NEWS),
            (Commit.SENT, Needs.NEWS),
            (Commit.BACK, Needs.BUSY),
            (Commit.LOOK, Needs.FOUND),
            (Commit.ABSENT, Needs.ABSENT),
            (Commit.ADOPTED, Needs.FOUND),
            (Commit.VIEW, Needs.VIEW),
        )
    ),
    *(Point(Where.POST, moment, Needs.NEWS) for moment in Moment),
    *(Point(Where.EDIT, moment, Needs.VIEW) for moment in Moment),
    Point(Where.LOOK, Moment.LOST, Needs.FOUND),
    Point(Where.LOOK, Moment.TAKEN, Needs.FOUND),
    Point(Where.LOOK, Moment.ANSWERED, Needs.ABSENT),
    Point(Where.TIME),
    Point(Where.TWO),
]


def plan(kills: int, rng: random.Random) -> Sequence[Point]:
    """So many points: the first ones, then all of them in any order, again and again."""
    chosen = [*FIRST]
    while len(chosen) < kills:
        chosen += rng.sample(POINTS, len(POINTS))
    return chosen[:kills]
