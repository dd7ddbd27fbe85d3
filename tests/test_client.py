"""The whole client, over a function that plays WeChat or over the simulator."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from bot.demo.servers import serve_wechat
from tests.conftest import APPID, VirtualClock
from tests.for_each import for_each
from tests.wechat import (
    ACCESS_TOKEN,
    SECRET,
    Answering,
    Pauses,
    all_at_debug,
    answer,
    assert_reveals_no_secret,
    chain,
    fixture,
    http_client,
    kf_client,
    raw_server,
    refusal,
    simulated,
)
from wechat_kf import (
    APIError,
    BusyError,
    CallableToken,
    FixedToken,
    KfClient,
    KfError,
    KfList,
    QuotaError,
    ResponseError,
    SetupError,
    StableToken,
    TokenError,
    TransportError,
    protocol,
    transport,
)
from wechat_kf.body import MAX_BODY
from wechat_kf.simulator import Fault, FaultMode, RequestFault, Simulator, bodies

FAN = {"kf_account": "", "kf_nick": "Fan", "kf_id": 2006, "kf_wx": "fan_example"}


class WeChat(Answering):
    """Plays the API."""

    @property
    def tokens(self) -> list[str]:
        return [request.url.params["access_token"] for request in self.requests]


class Tokens:
    """A source with two tokens."""

    def __init__(self) -> None:
        self.replaced: list[str] = []

    async def get(self) -> str:
        return "stale"

    async def refresh(self, failed: str) -> str:
        self.replaced.append(failed)
        return "fresh"


@pytest.fixture
def simulator() -> Simulator:
    simulator = Simulator(APPID, SECRET)
    simulator.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
    return simulator


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with all_at_debug():
        yield caplog


async def test_list_request_is_as_documented():
    wechat = WeChat(httpx.Response(200, content=fixture("kf_list")))
    observed = await kf_client(wechat).kf_list()
    assert [account.kf_nick for account in observed.accounts] == ["Anna", "小波", "Chen", "Dee", "Eve", "Fan"]
    (request,) = wechat.requests
    assert request.method == "GET"
    assert str(request.url) == (
        f"https://api.weixin.qq.com/cgi-bin/customservice/getkflist?access_token={ACCESS_TOKEN}"
    )


async def test_online_list_request_is_as_documented():
    wechat = WeChat(httpx.Response(200, content=fixture("online_kf_list")))
    (online,) = await kf_client(wechat).online_kf_list()
    assert (online.key, online.status, online.accepted_case) == ("anna@harbour_tea", 1, 3)
    assert wechat.requests[0].url.path == "/cgi-bin/customservice/getonlinekflist"


DATE, SAID = "Mon, 23 Nov 2026 01:12:00 GMT", datetime(2026, 11, 23, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "served_at"), [({"date": DATE}, SAID), ({}, None), ({"date": "yesterday"}, None)]
)
async def test_list_has_the_time_of_wechats_date_header(headers, served_at):
    wechat = WeChat(httpx.Response(200, headers=headers, content=fixture("kf_list")))
    observed = await kf_client(wechat).kf_list()
    assert observed.served_at == served_at
    assert len(observed.accounts) == 6


async def test_time_is_that_of_the_final_response():
    late = httpx.Response(200, headers={"date": DATE}, json={"kf_list": []})
    wechat = WeChat(httpx.Response(502, headers={"date": "Mon, 23 Nov 2026 01:11:00 GMT"}), late)
    assert (await kf_client(wechat).kf_list()).served_at == SAID


async def test_authorizer_access_token_travels_like_any_other():
    async def platform() -> str:
        return str(protocol.parse_body(fixture("authorizer_token"))["authorizer_access_token"])

    wechat = WeChat(answer(kf_list=[]))
    assert await kf_client(wechat, CallableToken(platform)).kf_list() == KfList(())
    assert wechat.tokens == ["88_EXAMPLE"]


async def test_base_url_may_have_a_path():
    wechat = WeChat(answer(kf_list=[]))
    http = httpx.AsyncClient(transport=httpx.MockTransport(wechat), base_url="https://gate.example/wechat/")
    await KfClient(http, FixedToken(ACCESS_TOKEN)).kf_list()
    assert wechat.requests[0].url.path == "/wechat/cgi-bin/customservice/getkflist"


async def test_redirect_is_not_followed_even_if_the_callers_client_would():
    wechat = WeChat(httpx.Response(302, headers={"location": "https://elsewhere.example"}))
    transport = httpx.MockTransport(wechat)
    http = httpx.AsyncClient(transport=transport, base_url="https://h.example", follow_redirects=True)
    with pytest.raises(TransportError) as caught:
        await KfClient(http, FixedToken(ACCESS_TOKEN)).kf_list(attempts=1)
    assert caught.value.status == 302
    assert len(wechat.requests) == 1


async def test_content_type_does_not_matter():
    def wechat(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=fixture("kf_list"), headers={"content-type": "text/plain; charset=gbk"})

    assert (await kf_client(wechat).kf_list()).accounts[1].kf_nick == "小波"


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_lapsed_token_is_replaced_and_the_call_repeated(errcode):
    wechat, tokens = WeChat(refusal(errcode), answer(kf_list=[FAN])), Tokens()
    assert (await kf_client(wechat, tokens).kf_list()).accounts[0].kf_nick == "Fan"
    assert wechat.tokens == ["stale", "fresh"]
    assert tokens.replaced == ["stale"]


async def test_token_is_replaced_once_and_no_more():
    wechat, tokens, pauses = WeChat(refusal(40001)), Tokens(), Pauses()
    with pytest.raises(TokenError) as caught:
        await kf_client(wechat, tokens, pauses=pauses).kf_list()
    assert wechat.tokens == ["stale", "fresh"]
    assert pauses.seconds == []
    assert "AppSecret" in caught.value.advice


async def test_fixed_token_that_is_refused_raises_wechats_error():
    wechat = WeChat(httpx.Response(200, content=fixture("refused_40001")))
    with pytest.raises(TokenError) as caught:
        await kf_client(wechat, FixedToken(ACCESS_TOKEN)).kf_list()
    assert caught.value.rid == "6740a1b2-11223344-55667789"
    assert len(wechat.requests) == 1


async def test_refused_secret_during_a_token_refresh_is_raised():
    class Changed(Tokens):
        async def refresh(self, failed: str) -> str:
            raise TokenError(40001, "invalid appsecret", rid="of-the-token-call")

    with pytest.raises(TokenError, match="appsecret"):
        await kf_client(WeChat(refusal(42001)), Changed()).kf_list()


async def test_burst_of_refusals_fetches_one_token(simulator: Simulator, clock: VirtualClock):
    kf = simulated(simulator, clock)
    await kf.kf_list()
    simulator.tokens.kill()
    observed = await asyncio.gather(*(kf.kf_list() for _ in range(20)))
    assert all(len(found.accounts) == 1 for found in observed)
    assert sum(call.path == protocol.TOKEN for call in simulator.log) == 2


@pytest.mark.parametrize(
    "passing",
    [
        refusal(-1, "system error"),
        refusal(61450),
        httpx.Response(502, text="<html>"),
        httpx.Response(302, headers={"location": "https://elsewhere.example"}),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
)
async def test_temporary_errors_are_retried_after_a_pause(passing):
    wechat, pauses = WeChat(passing, passing, answer(kf_list=[FAN])), Pauses()
    assert len((await kf_client(wechat, pauses=pauses).kf_list()).accounts) == 1
    assert pauses.seconds == [1, 2]
    assert wechat.tokens == [ACCESS_TOKEN] * 3


async def test_pauses_double_up_to_four_seconds():
    pauses = Pauses()
    with pytest.raises(BusyError):
        await kf_client(WeChat(refusal(-1)), pauses=pauses).kf_list(attempts=6)
    assert pauses.seconds == [1, 2, 4, 4, 4]


@pytest.mark.parametrize("attempts", [1, 3])
async def test_transport_error_has_the_number_of_attempts(attempts):
    wechat = WeChat(httpx.ConnectError("refused"))
    with pytest.raises(TransportError) as caught:
        await kf_client(wechat).kf_list(attempts=attempts)
    assert caught.value.attempts == len(wechat.requests) == attempts
    assert not caught.value.timed_out


@pytest.mark.parametrize(
    ("lasting", "expected"),
    [
        (refusal(45011), BusyError),
        (refusal(45009), QuotaError),
        (refusal(65400), SetupError),
        (refusal(65401), APIError),
        (answer(kf_online_list=[]), ResponseError),
        (httpx.Response(200, text="<html>"), ResponseError),
    ],
)
async def test_permanent_errors_are_raised_at_once(lasting, expected):
    wechat, pauses = WeChat(lasting), Pauses()
    with pytest.raises(expected):
        await kf_client(wechat, pauses=pauses).kf_list()
    assert len(wechat.requests) == 1
    assert pauses.seconds == []


async def test_fault_of_the_token_call_is_retried_in_the_same_way(simulator: Simulator, clock: VirtualClock):
    pauses = Pauses()
    simulator.inject(Fault(FaultMode.DOWN, path=protocol.TOKEN), Fault(FaultMode.ERRCODE, path=protocol.TOKEN))
    assert len((await simulated(simulator, clock, pauses=pauses).kf_list()).accounts) == 1
    assert pauses.seconds == [1, 2]


async def test_time_limit_covers_the_whole_request():
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(TransportError, match=r"getkflist: no answer within 0.01 s") as caught:
        await kf_client(silent).kf_list(within=0.01)
    assert (caught.value.attempts, caught.value.timed_out) == (1, True)
    assert list(chain(caught.value)) == [caught.value]


async def test_time_limit_covers_the_token_request():
    async def silent() -> str:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(TransportError) as caught:
        await kf_client(WeChat(answer(kf_list=[])), CallableToken(silent)).kf_list(within=0.01)
    assert caught.value.timed_out


async def test_pause_beyond_the_time_limit_is_skipped_and_the_error_raised():
    pauses = Pauses()
    with pytest.raises(BusyError):
        await kf_client(WeChat(refusal(-1)), pauses=pauses).kf_list(within=1.5)
    assert pauses.seconds == [1]  # a second one, of two seconds, would have run into the bound


async def test_cancelled_read_stays_cancelled():
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    reading = asyncio.create_task(kf_client(silent).kf_list())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize("size", [MAX_BODY, MAX_BODY + 1])
async def test_endless_answer_is_not_swallowed(size):
    body = b'{"kf_list":[]}'.ljust(size)
    kf = kf_client(lambda _: httpx.Response(200, content=body))
    if size <= MAX_BODY:
        assert await kf.kf_list() == KfList(())
        return
    with pytest.raises(ResponseError, match="longer than"):
        await kf.kf_list()


@for_each(
    ("fault", "status", "timed_out", "proxy"),
    [
        (httpx.ConnectError("x"), None, False, False),
        (httpx.ConnectTimeout("x"), None, True, False),
        (httpx.ReadTimeout("x"), None, True, False),
        (httpx.RemoteProtocolError("x"), None, False, False),
        (httpx.DecodingError("x"), None, False, False),
        (httpx.InvalidURL("x"), None, False, False),
        (httpx.StreamError("x"), None, False, False),
        (httpx.ProxyError("407 Proxy Authentication Required"), 407, False, True),
        (httpx.ProxyError("SOCKS trouble"), None, False, True),
        (httpx.Response(502), 502, False, False),
        (httpx.Response(407), 407, False, True),
    ],
)
async def test_transport_error_names_its_cause(fault, status, timed_out, proxy):
    with pytest.raises(TransportError) as caught:
        await kf_client(WeChat(fault)).kf_list()
    error = caught.value
    assert (error.status, error.timed_out, error.proxy, error.attempts) == (status, timed_out, proxy, 3)


@pytest.mark.parametrize("wraps", [httpx.ConnectError, httpx.ReadTimeout, httpx.InvalidURL, httpx.StreamError])
@pytest.mark.parametrize("path", [protocol.TOKEN, protocol.KF_LIST])
async def test_exceptions_have_no_secret_and_no_httpx_context(wraps, path, everything_logged):
    def wechat(request: httpx.Request) -> httpx.Response:
        if request.url.path == path:
            raise wraps(f"failed: {request.url} {request.content!r}")
        return answer(access_token=ACCESS_TOKEN, expires_in=7200)

    kf = KfClient(http_client(wechat), StableToken(http_client(wechat), APPID, SECRET), sleep=Pauses())
    with pytest.raises(KfError) as caught:
        await kf.kf_list()
    assert_reveals_no_secret(caught.value)
    assert ACCESS_TOKEN not in everything_logged.text
    assert SECRET not in everything_logged.text


@pytest.mark.parametrize(
    "echo",
    [
        lambda url: httpx.Response(200, text=f"<html>{url} not found"),
        lambda url: httpx.Response(404, text=f"<html>{url} not found"),
        lambda url: refusal(40001, f"bad call {url}"),
        lambda url: refusal(48001, f"bad call {url}"),
        lambda url: refusal(40013, f"what is {url.params['access_token']}?"),
        lambda url: answer(errcode=str(url)),
    ],
)
async def test_response_that_quotes_our_url_reveals_no_secret(echo: Callable[[httpx.URL], httpx.Response]):
    with pytest.raises(KfError) as caught:
        await kf_client(lambda request: echo(request.url)).kf_list()
    assert ACCESS_TOKEN not in str(caught.value) + str(vars(caught.value))


OVER_THE_WIRE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\nX-Seen: %s\r\n\r\n%s"


async def test_log_of_a_real_request_has_no_token_at_any_level(everything_logged):
    body = fixture("kf_list")
    reply = OVER_THE_WIRE % (len(body), ACCESS_TOKEN.encode(), body)
    async with raw_server(reply) as address, httpx.AsyncClient(base_url=f"http://{address}") as http:
        observed = await KfClient(http, FixedToken(ACCESS_TOKEN)).kf_list()
        assert len(observed.accounts) == 6
        assert ACCESS_TOKEN not in everything_logged.text
        assert "getkflist" not in everything_logged.text

        # What others do with httpx in the same process is theirs to log.
        await http.get("/somebody-else")
        assert "/somebody-else" in everything_logged.text
        assert "send_request_headers.started" in everything_logged.text


@pytest.mark.parametrize("fault", [httpx.ConnectError("refused"), httpx.ConnectTimeout("late")])
async def test_failed_connection_through_a_proxy_names_the_proxy(fault):
    def fail(request: httpx.Request) -> httpx.Response:
        raise fault

    async with httpx.AsyncClient(base_url="https://api.weixin.qq.com", transport=httpx.MockTransport(fail)) as http:
        for tokens in (FixedToken("token"), StableToken(http, "wx", "secret", proxied=True)):
            with pytest.raises(TransportError) as caught:
                await KfClient(http, tokens, proxied=True).kf_list(attempts=1)
            assert caught.value.proxy


@pytest.mark.parametrize("fault", [OSError("low"), RuntimeError("closed"), ValueError("odd")])
async def test_errors_from_below_httpx_become_transport_errors(fault):
    def fail(request: httpx.Request) -> httpx.Response:
        raise fault

    with pytest.raises(TransportError, match=type(fault).__name__):
        await kf_client(fail).kf_list(attempts=1)


async def test_log_and_errors_have_no_proxy_password(everything_logged):
    reply = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(reply) as address:
        proxy = f"http://bot:{SECRET}@{address}"
        async with httpx.AsyncClient(base_url="https://api.weixin.qq.com", proxy=proxy, trust_env=False) as http:
            with pytest.raises(TransportError) as caught:
                await KfClient(http, FixedToken(ACCESS_TOKEN)).kf_list(attempts=1)
    assert (caught.value.status, caught.value.proxy) == (407, True)
    assert_reveals_no_secret(caught.value, "bot:")
    assert SECRET not in everything_logged.text


def test_every_logger_of_the_http_libraries_is_suppressed():
    package = Path(str(find_spec("httpcore").origin)).parent
    calls = [
        line for file in package.rglob("*.py") for line in file.read_text().splitlines() if "getLogger(" in line
    ]
    assert calls
    for call in calls:
        assert call.split('"')[1] in transport.LOGGERS


async def test_deployment_uses_one_token_for_its_polls(simulator: Simulator, clock: VirtualClock):
    kf = simulated(simulator, clock)
    for _ in range(3):
        assert [account.kf_nick for account in (await kf.kf_list()).accounts] == ["Anna"]
        clock.forward(minutes=5)
    assert [call.path for call in simulator.log] == [protocol.TOKEN, *[protocol.KF_LIST] * 3]


async def test_deployment_survives_the_expiry_of_its_tokens(simulator: Simulator, clock: VirtualClock):
    kf = simulated(simulator, clock)
    for _ in range(100):
        await kf.kf_list()
        clock.forward(minutes=7)
    assert not [call for call in simulator.log if call.errcode]


async def test_wrong_secret_is_reported_after_one_attempt(simulator: Simulator, clock: VirtualClock):
    other = Simulator(APPID, "another secret")
    with pytest.raises(SetupError) as caught:
        await simulated(other, clock).kf_list()
    assert caught.value.errcode == 40125
    assert len(other.log) == 1


async def test_address_that_is_not_listed_is_named(clock: VirtualClock):
    with pytest.raises(SetupError) as caught:
        await simulated(Simulator(APPID, SECRET, allow_list=[]), clock, client_ip="198.51.100.9").kf_list()
    assert caught.value.address == "198.51.100.9"
    assert caught.value.rid


async def test_address_that_is_taken_off_the_list_is_refused_with_a_cached_token(clock: VirtualClock):
    simulator = Simulator(APPID, SECRET, allow_list=["203.0.113.7"])
    client = simulated(simulator, clock)
    await client.kf_list()
    simulator.allow_list = ["198.51.100.1"]
    with pytest.raises(SetupError) as caught:
        await client.kf_list()
    assert (caught.value.errcode, caught.value.address) == (40164, "203.0.113.7")
    # The token is not at fault: it is kept, and works again once the address is listed.
    simulator.allow_list = ["203.0.113.0/24"]
    await client.kf_list()
    assert [call.path for call in simulator.log] == [protocol.TOKEN, *[protocol.KF_LIST] * 3]


async def test_refusal_that_lasts_is_reported_and_no_token_forced(simulator: Simulator, clock: VirtualClock):
    simulator.inject(Fault(FaultMode.ERRCODE, errcode=40001, path=protocol.KF_LIST, times=None))
    with pytest.raises(TokenError) as caught:
        await simulated(simulator, clock).kf_list()
    assert caught.value.rid
    paths = [call.path for call in simulator.log]
    # Twice the same token: once more, a second later, and no further.
    assert paths == [protocol.TOKEN, protocol.KF_LIST, protocol.TOKEN, protocol.TOKEN, protocol.KF_LIST]


async def test_token_of_a_stale_node_is_used_again_after_a_second(simulator: Simulator, clock: VirtualClock):
    pauses = Pauses()
    simulator.inject(Fault(FaultMode.ERRCODE, errcode=40001, path=protocol.KF_LIST))
    assert len((await simulated(simulator, clock, pauses=pauses).kf_list()).accounts) == 1
    assert pauses.seconds == [1]
    assert len(simulator.tokens.issued) == 1


async def test_token_that_expired_early_is_replaced_without_a_pause(simulator: Simulator, clock: VirtualClock):
    pauses, kf = Pauses(), None
    kf = simulated(simulator, clock, pauses=pauses)
    await kf.kf_list()
    simulator.tokens.expire()
    assert len((await kf.kf_list()).accounts) == 1
    assert [call.errcode for call in simulator.log if call.errcode] == [42001]
    assert (pauses.seconds, len(simulator.tokens.issued)) == ([], 2)


async def test_pause_for_a_stale_node_is_skipped_at_the_bound(simulator: Simulator, clock: VirtualClock):
    pauses = Pauses()
    simulator.inject(Fault(FaultMode.ERRCODE, errcode=40001, path=protocol.KF_LIST, times=None))
    with pytest.raises(TokenError):
        await simulated(simulator, clock, pauses=pauses).kf_list(within=0.9)
    assert pauses.seconds == []


@pytest.mark.parametrize(
    "kind",
    [
        FaultMode.BOM,
        FaultMode.CONTENT_TYPE,
        FaultMode.CONTROL,
        FaultMode.TEXT_NUMBERS,
        FaultMode.FLOAT_DEADLINES,
        FaultMode.MILLISECOND_DEADLINES,
        FaultMode.GZIP,
    ],
)
async def test_odd_responses_are_parsed_like_others(simulator: Simulator, clock: VirtualClock, kind: FaultMode):
    expires_at = clock() + timedelta(hours=1)
    simulator.add_account("bo@harbour_tea", "小波")
    simulator.invite("bo@harbour_tea", "bo_example", expires_at)
    simulator.inject(Fault(kind, times=None))
    bo = (await simulated(simulator, clock).kf_list()).accounts[1]
    assert bo.kf_nick.endswith("小波")
    assert bo.invitation.expires_at == expires_at


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(FaultMode.DOWN, times=None), TransportError),
        (Fault(FaultMode.SLOW, seconds=30, times=None), TransportError),
        (Fault(FaultMode.HTML, times=None), TransportError),
        (Fault(FaultMode.TRUNCATED, times=None), ResponseError),
        (Fault(FaultMode.OTHER_LIST, times=None), ResponseError),
        (Fault(FaultMode.DEEP, times=None), ResponseError),
        (Fault(FaultMode.HUGE_NUMBERS, times=None), ResponseError),
        (Fault(FaultMode.TOO_LONG, times=None), ResponseError),
        (Fault(FaultMode.BOMB, times=None), ResponseError),
        (Fault(FaultMode.STACKED, times=None), ResponseError),
        (Fault(FaultMode.ERRCODE, errcode=48001, times=None), SetupError),
    ],
)
async def test_faults_are_raised_as_kf_errors(simulator: Simulator, clock: VirtualClock, fault, expected):
    simulator.inject(fault)
    with pytest.raises(expected):
        await simulated(simulator, clock).kf_list()


def encoded(body: bytes, encoding: str) -> bytes:
    """Build a whole HTTP answer."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("path", [protocol.KF_LIST, protocol.TOKEN])
