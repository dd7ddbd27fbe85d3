"""Log events: one line each on stdout, as text or JSON, without secrets."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from bot.runtime.escaping import cut, escape
from wechat_kf import APIError, KfError

Format = Literal["text", "json"]

# At INFO and below these log whole URLs, bodies and payloads, and with them tokens.
NOISY_LOGGERS = (
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
SLASHES = r"(?::|%3[Aa])(?:\\?/|%2[Ff]){2}"  # of a URL: plain, as JSON may write it, or as forms do
APPSECRET = re.compile(r"[0-9a-f]{32}")
# AppSecrets, keys of the store and credentials of third-party platforms are known by their shapes: of thousands of
# accounts, a search for the values would take longer than the line.
SECRET = re.compile(
    r"(access_token=|secret=|appsecret=)[^\s&\"']+"
    rf"|(https?{SLASHES}hooks\.slack(?:-gov)?\.com|wss{SLASHES})\S+"
    r"|(xox[a-z]-|xapp-)[A-Za-z0-9-]+"
    r"|(://[^\s:/@]*:)[^\s@/]+(?=@)"
    r"|((?:ticket|refreshtoken|preauthcode|queryauthcode)@@@)[^\s\"'<>]+"
    r"|[0-9a-f]{32,}"
)
LONGEST_VALUE = 1000  # characters of a field
LONGEST_TEXT = 8000  # of a traceback, or of a message of a library
QUOTES_VALUES = ("22", "23", "44", "P0")  # classes of SQLSTATE whose first line may quote a value of a row
MOST_CAUSES = 10
PLAIN = re.compile(r"[^\s\"=]+")

_request_id: ContextVar[str] = ContextVar("request", default="")
_handle: ContextVar[str] = ContextVar("handle", default="")


class LogEvent:
    """An event to log: `log.info(LogEvent("post", message=7, outcome="sent"))`.

    A constant name in words, then fields with values. Fields that are None are left out.
    """

    def __init__(self, name: str, /, **fields: Any) -> None:
        self.name = name
        self.fields = {key: value for key, value in fields.items() if value is not None}

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{key}={_quoted(value)}" for key, value in self.fields.items())])


@contextmanager
def request_id(trigger: str = "") -> Iterator[None]:
    """Put the same `request` into every line that is logged in here, in tasks that start in here as well.

    It is made of Slack's trigger ID, which is a secret itself while it lives; without one it is drawn.
    """
    name = hashlib.sha256(trigger.encode()).hexdigest()[:8] if trigger else secrets.token_hex(4)
    mark = _request_id.set(name)
    try:
        yield
    finally:
        _request_id.reset(mark)


@contextmanager
def official_account(handle: str) -> Iterator[None]:
    """Put the handle of an Official Account into every line that is logged in here, if it is not empty."""
    mark = _handle.set(handle)
    try:
        yield
    finally:
        _handle.reset(mark)


def error_fields(error: KfError) -> dict[str, Any]:
    """Return fields that explain why a call to WeChat failed. Its support finds the call by the `rid`."""
    if isinstance(error, APIError):
        return {"error": type(error).__name__, "errcode": error.errcode, "rid": error.rid, "errmsg": error.errmsg}
    return {"error": str(error)}


def fault_words(exc: Exception) -> str:
    """Describe an exception without the values that it quotes: they may be names and WeChat IDs.

    A database error is named by its driver's class, SQLSTATE and constraint; others by the line that raised.
    """
    if (cause := getattr(exc, "orig", None)) is not None:
        constraint = getattr(getattr(cause, "diag", None), "constraint_name", None)
        return " ".join(filter(None, [type(cause).__name__, getattr(cause, "sqlstate", None), constraint]))
    frames = traceback.extract_tb(exc.__traceback__)
    return type(exc).__name__ + (f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "")


class LineFormatter(logging.Formatter):
    """`2026-11-23T01:12:00Z INFO bot.start_log started version=1.0.0`, or the same as a JSON object.

    Tracebacks are folded into the line. Control characters are escaped and long values are cut: WeChat, Slack or a
    stranger may have written them. The masks are the last line of defence: nothing is meant to reach them.
    """

    def __init__(self, secrets: Sequence[str], form: Format = "text") -> None:
        super().__init__()
        self._secrets = sorted((secret for secret in secrets if len(secret) > 3), key=len, reverse=True)
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        said = record.msg if isinstance(record.msg, LogEvent) else LogEvent(record.getMessage())
        trace = self.formatException(record.exc_info) if record.exc_info else None
        line = LogEvent(
            self._safe(said.name, LONGEST_TEXT),
            **{key: self._safe(value, LONGEST_VALUE) for key, value in said.fields.items()},
            handle=_handle.get() or None,
            request=_request_id.get() or None,
            traceback=trace and self._safe(" | ".join(trace.splitlines()), LONGEST_TEXT),
        )
        time = f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%SZ}"
        if self._form == "text":
            return escape(" | ".join(f"{time} {record.levelname} {record.name} {line}".splitlines()))
        fields = {"time": time, "level": record.levelname, "logger": record.name, "event": line.name, **line.fields}
        # JSON has its own escape for line ends; a reader gets all others as they are shown here.
        safe = {key: escape(one, keep="\n\t") if isinstance(one, str) else one for key, one in fields.items()}
        return json.dumps(safe, ensure_ascii=False, default=str)

    def formatException(self, ei: Any) -> str:  # noqa: N802  the name is of the standard library
        """Format a traceback with its causes. Database errors may quote values: they show their codes instead."""
        parts: list[str] = []
        exc: BaseException | None = ei[1]
        while exc is not None and len(parts) < MOST_CAUSES:
            frames = "".join(traceback.format_tb(exc.__traceback__))
            parts.append(f"Traceback (most recent call last):\n{frames}{_without_values(exc)}")
            exc = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
        return "\nFrom it followed:\n".join(reversed(parts))

    def _safe(self, value: Any, limit: int) -> Any:
        """Mask secrets, then cut: a secret that is cut in two would not be recognised."""
        masked = self._masked(value)
        return cut(masked, limit) if isinstance(masked, str) else masked

    def _masked(self, value: Any) -> Any:
        """Without secrets. This comes before JSON is written, or the masks would eat its quotes as well."""
        if value is None or isinstance(value, bool | int | float):
            return value
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, "•••")
        return SECRET.sub(lambda match: (match[match.lastindex] if match.lastindex else "") + "•••", text)


def configure(level: str, secrets: Sequence[str], form: Format = "text", stream: TextIO | None = None) -> None:
    """Send the log to stdout, as hosts expect it, or to another stream."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(LineFormatter(secrets, form))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)  # of libraries: they would print several lines that are not masked
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def _without_values(exc: BaseException) -> str:
    """Describe an exception as a traceback does, a database error without the values of a row."""
    if hasattr(exc, "orig") and isinstance(exc, Exception):  # SQLAlchemy's, around the driver's
        return f"{type(exc).__name__}: {fault_words(exc)} [SQL: {getattr(exc, 'statement', '')}]"
    if sqlstate := getattr(exc, "sqlstate", None):  # the first line of other classes names tables or servers
        words = "" if sqlstate[:2] in QUOTES_VALUES else str(exc).partition("\n")[0]
        return f"{type(exc).__name__} {sqlstate} {words}".rstrip()
    return "".join(traceback.format_exception_only(exc)).rstrip()


def _quoted(value: Any) -> str:
    text = str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
