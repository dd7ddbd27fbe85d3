"""Faults around a running bot: log, `/readyz`, metrics, `/kf status` and doctor show each, and its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
import warnings
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import aiohttp
import psycopg
import pytest
from sqlalchemy.engine import make_url

from bot.demo.slack_simulator import RESPONSE_URL, error, http_error
from bot.doctor import store as doctors_store
from bot.doctor.findings import Finding, Unset
from bot.settings.values import Settings
from bot.store.database import Store
from tests.conftest import APPID
from tests.doctors import running_bot
from tests.running import ALERTS, CARE, World, bot_in_loop, until, utc_now, world
from tests.startup_relay import StartupRelay, startup_relay

pytestmark = pytest.mark.server


@dataclass
class Scene:
    """A running bot, and what is around it."""

    place: World
    url: str
    store: str  # the URL as an administrator uses it
    monkeypatch: pytest.MonkeyPatch
    role: str = ""  # as which the bot connects to PostgreSQL
    relay: StartupRelay = field(default_factory=StartupRelay)  # through which it does

    async def execute(self, *statements: str) -> None:
        """Change the database, not in the loop: a transaction of the bot must be able to end."""
        await asyncio.to_thread(self._execute, statements)

    def _execute(self, statements: Sequence[str]) -> None:
        is_file = self.store.startswith("sqlite:///")
        connect = partial(sqlite3.connect, self.store[10:]) if is_file else partial(psycopg.connect, self.store)
        with closing(connect(autocommit=True)) as database:
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
        of_store = await doctors_store.examine(settings, Unset.of([]), within=2)
        return [*await running_bot(settings), *of_store.findings]


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
        await until(lambda: self.is_found(scene), within=20)  # in the row that the process writes at each pass
        said = await scene.status()
        assert (self.title in said, self.remedy.lower() in said.lower()) == (True, True), said
        for personal in ("bo@harbour_tea", "bo_example"):
            assert personal not in body + metrics + line
        if done := self.heal(scene):
            await done
        await until(lambda: logged("problem ended"), within=20)
        assert "Working normally" in await scene.status()

    async def is_found(self, scene: Scene) -> bool:
        """Return whether the doctor finds it: the store's own check, or that of the running bot."""
        found = [finding for finding in await scene.doctor() if finding.verdict == "wrong"]
        if self.kind.startswith("store_"):
            return any(one.check == "store" for one in found)
        return any(self.title in one.said and self.remedy.lower() in one.remedy.lower() for one in found)


async def refuse_row(scene: Scene) -> None:
    await scene.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON episode WHEN NEW.account_key = 'bo@harbour_tea' "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    for name in ("bo", "dee"):
        scene.place.wechat.reject(f"{name}@harbour_tea")


async def post_elsewhere(scene: Scene) -> None:
    scene.place.slack.app_url = f"{scene.url}/slack/commands"
    await scene.place.slack.command("", channel=CARE)
    scene.place.slack.take_unexpected()


async def lose_answer(scene: Scene) -> None:
    scene.place.slack.app_url = f"{scene.url}/slack/events"
    scene.place.slack.arm(RESPONSE_URL, http_error(404))
    await scene.place.slack.command("help", channel=CARE)


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
    "answers that Slack does not accept": Fault(
        "replies_failing",
        "WARNING",
        "1 answer could not be delivered",
        "hooks.slack.com",
        lose_answer,
        lambda _: None,  # the answer to /kf status, which still shows it, ends it
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


FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
"""
FAULTS_OF_POSTGRESQL = {
    "a revoked privilege, which only a new row needs": Fault(
        "store_denied",
        "ERROR",
        "The database refuses the bot",
        "the right to write",
        lambda scene: scene.execute(f"REVOKE INSERT ON message FROM {scene.role}"),
        lambda scene: scene.execute(f"GRANT INSERT ON message TO {scene.role}"),
    ),
    "a full disk, which updates do not notice": Fault(
        "store_full",
        "ERROR",
        "The database is full",
        "free space",
        lambda scene: scene.execute(
            FULL,
            "CREATE TRIGGER full_disk BEFORE INSERT ON emitted_event FOR EACH ROW EXECUTE FUNCTION full_disk()",
        ),
        lambda scene: scene.execute("DROP TRIGGER full_disk ON emitted_event"),
    ),
    "a server that stops answering": Fault(
        "store_hanging",
        "ERROR",
        "The database does not answer",
        "a lock is held",
        lambda scene: scene.relay.flows.clear(),
        lambda scene: scene.relay.flows.set(),
    ),
}


@pytest.fixture
def brisk(monkeypatch) -> pytest.MonkeyPatch:
    """Shorten the waits of the bot."""
    monkeypatch.setattr("bot.delivery.prober.HOLD", timedelta(seconds=0.5))
    monkeypatch.setattr("bot.delivery.updater.HOLD", timedelta(seconds=0.5))
    monkeypatch.setattr("bot.loops.DELIVERY_SECONDS", 0.5)
    monkeypatch.setattr("bot.interactions.status_reporter.REPEATED", timedelta(0))
    monkeypatch.setattr("bot.interactions.status_reporter.RECENT", timedelta(0))
    monkeypatch.setattr("bot.interactions.status_reporter.PASS_SECONDS", 1)
    monkeypatch.setattr("bot.interactions.status_reporter.STORE_SECONDS", 0.5)
    monkeypatch.setattr("bot.store.database.CHECK_SECONDS", 0.5)
    monkeypatch.setattr("bot.doctor.running.SECONDS", 0.5)
    monkeypatch.setitem(Store.from_url.__func__.__kwdefaults__, "seconds", 1.0)
    return monkeypatch


async def test_fault_is_shown_everywhere_until_it_ends(sqlite_url, caplog, brisk):
    caplog.set_level(logging.INFO)
    async with world(sqlite_url) as place:
        place.slack.channels[ALERTS].is_private, place.slack.channels[ALERTS].is_member = True, False
        for name in ("bo", "dee"):
            place.invite(name)
        async with bot_in_loop(place) as url:
            scene = Scene(place, url, sqlite_url, brisk)
            for fault in FAULTS.values():
                await fault.is_shown_until_it_ends(scene, caplog)
                caplog.clear()


async def test_fault_of_postgresql_is_shown_everywhere_until_it_ends(postgres_url, caplog, brisk):
    caplog.set_level(logging.INFO)
    store = Store.from_url(postgres_url, APPID)
    await store.open()
    await store.close()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        role = f"bot_{admin.info.dbname}"
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        admin.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        admin.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        try:
            async with startup_relay(postgres_url) as relay:
                url = make_url(relay.url).set(username=role, password="x")
                async with world(url.render_as_string(hide_password=False)) as place, bot_in_loop(place) as address:
                    scene = Scene(place, address, postgres_url, brisk, role, relay)
                    await until(lambda: "poll outcome=ok" in caplog.text)
                    for fault in FAULTS_OF_POSTGRESQL.values():
                        await fault.is_shown_until_it_ends(scene, caplog)
                        caplog.clear()
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()  # the bot gives up connections that hang without closing them
            admin.execute(f"DROP OWNED BY {role}")
            admin.execute(f"DROP ROLE {role}")
