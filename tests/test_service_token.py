"""Tokens of a central token service: cached shortly, reported when refused, and never shown."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest

from bot.demo.servers import serve_token_service, serve_wechat
from tests.conftest import APPID, NOW, VirtualClock
from tests.for_each import for_each
from tests.running import until
from tests.silence import silence
from tests.wechat import SECRET, Pauses, all_at_debug, chain, raw_server
from wechat_kf import KfClient, KfError, ResponseError, ServiceToken, TokenError, TransportError
from wechat_kf.service_protocol import ServedToken, check_url, parse_answer
from wechat_kf.simulator import ServiceFault, Simulator, TokenService, TokenShape

AUTHORIZATION = "Bearer HUSH-service-key"
TOKEN = "87_HUSH-of-a-served-token"


@dataclass
class Place:
    """A token service on loopback with one account of a simulated WeChat, and a client of services."""

    url: str
    service: TokenService
    wechat: Simulator
    clock: VirtualClock
    http: httpx.AsyncClient = field(repr=False)

    def source(
        self,
        appid: str = APPID,
        *,
        path: str = "/token/{appid}",
        authorization: str = AUTHORIZATION,
        within: float = 5,
    ) -> ServiceToken:
        url = self.url + path
        return ServiceToken(self.http, url, appid, authorization=authorization, now=self.clock, within=within)

    @asynccontextmanager
    async def client(self, tokens: ServiceToken) -> AsyncIterator[KfClient]:
        async with (
            serve_wechat(self.wechat, self.clock) as url,
            httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as http,
        ):
            yield KfClient(http, tokens, sleep=Pauses())

    @property
    def requests(self) -> list[tuple[str, bool, int]]:
        return [(one.appid, one.refused, one.status) for one in self.service.log]


@pytest.fixture
async def place(clock: VirtualClock) -> AsyncIterator[Place]:
    wechat = Simulator(APPID, SECRET)
    service = TokenService({APPID: wechat.tokens}, authorization=AUTHORIZATION)
    async with serve_token_service(service, clock) as url, httpx.AsyncClient(trust_env=False, verify=False) as http:
        yield Place(url, service, wechat, clock, http)


def assert_reveals_nothing(error: BaseException, *secrets: str) -> None:
    """Assert that neither the exception nor what a traceback prints with it contains a secret or the address."""
    assert list(chain(error)) == [error]
    for secret in (AUTHORIZATION, "HUSH", "127.0.0.1", "http://", *secrets):
        assert secret not in f"{error} {error!r} {vars(error)}"


# What the service answers


@pytest.mark.parametrize("shape", TokenShape)
async def test_each_accepted_form_gives_the_token(place: Place, shape: TokenShape) -> None:
    place.service.shape = shape
    tokens = place.source()
    assert await tokens.get() in place.wechat.tokens.issued
    says_the_end = shape in (TokenShape.WECHAT, TokenShape.DATA)
    assert tokens.expires_at == (NOW + timedelta(hours=2) if says_the_end else None)


@pytest.mark.parametrize("path", ["/token/{appid}", "/token?appid={appid}"])
async def test_appid_is_put_into_the_path_or_the_query(place: Place, path: str) -> None:
    tokens = place.source(path=path)
    await tokens.refresh(await tokens.get())
    assert place.requests == [(APPID, False, 200), (APPID, True, 200)]


async def test_appid_cannot_leave_its_place_in_the_address(place: Place) -> None:
    odd = "../x?refused=1&y#/ä"
    place.service.issuers[odd] = place.wechat.tokens
    for path in ("/token/{appid}", "/token?appid={appid}"):
        await place.source(odd, path=path).get()
    assert place.requests == [(odd, False, 200)] * 2


async def test_query_of_the_address_is_kept_as_it_is() -> None:
    queries: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        queries.append(request.url.query)
        return httpx.Response(200, text=f"{TOKEN}-{len(queries)}")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        for query in ("flag&a=b%2Fc+d&id={appid}", ""):
            tokens = ServiceToken(http, f"https://tokens.example/{{appid}}?{query}", "wx1")
            await tokens.refresh(await tokens.get())
    assert queries == [
        *(b"flag&a=b%2Fc+d&id=wx1", b"flag&a=b%2Fc+d&id=wx1&refused=1"),
        *(b"", b"refused=1"),
    ]


async def test_request_names_the_encoding_that_is_decoded() -> None:
    encodings: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        encodings.append(request.headers["Accept-Encoding"])
        return httpx.Response(200, text=TOKEN)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        await ServiceToken(http, "https://tokens.example/{appid}", APPID).get()
    assert encodings == ["gzip"]


async def test_account_without_an_authorization_sends_no_such_header(place: Place) -> None:
    place.service.authorization = ""
    await place.source(authorization="").get()
    assert place.requests == [(APPID, False, 200)]


@for_each(
    ("body", "expected"),
    [
        (f'{{"access_token": "{TOKEN}", "expires_in": 7200}}', 7200),
        (f'{{"access_token": "{TOKEN}", "expires_in": "7200"}}', 7200),
        (f'{{"token": "{TOKEN}", "expires_in": 7200.9}}', 7200),
        (f'{{"token": "{TOKEN}", "access_token": "", "expires_in": 0}}', 0),
        (f'{{"code": 0, "expires_in": 9, "data": {{"token": "{TOKEN}", "expires_in": 7}}}}', 7),
        (f'{{"errcode": 0, "data": {{"access_token": "{TOKEN}"}}}}', None),
        *(
            (f'{{"access_token": "{TOKEN}", "expires_in": {life}}}', None)
            for life in ("null", '"soon"', "-1", "9" * 5000, "NaN", "[]", "1e9", "true")
        ),
        (f"\ufeff{TOKEN}\r\n", None),
        (f"  {TOKEN}", None),
    ],
)
def test_token_is_parsed_with_its_life(body: str, expected: int | None) -> None:
    assert parse_answer(body.encode()) == ServedToken(TOKEN, expected)


@for_each(
    "body",
    [
        "",
        "unauthorized",
        f"{TOKEN}\n{TOKEN}",
        f"token: {TOKEN}",
        f'"{TOKEN}"',
        f'["{TOKEN}"]',
        f'{{"access_token": "{TOKEN}',
        f'{{"access_token": "{TOKEN} {TOKEN}"}}',
        f'{{"access_token": ["{TOKEN}"]}}',
        f'{{"result": {{"access_token": "{TOKEN}"}}}}',
        f'{{"data": "{TOKEN}"}}',
        '{"access_token": {}, "data": []}',
        '{"errcode": 40013, "errmsg": "invalid appid"}',
        "[" * 200_000,
        "x" * 2000,
    ],
)
def test_answer_without_a_token_is_refused_and_not_quoted(body: str) -> None:
    with pytest.raises(ResponseError, match="token service: no token in an answer of ") as caught:
        parse_answer(body.encode())
    assert_reveals_nothing(caught.value)


# How long it is kept


@pytest.mark.parametrize(
    ("life", "kept"),
    [(None, 60), (7200, 60), (180, 60), (179, 59), (121, 1), (120, 0), (0, 0)],
)
async def test_token_is_kept_for_a_minute_or_until_two_minutes_before_its_end(
    clock: VirtualClock, life: int | None, kept: int
) -> None:
    served = iter(range(9))

    def answer(_: httpx.Request) -> httpx.Response:
        more = {} if life is None else {"expires_in": life}
        return httpx.Response(200, json={"access_token": f"{TOKEN}-{next(served)}", **more})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        tokens = ServiceToken(http, "https://tokens.example/{appid}", APPID, now=clock)
        first = await tokens.get()
        clock.forward(seconds=max(0, kept - 0.001))
        assert (await tokens.get() == first) == bool(kept)
        clock.now = NOW + timedelta(seconds=kept)
        assert await tokens.get() != first


async def test_renewed_token_of_the_service_is_used_after_a_minute(place: Place) -> None:
    tokens = place.source()
    first = await tokens.get()
    place.clock.forward(hours=1, minutes=56)
    assert await tokens.get() != first


async def test_concurrent_callers_share_one_request(place: Place) -> None:
    tokens = place.source()
    assert len(set(await asyncio.gather(*(tokens.get() for _ in range(20))))) == 1
    assert place.requests == [(APPID, False, 200)]


async def test_cancelled_caller_does_not_cancel_the_others(place: Place) -> None:
    tokens = place.source()
    impatient, patient = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient in place.wechat.tokens.issued
    assert impatient.cancelled()
    assert len(place.requests) == 1


async def test_failed_request_is_not_cached(place: Place) -> None:
    tokens = place.source()
    place.service.fault = ServiceFault.UNAVAILABLE
    with pytest.raises(TransportError):
        await tokens.get()
    place.service.fault = None
    assert await tokens.get() in place.wechat.tokens.issued


# Refused tokens


async def test_refused_token_is_reported_once_and_the_next_one_is_used(place: Place) -> None:
    place.wechat.add_account("anna@harbour_tea", "Anna")
    tokens = place.source()
    async with place.client(tokens) as client:
        await client.kf_list()
        place.wechat.tokens.kill()
        assert len((await client.kf_list()).accounts) == 1
        await client.kf_list()
    assert place.requests == [(APPID, False, 200), (APPID, True, 200)]
    assert [call.errcode for call in place.wechat.log] == [0, 40001, 0, 0]


async def test_token_that_the_service_returns_again_is_an_error(place: Place) -> None:
    tokens = place.source()
    async with place.client(tokens) as client:
        await client.kf_list()
        place.wechat.tokens.kill()
        place.service.fault = ServiceFault.SAME
        with pytest.raises(TokenError) as refused:
            await client.kf_list()
        place.service.fault = None
        place.clock.forward(minutes=1)
        await client.kf_list()
    assert refused.value.errcode == 40001
    assert_reveals_nothing(refused.value, *place.wechat.tokens.issued)
    # The token was not kept: the service was asked for the present one before it was reported again.
    assert [refused for _, refused, _ in place.requests] == [False, True, False, True]


async def test_write_is_repeated_once_after_its_token_was_refused(place: Place) -> None:
    place.wechat.add_account("anna@harbour_tea", "Anna")
    async with place.client(place.source()) as client:
        await client.kf_list()
        place.wechat.tokens.kill()
        await client.delete("anna@harbour_tea")
    assert [call.errcode for call in place.wechat.log] == [0, 40001, 0]


async def test_write_whose_token_cannot_be_replaced_took_no_effect(place: Place) -> None:
    tokens = place.source()
    await tokens.get()
    place.wechat.tokens.kill()
    place.service.fault = ServiceFault.UNAVAILABLE
    async with place.client(tokens) as client:
        with pytest.raises(TransportError, match="HTTP 503") as caught:
            await client.delete("anna@harbour_tea")
    assert not caught.value.may_have_taken_effect


async def test_error_of_the_same_token_names_the_service_and_nothing_secret(place: Place) -> None:
    tokens = place.source()
    place.service.fault = ServiceFault.SAME
    token = await tokens.get()
    with pytest.raises(TokenError, match=r"token service: the refused token again \(errcode 40001\)") as caught:
        await tokens.refresh(token)
    assert_reveals_nothing(caught.value, token)


async def test_callers_with_the_same_refused_token_share_one_report(place: Place) -> None:
    tokens = place.source()
    first = await tokens.get()
    renewed = await asyncio.gather(*(tokens.refresh(first) for _ in range(10)), tokens.get())
    assert {*renewed}.isdisjoint({first})
    assert len({*renewed}) == 1
    assert await tokens.refresh(first) == renewed[0]  # a latecomer takes what others have got
    assert place.requests == [(APPID, False, 200), (APPID, True, 200)]


async def test_same_token_is_an_error_for_each_of_its_callers_after_one_report(place: Place) -> None:
    tokens = place.source()
    place.service.fault = ServiceFault.SAME
    first = await tokens.get()
    found = await asyncio.gather(*(tokens.refresh(first) for _ in range(5)), return_exceptions=True)
    assert {type(error) for error in found} == {TokenError}
    assert place.requests == [(APPID, False, 200), (APPID, True, 200)]


async def test_refused_token_that_comes_with_a_request_under_way_is_reported(place: Place) -> None:
    tokens = place.source()
    first = await tokens.get()
    place.clock.forward(minutes=2)
    under_way = asyncio.create_task(tokens.get())
    await asyncio.sleep(0)
    assert await asyncio.gather(*(tokens.refresh(first) for _ in range(3))) == [await tokens.get()] * 3
    assert await under_way == first  # the service did not know better yet
    assert place.requests == [(APPID, False, 200), (APPID, False, 200), (APPID, True, 200)]


async def test_token_that_is_refused_after_its_minute_is_reported_at_once(place: Place) -> None:
    tokens = place.source()
    first = await tokens.get()
    place.clock.forward(minutes=2)
    assert await tokens.refresh(first) != first
    assert [refused for _, refused, _ in place.requests] == [False, True]


async def test_renewed_token_of_another_caller_is_taken_without_a_report(place: Place) -> None:
    tokens = place.source()
    first = await tokens.get()
    place.clock.forward(hours=1, minutes=56)
    second = await tokens.get()
    assert await tokens.refresh(first) == second
    assert [refused for _, refused, _ in place.requests] == [False, False]


# Failures


@pytest.mark.parametrize(
    ("fault", "kind", "text", "status"),
    [
        (ServiceFault.HTML, ResponseError, "token service: a page of HTML instead of a token", None),
        (ServiceFault.REDIRECT, TransportError, "token service: HTTP 302, redirects are not followed", 302),
        (ServiceFault.UNAVAILABLE, TransportError, "token service: HTTP 503, the service has failed", 503),
        (ServiceFault.BAD_GATEWAY, TransportError, "token service: HTTP 502, the service has failed", 502),
        (ServiceFault.HANG, TransportError, "token service: no answer within 0.2 s", None),
    ],
)
async def test_fault_of_the_service_is_named(
    place: Place, fault: ServiceFault, kind: type[KfError], text: str, status: int | None
) -> None:
    place.service.fault = fault
    with pytest.raises(KfError) as caught:
        await place.source(within=0.2).get()
    assert (type(caught.value), str(caught.value)) == (kind, text)
    assert getattr(caught.value, "status", None) == status
    assert getattr(caught.value, "timed_out", False) == (fault is ServiceFault.HANG)
    assert_reveals_nothing(caught.value)
    assert len(place.requests) == (fault is not ServiceFault.HANG)  # one, and no redirect was followed


@pytest.mark.parametrize(
    ("appid", "authorization", "text"),
    [
        (APPID, "", "token service: HTTP 401, the authorization is refused"),
        (APPID, "Bearer HUSH-of-another", "token service: HTTP 403, the authorization is refused"),
        ("wx9", AUTHORIZATION, "token service: HTTP 404, the service does not know the account"),
    ],
)
async def test_refusal_of_the_service_is_named(place: Place, appid: str, authorization: str, text: str) -> None:
    with pytest.raises(TransportError) as caught:
        await place.source(appid, authorization=authorization).get()
    assert str(caught.value) == text
    assert_reveals_nothing(caught.value)


async def test_another_status_is_named_by_its_number(place: Place) -> None:
    with pytest.raises(TransportError, match="token service: HTTP 400, not a token"):
        await place.source(path="/token/{appid}?odd=1").get()


async def test_service_that_cannot_be_reached_is_named_by_the_fault_alone(place: Place) -> None:
    tokens = ServiceToken(place.http, "http://127.0.0.1:9/{appid}", APPID, authorization=AUTHORIZATION)
    with pytest.raises(TransportError) as caught:
        await tokens.get()
    assert (str(caught.value), caught.value.timed_out) == ("token service: no answer, ConnectError", False)
    assert_reveals_nothing(caught.value)


async def test_service_that_accepts_and_says_nothing_is_given_up_in_time(place: Place) -> None:
    async with silence() as host:
        tokens = ServiceToken(place.http, f"http://{host}/{{appid}}", APPID, within=0.1)
        with pytest.raises(TransportError, match=r"no answer within 0\.1 s"):
            await tokens.get()


async def test_limit_of_time_is_for_the_whole_answer() -> None:
    async def drip(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(30)  # as the transport sees it: always busy
        return httpx.Response(200, text=TOKEN)

    async with httpx.AsyncClient(transport=httpx.MockTransport(drip)) as http:
        tokens = ServiceToken(http, "https://tokens.example/{appid}", APPID, within=0.05)
        with pytest.raises(TransportError, match=r"no answer within 0\.05 s") as caught:
            await tokens.get()
    assert caught.value.timed_out


async def test_failed_request_without_a_waiting_caller_is_not_logged(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.service.fault = ServiceFault.UNAVAILABLE
    lonely = asyncio.create_task(place.source().get())
    await asyncio.sleep(0)
    lonely.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lonely
    await until(lambda: place.requests != [])
    await asyncio.sleep(0.05)
    gc.collect()  # an exception that was never retrieved would be logged here
    assert not caplog.records


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nhi", "token service: the answer has the encoding 'br'"),
        (
            b"Content-Length: 2000000\r\n\r\n" + b" " * 2_000_000,
            "token service: the answer is longer than 1048576 bytes",
        ),
    ],
)
async def test_body_that_was_not_requested_is_refused(place: Place, reply: bytes, text: str) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\n" + reply) as host:
        with pytest.raises(ResponseError) as caught:
            await ServiceToken(place.http, f"http://{host}/{{appid}}", APPID).get()
    assert str(caught.value) == text
    assert_reveals_nothing(caught.value)


# Secrets


async def test_neither_log_nor_repr_shows_a_secret(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = place.source()
    with all_at_debug():
        first = await tokens.get()
        second = await tokens.refresh(first)
        for fault in ServiceFault:
            place.service.fault = fault
            with pytest.raises(KfError):
                await place.source(within=0.1).refresh(second)
    shown = f"{caplog.text} {tokens!r} {tokens._cached!r} {parse_answer(TOKEN.encode())!r}"
    for secret in (first, second, TOKEN, AUTHORIZATION, "HUSH", f"/token/{APPID}"):
        assert secret not in shown


async def test_request_at_the_shutdown_leaves_no_line(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.service.fault = ServiceFault.HANG
    waiting = asyncio.create_task(place.source().get())
    await asyncio.sleep(0.05)
    before = {waiting, asyncio.current_task()}
    for task in asyncio.all_tasks() - before:
        if "ServiceToken" in repr(task):
            task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not caplog.records


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "https://tokens.example/{appid}",
        "https://tokens.example:8443/v1/token?appid={appid}&kind=mp",
        "https://tokens.example?appid={appid}",
        "https://localhost.example/{appid}",
        "http://localhost:8000/{appid}",
        "http://127.0.0.1/{appid}",
        "http://127.9.9.9:80/{appid}",
        "http://[::1]:8000/{appid}",
    ],
)
def test_address_with_https_or_on_loopback_is_accepted(url: str) -> None:
    check_url(url)


@for_each(
    ("url", "why"),
    [
        *(
            (url, "must be a URL with https:// and a host; http:// is for an address of this machine only")
            for url in (
                "",
                "{appid}",
                "//tokens.example/{appid}",
                "https:///{appid}",
                "https://tokens.example:{appid}/",
                "https://[::1/{appid}",
                "ftp://tokens.example/{appid}",
                "http://tokens.example/{appid}",
                "http://localhost.example/{appid}",
                "http://10.0.0.7/{appid}",
                "http://0.0.0.0/{appid}",
                "http://127.0.0.1\\@tokens.example/{appid}",
                "http://127.0.0.1@tokens.example/{appid}",
                "https://" + "h" * 70_000 + "/{appid}",
            )
        ),
        *(
            (url, "must contain {appid} in its path or query, for the AppID, and no #")
            for url in (
                "https://tokens.example/token",
                "https://tokens.example/{APPID}",
                "https://{appid}.tokens.example/{appid}",
                "https://tokens.example/{appid}#HUSH",
                "https://tokens.example/#{appid}",
            )
        ),
        (
            "https://me:HUSH@tokens.example/{appid}",
            "must not contain a user or a password: the Authorization header is set separately",
        ),
    ],
)
def test_other_address_is_refused_without_a_request(url: str, why: str) -> None:
    with pytest.raises(ValueError, match="must ") as caught:
        ServiceToken(httpx.AsyncClient(verify=False), url, APPID)
    assert str(caught.value) == why
