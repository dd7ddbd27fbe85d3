"""Open the form of an operation, within the three seconds in which Slack accepts a trigger.

`form_builder` builds it. If the permission or the list is not known at once, a modal that announces the form is
opened first and replaced.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from bot import view_metadata
from bot.accounts import account_of
from bot.actions import OpenAdd, OpenInvite
from bot.blocks.answers import operation_refusals, replies
from bot.blocks.context import RenderContext
from bot.blocks.modals.modal_view import callback_of, reading_view, refused_view
from bot.blocks.modals.pick import blocked_view
from bot.blocks.modals.write_errors import refusal_view
from bot.blocks.problems import explain_error
from bot.interactions.account_reader import AccountReader
from bot.interactions.commands import ReaderContext
from bot.interactions.form_builder import FormBuilder
from bot.interactions.operation_gate import OperationGate
from bot.interactions.view_answers import Announcement, update_patiently
from bot.operations.operation import Availability, OperationKind
from bot.operations.rules import INVITABLE, facts_of
from bot.ports import BlockAction, Clock, Command, Message, Origin, ShownView, View, ViewRefused, Views
from bot.requests import Operate
from bot.runtime.logs import LogEvent, error_fields
from bot.runtime.tasks import BackgroundTasks
from bot.store.store_errors import StoreError, waiting_for
from wechat_kf import KfError

log = logging.getLogger(__name__)

AT_ONCE = 0.5  # seconds that a form waits for the permission and the language before a modal announces it
TOO_LATE = frozenset({"expired_trigger_id", "exchanged_trigger_id"})


@dataclass(frozen=True, slots=True)
class Opening:
    """A request for a form: who asks, and how the modal is opened."""

    user_id: str
    origin: Origin
    trigger_id: str
    is_typed: bool = False
    again: bool = False  # for the person of an alert, who was invited before
    in_view: bool = False  # the clicked button was in a modal or in App Home
    pushes: bool = False  # on top of the modal whose button was clicked
    replaces: str = ""  # the view that the form takes the place of


class OperationForms:
    """Opens forms. Each method returns the answer if there is no form; None once a modal is open."""

    def __init__(
        self,
        views: Views,
        accounts: AccountReader,
        gate: OperationGate,
        *,
        channel: str,
        clock: Clock,
        tasks: BackgroundTasks,
    ) -> None:
        self._tasks = tasks
        self._views = views
        self._accounts = accounts
        self._gate = gate
        self._builder = FormBuilder(accounts, gate, channel=channel, clock=clock)
        self._clock = clock

    async def command(self, command: Command, request: Operate, reader: ReaderContext) -> Message | None:
        """Open the form of a typed command."""
        opening = Opening(command.user_id, command.origin, command.trigger_id, is_typed=True)
        return await self._open(opening, request.kind, reader, partial(self._builder.typed_command, request))

    async def click(
        self, click: BlockAction, action: OpenInvite | OpenAdd, reader: ReaderContext
    ) -> Message | None:
        """Open the form of a button."""
        in_modal = click.view is not None and not click.view.is_home
        has_added = click.view is not None and click.view.callback_id == callback_of(OperationKind.ADD)
        replaces = click.view.id if click.view and has_added else ""
        opening = Opening(
            click.user_id,
            click.origin,
            click.trigger_id,
            again=isinstance(action, OpenInvite) and bool(action.episode_id),
            in_view=click.view is not None,
            pushes=in_modal and not replaces,
            replaces=replaces,
        )
        if isinstance(action, OpenAdd):
            return await self._open(opening, OperationKind.ADD, reader, partial(self._builder.add, "", ""))
        return await self._open(opening, OperationKind.INVITE, reader, partial(self._builder.invite, action))

    async def _open(
        self,
        opening: Opening,
        kind: OperationKind,
        reader: ReaderContext,
        form: Callable[[RenderContext], Awaitable[View | Message]],
    ) -> Message | None:
        """Check the permission, and show the form; `form` returns a Message if there is none."""
        if self._gate.availability is not Availability.ON:
            context = await reader()
            off = operation_refusals.operations_off(self._gate.availability, context)
            return await self._answer(opening, kind, off, context)
        preparing = asyncio.create_task(self._prepare(opening, kind, reader, form))
        try:
            done, _ = await asyncio.wait([preparing], timeout=AT_ONCE)
            context = await reader()
            if not done:
                return await self._announce(opening, kind, preparing, context)
            view = await preparing
        finally:
            preparing.cancel()
        if isinstance(view, Message):
            return await self._answer(opening, kind, view, context)
        shown = await self._show(opening, view)
        if isinstance(shown, ViewRefused):
            return self._not_opened(opening, shown, context)
        if kind is OperationKind.INVITE and (form_ := view_metadata.decode_form(view.get("private_metadata", ""))):
            self._tasks.start(self._check(shown, form_.handle, context))
        return None

    async def _announce(
        self,
        opening: Opening,
        kind: OperationKind,
        preparing: asyncio.Task[View | Message],
        context: RenderContext,
    ) -> Message | None:
        """Open a modal that announces the form, and replace it by the form, or by the reason why there is none."""

        def show(notice: Message) -> View:
            return refused_view(kind, notice, context)

        announcement = Announcement(reading_view(context, kind, again=opening.again), show, context)
        shown = await self._show(opening, announcement.reading)
        if isinstance(shown, ViewRefused):
            return self._not_opened(opening, shown, context)
        async with announcement.lasts(self._views, shown):
            view = await preparing
            view = show(view) if isinstance(view, Message) else view
            await update_patiently(self._views, shown.id, view, version=shown.version)
        return None

    async def _prepare(
        self,
        opening: Opening,
        kind: OperationKind,
        reader: ReaderContext,
        form: Callable[[RenderContext], Awaitable[View | Message]],
    ) -> View | Message:
        allowed, context = await asyncio.gather(self._gate.permits(opening.user_id, opening.origin), reader())
        if allowed is None:
            return operation_refusals.operators_not_checked(context)
        if not allowed:
            log.info(LogEvent("operation refused", user=opening.user_id[:40]))
            return operation_refusals.not_an_operator(self._gate.operators, context)
        try:
            return await form(context)
        except StoreError as exc:
            log.warning(LogEvent("form not opened", error=waiting_for(exc) or type(exc).__name__))
            return replies.database_away(context)
        except KfError as error:
            log.warning(LogEvent("WeChat could not be read", **error_fields(error)))
            return refusal_view(kind, explain_error(error, context), context)

    async def _show(self, opening: Opening, view: View) -> ShownView | ViewRefused:
        if opening.replaces:
            return await self._views.update(opening.replaces, view)
        show = self._views.push if opening.pushes else self._views.open
        return await show(opening.trigger_id, view)

    async def _answer(
        self, opening: Opening, kind: OperationKind, message: Message, context: RenderContext
    ) -> Message | None:
        """Return the answer; show it as a modal after a click in a view, which has no other place for answers."""
        if not opening.in_view:
            return message
        await self._show(opening, refused_view(kind, message, context))
        return None

    def _not_opened(self, opening: Opening, refused: ViewRefused, context: RenderContext) -> Message | None:
        log.info(LogEvent("form not opened", error=refused.error))
        if opening.in_view:
            return None
        if refused.error in TOO_LATE:
            return operation_refusals.too_late_to_open(context, typed=opening.is_typed)
        return replies.failed(context)

    async def _check(self, shown: ShownView, handle: str, context: RenderContext) -> None:
        """Read the list, and replace a form that it makes impossible, unless the person was quicker."""
        try:
            snapshot = await self._accounts.read()
        except KfError:
            return  # the submission reads it again
        if snapshot.is_cached:
            return  # the form is of this read, or of an episode that is newer
        row = account_of(snapshot.rows, handle)
        facts = facts_of(row.account, self._clock()) if row else None
        if facts and facts.status not in INVITABLE:
            blocked = blocked_view(facts, self._clock(), context)
            await update_patiently(self._views, shown.id, blocked, version=shown.version)
