"""What a tick's news becomes: which messages are written down, where they go, in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.episodes import AlertPolicy, Change, Episode, Hand, How, Kind, Seen, rank
from bot.hands import Deed
from bot.outbox import LAST, LATE, Draft, FirstLook, Root, Shape
from bot.outbox.gathered import digest, first_run, held
from bot.outbox.kinds import News, before_quiet, breaks_in, id_of, rank_of, told_news, urgent, woke
from bot.quiet import Window


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
    drafts = [first_run(changes, first, now)] if first and _backlog(changes) else []
    window = policy.quiet.window_of(now) if policy.quiet else None
    news = told_news(changes, policy)
    loud = [one for one in news if window is None or _is_heard(one, policy, window, now)]
    silent = [one for one in news if one not in loud]
    if window:
        woken = [change for change in changes if woke(change) and not _tells(change)]
        drafts += held(silent, woken, roots, policy, window)
    if len(loud) > policy.digest_above:
        drafts += digest(loud, policy, now)
    else:
        for one in loud:
            drafts += _announce(one, roots.get(one[0].after.id), policy)
    for change in changes:
        drafts += _history(change, roots.get(change.after.id), quiet=window is not None)
    return drafts


def by_hand(members: Sequence[Episode], deed: Deed, hand: Hand, root_id: str) -> Draft:
    """The line that says in a thread what a person did about these."""
    facts = {"deed": deed, "name": hand.name}
    until = {"until": int(hand.until.timestamp())} if hand.until else {}
    count = {"count": len(members)} if len(members) > 1 else {}
    return Draft(
        id=f"{Shape.LINE}-{root_id}-{deed}-{hand.at.timestamp()}",
        shape=Shape.LINE,
        rank=LAST,
        members=tuple(member.id for member in members),
        facts=facts | until | count,
        root_id=root_id,
        breakthrough=True,  # whoever did it is awake, and it pings nobody else
    )


def _is_heard(news: News, policy: AlertPolicy, window: Window, now: datetime) -> bool:
    """Whether news of quiet hours is told in them. The last reminder before them is late after a while."""
    if not breaks_in(news, policy):
        return False
    return (policy.quiet is not None and policy.quiet.breakthrough and urgent(news[1], policy)) or (
        now - window.begins <= LATE
    )


def _announce(news: News, root: Root | None, policy: AlertPolicy) -> list[Draft]:
    """A root of its own, or a line in the thread of the one that stands."""
    event = news[1]
    now_or_never = urgent(event, policy)
    own = root is not None and root.shape is Shape.PROBLEM
    # A deleted root was dismissed by a person: only what needs eyes anew gets another.
    if root is not None and root.gone and not now_or_never:
        return []
    if root is None or root.gone or (event.kind is Kind.EXPIRING and now_or_never and not own):
        return [_root(news, policy)]
    return [_line(news, root, policy)]


def _root(news: News, policy: AlertPolicy) -> Draft:
    change, event = news
    return Draft(
        id=id_of(Shape.PROBLEM, change.after.id, event),
        shape=Shape.PROBLEM,
        rank=rank_of(event, policy),
        members=(change.after.id,),
        tells=((change.after.id, event),),
        facts=_night(news, policy),
        breakthrough=breaks_in(news, policy),
    )


def _line(news: News, root: Root, policy: AlertPolicy) -> Draft:
    change, event = news
    # What comes after a snooze, or before quiet hours, needs eyes like a new message.
    call = urgent(event, policy) or before_quiet(news, policy) or woke(change)
    return Draft(
        id=id_of(Shape.LINE, change.after.id, event),
        shape=Shape.LINE,
        rank=rank_of(event, policy) if call else LAST,
        members=(change.after.id,),
        tells=((change.after.id, event),),
        facts={"kind": event.kind, "lead": int(event.lead.total_seconds())}
        | ({"call": True} if call else {})
        | _night(news, policy),
        root_id=root.id,
        broadcast=call,
        breakthrough=breaks_in(news, policy),
    )


def _night(news: News, policy: AlertPolicy) -> dict[str, Any]:
    """Until when no other reminder comes."""
    expires_at = news[0].after.expires_at
    window = policy.quiet.window_of(expires_at) if policy.quiet and expires_at else None
    return {"before_quiet": int(window.ends.timestamp())} if window and before_quiet(news, policy) else {}


def _history(change: Change, root: Root | None, *, quiet: bool) -> list[Draft]:
    """A line in the thread of an own root for what is no news: a change of state, a snooze that ran out."""
    before, after = change.before, change.after
    if before is None or root is None or root.gone or root.shape is not Shape.PROBLEM:
        return []
    if _tells(change):
        return []
    if woke(change) and after.tightest_lead:
        # The morning's root asks again.
        return [] if quiet else [_reminder(after, after.tightest_lead, root, before.snoozed)]
    if before.state is after.state:
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


def _reminder(episode: Episode, lead: timedelta, root: Root, snoozed: Hand | None) -> Draft:
    """What a person asked for who snoozed: said again, though nothing new has happened."""
    at = int(snoozed.at.timestamp()) if snoozed else 0
    return Draft(
        id=f"{Shape.LINE}-{episode.id}-reminder-{at}",
        shape=Shape.LINE,
        rank=rank(Seen.EXPIRING),
        members=(episode.id,),
        facts={"kind": Kind.EXPIRING, "lead": int(lead.total_seconds()), "call": True},
        root_id=root.id,
        broadcast=True,
    )


def _tells(change: Change) -> bool:
    return any(event.how is How.TOLD for event in change.news)


def _backlog(changes: Iterable[Change]) -> bool:
    return any(event.how is How.BACKLOG for change in changes for event in change.news)
