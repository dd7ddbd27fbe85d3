"""What can go wrong with one call, as values a test arms. Carrying it out is `http`'s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SlackFault:
    """How one call goes wrong. `taken`: Slack acts on it, whatever it answers."""

    taken: bool = False
    seconds: float = 0.0  # between acting and answering; real time
    drop: bool = False  # the connection closes without an answer
    status: int | None = None  # instead of the true answer
    body: dict[str, Any] | str = ""  # a text is sent as HTML
    retry_after: int | None = None


def ratelimited(seconds: int = 30) -> SlackFault:
    """Answer 429 with `Retry-After`."""
    return SlackFault(status=429, body={"ok": False, "error": "ratelimited"}, retry_after=seconds)


def reply_lost() -> SlackFault:
    """Take the call, and close the connection without an answer."""
    return SlackFault(taken=True, drop=True)


def dropped() -> SlackFault:
    """Close the connection before taking the call."""
    return SlackFault(drop=True)


def http_error(status: int = 502, body: str = "<html>Bad Gateway</html>", *, taken: bool = False) -> SlackFault:
    """Answer as a proxy in front of Slack would: no JSON."""
    return SlackFault(taken=taken, status=status, body=body)


def error(code: str, *, taken: bool = False, **fields: Any) -> SlackFault:
    """Answer 200 with `{"ok": false, "error": code, …}`; `fatal_error` may come with `taken=True`."""
    return SlackFault(taken=taken, status=200, body={"ok": False, "error": code, **fields})


def slow(seconds: float, *, taken: bool = True) -> SlackFault:
    """Answer rightly, `seconds` late. With `taken=False` the answer is a lost connection, at last."""
    return SlackFault(taken=taken, seconds=seconds, drop=not taken)
