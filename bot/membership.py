"""Membership of the workspace that the bot is installed in. Asking Slack, and what members may do, stay out."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from bot.ports import Origin
from bot.sharing import Shared

CHANNEL_SECONDS = 300.0  # how long the answer about a channel is reused: it may be shared at any time


class UnknownWorkspaceError(Exception):
    """Slack did not answer. The text is its error code."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The workspace of the bot token."""

    team_id: str
    enterprise_id: str = ""  # of its organisation; "" outside Enterprise Grid


def belongs(origin: Origin, installation: Installation) -> bool | None:
    """Return whether a person belongs to the workspace or its organisation.

    None: only the channel can decide. `enterprise` is the app's organisation, not the person's, so in a channel
    shared with another company it proves nothing; in any other channel all people are of the organisation.
    """
    if not origin.team_id:
        return False
    if origin.team_id == installation.team_id:
        return True
    if not installation.enterprise_id:
        return False
    # In an organisation, Slack may report its ID in place of a workspace's.
    if installation.enterprise_id in (origin.team_id, origin.user_enterprise_id):
        return True
    return None if origin.enterprise_id == installation.enterprise_id else False


class Membership:
    """Decides whether the person behind a click belongs to the bot's own workspace or organisation."""

    def __init__(
        self,
        installation: Callable[[], Awaitable[Installation]],
        is_shared_outside: Callable[[str], Awaitable[bool]],
    ) -> None:
        """Both ask Slack, and raise UnknownWorkspaceError. The installation of a token never changes."""
        self._installation = Shared(installation, math.inf)
        self._is_shared_outside = is_shared_outside
        self._channels: dict[str, Shared[bool]] = {}

    async def includes(self, origin: Origin) -> bool | None:
        """Return whether it includes the person; None while Slack does not answer."""
        if not origin.team_id:
            return False
        try:
            installation, _ = await self._installation.get()
            known = belongs(origin, installation)
            return known if known is not None else not await self._shared(origin.channel_id)
        except UnknownWorkspaceError:
            return None

    async def _shared(self, channel_id: str) -> bool:
        new = Shared(partial(self._is_shared_outside, channel_id), CHANNEL_SECONDS)
        shared, _ = await self._channels.setdefault(channel_id, new).get()
        return shared
