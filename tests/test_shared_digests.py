"""Digests of the accounts: processes whose files define different accounts name the variable."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bot import environment
from bot.fleet import build_fleet
from bot.settings.values import Settings
from bot.store import processes
from bot.tenants.loading import load
from bot.tenants.shared_digests import shared_digests
from tests.conftest import NOW
from tests.test_accounts_file import HARBOUR, KIOSK
from tests.test_tenants import BOTH, SLACK

OTHER_CHANNEL = '\nchannel = "C0OTHER0001"\n'


def digests(text: str, environ: Mapping[str, str] = SLACK | BOTH) -> Mapping[str, str]:
    environ = {**environ, "KF_ACCOUNTS": text}
    settings = Settings.from_environ(environ)
    return shared_digests(settings, load(settings, environ, environment.read_file))


def test_one_account_of_the_environment_adds_no_digest():
    settings = Settings.from_environ(SLACK | {"WECHAT_APPID": "wx1", "WECHAT_SECRET": "s"})
    assert shared_digests(settings, load(settings, {}, environment.read_file)) == settings.shared_digests


def test_order_comments_and_names_of_secret_variables_make_no_difference():
    environ = SLACK | BOTH | {"OTHER_NAME": BOTH["KIOSK_SECRET"]}
    renamed = KIOSK.replace("KIOSK_SECRET", "OTHER_NAME")
    assert digests(HARBOUR + KIOSK) == digests(f"# the accounts\n{renamed}\n{HARBOUR}", environ)


@pytest.mark.parametrize(
    "text", [HARBOUR, HARBOUR + KIOSK + 'mention = "U0MEI"', HARBOUR + KIOSK + OTHER_CHANNEL], ids=len
)
def test_different_accounts_have_different_digests_of_that_variable_alone(text):
    one, other = digests(HARBOUR + KIOSK), digests(text)
    assert {name for name in one if one[name] != other[name]} == {"KF_ACCOUNTS"}


def test_different_secrets_have_different_digests():
    changed = SLACK | BOTH | {"KIOSK_SECRET": "hush-new"}
    assert digests(HARBOUR + KIOSK)["KF_ACCOUNTS"] != digests(HARBOUR + KIOSK, changed)["KF_ACCOUNTS"]


def test_setting_of_the_deployment_is_named_without_the_accounts():
    one, other = digests(HARBOUR + KIOSK), digests(HARBOUR + KIOSK, SLACK | BOTH | {"KF_VIEWERS": "U0MEI"})
    assert {name for name in one if one[name] != other[name]} == {"KF_VIEWERS"}


async def test_accounts_with_their_own_settings_do_not_make_processes_differ(tmp_path):
    environ = SLACK | BOTH | {"DATABASE_URL": f"sqlite:///{tmp_path / 'kf.db'}", "KF_ACCOUNTS": HARBOUR + KIOSK}
    settings = Settings.from_environ(environ)
    tenants = load(settings, environ, environment.read_file)
    async with build_fleet(settings, tenants, role="web") as fleet:
        store = fleet.first.store
        assert store
        await store.open()
        await fleet.first.status_reporter.register()
        accounts = [fleet.accounts[appid] for appid in fleet.tenants]
        assert [(await one.status_reporter.facts()).differing_settings for one in accounts] == [(), ()]
        changed = processes.ProcessInfo("other", "worker", NOW, settings=digests(HARBOUR), of_all=True)
        async with store.begin() as tx:
            await processes.touch(tx, changed, NOW)
        for one in accounts:
            assert (await one.status_reporter.facts()).differing_settings == ("KF_ACCOUNTS",)
