"""The environment: no variable keeps a process from starting, and HTTP clients read none of them on their own."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bot import environment
from bot.demo.process import running
from bot.doctor import runner
from bot.fleet import build_services
from bot.settings.values import Settings
from tests.doctors import about
from tests.running import answers, sqlite, utc_now

NOWHERE = "http://127.0.0.1:9"
MINIMAL = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_SIGNING_SECRET": "s",
    "SLACK_API_URL": f"{NOWHERE}/api/",
    "SLACK_ALERT_CHANNEL": "C0ALERTS",
    "WECHAT_APPID": "wx",
    "WECHAT_SECRET": "s",
    "WECHAT_API_URL": NOWHERE,
    "HEARTBEAT_URL": f"{NOWHERE}/beat",
}
HOSTILE = [
    *(
        {name: value}
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
        for value in (
            "socks5://127.0.0.1:1080",
            "not a url",
            "http://",
            "http://h:99999",
            "http://[v1.x]:80",
            '"http://proxy.example.com:3128"',
            "http://" + "h" * 70_000,
            " ",
        )
    ),
    *(
        {name: value}
        for name in ("NO_PROXY", "no_proxy")
        for value in ("[::1,*.x:9,http://,/", "*", ",", "[", "127.0.0.1:x")
    ),
    {"HTTPS_PROXY": NOWHERE, "NO_PROXY": "[::1,http://[,*."},
    {"SSL_CERT_FILE": "/nonexistent"},
    {"SSL_CERT_FILE": "/etc/passwd"},
    {"SSL_CERT_FILE": "/"},
    {"SSL_CERT_DIR": "/nonexistent:/also"},
    {"SSLKEYLOGFILE": "/nonexistent/keys"},
    {"NETRC": "/nonexistent"},
    {"HOME": "/nonexistent"},
    {"REQUESTS_CA_BUNDLE": "/nonexistent"},
    {"PYTHONHTTPSVERIFY": "0"},
    {"SLACK_CLIENT_ID": "1", "SLACK_CLIENT_SECRET": "2"},
]


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give back afterwards what `environment.take` removes."""
    monkeypatch.setattr(os, "environ", os.environ)
    for name in (
        *environment.HIDDEN,
        *environment.ALL_PROXY,
        environment.TLS_KEYS,
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: str(hostile)[:40])
async def test_services_are_built_under_any_environment(monkeypatch, tmp_path, hostile):
    for name, value in (MINIMAL | hostile).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environ(environment.with_file(environment.take()) | {"DATABASE_URL": sqlite(tmp_path)})
    async with build_services(settings) as parts:
        await parts.shared.heartbeat.beat()  # fails, and raises nothing
    assert {*hostile, *MINIMAL}.intersection((*environment.HIDDEN, *environment.ALL_PROXY)).isdisjoint(os.environ)


AMBIENT = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy")


async def test_http_clients_read_nothing_that_the_settings_do_not_hold(monkeypatch, tmp_path):
    """Skip `environment.take`: the variables are set, and no client may read them."""
    for name in AMBIENT:
        monkeypatch.setenv(name, "socks5://127.0.0.1:1080")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    settings = Settings.from_environ(MINIMAL | {"DATABASE_URL": sqlite(tmp_path)})
    async with build_services(settings) as parts:
        assert parts.shared.heartbeat is not None
    findings = await runner.examine(MINIMAL | {"ALERTS": "off"}, [], utc_now, environment.read_file)
    assert about(findings, "Slack").said == "127.0.0.1 cannot be reached (ClientConnectorError)"


@pytest.mark.process
async def test_bot_and_doctor_start_with_every_hostile_variable_at_once(tmp_path):
    hostile = {
        **dict.fromkeys(AMBIENT, "socks5://127.0.0.1:1080"),
        "NO_PROXY": "[::1,*.x:9,http://",
        "SSL_CERT_FILE": "/nonexistent",
        "SSL_CERT_DIR": "/nonexistent",
        "SSLKEYLOGFILE": "/nonexistent/keys",
    }
    log = tmp_path / "log"
    async with running(MINIMAL | hostile, log=log) as bot:
        assert await answers(f"{bot.url}/healthz")
    (line,) = [line for line in log.read_text().splitlines() if "variables of the environment ignored" in line]
    for name in set(hostile) - {"NO_PROXY"}:
        assert name in line


@pytest.mark.parametrize(
    ("variables", "check", "verdict", "said"),
    [
        (
            {"HTTPS_PROXY": "socks5://127.0.0.1:1080"},
            "ambient proxies",
            "wrong",
            "HTTPS_PROXY must be a URL with http:// or https:// and a host",
        ),
        ({"https_proxy": '"http://h:1"'}, "ambient proxies", "wrong", "https_proxy is in quotes; it is not used"),
        ({"ALL_PROXY": "socks5://127.0.0.1:1080"}, "environment", "ok", "ALL_PROXY is set and not used"),
        ({"SSLKEYLOGFILE": "/nonexistent/keys"}, "environment", "ok", "SSLKEYLOGFILE is set and not used"),
        (
            {"SSL_CERT_FILE": "/nonexistent"},
            "certificates",
            "wrong",
            "SSL_CERT_FILE leads to no certificate that can be read; it is not used",
        ),
        ({"SSL_CERT_DIR": "/nonexistent"}, "certificates", "wrong", "SSL_CERT_DIR leads to no certificate"),
        (
            {"HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1"},
            "ambient proxies",
            "ok",
            "HTTPS_PROXY: not used for Slack, which NO_PROXY exempts",
        ),
    ],
)
async def test_doctor_names_the_variable(variables, check, verdict, said):
    environ = {**MINIMAL, **variables, "ALERTS": "off"}
    findings = await runner.examine(environ, environment.ignored(environ), utc_now, environment.read_file)
    found = about(findings, check)
    assert (found.verdict, bool(found.remedy)) == (verdict, "exempts" not in said)
    assert found.said.startswith(said)


def test_usable_certificates_stay_for_slack_and_the_heartbeat(monkeypatch, tmp_path):
    import certifi

    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    monkeypatch.setenv("SSL_CERT_DIR", f"/nonexistent:{tmp_path}")
    assert environment.ignored(environment.take()) == []
    assert os.environ["SSL_CERT_FILE"] == certifi.where()


@pytest.mark.parametrize(
    ("joined", "is_used"),
    [
        ("{one}\n{one}\n", True),
        ("{one}\n# with a no-break\u00a0space\n{one}\n", True),
        ("{one}{one}\n", False),  # written by `cat` without a newline between them
        ("{one}\n{half}", False),
    ],
)
def test_file_of_certificates_is_used_if_all_of_them_can_be_read(monkeypatch, tmp_path, joined, is_used):
    import certifi

    one = re.search(
        "-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", Path(certifi.where()).read_text(), re.S
    )
    path = tmp_path / "ca.pem"
    path.write_text(joined.format(one=one[0], half=one[0][:300]))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert (environment.ignored(environment.take()) == []) is is_used


def test_environment_wins_over_the_file(tmp_path: Path):
    (tmp_path / "env").write_text("A=file\nB=file\nC\n")
    assert environment.with_file({"A": "process"}, str(tmp_path / "env")) == {"A": "process", "B": "file"}
