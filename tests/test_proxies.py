"""Proxies: WeChat’s traffic takes the one that is set for it, Slack’s takes none, and nobody asks the machine’s."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bot.demo.process import running
from tests.running import CARE, World, until, world

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
    """Hands plain requests on, opens no tunnel, and remembers all it was asked, byte by byte."""

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
        up_reader, up_writer = await asyncio.open_connection(parts.hostname, parts.port)
        path = parts._replace(scheme="", netloc="").geturl()
        kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
        up_writer.write(
            "\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close\r\n\r\n"]).encode() + body
        )
        writer.write(await up_reader.read())
        up_writer.close()


@asynccontextmanager
async def recording() -> AsyncIterator[RecordingProxy]:
    proxy = RecordingProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[World]:
    async with world(f"sqlite:///{tmp_path / 'kf.db'}") as made:
        made.invite("bo")
        yield made


async def answer_to(place: World, text: str) -> str:
    said = await place.slack.command(text, channel=CARE)
    return (await said.answer()).text


@pytest.mark.parametrize("name", ["WECHAT_PROXY_URL", "FIXIE_URL"])
async def test_the_proxy_that_is_set_carries_all_of_wechats_calls_and_none_of_slacks(place, tmp_path, name):
    log = tmp_path / "log"
    async with recording() as proxy:
        environ = {**place.environ, name: f"http://fixie:{PASSWORD}@{proxy.address}"}
        async with running(environ, log=log) as bot:
            place.slack.app_url = bot.slack_url
            assert (await answer_to(place, "list")).startswith("Accounts 1 of 1")
            place.wechat.reject("bo@harbour_tea")
            await until(lambda: place.texts)
        assert {asked.place for asked in proxy.asked} == {urlsplit(place.environ["WECHAT_API_URL"]).netloc}
        assert {asked.credentials for asked in proxy.asked} == {CREDENTIALS}
        assert {"/cgi-bin/stable_token", "/cgi-bin/customservice/getkflist"} <= {
            asked.path for asked in proxy.asked
        }
        assert len(proxy.asked) >= len(place.wechat.log)  # a call that was cut off at the end may not have arrived
    assert PASSWORD not in log.read_text()


async def test_a_proxy_sees_of_a_call_over_tls_where_it_goes_and_no_more(place):
    async with recording() as proxy:
        tunnelled = {"WECHAT_API_URL": "https://wechat.example.com", "WECHAT_PROXY_URL": f"http://{proxy.address}"}
        async with running(place.environ | tunnelled) as bot:
            place.slack.app_url = bot.slack_url
            assert (await answer_to(place, "")).startswith("The proxy on the way to WeChat failed")
        assert {(asked.method, asked.target) for asked in proxy.asked} == {("CONNECT", "wechat.example.com:443")}
        assert b"secret" not in proxy.heard


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_proxies_of_the_machine_carry_nothing_of_wechats(place, tmp_path, scheme):
    log = tmp_path / "log"
    wechat = urlsplit(place.environ["WECHAT_API_URL"]).netloc
    async with recording() as proxy:
        ambient = dict.fromkeys(AMBIENT, f"http://{proxy.address}")
        environ = place.environ | ambient | {"WECHAT_API_URL": f"{scheme}://{wechat}"}
        async with running(environ, log=log) as bot:
            place.slack.app_url = bot.slack_url
            said = await answer_to(place, "")
        assert wechat not in {asked.place for asked in proxy.asked}
    expected = {"http": "Nothing needs attention", "https": "WeChat did not answer"}  # it speaks no TLS
    assert said.startswith(expected[scheme])
    assert "HTTPS_PROXY" in log.read_text()
