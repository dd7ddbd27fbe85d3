"""The command `platform`: the state of the third-party platform, the link for an owner, the list of accounts."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timedelta

from bot.accounts_cli.terminal import failed
from bot.blocks.answers.diagnosis import ENGLISH, in_plain_words
from bot.blocks.answers.platform_facts import platform_parts
from bot.blocks.platform_problems import explain_platform
from bot.blocks.times import span
from bot.health.facts import PlatformFacts
from bot.platform.evidence import evidence
from bot.platform.links import VALID, make_link
from bot.platform.services import PlatformServices
from bot.ports import Clock, utc_now
from bot.settings.values import Settings
from bot.store import platform_health, platform_rows, tenants
from bot.store.store_errors import StoreError, waiting_for
from bot.tenant_states import TenantState
from bot.wiring import build_shared
from wechat_kf import KfError
from wechat_kf.token_store import TokenKind

WITHOUT = "There is no platform: PLATFORM_APPID is not set, or ALERTS is off. See docs/platform.md."


async def run(given: argparse.Namespace, settings: Settings, clock: Clock = utc_now) -> int:
    """Run an action of `platform`, and return the exit status."""
    if not settings.has_platform:
        return failed(WITHOUT, 2)
    if given.action == "link":
        print(make_link(settings, "", clock()))
        failed(f"Send it to the owner of the account. It works for {VALID // timedelta(hours=1)} hours.")
        return 0
    async with build_shared(settings, clock) as shared:
        platform, store = shared.platform, shared.store
        if platform is None or store is None:
            return failed(WITHOUT, 2)
        try:
            await store.open()
            if given.action == "sync":
                return await _sync(platform)
            if given.evidence:
                print(json.dumps(await evidence(platform.calls, platform.appid), indent=2))
                return 0
            return await _status(platform)
        except StoreError as exc:
            words = waiting_for(exc) or type(exc).__name__
            return failed(f"The store cannot be used ({words}): look at DATABASE_URL.")


async def _sync(platform: PlatformServices) -> int:
    try:
        was_read = await platform.list.read_if_due(always=True)
    except KfError as exc:
        return failed(f"The list of authorised accounts cannot be read: {exc}. `platform status` shows more.")
    if not was_read:
        return failed("Another process reads the list at this moment.")
    async with platform.store.begin() as tx:
        numbers = await tenants.count(tx, platform_appid=platform.appid)
    print(_counted(numbers, tx.now))
    return 0


async def _status(platform: PlatformServices) -> int:
    """Print what is known of the platform. Return 1 while it has a fault."""
    async with platform.store.begin() as tx:
        row, now = await platform_rows.load(tx, platform.appid), tx.now
        health = await platform_health.load(tx, platform.appid)
        numbers = await tenants.count(tx, platform_appid=platform.appid)
    token = await platform.stored.get(platform.appid, TokenKind.COMPONENT)
    fault = health.lasting.fault if health.lasting else health.fault
    lines = {
        "platform": platform.appid,
        "ticket": _ago(row.pushed_at, now),
        "platform token": f"good for {span(token.left, ENGLISH)}" if token.value else "none now",
        "last complete list": _ago(row.listed_at, now),
        "accounts": _counted(numbers, now),
        "fault": "none",
    }
    if fault:
        what, step = in_plain_words(explain_platform(fault, ENGLISH))
        lines["fault"] = f"{what} {step}"
    for name, value in lines.items():
        print(f"{name:20}{value}")
    return 1 if fault else 0


def _ago(moment: datetime | None, now: datetime) -> str:
    return f"{span(max(now - moment, timedelta(0)), ENGLISH)} ago" if moment else "none yet"


def _counted(numbers: dict[TenantState, int], now: datetime) -> str:
    return ", ".join(platform_parts(PlatformFacts(accounts=numbers), now, ENGLISH)[1:])
