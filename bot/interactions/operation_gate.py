"""Who may change accounts now, and whether operations are available at all. Checked by every entry point."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from bot.alerting.episode import Episode
from bot.operations.operation import Availability, OperationKind, OperationPolicy
from bot.ports import Origin
from bot.store import episodes, interface_refusals
from bot.store.database import Store
from bot.store.sanitizing import sanitize_text
from bot.store.store_errors import StoreError

Permits = Callable[[str, Origin], Awaitable[bool | None]]


@dataclass(frozen=True, slots=True)
class OperationGate:
    """The rules of access to operations.

    Attributes:
        operators: the IDs in KF_OPERATORS.
        permits: returns whether a person may change accounts; None while Slack does not answer.
    """

    operators: tuple[str, ...]
    permits: Permits
    store: Store | None
    policy: OperationPolicy

    @property
    def availability(self) -> Availability:
        """Return whether any operation can be offered, apart from WeChat's refusals."""
        if not self.operators:
            return Availability.OFF
        return Availability.ON if self.store else Availability.NO_STORE

    @property
    def is_on(self) -> bool:
        return self.availability is Availability.ON

    async def offers_invitations(self, user_id: str, origin: Origin) -> bool:
        """Return whether a person is offered to invite: they may, and WeChat has not refused it lately."""
        try:
            permitted = await self.permits(user_id, origin)
            return permitted is True and await self.refused_at(OperationKind.INVITE) is None
        except StoreError:
            return False

    async def refused_at(self, kind: OperationKind) -> datetime | None:
        """Return when WeChat refused operations of this family lately; None if it did not.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be read.
        """
        if self.store is None:
            return None
        async with self.store.begin() as tx:
            refusal = await interface_refusals.current(tx, kind)
        return refusal.at if refusal else None

    async def episode(self, episode_id: str) -> Episode | None:
        """Return the episode of an alert; None if the store does not have it.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be read.
        """
        if self.store is None or not episode_id:
            return None
        async with self.store.begin() as tx:
            return (await episodes.get_many(tx, [sanitize_text(episode_id)])).get(episode_id)
