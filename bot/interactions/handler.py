"""Handle slash commands, clicks, submitted modals and App Home: check access, parse, answer."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bot import actions, requests
from bot.actions import AlertAction, CheckNow, ChooseLanguage, EpisodeDetails, HomeList, OpenAdd, OpenInvite
from bot.blocks.answers import replies
from bot.blocks.context import RenderContext
from bot.blocks.modals.modal_view import details_view, message_view, reading_view
from bot.interactions.access import AccessPolicy, Membership
from bot.interactions.alert_actions import AlertActions
from bot.interactions.commands import CommandHandler, ReaderContext
from bot.interactions.home import HomePublisher
from bot.interactions.operation_forms import OperationForms
from bot.interactions.operation_gate import OperationGate
from bot.interactions.operation_submissions import OperationSubmissions
from bot.interactions.readers import Readers
from bot.interactions.view_answers import Announcement, Make, ModalAnswer, ViewAnswers
from bot.interactions.watcher_calls import WatcherCalls
from bot.ports import (
    Announce,
    BlockAction,
    Clock,
    Command,
    FieldErrors,
    HomeOpened,
    Message,
    Origin,
    Submission,
    SubmissionAnswer,
    View,
    unannounced,
)
from bot.requests import History, Operate, Show
from bot.runtime.logs import LogEvent
from bot.store.store_errors import StoreError, waiting_for

log = logging.getLogger(__name__)

SUBMISSION_SECONDS = 0.3  # the language of the person who submits a form is known, unless this process is new
OFFER_SECONDS = 1.0  # an answer waits no longer for whether its reader may change accounts
CHECK_GAP = timedelta(minutes=1)  # between polls requested with "Check now"


class InteractionHandler:
    """Answers everything that people do in Slack. Without a store, it answers only requests that need none."""

    def __init__(
        self,
        answers: CommandHandler,
        alert_actions: AlertActions | None,
        forms: OperationForms,
        submissions: OperationSubmissions | None,
        home: HomePublisher,
        views: ViewAnswers,
        *,
        gate: OperationGate,
        access: AccessPolicy,
        membership: Membership,
        readers: Readers,
        watcher: WatcherCalls,
        context: RenderContext,
        clock: Clock,
    ) -> None:
        """Keep what answers need. `context` is that of a reader whose language is not known."""
        self._answers = answers
        self._alert_actions = alert_actions
        self._forms = forms
        self._submissions = submissions
        self._home = home
        self._views = views
        self._gate = gate
        self._access = access
        self._membership = membership
        self._readers = readers
        self._watcher = watcher
        self._context = context
        self._clock = clock
        self._checked_at: datetime | None = None

    async def handle_command(self, command: Command, announce: Announce) -> Message | None:
        """Return the answer to a command; None if a modal was opened instead."""
        reader = self._reader(command.user_id, command.origin)
        request = requests.parse_command(command.text)
        if isinstance(request, Operate):
            return await self._forms.command(command, request, reader)
        if not command.origin.is_admitted and (refusal := await self._refusal(command.user_id, reader)):
            return refusal
        return await self._answers.answer(request, announce, reader)

    async def handle_action(self, click: BlockAction, announce: Announce) -> Message | None:
        """Return the answer to a click; None if the clicked message itself, or a view, shows the result.

        A click that cannot be decoded (forged, or of another release) is answered as out of date.
        """
        reader = self._reader(click.user_id, click.origin)
        action = actions.decode(click.action_id, click.value)
        if isinstance(action, OpenInvite | OpenAdd):
            return await self._forms.click(click, action, reader)
        if isinstance(action, HomeList | ChooseLanguage):
            await self._home.clicked(click, action)
            return None
        if refusal := await self._click_refusal(click, reader, acts=actions.is_alert_action(click.action_id)):
            return await self._in_place(click, refusal, reader)
        try:
            match action:
                case None:
                    return await self._in_place(click, replies.out_of_date(await reader()), reader)
                case AlertAction():
                    return await self._act(action, click, reader)
                case EpisodeDetails(episode_id):
                    return await self._show_episode(episode_id, click, reader)
                case Show(handle) if click.view or actions.opens_details(click.action_id):
                    return await self._show_account(handle, click, reader)
                case CheckNow():
                    return await self._check_now(announce, reader)
            if click.view:
                return await self._in_modal(action, click, reader)
            return await self._answers.answer(action, announce, reader)
        except StoreError as exc:
            log.warning(LogEvent("action not performed", error=waiting_for(exc) or type(exc).__name__))
            return await self._in_place(click, replies.database_away(await reader()), reader)

    async def handle_submission(self, submission: Submission) -> SubmissionAnswer:
        """Return the answer to a submitted modal."""
        lookup = self._readers.look_up(submission.user_id, SUBMISSION_SECONDS)
        context = await lookup.context(replace(self._context, around=self._clock()))
        if self._submissions is None:  # without a store no form was opened
            return FieldErrors({next(iter(submission.values), ""): replies.out_of_date(context).text})
        # A submission brings the handle only, and the channel shows the name.
        name = self._readers.name(submission.user_id) or submission.user_name
        return await self._submissions.submit(replace(submission, user_name=name), context)

    async def handle_home_opened(self, opened: HomeOpened) -> None:
        """Publish the board of a person who opened the Home tab."""
        await self._home.opened(opened)

    def changed(self) -> None:
        """Show a change of accounts or of their alerts on the boards that may be open."""
        self._home.changed()

    def restarting(self, user_id: str) -> Message:
        """Return the answer when the process stops before a better one is there."""
        return replies.restarting(self._readers.known(user_id, self._context))

    def failed(self, user_id: str) -> Message:
        """Return the answer when none could be made."""
        return replies.failed(self._readers.known(user_id, self._context))

    def _reader(self, user_id: str, origin: Origin) -> ReaderContext:
        """Start to look up the language of a person, and return what waits for it."""
        lookup = self._readers.look_up(user_id)
        base = replace(self._context, around=self._clock(), history=self._gate.is_on)
        offer: asyncio.Task[bool] | None = None

        async def read() -> RenderContext:
            nonlocal offer
            context = await lookup.context(base)
            if not self._gate.is_on:
                return context
            offer = offer or asyncio.create_task(self._gate.offers_invitations(user_id, origin))
            await asyncio.wait([offer], timeout=OFFER_SECONDS)
            return replace(context, operations=offer.done() and offer.result())

        return read

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
        seen an ephemeral message or a view, so membership is not checked there. KF_VIEWERS is: it may have changed.
        """
        if not acts and self._access.named and not click.origin.is_admitted:
            return await self._refusal(click.user_id, reader)
        if click.origin.is_ephemeral or click.view:
            return None
        member = await self._membership.includes(click.origin)
        named = await self._access.names(click.user_id)
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
        self._watcher.wake()
        self._home.changed()
        if not done.changed:
            return replies.unchanged(click.action_id, done.found, click.user_id, await reader())
        return None if done.is_shown else replies.carried_out(action.kind, done.changed, await reader())

    async def _show_episode(self, episode_id: str, click: BlockAction, reader: ReaderContext) -> Message | None:
        """Show the details of an alert's account as a modal."""
        episode = await self._gate.episode(episode_id)
        if episode is None:
            return replies.out_of_date(await reader())
        make = partial(self._answers.about, episode, unannounced, reader)
        return await self._details(actions.handle(episode.account_key), click, reader, make)

    async def _show_account(self, handle: str, click: BlockAction, reader: ReaderContext) -> Message | None:
        make = partial(self._answers.answer, Show(handle), unannounced, reader)
        return await self._details(handle, click, reader, make)

    async def _details(self, handle: str, click: BlockAction, reader: ReaderContext, make: Make) -> Message | None:
        async def view(message: Message) -> View:
            return details_view(message, handle, await reader())

        known = self._readers.known(click.user_id, self._context)
        announcement = Announcement(reading_view(known), lambda notice: details_view(notice, handle, known), known)
        early = partial(self._answers.recent, handle, reader)
        return await self._views.show(click, ModalAnswer(make, view, announcement, early))

    async def _in_modal(
        self, request: requests.Answered, click: BlockAction, reader: ReaderContext
    ) -> Message | None:
        """Show the answer to a click in a view as a modal: help, or the history of an account."""

        async def in_modal() -> RenderContext:
            return replace(await reader(), in_modal=True)

        answer = partial(self._answers.answer, request, unannounced, in_modal)
        return await self._show(answer, click, reader, is_history=isinstance(request, History))

    async def _in_place(self, click: BlockAction, message: Message, reader: ReaderContext) -> Message | None:
        """Return an answer, or show it as a modal after a click in a view."""
        if click.view is None:
            return message

        async def answer() -> Message:
            return message

        return await self._show(answer, click, reader)

    async def _show(
        self, answer: Make, click: BlockAction, reader: ReaderContext, *, is_history: bool = False
    ) -> Message | None:
        async def view(message: Message) -> View:
            return message_view(message, await reader(), is_history=is_history)

        known = self._readers.known(click.user_id, self._context)

        def show(notice: Message) -> View:
            return message_view(notice, known, is_history=is_history)

        # Its kind decides whether the answer is pushed, or takes the place of the clicked view.
        announcement = Announcement(show(replies.reading(known)), show, known)
        return await self._views.show(click, ModalAnswer(answer, view, announcement))

    async def _check_now(self, announce: Announce, reader: ReaderContext) -> Message:
        now = self._clock()
        if self._checked_at is None or now - self._checked_at >= CHECK_GAP:
            self._checked_at = now
            self._watcher.poll_now()
        # The overview reads WeChat itself, so it is the answer to "does it work now?".
        return await self._answers.answer(requests.Overview(), announce, reader)
