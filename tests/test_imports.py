"""What a process imports and what it leaves out: imports take most of its start, and much of its memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.testbed import PYTHONPATH

# After each stage it records the modules that are imported so far. PYTHONPATH hides packages that only tests need.
PROGRAM = """
import asyncio, json, sys

stages = {}

def record_modules(stage):
    stages[stage] = list(sys.modules)

from bot import __main__, console, serving
from bot.app import Process
from bot.fleet import build_fleet
from bot.sealing import StoreKeys, new_key
from bot.settings.values import Settings
from bot.store.database import Store
from bot.tenants.tenant import of_environment
from wechat_kf import envelope

async def build():
    settings = Settings("wx1", "secret", "xoxb-1", slack_signing_secret="x", slack_alert_channel="C0ALERTS")
    async with build_fleet(settings, [of_environment(settings)], role="web") as fleet:
        Process(fleet, "web", print)

StoreKeys([new_key()])
asyncio.run(build())
record_modules("fleet")
asyncio.run(Store.from_url(sys.argv[1], "wx1").open())
record_modules("current store")
asyncio.run(Store.from_url("sqlite://", "wx1").open())
record_modules("new store")
from bot.store import async_engines
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession  # as another library may
assert AsyncEngine is async_engines.AsyncEngine
json.dump(stages, sys.stdout)
"""
OF_PLATFORM = ("platform", "authorizer", "no_accounts", "token_leases")


@pytest.mark.process
def test_process_does_not_import_what_only_a_secret_a_platform_or_a_migration_needs(sqlite_url):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, sqlite_url],
        env={"PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        check=True,
    )
    fleet, current, new = (frozenset(names) for names in json.loads(done.stdout).values())
    assert {"httpx", "aiohttp", "sqlalchemy"} <= fleet
    assert not {"click", "rich"} & fleet  # only tests have these
    assert not {"cryptography", "defusedxml"} & new  # without a stored secret or a push
    ours = [name for name in fleet if name.split(".")[0] in ("bot", "wechat_kf")]
    # Rules and words, which a rendering may need.
    assert {name for name in ours if any(part in name for part in OF_PLATFORM)} == {
        "bot.alerting.platform_faults",
        "bot.blocks.answers.platform_facts",
        "bot.blocks.channel.platform_notices",
        "bot.blocks.platform_problems",
    }
    assert not {"alembic", "sqlalchemy.orm"} & current
    assert "alembic" in new
    assert "pygments" not in new
