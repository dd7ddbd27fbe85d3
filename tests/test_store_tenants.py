"""Which Official Accounts are stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.outbox.messages import MessageKind, NewMessage
from bot.store import outbox, sealed_secrets, tables, tenants
from bot.store.sealed_secrets import APPSECRET, SealedSecret
from bot.store.tenants import COMMAND, PLATFORM, PauseReason, StoredTenant
from bot.tenant_states import TenantState

pytestmark = pytest.mark.mostly_sqlite

HARBOUR = StoredTenant("wx-harbour", "harbour", "Harbour Tea", "file")
KIOSK = StoredTenant("wx-kiosk", "kiosk", "", "file")


async def stored(store, *loaded):
    async with store.begin() as tx:
        await tenants.record(tx, loaded)
    async with store.begin() as tx:
        return {one.slug: one for one in await tenants.load(tx)}


@pytest.mark.both_stores
async def test_account_that_is_no_longer_loaded_is_paused_and_continues_when_it_is_back(store):
    assert await stored(store, HARBOUR, KIOSK) == {"harbour": HARBOUR, "kiosk": KIOSK}
    assert (await stored(store, HARBOUR))["kiosk"].state is TenantState.PAUSED
    assert (await stored(store, HARBOUR, KIOSK))["kiosk"] == KIOSK


ROSE = StoredTenant("wx-rose", "rose", "Rose", COMMAND, own={"source": "secret", "labels": ["tea"], "poll": "5m"})


async def in_store(store, work):
    async with store.begin() as tx:
        return await work(tx)


async def test_account_of_a_command_is_its_row_whatever_processes_have_loaded(store):
    await in_store(store, lambda tx: tenants.save(tx, ROSE))
    assert await stored(store, HARBOUR) == {"harbour": HARBOUR, "rose": ROSE}
    assert (await stored(store))["rose"] == ROSE
    assert (await stored(store, replace(ROSE, slug="rose-2", name="")))["rose"] == ROSE
    await in_store(store, lambda tx: tenants.pause(tx, "wx-rose"))
    assert not (await stored(store, ROSE))["rose"].is_watched
    await in_store(store, lambda tx: tenants.resume(tx, "wx-rose"))
    assert (await stored(store, ROSE))["rose"] == ROSE


async def test_pause_by_a_release_that_knows_no_such_accounts_is_undone(store):
    await in_store(store, lambda tx: tenants.save(tx, replace(ROSE, state=TenantState.PAUSED)))
    rows = await in_store(store, tenants.load)
    assert [(one.state, one.is_watched) for one in rows] == [(TenantState.PAUSED, True)]
    assert (await stored(store))["rose"] == ROSE


async def test_added_accounts_are_counted_unless_a_person_has_paused_or_removed_them(store):
    for slug in ("rose", "iris", "lily"):
        row = replace(ROSE, appid=f"wx-{slug}", slug=slug)
        await in_store(store, lambda tx, row=row: tenants.save(tx, row))
    await stored(store, HARBOUR)
    assert await in_store(store, tenants.count_added) == 3
    await in_store(store, lambda tx: tenants.pause(tx, "wx-iris"))
    await in_store(store, lambda tx: tenants.remove(tx, "wx-lily"))
    assert await in_store(store, tenants.count_added) == 1


async def test_account_of_a_command_that_enters_the_file_is_the_files_from_then_on(store):
    await in_store(store, lambda tx: tenants.save(tx, ROSE))
    for owner in ("wx-rose", "wx-other"):
        sealed = SealedSecret(owner, APPSECRET, "0a1b2c3d:x")
        await in_store(store, lambda tx, sealed=sealed: sealed_secrets.put(tx, sealed))
    of_file = StoredTenant("wx-rose", "rose", "Rose", "file")
    assert (await stored(store, of_file))["rose"].origin == "file"
    assert (await in_store(store, lambda tx: sealed_secrets.of_name(tx, APPSECRET))).keys() == {"wx-other"}
    assert (await stored(store))["rose"].reason == PauseReason.GONE


async def test_removed_account_has_no_secret_and_is_not_listed_until_it_is_added_again(store):
    await in_store(store, lambda tx: tenants.save(tx, ROSE))
    for owner in ("wx-rose", "wx-harbour"):
        sealed = SealedSecret(owner, APPSECRET, "0a1b2c3d:x")
        await in_store(store, lambda tx, sealed=sealed: sealed_secrets.put(tx, sealed))
    await in_store(store, lambda tx: tenants.remove(tx, "wx-rose"))
    assert await stored(store) == {}
    assert await in_store(store, lambda tx: sealed_secrets.of_name(tx, APPSECRET)) == {"wx-harbour": "0a1b2c3d:x"}
    await in_store(store, lambda tx: tenants.save(tx, replace(ROSE, slug="rose-2")))
    assert await stored(store) == {"rose-2": replace(ROSE, slug="rose-2")}
    await in_store(store, lambda tx: tenants.remove(tx, "wx-rose"))
    assert (await stored(store, StoredTenant("wx-rose", "rose", "", "file")))["rose"].state is TenantState.ACTIVE


@pytest.mark.both_stores
async def test_rows_of_a_removed_account_are_deleted_and_those_of_others_stay(store, clock):
    await store.open()
    others = store.of("wx-rose", "")
    await others.open()
    for one in (store, others):
        new = [NewMessage(f"{one.appid}-1", MessageKind.ALERT, 1)]
        await in_store(one, lambda tx, new=new: outbox.enqueue(tx, new, {}, tx.now))
    await in_store(store, lambda tx: tenants.save(tx, ROSE))
    await in_store(store, lambda tx: tenants.remove(tx, "wx-rose"))
    long_ago, soon = timedelta(days=-1), timedelta(days=1)
    assert await in_store(store, lambda tx: tenants.delete_removed(tx, tx.now + long_ago)) == ""
    assert await in_store(store, lambda tx: tenants.delete_removed(tx, tx.now + soon)) == "wx-rose"
    assert await in_store(store, lambda tx: tenants.delete_removed(tx, tx.now + soon)) == ""
    for table in (tables.message, tables.poll_state):
        left = await in_store(store, lambda tx, table=table: tx.run(sa.select(table.c.appid)))
        assert {row.appid for row in left} == {store.appid}


@pytest.mark.both_stores
async def test_withdrawn_account_is_removed_as_of_its_withdrawal_and_loses_its_tokens_with_its_rows(store, clock):
    revoked = replace(ROSE, origin=PLATFORM, state=TenantState.REVOKED)
    await in_store(store, lambda tx: tenants.save(tx, revoked))
    await in_store(store, lambda tx: tenants.save(tx, replace(revoked, appid="wx-iris", state=TenantState.CLOSED)))
    await in_store(store, lambda tx: tx.run(sa.insert(tables.token).values(owner="wx-rose", kind="authorizer")))
    withdrawn_at = clock()
    clock.forward(days=89)
    await in_store(store, lambda tx: tenants.remove_withdrawn(tx, withdrawn_at))
    assert len(await in_store(store, tenants.load)) == 2
    before = await in_store(store, tenants.last_change)
    second = timedelta(seconds=1)
    await in_store(store, lambda tx: tenants.remove_withdrawn(tx, withdrawn_at + second))
    assert [one.appid for one in await in_store(store, tenants.load)] == ["wx-iris"]
    assert await in_store(store, tenants.last_change) > before  # processes load the accounts again
    assert await in_store(store, lambda tx: tenants.delete_removed(tx, withdrawn_at)) == ""
    assert await in_store(store, lambda tx: tenants.delete_removed(tx, withdrawn_at + second)) == "wx-rose"
    assert (await in_store(store, lambda tx: tx.run(sa.select(tables.token)))).all() == []


async def test_every_change_by_a_command_has_a_time_of_its_own_also_with_a_clock_that_goes_back(store, clock):
    changes = (
        lambda tx: tenants.save(tx, ROSE),
        lambda tx: tenants.save(tx, replace(ROSE, name="R")),
        lambda tx: tenants.pause(tx, "wx-rose"),
        lambda tx: tenants.resume(tx, "wx-rose"),
        lambda tx: tenants.remove(tx, "wx-rose"),
    )
    await in_store(store, lambda tx: tenants.save(tx, replace(ROSE, appid="wx-iris", slug="iris")))
    seen = [await in_store(store, tenants.last_change)]
    for change in changes:
        clock.forward(hours=-1)
        await in_store(store, change)
        seen.append(await in_store(store, tenants.last_change))
    assert len(set(seen)) == 6
    await stored(store, HARBOUR)  # what processes load is no change by a command
    assert await in_store(store, tenants.last_change) == seen[-1]


@pytest.mark.both_stores
async def test_secret_that_was_replaced_meanwhile_keeps_its_new_value(store):
    before = SealedSecret("wx-rose", APPSECRET, "0a1b2c3d:old")
    await in_store(store, lambda tx: sealed_secrets.put(tx, before))
    await in_store(store, lambda tx: sealed_secrets.put(tx, before._replace(value="0a1b2c3d:new")))
    assert not await in_store(store, lambda tx: sealed_secrets.replace(tx, before, "99999999:old"))
    assert await in_store(store, sealed_secrets.count_by_key) == {"0a1b2c3d": 1}


async def test_secrets_of_other_keys_are_read_in_pages(store):
    rows = [
        SealedSecret(f"wx-{number}", name, "0a1b2c3d:x") for number in range(2) for name in ("appsecret", "code")
    ]
    for row in (*rows, SealedSecret("wx-1", "ticket", "99999999:x")):
        await in_store(store, lambda tx, row=row: sealed_secrets.put(tx, row))
    first = await in_store(store, lambda tx: sealed_secrets.page_without_key(tx, "99999999", None, 3))
    rest = await in_store(store, lambda tx: sealed_secrets.page_without_key(tx, "99999999", first[-1], 3))
    assert [*first, *rest] == rows
