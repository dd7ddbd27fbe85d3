"""The doctor's check of a token service: each fault is named, with its own remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from bot.demo.servers import serve_token_service
from bot.doctor import token_service
from bot.doctor.findings import Finding
from bot.http_clients import service_client
from bot.settings.values import Settings
from tests.conftest import APPID
from tests.silence import silence
from tests.test_settings import read
from tests.wechat import SECRET, raw_server
from wechat_kf import ServiceToken
from wechat_kf.simulator import ServiceFault, Simulator, TokenService, TokenShape

AUTHORIZATION = "Bearer HUSH-service-key"


@dataclass
class Place:
    """A token service on loopback that knows one account."""

    url: str
    service: TokenService
    wechat: Simulator

    async def examined(self, appid: str = APPID, within: float = 5, **changed: str) -> Finding:
        """Return the finding, and assert that it quotes neither a token nor the authorization."""
        environ = {"TOKEN_SERVICE_URL": f"{self.url}/token/{{appid}}", "TOKEN_SERVICE_AUTH": AUTHORIZATION}
        found = await examine(read(WECHAT_APPID=appid, **environ | changed), within)
        assert [token for token in self.wechat.tokens.issued if token in str(found)] == []
        return found


async def examine(settings: Settings, within: float = 5) -> Finding:
    url, appid, authorization = settings.token_service_url, settings.wechat_appid, settings.token_service_auth
    async with service_client(settings.token_service_proxy_url) as http:
        tokens = ServiceToken(http, url, appid, authorization=authorization, within=within)
        found = await token_service.examine(settings, appid, tokens)
    assert found.check == "token service"
    assert "HUSH" not in str(found)
    return found


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    wechat = Simulator(APPID, SECRET)
    service = TokenService({APPID: wechat.tokens}, authorization=AUTHORIZATION)
    async with serve_token_service(service) as url:
        yield Place(url, service, wechat)


@pytest.mark.parametrize("shape", TokenShape)
async def test_service_that_gives_a_token_is_well(place: Place, shape: TokenShape) -> None:
    place.service.shape = shape
    found = await place.examined()
    assert (found.verdict, found.said) == ("ok", f"127.0.0.1 gives a token for {APPID}")
    assert [request.refused for request in place.service.log] == [False]


@pytest.mark.parametrize(
    ("authorization", "said", "remedy"),
    [
        (
            "",
            "127.0.0.1 wants an authorization, and TOKEN_SERVICE_AUTH is not set (HTTP 401)",
            "Set TOKEN_SERVICE_AUTH",
        ),
        ("Bearer HUSH-other", "127.0.0.1 refuses TOKEN_SERVICE_AUTH (HTTP 403)", "Copy TOKEN_SERVICE_AUTH again"),
    ],
)
async def test_refused_authorization_is_named(place: Place, authorization: str, said: str, remedy: str) -> None:
    found = await place.examined(TOKEN_SERVICE_AUTH=authorization)
    assert (found.verdict, found.said) == ("wrong", said)
    assert found.remedy.startswith(remedy)


async def test_unknown_account_is_named(place: Place) -> None:
    found = await place.examined("wx9")
    assert (found.verdict, found.said) == ("wrong", "127.0.0.1 does not know the account wx9 (HTTP 404)")
    assert found.remedy.startswith("Add the account there")


@pytest.mark.parametrize(
    ("fault", "said", "remedy"),
    [
        (ServiceFault.HTML, "answers with a page of HTML", "Look at TOKEN_SERVICE_URL, and for a proxy"),
        (ServiceFault.REDIRECT, "redirects, which the bot does not follow (HTTP 302)", "Put the final address"),
        (ServiceFault.UNAVAILABLE, "has failed (HTTP 503)", "Look at the service and its log"),
        (ServiceFault.BAD_GATEWAY, "has failed (HTTP 502)", "Look at the service and its log"),
        (
            ServiceFault.HANG,
            "does not answer (token service: no answer within 0.1 s)",
            "Let this machine reach 127.0.0.1",
        ),
    ],
)
async def test_fault_of_the_service_is_named_with_its_remedy(
    place: Place, fault: ServiceFault, said: str, remedy: str
) -> None:
    place.service.fault = fault
    found = await place.examined(within=0.1 if fault is ServiceFault.HANG else 5)
    assert (found.verdict, found.said) == ("wrong", f"127.0.0.1 {said}")
    assert found.remedy.startswith(remedy)


async def test_service_that_is_not_there_is_named_with_the_kind_of_fault(place: Place) -> None:
    found = await place.examined(TOKEN_SERVICE_URL="http://127.0.0.1:9/{appid}")
    assert found.said == "127.0.0.1 does not answer (token service: no answer, ConnectError)"


async def test_another_refusal_is_named_by_its_number(place: Place) -> None:
    found = await place.examined(TOKEN_SERVICE_URL=f"{place.url}/token/{{appid}}?odd=1")
    assert (found.verdict, found.said) == ("wrong", "127.0.0.1 refuses the request (HTTP 400)")


async def test_answer_without_a_token_is_named_with_what_is_expected() -> None:
    async with raw_server(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"ok": "HUSH"}') as host:
        found = await examine(read(TOKEN_SERVICE_URL=f"http://{host}/{{appid}}"))
    assert found.said.startswith("the answer of 127.0.0.1 is not a token (token service: no token in an answer of ")
    assert "a JSON object with access_token" in found.remedy


async def test_client_of_services_keeps_no_cookies() -> None:
    async with (
        raw_server(b"HTTP/1.1 204 No Content\r\nSet-Cookie: account=HUSH; Path=/\r\n\r\n") as host,
        service_client("") as http,
    ):
        response = await http.get(f"http://{host}/")
        assert "Set-Cookie" in response.headers
        assert [*http.cookies.jar] == []


async def test_proxy_between_is_named() -> None:
    async with silence() as proxy:
        ambient = {"HTTPS_PROXY": f"http://me:HUSH@{proxy}"}
        settings = read(TOKEN_SERVICE_URL="https://tokens.example/{appid}", **ambient)
        found = await examine(settings, within=0.1)
    assert found.said == (
        "tokens.example does not answer through HTTPS_PROXY (token service: no answer within 0.1 s)"
    )
    assert "NO_PROXY" in found.remedy
