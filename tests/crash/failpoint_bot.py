"""The real bot with a failpoint at a database commit: it sends itself SIGKILL there. The bot's code does not know.

The variable `CRASH_FAILPOINT` names the commit, for example `before,claim,1`. SQLAlchemy's events trigger the kill,
so that it comes between the statement and the commit, or between the commit and the next statement.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import Pool

from bot import environment
from bot.operations.operation import OperationState
from bot.outbox import shared_channels
from bot.ports import utc_now
from bot.runtime.logs import configure
from bot.serving import serve
from bot.settings.values import Settings
from bot.store.tables import emitted_event, episode, message, operation, poll_state
from bot.tenants.loading import load_defined, secrets_of
from tests.crash.failpoints import CommitKind

SHARED_WINDOW = timedelta(seconds=2)
FAILPOINT = "CRASH_FAILPOINT"
CLOCK_SKEW = "CRASH_CLOCK_SKEW"  # seconds that the clock of this process is ahead

# All tables and columns by which a commit is recognised, `table.column`. Taken from the store's tables, so that a
# renamed column is an error here, and not a failpoint that is never reached.
INSERTS = tuple(f"INSERT INTO {table.name} " for table in (emitted_event, message))
UPDATE = re.compile(rf"UPDATE ({message.name}|{poll_state.name}|{episode.name}) SET (.*?)(?: WHERE |$)", re.DOTALL)
ATTEMPT, STATUS, SENT_AT = str(message.c.attempt), str(message.c.status), str(message.c.sent_at)
LOOKUPS = str(message.c.failed_lookups)
EDITS = {
    str(one) for one in (message.c.applied_hash, message.c.next_edit_at, message.c.is_final, message.c.is_deleted)
}
UPDATED_MESSAGE, MESSAGE_ID = f"UPDATE {message.name} SET ", "message_id"  # the latter is a parameter of `outbox`
INSERTED_OPERATION, UPDATED_OPERATION = f"INSERT INTO {operation.name} ", f"UPDATE {operation.name} SET "
STATE, ENDED_AT, ERRCODE = (
    column.name for column in (operation.c.state, operation.c.ended_at, operation.c.errcode)
)
NEXT_POLL = str(poll_state.c.next_poll_at)
PLANNED = {NEXT_POLL, *map(str, (poll_state.c.poll_wait, poll_state.c.due_at, poll_state.c.queued))}


def commit_kind(
    statements: list[str], *, is_lookup: bool, updated_operation: Mapping[str, Any] | None = None
) -> CommitKind | None:
    """Recognise the purpose of a transaction by its statements. Return None if it wrote nothing.

    Args:
        is_lookup: the message was last claimed for a lookup, not for a post.
        updated_operation: the values that an operation got; its columns are always updated together.
    """
    written = " ".join(statements)
    if "CREATE TABLE" in written:
        return CommitKind.SCHEMA
    if INSERTED_OPERATION in written:
        return CommitKind.OPERATION_ASKED
    if updated_operation is not None:
        return _operation_step(updated_operation)
    if any(insert in written for insert in INSERTS):
        return CommitKind.NEWS
    changed = {
        f"{table}.{column}" for table, values in UPDATE.findall(written) for column in re.findall(r"(\w+)=", values)
    }
    if ATTEMPT in changed:
        return CommitKind.CLAIM if STATUS in changed else CommitKind.LOOKUP
    if SENT_AT in changed:
        return CommitKind.ADOPTED if is_lookup else CommitKind.SENT
    if LOOKUPS in changed:
        return CommitKind.ABSENT
    if any(column.startswith(f"{episode.name}.") for column in changed):  # a poll; it may update messages too
        return CommitKind.READ
    if STATUS in changed:
        return CommitKind.BACK
    if changed & EDITS:
        return CommitKind.EDIT
    if NEXT_POLL in changed and changed <= PLANNED:
        return CommitKind.POLL
    return CommitKind.READ if changed else None


def _operation_step(values: Mapping[str, Any]) -> CommitKind:
    if STATE not in values:
        return CommitKind.OPERATION_CLAIMED
    if values[ENDED_AT] is not None:
        return CommitKind.OPERATION_ENDED
    is_answered = values[STATE] == OperationState.UNSURE or values[ERRCODE] == 0
    return CommitKind.OPERATION_ANSWERED if is_answered else CommitKind.OPERATION_SENT


class CommitFailpoint:
    """Kills the process at the n-th commit of a kind, before or after it."""

    def __init__(self, site: str, commit: str, number: int) -> None:
        self._after = site == "after"
        self._commit = CommitKind(commit)
        self._number = number
        self._lookups: set[str] = set()  # IDs of the messages that are being looked up

    @contextmanager
    def installed(self) -> Iterator[None]:
        listeners: list[tuple[type, str, Callable[..., None]]] = [
            (Engine, "begin", self._on_begin),
            (Engine, "before_cursor_execute", self._note),
            (Engine, "commit", self._on_commit),
            (Pool, "reset", self._after_commit),
        ]
        for listener in listeners:
            event.listen(*listener)
        try:
            yield
        finally:
            for listener in listeners:
                event.remove(*listener)

    def _on_begin(self, connection: Connection) -> None:
        connection.info["statements"] = []
        connection.info["messages"] = set()
        connection.info.pop("updated_operation", None)

    def _note(
        self, connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        connection.info.setdefault("statements", []).append(statement)
        if statement.startswith(UPDATED_MESSAGE):
            values = context.compiled_parameters[0]
            if MESSAGE_ID in values:
                connection.info.setdefault("messages", set()).add(values[MESSAGE_ID])
        if statement.startswith(UPDATED_OPERATION):
            connection.info["updated_operation"] = context.compiled_parameters[0]

    def _on_commit(self, connection: Connection) -> None:
        messages = connection.info.get("messages", set())
        commit = commit_kind(
            connection.info.get("statements", []),
            is_lookup=bool(messages & self._lookups),
            updated_operation=connection.info.get("updated_operation"),
        )
        if commit is CommitKind.LOOKUP:
            self._lookups |= messages
        elif commit is CommitKind.CLAIM:
            self._lookups -= messages
        if commit is not self._commit:
            return
        self._number -= 1
        if self._number == 0 and not self._after:
            kill_self()
        connection.info["doomed"] = self._number == 0

    def _after_commit(self, _connection: Any, record: Any, *_: Any) -> None:
        """Kill when the connection returns to its pool: the commit is over, and no other statement was sent."""
        if record.info.pop("doomed", False):
            kill_self()


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run() -> int:
    # Messages of a channel that accounts share wait for others: here not so long that no failpoint is reached.
    shared_channels.WINDOW = SHARED_WINDOW
    failpoint: AbstractContextManager[None] = nullcontext()
    if spec := os.environ.pop(FAILPOINT, ""):
        site, kind, count = spec.split(",")
        failpoint = CommitFailpoint(site, kind, int(count)).installed()
    skew = timedelta(seconds=float(os.environ.pop(CLOCK_SKEW, "0")))
    variables = environment.take()
    settings = Settings.from_environ(variables)
    defined = load_defined(settings, variables, environment.read_file)
    configure(settings.log_level, secrets_of(defined.tenants), settings.log_format)
    ignored = environment.ignored(variables)

    def clock() -> datetime:
        return utc_now() + skew

    with failpoint:
        return asyncio.run(serve(defined, role="web", exit_now=os._exit, ignored=ignored, clock=clock))


if __name__ == "__main__":
    sys.exit(run())
