"""Accounts of the store beside those of the environment and the file: precedence, and what keeps one from use."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot import environment
from bot.sealing import StoreKeys, key_id
from bot.settings.values import Settings
from bot.store import account_changes, processes, sealed_secrets
from bot.store import tenants as tenant_rows
from bot.store.account_changes import COMMAND_LINE, ChangeKind
from bot.store.database import MOST_AT_ONCE, Store
from bot.store.processes import ProcessInfo
from bot.store.sealed_secrets import APPSECRET, SealedSecret
from bot.store.tenants import COMMAND, PauseReason, StoredTenant
from bot.tenant_states import TenantState
from bot.tenants import changes, reloading
from bot.tenants.loading import load, load_defined, secrets_of, with_stored
from bot.tenants.reloading import Reloading
from bot.tenants.shared_digests import shared_digests
from bot.tenants.stored_accounts import StoredAccounts, read_from
from bot.tenants.tenant import TenantOrigin
from tests.test_accounts_file import HARBOUR
from tests.test_fleet_overview import statements
from tests.test_logs import restore
from tests.test_tenants import BOTH, HARBOUR_APPID, SLACK, WITHOUT_CHANNEL, read_file

pytestmark = pytest.mark.mostly_sqlite

KEY, OTHER = "11" * 32, "22" * 32
ROSE_APPID, IRIS_APPID = "wxaaaaaaaaaaaaaaaa", "wxbbbbbbbbbbbbbbbb"
ROSE_SECRET, IRIS_SECRET = "ab" * 16, "not of that shape"
ROSE = StoredTenant(ROSE_APPID, "rose", "Rose", COMMAND, own={"source": "secret", "poll": "7m", "labels": ["tea"]})
IRIS = StoredTenant(IRIS_APPID, "iris", "", COMMAND, own={"source": "secret", "quiet": "22:00-08:00"})
ENVIRON = SLACK | BOTH | {"KF_ACCOUNTS": HARBOUR, "STORE_KEYS": KEY}


def sealed(*rows: StoredTenant, key: str = KEY) -> StoredAccounts:
    secrets = {ROSE_APPID: ROSE_SECRET, IRIS_APPID: IRIS_SECRET, HARBOUR_APPID: "of the row"}
    keys = StoreKeys([key])
    return StoredAccounts(rows, {row.appid: keys.seal(row.appid, APPSECRET, secrets[row.appid]) for row in rows})


def handles(stored: StoredAccounts, environ: dict[str, str] = ENVIRON) -> list[str]:
    return [one.slug for one in load(Settings.from_environ(environ), environ, read_file, stored)]


def reasons(stored: StoredAccounts, environ: dict[str, str] = ENVIRON) -> dict[str, str]:
    """Return why accounts are not watched, by handle; no other account may be affected."""
    settings = Settings.from_environ(environ)
    installation = with_stored(load_defined(settings, environ, read_file), stored)
    assert installation.watched[0].slug == "harbour"
    return {one.tenant.slug: one.why for one in installation.paused}


def test_account_of_the_store_has_its_own_values_and_those_of_the_file_for_the_rest():
    route = '\n[[route]]\nlabel = "tea"\nchannel = "C0TEA"\n[defaults]\nlanguage = "zh"\n'
    environ = ENVIRON | {"KF_ACCOUNTS": HARBOUR + route}
    _, rose = load(Settings.from_environ(environ), environ, read_file, sealed(ROSE))
    assert (rose.slug, rose.name, rose.labels, rose.origin) == ("rose", "Rose", ("tea",), TenantOrigin.COMMAND)
    assert (rose.appid, rose.secret) == (ROSE_APPID, ROSE_SECRET)
    assert (rose.settings.poll_seconds, rose.settings.slack_alert_channel, rose.settings.language) == (
        420,
        "C0TEA",
        "zh",
    )


def test_file_and_environment_take_precedence_and_a_taken_handle_gets_a_number():
    row = replace(ROSE, appid=HARBOUR_APPID, slug="other")
    assert handles(sealed(row)) == ["harbour"]
    assert handles(sealed(replace(ROSE, slug="harbour"), replace(IRIS, slug="harbour"))) == [
        "harbour",
        "harbour-2",
        "harbour-3",
    ]
    environ = SLACK | {"WECHAT_APPID": ROSE_APPID, "WECHAT_SECRET": "of-the-environment", "STORE_KEYS": KEY}
    (only,) = load(Settings.from_environ(environ), environ, read_file, sealed(ROSE))
    assert only.secret == "of-the-environment"


@pytest.mark.parametrize(
    ("stored", "changed", "why"),
    [
        (sealed(replace(ROSE, reason=PauseReason.PERSON)), {}, "paused"),
        (sealed(ROSE, key=OTHER), {}, f"STORE_KEYS lacks the key {key_id(OTHER)} of its AppSecret"),
        (sealed(ROSE), {"STORE_KEYS": ""}, f"STORE_KEYS lacks the key {key_id(KEY)} of its AppSecret"),
        (replace(sealed(ROSE), sealed={}), {}, "its AppSecret is not stored"),
        (
            replace(sealed(ROSE), sealed={ROSE_APPID: sealed(IRIS).sealed[IRIS_APPID]}),
            {},
            "the sealed secret was changed, or is another row's",
        ),
        (replace(sealed(ROSE), sealed={ROSE_APPID: "x"}), {}, "the value is not a sealed secret"),
        (sealed(replace(ROSE, own={"timezone": "Mars/Base"})), {}, "timezone must be an IANA time zone such as"),
        (sealed(replace(ROSE, own={"of a newer release": 1})), {}, "a key is not known"),
        (sealed(replace(ROSE, own={"source": "service"})), {}, "TOKEN_SERVICE_URL is not set"),
    ],
)
def test_account_that_cannot_be_used_is_paused_with_the_reason(stored, changed, why):
    (found,) = reasons(stored, ENVIRON | changed).values()
    assert found.startswith(why)


def test_account_without_any_channel_is_paused():
    environ = WITHOUT_CHANNEL | BOTH | {"KF_ACCOUNTS": HARBOUR + 'channel = "C0HARBOUR"\n', "STORE_KEYS": KEY}
    assert reasons(sealed(ROSE), environ) == {"rose": "it has no channel"}


def test_masks_of_the_log_hold_only_stored_secrets_that_no_shape_knows():
    tenants = load(Settings.from_environ(ENVIRON), ENVIRON, read_file, sealed(ROSE, IRIS))
    assert {"hush-harbour", IRIS_SECRET, KEY, SLACK["SLACK_BOT_TOKEN"]} <= set(secrets_of(tenants))
    assert ROSE_SECRET not in secrets_of(tenants)
    assert {IRIS_SECRET, KEY, SLACK["SLACK_BOT_TOKEN"]} <= set(secrets_of(tenants[1:]))


def test_no_secret_is_in_the_repr_of_what_was_read():
    stored = sealed(ROSE)
    tenants = load(Settings.from_environ(ENVIRON), ENVIRON, read_file, stored)
    for shown in (repr(stored), repr(tenants), repr(Settings.from_environ(ENVIRON))):
        assert ROSE_SECRET not in shown
        assert KEY not in shown


def test_accounts_of_the_store_are_no_difference_between_processes():
    settings = Settings.from_environ(ENVIRON)
    before, after = (load(settings, ENVIRON, read_file, sealed(*rows)) for rows in ((), (ROSE,)))
    assert shared_digests(settings, before) == shared_digests(settings, after)


# What a running process notices


@pytest.fixture
def kept_log() -> Iterator[None]:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    restore(before)


class Bot:
    """A running process with one account of the file, that looks for changes by commands."""

    def __init__(self, url: str, **changed: str) -> None:
        self.environ = ENVIRON | {"DATABASE_URL": url} | changed
        settings = Settings.from_environ(self.environ)
        self.reloading = Reloading(load_defined(settings, self.environ, read_file), self.environ, read_file)
        self.renewed = 0

    async def looks(self, store: Store) -> bool:
        """Look once. Return whether the accounts are to be read again."""
        before = self.renewed
        await self.reloading.check(store, "p1", self._renew)
        return self.renewed > before

    def _renew(self) -> None:
        self.renewed += 1


async def test_process_notices_each_change_by_a_command_once(store, store_url, kept_log, caplog):
    caplog.set_level(logging.INFO)
    await store.open()
    bot = Bot(store_url)
    assert not await bot.looks(store)
    keys = StoreKeys([KEY])
    async with store.begin() as tx:
        secret = keys.seal(ROSE_APPID, APPSECRET, ROSE_SECRET)
        await sealed_secrets.put(tx, SealedSecret(ROSE_APPID, APPSECRET, secret))
        await tenant_rows.save(tx, ROSE)
    assert await bot.looks(store)
    assert [one.slug for one in await bot.reloading.reload() or ()] == ["harbour", "rose"]
    assert not await bot.looks(store)
    assert await bot.reloading.reload() is None
    async with store.begin() as tx:
        await tenant_rows.pause(tx, ROSE_APPID)
    assert await bot.looks(store)
    assert [one.slug for one in await bot.reloading.reload() or ()] == ["harbour"]
    assert ROSE_SECRET not in caplog.text


@pytest.mark.both_stores
async def test_process_without_keys_and_service_looks_only_whether_the_file_is_to_be_read(store, store_url):
    await store.open()
    bot = Bot(store_url, STORE_KEYS="")
    async with store.begin() as tx:
        await tenant_rows.save(tx, ROSE)
    assert not await bot.looks(store)
    async with store.begin() as tx:
        await processes.touch(tx, ProcessInfo("p1", "web"), tx.now)
        assert await processes.request_reload(tx) == 1
    assert await bot.looks(store)
    assert not await bot.looks(store)


async def test_process_deletes_the_rows_of_an_account_ninety_days_after_its_removal(store, store_url, monkeypatch):
    await store.open()
    async with store.begin() as tx:
        await tenant_rows.save(tx, ROSE)
        await tenant_rows.remove(tx, ROSE_APPID)
    for kept, number in ((reloading.KEPT, 1), (timedelta(days=-1), 0)):
        monkeypatch.setattr(reloading, "KEPT", kept)
        await Bot(store_url).looks(store)
        async with store.begin() as tx:
            assert (await tenant_rows.last_change(tx) is not None) == (number > 0)


async def test_process_removes_a_withdrawn_account_a_day_before_it_deletes_its_rows(store, store_url, monkeypatch):
    await store.open()
    async with store.begin() as tx:
        await tenant_rows.save(tx, replace(ROSE, origin=tenant_rows.PLATFORM, state=TenantState.REVOKED))
    for kept, shown in ((reloading.KEPT, 1), (timedelta(hours=23), 0), (timedelta(days=-1), 0)):
        monkeypatch.setattr(reloading, "KEPT", kept)
        await Bot(store_url).looks(store)
        async with store.begin() as tx:
            assert len(await tenant_rows.load(tx)) == shown
            assert (await tenant_rows.last_change(tx) is None) == (kept < timedelta(0))


async def test_process_that_has_stopped_is_not_asked_to_read_the_file(store, clock):
    await store.open()
    async with store.begin() as tx:
        await processes.touch(tx, ProcessInfo("p1", "web"), tx.now)
    clock.now += timedelta(minutes=5)
    async with store.begin() as tx:
        assert await processes.request_reload(tx) in (0, 1)  # PostgreSQL has a clock of its own


async def test_store_that_cannot_be_read_keeps_the_accounts_as_they_are(tmp_path, kept_log, caplog):
    (tmp_path / "kf.db").write_text("no database")
    bot = Bot(f"sqlite:///{tmp_path / 'kf.db'}")
    assert await bot.reloading.reload() is None
    assert "accounts cannot be read in the store" in caplog.text
    assert (await read_from(f"sqlite:///{tmp_path / 'kf.db'}")).problem.startswith("damaged")
    assert await read_from(f"sqlite:///{tmp_path / 'absent.db'}") == StoredAccounts()


async def test_change_by_a_command_counts_while_the_file_is_wrong(store, store_url, kept_log, caplog, tmp_path):
    await store.open()
    path = tmp_path / "accounts.toml"
    path.write_text(HARBOUR)
    environ = SLACK | BOTH | {"KF_ACCOUNTS_FILE": str(path), "STORE_KEYS": KEY, "DATABASE_URL": store_url}
    settings = Settings.from_environ(environ)
    defined = load_defined(settings, environ, environment.read_file)
    running = Reloading(defined, environ, environment.read_file)
    path.write_text(HARBOUR + 'poll = "soon"\n')
    assert await running.reload() is None
    async with store.begin() as tx:
        await changes.store(tx, ChangeKind.ADD, [(ROSE, ROSE_SECRET)], settings, COMMAND_LINE)
    assert [one.slug for one in await running.reload() or ()] == ["harbour", "rose"]
    assert [record.getMessage().count("poll") for record in caplog.records if record.levelname == "ERROR"] == [1, 1]


async def test_last_accounts_go_on_when_none_is_left(tmp_path, kept_log, caplog):
    environ = SLACK | {"STORE_KEYS": KEY, "DATABASE_URL": f"sqlite:///{tmp_path / 'kf.db'}"}
    settings = Settings.from_environ(environ)
    running = Reloading(load_defined(settings, environ, read_file), environ, read_file, sealed(ROSE))
    assert await running.reload() is None
    assert "accounts are all paused: the last ones go on" in caplog.text


def test_accounts_that_are_not_watched_are_logged_with_the_reason(caplog):
    settings = Settings.from_environ(ENVIRON)
    stored = sealed(ROSE, key=OTHER)
    paused = replace(stored, rows=(*stored.rows, replace(IRIS, reason=PauseReason.PERSON)))
    Reloading(load_defined(settings, ENVIRON, read_file), ENVIRON, read_file, paused).log_paused()
    (record,) = caplog.records
    assert record.getMessage().startswith("account not watched account=rose reason=")


async def test_start_reads_the_accounts_of_the_store_whose_secrets_the_log_then_hides(
    store, store_url, kept_log, capsys
):
    await store.open()
    environ = ENVIRON | {"DATABASE_URL": store_url}
    settings = Settings.from_environ(environ)
    async with store.begin() as tx:
        await changes.store(tx, ChangeKind.ADD, [(IRIS, IRIS_SECRET)], settings, COMMAND_LINE)
    running = Reloading(load_defined(settings, environ, read_file), environ, read_file)
    assert [one.slug for one in await running.start()] == ["harbour", "iris"]
    logging.getLogger("bot").error(f"{IRIS_SECRET} and hush-harbour")
    assert "hush" not in (out := capsys.readouterr().out)
    assert IRIS_SECRET not in out


async def test_account_whose_tokens_come_from_a_service_from_now_on_has_no_stored_secret(store):
    await store.open()
    settings = Settings.from_environ(ENVIRON)
    async with store.begin() as tx:
        await changes.store(tx, ChangeKind.ADD, [(ROSE, ROSE_SECRET)], settings, COMMAND_LINE)
        await changes.store(tx, ChangeKind.SET, [(replace(ROSE, name="Rosa"), "")], settings, COMMAND_LINE)
        assert (await sealed_secrets.of_name(tx, APPSECRET)).keys() == {ROSE_APPID}
        by_service = replace(ROSE, own={"source": "service"})
        await changes.store(tx, ChangeKind.IMPORT, [(by_service, "")], settings, COMMAND_LINE)
        assert await sealed_secrets.of_name(tx, APPSECRET) == {}


@pytest.mark.both_stores
async def test_accounts_of_a_long_file_are_stored_by_a_few_statements(store):
    """One by one, a thousand took longer than a transaction may."""
    await store.open()
    settings, number = Settings.from_environ(ENVIRON), 2 * MOST_AT_ONCE + 1
    rows = [(replace(ROSE, appid=f"wx-{one}", slug=f"rose-{one}"), ROSE_SECRET) for one in range(number)]
    async with store.begin() as tx:
        with statements(tx) as seen:
            await changes.store(tx, ChangeKind.IMPORT, rows, settings, COMMAND_LINE)
        # Three tables in three parts, two of which are read before; the time of the change, and the polls.
        assert len(seen) <= 3 * 3 + 2 + 2
        again = [(replace(row, name="Rosa"), "") for row, _ in rows]
        await changes.store(tx, ChangeKind.IMPORT, again, settings, COMMAND_LINE)
        stored = {one.appid: one for one in await tenant_rows.load(tx)}
        assert stored == {row.appid: row for row, _ in again}
        assert (await sealed_secrets.of_name(tx, APPSECRET)).keys() == stored.keys()
        assert len(await account_changes.load(tx)) == 2 * number
