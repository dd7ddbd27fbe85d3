"""Run all checks, and print the findings. Change nothing: no message, no row, no token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TextIO

from bot.doctor import host, inbound, operations, output, running, slack, store, variables, wechat
from bot.doctor.findings import Finding, Report, Unset, guarded, masked
from bot.ports import Clock
from bot.settings.values import PROXIES, Settings
from bot.wiring import build_services

PART_SECONDS = 10.0  # for each of the services, which are examined at once
ALL_SECONDS = 12.0
GONE_SECONDS = 1.0  # after the last line: a hanging name lookup must not keep the process alive
SECRETS = ("WECHAT_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN")


async def run(
    environ: Mapping[str, str],
    *,
    ignored: Sequence[str],
    as_json: bool,
    out: TextIO,
    exit_now: Callable[[int], object],
    clock: Clock,
) -> int:
    """Examine, print, and return the exit status: 1 when something is wrong.

    `ignored` names variables of the environment that are not used because of their values.
    `exit_now` ends the process with a status, if an unanswered request keeps it from ending.
    """
    findings = await examine(environ, ignored, clock)
    text = output.as_json(findings) if as_json else "\n".join(output.lines(findings, out.encoding or "ascii"))
    print(text, file=out, flush=True)
    status = 0 if output.is_well(findings) else 1
    asyncio.get_running_loop().call_later(GONE_SECONDS, exit_now, status)
    return status


async def examine(environ: Mapping[str, str], ignored: Sequence[str], clock: Clock) -> list[Finding]:
    """Run every check that these variables allow. Never raise."""
    settings, problems = Settings.read(environ)
    unset = Unset.of(problems)
    proxy = next((name for name in PROXIES if environ.get(name, "").strip()), PROXIES[0])
    report = await guarded("services", _examine_services(settings, unset, proxy, clock), ALL_SECONDS)
    findings = [
        *variables.findings(problems),
        *report.findings,
        *host.unused_proxies(environ, settings),
        host.clock(report.times),
        *host.ambient(settings, slack_reached=report.slack_reached),
        *host.ignored(ignored),
        *host.heartbeat(settings, unset),
    ]
    secrets = {*settings.secrets, *(environ.get(name, "").strip() for name in SECRETS)}
    return [masked(finding, secrets) for finding in findings]


async def _examine_services(settings: Settings, unset: Unset, proxy: str, clock: Clock) -> Report:
    """Run the checks that need I/O, concurrently."""
    # Without store and heartbeat: these are checked here, but not used.
    async with build_services(replace(settings, alerts=False, heartbeat_url=""), clock) as services:
        work = {
            "Slack": slack.examine(settings, unset, services.session, clock),
            "commands": inbound.examine(settings, unset, services.session),
            "WeChat": wechat.examine(services, unset, proxy),
            "store": store.examine(settings, unset),
            "running bot": running.examine(settings, unset, clock),
            operations.CHECK: operations.examine(settings, unset),
        }
        return Report.of(
            await asyncio.gather(*(guarded(check, part, PART_SECONDS) for check, part in work.items()))
        )
