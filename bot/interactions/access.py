"""Access control: who may read with `/kf`, who may change accounts, and who belongs to the workspace."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bot.ports import BotWorkspace, Members, Origin, UnknownMembersError, UnknownWorkspaceError
from bot.runtime.single_flight import SingleFlight

REMEMBERED = 300.0  # seconds that the members of a group are cached
OPERATORS_REMEMBERED = 60.0  # the same, for the right to change accounts
OPERATORS_SECONDS = 0.7  # a form that was submitted is answered within Slack's three seconds
OPERATORS_TRUSTED = 3600.0  # seconds that the last known members count while Slack does not answer

MembersOf = Callable[[str], Awaitable[Members]]  # looks up a group; raises UnknownMembersError


class NamedPeople:
    """The users and user groups that a setting names."""

    def __init__(
        self,
        named: Sequence[str],
        members: MembersOf,
        *,
        remembered: float,
        trusted: float = math.inf,
        within: float | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the IDs.

        Args:
            remembered: seconds that the members of a group are cached.
            trusted: seconds from the last answer in which its members count, if Slack does not answer any more.
            within: seconds after which Slack counts as not answering; None for the time limit of the request.
        """
        self.ids = tuple(named)
        self._trusted = trusted
        self._within = within
        groups = (who for who in named if who.startswith("S"))
        self._groups = {
            group: SingleFlight[Members](partial(members, group), remembered, elapsed) for group in groups
        }

    async def include(self, user_id: str) -> bool | None:
        """Return whether the setting names a user; None while Slack does not answer who is in a group."""
        return user_id in self.ids or await self.include_in_group(user_id)

    async def include_in_group(self, user_id: str) -> bool | None:
        """Return whether a user is in one of the groups; None while Slack does not answer."""
        known = await asyncio.gather(*map(self._has(user_id), self._groups.values()))
        return True if True in known else None if None in known else False

    def _has(self, user_id: str) -> Callable[[SingleFlight[Members]], Awaitable[bool | None]]:
        async def has(group: SingleFlight[Members]) -> bool | None:
            try:
                members, _ = await asyncio.wait_for(group.get(), self._within)
            except (UnknownMembersError, TimeoutError):
                # Members of the last known list may go on: a fault of Slack must not lock all users out.
                last = group.last() if group.age() < self._trusted else None
                return user_id in (last or ()) or None
            return user_id in members

        return has


class OperatorPolicy:
    """The users and user groups named in KF_OPERATORS, who may change accounts. Without any, no user may.

    A change cannot be undone, so this fails closed: after an hour without an answer from Slack, the members of
    groups are unknown. Through a group only people of the bot's own workspace count.
    """

    def __init__(
        self,
        named: Sequence[str],
        members: MembersOf,
        membership: Membership,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self.people = NamedPeople(
            named,
            members,
            remembered=OPERATORS_REMEMBERED,
            trusted=OPERATORS_TRUSTED,
            within=OPERATORS_SECONDS,
            elapsed=elapsed,
        )
        self._membership = membership

    @property
    def named(self) -> tuple[str, ...]:
        return self.people.ids

    async def allows(self, user_id: str, origin: Origin) -> bool | None:
        """Return whether a user may change accounts; None while Slack does not answer."""
        if user_id in self.named:
            return True
        found = await self.people.include_in_group(user_id)
        return await self._membership.includes(origin) if found else found


class AccessPolicy:
    """The users and user groups named in KF_VIEWERS, and the operators. Without viewers, every user may read."""

    def __init__(
        self,
        named: Sequence[str],
        members: MembersOf,
        operators: OperatorPolicy | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the IDs of users and groups, and a lookup of a group."""
        self.named = tuple(named)
        people = NamedPeople(named, members, remembered=REMEMBERED, elapsed=elapsed)
        self._people = (people, operators.people) if operators else (people,)

    async def allows(self, user_id: str) -> bool | None:
        """Return whether a user may read; None while Slack does not answer who is in a group."""
        return await self.names(user_id) if self.named else True

    async def names(self, user_id: str) -> bool | None:
        """Return whether a user is named, as a viewer or as an operator; None while Slack does not answer."""
        if any(user_id in people.ids for people in self._people):
            return True
        known = await asyncio.gather(*(people.include(user_id) for people in self._people))
        return True if True in known else None if None in known else False


CHANNEL_SECONDS = 300.0  # how long the result of a channel is cached: it may be shared at any time


def belongs(origin: Origin, bot_workspace: BotWorkspace) -> bool | None:
    """Return whether a person belongs to the workspace or its organisation.

    None: only the channel can decide. `enterprise` is the app's organisation, not the person's, so in a channel
    shared with another company it proves nothing; in any other channel all people are of the organisation.
    """
    if not origin.team_id:
        return False
    if origin.team_id == bot_workspace.team_id:
        return True
    if not bot_workspace.enterprise_id:
        return False
    # In an organisation, Slack may report its ID in place of a workspace's.
    if bot_workspace.enterprise_id in (origin.team_id, origin.user_enterprise_id):
        return True
    return None if origin.enterprise_id == bot_workspace.enterprise_id else False


class Membership:
    """Decides whether the person behind a click belongs to the bot's own workspace or organisation."""

    def __init__(
        self,
        bot_workspace: Callable[[], Awaitable[BotWorkspace]],
        is_shared_outside: Callable[[str], Awaitable[bool]],
    ) -> None:
        """Take two lookups in Slack that raise UnknownWorkspaceError. The workspace of a token never changes."""
        self._bot_workspace = SingleFlight(bot_workspace, math.inf)
        self._is_shared_outside = is_shared_outside
        self._channels: dict[str, SingleFlight[bool]] = {}

    async def includes(self, origin: Origin) -> bool | None:
        """Return whether the person behind a click belongs to it; None while Slack does not answer."""
        if not origin.team_id:
            return False
        try:
            bot_workspace, _ = await self._bot_workspace.get()
            known = belongs(origin, bot_workspace)
            return known if known is not None else not await self._shared(origin.channel_id)
        except UnknownWorkspaceError:
            return None

    async def _shared(self, channel_id: str) -> bool:
        if not channel_id:  # a click in a modal or in App Home
            return True
        new = SingleFlight(partial(self._is_shared_outside, channel_id), CHANNEL_SECONDS)
        shared, _ = await self._channels.setdefault(channel_id, new).get()
        return shared
