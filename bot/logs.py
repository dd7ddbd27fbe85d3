"""One line per event on stdout, and no secret in any of them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence

# What these say at INFO and below holds whole URLs, bodies and payloads, and with them tokens.
TALKATIVE = (
    "httpx",
    "httpcore",
    "slack_sdk",
    "slack_bolt",
    "aiohttp",
    "asyncio",
    "sqlalchemy",
    "aiosqlite",
    "alembic",
    "psycopg",
)
SECRET = re.compile(
    r"(access_token=|secret=|appsecret=)[^\s&\"']+"
    r"|(https?://hooks\.slack\.com/|wss://)\S+"
    r"|(xox[a-z]-|xapp-)[A-Za-z0-9-]+"
    r"|(://[^\s:/@]*:)[^\s@/]+(?=@)"
)


class OneLine(logging.Formatter):
    """`2026-11-23T01:12:00Z INFO bot.watch text`, tracebacks folded into the line, secrets masked.

    The masks are the last line of defence: nothing is meant to reach them.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
        self._secrets = sorted((secret for secret in secrets if len(secret) > 3), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record).replace("\r", "").replace("\n", " | ")
        for secret in self._secrets:
            line = line.replace(secret, "•••")
        return SECRET.sub(lambda match: (match[1] or match[2] or match[3] or match[4] or "") + "•••", line)


def configure(level: str, secrets: Sequence[str]) -> None:
    """Send the log to stdout, as hosts expect it."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(OneLine(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
