"""The ports of one of several Official Accounts: what passes through them gets the name of the account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.blocks.tenant_label import TenantLabel
from bot.ports import (
    Block,
    Blocked,
    Channel,
    HistoryPage,
    HistoryUnreadable,
    Message,
    NotFound,
    Outcome,
    OutcomeUnknown,
    RetryLater,
    ShownView,
    View,
    ViewRefused,
    Views,
)


class LabelledChannel:
    """A channel whose messages name the account."""

    def __init__(self, channel: Channel, label: TenantLabel) -> None:
        self._channel = channel
        self._label = label

    @property
    def id(self) -> str:
        return self._channel.id

    def now(self) -> datetime | None:
        return self._channel.now()

    async def post(
        self,
        message: Message,
        *,
        metadata: Mapping[str, Any],
        thread_ts: str | None = None,
        broadcast: bool = False,
        within: float,
    ) -> Outcome:
        labelled = self._label.on_message(message)
        return await self._channel.post(
            labelled, metadata=metadata, thread_ts=thread_ts, broadcast=broadcast, within=within
        )

    async def update(self, message: Message, *, channel_id: str, ts: str, within: float) -> Outcome:
        return await self._channel.update(
            self._label.on_message(message), channel_id=channel_id, ts=ts, within=within
        )

    async def probe(self, error: str, within: float) -> Blocked | RetryLater | OutcomeUnknown | None:
        return await self._channel.probe(error, within)

    async def history(
        self,
        *,
        oldest: datetime,
        latest: datetime | None = None,
        thread_ts: str | None = None,
        cursor: str = "",
        within: float,
    ) -> HistoryPage | HistoryUnreadable | RetryLater | Blocked | NotFound | OutcomeUnknown:
        return await self._channel.history(
            oldest=oldest, latest=latest, thread_ts=thread_ts, cursor=cursor, within=within
        )


class LabelledViews:
    """Modals and boards that name the account, and return its AppID when they are submitted."""

    def __init__(
        self, views: Views, label: TenantLabel, home_menu: Callable[[str, str], Awaitable[Sequence[Block]]]
    ) -> None:
        """Keep what the views need. `home_menu` returns the choice of an account for a person, by ID and AppID."""
        self._views = views
        self._label = label
        self._home_menu = home_menu

    async def open(self, trigger_id: str, view: View) -> ShownView | ViewRefused:
        return await self._views.open(trigger_id, self._label.on_view(view))

    async def push(self, trigger_id: str, view: View) -> ShownView | ViewRefused:
        return await self._views.push(trigger_id, self._label.on_view(view))

    async def update(self, view_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused:
        return await self._views.update(view_id, self._label.on_view(view), version=version)

    async def publish(self, user_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused:
        menu = await self._home_menu(user_id, self._label.appid)
        board = self._label.on_view(view, heading=menu)
        return await self._views.publish(user_id, board, version=version)
