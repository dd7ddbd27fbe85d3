"""The commands that change Official Accounts: what they store, what they refuse, and that no secret shows."""

from __future__ import annotations

import asyncio
import io
import logging
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import environment
from bot.__main__ import main
from bot.accounts_cli import dispatch
from bot.accounts_cli.listing import ACCOUNTS, KEYS
from bot.accounts_cli.rotation import reseal
from bot.accounts_cli.terminal import confirms
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.command_parser import make_parser
from bot.demo.process import free_port
from bot.demo.servers import serve_token_service, serve_wechat
from bot.sealing import StoreKeys, key_id, new_key
from bot.settings.values import Settings
from bot.store import account_changes, authorizer_rows, incident_rows, sealed_secrets, tenants
from bot.store.database import Store, Tx
from bot.store.sealed_secrets import APPSECRET, SealedSecret
from bot.store.tables import tenant
from bot.store.tenants import StoredTenant
from bot.tenant_states import TenantState
from bot.tenants.loading import DefinedAccounts, load
from bot.tenants.stored_accounts import read_from
from bot.tenants.tenant import default_slug
from tests.platforms import PLATFORM_SECRET
from tests.test_account_listing import run as run_main
from tests.test_logs import restore
from tests.test_settings import PLATFORM
from tests.test_tenants import SLACK
from tests.vectors_of_pushes import AES_KEY, PLATFORM_APPID, TOKEN
from wechat_kf.simulator import Simulator, TokenService, World

OLD, NEW = "11" * 32, "22" * 32
ROSE, IRIS, FERN = "wxaaaaaaaaaaaaaaaa", "wxbbbbbbbbbbbbbbbb", "wxcccccccccccccccc"
SECRETS = {ROSE: "a" * 31 + "1", IRIS: "b" * 31 + "1", FERN: "c" * 31 + "1"}
FILE = '[[account]]\nhandle = "fern"\nappid = "wxcccccccccccccccc"\nsecret = "env:FERN_SECRET"\n'


@dataclass
class Shell:
    """A shell on the host of the bot, with WeChat, a database and a file of one account."""

    wechat: World
    environ: dict[str, str]
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    async def run(self, *arguments: str, stdin: str = "", **changed: str) -> int:
        """Run a command, and return its exit status."""
        self.monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        environ = self.environ | changed
        given = make_parser().parse_args(arguments)
        if given.command == "keys":
            return await dispatch.store_keys(given, Settings.from_environ(environ, needed=KEYS))
        settings = Settings.from_environ(environ, needed=ACCOUNTS)
        return await dispatch.accounts(given, settings, environ, environment.read_file)

    async def add(self, appid: str = ROSE, handle: str = "rose", *more: str, **changed: str) -> int:
        arguments = ("accounts", "add", appid, "--handle", handle, "--channel", "C0ROSE", *more)
        return await self.run(*arguments, stdin=f"{SECRETS[appid]}\n", **changed)

    async def watched(self, **changed: str) -> dict[str, tuple[str, str]]:
        """Return what a process would watch: AppSecret and channel, by handle."""
        environ = self.environ | changed
        settings = Settings.from_environ(environ)
        stored = await read_from(settings.database_url)
        found = load(settings, environ, environment.read_file, stored)
        return {one.slug: (one.secret, one.settings.slack_alert_channel) for one in found}

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        store = Store.from_url(self.environ["DATABASE_URL"], "")
        try:
            async with store.begin() as tx:
                yield tx
        finally:
            await store.close()

    def everything_stored(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.folder.glob("kf.db*"))


