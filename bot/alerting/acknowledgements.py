"""User actions on an invitation: acknowledge, snooze, and undo of either. Pure.

They change no state and emit no event, but end or postpone the reminders that `deadlines` emits.
`deadlines.apply_timers` ends a snooze at its time, at the smallest lead or at the deadline.
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
    """A kind of user action."""

    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    UNACKNOWLEDGED = "unacknowledged"
    UNSNOOZED = "unsnoozed"


class Snooze(StrEnum):
    """A duration for which a user may postpone the larger leads."""

    HOUR = "1h"
    FOUR_HOURS = "4h"
    MORNING = "morning"

    def until(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the end of a snooze that begins `at`. "Tomorrow" is a date in `zone`; the latest is year 9999."""
        try:
            if self is Snooze.MORNING:
                tomorrow = in_zone(at, zone).date() + timedelta(days=1)
                return datetime.combine(tomorrow, MORNING, zone).astimezone(at.tzinfo)
            return at + timedelta(hours=1 if self is Snooze.HOUR else 4)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)


def snooze_choices(episode: Episode, policy: AlertPolicy, zone: ZoneInfo) -> list[Snooze]:
    """Return the durations to offer: those that, counted from the newest elapsed lead, end before the last call."""
    lead = episode.tightest_lead
    if episode.state is not EpisodeState.WAITING or episode.expires_at is None or lead is None or episode.acked:
        return []
    passed_at, last_call = episode.expires_at - lead, policy.last_call(episode.expires_at)
    return [choice for choice in Snooze if choice.until(passed_at, zone) < last_call]


def acknowledge(episode: Episode, action: UserAction) -> Episode | None:
    """Return the acknowledged episode; None if it is closed or already acknowledged."""
    if episode.state.closed or episode.acked:
        return None
    return replace(episode, acked=replace(action, until=None), snoozed=None)


def snooze(episode: Episode, action: UserAction, policy: AlertPolicy) -> Episode | None:
    """Postpone the larger leads to `action.until`, at the latest to the last call.

    Return None if there is nothing to postpone: the episode does not wait, is acknowledged or snoozed, or its last
    call has passed.
    """
    if episode.state is not EpisodeState.WAITING or episode.expires_at is None or action.until is None:
        return None
    until = min(action.until, policy.last_call(episode.expires_at))
    if episode.acked or episode.snoozed or until <= action.at:
        return None
    return replace(episode, snoozed=replace(action, until=until))


def unacknowledge(episode: Episode, *, batch: str = "") -> Episode | None:
    """Clear the acknowledgement. Return None if it is not acknowledged, or closed.

    Args:
        batch: clear only acknowledgements of the button on this message, which acknowledges several at once.
    """
    if episode.state.closed or episode.acked is None or (batch and episode.acked.batch != batch):
        return None
    return replace(episode, acked=None)


def unsnooze(episode: Episode) -> Episode | None:
    """Clear the snooze. Return None if the episode is not snoozed, or closed."""
    return replace(episode, snoozed=None) if episode.snoozed and not episode.state.closed else None
