"""Run the machine's PgBouncer in transaction mode in front of a PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bot.demo.process import free_port

MISSING = "no pgbouncer on this machine (Debian: apt-get install pgbouncer)"
SERVER_CONNECTIONS = 4  # of each database; transactions take them in turn
START_SECONDS = 10
CONFIGURATION = """
[databases]
{databases}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
server_round_robin = 1
max_client_conn = 200
log_connections = 0
log_disconnections = 0
{user}
"""


def executable() -> str | None:
    """Return the path of PgBouncer. Distributions put it where only root's PATH leads."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass
class PgBouncer:
    """A pooler that can be stopped and started at one port."""

    server: str
    folder: Path
    aliases: dict[str, str] = field(
        default_factory=dict
    )  # a name for clients: the options of the server's database
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql://bot@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it accepts connections.

        Raises:
            RuntimeError: it ended, or accepted none within START_SECONDS.
        """
        path = executable()
        if path is None:
            raise RuntimeError(MISSING)
        configuration = self.folder / "pgbouncer.ini"
        configuration.write_text(self._configuration())
        with (self.folder / "pgbouncer.log").open("ab") as log:
            self._process = subprocess.Popen([path, "-q", str(configuration)], stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"PgBouncer did not start: {(self.folder / 'pgbouncer.log').read_text()[-500:]}")

    def stop(self) -> None:
        """End it at once, with all its connections."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _configuration(self) -> str:
        server = {name: str(value) for name, value in conninfo_to_dict(self.server).items() if name != "dbname"}
        server.setdefault("user", "postgres")
        known = {name: value for name, value in server.items() if name in ("host", "port", "user", "password")}
        lines = {alias: make_conninfo(**known, dbname=name) for alias, name in self.aliases.items()}
        lines["*"] = make_conninfo(**known)
        user = f"user = {_owner(server.get('host', ''))}" if os.geteuid() == 0 else ""  # it refuses to run as root
        return CONFIGURATION.format(
            databases="\n".join(f"{name} = {options}" for name, options in lines.items()),
            port=self.port,
            size=SERVER_CONNECTIONS,
            user=user,
        )


def _owner(host: str) -> str:
    """Return the user that may enter the socket directory of a server."""
    return Path(host).owner() if host.startswith("/") else "nobody"


@contextmanager
def pgbouncer(server: str, **aliases: str) -> Iterator[PgBouncer]:
    """Run PgBouncer in front of a server until the block ends.

    Args:
        server: the URL of the server. Each of its databases is there under its own name.
        aliases: more names, and the database that each leads to.
    """
    with tempfile.TemporaryDirectory(prefix="kfpool") as folder:
        pooler = PgBouncer(server, Path(folder), aliases)
        pooler.start()
        try:
            yield pooler
        finally:
            pooler.stop()
