"""Gather what the App Home of one person shows, and render it. All requests run at the same time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from bot.accounts import Snapshot
from bot.actions import HomeList
from bot.blocks.channel.incident_notices import explain_old_states
from bot.blocks.context import RenderContext
from bot.blocks.home import notices
from bot.blocks.home.board import board, unavailable
from bot.blocks.home.home_view import HomeUser
from bot.interactions.access import AccessPolicy
from bot.interactions.account_reader import AccountReader
from bot.interactions.language_choices import LanguageChoices
from bot.interactions.readers import Readers
from bot.ports import Clock, View
from bot.runtime.logs import LogEvent, error_fields, fault_words
from bot.status import Status
from wechat_kf import KfError

log = logging.getLogger(__name__)

T = TypeVar("T")

FRESH = timedelta(minutes=10)  # a read that is not older is published before WeChat has answered
PERMISSION_SECONDS = 1.0  # then the permission counts as not known
AT_ONCE = 0.1  # seconds: what is cached is there by then


@dataclass(slots=True)
class HomeSources:
    """What boards are made from."""

    accounts: AccountReader
    status: Callable[[], Awaitable[Status]]
    access: AccessPolicy
    may_operate: Callable[[str], Awaitable[bool | None]]  # None while Slack does not answer
    readers: Readers
    choices: LanguageChoices
    context: RenderContext
    clock: Clock
    sleep: Callable[[float], Awaitable[None]]
    last_status: Status | None = None

    async def read_status(self) -> Status:
        self.last_status = await self.status()
        return self.last_status

    async def within(self, work: Awaitable[T], seconds: float) -> T | None:
        """Return the result, or None if there is none in time; late work is cancelled."""
        working, clock = asyncio.ensure_future(work), asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait({working, clock}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            working.cancel()
            clock.cancel()


class HomeInquiry:
    """The requests for one publish of one person's board, and the views that follow from their results."""

    def __init__(self, sources: HomeSources, user_id: str, listed: HomeList) -> None:
        """Start the requests, without waiting."""
        self._sources = sources
        self._user_id = user_id
        self._listed = listed
        self._base = replace(sources.context, around=sources.clock())
        self._reader = sources.readers.look_up(user_id)
        self._snapshot = asyncio.create_task(sources.accounts.read_sparingly())
        self._status = asyncio.create_task(sources.read_status())
        self._reads = self._start(sources.within(sources.access.allows(user_id), PERMISSION_SECONDS))
        self._operates = self._start(sources.within(sources.may_operate(user_id), PERMISSION_SECONDS))
        self._allowed = self._start(self._permission())

    def close(self) -> None:
        """End what is not needed any more. A read that other callers share goes on."""
        for task in (self._allowed, self._snapshot, self._status, self._reads, self._operates):
            task.cancel()
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    @property
    def has_read(self) -> bool:
        """Return whether WeChat has answered by now."""
        return self._snapshot.done()

    async def allowed(self) -> bool | None:
        """Return whether the person may see the board; None while Slack does not answer."""
        return await self._allowed

    async def allowed_at_once(self) -> bool | None:
        """Return the same as far as it is known at once."""
        return await self._sources.within(asyncio.shield(self._allowed), AT_ONCE)

    @property
    def last(self) -> Snapshot | None:
        """Return the last good read, unless it is too old to be shown without a word."""
        last = self._sources.accounts.last()
        return last if last and self._sources.clock() - last.at <= FRESH else None

    def reading(self) -> View:
        return notices.reading(self._listed, self._known_context())

    async def refusal(self, allowed: bool | None) -> View:
        """Render the refusal of a person who may not read, or whose permission is not known."""
        context = await self._reader.context(self._base)
        if allowed is None:
            return notices.not_checked(self._person(), self._listed, context)
        return notices.refused(self._sources.access.named, self._person(), self._listed, context)

    async def last_board(self) -> View | None:
        """Render the last good read with what else is known at once; None if that is too little."""
        last = self.last
        status = await self._sources.within(asyncio.shield(self._status), AT_ONCE) or self._sources.last_status
        if last is None or status is None:
            return None
        try:
            return board(last, status, self._person(), self._listed, self._known_context())
        except Exception as exc:  # the board that follows has a placeholder for the account at fault
            log.info(LogEvent("last read cannot be shown", error=fault_words(exc)))
            return None

    async def board(self) -> View:
        """Render the accounts as WeChat reports them now, else as they were last known."""
        await self._operates
        reads: list[Awaitable[Snapshot]] = [self._snapshot]

        async def present() -> View:
            snapshot = await (reads.pop() if reads else self._sources.accounts.read_sparingly())
            status, context = await self._status, await self._reader.context(self._base)
            return board(snapshot, status, self._person(), self._listed, context)

        try:
            return await self._sources.accounts.contained(present)
        except KfError as error:
            log.warning(LogEvent("WeChat could not be read", **error_fields(error)))
            failed = error
        return await self._sources.accounts.contained(lambda: self._last_known(failed))

    async def _last_known(self, error: KfError) -> View:
        last, status = await asyncio.gather(self._sources.accounts.last_with_owners(), self._status)
        context = await self._reader.context(self._base)
        why, now = explain_old_states(error, context), self._sources.clock()
        return unavailable(why, last, status, self._person(), self._listed, now, context)

    async def _permission(self) -> bool | None:
        if await self._reads or await self._operates:  # an operator may read
            return True
        return None if None in (self._reads.result(), self._operates.result()) else False

    def _person(self) -> HomeUser:
        operates = self._operates.done() and bool(self._operates.result())
        choices = self._sources.choices
        choice = (choices.known(self._user_id) or "auto") if choices.can_store else ""
        return HomeUser(self._user_id, operates, choice)

    def _known_context(self) -> RenderContext:
        return self._sources.readers.known(self._user_id, self._base)

    def _start(self, work: Coroutine[Any, Any, bool | None]) -> asyncio.Task[bool | None]:
        return asyncio.create_task(work)
