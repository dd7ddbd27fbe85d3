"""Ask the person at the terminal, or read what is piped in."""

from __future__ import annotations

import getpass
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def read_secret(appid: str) -> str:
    """Return an AppSecret: the first line of standard input, or what is typed without an echo; "" without one."""
    with _interruptible():
        if not sys.stdin.isatty():
            return sys.stdin.readline().strip()
        try:
            return getpass.getpass(f"AppSecret of {appid}: ").strip()
        except EOFError:
            return ""


def is_repeated(request: str) -> bool:
    """Ask to do something and then to press Enter. Return False without a terminal."""
    if not sys.stdin.isatty():
        return False
    print(f"{request} Then press Enter.", file=sys.stderr, flush=True)
    with _interruptible():
        return sys.stdin.readline() != ""


def confirms(question: str, word: str) -> bool:
    """Ask a question that is answered by typing a word. Return whether it was typed."""
    print(f"{question} Type {word} to go on: ", end="", file=sys.stderr, flush=True)
    with _interruptible():
        return sys.stdin.readline().strip().lower() == word.lower()


def failed(why: str, status: int = 1) -> int:
    """Print why a command does nothing, and return its exit status."""
    print(why, file=sys.stderr)
    return status


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl+C end the command at once: the handler of asyncio waits until the line has been read."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
