"""Several Official Accounts in real processes: what a kill loses, and the commands that run once."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import console, environment
from bot.demo.process import running
from bot.settings.values import Settings
from bot.tenants.loading import load
from bot.tenants.tenant import Tenant
from tests.fleets import (
    AT_HARBOUR,
    AT_ORCHID,
    BO,
    CHEN,
    HARBOUR,
    KIOSK,
    ORCHID,
    SECRETS,
    FleetWorld,
    fleet_world,
    polled,
)
from tests.running import CARE, sqlite, until


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[FleetWorld]:
    async with fleet_world(sqlite(tmp_path), invited=["bo", "chen"]) as made:
        yield made


def texts(place: FleetWorld) -> list[str]:
    return [*place.texts(AT_HARBOUR), *place.texts(AT_ORCHID)]


@pytest.mark.process
async def test_killed_bot_posts_each_alert_of_each_account_once_after_its_restart(place):
    async with running(place.environ) as bot:
        await polled(place)
        for appid in SECRETS:
            place.wechat[appid].reject(BO)
        await until(lambda: texts(place))  # the others are stored, or not even read
        await bot.stop(signal.SIGKILL)
    for appid in SECRETS:
        place.wechat[appid].reject(CHEN)
    async with running(place.environ):
        await until(lambda: len(texts(place)) == 6, within=90)
        await polled(place)
    assert sorted(text.replace("（", " (").split(" (")[0] for text in texts(place)) == [
        "Harbour Tea · Rejected: Bo",
        "Harbour Tea · Rejected: Chen",
        "Night Kiosk · Rejected: Bo",
        "Night Kiosk · Rejected: Chen",
        "兰花 · 已拒绝：Bo",
        "兰花 · 已拒绝：Chen",
    ]


@pytest.mark.test_all
@pytest.mark.process
async def test_two_processes_on_one_store_post_each_alert_of_each_account_once(postgres_url):
    async with (
        fleet_world(postgres_url, invited=["bo"]) as place,
        running(place.environ) as bot,
        running(place.environ, "worker", wait=False),
    ):
        place.slack.app_url = bot.slack_url
        await polled(place, 5)
        for appid in SECRETS:
            place.wechat[appid].reject(BO)
        await until(lambda: len(texts(place)) == 3, within=90)
        await polled(place)
        said = await place.slack.command("status", channel=CARE)
        assert (await said.answer()).text == "3 Official Accounts · Working normally."
    assert len(texts(place)) == 3


def one_off(place: FleetWorld, **changed: str) -> tuple[Settings, list[Tenant]]:
    """Return the settings and the accounts of a command that runs once."""
    environ = place.environ | changed
    settings = Settings.from_environ(environ)
    return settings, [*load(settings, environ, environment.read_file)]


async def test_list_prints_a_table_for_each_account(place, capsys):
    assert await console.show_list(*one_off(place), as_json=False) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [name in out for name in ("Harbour Tea\n", "Night Kiosk\n", "兰花\n")] == [True] * 3
    assert out.count("2 accounts, 0 need attention") == 3


async def test_list_for_programs_names_each_account_and_leaves_out_what_cannot_be_read(place, capsys):
    place.wechat[KIOSK].enabled = False
    assert await console.show_list(*one_off(place), as_json=True) == 1
    out, err = capsys.readouterr()
    assert err.startswith("Night Kiosk: WeChat could not be read:")
    listed = json.loads(out)
    assert [(one["handle"], one["appid"]) for one in listed] == [("harbour", HARBOUR), ("orchid", ORCHID)]
    assert {account["kf_account"] for one in listed for account in one["accounts"]} == {BO, CHEN}


@pytest.mark.server
async def test_check_polls_every_account_and_fails_if_one_cannot_be_read(place, capsys):
    assert await console.check(*one_off(place, POLL_SECONDS="900")) == 0
    for appid in SECRETS:
        place.wechat[appid].reject(BO)
    capsys.readouterr()
    assert await console.check(*one_off(place, POLL_SECONDS="900")) == 0
    out, err = capsys.readouterr()
    assert (err, out.splitlines()) == (
        "",
        [
            "Harbour Tea: 2 accounts, 1 needs attention",
            "Night Kiosk: 2 accounts, 1 needs attention",
            "兰花: 2 accounts, 1 needs attention",
            "3 messages posted",
        ],
    )
    assert len(texts(place)) == 3
    place.wechat[ORCHID].enabled = False
    assert await console.check(*one_off(place, POLL_SECONDS="900")) == 1
    assert "兰花: WeChat: failed" in capsys.readouterr().out
