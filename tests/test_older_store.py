"""A store that an earlier release has made: this release continues with it, and its messages keep their buttons."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.demo.process import environ_of
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, Message, SlackSimulator
from bot.ports import Clock
from tests.people import TOM, shown
from tests.running import ALERTS, APPID, SECRET, World, bot_in_loop, sqlite, until, utc_now
from wechat_kf.simulator import Simulator

pytestmark = [pytest.mark.server, pytest.mark.story]

STORES = Path(__file__).parent / "fixtures" / "stores"


@asynccontextmanager
async def left_by(release: str, folder: Path) -> AsyncIterator[tuple[World, Clock]]:
    """Serve Slack, WeChat and the store as they were when a release ended, and the clock of ten seconds later."""
    left = json.loads((STORES / f"{release}.json").read_text(encoding="utf-8"))
    ahead = datetime.fromisoformat(left["at"]) + timedelta(seconds=10) - utc_now()

    def clock() -> datetime:
        return utc_now() + ahead

    with closing(sqlite3.connect(folder / "kf.db")) as database:
        database.executescript((STORES / f"{release}.sql").read_text(encoding="utf-8"))
    wechat = Simulator(APPID, SECRET)
    for name, end in left["ends"].items():
        wechat.add_account(f"{name}@harbour_tea", name.capitalize())
        wechat.invite(f"{name}@harbour_tea", f"{name}_example", datetime.fromisoformat(end))
    slack = SlackSimulator(channels=[Channel(ALERTS, "kf-alerts")], clock=clock, trigger_clock=utc_now)
    slack.channels[ALERTS].messages.update({one["ts"]: Message(**one) for one in left["messages"]})
    async with serve_slack(slack), serve_wechat(wechat, clock) as wechat_url:
        more = {"DATABASE_URL": sqlite(folder), "POLL_SECONDS": "1", "HOST": "127.0.0.1"}
        yield World(slack, wechat, environ_of(slack, wechat_url, APPID, SECRET, ALERTS, **more)), clock
    assert slack.take_unexpected() == []


def values(message: Message) -> list[str]:
    return [part["value"] for block in message.blocks for part in block.get("elements", ()) if "value" in part]


async def test_store_of_the_first_release_continues_without_a_step_and_its_buttons_work(tmp_path):
    async with left_by("0001_initial", tmp_path) as (place, clock):
        for name in ("bo", "chen"):
            place.wechat.reject(f"{name}@harbour_tea")
        before = place.slack.messages(ALERTS)
        dee, _, _, chen = before
        async with bot_in_loop(place, clock=clock):
            await until(lambda: len(place.wechat.log) > 3)
            assert place.slack.messages(ALERTS) == before
            assert chen.text.startswith("Rejected: Chen")
            assert values(chen)
            assert all(value.startswith("v1:") for value in values(chen))
            await place.slack.click(chen, "alert.ack", user=TOM)
            place.wechat.accept("dee@harbour_tea")
            place.wechat.reject("fay@harbour_tea")
            await until(lambda: f"Acknowledged by <@{TOM}>" in shown(place.slack.present(chen)))
            await until(lambda: place.slack.present(dee).text.startswith("Bound: Dee"))
            await until(lambda: len(place.texts) == 6)
        new = [one for one in place.slack.messages(ALERTS) if one.ts not in {old.ts for old in before}]
    assert sorted(one.text.split(" (")[0] for one in new) == ["Acknowledged by Tom: Chen", "Rejected: Fay"]
    assert all(value.startswith("v1:") for one in new for value in values(one))
