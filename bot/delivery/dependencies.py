"""Dependencies shared by all delivery steps, and their time limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple

from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import NamedAccount, TenantLabel
from bot.delivery.backoffs import Backoffs
from bot.delivery.failing_messages import FailingMessages
from bot.delivery.item import OutboxItem
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
    shared_keys: EventKeys  # of messages about several accounts
    lease: timedelta
    count: Counter
    stopwatch: Callable[[], float] = monotonic  # seconds; measures durations, which a clock that is set cannot
    faults: FailingMessages = field(default_factory=FailingMessages)
    backoffs: Backoffs = field(default_factory=Backoffs)
    label: TenantLabel | None = None  # names the account in its messages, and in their buttons
    default_channel: DefaultChannel | None = None  # None: the channel of this account
    channel_accounts: Mapping[str, NamedAccount] = field(default_factory=dict)  # by AppID, all that post there

    def labelled(self, row: OutboxRow, message: Message) -> Message:
        """Return a message as it is posted. One about several accounts, or about a channel, is not of this one."""
        is_own = not row.of_several and row.kind is not MessageKind.NOTICE
        return self.label.on_message(message) if self.label and is_own else message

    def keys_of(self, row: OutboxRow) -> EventKeys:
        """Return the keys for the metadata of a message. One about several accounts may pass to another of them."""
        return self.shared_keys if row.of_several else self.event_keys

    def may_post(self, row: OutboxRow, now: datetime) -> bool:
        """Check whether a message of an account in this channel could be posted now, for all its quiet hours."""
        account = self.channel_accounts.get(row.appid)
        quiet = account.context.policy.quiet if account else None
        return account is not None and (row.breakthrough or quiet is None or not quiet.covers(now))

    def render(self, item: OutboxItem, *, posting: bool = False) -> Message:
        """Render a message from the present state of its episodes. Only if `posting`, it may mention users."""
        return item.render(self.context, self.faults, accounts=self.channel_accounts, posting=posting)

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
