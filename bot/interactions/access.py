"""Access control: who may read with `/kf`, and who belongs to the workspace and may act on alerts."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bot.ports import Installation, Members, Origin, UnknownMembersError, UnknownWorkspaceError
from bot.runtime.single_flight import SingleFlight

REMEMBERED = 300.0  # seconds that the members of a group are cached


class AccessPolicy:
    """The users and user groups named in KF_VIEWERS. Without any, every user may read."""

    def __init__(self, named: Sequence[str], members: Callable[[str], Awaitable[Members]]) -> None:
        """Take the IDs of users and groups. `members` looks up a group, and raises UnknownMembersError."""
        self.named = tuple(named)
        groups = (who for who in named if who.startswith("S"))
        self._groups = {group: SingleFlight[Members](partial(members, group), REMEMBERED) for group in groups}

    async def allows(self, user_id: str) -> bool | None:
        """Return whether a user may read; None while Slack does not answer who is in a group."""
        if not self.named or user_id in self.named:
            return True
        known = await asyncio.gather(*map(self._has(user_id), self._groups.values()))
        return True if True in known else None if None in known else False

    def _has(self, user_id: str) -> Callable[[SingleFlight[Members]], Awaitable[bool | None]]:
        async def has(group: SingleFlight[Members]) -> bool | None:
            try:
                members, _ = await group.get()
            except UnknownMembersError:
                # Members of the last known list may go on: a fault of Slack must not lock all users out.
                return user_id in (group.last() or ()) or None
            return user_id in members

        return has


CHANNEL_SECONDS = 300.0  # how long the result of a channel is cached: it may be shared at any time


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
        """Take two lookups in Slack that raise UnknownWorkspaceError. The installation of a token never changes."""
        self._installation = SingleFlight(installation, math.inf)
        self._is_shared_outside = is_shared_outside
        self._channels: dict[str, SingleFlight[bool]] = {}

    async def includes(self, origin: Origin) -> bool | None:
        """Return whether the person behind a click belongs to it; None while Slack does not answer."""
        if not origin.team_id:
            return False
        try:
            installation, _ = await self._installation.get()
            known = belongs(origin, installation)
            return known if known is not None else not await self._shared(origin.channel_id)
        except UnknownWorkspaceError:
            return None

    async def _shared(self, channel_id: str) -> bool:
        new = SingleFlight(partial(self._is_shared_outside, channel_id), CHANNEL_SECONDS)
        shared, _ = await self._channels.setdefault(channel_id, new).get()
        return shared
