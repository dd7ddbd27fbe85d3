"""Rows of the Official Accounts: which ones there are, whether they are watched, and the settings from commands.

Their secrets are in `sealed_secrets`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from bot.store import sealed_secrets
from bot.store.conditions import among
from bot.store.database import MOST_AT_ONCE, Tx, batches, insert_new
from bot.store.tables import emitted_event, episode, message, operation, poll_state, reader, tenant, token
from bot.store.upserts import upsert
from bot.tenant_states import POLLED, TenantState

COMMAND = "command"  # the origin of an account that a command has added
PLATFORM = "platform"  # the origin of an account whose owner has authorised the third-party platform
STORED = (COMMAND, PLATFORM)  # the accounts that only the store defines
CHANGE_LOCK = 0x6B66_6163  # the key of an advisory lock of PostgreSQL
# The settings that have a column; `policy` has the others.
COLUMNS = ("source", "channel", "mention", "viewers", "labels")


class PauseReason(StrEnum):
    """Why an account is paused."""

    GONE = "gone"  # it is no longer in the file or the environment
    PERSON = "person"
    REMOVED = "removed"


IS_POLLED = tenant.c.state.in_(POLLED)
# The rows of the accounts that are watched.
WATCHED = poll_state.c.appid.in_(sa.select(tenant.c.appid).where(IS_POLLED))


@dataclass(frozen=True, slots=True)
class StoredTenant:
    """An Official Account as it is stored."""

    appid: str
    slug: str
    name: str
    origin: str
    state: TenantState = TenantState.ACTIVE
    reason: str = ""
    platform_appid: str = ""  # of the platform that its owner has authorised
    own: Mapping[str, Any] = field(default_factory=dict)  # settings from commands, by the keys of a file

    @property
    def is_watched(self) -> bool:
        """Return whether no person has paused an account that only the store defines.

        An older release, which knows no such accounts, pauses all of them without a reason.
        """
        return self.reason == ""


async def record(tx: Tx, tenants: Sequence[StoredTenant]) -> None:
    """Store the accounts that the process has loaded, and pause those that are no longer among them.

    Accounts that only the store defines stay as they are: only a pause without a reason is undone. If one of them
    is defined elsewhere now, its AppSecret is deleted: it must not come into use again without a command.
    """
    new = {one.appid: one for one in sorted(tenants, key=_appid) if one.origin not in STORED}
    loaded, changed, left = {one.appid for one in tenants}, list[dict[str, Any]](), list[str]()
    async for known in _every(tx):
        defined = new.pop(known.appid, None)
        if defined is None:
            is_gone = known.origin not in STORED and known.appid not in loaded
            left += [known.appid] if is_gone and known.state is TenantState.ACTIVE else []
            continue
        if known.origin == COMMAND:
            await sealed_secrets.delete_of(tx, known.appid)
        if (values := _values(defined)) != _values(known):
            changed.append(values)
    times = _times(tx)
    for added in batches(new.values()):  # the values of all at once would take 10 MB
        await tx.run(insert_new(tx, tenant), [{**times, **_values(one)} for one in added])
    if changed:
        await _update_all(tx, [{**values, "removed_at": None, "changed_at": tx.now} for values in changed])
    paused_in_error = sa.and_(
        tenant.c.origin.in_(STORED), tenant.c.reason == "", tenant.c.state == TenantState.PAUSED
    )
    await tx.run(sa.update(tenant).where(paused_in_error).values(state=TenantState.ACTIVE))
    pausing = {"state": TenantState.PAUSED, "reason": PauseReason.GONE, "changed_at": tx.now}
    if left:
        await _update_all(tx, [{"appid": appid, **pausing} for appid in left])
    await pause_polls(tx)


def _appid(one: StoredTenant) -> str:
    return one.appid


def _values(one: StoredTenant) -> dict[str, Any]:
    """Return the columns that the environment or the file of an account decides."""
    columns = ("appid", "slug", "name", "origin", "state", "reason")
    return {name: getattr(one, name) for name in columns}


async def _update_all(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Update rows by their AppIDs, all with the same columns."""
    by_appid = sa.update(tenant).where(tenant.c.appid == sa.bindparam("of"))
    await tx.run(by_appid, [{**row, "of": row["appid"]} for row in rows])


