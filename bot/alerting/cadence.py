"""How often an Official Account is polled. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.alerting.episode import Episode, EpisodeState

RECENT = timedelta(days=1)  # so long may a person still act on a problem
REQUESTED = timedelta(hours=1)  # so long after a person needed a poll may they look again


def always_one() -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class Cadence:
    """The intervals of one account. `jitter` is called once per poll and multiplies the interval."""

    poll: timedelta
    idle: timedelta  # while nothing is expected to change
    jitter: Callable[[], float] = always_one

    def wait(self, *, idle: bool) -> timedelta:
        """Return the time until the next poll."""
        return (max(self.poll, self.idle) if idle else self.poll) * self.jitter()


def is_idle(episodes: Iterable[Episode], now: datetime) -> bool:
    """Check that no invitation waits, and no problem is recent."""
    return not any(
        one.state is EpisodeState.WAITING or (not one.state.closed and now - one.state_since < RECENT)
        for one in episodes
    )


def is_requested(requested_at: datetime | None, now: datetime) -> bool:
    """Check whether a person needed a poll lately."""
    return requested_at is not None and now - requested_at < REQUESTED
