"""What a process takes over from the file of accounts when it reads it again, and what it logs."""

from __future__ import annotations

import logging

from bot.settings.values import Settings
from bot.tenants.loading import load_defined
from bot.tenants.reloading import Reloading
from tests.test_accounts_file import HARBOUR, KIOSK
from tests.test_tenants import BOTH, SLACK

ENVIRON = SLACK | BOTH | {"KF_ACCOUNTS_FILE": "accounts.toml"}


class File:
    """A file of accounts that a test rewrites."""

    def __init__(self, text: str) -> None:
        self.text = text
        settings = Settings.from_environ(ENVIRON)
        defined = load_defined(settings, ENVIRON, self._read)
        self.reloading = Reloading(defined, ENVIRON, self._read)

    def _read(self, path: str) -> str:
        assert path == "accounts.toml"
        return self.text

    async def reload(self, text: str) -> list[str] | None:
        self.text = text
        found = await self.reloading.reload()
        return None if found is None else [one.slug for one in found]


async def test_accounts_that_were_added_removed_and_changed_are_named_in_one_line(capsys):
    file = File(HARBOUR)
    assert await file.reload(HARBOUR + KIOSK) == ["harbour", "kiosk"]
    assert capsys.readouterr().out.splitlines()[-1].endswith("accounts reloaded accounts=2 added=kiosk")
    assert await file.reload(KIOSK + 'poll = "7m"\n') == ["kiosk"]
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .endswith("accounts reloaded accounts=1 removed=harbour changed=kiosk")
    )


async def test_platform_without_accounts_waits_for_the_first_in_silence(tmp_path, caplog):
    environ = SLACK | {"STORE_KEYS": "11" * 32, "DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}"}
    reloading = Reloading(load_defined(Settings.from_environ(environ), environ, str), environ, str)
    assert await reloading.reload() is None
    assert "accounts not reloaded" not in caplog.text


async def test_file_that_says_the_same_replaces_nothing(caplog):
    caplog.set_level(logging.INFO)
    file = File(HARBOUR)
    assert await file.reload(f"# one account\n{HARBOUR}") is None
    assert "accounts unchanged accounts=1" in caplog.text


async def test_file_with_mistakes_changes_nothing_until_they_are_gone(caplog):
    file = File(HARBOUR)
    assert await file.reload(f'{HARBOUR}{KIOSK}colour = "red"\nquiet = "always"\n') is None
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert ["line 5 (@kiosk): colour" in errors[0], "line 5 (@kiosk): quiet" in errors[1]] == [True, True]
    assert await file.reload(HARBOUR + KIOSK) == ["harbour", "kiosk"]


async def test_secrets_of_before_and_after_are_masked_in_the_log(capsys):
    file = File(HARBOUR)
    await file.reload(KIOSK)
    logging.getLogger("bot").error("hush-harbour and hush-kiosk")
    assert "hush" not in capsys.readouterr().out
