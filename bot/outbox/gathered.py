"""Many pieces of news in one root: a storm, the first run, what came in quiet hours. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.episodes import AlertPolicy, Change, How, Kind, Seen, rank
from bot.outbox import LAST, Draft, FirstLook, Root, Shape
from bot.outbox.kinds import News, breaks_in, id_of, id_of_many, rank_of, urgent
from bot.quiet import Window

NAMES_A_MESSAGE = 25
NAME_MESSAGES = 5


def digest(told: Sequence[News], policy: AlertPolicy, now: datetime) -> list[Draft]:
    """One root for all, worst first, and a thread that names everybody."""
    members = tuple(dict.fromkeys(change.after.id for change, _ in told))
    breakthrough = any(breaks_in(one, policy) for one in told)
    root = Draft(
        id=id_of_many(Shape.DIGEST, [id_of(Shape.DIGEST, change.after.id, event) for change, event in told]),
        shape=Shape.DIGEST,
        rank=rank_of(told[0][1], policy),
        members=members,
        tells=tuple((change.after.id, event) for change, event in told),
        facts={"noticed": now.timestamp()},
        breakthrough=breakthrough,
    )
    size = max(NAMES_A_MESSAGE, -(-len(members) // NAME_MESSAGES))
    return [
        root,
        *(
            Draft(
                id=f"{root.id}-{start // size + 1}",
                shape=Shape.NAMES,
                rank=LAST,
                members=members[start : start + size],
                root_id=root.id,
                breakthrough=breakthrough,
            )
            for start in range(0, len(members), size)
        ),
    ]


def first_run(changes: Sequence[Change], first: FirstLook, now: datetime) -> Draft:
    """One summary of what was there before the first look."""
    due = [change for change in changes if change.news]
    return Draft(
        id=id_of_many(Shape.FIRST_RUN, [change.after.id for change in due]),
        shape=Shape.FIRST_RUN,
        rank=rank(Seen.REJECTED),
        members=tuple(change.after.id for change in due),
        tells=tuple(
            (change.after.id, event) for change in due for event in change.news if event.how is not How.TOLD
        ),
        facts={"total": first.total, "counts": dict(first.counts), "noticed": now.timestamp()},
    )


def held(
    silent: Sequence[News],
    woken: Sequence[Change],
    roots: Mapping[str, Root],
    policy: AlertPolicy,
    window: Window,
) -> list[Draft]:
    """What comes in quiet hours: one root for all of the window, and lines in the threads that are there.

    The queue adds what is new to the root that waits for the end of the window, if there is one.

    Args:
        woken: whose snooze has run out, without other news.
    """
    silent = [one for one in silent if urgent(one[1], policy) or not _dismissed(roots.get(one[0].after.id))]
    woken = [change for change in woken if not _dismissed(roots.get(change.after.id))]
    if not silent and not woken:
        return []
    kinds: dict[str, list[str]] = {change.after.id: [Kind.EXPIRING] for change in woken}
    for change, event in silent:
        kinds.setdefault(change.after.id, []).append(event.kind)
    begins, ends = int(window.begins.timestamp()), int(window.ends.timestamp())
    root = Draft(
        id=id_of_many(Shape.QUIET, [*_ids(silent), *(f"{change.after.id}-{begins}" for change in woken)]),
        shape=Shape.QUIET,
        rank=min([*(rank_of(event, policy) for _, event in silent), rank(Seen.EXPIRING)]),
        members=tuple(kinds),
        tells=tuple((change.after.id, event) for change, event in silent),
        facts={"begins": begins, "ends": ends, "held": kinds},
    )
    return [root, *(line for one in silent if (line := _line(one, roots.get(one[0].after.id))))]


def _ids(silent: Sequence[News]) -> list[str]:
    return [id_of(Shape.QUIET, change.after.id, event) for change, event in silent]


def _dismissed(root: Root | None) -> bool:
    return root is not None and root.gone


def _line(news: News, root: Root | None) -> Draft | None:
    """The thread of a problem that is told already keeps its history complete; the morning's root pings."""
    change, event = news
    if root is None or root.gone or root.shape is not Shape.PROBLEM:
        return None
    return Draft(
        id=id_of(Shape.LINE, change.after.id, event),
        shape=Shape.LINE,
        rank=LAST,
        members=(change.after.id,),
        facts={"kind": event.kind, "lead": int(event.lead.total_seconds())},
        root_id=root.id,
    )
