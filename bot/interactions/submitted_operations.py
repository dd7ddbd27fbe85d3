"""Store the operation of a submitted form: once for all clicks of one attempt, within the limits of an hour."""

from __future__ import annotations

import secrets
from datetime import timedelta

from bot.interactions.submitted_form import Form, key_of
from bot.language import Language
from bot.operations.fields import FieldError, FieldProblem
from bot.operations.operation import Operation, OperationKind, OperationPolicy, OperationState, Wanted
from bot.ports import Submission
from bot.store import operation_rows, poll_state
from bot.store.database import Store, Tx

HOUR = timedelta(hours=1)
ANEW = timedelta(minutes=1)  # the same values after a refusal are a double click at first, later another attempt
LONGEST_NAME = 200  # characters of a person's name that are kept


class SubmittedOperations:
    """Stores operations. Several processes may do so for one account: its row is locked."""

    def __init__(self, store: Store, policy: OperationPolicy) -> None:
        self._store = store
        self._policy = policy

    async def earlier(self, submission: Submission) -> Operation | None:
        """Return the operation of an earlier click of the same attempt; None without one.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be used; the same for the other method.
        """
        async with self._store.begin() as tx:
            return (await _find_earlier(tx, submission))[1]

    async def insert(self, form: Form, wanted: Wanted, language: Language) -> tuple[Operation, bool] | FieldError:
        """Commit the operation. Return it, and whether it is new: a form may be submitted twice."""
        submission, metadata = form.submission, form.metadata
        async with self._store.begin() as tx:
            await poll_state.load(tx, lock=True)  # so that two processes count the same operations
            key, earlier = await _find_earlier(tx, submission)
            if earlier:
                return earlier, False
            if limit := await self._limit(tx, metadata.kind):
                return limit
            asked = Operation(
                id=secrets.token_hex(8),
                kind=metadata.kind,
                account_key=wanted.kf_account,
                wanted=wanted,
                before=form.before,
                user_id=submission.user_id,
                user_name=submission.user_name[:LONGEST_NAME] or submission.user_id,
                asked_at=tx.now,
                lease_until=tx.now + self._policy.lease,
                episode_id=metadata.episode_id,
                view_id=submission.view_id,
                submission=key,
                language=language.value,
            )
            inserted = await operation_rows.insert(tx, asked)
        if inserted.in_progress:
            other = inserted.in_progress
            return FieldError(FieldProblem.IN_PROGRESS, at=other.asked_at, words=other.user_name)
        return inserted.same_submission or asked, inserted.is_new

    async def _limit(self, tx: Tx, kind: OperationKind) -> FieldError | None:
        """Return an error if there were too many operations in the last hour."""
        asked = await operation_rows.asked_since(tx, tx.now - HOUR)
        deletions = [at for at, one in asked if one is OperationKind.DELETE]
        limits = [([at for at, _ in asked], self._policy.per_hour)]
        if kind is OperationKind.DELETE:
            limits.append((deletions, self._policy.deletions_per_hour))
        for times, most in limits:
            if len(times) >= most:
                return FieldError(FieldProblem.TOO_MANY, number=len(times), at=times[-most] + HOUR)
        return None


async def _find_earlier(tx: Tx, submission: Submission) -> tuple[str, Operation | None]:
    """Return the key of a submission, and the operation of an earlier click that has this key; None without one.

    A click some time after a refusal is another attempt, and the clicks of one attempt share a key, too.
    """
    key = key_of(submission)
    while found := await operation_rows.of_submission(tx, key):
        is_over = found.ended_at and found.state is not OperationState.DONE and tx.now - found.ended_at > ANEW
        if not is_over:
            break
        key += "+"
    return key, found
