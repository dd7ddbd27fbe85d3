"""Proxies: WeChat's traffic takes the configured one, Slack's and the heartbeat's the machine's."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from bot import environment
from bot.doctor import runner
from tests.doctors import about
from tests.running import CARE, World, bot_in_loop, final_answer, until, utc_now, world

pytestmark = pytest.mark.server

PASSWORD = "hush-hush"
CREDENTIALS = f"Basic {base64.b64encode(f'fixie:{PASSWORD}'.encode()).decode()}"
AMBIENT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a proxy sees it."""

    method: str
    target: str  # a URL; of a tunnel, host and port
    credentials: str | None

    @property
    def place(self) -> str:
        return urlsplit(self.target).netloc if "://" in self.target else self.target

    @property
    def path(self) -> str:
        return urlsplit(self.target).path


@dataclass
class RecordingProxy:
    """Hands plain requests on, opens no tunnel, and remembers all it was asked, byte by byte.

    `hosts` maps names that no name service knows.
    """

    hosts: dict[str, str] = field(default_factory=dict)
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._one(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.heard += head + body
        method, target, _ = first.split(" ")
        self.asked.append(Asked(method, target, headers.get("proxy-authorization")))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        parts = urlsplit(target)
        host, _, port = self.hosts.get(parts.netloc, parts.netloc).partition(":")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        path = parts._replace(scheme="", netloc="").geturl()
        if headers.get("upgrade"):
            up_writer.write("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "\r\n"]).encode())
            await asyncio.gather(_pass_on(reader, up_writer), _pass_on(up_reader, writer))
            raise ConnectionError
        kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
        up_writer.write(
            "\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close\r\n\r\n"]).encode() + body
        )
        writer.write(await up_reader.read())
        up_writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def recording(hosts: dict[str, str] | None = None) -> AsyncIterator[RecordingProxy]:
    proxy = RecordingProxy(hosts or {})
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[World]:
    async with world(sqlite_url) as made:
        made.invite("bo")
        yield made


async def answer_to(place: World, text: str) -> str:
    said = await place.slack.command(text, channel=CARE)
    return (await final_answer(said)).text


@pytest.mark.parametrize("name", ["WECHAT_PROXY_URL", "FIXIE_URL"])
async def test_configured_proxy_gets_all_wechat_calls_and_no_slack_calls(place, caplog, name):
    async with recording() as proxy:
        async with bot_in_loop(place, **{name: f"http://fixie:{PASSWORD}@{proxy.address}"}):
            assert (await answer_to(place, "list")).startswith("Accounts 1 of 1")
            place.wechat.reject("bo@harbour_tea")
            await until(lambda: place.texts)
        assert {asked.place for asked in proxy.asked} == {urlsplit(place.environ["WECHAT_API_URL"]).netloc}
        assert {asked.credentials for asked in proxy.asked} == {CREDENTIALS}
        assert {"/cgi-bin/stable_token", "/cgi-bin/customservice/getkflist"} <= {
            asked.path for asked in proxy.asked
        }
        assert len(proxy.asked) >= len(place.wechat.log)  # a call that was cut off at the end may not have arrived
    assert PASSWORD not in caplog.text


async def test_proxy_sees_only_the_host_of_a_tls_call(place):
    async with recording() as proxy:
        tunnelled = {"WECHAT_API_URL": "https://wechat.example.com", "WECHAT_PROXY_URL": f"http://{proxy.address}"}
        async with bot_in_loop(place, **tunnelled):
            assert (await answer_to(place, "")).startswith("The proxy on the way to WeChat failed")
        assert {(asked.method, asked.target) for asked in proxy.asked} == {("CONNECT", "wechat.example.com:443")}
        assert b"secret" not in proxy.heard


