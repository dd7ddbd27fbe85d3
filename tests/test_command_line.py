"""The command line: what it prints, what it needs, and readers that close the pipe."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot import __version__, console, packages
from bot.__main__ import main
from bot.demo.process import ROOT
from bot.demo.slack_simulator import error
from bot.settings.values import Settings
from bot.tenants.tenant import of_environment
from tests.running import World, utc_now, world


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[World]:
    async with world(f"sqlite:///{tmp_path / 'kf.db'}") as made:
        made.invite("bo")
        yield made


async def into_closed_pipe(environ: Mapping[str, str], *arguments: str) -> tuple[int | None, str]:
    """Run a command whose reader has gone; its status and standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *arguments),
            cwd="/",
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
            stdout=writing,
            stderr=asyncio.subprocess.PIPE,
        )
    finally:
        os.close(writing)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, err.decode()


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments",
    # A table, a long text, a print, and argparse
    [["list"], pytest.param(["doctor"], marks=pytest.mark.test_all), ["manifest"], ["--help"]],
    ids=" ".join,
)
async def test_closed_pipe_changes_neither_status_nor_standard_error(place, arguments):
    place.slack.signing_secret = place.environ["SLACK_SIGNING_SECRET"] = "0123456789abcdef" * 2
    assert await into_closed_pipe(place.environ, *arguments) == (0, "")


@pytest.mark.process
async def test_closed_pipe_does_not_hide_a_failure(place):
    place.wechat.enabled = False
    status, err = await into_closed_pipe(place.environ, "list")
    assert (status, err[:26]) == (1, "WeChat could not be read: ")


def only_wechat(place: World) -> dict[str, str]:
    return {name: value for name, value in place.environ.items() if name.startswith("WECHAT_")}


