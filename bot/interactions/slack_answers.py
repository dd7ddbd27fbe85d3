"""Remember whether Slack answers what this process asks it about people, groups and the workspace."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import ParamSpec, TypeVar

from bot.health.facts import SlackTrouble
from bot.ports import (
    Clock,
    OutcomeUnknown,
    RetryLater,
    UnknownMembersError,
    UnknownReaderError,
    UnknownWorkspaceError,
)
from bot.slack import error_codes
from bot.slack.error_codes import Affects, Reaction

HOLD = 300.0  # seconds between questions about a failure
CODE = re.compile(r"[a-z_]+")  # of Slack: failures have other names, such as "HTTP 503" and "TimeoutError"
P = ParamSpec("P")
T = TypeVar("T")


class SlackAnswers:
    """The last failure, for the health report: without alerts nothing else shows that Slack refuses the token."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[str | RetryLater | OutcomeUnknown | None]],
        clock: Clock,
        stopwatch: Callable[[], float] = monotonic,
    ) -> None:
        """Take the question whether Slack accepts the token, which returns an error code or a failure if not."""
        self.trouble: SlackTrouble | None = None
        self._ask = ask
        self._clock = clock
        self._stopwatch = stopwatch
        self._rest_until = float("-inf")

    def noting(self, request: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """Return the same request, whose failures are noted."""

        async def noted(*args: P.args, **named: P.kwargs) -> T:
            try:
                answer = await request(*args, **named)
            except (UnknownReaderError, UnknownMembersError, UnknownWorkspaceError) as exc:
                self._note(str(exc))
                raise
            self.trouble = None
            return answer

        return noted

    async def recheck(self) -> None:
        """Ask, every five minutes, whether a failure is over."""
        if self.trouble is None or self._stopwatch() < self._rest_until:
            return
        self._rest_until = self._stopwatch() + HOLD
        found = await self._ask()
        if found is None:
            self.trouble = None
        else:
            self._note(found if isinstance(found, str) else found.error)

    def _note(self, error: str) -> None:
        code, before = error_codes.lookup(error), self.trouble
        refused = code.affects is Affects.TOKEN and error != error_codes.MISSING_SCOPE
        is_answer = bool(CODE.fullmatch(error)) and code.posting is not Reaction.RECONCILE
        if is_answer and not refused:  # it is about the person or the group
            self.trouble = None
            return
        goes_on = before is not None and before.refused == refused and (before.error == error or not refused)
        since = before.since if before and goes_on else self._clock()
        self.trouble = SlackTrouble(error, since, refused=refused)
