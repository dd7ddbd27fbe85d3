"""The real bot, and a bullet: it kills itself at the n-th commit of a kind. Nothing in the bot knows of it.

`KILL_AT` says where, for example `before claim 1`. SQLAlchemy's own events are what it hangs on, so that the
kill comes between the statement and the commit, or between the commit and whatever would be next.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from datetime import timedelta
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import Pool

from bot.__main__ import main
from bot.ports import utc_now
from tests.crash.failpoints import Commit

KILL_AT = "CRASH_KILL_AT"
SKEW = "CRASH_SKEW"  # seconds that the clock of this process is ahead
SET = re.compile(r"UPDATE (message|meta|episode) SET (.*?)(?: WHERE |$)", re.DOTALL)


def purpose(statements: list[str], *, looking: bool) -> Commit | None:
    """What a transaction was for, told from its statements; None when it wrote nothing.

    Args:
        looking: the newest claim of this process was one for a look.
    """
    written = " ".join(statements)
    if "CREATE TABLE" in written:
        return Commit.SCHEMA
    if "INSERT INTO told" in written or "INSERT INTO message" in written:
        return Commit.NEWS
    columns: dict[str, set[str]] = {}
    for table, values in SET.findall(written):
        columns.setdefault(table, set()).update(re.findall(r"(\w+)=", values))
    changed = columns.get("message", set())
    if "attempt" in changed:
        return Commit.CLAIM if "status" in changed else Commit.LOOK
    if "sent_at" in changed:
        return Commit.ADOPTED if looking else Commit.SENT
    if "looks" in changed:
        return Commit.ABSENT
    if "episode" in columns:  # what a read changed, and so what may change in messages
        return Commit.READ
    if "status" in changed:
        return Commit.BACK
    if changed & {"applied_hash", "next_edit_at", "settled", "gone"}:
        return Commit.VIEW
    if columns.get("meta") in ({"next_poll_at"}, {"next_poll_at", "poll_wait"}):
        return Commit.POLL
    return Commit.READ if columns else None


class Bullet:
    """Waits for its commit."""

    def __init__(self, where: str, commit: str, number: int) -> None:
        self._after = where == "after"
        self._commit = Commit(commit)
        self._number = number
        self._looking = False

    def load(self) -> None:
        event.listen(Engine, "begin", self._begin)
        event.listen(Engine, "before_cursor_execute", self._note)
        event.listen(Engine, "commit", self._hit)
        event.listen(Pool, "reset", self._late)

    def _begin(self, connection: Connection) -> None:
        connection.info["statements"] = []

    def _note(self, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        connection.info.setdefault("statements", []).append(statement)

    def _hit(self, connection: Connection) -> None:
        commit = purpose(connection.info.get("statements", []), looking=self._looking)
        if commit in (Commit.CLAIM, Commit.LOOK):
            self._looking = commit is Commit.LOOK
        if commit is not self._commit:
            return
        self._number -= 1
        if self._number == 0 and not self._after:
            die()
        connection.info["doomed"] = self._number == 0

    def _late(self, _connection: Any, record: Any, *_: Any) -> None:
        """A connection goes back to its pool: the commit is over, and nothing else was said to the database."""
        if record.info.pop("doomed", False):
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if spec := os.environ.pop(KILL_AT, ""):
        place, kind, count = spec.split()
        Bullet(place, kind, int(count)).load()
    skew = timedelta(seconds=float(os.environ.pop(SKEW, "0")))
    sys.exit(main(clock=lambda: utc_now() + skew))
