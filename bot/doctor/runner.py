"""Run all checks, and print the findings. Change nothing: no message, no row, no token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TextIO

from bot.doctor import (
    account_checks,
    host,
    inbound,
    keys,
    operations,
    output,
    platform_checks,
    queue,
    running,
    slack,
    store,
    variables,
)
from bot.doctor.account_checks import Scope
from bot.doctor.findings import Finding, Report, Unset, guarded, masked
from bot.fleet import build_fleet
from bot.ports import Clock
from bot.sealing import StoreKeys
from bot.settings.values import PROXIES, Settings
from bot.store.inspection import read_only_stores
from bot.store.token_leases import StoredTokens
from bot.tenants.loading import ReadFile, secrets_of
from bot.tenants.shared_digests import shared_digests
from bot.tenants.stored_accounts import NO_ACCOUNTS, read_from
from bot.tenants.tenant import Tenant, of_environment

PART_SECONDS = 10.0  # for each of the services, which are examined at once
ALL_SECONDS = 12.0
STORED_SECONDS = 2.0  # for the accounts of the store, before all others
GONE_SECONDS = 1.0  # after the last line: a hanging name lookup must not keep the process alive
EACH_SOURCE = Scope()
SECRETS = (
    "WECHAT_SECRET",
    "SLACK_BOT_TOKEN",
    "SLACK_SIGNING_SECRET",
    "SLACK_APP_TOKEN",
    "TOKEN_SERVICE_AUTH",
    "STORE_KEYS",
    "PLATFORM_SECRET",
    "PLATFORM_TOKEN",
    "PLATFORM_AES_KEY",
)


async def run(
    environ: Mapping[str, str],
    *,
    ignored: Sequence[str],
    as_json: bool,
    out: TextIO,
    exit_now: Callable[[int], object],
    clock: Clock,
    read_file: ReadFile,
    scope: Scope = EACH_SOURCE,
) -> int:
    """Examine, print, and return the exit status: 1 when something is wrong.

    `ignored` names variables of the environment that are not used because of their values.
    `exit_now` ends the process with a status, if an unanswered request keeps it from ending.
    """
    findings = await examine(environ, ignored, clock, read_file, scope)
    text = output.as_json(findings) if as_json else "\n".join(output.lines(findings, out.encoding or "ascii"))
    print(text, file=out, flush=True)
    status = 0 if output.is_well(findings) else 1
    asyncio.get_running_loop().call_later(GONE_SECONDS, exit_now, status)
    return status


async def examine(
    environ: Mapping[str, str],
    ignored: Sequence[str],
    clock: Clock,
    read_file: ReadFile,
    scope: Scope = EACH_SOURCE,
) -> list[Finding]:
    """Run every check that these variables allow. Nothing raises but the choice of the accounts."""
    settings, problems = Settings.read(environ)
    unset = Unset.of(problems)
    stored = NO_ACCOUNTS
    if settings.alerts and not unset.why_not("store", "DATABASE_URL"):
        stored = await read_from(settings.database_url, STORED_SECONDS)
    installation, mistakes = account_checks.loaded(settings, environ, read_file, stored)
    tenants = installation.watched
    proxy = next((name for name in PROXIES if environ.get(name, "").strip()), PROXIES[0])
    chosen = scope.choose(tenants) if tenants else tenants
    digests = shared_digests(settings, tenants)
    examining = _examine_services(settings, chosen, digests, unset, proxy, clock, scope)
    report = await guarded("services", examining, max(ALL_SECONDS, scope.seconds + 2))
    findings = [
        *variables.findings(problems),
        *account_checks.findings(tenants, mistakes),
        *keys.not_watched(installation.paused),
        *([] if unset.why_not("keys", "STORE_KEYS") else keys.findings(StoreKeys(settings.store_keys), stored)),
        *report.findings,
        *host.unused_proxies(environ, settings),
        host.clock(report.times),
        *host.ambient(settings, slack_reached=report.slack_reached),
        *host.ignored(ignored),
        *host.heartbeat(settings, unset),
    ]
    of_store = (one.secret for one in tenants)
    secrets = {
        *settings.secrets,
        *secrets_of(tenants),
        *of_store,
        *(environ.get(name, "").strip() for name in SECRETS),
    }
    return [masked(finding, secrets) for finding in findings]


async def _examine_services(
    settings: Settings,
    tenants: Sequence[Tenant],
    digests: Mapping[str, str],
    unset: Unset,
    proxy: str,
    clock: Clock,
    scope: Scope,
) -> Report:
    """Run the checks that need I/O, concurrently."""
    # Without store and heartbeat: these are checked here, but not used.
    quiet = [replace(one, settings=replace(one.settings, alerts=False)) for one in tenants]
    alone = replace(settings, alerts=False, heartbeat_url="")
    async with (
        build_fleet(alone, quiet or [of_environment(alone)], clock) as fleet,
        read_only_stores(settings.database_url) as store_of,
    ):
        session = fleet.shared.session
        reading = asyncio.create_task(running.read(store_of, settings, tenants, digests, unset, clock))
        stored = None
        if settings.has_platform:
            stored = StoredTokens(store_of("", ""), StoreKeys(settings.store_keys))
        work = {
            "Slack": slack.examine(settings, unset, session, clock, [one.settings for one in tenants]),
            "commands": inbound.examine(settings, unset, session),
            "WeChat": account_checks.examine_wechat(fleet, tenants, reading, stored, unset, proxy, scope),
            platform_checks.CHECK: platform_checks.examine(store_of, settings, fleet.shared, unset),
            "store": store.examine(settings, unset),
            queue.CHECK: queue.examine(settings, unset),
            running.CHECK: running.examine(reading, tenants),
            operations.CHECK: operations.examine(store_of, settings, tenants, unset),
        }
        seconds = {"WeChat": max(PART_SECONDS, scope.seconds)}
        parts = (guarded(check, part, seconds.get(check, PART_SECONDS)) for check, part in work.items())
        return Report.of(await asyncio.gather(*parts))
