"""Bodies that a client must reject: too long, too deeply nested, or highly compressed."""

from __future__ import annotations

import gzip
import re
from functools import cache

INFLATED = 64 << 20  # bytes; 65 kB as gzip, and some 300 bytes when that is compressed again
TOO_LONG = 2 << 20  # bytes
DEPTH = 200_000
DIGITS = 5_000
_NUMBER = re.compile(rb":(\d+)")
_DEADLINE = re.compile(rb'("invite_expire_time":)(\d+)')


@cache
def bomb() -> bytes:
    """Build a small gzip body that holds `INFLATED` bytes."""
    return gzip.compress(bytes(INFLATED))


@cache
def stacked_bomb() -> bytes:
    """Build the same, compressed twice."""
    return gzip.compress(bomb())


def too_long(body: bytes) -> bytes:
    return body + b" " * TOO_LONG


def deep() -> bytes:
    return b'{"kf_list":' + b"[" * DEPTH + b"]" * DEPTH + b"}"


def huge_numbers(body: bytes) -> bytes:
    return _NUMBER.sub(b":" + b"9" * DIGITS, body)


def float_deadlines(body: bytes) -> bytes:
    return _DEADLINE.sub(rb"\1\2.0", body)


def millisecond_deadlines(body: bytes) -> bytes:
    return _DEADLINE.sub(rb"\g<1>\g<2>000", body)


def unreadable_deadlines(body: bytes) -> bytes:
    return _DEADLINE.sub(rb'\1"soon"', body)
