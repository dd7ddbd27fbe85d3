"""What a tick's news becomes: which messages are written down, where they go, in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from bot.episodes import AlertPolicy, Change, Episode, Hand, How, Kind, Seen, rank
from bot.hands import Deed
from bot.outbox import LAST, Draft, FirstLook, Root, Shape
from bot.outbox.gathered import digest, first_run, held
from bot.outbox.kinds import News, before_quiet, id_of, rank_of, told_news, urgent, woke
from bot.quiet import Window

LATE = timedelta(minutes=15)  # the reminder before quiet hours may come into them by this much


def plan(
    changes: Sequence[Change],
    roots: Mapping[str, Root],
    policy: AlertPolicy,
    now: datetime,
    *,
    appid: str = "",
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
    loud = [one for one in news if window is None or _breaks_through(one, policy, window, now)]
    silent = [one for one in news if one not in loud]
    if window and silent:
        drafts += held(silent, roots, policy, window, appid)
    if len(loud) > policy.digest_above:
        drafts += digest(loud, policy, now, breakthrough=window is not None)
    else:
        for one in loud:
            drafts += _announce(one, roots.get(one[0].after.id), policy, window)
    for change in changes:
        drafts += _history(change, roots.get(change.after.id))
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
    )


def _breaks_through(news: News, policy: AlertPolicy, window: Window, now: datetime) -> bool:
    if before_quiet(news, policy) and now - window.begins <= LATE:
        return True
    event = news[1]
    return (
        bool(policy.quiet and policy.quiet.breakthrough) and event.kind is Kind.EXPIRING and urgent(event, policy)
    )


def _announce(news: News, root: Root | None, policy: AlertPolicy, window: Window | None) -> list[Draft]:
    """A root of its own, or a line in the thread of the one that stands."""
    change, event = news
    episode = change.after
    now_or_never = urgent(event, policy)
    # What comes after a snooze, or before quiet hours, needs eyes like a new message.
    last_words = before_quiet(news, policy)
    call = now_or_never or last_words or woke(change)
    own = root is not None and root.shape is Shape.PROBLEM
    # A deleted root was dismissed by a person: only what needs eyes anew gets another.
    if root is not None and root.gone and not now_or_never:
        return []
    tells = ((episode.id, event),)
    if root is None or root.gone or (event.kind is Kind.EXPIRING and now_or_never and not own):
        return [
            Draft(
                id=id_of(Shape.PROBLEM, episode.id, event),
                shape=Shape.PROBLEM,
                rank=rank_of(event, policy),
                members=(episode.id,),
                tells=tells,
                breakthrough=window is not None,
            )
        ]
    quiet = (
        policy.quiet.window_of(episode.expires_at) if last_words and policy.quiet and episode.expires_at else None
    )
    return [
        Draft(
            id=id_of(Shape.LINE, episode.id, event),
            shape=Shape.LINE,
            rank=rank_of(event, policy) if call else LAST,
            members=(episode.id,),
            tells=tells,
            facts={
                "kind": event.kind,
                "lead": int(event.lead.total_seconds()),
                **({"call": True} if call else {}),
                **({"before_quiet": int(quiet.ends.timestamp())} if quiet else {}),
            },
            root_id=root.id,
            broadcast=call,
            breakthrough=window is not None,
        )
    ]


def _history(change: Change, root: Root | None) -> list[Draft]:
    """A line in the thread of an own root for what is no news: a change of state, a snooze that ran out."""
    before, after = change.before, change.after
    if before is None or root is None or root.gone or root.shape is not Shape.PROBLEM:
        return []
    if any(event.how is How.TOLD for event in change.news):
        return []
    if woke(change) and after.tightest_lead:
        return [_reminder(after, after.tightest_lead, root, before.snoozed)]
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


def _backlog(changes: Iterable[Change]) -> bool:
    return any(event.how is How.BACKLOG for change in changes for event in change.news)
