"""Of many Official Accounts those with old rows are pruned, some at a time, and by one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import pruning_rounds
from bot.fleet import Fleet, build_fleet
from bot.outbox.messages import MessageKind, MessageStatus
from bot.pruning_rounds import PruningRounds
from bot.retention import RetentionPolicy
from bot.store import processes, pruning, tenants
from bot.store.processes import ProcessInfo
from bot.store.tables import message, operation, poll_state
from bot.store.tenants import StoredTenant
from tests.conftest import NOW, at_now
from tests.running import sqlite
from tests.test_fleet_health import tenant

RETENTION = RetentionPolicy()
OLD = NOW - RETENTION.keep - timedelta(days=1)
HANDLES = ("harbour", "kiosk", "orchid")


async def fill(store, handles: Sequence[str] = HANDLES) -> None:
    """Store accounts that have been polled."""
    store.include(f"wx-{one}" for one in handles)
    await store.open()
    async with store.begin() as tx:
        await tenants.record(tx, [StoredTenant(f"wx-{one}", one, "", "file") for one in handles])
        await tx.run(sa.update(poll_state).values(watching_since=OLD, failed_polls=0))


async def keep_old_message(store, handle: str) -> None:
    row = {"id": f"m-{handle}", "appid": f"wx-{handle}", "kind": MessageKind.ALERT, "status": MessageStatus.SENT}
    texts = {"priority": 1, "episode_ids": [], "event_keys": [], "payload": {}}
    async with store.begin() as tx:
        await tx.run(sa.insert(message).values(**row, **texts, created_at=OLD, not_before=OLD))


async def choose(store, most: int = 500) -> list[str]:
    async with store.begin() as tx:
        return await pruning.choose(tx, RETENTION.every, tx.now - RETENTION.keep, most)


@pytest.mark.both_stores
async def test_accounts_with_old_rows_are_chosen_and_the_others_have_had_their_run(store):
    await fill(store, (*HANDLES, "cabin"))
    await keep_old_message(store, "kiosk")
    async with store.begin() as tx:
        texts = {
            "kind": "invite",
            "wanted": {},
            "user_id": "U0MEI",
            "user_name": "mei",
            "result": {},
            "submission": "s",
        }
        ended = {"asked_at": OLD, "ended_at": OLD, "state": "done", "account_key": "bo@harbour_tea"}
        await tx.run(sa.insert(operation).values(id="one", appid="wx-harbour", **texts, **ended))
        await tx.run(sa.update(poll_state).where(poll_state.c.appid == "wx-cabin").values(failed_polls=1))
    assert await choose(store) == ["wx-harbour", "wx-kiosk"]
    assert await choose(store) == ["wx-harbour", "wx-kiosk"]  # they are due until their runs begin
    async with store.begin() as tx:
        done = await tx.run(sa.select(poll_state.c.appid).where(poll_state.c.pruned_at == tx.now))
        assert done.scalars().all() == ["wx-orchid"]


async def test_no_more_accounts_are_examined_at_once_than_allowed(store):
    await fill(store)
    for handle in HANDLES:
        await keep_old_message(store, handle)
    assert len(await choose(store, most=2)) == 2


@pytest.mark.both_stores
async def test_first_of_the_running_processes_prunes(store):
    await fill(store)
    async with store.begin() as tx:
        for name, minutes in (("new", 1), ("old", 9), ("gone", 20)):
            started_at = NOW - timedelta(minutes=minutes)
            await processes.touch(tx, ProcessInfo(name, "web", started_at, of_all=True), NOW)
        gone = sa.update(processes.process).where(processes.process.c.id == "gone")
        await tx.run(gone.values(seen_at=NOW - timedelta(minutes=5)))
        assert [await processes.is_first(tx, name) for name in ("new", "old", "gone")] == [False, True, False]


@asynccontextmanager
async def fleet(folder: Path, handles: Sequence[str] = HANDLES) -> AsyncIterator[Fleet]:
    """Build a fleet whose process is the only one that runs."""
    loaded = [tenant(one, database_url=sqlite(folder)) for one in handles]
    async with build_fleet(loaded[0].settings, loaded, at_now, role="web") as made:
        await fill(made.shared.store, handles)
        await made.first.status_reporter.register()
        yield made


async def slugs(rounds: PruningRounds) -> list[str]:
    return [one.tenant.slug for one in await rounds.accounts()]


async def test_accounts_stay_in_their_round_until_their_runs_have_finished(tmp_path):
    async with fleet(tmp_path) as made:
        rounds = PruningRounds(made, made.shared.store, RETENTION)
        assert await slugs(rounds) == []
        await keep_old_message(made.shared.store, "kiosk")
        async with made.shared.store.begin() as tx:
            await tx.run(sa.update(poll_state).values(pruned_at=None))
        assert await slugs(rounds) == await slugs(rounds) == ["kiosk"]
        made.accounts["wx-kiosk"].pruner.has_finished = True
        async with made.shared.store.begin() as tx:
            await tx.run(sa.update(poll_state).values(pruned_at=NOW))
        assert await slugs(rounds) == []


async def test_account_whose_list_cannot_be_read_makes_room_for_others(tmp_path, monkeypatch):
    monkeypatch.setattr(pruning_rounds, "MOST", 1)
    async with fleet(tmp_path) as made:
        for handle in ("harbour", "kiosk"):
            await keep_old_message(made.shared.store, handle)
        rounds = PruningRounds(made, made.shared.store, RETENTION)
        (first,) = await slugs(rounds)
        async with made.shared.store.begin() as tx:
            await tx.run(sa.update(poll_state).where(poll_state.c.appid == f"wx-{first}").values(failed_polls=1))
        assert await slugs(rounds) == [first]
        monkeypatch.setattr(pruning_rounds, "ROUND_SECONDS", -1)
        assert await slugs(rounds) == ["kiosk" if first == "harbour" else "harbour"]


async def test_process_that_is_not_the_first_prunes_nothing(tmp_path):
    async with fleet(tmp_path) as made:
        await keep_old_message(made.shared.store, "kiosk")
        async with made.shared.store.begin() as tx:
            older = ProcessInfo("older", "worker", NOW - timedelta(hours=1), of_all=True)
            await processes.touch(tx, older, NOW)
        assert await slugs(PruningRounds(made, made.shared.store, RETENTION)) == []


async def test_single_account_takes_every_step(tmp_path):
    async with fleet(tmp_path, ["harbour"]) as made:
        assert await slugs(PruningRounds(made, made.shared.store, RETENTION)) == ["harbour"]
