"""Publish App Home: when a person opens it, at each click in it, and when something has changed.

`HomeInquiry` gathers and renders. A person whose permission is not known yet sees no name of any account.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from bot import actions, view_metadata
from bot.actions import ChooseLanguage, HomeList
from bot.blocks.context import RenderContext
from bot.interactions.access import AccessPolicy
from bot.interactions.account_reader import AccountReader
from bot.interactions.home_inquiry import HomeInquiry, HomeSources
from bot.interactions.home_sender import HomeSender
from bot.interactions.language_choices import LanguageChoices
from bot.interactions.open_homes import HomeRequest, OpenHome, OpenHomes
from bot.interactions.readers import Readers
from bot.language import Language
from bot.ports import BlockAction, Clock, HomeOpened, ShownView, View, Views, utc_now
from bot.runtime.logs import LogEvent, fault_words
from bot.runtime.tasks import BackgroundTasks
from bot.status import Status
from bot.store.store_errors import StoreError

log = logging.getLogger(__name__)

CHANGE_GAP = 10.0  # seconds between two publishes to one person, if the second follows a change


class HomePublisher:
    """Publishes the board of each person: one publish at a time for each, and the newest request next."""

    def __init__(
        self,
        views: Views,
        accounts: AccountReader,
        *,
        status: Callable[[], Awaitable[Status]],
        access: AccessPolicy,
        may_operate: Callable[[str], Awaitable[bool | None]],
        readers: Readers,
        choices: LanguageChoices,
        tasks: BackgroundTasks,
        context: RenderContext,
        clock: Clock = utc_now,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Keep what boards are made from.

        Args:
            may_operate: returns whether a user is an operator; None while Slack does not answer.
            sleep: waits for seconds of `elapsed`.
        """
        self._sender = HomeSender(views, elapsed, sleep)
        self._accounts = accounts
        self._choices = choices
        self._tasks = tasks
        self._elapsed = elapsed
        self._sources = HomeSources(accounts, status, access, may_operate, readers, choices, context, clock, sleep)
        self._homes = OpenHomes()

    async def opened(self, event: HomeOpened) -> None:
        """Publish the board of a person who opened Home, with the list that their last board showed."""
        listed = view_metadata.decode_home(event.private_metadata)
        await self._publish(event.user_id, HomeRequest(listed, is_first=not event.has_view))

    async def clicked(self, click: BlockAction, action: HomeList | ChooseLanguage) -> None:
        """Publish the board after a click in it: another list, another language, or the same again."""
        listed = view_metadata.decode_home(click.view.private_metadata if click.view else "")
        if isinstance(action, ChooseLanguage):
            await self._choose(click.user_id, action.choice)
        elif click.action_id != actions.HOME_REFRESH:
            listed = action
        await self._publish(click.user_id, HomeRequest(listed))

    def changed(self) -> None:
        """Publish the boards that may be open again, since something that they show has changed."""
        homes = [*self._homes.open_now(self._elapsed())]
        if homes:
            self._accounts.expire()
        for home in homes:
            if not home.is_scheduled:
                home.is_scheduled = True
                self._tasks.start(self._follow(home))

    async def _follow(self, home: OpenHome) -> None:
        """Publish a board after a change, not sooner than some seconds after its last publish."""
        try:
            wait = home.published_at + CHANGE_GAP - self._elapsed()
            if wait > 0:
                await self._sources.within(self._tasks.stopping.wait(), wait)
        finally:
            home.is_scheduled = False
        if home.is_open(self._elapsed()) and not self._tasks.stopping.is_set():
            await self._run(home, HomeRequest(home.listed, follows_change=True))

    async def _choose(self, user_id: str, choice: str) -> None:
        try:
            await self._choices.choose(user_id, None if choice == "auto" else Language(choice))
        except (*StoreError, TimeoutError) as exc:
            log.warning(LogEvent("choice of a language not stored", user=user_id, error=fault_words(exc)))

    async def _publish(self, user_id: str, request: HomeRequest) -> None:
        home = self._homes.open(user_id, self._elapsed())
        home.listed = request.listed
        await self._run(home, request)

    async def _run(self, home: OpenHome, request: HomeRequest) -> None:
        """Publish a request, and those that come while it runs; the caller of such a request does not wait."""
        if not home.ask(request):
            return
        following: HomeRequest | None = request
        try:
            while following:
                try:
                    await self._answer(home, following)
                except Exception:
                    log.exception("App Home could not be rendered")
                following, home.waiting = home.waiting, None
        finally:
            home.is_running = False

    async def _answer(self, home: OpenHome, request: HomeRequest) -> None:
        inquiry = HomeInquiry(self._sources, home.user_id, request.listed)
        try:
            await self._publish_steps(home, request, inquiry)
        finally:
            inquiry.close()

    async def _publish_steps(self, home: OpenHome, request: HomeRequest, inquiry: HomeInquiry) -> None:
        """Publish what is known at once, then the board as WeChat reports it."""
        # The first publish has no `hash`: the request of the person replaces the view of any process.
        version = home.version if request.follows_change else ""
        early = not request.follows_change and inquiry.last is not None  # the last read is shown before the next
        is_blank = request.is_first
        allowed = await inquiry.allowed_at_once()
        if is_blank and allowed is not False and not (early and allowed):
            version, is_blank = await self._send(home, inquiry.reading(), version), False
        allowed = await inquiry.allowed()
        if not allowed:
            await self._send(home, await inquiry.refusal(allowed), version)
            return
        if early and not inquiry.has_read:
            view = await inquiry.last_board() or (inquiry.reading() if is_blank else None)
            if view:
                version = await self._send(home, view, version)
        await self._send(home, await inquiry.board(), version)

    async def _send(self, home: OpenHome, view: View, version: str) -> str:
        """Publish a view, and return the `hash` for the next one."""
        shown = await self._sender.publish(home.user_id, view, version)
        if isinstance(shown, ShownView):
            home.version, home.published_at = shown.version, self._elapsed()
            return shown.version
        if shown.error == "hash_conflict":
            home.opened_at = float("-inf")  # the process with the newer view follows changes from now on
        return version
