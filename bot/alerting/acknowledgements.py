"""What people do about an invitation: acknowledge it, snooze it, undo either. Pure; who they are comes along.

None of it changes a state or tells anything: it ends, or postpones, what the clock would say.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot.alerting.episode import AlertPolicy, Episode, EpisodeState, UserAction
from bot.alerting.quiet_hours import in_zone

MORNING = time(9)


class ActionKind(StrEnum):
    """What a person did."""

    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    UNACKNOWLEDGED = "unacknowledged"
    UNSNOOZED = "unsnoozed"


class Snooze(StrEnum):
    """For how long a person may postpone the looser leads."""

    HOUR = "1h"
    FOUR_HOURS = "4h"
    MORNING = "morning"

    def until(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return when a snooze ends that begins `at`; "tomorrow" is the zone's. Never later than the calendar."""
        try:
            if self is Snooze.MORNING:
                tomorrow = in_zone(at, zone).date() + timedelta(days=1)
                return datetime.combine(tomorrow, MORNING, zone).astimezone(at.tzinfo)
            return at + timedelta(hours=1 if self is Snooze.HOUR else 4)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)


def snooze_choices(episode: Episode, policy: AlertPolicy, zone: ZoneInfo) -> list[Snooze]:
    """What may be offered: only what ends before the last call, as seen from the newest lead that has passed."""
    lead = episode.tightest_lead
    if episode.state is not EpisodeState.WAITING or episode.expires_at is None or lead is None or episode.acked:
        return []
    passed_at, last_call = episode.expires_at - lead, policy.last_call(episode.expires_at)
    return [choice for choice in Snooze if choice.until(passed_at, zone) < last_call]


def acknowledge(episode: Episode, hand: UserAction) -> Episode | None:
    """The episode in somebody's hands. None when it needs none any more, or is in somebody's already."""
    if episode.state.closed or episode.acked:
        return None
    return replace(episode, acked=replace(hand, until=None), snoozed=None)


def snooze(episode: Episode, hand: UserAction, policy: AlertPolicy) -> Episode | None:
    """The episode with its looser leads postponed to `hand.until`, at the latest to its last call.

    None when there is nothing to postpone: it is settled, acknowledged or snoozed, or the last call has passed.
    """
    if episode.state is not EpisodeState.WAITING or episode.expires_at is None or hand.until is None:
        return None
    until = min(hand.until, policy.last_call(episode.expires_at))
    if episode.acked or episode.snoozed or until <= hand.at:
        return None
    return replace(episode, snoozed=replace(hand, until=until))


def unacknowledge(episode: Episode, *, batch: str = "") -> Episode | None:
    """The episode out of somebody's hands again. None when it is in nobody's.

    Args:
        batch: only what was acknowledged together with others, by the button of this message.
    """
    if episode.state.closed or episode.acked is None or (batch and episode.acked.batch != batch):
        return None
    return replace(episode, acked=None)


def unsnooze(episode: Episode) -> Episode | None:
    """The episode awake again. None when it is."""
    return replace(episode, snoozed=None) if episode.snoozed and not episode.state.closed else None
