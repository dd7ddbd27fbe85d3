"""Dependencies shared by all delivery steps, and their time limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import NamedTuple

from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import TenantLabel
from bot.delivery.failing_messages import FailingMessages
from bot.outbox.event_keys import EventKeys
from bot.outbox.messages import MessageKind, OutboxRow
from bot.ports import Channel, Counter, Message
from bot.store.database import Store

LONGEST_REQUEST = 10  # seconds
HOLD = timedelta(minutes=5)  # between attempts while Slack refuses the channel or the token


class DefaultChannel(NamedTuple):
    """The channel for notices about other channels, and the account that posts them."""

    appid: str
    id: str


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
    label: TenantLabel | None = None  # names the account in its messages, and in their buttons
    default_channel: DefaultChannel | None = None  # None: the channel of this account

    def labelled(self, row: OutboxRow, message: Message) -> Message:
        """Return a message as it is posted. A notice is about a channel, not about the account."""
        return self.label.on_message(message) if self.label and row.kind is not MessageKind.NOTICE else message

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
