"""What a tick's news becomes: which messages are written down, where they go, in which order. Pure.

A *root* stands in the channel and is a view of its members: it is rendered anew when they change. A thread
message is a line of history, or one more ping when it is broadcast. Words are the business of `blocks`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.episodes import AlertPolicy, Change, Event, How, Kind, Seen, State, rank

NAMES_A_MESSAGE = 25
NAME_MESSAGES = 5
LAST = 9  # history that pings nobody goes out when nothing else waits


class Shape(StrEnum):
    """What a message is: five kinds of root, then three of thread message."""

    PROBLEM = "problem"
    DIGEST = "digest"
    FIRST_RUN = "first_run"
    QUIET = "quiet"  # what came while the channel was left alone
    HEALTH = "health"
    LINE = "line"  # of a problem's thread, or of a digest's when a person acts on it
    NAMES = "names"
    NOTE = "note"  # of a health notice's thread


class Status(StrEnum):
    """Where a message row is. A `sending` row whose lease ran out is the unknown outcome."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"


class Dead(StrEnum):
    """Why a message was given up."""

    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    UNTRUE = "no longer true"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to write down. `facts` is JSON: what a rendering needs beside the members' present state."""

    id: str
    shape: Shape
    rank: int
    members: tuple[str, ...] = ()  # episode ids
    tells: tuple[tuple[str, Event], ...] = ()  # (episode id, event): told by this message, for ever
    facts: Mapping[str, Any] = field(default_factory=dict)
    root_id: str | None = None
    broadcast: bool = False


@dataclass(frozen=True, slots=True)
class Root:
    """The message that tells an episode at present. `gone`: a person deleted it."""

    id: str
    shape: Shape
    gone: bool = False


@dataclass(frozen=True, slots=True)
class FirstLook:
    """The first read ever: how many accounts there are, and how many in each state."""

    total: int
    counts: Mapping[Seen, int]


def plan(
    changes: Sequence[Change],
    roots: Mapping[str, Root],
    policy: AlertPolicy,
    now: datetime,
    *,
    first: FirstLook | None = None,
) -> list[Draft]:
    """Decide what is written down for a tick.

    Args:
        roots: by episode id, the root that tells it, if there is one.
        first: set on the first run, whose backlog goes into one summary.
    """
    drafts = [_summary(changes, first, now)] if first and _backlog(changes) else []
    told = [(change, event) for change in changes for event in change.news if event.how is How.TOLD]
    told.sort(key=lambda pair: (_rank(pair[1], policy), pair[0].after.expires_at or now, pair[0].after.kf_nick))
    if len(told) > policy.digest_above:
        drafts += _digest(told, policy, now)
    else:
        for change, event in told:
            drafts += _announce(change, event, roots.get(change.after.id), policy)
    for change in changes:
        drafts += _history(change, roots.get(change.after.id))
    return drafts


def still_true(shape: Shape, facts: Mapping[str, Any], states: Sequence[State]) -> bool:
    """Whether a message that waited still says something that holds of its members."""
    if shape is Shape.LINE:
        kind = facts.get("kind")
        return kind is None or State("waiting" if kind == Kind.EXPIRING else kind) in states
    return shape is Shape.NAMES or any(not state.closed for state in states)


def _announce(change: Change, event: Event, root: Root | None, policy: AlertPolicy) -> list[Draft]:
    episode = change.after
    urgent = _urgent(event, policy)
    own = root is not None and root.shape is Shape.PROBLEM
    # A deleted root was dismissed by a person: only what needs eyes anew gets another.
    if root is not None and root.gone and not urgent:
        return []
    if root is None or root.gone or (event.kind is Kind.EXPIRING and urgent and not own):
        return [
            Draft(
                id=_id(Shape.PROBLEM, episode.id, event),
                shape=Shape.PROBLEM,
                rank=_rank(event, policy),
                members=(episode.id,),
                tells=((episode.id, event),),
            )
        ]
    return [
        Draft(
            id=_id(Shape.LINE, episode.id, event),
            shape=Shape.LINE,
            rank=_rank(event, policy) if urgent else LAST,
            members=(episode.id,),
            tells=((episode.id, event),),
            facts={"kind": event.kind, "lead": int(event.lead.total_seconds())},
            root_id=root.id,
            broadcast=urgent,
        )
    ]


def _history(change: Change, root: Root | None) -> list[Draft]:
    """A line in the thread of an own root for a change of state that is no news."""
    before, after = change.before, change.after
    moved = before is not None and before.state is not after.state
    told = any(event.how is How.TOLD for event in change.news)
    if not moved or told or root is None or root.gone or root.shape is not Shape.PROBLEM:
        return []
    return [
        Draft(
            id=f"{Shape.LINE}-{after.id}-{after.state}-{int(after.since.timestamp())}",
            shape=Shape.LINE,
            rank=LAST,
            members=(after.id,),
            facts={"state": after.state},
            root_id=root.id,
        )
    ]


def _digest(told: Sequence[tuple[Change, Event]], policy: AlertPolicy, now: datetime) -> list[Draft]:
    """One root for all, worst first, and a thread that names everybody."""
    members = tuple(change.after.id for change, _ in told)
    digest = Draft(
        id=_together(Shape.DIGEST, [_id(Shape.DIGEST, change.after.id, event) for change, event in told]),
        shape=Shape.DIGEST,
        rank=_rank(told[0][1], policy),
        members=members,
        tells=tuple((change.after.id, event) for change, event in told),
        facts={"noticed": now.timestamp()},
    )
    size = max(NAMES_A_MESSAGE, -(-len(members) // NAME_MESSAGES))
    return [
        digest,
        *(
            Draft(
                id=f"{digest.id}-{start // size + 1}",
                shape=Shape.NAMES,
                rank=LAST,
                members=members[start : start + size],
                root_id=digest.id,
            )
            for start in range(0, len(members), size)
        ),
    ]


def _summary(changes: Sequence[Change], first: FirstLook, now: datetime) -> Draft:
    due = [change for change in changes if change.news]
    return Draft(
        id=_together(Shape.FIRST_RUN, [change.after.id for change in due]),
        shape=Shape.FIRST_RUN,
        rank=rank(Seen.REJECTED),
        members=tuple(change.after.id for change in due),
        tells=tuple(
            (change.after.id, event) for change in due for event in change.news if event.how is not How.TOLD
        ),
        facts={"total": first.total, "counts": dict(first.counts), "noticed": now.timestamp()},
    )


def _backlog(changes: Iterable[Change]) -> bool:
    return any(event.how is How.BACKLOG for change in changes for event in change.news)


def _urgent(event: Event, policy: AlertPolicy) -> bool:
    return event.kind is not Kind.EXPIRING or event.lead == policy.smallest_lead


def _rank(event: Event, policy: AlertPolicy) -> int:
    return rank(Seen(event.kind), urgent=_urgent(event, policy))


def _id(shape: Shape, episode: str, event: Event) -> str:
    return f"{shape}-{episode}-{event.kind}-{int(event.lead.total_seconds())}"


def _together(shape: Shape, ids: Sequence[str]) -> str:
    return f"{shape}-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}"
