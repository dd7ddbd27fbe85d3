"""Handle slash commands and button clicks: check access, parse, reply."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bot import actions, requests
from bot.actions import AlertAction, CheckNow, EpisodeDetails
from bot.blocks.answers import replies
from bot.blocks.context import RenderContext
from bot.interactions.access import AccessPolicy, Membership
from bot.interactions.alert_actions import AlertActions
from bot.interactions.commands import CommandHandler, ReaderContext
from bot.interactions.readers import Readers
from bot.interactions.status_reporter import StatusReporter
from bot.ports import Accounts, Announce, BlockAction, Clock, Message
from bot.runtime.logs import LogEvent
from bot.runtime.tasks import BackgroundTasks
from bot.store import episodes, poll_state
from bot.store.database import Store
from bot.store.store_errors import StoreError, waiting_for

log = logging.getLogger(__name__)

CHECK_GAP = timedelta(minutes=1)  # between polls requested with "Check now"
WAKE_AFTER = 0.05  # seconds: the answer is sent first
WAKE_GAP = timedelta(seconds=5)  # frequent commands must not cause as many writes to the store


class InteractionHandler:
    """Answers commands and clicks. Without a store, it answers only requests that need none."""

    def __init__(
        self,
        accounts: Accounts,
        store: Store | None,
        alert_actions: AlertActions | None,
        *,
        status_reporter: StatusReporter,
        wake: Callable[[], None],
        tasks: BackgroundTasks,
        access: AccessPolicy,
        membership: Membership,
        readers: Readers,
        clock: Clock,
        notice_after: float,
    ) -> None:
        """Keep what answers and actions need.

        Args:
            wake: starts the next step of each loop of this process at once.
            notice_after: seconds after which a read of WeChat is announced to the user.
        """
        self._access = access
        self._membership = membership
        self._readers = readers
        self._store = store
        self._alert_actions = alert_actions
        self._wake = wake
        self._tasks = tasks
        self._clock = clock
        self._checked_at: datetime | None = None
        self._woken_at: datetime | None = None
        settings = status_reporter.settings
        self._context = RenderContext.from_settings(settings)
        self._answers = CommandHandler(
            accounts,
            now=clock,
            context=self._context,
            channel=settings.slack_alert_channel,
            status=status_reporter.status,
            newest_episode=status_reporter.newest_episode,
            owned=status_reporter.owned,
            on_good_read=self._wake_after_read,
            notice_after=notice_after,
        )

    async def handle_command(self, text: str, user_id: str, announce: Announce) -> Message:
        reader = self._reader(user_id)
        if refusal := await self._refusal(user_id, reader):
            return refusal
        return await self._answers.answer(requests.parse_command(text), announce, reader)

    async def handle_action(self, click: BlockAction, announce: Announce) -> Message | None:
        """Return the answer to a click; None if the clicked message itself shows the result.

        A click that cannot be decoded (forged, or of another release) is answered as out of date.
        """
        reader = self._reader(click.user_id)
        if refusal := await self._click_refusal(click, reader, acts=actions.is_alert_action(click.action_id)):
            return refusal
        try:
            match actions.decode(click.action_id, click.value):
                case None:
                    return replies.out_of_date(await reader())
                case AlertAction() as action:
                    return await self._act(action, click, reader)
                case EpisodeDetails(episode_id):
                    return await self._details(episode_id, announce, reader)
                case CheckNow():
                    return await self._check_now(announce, reader)
                case request:
                    return await self._answers.answer(request, announce, reader)
        except StoreError as exc:
            log.warning(LogEvent("action not performed", error=waiting_for(exc) or type(exc).__name__))
            return replies.database_away(await reader())

    def restarting(self, user_id: str) -> Message:
        """Return the answer when the process stops before a better one is there."""
        return replies.restarting(self._readers.known(user_id, self._context))

    def failed(self, user_id: str) -> Message:
        """Return the answer when none could be made."""
        return replies.failed(self._readers.known(user_id, self._context))

    def _reader(self, user_id: str) -> ReaderContext:
        """Start to look up the language of a person, and return what waits for it."""
        lookup = self._readers.look_up(user_id)
        return partial(lookup.context, replace(self._context, around=self._clock()))

    async def _refusal(self, user_id: str, reader: ReaderContext) -> Message | None:
        match await self._access.allows(user_id):
            case True:
                return None
            case False:
                return replies.not_admitted(self._access.named, await reader())
        return replies.admission_not_checked(await reader())

    async def _click_refusal(self, click: BlockAction, reader: ReaderContext, *, acts: bool) -> Message | None:
        """Return a refusal for readers that KF_VIEWERS does not name, and for users of other workspaces.

        Members of the workspace may act on an alert; the other buttons are for viewers. Only an admitted user has
        seen an ephemeral message, so membership is not checked for it. KF_VIEWERS is: it may have changed.
        """
        if not acts and self._access.named:
            return await self._refusal(click.user_id, reader)
        if click.origin.is_ephemeral:
            return None
        member = await self._membership.includes(click.origin)
        named = self._access.named and await self._access.allows(click.user_id)
        if member or named:
            return None
        log.info(LogEvent("click refused", asked=click.action_id[:80], user=click.user_id[:40], member=member))
        context = await reader()
        unknown = None in (member, named)
        return replies.membership_not_checked(context) if unknown else replies.not_a_member(context)

    async def _act(self, action: AlertAction, click: BlockAction, reader: ReaderContext) -> Message | None:
        await reader()  # by then their name is known, which the thread shows: a click brings the handle only
        click = replace(click, user_name=self._readers.name(click.user_id) or click.user_name)
        done = await self._alert_actions.perform(action, click) if self._alert_actions else None
        if done is None or not done.found:
            return replies.out_of_date(await reader())
        self._wake()
        if not done.changed:
            return replies.unchanged(click.action_id, done.found, click.user_id, await reader())
        return None if done.is_shown else replies.carried_out(action.kind, done.changed, await reader())

    async def _details(self, episode_id: str, announce: Announce, reader: ReaderContext) -> Message:
        if self._store is None:
            return replies.out_of_date(await reader())
        async with self._store.begin() as tx:
            found = await episodes.get_many(tx, [episodes.sanitize_text(episode_id)])
        if not found:
            return replies.out_of_date(await reader())
        (episode,) = found.values()
        return await self._answers.about(episode, announce, reader)

    async def _check_now(self, announce: Announce, reader: ReaderContext) -> Message:
        now = self._clock()
        if self._store and (self._checked_at is None or now - self._checked_at >= CHECK_GAP):
            self._checked_at = now
            self._tasks.start(self._wake_watcher(self._store, always=True))
        # The overview reads WeChat itself, so it is the answer to "does it work now?".
        return await self._answers.answer(requests.Overview(), announce, reader)

    def _wake_after_read(self) -> None:
        """Make a poll that is delayed by failures due now, since a read has just succeeded."""
        now = self._clock()
        if self._store is None or (self._woken_at and now - self._woken_at < WAKE_GAP):
            return
        self._woken_at = now
        self._tasks.start(self._wake_watcher(self._store))

    async def _wake_watcher(self, store: Store, *, always: bool = False) -> None:
        await asyncio.sleep(WAKE_AFTER)
        try:
            async with store.begin() as tx:
                is_due = await poll_state.poll_now(tx, tx.now, always=always)
        except StoreError as exc:
            log.info(LogEvent("could not wake the watcher", error=waiting_for(exc) or type(exc).__name__))
        else:
            if is_due:
                self._wake()