async def load(tx: Tx) -> list[StoredTenant]:
    """Return all accounts that this installation has or had, by AppID; not those that commands have removed."""
    return await _rows(tx, tenant.c.removed_at.is_(None))


async def titles(tx: Tx, appids: Collection[str]) -> dict[str, str]:
    """Return the names of these accounts in texts, by AppID; also of those that are not watched any more."""
    rows = await tx.run(
        sa.select(tenant.c.appid, tenant.c.slug, tenant.c.name).where(among(tx, tenant.c.appid, appids))
    )
    return {row.appid: row.name or f"@{row.slug}" for row in rows}


async def slugs(tx: Tx, *, without: str = "") -> frozenset[str]:
    """Return the slugs that are taken, without that of one AppID."""
    taken = sa.select(tenant.c.slug).where(tenant.c.removed_at.is_(None), tenant.c.appid != without)
    return frozenset((await tx.run(taken)).scalars())


async def count(tx: Tx, *, platform_appid: str = "") -> dict[TenantState, int]:
    """Return how many accounts there are in each state, without those that commands have removed.

    Args:
        platform_appid: count only the accounts that authorise this platform.
    """
    counted = sa.select(tenant.c.state, sa.func.count().label("number")).where(tenant.c.removed_at.is_(None))
    if platform_appid:
        counted = counted.where(tenant.c.origin == PLATFORM, tenant.c.platform_appid == platform_appid)
    numbers = dict.fromkeys(TenantState, 0)
    for row in (await tx.run(counted.group_by(tenant.c.state))).mappings():
        numbers[state_of(row)] += row["number"]
    return numbers


async def count_added(tx: Tx) -> int:
    """Count the accounts that commands have added and that are to be watched."""
    added = sa.select(sa.func.count()).where(tenant.c.origin == COMMAND, tenant.c.reason == "")
    return int((await tx.run(added)).scalar_one())


async def _every(tx: Tx) -> AsyncIterator[StoredTenant]:
    """Yield all accounts by AppID, some hundreds of a query: the rows of thousands at once take megabytes."""
    last = ""
    while rows := await _rows(tx, tenant.c.appid > last, most=MOST_AT_ONCE):
        for row in rows:
            yield row
        last = rows[-1].appid


async def _rows(tx: Tx, condition: sa.ColumnElement[bool], most: int | None = None) -> list[StoredTenant]:
    rows = await tx.run(sa.select(tenant).where(condition).order_by(tenant.c.appid).limit(most))
    return [
        StoredTenant(
            appid=row["appid"],
            slug=row["slug"],
            name=row["name"],
            origin=row["origin"],
            state=state_of(row),
            reason=row["reason"],
            platform_appid=row["platform_appid"] or "",
            own=_own(row),
        )
        for row in rows.mappings()
    ]


async def save(tx: Tx, *stored: StoredTenant) -> None:
    """Store accounts that only the store defines, as a command adds or changes them."""
    changed_at, rows = await time_of_change(tx), []
    for one in stored:
        policy = {key: value for key, value in one.own.items() if key not in COLUMNS}
        own = {name: one.own.get(name) for name in COLUMNS} | {"policy": policy or None}
        rows.append({**_values(one), **own, "removed_at": None, "changed_at": changed_at})
    await upsert(tx, tenant, rows, {"created_at": tx.now})
    await pause_polls(tx)


async def pause(tx: Tx, appid: str) -> None:
    """Stop all processes from watching an account. Its rows stay."""
    values = {"state": TenantState.PAUSED, "reason": PauseReason.PERSON, "changed_at": await time_of_change(tx)}
    await _update(tx, appid, values)
    await pause_polls(tx)


async def resume(tx: Tx, appid: str) -> None:
    """Let the processes watch an account again."""
    await _update(tx, appid, {"state": TenantState.ACTIVE, "reason": "", "changed_at": await time_of_change(tx)})
    await pause_polls(tx)


async def remove(tx: Tx, appid: str) -> None:
    """Delete the secrets of an account, and mark it as removed: no process watches it any more."""
    await sealed_secrets.delete_of(tx, appid)
    values = {"state": TenantState.PAUSED, "reason": PauseReason.REMOVED, "removed_at": tx.now}
    await _update(tx, appid, values | {"changed_at": await time_of_change(tx)})
    await pause_polls(tx)


