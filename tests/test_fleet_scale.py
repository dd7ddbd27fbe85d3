"""A process with many Official Accounts has no statement, client, task or metric for each of them."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import sqlalchemy as sa

from bot.delivery.cycle import Delivery
from bot.fleet import MOST_SERVICES, Fleet, build_fleet
from bot.loops import SLOTS, AlertLoops
from bot.outbox.messages import MessageKind, NewMessage
from bot.ports import Command, Message, Origin
from bot.readiness import problems_of_several
from bot.runtime.tasks import PeriodicTask
from bot.settings.values import Settings
from bot.store import outbox, tenants
from bot.store.database import Store
from bot.store.tables import poll_state
from bot.store.tenants import StoredTenant
from bot.tenant_router import TenantRouter
from bot.tenants.tenant import Tenant, TenantOrigin
from bot.wiring import Services
from tests.accounts import bound
from tests.budgets import share
from tests.running import CARE
from tests.test_shared_channels import Fleet as SharedChannel

FEW, MANY = 50, share(1_000, 10_000)
MORE = 10  # of anything, for all the other accounts
USER = "U0MEI"


def fleet_of(number: int, folder: object) -> list[Tenant]:
    """Return accounts of ten channels."""
    common = Settings(
        "",
        "",
        "xoxb-token",
        slack_signing_secret="signing",
        slack_api_url="http://127.0.0.1:1/",
        database_url=f"sqlite:///{folder}/{number}.db",
    )
    return [
        Tenant(
            f"brand{one}",
            f"Brand {one}",
            (),
            TenantOrigin.FILE,
            replace(
                common, wechat_appid=f"wx{one:016x}", wechat_secret="hush", slack_alert_channel=f"C0TEAM{one % 10}"
            ),
        )
        for one in range(number)
    ]


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


@contextmanager
def counted_tasks() -> Iterator[list[str]]:
    found: list[str] = []
    loop = asyncio.get_running_loop()

    def make(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:
        found.append(work.__qualname__)
        return asyncio.Task(work, loop=loop, **more)

    loop.set_task_factory(make)
    try:
        yield found
    finally:
        loop.set_task_factory(None)


async def start(fleet: Fleet, store: Store) -> None:
    """Make the rows of all accounts, as the watcher does at the start, and let every tenth be in trouble."""
    await store.open()
    loaded = fleet.tenants.values()
    async with store.begin() as tx:
        await tenants.record(tx, [StoredTenant(one.appid, one.slug, one.name, one.origin) for one in loaded])
    late = [appid for number, appid in enumerate(fleet.tenants) if number % 10 == 0]
    async with store.begin() as tx:
        await tx.run(sa.update(poll_state).values(polled_at=tx.now, poll_wait=300))
        behind = sa.update(poll_state).where(poll_state.c.appid == sa.bindparam("late"))
        await tx.run(behind.values(polled_at=tx.now - timedelta(hours=1)), [{"late": appid} for appid in late])


async def report(fleet: Fleet) -> int:
    """Check the health, answer a router and a collector of metrics, and return the number of series."""
    assert len(await fleet.problems()) == len(fleet.tenants) // 10
    assert len(problems_of_several(await fleet.check())) == 1
    text = fleet.shared.metrics.render(await fleet.figures()).decode()
    return sum(not line.startswith("#") for line in text.splitlines())


async def answer(router: TenantRouter, channel: str) -> None:
    """Answer the commands about all accounts."""
    for text in ("accounts", "accounts rejected", "all rejected", "status", ""):
        command = Command(text, USER, origin=Origin(channel_id=channel))
        assert await router.handle_command(command, _ignored)


async def look_for_work(fleet: Fleet, router: TenantRouter) -> None:
    """Take a step of each loop: polls are claimed, and nothing else is due."""
    store, health = fleet.shared.store, PeriodicTask("health", fleet.problems, 15)
    assert store
    for loop in AlertLoops(fleet, store, router.interactions, health).tasks():
        await loop._step()


async def _ignored(_notice: Message) -> None:
    """Show nothing."""


def living_clients() -> int:
    gc.collect()
    return sum(isinstance(one, httpx.AsyncClient) for one in gc.get_objects())


async def cost_of(number: int, folder: object) -> dict[str, int]:
    """Return what the process uses for all of its accounts."""
    loaded, before = fleet_of(number, folder), living_clients()
    with counted_statements() as statements, counted_tasks() as tasks:
        async with build_fleet(loaded[0].settings, loaded, role="web") as fleet:
            assert fleet.shared.store
            await start(fleet, fleet.shared.store)
            series = await report(fleet)
            router = TenantRouter(fleet, lambda: None, 1)
            await answer(router, CARE)
            await look_for_work(fleet, router)
            return {
                "statements": len(statements),
                "tasks": len(tasks),
                "clients": living_clients() - before,
                "series": series,
                "services": len(fleet.accounts.present()),
                "handlers": len(router.interactions.present()),
            }


async def test_first_poll_without_a_problem_asks_nothing_about_episodes_and_their_messages(store, clock):
    fleet = SharedChannel(store, clock, 2)
    await store.open()
    with counted_statements() as statements:
        await fleet.polls(bound("bo"))
    assert len([one for one in statements if one.startswith("INSERT INTO message")]) == len(fleet.bots)
    assert [one for one in statements if "emitted_event" in one or "FROM message" in one] == []


async def test_account_that_was_polled_takes_two_kilobytes_and_no_more_at_the_next_poll(tmp_path):
    size = MOST_SERVICES  # before them, the kept services grow
    tracemalloc.start()
    try:
        loaded = fleet_of(4 * size, tmp_path)
        async with build_fleet(loaded[0].settings, loaded, role="web") as fleet:

            def used_after(accounts: Sequence[Tenant]) -> int:
                for one in accounts:
                    assert fleet.accounts[one.appid].watcher
                gc.collect()
                return tracemalloc.get_traced_memory()[0]

            few, more = used_after(loaded[:size]), used_after(loaded[size:])
            again = used_after(loaded)
    finally:
        tracemalloc.stop()
    assert (more - few) / (3 * size) < 400  # the token source; a token of 150 characters is to come
    assert (again - more) / len(loaded) < 20
    assert more / len(loaded) < 3_500  # with the settings, and the services that are kept for some


async def test_home_offers_as_many_accounts_as_slack_takes_and_the_one_that_it_shows(tmp_path):
    loaded = fleet_of(150, tmp_path)
    async with build_fleet(loaded[0].settings, loaded, role="web") as fleet:
        router = TenantRouter(fleet, lambda: None, 1)
        for shown in (loaded[0], loaded[-1]):
            (menu,) = await router._home_menu(USER, shown.appid)
            assert len(menu["accessory"]["options"]) == 100
            assert menu["accessory"]["initial_option"] in menu["accessory"]["options"]
            assert menu["accessory"]["initial_option"]["text"]["text"] == shown.name


async def test_process_of_many_accounts_has_nothing_for_each_of_them(tmp_path):
    few, many = await cost_of(FEW, tmp_path), await cost_of(MANY, tmp_path)
    # Not equal: how often health is read depends on how long it takes.
    assert {name: more for name in few if (more := many[name] - few[name]) > MORE} == {}


async def test_step_of_all_accounts_keeps_the_services_of_a_few(tmp_path, monkeypatch):
    loaded, living, calls = fleet_of(MOST_SERVICES + 100, tmp_path), list[int](), count(1)

    async def counted(_delivery: Delivery, _stopping: object) -> None:
        if next(calls) % 100 == 0:
            gc.collect()
            living.append(sum(isinstance(one, Services) and one.shared is fleet.shared for one in gc.get_objects()))

    monkeypatch.setattr(Delivery, "run", counted)
    async with build_fleet(loaded[0].settings, loaded, role="web") as fleet:
        store, health = fleet.shared.store, PeriodicTask("health", fleet.problems, 15)
        assert store
        await start(fleet, store)
        async with store.begin() as tx:
            for one in loaded:
                alert = NewMessage(one.appid, MessageKind.ALERT, 1)
                await outbox.enqueue(tx.of(one.appid, one.settings.slack_alert_channel), [alert], {}, tx.now)
        router = TenantRouter(fleet, lambda: None, 1)
        _, _, delivering, *_ = AlertLoops(fleet, store, router.interactions, health).tasks()
        await delivering._step()
    assert (next(calls), len(living)) == (len(loaded) + 1, 3)
    assert max(living) <= MOST_SERVICES + SLOTS + 1