@pytest.mark.parametrize("kind", [FaultMode.BOMB, FaultMode.STACKED])
async def test_decompression_bombs_are_refused_before_they_use_memory(path, kind):
    """Send the response over a real connection, where httpx would decode it."""
    body = bodies.bomb() if kind is FaultMode.BOMB else bodies.stacked_bomb()
    encoding = RequestFault((Fault(kind),)).content_encoding
    async with (
        raw_server(encoded(body, encoding)) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as http,
    ):
        source = StableToken(http, APPID, SECRET) if path == protocol.TOKEN else FixedToken(ACCESS_TOKEN)
        tracemalloc.start()
        try:
            with pytest.raises(ResponseError, match=path):
                await KfClient(http, source).kf_list()
            assert tracemalloc.get_traced_memory()[1] < 8 * MAX_BODY
        finally:
            tracemalloc.stop()


async def test_dripping_responses_end_at_the_time_limit():
    simulator = Simulator(APPID, SECRET)
    simulator.inject(Fault(FaultMode.DRIP, times=None, seconds=0.02, path=protocol.TOKEN))
    async with serve_wechat(simulator) as url, httpx.AsyncClient(base_url=url) as http:
        started = time.monotonic()
        with pytest.raises(TransportError) as caught:
            await KfClient(http, StableToken(http, APPID, SECRET)).kf_list(within=0.2)
        assert caught.value.timed_out
        assert time.monotonic() - started < 1
        with pytest.raises(TransportError):
            await StableToken(http, APPID, SECRET, within=0.1).get()


async def test_requests_accept_only_gzip():
    wechat = WeChat(answer(kf_list=[]))
    await kf_client(wechat).kf_list()
    assert wechat.requests[0].headers["accept-encoding"] == "gzip"
