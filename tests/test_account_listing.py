"""The command `accounts`, and `--account` of the others: they need neither Slack nor WeChat."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import console, environment
from bot.__main__ import main
from bot.accounts_cli import listing
from bot.accounts_cli.listing import UnknownAccountError, choose, names
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, SlackSimulator
from bot.settings.values import Settings
from bot.tenants.installation import Installation
from bot.tenants.loading import load
from tests.fleets import BO, CHEN, FleetWorld
from tests.test_accounts_file import HARBOUR, KIOSK
from tests.test_tenants import BOTH, HARBOUR_APPID, KIOSK_APPID, SLACK
from wechat_kf.simulator import Simulator, World

NAMED = HARBOUR + 'name = "海港茶[red]\\u001b"\nlabels = ["tea", "east"]\nchannel = "C0HARBOUR"\n\n' + KIOSK


def environ_of(folder: Path, text: str = NAMED, **more: str) -> dict[str, str]:
    (folder / "accounts.toml").write_text(text)
    return (
        SLACK
        | BOTH
        | {"KF_ACCOUNTS_FILE": str(folder / "accounts.toml"), "DATABASE_URL": f"sqlite:///{folder / 'kf.db'}"}
        | more
    )


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, environ: Mapping[str, str], *arguments: str) -> int:
    monkeypatch.chdir(folder)  # no .env of a developer
    monkeypatch.setattr(environment, "take", lambda: dict(environ))
    return main(arguments)


@asynccontextmanager
async def served(environ: Mapping[str, str]) -> AsyncIterator[FleetWorld]:
    """Serve the simulators of both accounts, and lead the variables there."""
    wechat = World([Simulator(HARBOUR_APPID, BOTH["HARBOUR_SECRET"]), Simulator(KIOSK_APPID, BOTH["KIOSK_SECRET"])])
    slack = SlackSimulator(channels=[Channel("C0HARBOUR", "harbour"), Channel(SLACK["SLACK_ALERT_CHANNEL"], "all")])
    async with serve_slack(slack), serve_wechat(wechat) as url:
        there = {"WECHAT_API_URL": url, "SLACK_API_URL": slack.api_url, "SLACK_BOT_TOKEN": slack.bot_token}
        yield FleetWorld(slack, wechat, {**environ, **there})


async def check(place: FleetWorld, account: str | None = None) -> int:
    """Poll an account, or all, once by the bot, and return the exit status."""
    settings = Settings.from_environ(place.environ)
    tenants = load(settings, place.environ, environment.read_file)
    return await console.check(settings, tenants, choose(tenants, account))


async def poll_once(environ: Mapping[str, str]) -> None:
    """Let both accounts be polled once; the invitation of one is rejected."""
    async with served(environ) as place:
        for appid in (HARBOUR_APPID, KIOSK_APPID):
            place.invite(appid, "bo")
        place.wechat[KIOSK_APPID].reject(BO)
        assert await check(place) == 0


def installed(settings: Settings, environ: Mapping[str, str]) -> Installation:
    return Installation(load(settings, environ, environment.read_file))


async def test_table_shows_what_the_file_says_while_there_is_no_store(tmp_path, capsys):
    environ = environ_of(tmp_path)
    settings = Settings.from_environ(environ)
    assert await listing.show(settings, installed(settings, environ), as_json=False) == 0
    printed, err = capsys.readouterr()
    assert err == ""
    assert printed.splitlines()[-1] == "2 accounts"
    assert "\x1b" not in printed
    assert not (tmp_path / "kf.db").exists()
    assert [line.split("│")[-2].strip() for line in printed.splitlines() if "@" in line] == ["-", "-"]
    assert "@harbour" in printed
    assert "hush" not in printed


async def test_json_has_the_last_poll_and_the_state_of_each_account(tmp_path, capsys):
    environ = environ_of(tmp_path)
    await poll_once(environ)
    capsys.readouterr()
    settings = Settings.from_environ(environ)
    assert await listing.show(settings, installed(settings, environ), as_json=True) == 0
    harbour, kiosk = json.loads(capsys.readouterr().out)
    assert harbour.pop("last_successful_poll").endswith("+00:00")
    assert harbour == {
        "handle": "harbour",
        "name": "海港茶[red]",
        "appid": HARBOUR_APPID,
        "origin": "file",
        "channel": "C0HARBOUR",
        "source": "secret",
        "labels": ["tea", "east"],
        "state": "well",
    }
    assert kiosk["state"] == "1 needs attention"


async def test_store_that_cannot_be_read_leaves_dashes_and_says_so(tmp_path, capsys):
    (tmp_path / "kf.db").write_text("no database")
    environ = environ_of(tmp_path)
    settings = Settings.from_environ(environ)
    assert await listing.show(settings, installed(settings, environ), as_json=False) == 0
    printed, err = capsys.readouterr()
    assert err.startswith("The store cannot be read")
    assert printed.splitlines()[-1] == "2 accounts"


def test_check_prints_the_accounts_of_a_valid_file(tmp_path, monkeypatch, capsys):
    environ = {name: value for name, value in environ_of(tmp_path).items() if name != "SLACK_BOT_TOKEN"}
    assert run(monkeypatch, tmp_path, environ, "accounts", "check") == 0
    assert capsys.readouterr() == ("2 accounts: @harbour, @kiosk\n", "")


def test_check_names_every_mistake_with_its_line(tmp_path, monkeypatch, capsys):
    environ = environ_of(tmp_path, HARBOUR + 'poll = "soon"\n' + KIOSK + 'chanel = "C0KIOSK00"\n')
    assert run(monkeypatch, tmp_path, environ, "accounts", "check") == 2
    printed, err = capsys.readouterr()
    assert printed == ""
    assert "accounts.toml, line 1 (@harbour): poll must be" in err
    assert "accounts.toml, line 6 (@kiosk): chanel is not known; the nearest is channel" in err


def test_list_and_check_refuse_an_account_that_there_is_not(tmp_path, monkeypatch, capsys):
    for command in ("list", "check"):
        assert run(monkeypatch, tmp_path, environ_of(tmp_path), command, "--account", "@harbor") == 2
        assert capsys.readouterr().err == "There is no account @harbor; the nearest: @harbour\n"


@pytest.mark.parametrize("word", ["kiosk", "@kiosk", "＠KIOSK", KIOSK_APPID])
def test_account_is_chosen_by_its_handle_or_its_appid(tmp_path, word):
    environ = environ_of(tmp_path)
    settings = Settings.from_environ(environ)
    tenants = load(settings, environ, environment.read_file)
    assert [one.slug for one in choose(tenants, word)] == ["kiosk"]
    assert choose(tenants, None) == tenants
    assert names(tenants) == "2 accounts: @harbour, @kiosk"
    with pytest.raises(UnknownAccountError, match="no account zzzzzz; the nearest: @harbour, @kiosk"):
        choose(tenants, "zzzzzz")


@pytest.mark.server
async def test_check_of_one_account_polls_no_other_and_names_it_in_slack(tmp_path, capsys):
    environ = environ_of(tmp_path)
    await poll_once(environ)
    async with served(environ) as place:
        place.invite(HARBOUR_APPID, "chen")
        assert await check(place, "harbour") == 0
        place.wechat[HARBOUR_APPID].reject(CHEN)
        assert await check(place, "harbour") == 0
        (alert,) = place.slack.messages("C0HARBOUR")
    assert not place.wechat[KIOSK_APPID].log
    assert "海港茶" in alert.text
