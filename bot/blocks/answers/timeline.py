"""The history of one invitation, a line each, as part of the details of an account."""

from __future__ import annotations

from datetime import datetime

from bot.alerting.episode import AlertKind, Disposition, Episode, EpisodeState
from bot.blocks import builders, mentions
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import until
from bot.blocks.context import RenderContext
from bot.blocks.times import date, lead_name

MOST = 8  # lines


def timeline(episode: Episode, channel: str, context: RenderContext) -> str:
    """Write the known history, oldest first, as mrkdwn. `channel` is the ID of the alert channel; or ""."""
    first, *rest = _lines(episode, context)
    posted = channel and any(event.disposition is not Disposition.SUPERSEDED for event in episode.events)
    title = "*This invitation*" + (f"  told in <#{channel}>" if posted else "")
    return "\n".join([title, first, *rest[-(MOST - 1) :]])


def _lines(episode: Episode, context: RenderContext) -> list[str]:
    """Write the first sighting, then undated events, then the others by their time."""
    state = f"{episode_text.icon(episode)} {episode_text.state_word(episode)}"
    at_once = episode.state is not EpisodeState.WAITING and episode.state_since <= episode.first_seen
    first = state if at_once else f"{builders.ICONS['waiting']} {EpisodeState.WAITING}"
    dated = [*_elapsed_leads(episode, context), *_user_actions(episode, context)]
    if episode.state is not EpisodeState.WAITING and not at_once:
        dated.append((episode.state_since, f"{state}, {date(episode.state_since, context, words='noticed ')}"))
    # When an earlier problem was noticed is not stored.
    over = [past for past in (EpisodeState.EXPIRED, EpisodeState.REJECTED) if past is not episode.state]
    return [
        f"{first}, {date(episode.first_seen, context, words='first seen ')}",
        *(f"{builders.ICONS[past]} was {past}" for past in over if episode.has_emitted(AlertKind(past))),
        *(line for _, line in sorted(dated, key=lambda one: one[0])),
    ]


def _elapsed_leads(episode: Episode, context: RenderContext) -> list[tuple[datetime, str]]:
    if episode.expires_at is None:
        return []
    lines = []
    for event in episode.events:
        if event.kind is AlertKind.EXPIRING and event.disposition is not Disposition.SUPERSEDED:
            # It may have been within the lead already when it was first seen.
            at = max(episode.expires_at - event.lead, episode.first_seen)
            words = f"less than {lead_name(event.lead)} left, "
            lines.append((at, f"{builders.ICONS['expiring']} {date(at, context, words=words)}"))
    return lines


def _user_actions(episode: Episode, context: RenderContext) -> list[tuple[datetime, str]]:
    lines = []
    if action := episode.acked:
        words = f"acknowledged by {mentions.user_link(action)}{date(action.at, context, words=', ')}"
        lines.append((action.at, f"{builders.PERSON} {words}"))
    if (action := episode.snoozed) and action.until:
        words = f"snoozed by {mentions.user_link(action)} {until(action.until, action.at, context)}"
        lines.append((action.at, f"{builders.PERSON} {words}"))
    return lines
