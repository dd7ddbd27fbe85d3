"""Pushes about an account that authorises the platform: whatever their order, the newest one decides."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sealing import StoreKeys, new_key
from bot.store import authorizers, sealed_secrets, tables, tenants
from bot.store.authorizers import AuthorizationEvent, EventKind
from bot.store.database import Store
from bot.store.sealed_secrets import APPSECRET, CODE, REFRESH_TOKEN, SealedSecret
from bot.store.tenants import COMMAND, PLATFORM, PauseReason, StoredTenant
from bot.store.token_leases import StoredTokens
from bot.tenant_states import TenantState
from bot.tenants.tenant import default_slug
from tests.budgets import share
from tests.conftest import APPID, NOW, at_now
from wechat_kf.token_store import TokenKind

pytestmark = pytest.mark.mostly_sqlite

COMPONENT, ROSE = "wx00000000000000c0", "wx00000000000000a1"
KEYS = StoreKeys([new_key()])
AUTHORIZED, UPDATED, WITHDRAWN = EventKind
MINUTE = timedelta(minutes=1)


def event(kind: EventKind, minute: int = 0, appid: str = ROSE) -> AuthorizationEvent:
    created_at = NOW + minute * MINUTE
    if kind is WITHDRAWN:
        return AuthorizationEvent(kind, appid, created_at)
    code = KEYS.seal(appid, CODE, f"code of {kind} {minute}")
    return AuthorizationEvent(kind, appid, created_at, code, created_at + 60 * MINUTE)


async def note(store: Store, *events: AuthorizationEvent, platform: str = COMPONENT) -> list[bool]:
    changed = []
    for one in events:
        async with store.begin() as tx:
            slug_of = partial(default_slug, one.appid)
            changed.append(await authorizers.note_event(tx, one, platform, slug_of))
    return changed


async def row_of(store: Store, appid: str = ROSE) -> sa.RowMapping:
    async with store.begin() as tx:
        return (await tx.run(sa.select(tables.tenant).where(tables.tenant.c.appid == appid))).mappings().one()


async def code_of(store: Store, appid: str = ROSE) -> str:
    async with store.begin() as tx:
        sealed = await sealed_secrets.load(tx, appid, CODE)
    return KEYS.open(appid, CODE, sealed) if sealed else ""


async def loaded(store: Store) -> list[StoredTenant]:
    async with store.begin() as tx:
        return await tenants.load(tx)


async def change(store: Store, **values: object) -> None:
    """Change the row of the account as an exchange or a person does."""
    async with store.begin() as tx:
        await tx.run(sa.update(tables.tenant).values(**values))


async def last_change(store: Store) -> object:
    async with store.begin() as tx:
        return await tenants.last_change(tx)


async def test_authorisation_adds_an_account_that_waits_for_the_exchange_of_its_code(store):
    assert await note(store, event(AUTHORIZED)) == [True]
    assert await loaded(store) == [
        StoredTenant(ROSE, "wx0000a1", "", PLATFORM, TenantState.UNEXCHANGED, platform_appid=COMPONENT)
    ]
    row = await row_of(store)
    assert (row["event_at"], row["duty_at"], row["code_until"]) == (NOW, NOW, NOW + 60 * MINUTE)
    assert await code_of(store) == "code of authorized 0"


async def test_new_account_gets_a_free_slug(store):
    others = [event(AUTHORIZED, appid=f"wx{number}00000a1") for number in range(3)]
    await note(store, *others)
    assert [one.slug for one in await loaded(store)] == ["wx0000a1", "wx0000a1-2", "wx0000a1-3"]


async def test_accounts_that_are_added_at_once_get_slugs_of_their_own(store):
    appids = [f"wx{number}00000a1" for number in range(2)]
    async with store.begin() as tx:
        await authorizers.note_event(
            tx, event(AUTHORIZED, appid=appids[0]), COMPONENT, partial(default_slug, appids[0])
        )
        noting = asyncio.create_task(note(store, event(AUTHORIZED, appid=appids[1])))
        await asyncio.wait([noting], timeout=0.2)
    await noting
    assert [one.slug for one in await loaded(store)] == ["wx0000a1", "wx0000a1-2"]


async def test_repeated_push_changes_nothing(store, clock):
    first = event(AUTHORIZED)
    await note(store, first)
    await change(store, state=TenantState.ACTIVE, duty_at=None)
    before = await row_of(store)
    clock.forward(hours=1)
    assert await note(store, first, first, event(UPDATED, -5), event(WITHDRAWN, -5)) == [False] * 4
    assert await row_of(store) == before


async def test_changed_permissions_lead_to_an_exchange_and_leave_the_account_watched_until_then(store, clock):
    await note(store, event(AUTHORIZED))
    await change(store, state=TenantState.ACTIVE, duty_at=None)
    changed_at = await last_change(store)
    clock.forward(minutes=7)
    assert await note(store, event(UPDATED, 5)) == [True]
    row = await row_of(store)
    assert (row["state"], row["duty_at"]) == (TenantState.ACTIVE, clock())
    assert await code_of(store) == "code of updateauthorized 5"
    assert await last_change(store) == changed_at  # processes have nothing to reload


@pytest.mark.both_stores
async def test_withdrawal_stops_the_polls_and_deletes_all_secrets_at_once(store, clock):
    await store.of(ROSE, "").open()
    await note(store, event(AUTHORIZED))
    await change(store, state=TenantState.ACTIVE, duty_at=None)
    lent = StoredTokens(store, KEYS)
    assert await lent.claim(ROSE, TokenKind.AUTHORIZER, 0, MINUTE)
    assert await lent.put(ROSE, TokenKind.AUTHORIZER, 1, "token", 120 * MINUTE, refresh_token="refresh")
    async with store.begin() as tx:
        await tenants.pause_polls(tx)
    assert not await are_polls_paused(store)
    changed_at = await last_change(store)
    assert await note(store, event(WITHDRAWN, 5)) == [True]
    row = await row_of(store)
    assert (row["state"], row["duty_at"], row["code_until"]) == (TenantState.REVOKED, clock(), None)
    assert await are_polls_paused(store)
    assert await last_change(store) > changed_at
    assert [await lent.secret(ROSE, name) for name in (REFRESH_TOKEN, CODE)] == ["", ""]
    assert (await lent.get(ROSE, TokenKind.AUTHORIZER)).value == ""


async def are_polls_paused(store: Store) -> bool:
    async with store.begin() as tx:
        paused = sa.select(tables.poll_state.c.paused).where(tables.poll_state.c.appid == ROSE)
        return bool((await tx.run(paused)).scalar_one())


@pytest.mark.both_stores
async def test_token_that_is_renewed_during_a_withdrawal_is_not_stored(store):
    await note(store, event(AUTHORIZED))
    lent = StoredTokens(store, KEYS)
    assert await lent.claim(ROSE, TokenKind.AUTHORIZER, 0, MINUTE)
    await note(store, event(WITHDRAWN, 5), event(AUTHORIZED, 6))
    assert not await lent.put(ROSE, TokenKind.AUTHORIZER, 1, "token", 120 * MINUTE, refresh_token="old")
    assert await lent.secret(ROSE, REFRESH_TOKEN) == ""
    assert (await row_of(store))["state"] == TenantState.UNEXCHANGED


async def test_withdrawal_of_an_unknown_account_is_only_kept_for_older_pushes(store):
    assert await note(store, event(WITHDRAWN, 5), event(AUTHORIZED, 4)) == [True, False]
    assert await loaded(store) == []
    assert await note(store, event(AUTHORIZED, 6)) == [True]
    assert [one.state for one in await loaded(store)] == [TenantState.UNEXCHANGED]


async def test_slug_of_an_account_that_was_not_shown_may_have_been_taken_meanwhile(store):
    await note(store, event(WITHDRAWN), event(AUTHORIZED, appid="wx-other-0000a1"), event(AUTHORIZED, 1))
    assert {one.appid: one.slug for one in await loaded(store)} == {
        "wx-other-0000a1": "wx0000a1",
        ROSE: "wx0000a1-2",
    }


@pytest.mark.both_stores
@pytest.mark.parametrize("kinds", [*itertools.permutations(EventKind, 2)], ids="-".join)
async def test_different_pushes_of_one_second_let_wechat_decide_and_a_repeated_one_does_not(store, clock, kinds):
    first, second = map(event, kinds)
    clock.forward(seconds=3)
    assert await note(store, first, second) == [True, True]
    row = await row_of(store)
    assert (row["state"], row["duty_at"], row["removed_at"]) == (TenantState.UNEXCHANGED, clock(), None)
    assert await code_of(store) != ""
    await change(store, state=TenantState.ACTIVE, duty_at=None)
    before = await row_of(store)
    assert await note(store, second, first, second) == [False] * 3
    assert await row_of(store) == before


async def test_account_that_a_person_has_paused_stays_paused_until_its_owner_withdraws(store):
    await note(store, event(AUTHORIZED))
    async with store.begin() as tx:
        await tenants.pause(tx, ROSE)
    await note(store, event(UPDATED, 1))
    row = await row_of(store)
    assert (row["state"], row["reason"]) == (TenantState.PAUSED, PauseReason.PERSON)
    await note(store, event(WITHDRAWN, 2))
    row = await row_of(store)
    assert (row["state"], row["reason"]) == (TenantState.REVOKED, "")


async def remove(store: Store) -> None:
    async with store.begin() as tx:
        await tenants.remove(tx, ROSE)


async def test_account_that_a_person_has_removed_is_watched_again_once_its_owner_authorises_again(store):
    await note(store, event(AUTHORIZED))
    await remove(store)
    assert await note(store, event(AUTHORIZED, 1)) == [True]
    (found,) = await loaded(store)
    assert (found.state, found.reason, found.is_watched) == (TenantState.UNEXCHANGED, "", True)
    assert await code_of(store) == "code of authorized 1"


@pytest.mark.both_stores
async def test_changed_permissions_leave_a_removed_account_removed_and_without_secrets(store):
    await note(store, event(AUTHORIZED))
    await remove(store)
    assert await note(store, event(UPDATED, 1)) == [True]
    assert (await loaded(store), await code_of(store)) == ([], "")
    assert await note(store, event(AUTHORIZED), event(AUTHORIZED, 2)) == [False, True]
    assert [one.is_watched for one in await loaded(store)] == [True]


async def test_removed_account_that_withdraws_and_authorises_again_is_watched(store):
    await note(store, event(AUTHORIZED))
    await remove(store)
    await note(store, event(WITHDRAWN, 1))
    assert await loaded(store) == []
    await note(store, event(AUTHORIZED, 2))
    assert [(one.state, one.is_watched) for one in await loaded(store)] == [(TenantState.UNEXCHANGED, True)]


async def test_time_that_is_more_than_a_day_ahead_stops_no_later_push(store):
    await note(store, event(AUTHORIZED, 60 * 24 * 400))
    assert await note(store, event(WITHDRAWN, 1), event(AUTHORIZED)) == [True, False]
    assert (await row_of(store))["event_at"] == NOW + MINUTE


HARBOUR = StoredTenant(ROSE, "harbour", "Harbour Tea", "file")


@pytest.mark.parametrize("row", [HARBOUR, replace(HARBOUR, origin=COMMAND)])
async def test_account_with_a_secret_of_its_own_is_left_alone(store, row):
    async with store.begin() as tx:
        await tenants.record(tx, [row])
        if row.origin == COMMAND:
            await tenants.save(tx, row)
        await sealed_secrets.put(tx, SealedSecret(ROSE, APPSECRET, KEYS.seal(ROSE, APPSECRET, "s")))
    before = await row_of(store)
    assert await note(store, *map(event, EventKind)) == [False] * 3
    assert await row_of(store) == before
    async with store.begin() as tx:
        assert await sealed_secrets.load(tx, ROSE, APPSECRET) != ""


@pytest.mark.both_stores
async def test_account_that_is_gone_from_the_file_becomes_one_of_the_platform(store):
    async with store.begin() as tx:
        await tenants.record(tx, [HARBOUR])
        await tenants.record(tx, [])
    await note(store, event(AUTHORIZED))
    found = (await loaded(store))[0]
    assert (found.origin, found.slug, found.state) == (PLATFORM, "wx0000a1", TenantState.UNEXCHANGED)


async def test_account_that_a_command_has_removed_becomes_one_of_the_platform(store):
    async with store.begin() as tx:
        await tenants.save(tx, replace(HARBOUR, origin=COMMAND))
    await remove(store)
    await note(store, event(UPDATED))
    found = (await loaded(store))[0]
    assert (found.origin, found.state, found.is_watched) == (PLATFORM, TenantState.UNEXCHANGED, True)
    assert await code_of(store) == "code of updateauthorized 0"


@pytest.mark.both_stores
async def test_withdrawal_from_another_platform_does_not_concern_this_one(store):
    await note(store, event(AUTHORIZED))
    assert await note(store, event(WITHDRAWN, 1), platform="wx00000000000000c9") == [False]
    assert await note(store, event(AUTHORIZED, 2), platform="wx00000000000000c9") == [True]
    assert (await loaded(store))[0].platform_appid == "wx00000000000000c9"


PUSHES = st.builds(event, st.sampled_from(EventKind), st.integers(0, 3))


@pytest.fixture(scope="module")
def migrated_file(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite):
    path = tmp_path_factory.mktemp("events") / "kf.db"
    shutil.copy(migrated_sqlite, path)
    return path


@settings(max_examples=share(15, 200))
@given(pushes=st.lists(PUSHES, min_size=1, max_size=6), repeated=st.data())
def test_pushes_in_any_order_end_in_the_state_of_the_newest(migrated_file, pushes, repeated):
    again = repeated.draw(st.lists(st.sampled_from(pushes), max_size=3))
    order = repeated.draw(st.permutations([*pushes, *again]))
    row, code = asyncio.run(_after(migrated_file, order))
    newest_at = max(one.created_at for one in pushes)
    newest = [one for one in pushes if one.created_at == newest_at]
    assert row["event_at"] == newest_at
    assert row["event_kinds"] == " ".join(sorted({one.kind for one in newest}))
    if {one.kind for one in newest} == {WITHDRAWN}:
        assert (row["state"], code) == (TenantState.REVOKED, "")
    else:
        assert (row["state"], row["duty_at"]) == (TenantState.UNEXCHANGED, NOW)
        assert code in {KEYS.open(ROSE, CODE, one.code) for one in newest if one.code}


async def _after(path, order: Sequence[AuthorizationEvent]) -> tuple[sa.RowMapping, str]:
    store = Store.from_url(f"sqlite:///{path}", APPID, clock=at_now)
    try:
        async with store.begin() as tx:
            for table in (tables.tenant, tables.secret):
                await tx.run(sa.delete(table))
        await note(store, *order)
        return await row_of(store), await code_of(store)
    finally:
        await store.close()