async def remove_withdrawn(tx: Tx, before: datetime) -> None:
    """Mark the rows of accounts whose owners withdrew before a moment as removed then."""
    await lock(tx)
    withdrawn = sa.and_(tenant.c.state == TenantState.REVOKED, tenant.c.removed_at.is_(None))
    remove = sa.update(tenant).where(withdrawn, tenant.c.changed_at < before)
    await tx.run(remove.values(removed_at=tenant.c.changed_at, changed_at=await time_of_change(tx)))


async def delete_removed(tx: Tx, before: datetime) -> str:
    """Delete all rows of one account that was removed before a moment. Return its AppID; "" if there is none."""
    removed = sa.select(tenant.c.appid).where(tenant.c.origin.in_(STORED), tenant.c.removed_at < before).limit(1)
    appid = (await tx.run(removed)).scalar()
    if appid is None:
        return ""
    events = sa.select(episode.c.id).where(episode.c.appid == appid)
    await tx.run(sa.delete(poll_state).where(poll_state.c.appid == appid))
    await tx.run(sa.delete(emitted_event).where(emitted_event.c.episode_id.in_(events)))
    for table in (episode, message, operation, reader, tenant):
        await tx.run(sa.delete(table).where(table.c.appid == appid))
    # After its account, as a push about it does: they could deadlock.
    await tx.run(sa.delete(token).where(token.c.owner == appid))
    return str(appid)


async def lock(tx: Tx) -> None:
    """Let other changes of accounts wait until the end of this transaction.

    Otherwise two transactions could pause the last two accounts, each because the other one is still watched.
    """
    if tx.connection.dialect.name == "postgresql":
        await tx.run(sa.select(sa.func.pg_advisory_xact_lock(CHANGE_LOCK)))


async def last_change(tx: Tx) -> datetime | None:
    """Return when a command last changed an account, by the end of an index; None if there is none.

    No two changes have the same time, so another time shows that something has changed.
    """
    newest = sa.select(sa.func.max(tenant.c.changed_at)).where(tenant.c.origin.in_(STORED))
    found: datetime | None = (await tx.run(newest)).scalar()
    return found


async def time_of_change(tx: Tx) -> datetime:
    """Return the time for a change, later than that of every earlier one: the clock may have been wrong."""
    newest = await last_change(tx)
    return max(tx.now, newest + timedelta(microseconds=1)) if newest else tx.now


async def pause_polls(tx: Tx) -> None:
    """Let no process poll the accounts that a person, the owner or WeChat has stopped; continue the others.

    Accounts that are gone from the file keep their polls: another bot on this database may claim them.
    """
    by_command = sa.and_(tenant.c.state == TenantState.PAUSED, tenant.c.reason.not_in(("", PauseReason.GONE)))
    stopped = tenant.c.state.not_in((TenantState.PAUSED, *POLLED))  # by the owner or by WeChat
    paused = poll_state.c.appid.in_(sa.select(tenant.c.appid).where(sa.or_(by_command, stopped)))
    differing = sa.select(poll_state.c.appid, paused.label("paused")).where(poll_state.c.paused != paused)
    found = (await tx.run(differing.order_by(poll_state.c.appid).with_for_update())).all()
    for is_paused in (True, False):
        appids = [row.appid for row in found if row.paused == is_paused]
        if appids:
            which = among(tx, poll_state.c.appid, appids)
            await tx.run(sa.update(poll_state).where(which).values(paused=is_paused))


async def _update(tx: Tx, appid: str, values: Mapping[str, Any]) -> bool:
    return bool((await tx.run(sa.update(tenant).where(tenant.c.appid == appid).values(**values))).rowcount)


def _times(tx: Tx) -> dict[str, datetime]:
    return {"created_at": tx.now, "changed_at": tx.now}


def _own(row: sa.RowMapping) -> dict[str, Any]:
    policy = row["policy"] if isinstance(row["policy"], dict) else {}
    return policy | {name: row[name] for name in COLUMNS if row[name] is not None}


def state_of(row: sa.RowMapping) -> TenantState:
    """Read a state. A word of a newer release counts as paused."""
    try:
        return TenantState(row["state"])
    except ValueError:
        return TenantState.PAUSED