async def test_proxies_of_the_machine_get_no_wechat_calls(place, monkeypatch):
    wechat = urlsplit(place.environ["WECHAT_API_URL"]).netloc
    async with recording() as proxy:
        ambient = dict.fromkeys(AMBIENT, f"http://{proxy.address}")
        for name, value in ambient.items():  # a process hides them; here no client may read them
            monkeypatch.setenv(name, value)
        async with bot_in_loop(place, **ambient):
            assert (await answer_to(place, "")).startswith("Nothing needs attention")
        asked = {one.place for one in proxy.asked}
    assert urlsplit(place.slack.base_url).netloc in asked
    assert wechat not in asked


# Slack behind the machine's proxy: its hosts have names that the proxy alone knows.

SLACK = "slack.test"


def behind_proxy(place: World, proxy: RecordingProxy) -> dict[str, str]:
    """Let Slack be reached through the proxy alone; the variables of a bot there."""
    proxy.hosts[SLACK] = urlsplit(place.slack.base_url).netloc
    place.slack.base_url = f"http://{SLACK}"
    return {
        **place.environ,
        "SLACK_API_URL": place.slack.api_url,
        "HTTPS_PROXY": f"http://fixie:{PASSWORD}@{proxy.address}",
    }


async def test_responses_alerts_and_heartbeats_go_through_the_proxy_of_the_machine(place, caplog):
    async with recording() as proxy:
        environ = behind_proxy(place, proxy) | {"HEARTBEAT_URL": "http://slack.test/"}
        async with bot_in_loop(place, **environ):
            assert (await answer_to(place, "list")).startswith("Accounts 1 of 1")
            place.wechat.reject("bo@harbour_tea")
            await until(lambda: place.texts)
            await until(lambda: "/" in {asked.path for asked in proxy.asked})
        kinds = {asked.path.split("/")[1] for asked in proxy.asked}
        assert kinds == {"", "api", "commands"}
        assert {asked.place for asked in proxy.asked} == {SLACK}
        assert {asked.credentials for asked in proxy.asked} == {CREDENTIALS}
    assert PASSWORD not in caplog.text


async def test_socket_mode_goes_through_the_proxy_of_the_machine(place):
    async with recording() as proxy:
        environ = behind_proxy(place, proxy) | {"SLACK_APP_TOKEN": place.slack.app_token}
        place.slack.app_url = None
        async with bot_in_loop(place, "worker", **environ):
            await until(lambda: len(place.slack.sockets) > 0)
            assert (await answer_to(place, "list")).startswith("Accounts 1 of 1")
        assert {"link", "api", "commands"} <= {asked.path.split("/")[1] for asked in proxy.asked}


async def test_hosts_that_no_proxy_exempts_are_called_directly(place):
    async with recording() as proxy:
        ambient = {"HTTPS_PROXY": f"http://{proxy.address}", "NO_PROXY": "example.com, 127.0.0.1"}
        async with bot_in_loop(place, **ambient):
            assert (await answer_to(place, "list")).startswith("Accounts 1 of 1")
        assert proxy.asked == []


async def test_doctor_checks_the_routes_of_calls_and_of_responses(place):
    async with recording() as proxy:
        environ = behind_proxy(place, proxy)
        findings = await runner.examine(environ, [], utc_now, environment.read_file)
        assert {about(findings, check).verdict for check in ("Slack", "Slack responses")} == {"ok"}

        proxy.hosts["slack.com"] = proxy.hosts[SLACK]  # and not hooks.slack.com: it has its own host at Slack
        findings = await runner.examine(
            environ | {"SLACK_API_URL": "http://slack.com/api/"}, [], utc_now, environment.read_file
        )
        assert about(findings, "Slack").verdict == "ok"
        found = about(findings, "Slack responses")
        assert ("CONNECT", "hooks.slack.com:443") in {(asked.method, asked.target) for asked in proxy.asked}
    assert found.verdict == "wrong"
    assert found.said == (
        "hooks.slack.com cannot be reached through HTTPS_PROXY (the proxy answers HTTP 502): /kf would never answer"
    )
    assert "HTTPS_PROXY" in found.remedy
