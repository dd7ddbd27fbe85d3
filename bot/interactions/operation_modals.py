"""The modals of operations after their forms were submitted: a newer state replaces the one before.

Slack shows the response to a form, and an update that comes sooner would be overwritten by it. A process that did
not answer the form updates its modal too, by the stored ID of the view.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import NamedTuple

from bot.blocks.context import RenderContext
from bot.blocks.modals.operation_results import operation_view, restarting_view
from bot.execution.records import OperationRecords
from bot.interactions.account_reader import AccountReader
from bot.interactions.view_answers import update_patiently
from bot.language import Language
from bot.operations.operation import Operation, OperationPolicy, OperationState
from bot.ports import Clock, View, ViewRefused, Views
from bot.runtime.logs import LogEvent, fault_words
from bot.runtime.tasks import BackgroundTasks
from bot.store.store_errors import StoreError
from wechat_kf import KfAccount

log = logging.getLogger(__name__)

RESTART_SECONDS = 0.8  # for the last update of a modal: the process is about to end
FORGOTTEN_AFTER = 900.0  # seconds; by then another process has ended the operation
OTHER_PROCESS = 1000  # the first number of block IDs in a form that another process shows again


class FirstResponse(NamedTuple):
    """The response to a form: when it was given, and the state of the operation that it shows."""

    at: float
    state: OperationState


@dataclass(slots=True)
class OpenModal:
    """The modal of an operation that this process has started."""

    number: int  # of the block IDs, if its form is shown again
    responded: asyncio.Future[FirstResponse]
    opened_at: float = field(default_factory=monotonic)
    updating: asyncio.Lock = field(default_factory=asyncio.Lock)
    latest: Operation | None = None


class OperationModals:
    """Renders the modals of operations, and updates those that are open."""

    def __init__(
        self,
        views: Views,
        accounts: AccountReader,
        records: OperationRecords,
        *,
        context: RenderContext,
        channel: str,
        clock: Clock,
        policy: OperationPolicy,
        tasks: BackgroundTasks,
    ) -> None:
        """Keep what modals need. `context` is the context of readers whose language is not known."""
        self._views = views
        self._accounts = accounts
        self._records = records
        self._context = context
        self._channel = channel
        self._clock = clock
        self._policy = policy
        self._tasks = tasks
        self._open: dict[str, OpenModal] = {}  # by operation, until it has ended

    def expect(self, operation_id: str, number: int) -> OpenModal:
        """Remember the modal of an operation that is about to start, and how often its form was shown."""
        now = monotonic()
        for old in [one for one, modal in self._open.items() if now - modal.opened_at > FORGOTTEN_AFTER]:
            del self._open[old]
        modal = OpenModal(number, asyncio.get_running_loop().create_future())
        self._open[operation_id] = modal
        return modal

    def changed(self, operation: Operation) -> None:
        """Show a new state of an operation in its modal, unless the response to its form shows it."""
        modal = self._open.get(operation.id)
        if modal:
            modal.latest = operation
        if operation.state.ended:
            self._open.pop(operation.id, None)
        if operation.view_id:
            self._tasks.start(self._update(operation, modal))

    def view(self, operation: Operation, context: RenderContext, number: int) -> View:
        """Render what is known of an operation.

        Args:
            number: of the block IDs, if its form is shown again.
        """
        return operation_view(
            operation, self._clock(), context, channel=self._channel, number=number, accounts=self.listed()
        )

    def answered(self, operation: Operation) -> None:
        """Record that the response to a form shows an operation, so that no message reports that it failed."""
        self._tasks.start(self._note(operation, is_shown=True))

    async def show_restart(self, operation: Operation) -> None:
        """Announce that another process finds the outcome: this one is about to end."""
        view = restarting_view(operation, self._channel, self._in_language(operation))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._views.update(operation.view_id, view), RESTART_SECONDS)

    def listed(self) -> tuple[KfAccount, ...]:
        """Return the accounts of the last read of WeChat; none before the first."""
        snapshot = self._accounts.last()
        return tuple(row.account for row in snapshot.rows) if snapshot else ()

    async def _update(self, operation: Operation, modal: OpenModal | None) -> None:
        if modal is None:
            await self._replace(operation, OTHER_PROCESS + operation.attempt)
            return
        response = await asyncio.shield(modal.responded)
        if response.state is operation.state:
            return
        await asyncio.sleep(max(0.0, response.at + self._policy.update_after - monotonic()))
        async with modal.updating:
            if modal.latest is operation:  # else a newer state follows, or is shown
                await self._replace(operation, modal.number)

    async def _replace(self, operation: Operation, number: int) -> None:
        view = self.view(operation, self._in_language(operation), number)
        shown = await update_patiently(self._views, operation.view_id, view)
        await self._note(operation, is_shown=not isinstance(shown, ViewRefused))

    async def _note(self, operation: Operation, *, is_shown: bool) -> None:
        """Record that the person sees a failure; report it in the channel if the modal is closed or not reached."""
        if operation.state not in (OperationState.REFUSED, OperationState.FAILED):
            return
        note = self._records.shown if is_shown else self._records.report_failure
        try:
            await note(operation)
        except StoreError as exc:
            # Any process reports it when its lease is over.
            log.warning(LogEvent("operation not stored", id=operation.id, error=fault_words(exc)))

    def _in_language(self, operation: Operation) -> RenderContext:
        language = Language(operation.language) if operation.language else self._context.language
        return replace(self._context, language=language, around=self._clock())
