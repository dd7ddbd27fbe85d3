"""The accounts of an installation: load them, and examine each. One account is examined as it always was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from bot.doctor import operations, running, token_service, wechat
from bot.doctor.findings import Finding, Report, Unset, guarded, unknown, well, wrong
from bot.doctor.grouping import grouped
from bot.fleet import Fleet
from bot.ports import Clock
from bot.settings.reader import InvalidSetting, SettingsError
from bot.settings.values import Settings
from bot.store.database import Store
from bot.tenants.loading import ReadFile, load
from bot.tenants.model import Tenant, handles, of_environment
from bot.tenants.shared_digests import shared_digests
from bot.tenants.stored_accounts import StoredAccounts
from bot.wiring import Services
from wechat_kf import ServiceToken

CHECK = "accounts"
AT_ONCE = 16
SECONDS = 9.8  # for all of them, less than for a part of the examination
StoreOf = Callable[[str], Store]  # by AppID
CORRECT = "Correct it there. Until then no process starts with this file, and SIGHUP changes nothing."


def loaded(
    settings: Settings, environ: Mapping[str, str], read_file: ReadFile, stored: StoredAccounts
) -> tuple[Sequence[Tenant], Sequence[InvalidSetting]]:
    """Return the accounts, and the mistakes of their file. With a mistake there are no accounts."""
    if not settings.accounts_file and not settings.accounts_toml and not stored.rows:
        return (of_environment(settings),), ()
    try:
        return load(settings, environ, read_file, stored), ()
    except SettingsError as exc:
        return (), exc.problems


def findings(tenants: Sequence[Tenant], mistakes: Sequence[InvalidSetting]) -> list[Finding]:
    """Return the findings about the file; none for a single account."""
    if mistakes:
        return [wrong(CHECK, f"{one.name} {one.why or 'is not set'}", one.remedy or CORRECT) for one in mistakes]
    return [well(CHECK, f"{len(tenants)}: {handles(tenants)}")] if len(tenants) > 1 else []


async def examine_wechat(fleet: Fleet, tenants: Sequence[Tenant], unset: Unset, variable: str) -> Report:
    """Check WeChat, and where it is used the token service, for each account."""

    async def examine(tenant: Tenant) -> Report:
        return await _examine_wechat(fleet.accounts[tenant.appid], unset, variable)

    return await _each(tenants, "WeChat", examine)


async def _examine_wechat(services: Services, unset: Unset, variable: str) -> Report:
    if not isinstance(services.tokens, ServiceToken):
        return await wechat.examine(services, unset, variable)
    served = await token_service.examine(services.settings, services.tokens)
    if served.verdict != "ok":
        return Report((served, unknown("WeChat", "not checked: the token service gives no token")))
    report = await wechat.examine(services, unset, variable)
    return Report((served, *report.findings), report.times)


async def examine_running(
    store_of: StoreOf, settings: Settings, tenants: Sequence[Tenant], unset: Unset, clock: Clock
) -> Report:
    """Check what the running processes have recorded about each account."""
    digests = shared_digests(settings, tenants)

    async def examine(tenant: Tenant) -> Report:
        return await running.examine(store_of(tenant.appid), tenant.settings, unset, clock, digests)

    return await _each(tenants, running.CHECK, examine)


async def examine_operations(store_of: StoreOf, tenants: Sequence[Tenant], unset: Unset) -> Report:
    """Check whether the customer-service accounts of each account can be changed from Slack."""

    async def examine(tenant: Tenant) -> Report:
        return await operations.examine(store_of(tenant.appid), tenant.settings, unset)

    return await _each(tenants, operations.CHECK, examine)


async def _each(
    tenants: Sequence[Tenant], check: str, examine: Callable[[Tenant], Coroutine[Any, Any, Report]]
) -> Report:
    """Examine each account, some at a time, and group the findings. Those for which no time is left are named."""
    if not tenants:
        return Report((unknown(check, "not checked: the accounts have mistakes"),))
    if len(tenants) == 1:
        return await examine(tenants[0])
    slots = asyncio.Semaphore(AT_ONCE)

    async def take(tenant: Tenant) -> Report:
        async with slots:
            return await guarded(check, examine(tenant), SECONDS)

    tasks = [asyncio.create_task(take(tenant)) for tenant in tenants]
    await _within(SECONDS, tasks)
    late = Report((unknown(check, "not checked: no time was left", "Run this again."),))
    reports = [late if task.cancelled() else task.result() for task in tasks]
    pairs = zip(tenants, reports, strict=True)
    times = next((report.times for report in reports if report.times), ())
    return Report(tuple(grouped((tenant, report.findings) for tenant, report in pairs)), times)


async def _within(seconds: float, tasks: Sequence[asyncio.Task[Report]]) -> None:
    """Wait for tasks, and cancel those that are late."""
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
