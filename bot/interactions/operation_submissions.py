"""Take a submitted form: check it, commit the operation, start it, and show its outcome.

Slack waits three seconds for the answer, and only that answer can show errors at fields. It has the outcome if
WeChat is quick; else it is a modal that announces the outcome, and is replaced later.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

from bot import actions, view_metadata
from bot.accounts import AccountRow, account_of
from bot.blocks.context import RenderContext
from bot.blocks.modals.field_error_texts import field_errors
from bot.blocks.modals.forms import invite_form
from bot.blocks.modals.inputs import next_number
from bot.blocks.modals.modal_view import callback_of
from bot.blocks.modals.pick import blocked_view
from bot.execution.operation_runner import OperationRunner
from bot.interactions.account_reader import AccountReader
from bot.interactions.operation_gate import OperationGate
from bot.interactions.operation_modals import FirstResponse, OperationModals
from bot.interactions.submitted_form import Form, wanted_of
from bot.interactions.submitted_operations import SubmittedOperations
from bot.operations.fields import (
    FieldError,
    FieldProblem,
)
from bot.operations.operation import AccountFacts, Availability, Operation, OperationKind
from bot.operations.refusals import refusal_of
from bot.operations.rules import INVITABLE, facts_of, facts_of_episode
from bot.ports import Clock, FieldErrors, ShowView, Submission, SubmissionAnswer
from bot.runtime.logs import LogEvent, error_fields, fault_words
from bot.runtime.tasks import BackgroundTasks, with_timeout
from bot.store.database import Store
from bot.store.store_errors import StoreError
from bot.view_metadata import FormMetadata
from wechat_kf import KfError

log = logging.getLogger(__name__)


class OperationSubmissions:
    """Answers submitted forms. `OperationModals` updates their modals when an operation ends later."""

    def __init__(
        self,
        modals: OperationModals,
        accounts: AccountReader,
        gate: OperationGate,
        runner: OperationRunner,
        store: Store,
        *,
        channel: str,
        clock: Clock,
        tasks: BackgroundTasks,
    ) -> None:
        self._modals = modals
        self._accounts = accounts
        self._gate = gate
        self._runner = runner
        self._operations = SubmittedOperations(store, gate.policy)
        self._channel = channel
        self._clock = clock
        self._tasks = tasks
        self._policy = gate.policy

    async def submit(self, submission: Submission, context: RenderContext) -> SubmissionAnswer:
        """Return the answer to a submitted modal, within the time that the policy allows."""
        ends_at = monotonic() + self._policy.answer_within
        metadata = view_metadata.decode_form(submission.private_metadata)
        is_pick = submission.callback_id == actions.PICK
        if metadata is None or not (is_pick or submission.callback_id == callback_of(metadata.kind)):
            return self._refuse(submission, OperationKind.INVITE, FieldProblem.OUT_OF_DATE, context)
        permitted = await self._gate.permits(submission.user_id, submission.origin)
        if not permitted or self._gate.availability is not Availability.ON:
            log.info(LogEvent("operation refused", user=submission.user_id[:40], kind=metadata.kind.value))
            problem = FieldProblem.NOT_CHECKED if permitted is None else FieldProblem.NOT_PERMITTED
            return self._refuse(submission, metadata.kind, problem, context)
        try:
            if is_pick:
                return await self._picked(submission, context, ends_at)
            return await self._operate(submission, metadata, context, ends_at)
        except StoreError as exc:
            log.warning(LogEvent("operation not stored", error=fault_words(exc)))
            return self._refuse(submission, metadata.kind, FieldProblem.NO_DATABASE, context)

    async def _picked(self, submission: Submission, context: RenderContext, ends_at: float) -> SubmissionAnswer:
        """Answer the menu of accounts with the form of the chosen one."""
        row = await self._find(next(iter(submission.values.values()), ""), ends_at)
        if row is None:
            return self._refuse(submission, OperationKind.INVITE, FieldProblem.OUT_OF_DATE, context)
        now = self._clock()
        facts = facts_of(row.account, now)
        if facts.status not in INVITABLE:
            return ShowView(blocked_view(facts, now, context))
        refused_at = await self._gate.refused_at(OperationKind.INVITE)
        return ShowView(invite_form(facts, now, context, channel=self._channel, refused_at=refused_at))

    async def _operate(
        self, submission: Submission, metadata: FormMetadata, context: RenderContext, ends_at: float
    ) -> SubmissionAnswer:
        # Before any check: the operation may have changed what they compare with.
        if earlier := await self._operations.earlier(submission):
            return self._answer(earlier, submission, context)
        form = Form(submission, metadata, await self._before(metadata, ends_at))
        if form.before is None and metadata.kind is not OperationKind.ADD:
            return self._refuse(submission, metadata.kind, FieldProblem.OUT_OF_DATE, context)
        wanted = wanted_of(form)
        if isinstance(wanted, FieldError):
            return field_errors(wanted, metadata.kind, submission.values, context)
        stored = await self._operations.insert(form, wanted, context.language)
        if isinstance(stored, FieldError):
            return field_errors(stored, metadata.kind, submission.values, context)
        operation, is_new = stored
        if not is_new:
            return self._answer(operation, submission, context)
        return await self._start(operation, submission, context, ends_at)

    async def _start(
        self, operation: Operation, submission: Submission, context: RenderContext, ends_at: float
    ) -> SubmissionAnswer:
        """Start the operation, and wait for its outcome as long as Slack waits for the answer."""
        modal = self._modals.expect(operation.id, next_number(submission.values))
        ended: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()
        self._tasks.start(self._run(operation, ended))
        shown = operation
        try:
            await asyncio.wait([ended], timeout=max(0.0, ends_at - monotonic()))
            shown = ended.result() if ended.done() else operation
        finally:  # also if the answer comes too late for Slack: the modal is updated then
            modal.responded.set_result(FirstResponse(monotonic(), shown.state))
        return self._answer(shown, submission, context)

    async def _run(self, operation: Operation, ended: asyncio.Future[Operation]) -> None:
        try:
            after = await self._runner.run(operation)
        except asyncio.CancelledError:
            await self._modals.show_restart(operation)
            raise
        except StoreError as exc:
            # Another process finds the row when its lease has run out.
            log.warning(LogEvent("operation not stored", id=operation.id, error=fault_words(exc)))
        else:
            if not ended.done():
                ended.set_result(after)

    def _answer(self, operation: Operation, submission: Submission, context: RenderContext) -> SubmissionAnswer:
        """Return the answer that shows the present state of an operation: at a field if one is at fault."""
        self._modals.answered(operation)
        error = refusal_of(operation, self._modals.listed(), self._clock())
        if error:
            return field_errors(error, operation.kind, submission.values, context)
        return ShowView(self._modals.view(operation, context, next_number(submission.values)))

    async def _before(self, metadata: FormMetadata, ends_at: float) -> AccountFacts | None:
        """Return the account of a form: as listed last, else as its alert knows it, else as listed now."""
        if metadata.kind is OperationKind.ADD:
            return None
        last = self._accounts.last()
        row = account_of(last.rows, metadata.handle) if last else None
        if row is None and (found := await self._gate.episode(metadata.episode_id)):
            return facts_of_episode(found)
        row = row or await self._find(metadata.handle, ends_at)
        return facts_of(row.account, self._clock()) if row else None

    async def _find(self, handle: str, ends_at: float) -> AccountRow | None:
        """Return the account of a handle; None if no list has it, or WeChat does not answer in time.

        Another process may have opened the form, so that this one has read no list yet, or an older one.
        """
        try:
            return await with_timeout(self._accounts.find(handle), max(0.0, ends_at - monotonic()))
        except KfError as error:
            log.warning(LogEvent("WeChat could not be read", **error_fields(error)))
        except TimeoutError:
            log.warning(LogEvent("WeChat could not be read", error="too slow for a form"))
        return None

    def _refuse(
        self, submission: Submission, kind: OperationKind, problem: FieldProblem, context: RenderContext
    ) -> FieldErrors:
        return field_errors(FieldError(problem), kind, submission.values, context)
