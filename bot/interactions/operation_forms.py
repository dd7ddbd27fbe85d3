"""Open the form of an operation, within the three seconds in which Slack accepts a trigger.

The form is rendered from what is known: the alert's episode, or the last read of the list. If the permission or the
list is not known at once, a modal that announces it is opened first and replaced.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from bot import actions, view_metadata
from bot.accounts import AccountRow, Snapshot, account_of, find_accounts
from bot.actions import OpenAdd, OpenInvite
from bot.blocks.answers import operation_refusals, replies
from bot.blocks.answers.lists import no_match
from bot.blocks.context import RenderContext
from bot.blocks.modals.forms import add_form, delete_form, invite_form, rename_form
from bot.blocks.modals.modal_view import callback_of, reading_view, refused_view
from bot.blocks.modals.pick import blocked_view, pick_form
from bot.blocks.modals.write_errors import refusal_view
from bot.blocks.problems import explain_error
from bot.interactions.account_reader import AccountReader
from bot.interactions.commands import ReaderContext
from bot.interactions.operation_gate import OperationGate
from bot.interactions.view_answers import Announcement, update_patiently
from bot.operation_targets import Target, pick
from bot.operations.fields import shared_suffix
from bot.operations.operation import AccountFacts, Availability, OperationKind
from bot.operations.rules import INVITABLE, facts_of, facts_of_episode
from bot.ports import BlockAction, Clock, Command, Message, Origin, ShownView, View, ViewRefused, Views
from bot.requests import Operate
from bot.runtime.logs import LogEvent, error_fields
from bot.runtime.tasks import BackgroundTasks
from bot.store.store_errors import StoreError, waiting_for
from wechat_kf import KfError

log = logging.getLogger(__name__)

AT_ONCE = 0.5  # seconds that a form waits for the permission and the language before a modal announces it
CONVERSATIONS_SECONDS = 0.5  # the same, for the number of open conversations
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
        self._channel = channel
        self._clock = clock

    async def command(self, command: Command, request: Operate, reader: ReaderContext) -> Message | None:
        """Open the form of a typed command."""
        opening = Opening(command.user_id, command.origin, command.trigger_id, is_typed=True)
        return await self._open(opening, request.kind, reader, lambda context: self._typed(request, context))

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
            return await self._open(opening, OperationKind.ADD, reader, lambda context: self._add("", "", context))
        return await self._open(
            opening, OperationKind.INVITE, reader, lambda context: self._invite(action, context)
        )

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

    async def _typed(self, request: Operate, context: RenderContext) -> View | Message:
        if request.kind is OperationKind.ADD:
            target = pick(request.kind, request.text, ())
            return await self._add(target.typed, target.rest, context)
        snapshot = await self._snapshot()
        target = pick(request.kind, request.text, snapshot.rows)
        if not target.hits:  # it may have been added since
            self._accounts.expire()
            with suppress(KfError):
                snapshot = await self._accounts.read()
            target = pick(request.kind, request.text, snapshot.rows)
        if target.account is None:
            return self._no_target(request.kind, target, snapshot, context)
        row = next(row for row in snapshot.rows if row.account.key == target.account.key)
        return await self._form(request.kind, row, target.rest, context)

    def _no_target(
        self, kind: OperationKind, target: Target, snapshot: Snapshot, context: RenderContext
    ) -> View | Message:
        if kind is not OperationKind.INVITE:
            return no_match(snapshot, target.typed, context)
        hits = find_accounts(snapshot.rows, target.typed) if target.hits else snapshot.rows
        return pick_form(hits, context, searched="" if target.hits else target.typed)

    async def _invite(self, action: OpenInvite, context: RenderContext) -> View | Message:
        if action.episode_id:
            return await self._invite_again(action.episode_id, context)
        row = await self._accounts.find(action.handle)
        if row is None:
            return replies.out_of_date(context)
        return await self._form(OperationKind.INVITE, row, "", context)

    async def _invite_again(self, episode_id: str, context: RenderContext) -> View | Message:
        """Render the form of an alert from its episode, or from the last list if that is newer."""
        found = await self._gate.episode(episode_id)
        if found is None:
            return replies.out_of_date(context)
        last = self._accounts.last()
        is_newer = last is not None and last.at >= found.state_since
        row = account_of(last.rows, actions.handle(found.account_key)) if last and is_newer else None
        facts = facts_of(row.account, self._clock()) if row else facts_of_episode(found)
        if not facts.kf_account:
            return operation_refusals.only_in_console(context)
        return await self._invite_form(facts, "", context, episode_id=episode_id)

    async def _form(
        self, kind: OperationKind, row: AccountRow, rest: str, context: RenderContext
    ) -> View | Message:
        if not row.account.kf_account:
            return operation_refusals.only_in_console(context)
        facts = facts_of(row.account, self._clock())
        if kind is OperationKind.INVITE:
            if facts.status not in INVITABLE:  # the list may be old
                newer = account_of((await self._accounts.read()).rows, actions.handle(row.account.key))
                facts = facts_of(newer.account, self._clock()) if newer else facts
            return await self._invite_form(facts, rest, context)
        refused_at = await self._gate.refused_at(kind)
        if kind is OperationKind.RENAME:
            typed = {"name": rest} if rest else {}
            return rename_form(
                facts, self._clock(), context, channel=self._channel, typed=typed, refused_at=refused_at
            )
        conversations = await self._conversations(row) if facts.kf_wx else 0
        return delete_form(
            facts,
            self._clock(),
            context,
            channel=self._channel,
            conversations=conversations,
            refused_at=refused_at,
        )

    async def _invite_form(
        self, facts: AccountFacts, wx: str, context: RenderContext, *, episode_id: str = ""
    ) -> View:
        if facts.status not in INVITABLE:
            return blocked_view(facts, self._clock(), context)
        return invite_form(
            facts,
            self._clock(),
            context,
            channel=self._channel,
            episode_id=episode_id,
            typed={"wx": wx} if wx else {},
            refused_at=await self._gate.refused_at(OperationKind.INVITE),
        )

    async def _add(self, account: str, name: str, context: RenderContext) -> View:
        snapshot = await self._snapshot()
        typed = {field: text for field, text in (("account", account), ("name", name)) if text}
        return add_form(
            context,
            suffix=shared_suffix(row.account.kf_account for row in snapshot.rows),
            number=len(snapshot.rows),
            channel=self._channel,
            typed=typed,
            refused_at=await self._gate.refused_at(OperationKind.ADD),
        )

    async def _snapshot(self) -> Snapshot:
        """Return the last list, however old; the submission reads it again."""
        return self._accounts.last() or await self._accounts.read()

    async def _conversations(self, row: AccountRow) -> int:
        """Return the open conversations of an account; 0 if WeChat does not say at once."""
        try:
            online = await asyncio.wait_for(self._accounts.online(), CONVERSATIONS_SECONDS)
        except TimeoutError:
            return 0
        return sum(one.accepted_case or 0 for one in online or () if one.key == row.account.key)

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
