"""The limit of open files, and the share of it that connections may use."""

from __future__ import annotations

import contextlib

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

ENOUGH = 16_384  # files: more would only let strangers use more memory
RESERVED = 100  # for the store, Slack, WeChat, the log
MOST_CONNECTIONS = 4000


def raise_soft_limit() -> int:
    """Raise the soft limit of open files to the hard one, up to `ENOUGH`. Return the limit in force."""
    if resource is None:
        return ENOUGH
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # the kernel's own limit is lower
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


def connections_within(files: int) -> int:
    """Return how many connections may be open, so that files are left for everything else."""
    return min(MOST_CONNECTIONS, max(files - RESERVED, files // 2))
