"""The views of one of several Official Accounts: what passes through them gets the name of the account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bot.blocks.tenant_label import TenantLabel
from bot.ports import Block, ShownView, View, ViewRefused, Views


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
