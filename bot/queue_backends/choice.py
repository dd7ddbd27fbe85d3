"""Build the queue backend of the settings. The package of a queue is imported only if it is chosen."""

from __future__ import annotations

from bot.ports import QueueBackend
from bot.settings.parsers import QueueKind
from bot.settings.values import Settings


def backend_for(settings: Settings, slots: QueueBackend) -> QueueBackend:
    """Return the slots of the process; with a queue, what distributes to all processes and falls back to them."""
    if settings.queue_backend is QueueKind.ROWS:
        return slots
    from bot.queue_backends.fallback import QueueWithFallback
    from bot.queue_backends.procrastinate import Procrastinate

    lease = settings.poll_lease
    return QueueWithFallback(Procrastinate(settings.database_url, lease), slots, lease)
