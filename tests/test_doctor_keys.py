"""The doctor and the accounts of the store: keys that open nothing, secrets that do not open, and who is paused."""

from __future__ import annotations

import shutil

import pytest

from bot.doctor import keys
from bot.sealing import StoreKeys, key_id
from bot.settings.values import Settings
from bot.store import tenants
from bot.store.account_changes import COMMAND_LINE, ChangeKind
from bot.store.database import Store
from bot.store.sealed_secrets import APPSECRET
from bot.store.tenants import COMMAND, StoredTenant
from bot.tenants import changes
from bot.tenants.stored_accounts import PUT_BACK, StoredAccounts
from tests.doctors import examined
from tests.doctors import wrong as wrong_ones
from tests.fleets import APPIDS
from tests.test_doctor_account_checks import said, several

OLD, NEW = "11" * 32, "22" * 32


def stored(*sealing: str) -> StoredAccounts:
    """Return one account for each key that has sealed its AppSecret."""
    sealed = {
        f"wx{number}": StoreKeys([key]).seal(f"wx{number}", APPSECRET, "x") for number, key in enumerate(sealing)
    }
    return StoredAccounts(sealed=sealed)


@pytest.mark.parametrize(
    ("setting", "sealing", "verdict", "words"),
    [
        ([OLD], [], "ok", "1 key: no AppSecret is stored"),
        ([OLD], [OLD, OLD], "ok", "2 AppSecrets can be opened"),
        ([NEW, OLD], [OLD, NEW], "ok", "run `python -m bot keys rotate`"),
        ([NEW, OLD], [NEW], "ok", f"Remove from STORE_KEYS what opens no secret any more: {key_id(OLD)}."),
        ([NEW], [OLD, NEW], "wrong", f"STORE_KEYS lacks the key {key_id(OLD)} of 1 AppSecret"),
        ([], [OLD], "wrong", f"STORE_KEYS lacks the key {key_id(OLD)}"),
    ],
)
def test_keys_are_compared_with_what_they_have_sealed(setting, sealing, verdict, words):
    (found,) = keys.findings(StoreKeys(setting), stored(*sealing))
    assert found.verdict == verdict
    assert words in f"{found.said} {found.remedy}"


def test_without_keys_and_secrets_nothing_is_said():
    assert keys.findings(StoreKeys([]), stored()) == []


def test_secret_that_was_moved_to_another_row_is_reported():
    moved = StoredAccounts(sealed={"wx1": stored(OLD).sealed["wx0"]})
    (found,) = keys.findings(StoreKeys([OLD]), moved)
    assert found.said == "1 AppSecret cannot be opened: changed in the database, or moved to another row"


async def test_account_of_the_store_is_examined_like_the_others_and_one_without_its_key_is_named(
    tmp_path, migrated_sqlite
):
    async with several(tmp_path, handles=["harbour", "kiosk"]) as place:
        shutil.copy(migrated_sqlite, tmp_path / "kf.db")
        place.environ |= {"STORE_KEYS": OLD, "SLACK_ALERT_CHANNEL": "C0TEA"}
        settings = Settings.from_environ(place.environ)
        orchid = StoredTenant(APPIDS["orchid"], "orchid", "", COMMAND, own={"channel": "C0ORCHID"})
        store = Store.from_url(settings.database_url, "")
        async with store.begin() as tx:
            await changes.store(tx, ChangeKind.ADD, [(orchid, "hush-orchid")], settings, COMMAND_LINE)
        assert "3: @harbour, @kiosk, @orchid" in said(await examined(place), "accounts")
        findings = await examined(place, {"STORE_KEYS": NEW})
        async with store.begin() as tx:
            await tenants.pause(tx, orchid.appid)
        paused = await examined(place)
        await store.close()
    because = f"not watched, because STORE_KEYS lacks the key {key_id(OLD)} of its AppSecret: @orchid"
    assert said(findings, "accounts") == ["2: @harbour, @kiosk", because]
    (not_watched,) = (one for one in wrong_ones(findings) if one.check == "accounts")
    assert (not_watched.said, not_watched.remedy) == (because, PUT_BACK)
    assert "paused by a person: @orchid" in said(paused, "accounts")
