"""Write the steps of an operation into the store, with the alert that it changes and the reply that reports it."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.alerting.episode import Change, Episode, Operated, OperationStage
from bot.alerting.lifecycle import observe, unmatched_invitations
from bot.operations.operation import EndReason, Operation, OperationKind, OperationPolicy
from bot.operations.refusals import NO_RIGHT_CODES, was_gone
from bot.outbox import operation_messages
from bot.outbox.messages import MessageKind
from bot.outbox.planner import state_reply
from bot.recorder import Recorder
from bot.runtime.logs import LogEvent, fault_words
from bot.store import episodes, interface_refusals, operation_rows, poll_state, published
from bot.store.database import Store, Tx
from bot.store.interface_refusals import InterfaceRefusal
from bot.store.sanitizing import sanitize_account
from wechat_kf import KfAccount

log = logging.getLogger(__name__)

QUOTA_SPENT = 45009


@dataclass(frozen=True, slots=True)
class OperationRecords:
    """The stored steps of operations. Each method is one transaction.

    A step returns the operation as it is stored then, or None if another process has claimed or ended it.
    """

    store: Store
    recorder: Recorder
    policy: OperationPolicy
    unreadable: set[str] = field(default_factory=set)  # IDs of rows that are logged

    async def sent(self, before: Operation, after: Operation) -> Operation | None:
        """Record, once, that the request may leave from now on, and mark the invitation that it ends."""
        before = replace(before, sent_at=None)  # as it must be stored, whatever the caller has
        async with self.store.begin() as tx:
            await poll_state.load(tx, lock=True)
            found = await _open_episode(tx, before.account_key)
            after = replace(
                after,
                episode_id=found.id if found else "",
                sent_at=tx.now,
                lease_until=tx.now + self.policy.lease,
            )
            if not await operation_rows.save(tx, before, after):
                return None
            if found and after.kind in (OperationKind.INVITE, OperationKind.DELETE):
                await self._mark(tx, found, _operated(after, OperationStage.SENT))
        return after

    async def progressed(
        self, before: Operation, after: Operation, *, next_read: timedelta | None = None
    ) -> Operation | None:
        """Record WeChat's yes, or that its answer is unknown, and show that in the alert.

        Args:
            next_read: leaves the operation to whichever process is there after this time; None keeps the lease.
        """
        stage = OperationStage.ACCEPTED if after.outcome.errcode == 0 else OperationStage.UNSURE
        async with self.store.begin() as tx:
            await poll_state.load(tx, lock=True)
            if next_read is not None:
                after = replace(after, lease_until=tx.now + next_read)
            if not await operation_rows.save(tx, before, after):
                return None
            if marked := await _marked_episode(tx, after):
                await self._mark(tx, marked, _operated(after, stage))
        return after

    async def completed(
        self, before: Operation, after: Operation, listed: KfAccount | None, *, seen: bool
    ) -> Operation | None:
        """Record that it took effect, what the list shows of it, and the message that reports it.

        An account that was gone already is not reported: the person did not delete it.

        Args:
            listed: the account as the list shows it now; None if it is absent.
            seen: the list shows the change, so the episode changes with it.
        """
        async with self.store.begin() as tx:
            await poll_state.load(tx, lock=True)
            after = replace(after, ended_at=tx.now)
            if not await operation_rows.save(tx, before, after):
                return None
            marked = await _marked_episode(tx, after)
            if marked and was_gone(after):
                await self._unmark(tx, marked)
            elif marked:
                await self._mark(tx, marked, _operated(after, OperationStage.ACCEPTED))
            if seen:
                await self._observe(tx, after, listed)
            if not was_gone(after):  # it was deleted elsewhere, and the watcher reports the removal
                parent_id = await self._parent_id(tx, after)
                message = operation_messages.completed(after, marked.id if marked else "", parent_id)
                await self.recorder.enqueue(tx, [message], [], tx.now)
            await published.edit_now(tx, episodes.parents_of([after.episode_id]), tx.now)
            if after.sent_at:
                await interface_refusals.clear(tx, after.kind.family)
            # A deletion needs a second poll that agrees; a change that is not listed yet, one that shows it.
            await poll_state.poll_now(tx, tx.now, always=True)
        return after

    async def ended(self, before: Operation, after: Operation) -> Operation | None:
        """Record that it was refused, failed or cannot be confirmed, and show the alert as it was before.

        Unless the modal shows it, or a message reports it, within a lease, `claim_due` returns it once more.
        """
        unconfirmed = after.outcome.reason is EndReason.NOT_CONFIRMED  # posted whether or not the modal shows it
        async with self.store.begin() as tx:
            await poll_state.load(tx, lock=True)
            lease_until = None if unconfirmed else tx.now + self.policy.lease
            after = replace(after, ended_at=tx.now, lease_until=lease_until)
            if not await operation_rows.save(tx, before, after):
                return None
            if marked := await _marked_episode(tx, after):
                await self._unmark(tx, marked)
            if unconfirmed:
                await self._report(tx, after)
            if after.sent_at and after.outcome.errcode in NO_RIGHT_CODES:  # of the write, not of the list before it
                await interface_refusals.note(tx, InterfaceRefusal(after.kind.family, tx.now))
            if after.outcome.errcode == QUOTA_SPENT:  # the list may have a quota of its own: its poll decides
                await poll_state.poll_now(tx, tx.now, always=True)
        return after

    async def report_failure(self, operation: Operation) -> None:
        """Post to the person who asked that it did not happen, unless the modal or a message has said so."""
        async with self.store.begin() as tx:
            await poll_state.load(tx, lock=True)
            if await operation_rows.end_report(tx, operation.id):
                await self._report(tx, operation)

    async def shown(self, operation: Operation) -> None:
        """Record that the modal shows that it did not happen, so that no message reports it."""
        async with self.store.begin() as tx:
            await operation_rows.end_report(tx, operation.id)

    async def claim_due(self) -> tuple[Operation, datetime] | None:
        """Claim an operation that is due: its lease, or its wait, is over. Return it with the store's time."""
        async with self.store.begin() as tx:
            claimed = await operation_rows.claim_due(tx, tx.now, tx.now + self.policy.lease)
        for operation_id, one in tx.unreadable.items():
            if operation_id not in self.unreadable:
                self.unreadable.add(operation_id)
                log.error(LogEvent("operation cannot be read", id=operation_id, error=fault_words(one.error)))
        return (claimed, tx.now) if claimed else None

    async def seconds_until_due(self) -> float:
        """Return the seconds until an operation can be claimed; infinite while none waits."""
        async with self.store.begin() as tx:
            due = await operation_rows.next_due(tx, without=self.unreadable)
            return max(0.0, (due - tx.now).total_seconds()) if due else math.inf

    async def accounts(self) -> int:
        """Return the number of accounts in the last list that the watcher has accepted."""
        async with self.store.begin() as tx:
            return (await poll_state.load(tx)).accounts

    async def get(self, operation_id: str) -> Operation | None:
        async with self.store.begin() as tx:
            return await operation_rows.get(tx, operation_id)

    async def _report(self, tx: Tx, operation: Operation) -> None:
        message = operation_messages.not_completed(operation, await self._parent_id(tx, operation))
        await self.recorder.enqueue(tx, [message], [], tx.now)

    async def _observe(self, tx: Tx, operation: Operation, listed: KfAccount | None) -> None:
        """Apply the read that shows the change. It counts as enough polls, but a deletion as one of them."""
        policy = self.recorder.policy
        rows = [sanitize_account(listed)] if listed else []
        key = rows[0].key if rows else operation.account_key
        known: list[Episode] = [one for one in await episodes.latest(tx, [key]) if one.account_key == key]
        known += await episodes.previous(tx, unmatched_invitations(known, rows, policy))
        deletes = operation.kind is OperationKind.DELETE
        changes = observe(
            known,
            rows,
            tx.now,
            policy,
            appid=self.recorder.appid,
            complete=deletes,
            reads=1 if deletes else policy.agreeing_polls,
        )
        await self.recorder.record(tx, changes, tx.now)

    async def _mark(self, tx: Tx, episode: Episode, operated: Operated) -> None:
        if episode.operated != operated:
            await self._save(tx, Change(episode, replace(episode, operated=operated)))

    async def _unmark(self, tx: Tx, episode: Episode) -> None:
        """Clear the mark. A change of state that it kept out of the thread is reported now."""
        after = replace(episode, operated=None)
        await self._save(tx, Change(episode, after))
        if episode.state.closed:
            parent = (await episodes.parents(tx, [episode.id])).get(episode.id)
            await self.recorder.enqueue(tx, state_reply(after, parent), [], tx.now)

    async def _save(self, tx: Tx, change: Change) -> None:
        await episodes.save(tx, [change], {}, self.recorder.policy, tx.now)
        await published.edit_now(tx, episodes.parents_of([change.after.id]), tx.now)

    async def _parent_id(self, tx: Tx, operation: Operation) -> str | None:
        """Return the alert whose thread gets the reply; None without one, and if a person has deleted it."""
        parents = await episodes.parents(tx, [operation.episode_id]) if operation.episode_id else {}
        parent = parents.get(operation.episode_id)
        return parent.id if parent and parent.kind is MessageKind.ALERT and not parent.is_deleted else None


async def _open_episode(tx: Tx, account_key: str) -> Episode | None:
    """Return the open or problem episode of an account; None without one."""
    found: Sequence[Episode] = await episodes.latest(tx, [account_key])
    return next((one for one in found if one.account_key == account_key and not one.state.closed), None)


async def _marked_episode(tx: Tx, operation: Operation) -> Episode | None:
    """Return the episode that carries the mark of this operation; None without one."""
    if not operation.episode_id:
        return None
    found = (await episodes.get_many(tx, [operation.episode_id])).get(operation.episode_id)
    return found if found and found.operated and found.operated.operation_id == operation.id else None


def _operated(operation: Operation, stage: OperationStage) -> Operated:
    return Operated(
        operation.id,
        operation.kind,
        operation.user_id,
        operation.user_name,
        operation.asked_at,
        operation.wanted.invite_wx,
        stage,
    )
