"""Faults around a running bot: log, `/readyz`, metrics, `/kf status` and doctor show each, and its end."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.demo.slack_simulator import error
from bot.doctor import running
from bot.doctor import store as doctors_store
from bot.doctor.findings import Finding, Unset
from bot.settings.values import Settings
from tests.running import ALERTS, CARE, World, bot_in_loop, sqlite, until, utc_now, world

pytestmark = pytest.mark.server


@dataclass
class Scene:
    """A running bot, and what is around it."""

    place: World
    url: str
    store: Path | str
    monkeypatch: pytest.MonkeyPatch

    def execute(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.store, autocommit=True)) as database:
            for statement in statements:
                database.execute(statement)

    async def page(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            return answer.status, await answer.text()

    async def status(self) -> str:
        self.place.slack.app_url = f"{self.url}/slack/events"
        return (await (await self.place.slack.command("status", channel=CARE)).answer()).text

    async def doctor(self) -> list[Finding]:
        settings = Settings.from_environ(self.place.environ)
        reports = [
            await running.examine(settings, Unset.of([]), utc_now),
            await doctors_store.examine(settings, Unset.of([]), within=2),
        ]
        return [finding for report in reports for finding in report.findings]


@dataclass(frozen=True)
class Fault:
    """A fault of the world, and how each rendering shows it."""

    kind: str
    level: str
    title: str
    remedy: str
    inject: Callable[[Scene], Awaitable[None] | None]
    heal: Callable[[Scene], Awaitable[None] | None]

    async def is_shown_until_it_ends(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        def logged(event: str) -> list[tuple[str, str]]:
            lines = [(record.levelname, record.getMessage()) for record in caplog.records]
            return [(level, line) for level, line in lines if line.startswith(f"{event} kind={self.kind}")]

        if done := self.inject(scene):
            await done
        await until(lambda: logged("problem began"), within=20)
        ((level, line),) = logged("problem began")
        assert (level, self.title in line, self.remedy.lower() in line.lower()) == (self.level, True, True), line
        code, body = await scene.page("/readyz")
        assert code == (503 if self.kind.startswith("store_") else 200)
        assert (self.title in body, self.remedy.lower() in body.lower()) == (True, True), body
        metrics = (await scene.page("/metrics"))[1]
        assert f'wechat_kf_problem{{kind="{self.kind}"}} 1.0' in metrics
        said = await scene.status()
        assert (self.title in said, self.remedy.lower() in said.lower()) == (True, True), said
        found = [finding for finding in await scene.doctor() if finding.verdict == "wrong"]
        assert any(self.title in one.said or one.check == "store" for one in found), found
        for personal in ("bo@harbour_tea", "bo_example"):
            assert personal not in body + metrics + line
        if done := self.heal(scene):
            await done
        await until(lambda: logged("problem ended"), within=20)
        assert "Working normally" in await scene.status()


def refuse_row(scene: Scene) -> None:
    scene.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON episode WHEN NEW.account_key = 'bo@harbour_tea' "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    for name in ("bo", "dee"):
        scene.place.wechat.reject(f"{name}@harbour_tea")


async def post_elsewhere(scene: Scene) -> None:
    scene.place.slack.app_url = f"{scene.url}/slack/commands"
    await scene.place.slack.command("", channel=CARE)
    scene.place.slack.take_unexpected()


def refuse_edits(scene: Scene) -> None:
    scene.place.slack.arm("chat.update", *[error("invalid_auth")] * 1000)
    scene.place.slack.arm("auth.test", *[error("invalid_auth")] * 1000)
    scene.place.wechat.invite("dee@harbour_tea", "dee_example", utc_now() + timedelta(days=3))


def accept_edits(scene: Scene) -> None:
    scene.place.slack.disarm("chat.update")
    scene.place.slack.disarm("auth.test")


def join_channel(scene: Scene) -> None:
    scene.place.slack.channels[ALERTS].is_member = True


FAULTS = {
    "a private channel without the bot, at the first start": Fault(
        "slack_blocked",
        "ERROR",
        "Alerts cannot be posted",
        "/invite @wechat-kf",
        lambda _: None,
        join_channel,
    ),
    "a row that the database refuses": Fault(
        "rows_failed",
        "ERROR",
        "1 account cannot be watched",
        "row failed",
        refuse_row,
        lambda scene: scene.execute("DROP TRIGGER refuse"),
    ),
    "requests at another path": Fault(
        "requests_rejected",
        "WARNING",
        "1 request of Slack rejected",
        "/slack/events",
        post_elsewhere,
        lambda scene: scene.monkeypatch.setattr("bot.web.rejections.RECENT", timedelta(0)),
    ),
    "a token that an edit finds invalid": Fault(
        "slack_blocked",
        "ERROR",
        "Alerts cannot be posted",
        "SLACK_BOT_TOKEN",
        refuse_edits,
        accept_edits,
    ),
}


@pytest.fixture
def brisk(monkeypatch) -> pytest.MonkeyPatch:
    """Shorten the waits of the bot."""
    monkeypatch.setattr("bot.delivery.prober.HOLD", timedelta(seconds=0.5))
    monkeypatch.setattr("bot.delivery.updater.HOLD", timedelta(seconds=0.5))
    monkeypatch.setattr("bot.app.DELIVERY_SECONDS", 0.5)
    monkeypatch.setattr("bot.interactions.status_reporter.REPEATED", timedelta(0))
    return monkeypatch


async def test_fault_is_shown_everywhere_until_it_ends(tmp_path, caplog, brisk):
    caplog.set_level(logging.INFO)
    async with world(sqlite(tmp_path)) as place:
        place.slack.channels[ALERTS].is_private, place.slack.channels[ALERTS].is_member = True, False
        for name in ("bo", "dee"):
            place.invite(name)
        async with bot_in_loop(place) as url:
            scene = Scene(place, url, tmp_path / "kf.db", brisk)
            for fault in FAULTS.values():
                await fault.is_shown_until_it_ends(scene, caplog)
                caplog.clear()
