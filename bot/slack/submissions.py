"""Answer submitted modals within Slack's three seconds, whatever the handler does."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

from bot.ports import FieldErrors, Message, Submission, SubmissionAnswer
from bot.runtime.logs import LogEvent, request_id
from bot.runtime.tasks import BackgroundTasks, with_timeout

log = logging.getLogger(__name__)

# Slack counts three seconds from sending. The handler itself answers within half of that.
LIMIT_SECONDS = 2.5


class SubmissionHandler(Protocol):
    """The part of `Interactions` that submitted modals need."""

    async def handle_submission(self, submission: Submission) -> SubmissionAnswer: ...

    def restarting(self, user_id: str) -> Message: ...

    def failed(self, user_id: str) -> Message: ...


class Submissions:
    """Runs the handler of submitted modals as a task, which a shutdown waits for."""

    def __init__(self, answers: SubmissionHandler, tasks: BackgroundTasks, limit: float = LIMIT_SECONDS) -> None:
        self._answers = answers
        self._tasks = tasks
        self._limit = limit
        self._in_progress: dict[tuple[object, ...], asyncio.Future[SubmissionAnswer]] = {}

    async def answer(self, submission: Submission, trigger_id: str) -> SubmissionAnswer:
        """Return the answer of the handler, or an error at the first field if it fails or takes too long.

        Clicks of one form at the same time get one answer: Slack shows each, and refuses an error at a field when
        another answer has replaced the form.
        """
        click = (submission.view_id, submission.version, *sorted(submission.values.items()))
        result = self._in_progress.get(click)
        if result is None:
            result = self._in_progress[click] = asyncio.get_running_loop().create_future()
            result.add_done_callback(lambda _: self._in_progress.pop(click))
            self._tasks.start(self._handle(submission, trigger_id, result))
        return await asyncio.shield(result)  # a cancelled request must not take the answer from another one

    async def _handle(
        self, submission: Submission, trigger_id: str, result: asyncio.Future[SubmissionAnswer]
    ) -> None:
        """Set the result, also when this task is cancelled: the request waits for it."""
        with request_id(trigger_id):
            began = time.perf_counter()
            answer: SubmissionAnswer = _error(submission, self._answers.restarting(submission.user_id))
            try:
                answer = await self._answer(submission)
            finally:
                result.set_result(answer)
            ms = round((time.perf_counter() - began) * 1000)
            asked, user = submission.callback_id[:80], submission.user_id[:40]
            log.info(LogEvent("answered", asked=asked, user=user, ms=ms))

    async def _answer(self, submission: Submission) -> SubmissionAnswer:
        try:
            return await with_timeout(self._answers.handle_submission(submission), self._limit)
        except Exception:
            log.exception("no answer could be made")
            return _error(submission, self._answers.failed(submission.user_id))


def _error(submission: Submission, message: Message) -> FieldErrors:
    """Return a message as the error of the first field."""
    return FieldErrors({next(iter(submission.values), ""): message.text})
