"""What every errand to Slack takes along, and how long it may take."""

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
HOLD = timedelta(minutes=5)  # between attempts while the channel or the token is refused


@dataclass(frozen=True, slots=True)
class DeliveryDependencies:
    """The channel, the store, and what decides how they are used."""

    channel: Channel
    store: Store
    context: RenderContext
    marks: EventKeys
    lease: timedelta
    count: Counter
    stopwatch: Callable[[], float] = monotonic  # seconds: how long work takes, whatever time it is
    faults: FailingMessages = field(default_factory=FailingMessages)

    @property
    def within(self) -> float:
        """The longest that one request may take, in seconds."""
        return min(LONGEST_REQUEST, self.lease.total_seconds() / 4)

    def may_begin(self, claimed: float) -> bool:
        """Whether enough of the lease is left for a request: the next process must not act at the same time.

        `claimed` is what the stopwatch showed before the claim.
        """
        return self.stopwatch() - claimed <= self.lease.total_seconds() / 2
