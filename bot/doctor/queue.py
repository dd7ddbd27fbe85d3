"""Check the queue of QUEUE_BACKEND: its package, its tables, and whether its jobs are run."""

from __future__ import annotations

from bot import packages
from bot.doctor.findings import Finding, Report, Unset, well, wrong
from bot.settings.parsers import QueueKind
from bot.settings.values import Settings

CHECK = "queue"
MEANWHILE = "polls run in the slots of the processes"
MIGRATE = "Run `python -m bot queue migrate`."
RUN = "Start web or worker with QUEUE_BACKEND=procrastinate, and look for `queue failed` in their logs."


async def examine(settings: Settings, unset: Unset) -> Report:
    """Report nothing about an installation without a queue. `bot.doctor.store` reports problems of the database."""
    if settings.queue_backend is QueueKind.ROWS or unset.why_not(CHECK, "DATABASE_URL", "QUEUE_BACKEND"):
        return Report(())
    if missing := packages.missing(packages.OF_QUEUE):
        return Report((wrong(CHECK, "it is not installed", packages.advice(missing, packages.FLEET)),))
    return Report((await _state(settings),))


async def _state(settings: Settings) -> Finding:
    from bot.queue_backends.queue_errors import QueueError
    from bot.queue_backends.queue_state import inspect

    try:
        found = await inspect(settings.database_url)
    except QueueError as exc:
        return wrong(CHECK, f"its tables cannot be read ({exc})", "Look at DATABASE_URL, and at the store above.")
    if found.tables is None:
        return wrong(CHECK, f"its tables do not exist; {MEANWHILE}", MIGRATE)
    if found.tables != found.installed:
        return wrong(CHECK, f"its tables are those of {found.tables}, and {found.installed} is installed", MIGRATE)
    if not found.workers:
        return wrong(CHECK, "no process runs its jobs", RUN)
    if found.longest_wait > settings.poll_lease.total_seconds():
        return wrong(CHECK, f"a job has waited for {found.longest_wait:.0f} s; {MEANWHILE}", RUN)
    return well(CHECK, f"procrastinate {found.installed}: {found.workers} workers, {found.waiting} jobs wait")