@pytest.fixture
async def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_sqlite: Path) -> AsyncIterator[Shell]:
    wechat = World(Simulator(appid, secret) for appid, secret in SECRETS.items())
    (tmp_path / "accounts.toml").write_text(FILE)
    shutil.copy(migrated_sqlite, tmp_path / "kf.db")
    async with serve_wechat(wechat) as url:
        environ = SLACK | {
            "WECHAT_API_URL": url,
            "DATABASE_URL": f"sqlite:///{tmp_path / 'kf.db'}",
            "KF_ACCOUNTS_FILE": str(tmp_path / "accounts.toml"),
            "FERN_SECRET": SECRETS[FERN],
            "STORE_KEYS": OLD,
        }
        yield Shell(wechat, environ, tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def no_secret_in_any_output(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    caplog.set_level(logging.DEBUG, logger="bot")
    yield
    out, err = capfd.readouterr()
    for secret in (*SECRETS.values(), OLD, NEW):
        assert secret not in out + err + caplog.text


def printed(capfd: pytest.CaptureFixture[str]) -> str:
    out, err = capfd.readouterr()
    for secret in (*SECRETS.values(), OLD, NEW):
        assert secret not in out + err
    return out + err


async def test_account_is_added_with_its_sealed_secret_and_listed(shell, capfd):
    assert await shell.add(ROSE, "Rose", "--name", "Rose Tea", "--labels", "tea,east") == 0
    assert printed(capfd).startswith(f"@rose is added: {ROSE}, alerts in C0ROSE.")
    assert await shell.watched() == {"fern": (SECRETS[FERN], "C0123456789"), "rose": (SECRETS[ROSE], "C0ROSE")}
    assert SECRETS[ROSE].encode() not in shell.everything_stored()
    assert await shell.run("accounts", "list", "--label", "tea", "--json") == 0
    assert '"origin": "command"' in printed(capfd)
    async with shell.transaction() as tx:
        ((kind, wanted, person),) = await account_changes.load(tx)
    assert (kind, wanted["appid"], wanted["name"]) == ("accounts add", ROSE, "Rose Tea")
    assert person == account_changes.COMMAND_LINE


async def test_secret_that_wechat_refuses_is_not_stored(shell, capfd):
    assert await shell.run("accounts", "add", ROSE, stdin=SECRETS[IRIS]) == 1
    said = printed(capfd)
    assert "WeChat gives no token" in said
    assert "AppSecret" in said
    assert said.endswith("Nothing was stored.\n")
    assert list(await shell.watched()) == ["fern"]


async def test_address_that_wechat_refuses_is_named_with_the_remedy_and_tried_again_on_a_terminal(shell, capfd):
    account = shell.wechat[ROSE]
    account.allow_list = set()
    assert await shell.add() == 1
    said = printed(capfd)
    assert "WeChat refuses the address 203.0.113.7" in said
    assert "allow-list" in said

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def readline(self, *_: int) -> str:  # the person allows the address, and presses Enter
            account.allow_list = None
            return "\n"

    shell.monkeypatch.setattr("bot.accounts_cli.terminal.getpass.getpass", lambda _: SECRETS[ROSE])
    shell.monkeypatch.setattr("io.StringIO", Terminal)
    assert await shell.add() == 0
    assert "press Enter" in printed(capfd)


async def test_address_that_wechat_has_refused_before_is_named_first(shell, capfd):
    address = ErrorDetails("SetupError", 40164, address="203.0.113.7")
    async with shell.transaction() as tx:
        for number, fault in enumerate([address, ErrorDetails("TransportError"), address]):
            incident = Incident(f"i{number}", Cause.CONFIG_PROBLEM, tx.now, fault, began=tx.now)
            await incident_rows.record(tx, None, incident)
    assert await shell.add() == 0
    assert printed(capfd).count(f"The API IP allow-list of {ROSE} must hold 203.0.113.7.") == 1


@pytest.mark.parametrize(
    ("arguments", "changed", "words"),
    [
        ([ROSE], {"STORE_KEYS": ""}, "`python -m bot keys new` prints a key"),
        ([ROSE, "--source", "service"], {}, "TOKEN_SERVICE_URL is not set"),
        ([ROSE, "--handle", "fern"], {}, "@fern is another account's"),
        ([ROSE, "--handle", "list"], {}, "must not be a word of the command"),
        ([ROSE, "--quiet", "always", "--channel", "#tea"], {}, "quiet must"),
        (["no AppID"], {}, "appid must be an AppID"),
        ([FERN], {}, f"{FERN} is there already"),
        ([ROSE], {"ALERTS": "off"}, "ALERTS is off"),
        ([ROSE], {"DATABASE_URL": "sqlite:////no/where/kf.db"}, "The store cannot be used"),
    ],
)
async def test_account_that_cannot_be_stored_is_refused_with_the_reason(shell, capfd, arguments, changed, words):
    assert await shell.run("accounts", "add", *arguments, stdin=SECRETS[ROSE], **changed) in (1, 2)
    assert words in printed(capfd)
    assert list(await shell.watched()) == ["fern"]


async def test_channel_is_needed_unless_the_file_or_the_settings_have_one(shell, capfd):
    route = '\n[[route]]\nlabel = "tea"\nchannel = "C0TEA"\n'
    (shell.folder / "accounts.toml").write_text(f'{FILE}channel = "C0FERN"\n{route}')
    assert await shell.run("accounts", "add", ROSE, stdin=SECRETS[ROSE], SLACK_ALERT_CHANNEL="") == 2
    assert "channel is missing" in printed(capfd)
    tea = ("accounts", "add", ROSE, "--handle", "rose", "--labels", "tea")
    assert await shell.run(*tea, stdin=SECRETS[ROSE], SLACK_ALERT_CHANNEL="") == 0
    assert (await shell.watched())["rose"] == (SECRETS[ROSE], "C0TEA")


async def test_secret_as_an_argument_is_refused_without_a_quote(shell, capfd):
    for action in (["add", ROSE], ["set", "rose"]):
        with pytest.raises(SystemExit):
            await shell.run("accounts", *action, "--secret", SECRETS[ROSE])
        assert "must not be an argument" in printed(capfd)


async def test_settings_and_secret_of_an_account_are_changed_and_removed(shell, capfd):
    await shell.add()
    assert (
        await shell.run("accounts", "set", "@rose", "--channel", "C0NEW", "--handle", "garden", "--name", "G") == 0
    )
    assert (await shell.watched())["garden"] == (SECRETS[ROSE], "C0NEW")
    assert await shell.run("accounts", "set", "garden", "--channel", "") == 0
    assert (await shell.watched())["garden"] == (SECRETS[ROSE], "C0123456789")
    shell.wechat.accounts[ROSE] = Simulator(ROSE, "d" * 32)
    assert await shell.run("accounts", "set", ROSE, "--secret", "-", stdin=SECRETS[ROSE]) == 1
    assert await shell.run("accounts", "set", ROSE, "--secret", "-", stdin=f"{'d' * 32}\n") == 0
    assert (await shell.watched())["garden"][0] == "d" * 32
    capfd.readouterr()
    assert await shell.run("accounts", "set", "garden") == 2
    assert await shell.run("accounts", "set", "garden", "--poll", "soon") == 2
    assert await shell.run("accounts", "set", "garden", "--secret", "-") == 2
    assert "No AppSecret was entered" in printed(capfd)


async def test_paused_account_is_listed_with_the_reason_and_resumes_with_its_secret(shell, capfd):
    await shell.add()
    assert await shell.run("accounts", "pause", "rose", STORE_KEYS="") == 0
    assert list(await shell.watched()) == ["fern"]
    assert await shell.run("accounts", "pause", "rose") == 2
    assert "@rose is paused already" in printed(capfd)
    assert await shell.run("accounts", "list", "--state", "paused") == 0
    assert "paused" in printed(capfd)
    assert await shell.run("accounts", "resume", ROSE) == 0
    assert (await shell.watched())["rose"] == (SECRETS[ROSE], "C0ROSE")
    assert await shell.run("accounts", "resume", ROSE) == 2


async def test_account_of_the_file_is_changed_there(shell, capfd):
    for action in ("set", "pause", "resume", "remove"):
        assert await shell.run("accounts", action, "fern") == 2
        assert printed(capfd) == f"@fern is kept in {shell.folder / 'accounts.toml'}: change it there.\n"
    own = {"KF_ACCOUNTS_FILE": "", "WECHAT_APPID": FERN, "WECHAT_SECRET": SECRETS[FERN]}
    assert await shell.run("accounts", "pause", FERN, **own) == 2
    assert "kept in the settings WECHAT_APPID and SLACK_ALERT_CHANNEL" in printed(capfd)
    assert await shell.run("accounts", "pause", "no-one") == 1
    assert "There is no account no-one; the nearest: @fern" in printed(capfd)


async def test_last_account_that_is_watched_stays(shell, capfd):
    alone = {"KF_ACCOUNTS_FILE": ""}
    assert await shell.add(**alone) == 0
    assert await shell.run("accounts", "pause", "rose", **alone) == 2
    assert await shell.run("accounts", "remove", "rose", "--yes", **alone) == 2
    assert "the only account that is watched" in printed(capfd)


async def test_removal_is_confirmed_and_deletes_the_secret(shell, capfd):
    await shell.add()
    assert await shell.run("accounts", "remove", "rose", stdin="yes\n") == 1
    assert "Nothing was changed" in printed(capfd)
    assert await shell.run("accounts", "remove", "rose", stdin="rose\n") == 0
    async with shell.transaction() as tx:
        assert await sealed_secrets.of_name(tx, APPSECRET) == {}
    assert await shell.run("accounts", "list") == 0
    assert "1 account\n" in printed(capfd)
    assert await shell.add() == 0


async def test_account_of_a_token_service_needs_no_key_and_no_secret(shell, capfd):
    service = TokenService({ROSE: shell.wechat[ROSE].tokens})
    async with serve_token_service(service) as url:
        where = {"TOKEN_SERVICE_URL": f"{url}/token/{{appid}}", "STORE_KEYS": ""}
        arguments = ("accounts", "add", ROSE, "--handle", "rose", "--source", "service", "--channel", "C0ROSE")
        assert await shell.run(*arguments, **where) == 0, printed(capfd)
        assert (await shell.watched(**where))["rose"] == ("", "C0ROSE")
    assert await shell.run("accounts", "list") == 0
    assert "TOKEN_SERVICE_URL is not set" in " ".join(printed(capfd).replace("│", " ").split())


async def test_export_has_no_secret_and_is_imported_again(shell, capfd):
    await shell.add(ROSE, "rose", "--name", 'Rose "Tea" 玫瑰', "--labels", "tea,east", "--poll", "5m")
    await shell.run("accounts", "pause", "rose")
    capfd.readouterr()
    assert await shell.run("accounts", "export") == 0
    text = printed(capfd)
    (shell.folder / "backup.toml").write_text(text)
    before = await read_from(shell.environ["DATABASE_URL"])
    assert await shell.run("accounts", "import", str(shell.folder / "backup.toml")) == 0
    after = await read_from(shell.environ["DATABASE_URL"])
    assert after.rows == before.rows
    assert after.sealed == before.sealed


async def test_settings_of_an_account_of_the_platform_are_imported_once_it_is_there(shell, capfd):
    own = {"channel": "C0ROSE", "labels": ["tea"], "poll": "5m"}
    row = StoredTenant(ROSE, "rose", "Rose", tenants.PLATFORM, TenantState.UNGRANTED, own=own)
    async with shell.transaction() as tx:
        await tenants.save(tx, row)
    assert await shell.run("accounts", "export", **PLATFORM) == 0
    path = shell.folder / "backup.toml"
    path.write_text(printed(capfd))
    async with shell.transaction() as tx:
        await tenants.save(tx, replace(row, slug="wxaaaaaa", name="", own={}))
    assert await shell.run("accounts", "import", str(path), **PLATFORM) == 0
    assert (await read_from(shell.environ["DATABASE_URL"])).rows == (row,)
    capfd.readouterr()
    async with shell.transaction() as tx:
        await tx.run(sa.delete(tenant))
    assert await shell.run("accounts", "import", str(path), **PLATFORM) == 2
    assert "run `python -m bot platform sync` first" in capfd.readouterr().err


@pytest.mark.parametrize("line", ['secret = "env:FERN_SECRET"', 'source = "service"'])
async def test_account_of_the_platform_is_imported_without_another_source_of_tokens(shell, capfd, line):
    async with shell.transaction() as tx:
        await tenants.save(tx, StoredTenant(ROSE, "rose", "", tenants.PLATFORM))
    path = shell.folder / "backup.toml"
    path.write_text(f'[[account]]\nhandle = "rose"\nappid = "{ROSE}"\nchannel = "C0ROSE"\n{line}\n')
    service = {"TOKEN_SERVICE_URL": "https://tokens.example/{appid}"}
    assert await shell.run("accounts", "import", str(path), **PLATFORM, **service) == 2
    assert "its owner has authorised the platform" in capfd.readouterr().err
    (found,) = (await read_from(shell.environ["DATABASE_URL"])).rows
    assert found == StoredTenant(ROSE, "rose", "", tenants.PLATFORM)


async def test_labels_are_stored_without_characters_that_an_export_cannot_hold(shell, capfd):
    await shell.add(ROSE, "rose", "--labels", "Te\x9ba\udcff,e\x1bast")
    capfd.readouterr()
    assert await shell.run("accounts", "export") == 0
    assert 'labels = ["tea", "east"]' in printed(capfd)


async def test_export_of_a_store_that_cannot_be_read_fails_and_prints_no_accounts(shell, capfd):
    (shell.folder / "damaged.db").write_text("no database")
    damaged = {"DATABASE_URL": f"sqlite:///{shell.folder / 'damaged.db'}"}
    for changed, words in ((damaged, "cannot be read now"), ({"ALERTS": "off"}, "ALERTS is off")):
        assert await shell.run("accounts", "export", **changed) in (1, 2)
        out, err = capfd.readouterr()
        assert (out, words in err) == ("", True)


async def test_file_is_imported_as_a_whole_with_its_defaults_and_secrets(shell, capfd):
    (shell.folder / "iris").write_text(f"{SECRETS[IRIS]}\n")
    (shell.folder / "more.toml").write_text(f"""
[defaults]
channel = "C0DEFAULT"
[[account]]
handle = "rose"
appid = "{ROSE}"
secret = "env:ROSE_SECRET"
labels = ["tea"]
[[account]]
handle = "iris"
appid = "{IRIS}"
secret = "file:{shell.folder}/iris"
[[route]]
label = "tea"
channel = "C0TEA"
""")
    more = str(shell.folder / "more.toml")
    assert await shell.run("accounts", "import", more, ROSE_SECRET=SECRETS[ROSE], STORE_KEYS="") == 2
    assert await shell.run("accounts", "import", more, ROSE_SECRET=SECRETS[ROSE]) == 0
    found = await shell.watched()
    assert (found["rose"], found["iris"]) == ((SECRETS[ROSE], "C0TEA"), (SECRETS[IRIS], "C0DEFAULT"))
    assert SECRETS[IRIS].encode() not in shell.everything_stored()


async def test_accounts_of_a_file_without_handles_get_different_ones(shell, capfd):
    tables = "".join(
        f'[[account]]\nappid = "{appid}"\nsecret = "env:ONE"\n' for appid in ("wx1111111111aaaaaa", ROSE)
    )
    (shell.folder / "more.toml").write_text(tables)
    assert await shell.run("accounts", "import", str(shell.folder / "more.toml"), ONE=SECRETS[ROSE]) == 0
    stored = await read_from(shell.environ["DATABASE_URL"])
    assert [row.slug for row in stored.rows] == ["wxaaaaaa", "wxaaaaaa-2"]


async def test_import_names_every_mistake_and_stores_nothing(shell, capfd):
    (shell.folder / "wrong.toml").write_text(
        f'[[account]]\nappid = "{ROSE}"\nhandle = "fern"\n[[account]]\nappid = "{FERN}"\nsecret = "env:NONE"\n'
    )
    assert await shell.run("accounts", "import", str(shell.folder / "wrong.toml")) == 2
    said = printed(capfd).splitlines()
    assert "line 1 (@fern): handle @fern is another account's" in said[0]
    assert "line 1 (@fern): secret is missing" in said[1]
    assert "line 4 (wxcccccccccccccccc): secret refers to the variable NONE, which is not set" in said[2]
    assert "line 4 (wxcccccccccccccccc): appid is an account of the file" in said[3]
    assert list(await shell.watched()) == ["fern"]
    (shell.folder / "wrong.toml").write_text("[[account]\n")
    assert await shell.run("accounts", "import", str(shell.folder / "wrong.toml")) == 2
    assert "line 1 is not valid TOML" in printed(capfd)
    assert await shell.run("accounts", "import", "/no/file") == 2


async def test_key_that_is_missing_pauses_its_accounts_and_no_other_and_deletes_nothing(shell, capfd):
    await shell.add()
    await shell.add(IRIS, "iris", STORE_KEYS=f"{NEW},{OLD}")
    assert list(await shell.watched(STORE_KEYS=NEW)) == ["fern", "iris"]
    assert await shell.run("accounts", "list", "--json", STORE_KEYS=NEW) == 0
    assert f"paused: STORE_KEYS lacks the key {key_id(OLD)} of its AppSecret" in printed(capfd)
    assert await shell.run("accounts", "resume", "rose", STORE_KEYS=NEW) == 2
    assert f"not watched, because STORE_KEYS lacks the key {key_id(OLD)}" in printed(capfd)
    assert list(await shell.watched(STORE_KEYS=f"{NEW},{OLD}")) == ["fern", "rose", "iris"]


async def test_rotation_seals_every_secret_with_the_first_key(shell, capfd):
    await shell.add()
    assert await shell.run("keys", "status") == 0
    assert printed(capfd).endswith(f"{key_id(OLD)}  seals  1 secret\n")
    both = {"STORE_KEYS": f"{NEW},{OLD}"}
    assert await shell.run("keys", "rotate", **both) == 0
    assert f"1 secret sealed with the key {key_id(NEW)}" in printed(capfd)
    assert await shell.run("keys", "rotate", **both) == 0
    assert await shell.watched(STORE_KEYS=NEW) == await shell.watched(**both)
    assert await shell.run("keys", "status", **both) == 0
    assert f"{key_id(OLD)}  opens  0 secrets" in printed(capfd)


async def test_rotation_counts_what_still_needs_a_key_that_is_missing(shell, capfd):
    await shell.add()
    assert await shell.run("keys", "rotate", STORE_KEYS=NEW) == 1
    assert f"1 secret still needs the key {key_id(OLD)}, which STORE_KEYS lacks" in printed(capfd)
    assert await shell.run("keys", "status", STORE_KEYS=NEW) == 1
    assert f"{key_id(OLD)}  is not in STORE_KEYS  1 secret" in printed(capfd)
    assert await shell.run("keys", "rotate", STORE_KEYS="") == 2
    assert await shell.run("keys", "status", STORE_KEYS="", ALERTS="off") == 2
    assert (await shell.watched())["rose"][0] == SECRETS[ROSE]


async def test_rotation_that_is_killed_half_way_loses_nothing_and_continues(store):
    old, both = StoreKeys([OLD]), StoreKeys([NEW, OLD])
    await store.open()
    async with store.begin() as tx:
        for number in range(7):
            sealed = SealedSecret(f"wx{number}", APPSECRET, old.seal(f"wx{number}", APPSECRET, f"secret {number}"))
            await sealed_secrets.put(tx, sealed)
    with pytest.raises(ZeroDivisionError):
        await reseal(_Killed(store, batches=2), both, size=2)
    assert await _opened(store, both) == [f"secret {number}" for number in range(7)]
    async with store.begin() as tx:
        assert await sealed_secrets.count_by_key(tx) == {key_id(OLD): 3, key_id(NEW): 4}
    assert (await reseal(store, both, size=2)).sealed == 3
    assert await _opened(store, StoreKeys([NEW])) == [f"secret {number}" for number in range(7)]


async def test_rotation_goes_past_secrets_that_it_cannot_open(store):
    await store.open()
    async with store.begin() as tx:
        for number, key in enumerate([OLD, OLD, OLD, NEW]):
            sealed = StoreKeys([key]).seal(f"wx{number}", APPSECRET, "x")
            await sealed_secrets.put(tx, SealedSecret(f"wx{number}", APPSECRET, sealed))
    newest = new_key()
    async with asyncio.timeout(10):
        done = await reseal(store, StoreKeys([newest, NEW]), size=2)
    assert (done.sealed, done.failed) == (1, 3)
    async with store.begin() as tx:
        assert await sealed_secrets.count_by_key(tx) == {key_id(OLD): 3, key_id(newest): 1}


class _Killed:
    """A store whose process ends in the middle of a transaction, after some batches."""

    def __init__(self, store: Store, batches: int) -> None:
        self._store, self._left = store, batches

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        async with self._store.begin() as tx:
            yield tx
            self._left -= 1
            if self._left < 0:
                raise ZeroDivisionError


async def _opened(store: Store, keys: StoreKeys) -> list[str]:
    async with store.begin() as tx:
        found = await sealed_secrets.of_name(tx, APPSECRET)
    return [keys.open(owner, APPSECRET, sealed) for owner, sealed in sorted(found.items())]


async def test_end_of_input_at_the_question_for_a_secret_stores_nothing(shell, capfd):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def ended(_: str) -> str:
        raise EOFError

    shell.monkeypatch.setattr("bot.accounts_cli.terminal.getpass.getpass", ended)
    shell.monkeypatch.setattr("io.StringIO", Terminal)
    assert await shell.run("accounts", "add", ROSE) == 2
    assert "No AppSecret was entered" in printed(capfd)


def test_ctrl_c_ends_a_question_at_once(monkeypatch):
    class Interrupted(io.StringIO):
        def readline(self, *_: int) -> str:
            signal.raise_signal(signal.SIGINT)
            return "rose\n"

    async def ask() -> bool:
        return confirms("@rose:", "rose")

    monkeypatch.setattr("sys.stdin", Interrupted())
    with pytest.raises(KeyboardInterrupt) as interrupted:
        asyncio.run(ask())
    assert "readline" in [entry.name for entry in interrupted.traceback]


async def test_reload_asks_every_running_process(shell, capfd):
    assert await shell.run("accounts", "reload") == 1
    assert printed(capfd) == "No process runs on this database.\n"


def test_new_key_is_printed_without_any_settings(monkeypatch, tmp_path, capfd):
    assert run_main(monkeypatch, tmp_path, {}, "keys", "new") == 0
    assert len(capfd.readouterr().out.strip()) == len(new_key()) == 64
    assert main(["keys", "new"]) == 0


async def test_account_that_has_authorised_the_platform_is_changed_but_not_removed(shell, capfd):
    platform = {
        "PLATFORM_APPID": PLATFORM_APPID,
        "PLATFORM_SECRET": PLATFORM_SECRET,
        "PLATFORM_TOKEN": TOKEN,
        "PLATFORM_AES_KEY": AES_KEY,
        "PLATFORM_URL": "https://kf.example.com",
        "SLACK_ALERT_CHANNEL": "C0ALERTS",
    }
    async with shell.transaction() as tx:
        await authorizer_rows.add(tx, PLATFORM_APPID, {ROSE: TenantState.ACTIVE}, default_slug)
    assert await shell.run("accounts", "set", "wxaaaaaa", "--handle", "rose", **platform) == 0
    assert (await shell.watched(**platform))["rose"] == ("", "C0ALERTS")
    assert await shell.run("accounts", "set", "rose", "--channel", "C0ROSE", **platform) == 0
    assert (await shell.watched(**platform))["rose"] == ("", "C0ROSE")
    assert await shell.run("accounts", "set", "rose", "--secret", "-", **platform) == 2
    assert await shell.run("accounts", "remove", "rose", "--yes", **platform) == 2
    said = printed(capfd)
    assert "needs no AppSecret" in said
    assert "only its owner can withdraw: pause it instead" in said
    assert await shell.run("accounts", "pause", "rose", **platform) == 0
    assert "rose" not in await shell.watched(**platform)
    assert await shell.run("accounts", "resume", "rose", **platform) == 0
    assert (await shell.watched(**platform))["rose"] == ("", "C0ROSE")


def test_process_without_any_account_names_the_command(monkeypatch, tmp_path, capfd):
    environ = SLACK | {"STORE_KEYS": OLD, "DATABASE_URL": f"sqlite:///{tmp_path / 'kf.db'}"}
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        for command in ("web", "list", "check"):
            assert run_main(monkeypatch, tmp_path, environ | {"PORT": str(free_port())}, command) == 2
            assert "accounts list" in "".join(capfd.readouterr())
    finally:
        restore(before)
    assert run_main(monkeypatch, tmp_path, environ, "accounts", "check") == 0


def test_process_of_a_platform_starts_without_any_account(monkeypatch, tmp_path):
    environ = SLACK | {"STORE_KEYS": OLD, "DATABASE_URL": f"sqlite:///{tmp_path / 'kf.db'}"}
    environ |= {"PLATFORM_APPID": PLATFORM_APPID, "PLATFORM_SECRET": PLATFORM_SECRET, "PLATFORM_TOKEN": TOKEN}
    environ |= {"PLATFORM_AES_KEY": AES_KEY, "PLATFORM_URL": "https://kf.example.com"}
    served = []

    async def serve(defined: DefinedAccounts, **_given: object) -> int:
        served.append(defined.tenants)
        return 0

    monkeypatch.setattr("bot.serving.serve", serve)
    assert [run_main(monkeypatch, tmp_path, environ, command) for command in ("web", "worker", "list")] == [0, 0, 2]
    assert served == [(), ()]
