"""The accounts of an installation: load them, choose those to examine, and examine each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bot.blocks.account_states import LINK, state_words
from bot.blocks.answers.diagnosis import ENGLISH
from bot.doctor import platform_checks, token_service, wechat
from bot.doctor.findings import Finding, Report, Unset, guarded, unknown, well, wrong
from bot.doctor.running import RecordedHealth
from bot.doctor.shared_findings import grouped
from bot.fleet import Fleet
from bot.settings.reader import InvalidSetting, SettingsError
from bot.settings.values import Settings
from bot.store.token_leases import StoredTokens
from bot.tenants.installation import Installation
from bot.tenants.loading import ReadFile, load_defined, with_stored
from bot.tenants.stored_accounts import StoredAccounts
from bot.tenants.table_keys import Source
from bot.tenants.tenant import Tenant, handles, of_environment
from bot.wiring import Services
from wechat_kf import ServiceToken

CHECK = "accounts"
AT_ONCE = 16  # so many are always examined
SECONDS = 9.8  # for all of them, less than for a part of the examination
ALL_SECONDS = 600.0  # the same with `--all`
STORE_SECONDS = 2.0  # until it is known which accounts have a problem
REPORTED = 500  # accounts between two lines of progress
CORRECT = "Correct it there. Until then no process starts with this file, and SIGHUP changes nothing."
EACH = "`python -m bot doctor --all` examines each, `--account HANDLE` one."


@dataclass(frozen=True, slots=True)
class Scope:
    """Which accounts are examined, and where the progress is reported."""

    choose: Callable[[Sequence[Tenant]], Sequence[Tenant]] = lambda tenants: tenants
    every: bool = False  # however many there are
    progress: Callable[[str], object] = lambda _line: None

    @property
    def seconds(self) -> float:
        """Return the limit for the examination of the accounts."""
        return ALL_SECONDS if self.every else SECONDS


def loaded(
    settings: Settings, environ: Mapping[str, str], read_file: ReadFile, stored: StoredAccounts
) -> tuple[Installation, Sequence[InvalidSetting]]:
    """Return the accounts, and the mistakes of their file. With a mistake there are no accounts."""
    if not settings.accounts_file and not settings.accounts_toml and not stored.rows:
        has_account = settings.wechat_appid or not settings.has_platform
        return Installation((of_environment(settings),) if has_account else ()), ()
    try:
        return with_stored(load_defined(settings, environ, read_file), stored), ()
    except SettingsError as exc:
        return Installation(()), exc.problems


def findings(tenants: Sequence[Tenant], mistakes: Sequence[InvalidSetting]) -> list[Finding]:
    """Return the findings about the file; none for a single account."""
    if mistakes:
        return [wrong(CHECK, f"{one.name} {one.why or 'is not set'}", one.remedy or CORRECT) for one in mistakes]
    return [well(CHECK, f"{len(tenants)}: {handles(tenants)}")] if len(tenants) > 1 else []


async def examine_wechat(
    fleet: Fleet,
    tenants: Sequence[Tenant],
    reading: Awaitable[RecordedHealth | None],
    stored: StoredTokens | None,
    unset: Unset,
    variable: str,
    scope: Scope,
) -> Report:
    """Check WeChat, and where it is used the token service, for the accounts of the scope.

    Args:
        stored: the tokens of accounts that authorise the platform; None without one.
    """
    if not tenants:
        return Report((_no_account(fleet.shared.settings, unset),))

    async def examine(tenant: Tenant) -> Report:
        services = fleet.accounts[tenant.appid]
        if tenant.state.is_polled and tenant.source == Source.PLATFORM:
            return await platform_checks.examine_account(services, stored, unset, variable)
        return await _examine_wechat(services, unset, variable)

    if scope.every or len(tenants) <= AT_ONCE:
        return await _each(tenants, "WeChat", examine, scope)
    chosen = representatives(tenants, await _troubled(reading))
    why = "one of each source of tokens, and those with a problem in the store"
    said = well(CHECK, f"{len(chosen)} of {len(tenants)} are examined: {why}", EACH)
    report = await _each(chosen, "WeChat", examine, scope)
    return Report((said, *report.findings), report.times)


def _no_account(settings: Settings, unset: Unset) -> Finding:
    if settings.platform_appid and not unset.problems.keys() & {"KF_ACCOUNTS", "KF_ACCOUNTS_FILE"}:
        return well(CHECK, "no owner has authorised the platform yet", f"`{LINK}` gives the link for one.")
    return unknown("WeChat", "not checked: the accounts have mistakes")


async def _troubled(reading: Awaitable[RecordedHealth | None]) -> Collection[str]:
    """Return the AppIDs with a problem in the store; none if it does not answer in time."""
    with suppress(Exception):
        health = await asyncio.wait_for(asyncio.shield(reading), STORE_SECONDS)
        return health.others if health else ()
    return ()


def representatives(tenants: Sequence[Tenant], troubled: Collection[str]) -> list[Tenant]:
    """Return the first account of each source of tokens, those whose AppIDs are troubled, and those not polled."""
    firsts: dict[bool, str] = {}
    for tenant in tenants:
        firsts.setdefault(bool(tenant.secret), tenant.appid)
    chosen = {*troubled, *firsts.values()}
    return [tenant for tenant in tenants if tenant.appid in chosen or not tenant.state.is_polled]


async def _examine_wechat(services: Services, unset: Unset, variable: str) -> Report:
    state = services.tenant.state
    words = None if state.is_polled else state_words(state, ENGLISH)
    if words:
        remedy = ENGLISH.plain(ENGLISH.capitalized(words.next))
        return Report((wrong(CHECK, ENGLISH.plain(words.title), remedy),))
    if not isinstance(services.tokens, ServiceToken):
        return await wechat.examine(services, unset, variable)
    served = await token_service.examine(services.settings, services.tenant.appid, services.tokens)
    if served.verdict != "ok":
        return Report((served, unknown("WeChat", "not checked: the token service gives no token")))
    report = await wechat.examine(services, unset, variable)
    return Report((served, *report.findings), report.times)


async def _each(
    tenants: Sequence[Tenant], check: str, examine: Callable[[Tenant], Coroutine[Any, Any, Report]], scope: Scope
) -> Report:
    """Examine each account, some at a time, and group the findings. Those for which no time is left are named."""
    if len(tenants) == 1:
        return await examine(tenants[0])
    slots, done = asyncio.Semaphore(AT_ONCE), 0

    async def take(tenant: Tenant) -> Report:
        nonlocal done
        async with slots:
            report = await guarded(check, examine(tenant), SECONDS)
        done += 1
        if done % REPORTED == 0:
            scope.progress(f"{done} of {len(tenants)} accounts are examined")
        return report

    tasks = [asyncio.create_task(take(tenant)) for tenant in tenants]
    await _within(scope.seconds, tasks)
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
