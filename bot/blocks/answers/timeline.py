"""What became of one invitation, a line each, for the eyes of one person: `details` may show it."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.blocks import builders, mentions
from bot.blocks.channel import episode_text
from bot.blocks.times import alone, date, lead_name
from bot.episodes import Episode, How, Kind, State

MOST = 8  # lines


def timeline(episode: Episode, channel: str) -> str:
    """The history that is known, oldest first, in mrkdwn. `channel` is the ID of the one that was told; or ""."""
    first, *rest = _lines(episode)
    told = (
        f"  told in <#{channel}>"
        if channel and any(event.how is not How.SUPERSEDED for event in episode.told)
        else ""
    )
    return "\n".join([f"*This invitation*{told}", first, *rest[-(MOST - 1) :]])


def _lines(episode: Episode) -> list[str]:
    """The first look, then all that happened since by its moment. What has none stands before what has."""
    state = f"{episode_text.icon(episode)} {episode_text.standing(episode)}"
    at_once = episode.state is not State.WAITING and episode.since <= episode.first_seen
    first = state if at_once else f"{builders.ICONS['waiting']} {State.WAITING}"
    happened = [*_leads(episode), *_hands(episode)]
    if episode.state is not State.WAITING and not at_once:
        happened.append((episode.since, f"{state}, {date(episode.since, words='noticed ')}"))
    return [
        f"{first}, {date(episode.first_seen, words='first seen ')}",
        *_earlier(episode),
        *(line for _, line in sorted(happened, key=lambda one: one[0])),
    ]


def _earlier(episode: Episode) -> list[str]:
    """Problems that are over. When they were noticed is not kept."""
    over = [past for past in (State.EXPIRED, State.REJECTED) if past is not episode.state]
    return [f"{builders.ICONS[past]} was {past}" for past in over if episode.has_told(Kind(past))]


def _leads(episode: Episode) -> list[tuple[datetime, str]]:
    deadline = episode.expires_at
    told = [event for event in episode.told if event.kind is Kind.EXPIRING and event.how is not How.SUPERSEDED]
    # It may have been within the lead already when it was first seen.
    passed = [(max(deadline - event.lead, episode.first_seen), event.lead) for event in told] if deadline else []
    return [(at, _lead(at, lead)) for at, lead in passed]


def _lead(at: datetime, lead: timedelta) -> str:
    return f"{builders.ICONS['expiring']} {date(at, words=f'less than {lead_name(lead)} left, ')}"


def _hands(episode: Episode) -> list[tuple[datetime, str]]:
    lines = []
    if hand := episode.acked:
        lines.append(
            (hand.at, f"{builders.PERSON} acknowledged by {mentions.linked(hand)}{date(hand.at, words=', ')}")
        )
    if (hand := episode.snoozed) and hand.until:
        until = date(hand.until, alone(hand.until, hand.at), "until ")
        lines.append((hand.at, f"{builders.PERSON} snoozed by {mentions.linked(hand)} {until}"))
    return lines
