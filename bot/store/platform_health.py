"""What the store knows of the health of the third-party platform, and its incident."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from bot.alerting.incidents import ErrorDetails, Incident
from bot.alerting.platform_faults import PlatformHealth
from bot.store import incident_rows
from bot.store.database import Tx, insert_new
from bot.store.tables import platform

COLUMNS = ("fault", "fault_at", "pushed_at", "started_at", "rival_at", "incident")


async def load(tx: Tx, appid: str, *, lock: bool = False) -> PlatformHealth:
    """Read the health of a platform. `lock` makes other processes wait until the end of the transaction."""
    if lock:
        await tx.run(insert_new(tx, platform).values(appid=appid))
    query = sa.select(*(platform.c[name] for name in COLUMNS)).where(platform.c.appid == appid)
    row = (await tx.run(query.with_for_update() if lock else query)).mappings().first()
    if row is None:
        return PlatformHealth()
    return PlatformHealth(
        fault=fault_of(row["fault"]),
        fault_at=row["fault_at"],
        pushed_at=row["pushed_at"],
        started_at=row["started_at"],
        rival_at=row["rival_at"],
        incident=await incident_rows.load(tx, row["incident"]),
    )


async def record(tx: Tx, appid: str, before: Incident | None, after: Incident) -> None:
    """Record the incident of a platform, in the rows of the account whose channel has its notice."""
    await tx.run(sa.update(platform).where(platform.c.appid == appid).values(incident=after.id))
    await incident_rows.record(tx, before, after)


def fault_of(stored: Mapping[str, object] | None) -> ErrorDetails | None:
    """Read a fault; None for one of another release."""
    try:
        return ErrorDetails(**stored) if stored else None  # type: ignore[arg-type]
    except TypeError:
        return None
