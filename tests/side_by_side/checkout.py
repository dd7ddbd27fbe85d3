"""An older commit of this repository in a temporary work tree."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.documents import ROOT

MIGRATIONS = "bot/store/migrations/versions"
FIRST_OF_FLEETS = "0003_fleet"  # the version before it knows a single Official Account


class NoHistoryError(Exception):
    """The repository lacks the commit."""


def default_ref() -> str:
    """Return the last commit before the tables of several Official Accounts.

    Raises:
        NoHistoryError: this is no clone, or a shallow one.
    """
    added = _git("log", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/{FIRST_OF_FLEETS}.py")
    return f"{added.split()[-1]}^" if added.split() else "HEAD^"


@contextmanager
def checkout(ref: str, folder: Path) -> Iterator[Path]:
    """Check a commit out into `folder`, and yield its root.

    Raises:
        NoHistoryError: there is no such commit.
    """
    root = folder / "older"
    _git("worktree", "add", "--detach", "--quiet", str(root), ref)
    try:
        yield root
    finally:
        _git("worktree", "remove", "--force", str(root))


def described(ref: str) -> str:
    """Return the short hash and the subject of a commit."""
    return _git("log", "-1", "--format=%h %s", ref)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoHistoryError(done.stderr.strip())
    return done.stdout.strip()
