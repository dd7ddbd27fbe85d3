"""The errors of queues."""

from __future__ import annotations


class QueueError(Exception):
    """The queue cannot be used. The text says why, in one line."""
