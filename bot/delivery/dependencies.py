"""Dependencies shared by all delivery steps, and their time limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from bot.blocks.context import RenderContext
from bot.delivery.failing_messages import FailingMessages
from bot.outbox.event_keys import EventKeys
from bot.ports import Channel, Counter
from bot.store.database import Store

LONGEST_REQUEST = 10  # seconds
HOLD = timedelta(minutes=5)  # between attempts while Slack refuses the channel or the token


@dataclass(frozen=True, slots=True)
class DeliveryDependencies:
    """The channel, the store, and the values that decide how they are used."""

    channel: Channel
    store: Store
    context: RenderContext
    event_keys: EventKeys
    lease: timedelta
    count: Counter
    stopwatch: Callable[[], float] = monotonic  # seconds; measures durations, which a clock that is set cannot
    faults: FailingMessages = field(default_factory=FailingMessages)

    @property
    def within(self) -> float:
        """Return the time limit of one request, in seconds."""
        return min(LONGEST_REQUEST, self.lease.total_seconds() / 4)

    def has_time_left(self, claimed: float) -> bool:
        """Return whether enough of the lease is left for a request. After it, another process may act.

        Args:
            claimed: what the stopwatch showed before the claim.
        """
        return self.stopwatch() - claimed <= self.lease.total_seconds() / 2
