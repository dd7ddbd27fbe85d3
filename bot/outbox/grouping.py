"""Many pieces of news in one root: a storm, the first run, what came in quiet hours. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.alerting.episode import AccountStatus, AlertKind, AlertPolicy, Change, Disposition, priority
from bot.alerting.quiet_hours import Window
from bot.outbox.messages import LAST, InitialSnapshot, MessageKind, NewMessage, Parent
from bot.outbox.priority import Notification, breaks_through_quiet, id_of, id_of_many, is_urgent, priority_of

NAMES_A_MESSAGE = 25
NAME_MESSAGES = 5


def digest(told: Sequence[Notification], policy: AlertPolicy, now: datetime) -> list[NewMessage]:
    """One root for all, worst first, and a thread that names everybody."""
    members = tuple(dict.fromkeys(change.after.id for change, _ in told))
    breakthrough = any(breaks_through_quiet(one, policy) for one in told)
    root = NewMessage(
        id=id_of_many(
            MessageKind.DIGEST, [id_of(MessageKind.DIGEST, change.after.id, event) for change, event in told]
        ),
        shape=MessageKind.DIGEST,
        rank=priority_of(told[0][1], policy),
        members=members,
        tells=tuple((change.after.id, event) for change, event in told),
        facts={"noticed": now.timestamp()},
        breakthrough=breakthrough,
    )
    size = max(NAMES_A_MESSAGE, -(-len(members) // NAME_MESSAGES))
    return [
        root,
        *(
            NewMessage(
                id=f"{root.id}-{start // size + 1}",
                shape=MessageKind.NAMES,
                rank=LAST,
                members=members[start : start + size],
                root_id=root.id,
                breakthrough=breakthrough,
            )
            for start in range(0, len(members), size)
        ),
    ]


def first_run(changes: Sequence[Change], first: InitialSnapshot, now: datetime) -> NewMessage:
    """One summary of what was there before the first look."""
    due = [change for change in changes if change.news]
    return NewMessage(
        id=id_of_many(MessageKind.FIRST_RUN, [change.after.id for change in due]),
        shape=MessageKind.FIRST_RUN,
        rank=priority(AccountStatus.REJECTED),
        members=tuple(change.after.id for change in due),
        tells=tuple(
            (change.after.id, event) for change in due for event in change.news if event.how is not Disposition.TOLD
        ),
        facts={"total": first.total, "counts": dict(first.counts), "noticed": now.timestamp()},
    )


def quiet_summary(
    silent: Sequence[Notification],
    woken: Sequence[Change],
    roots: Mapping[str, Parent],
    policy: AlertPolicy,
    window: Window,
) -> list[NewMessage]:
    """What comes in quiet hours: one root for all of the window, and lines in the threads that are there.

    The queue adds what is new to the root that waits for the end of the window, if there is one.

    Args:
        woken: whose snooze has run out, without other news.
    """
    silent = [one for one in silent if is_urgent(one[1], policy) or not _dismissed(roots.get(one[0].after.id))]
    woken = [change for change in woken if not _dismissed(roots.get(change.after.id))]
    if not silent and not woken:
        return []
    kinds: dict[str, list[str]] = {change.after.id: [AlertKind.EXPIRING] for change in woken}
    for change, event in silent:
        kinds.setdefault(change.after.id, []).append(event.kind)
    begins, ends = int(window.begins.timestamp()), int(window.ends.timestamp())
    root = NewMessage(
        id=id_of_many(MessageKind.QUIET, [*_ids(silent), *(f"{change.after.id}-{begins}" for change in woken)]),
        shape=MessageKind.QUIET,
        rank=min([*(priority_of(event, policy) for _, event in silent), priority(AccountStatus.EXPIRING)]),
        members=tuple(kinds),
        tells=tuple((change.after.id, event) for change, event in silent),
        facts={"begins": begins, "ends": ends, "held": kinds},
    )
    return [root, *(line for one in silent if (line := _reply(one, roots.get(one[0].after.id))))]


def _ids(silent: Sequence[Notification]) -> list[str]:
    return [id_of(MessageKind.QUIET, change.after.id, event) for change, event in silent]


def _dismissed(root: Parent | None) -> bool:
    return root is not None and root.gone


def _reply(news: Notification, root: Parent | None) -> NewMessage | None:
    """The thread of a problem that is told already keeps its history complete; the morning's root pings."""
    change, event = news
    if root is None or root.gone or root.shape is not MessageKind.PROBLEM:
        return None
    return NewMessage(
        id=id_of(MessageKind.LINE, change.after.id, event),
        shape=MessageKind.LINE,
        rank=LAST,
        members=(change.after.id,),
        facts={"kind": event.kind, "lead": int(event.lead.total_seconds())},
        root_id=root.id,
    )
