"""Publish views of App Home in Slack: what follows from each refusal."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from bot.ports import ShownView, View, ViewRefused, Views
from bot.runtime.logs import LogEvent

log = logging.getLogger(__name__)

DISABLED_SECONDS = 3600.0  # until Home is tried again after `not_enabled`


class HomeSender:
    """Publishes views. While Home is switched off in the Slack app, it publishes nothing."""

    def __init__(
        self, views: Views, elapsed: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._views = views
        self._elapsed = elapsed
        self._sleep = sleep
        self._disabled_until = float("-inf")
        self._disabled_logged = False

    async def publish(self, user_id: str, view: View, version: str = "") -> ShownView | ViewRefused:
        """Publish a view; with `version`, only over that one. After HTTP 429 wait once, as long as Slack asks."""
        if self._elapsed() < self._disabled_until:
            return ViewRefused("not_enabled")
        shown = await self._views.publish(user_id, view, version=version)
        if isinstance(shown, ViewRefused) and shown.wait:
            await self._sleep(shown.wait)
            shown = await self._views.publish(user_id, view, version=version)
        if not isinstance(shown, ViewRefused):
            self._disabled_logged = False
        elif shown.error == "not_enabled":
            self._note_disabled()
        return shown

    def _note_disabled(self) -> None:
        self._disabled_until = self._elapsed() + DISABLED_SECONDS
        if not self._disabled_logged:
            log.warning(LogEvent("App Home is switched off in the Slack app (Features > App Home > Home Tab)"))
        self._disabled_logged = True
