"""Who may read with `/kf`: people by name, and the members of user groups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bot.sharing import Shared

REMEMBERED = 300.0  # seconds that a group's members are taken as known

Members = frozenset[str]


class UnknownMembersError(Exception):
    """Slack did not say who is in a group. The text is its word for that."""


class Viewers:
    """The people named in KF_VIEWERS. With nobody named it is everybody."""

    def __init__(self, named: Sequence[str], members: Callable[[str], Awaitable[Members]]) -> None:
        """`named` are IDs. `members` looks up a group, and raises UnknownMembersError."""
        self.named = tuple(named)
        groups = (who for who in named if who.startswith("S"))
        self._groups = {group: Shared[Members](partial(members, group), REMEMBERED) for group in groups}

    async def admits(self, user_id: str) -> bool | None:
        """Whether somebody may read. None: that cannot be known now, since Slack does not say who is in a group."""
        if not self.named or user_id in self.named:
            return True
        known = await asyncio.gather(*map(self._has(user_id), self._groups.values()))
        return True if True in known else None if None in known else False

    def _has(self, user_id: str) -> Callable[[Shared[Members]], Awaitable[bool | None]]:
        async def has(group: Shared[Members]) -> bool | None:
            try:
                members, _ = await group.get()
            except UnknownMembersError:
                # Who was in it when it was last known may go on: Slack's trouble must not lock everybody out.
                return user_id in (group.last() or ()) or None
            return user_id in members

        return has