async def test_list_needs_the_settings_of_wechat_alone(place, monkeypatch, tmp_path, capsys):
    odd = {"SLACK_BOT_TOKEN": "nonsense", "DATABASE_URL": "nonsense", "HEARTBEAT_URL": "nonsense", "PORT": "x"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", only_wechat(place) | odd | {"LOG_LEVEL": "DEBUG"})
    assert await asyncio.to_thread(main, ["list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["accounts"]) == 1


def test_list_names_the_settings_of_wechat_alone(variables, capsys):
    variables["ALERT_LEADS"] = "soon"
    assert main(["list"]) == 2
    err = capsys.readouterr().err
    assert [line.split()[-1] for line in err.splitlines()[1:3]] == ["WECHAT_APPID", "WECHAT_SECRET"]
    assert "ALERT_LEADS must be" in err
    assert "SLACK" not in err


async def test_list_as_json_has_every_account_and_nothing_else_on_standard_output(place, capsys):
    place.invite("dee", timedelta(minutes=30), "Dee\x1b[2J😀")
    place.wechat.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
    settings = Settings.from_environ(place.environ)
    assert await console.show_list(settings, [of_environment(settings)], as_json=True) == 0
    out = capsys.readouterr().out
    listed = json.loads(out)
    assert (out.isascii(), "\x1b" in out) == (True, False)
    assert listed["unreadable"] == 0
    assert abs(utc_now() - datetime.fromisoformat(listed["read_at"])) < timedelta(minutes=1)
    dee, bo, anna = listed["accounts"]
    assert datetime.fromisoformat(dee.pop("expires_at")) > utc_now()
    assert dee == {
        "kf_account": "dee@harbour_tea",
        "kf_nick": "Dee\x1b[2J😀",
        "kf_id": dee["kf_id"],
        "state": "expiring",
        "kf_wx": None,
        "invite_wx": "dee_example",
    }
    assert (bo["state"], anna["state"], anna["kf_wx"], anna["expires_at"]) == (
        "waiting",
        "bound",
        "anna_example",
        None,
    )


@pytest.mark.server
async def test_check_prints_a_summary(place, capsys):
    settings = Settings.from_environ(place.environ)

    async def check() -> tuple[int, str, str]:
        return await console.check(settings, [of_environment(settings)]), *capsys.readouterr()

    for name in ("dee", "eve", "fay"):
        place.invite(name)
    assert await check() == (0, "4 accounts, 0 need attention, 0 messages posted\n", "")
    place.wechat.reject("dee@harbour_tea")
    place.wechat.reject("eve@harbour_tea")
    assert await check() == (0, "4 accounts, 2 need attention, 2 messages posted\n", "")
    place.wechat.enabled = False
    assert (await check())[:2] == (1, "WeChat: failed, 1 message posted\n")


async def test_check_fails_with_the_reason_while_slack_refuses_alerts(place, capsys):
    settings = Settings.from_environ(place.environ)
    assert await console.check(settings, [of_environment(settings)]) == 0
    place.wechat.reject("bo@harbour_tea")
    place.slack.arm("chat.postMessage", error("invalid_auth"))
    capsys.readouterr()
    assert await console.check(settings, [of_environment(settings)]) == 1
    out, err = capsys.readouterr()
    assert out == "1 account, 1 needs attention, 0 messages posted\n"
    assert "SLACK_BOT_TOKEN" in err


def test_version_is_printed_without_settings(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"wechat-kf {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--port", "x"], "'x' is not a port: a port is a number from 0 to 65535"),
        (["demo", "--port", "9" * 5000], "is not a port"),
        (["demo", "--port", "²"], "is not a port"),
        (["lst"], "invalid choice: 'lst'"),
        (["manifest", "sockets"], "invalid choice: 'sockets'"),
        (["list", "--yaml"], "unrecognized arguments: --yaml"),
        (["accounts", "add", "wx1", "--appsecret", "0f" * 16], "unrecognized arguments: --appsecret …\n"),
        (["accounts", "set", "rose", f"--appsecret={'0f' * 16}"], "unrecognized arguments: --appsecret\n"),
        (["manifest", "--url"], "expected one argument"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_arguments_are_explained_without_names_of_functions(capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in err
    assert "_port" not in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["manifest"], "https://YOUR-APP.example.com/slack/events"),
        (["manifest", "http", "--url", "https://kf.example.com"], "https://kf.example.com/slack/events"),
        (["manifest", "socket"], "socket_mode_enabled: true"),
        (["manifest", "--url", "https://kf.example.com", "--link"], "kf.example.com%2Fslack%2Fevents"),
    ],
)
def test_manifest_is_printed_without_any_setting(capsys, arguments, expected):
    assert main(arguments) == 0
    assert expected in capsys.readouterr().out


def test_manifest_for_an_address_that_slack_cannot_reach_is_refused(capsys):
    assert main(["manifest", "--url", "ftp://x"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


# The file of settings


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment of a process that starts in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {})
    return os.environ


@pytest.mark.parametrize(("command", "expected"), [("web", 2), ("doctor", 1)])
@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_file_of_settings_in_another_encoding_is_named(variables, capsys, encoding, command, expected):
    Path(".env").write_text("# 客服\nWECHAT_SECRET=HUSH\n", encoding=encoding)
    assert main([command]) == expected
    assert capsys.readouterr().err == ("The file .env cannot be read: it is not UTF-8. Mend it, or move it away.\n")


def test_file_of_settings_is_read_and_never_wins(variables, capsys):
    Path(".env").write_text("POLL_SECONDS=soon\nLOG_LEVEL=loud\nWECHAT_APPID=wx\n")
    variables["LOG_LEVEL"] = "INFO"
    assert main([]) == 2
    err = capsys.readouterr().err
    assert "POLL_SECONDS must be" in err
    assert "LOG_LEVEL" not in err
    assert "not set: WECHAT_APPID" not in err


# Without the packages


@pytest.mark.parametrize("package", packages.PACKAGES)
@pytest.mark.parametrize("command", ["web", "check", "doctor"])
def test_missing_package_is_named_with_the_way_to_install_it(monkeypatch, capsys, package, command):
    monkeypatch.setitem(sys.modules, package, None)
    assert main([command]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Python packages are not installed ({packages.PACKAGES[package]}): run `python -m pip")
    assert len(err.splitlines()) == 1


async def test_package_of_the_queue_is_named_with_its_own_requirements(monkeypatch, capsys, place):
    queue = {"QUEUE_BACKEND": "procrastinate", "DATABASE_URL": "postgresql://kf@db.example/kf"}
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    for name, value in (place.environ | queue).items():
        monkeypatch.setenv(name, value)
    assert main(["web"]) == 2
    assert "(procrastinate): run `python -m pip install -r requirements-fleet.txt`" in capsys.readouterr().err
    monkeypatch.delenv("QUEUE_BACKEND")
    assert main(["queue", "migrate"]) == 2
    assert capsys.readouterr().err == "QUEUE_BACKEND is not set, so there is no queue.\n"


@pytest.mark.process
async def test_package_that_another_needs_is_named():
    program = "import sys; sys.modules['slack_sdk'] = None; from bot.__main__ import main; sys.exit(main())"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "doctor"),
        cwd="/",
        env={"PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert "Python packages are not installed (slack_sdk)" in err.decode()


def test_fault_of_the_bot_is_not_taken_for_a_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "bot.doctor", None)
    with pytest.raises(ModuleNotFoundError):
        main(["doctor"])


def test_required_packages_are_those_of_the_project():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {line.partition(">")[0].partition("[")[0] for line in declared}
    assert set(packages.PACKAGES.values()) == names


@pytest.mark.process
@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["doctor"], 2), (["manifest"], 0), (["--version"], 0)])
async def test_bare_interpreter_prints_how_to_install_or_runs(arguments, status):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-m", "bot", *arguments),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == status
    assert (len(err.decode().splitlines()), bool(out)) == ((1, False) if status else (0, True))
