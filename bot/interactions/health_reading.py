"""The facts of health that are in the store: one transaction reads them, pure functions combine them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.alerting.circuit_breaker import CircuitBreaker
from bot.alerting.episode import Episode
from bot.alerting.quiet_hours import QuietHours
from bot.health.facts import HealthFacts, PlatformFacts, Receivers, SlackTrouble
from bot.store import (
    circuit_breaker_row,
    episodes,
    interface_refusals,
    poll_state,
    processes,
    slack_state,
    stats,
    tenants,
)
from bot.store.database import Store, Tx
from bot.store.interface_refusals import InterfaceRefusal
from bot.store.poll_state import PollState
from bot.store.processes import ProcessInfo
from bot.store.stats import OverdueStats, QueueStats


@dataclass(frozen=True, slots=True)
class StoreReading:
    """The values that one transaction has read."""

    now: datetime  # by the clock of the store
    state: PollState
    queue: QueueStats
    overdue: OverdueStats
    processes: Sequence[ProcessInfo]
    process_skew: timedelta
    snoozed: Sequence[Episode]
    refusal: InterfaceRefusal | None  # of an operation
    slack: SlackTrouble | None = None
    breaker: CircuitBreaker | None = None
    platform: PlatformFacts | None = None


async def read_store(
    store: Store, quiet: QuietHours | None, *, is_one_of_several: bool = False, platform_appid: str = ""
) -> StoreReading:
    """Read everything that health and status are computed from; of several accounts also what concerns them all.

    Args:
        platform_appid: of the third-party platform; "" without one.
    """
    async with store.begin() as tx:
        queue = await stats.queue_stats(tx, tx.now)
        return StoreReading(
            now=tx.now,
            state=await poll_state.load(tx),
            queue=queue,
            overdue=queue.overdue(tx.now, audible_since(quiet, tx.now)),
            processes=await processes.running(tx, tx.now),
            process_skew=await processes.skew(tx),
            snoozed=await episodes.snoozed(tx),
            refusal=await interface_refusals.current(tx),
            slack=await slack_state.load(tx),
            breaker=await circuit_breaker_row.load(tx) if is_one_of_several else None,
            platform=await _platform(tx, platform_appid) if platform_appid else None,
        )


async def _platform(tx: Tx, appid: str) -> PlatformFacts:
    from bot.store import platform_health  # only a platform needs it

    health = await platform_health.load(tx, appid)
    return PlatformFacts(health.pushed_at, health.lasting, await tenants.count(tx, platform_appid=appid))


def audible_since(quiet: QuietHours | None, now: datetime) -> datetime | None:
    """Return when the last quiet hours ended; `now` during them. Messages that they hold are not late."""
    if quiet is None:
        return None
    return now if quiet.covers(now) else quiet.last_end(now)


def with_reading(known: HealthFacts, reading: StoreReading) -> HealthFacts:
    """Return the facts with those of the store."""
    slack = reading.slack or known.slack
    known = replace(known, now=reading.now, process_skew=reading.process_skew, slack=slack)
    known = replace(known, breaker=reading.breaker, platform=reading.platform)
    found = with_state(known, reading.state)
    return with_queue(found, reading.queue, reading.overdue)


def with_state(known: HealthFacts, state: PollState) -> HealthFacts:
    """Return the facts with those of the polls of an account."""
    return replace(
        known,
        polled_at=state.polled_at,
        next_poll_at=state.next_poll_at,
        wait=state.poll_wait,
        failed_polls=state.health.failed_polls,
        failing_since=state.health.failing_since,
        incident=state.health.incident,
        clock_incident=state.clock.incident,
        failed_rows=tuple(state.failing),
        failed_rows_since=min((one.since for one in state.failing.values()), default=None),
    )


def with_queue(known: HealthFacts, queue: QueueStats, overdue: OverdueStats) -> HealthFacts:
    """Return the facts with those of the messages of an account."""
    return replace(
        known,
        pending=queue.pending,
        oldest_pending=queue.oldest,
        overdue=overdue.count,
        overdue_since=overdue.since,
        refused=queue.refused,
        unconfirmed=queue.unconfirmed,
        lost_since=queue.lost_since,
        held_unconfirmed=queue.held_unconfirmed,
        failed=queue.failed,
        stale=queue.stale,
    )


def with_processes(
    known: HealthFacts,
    found: Sequence[ProcessInfo],
    own: ProcessInfo | None,
    digests: Mapping[str, str],
    *,
    by_socket: bool,
) -> HealthFacts:
    """Return the facts with those of all running processes.

    Args:
        own: the process that this runs in, as it is now; its row in the store may be older.
        digests: of the settings of this process that all must share.
        by_socket: whether Slack's commands come over a connection that a worker opens.
    """
    by_id = {one.id: one for one in found if one.role}
    if own:
        started_at = by_id[own.id].started_at if own.id in by_id else own.started_at  # by the clock of the store
        by_id[own.id] = replace(own, started_at=started_at)
    running = list(by_id.values())
    reports = (known.rejected, *(one.rejected for one in running))
    failures = (known.failed_replies, *(one.failed_replies for one in running))
    return replace(
        known,
        started_at=min((one.started_at for one in running if one.started_at), default=None),
        receivers=Receivers(
            count=sum(one.receives_commands for one in running),
            processes=len(running),
            by_socket=by_socket,
        ),
        rejected=max(filter(None, reports), key=lambda one: one.count, default=None),
        failed_replies=max(filter(None, failures), key=lambda one: one.count, default=None),
        differing_settings=_differing([*(one.settings for one in running), digests]),
    )


def _differing(settings: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the names of the settings in which processes differ. Those of an older release are not known."""
    known = [one for one in settings if one]
    names = sorted({name for one in known for name in one})
    return tuple(name for name in names if len({one[name] for one in known if name in one}) > 1)
