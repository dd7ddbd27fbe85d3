"""Writes: one request, and an error that says whether the request may have taken effect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from bot.demo.process import free_port
from bot.demo.servers import serve_wechat
from bot.ports import AccountWriter
from tests.conftest import APPID, VirtualClock
from tests.for_each import for_each
from tests.wechat import (
    ACCESS_TOKEN,
    ANNA,
    BO,
    SECRET,
    Answering,
    Pauses,
    all_at_debug,
    answer,
    assert_reveals_no_secret,
    harbour_tea,
    http_client,
    json_of,
    kf_client,
    mounted,
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
    QuotaError,
    ResponseError,
    SetupError,
    StableToken,
    TokenError,
    TransportError,
    protocol,
)
from wechat_kf.advice import ADVICE
from wechat_kf.simulator import AccountType, Fault, FaultMode, Simulator
from wechat_kf.writes import ADD, DELETE, INVITE, UPDATE

EVE = "eve@harbour_tea"
WX, NAME = "bo_example", "夜班一号"  # by name: a traceback quotes the lines of this file
OK = answer(errcode=0, errmsg="ok")
REFUSED_TOKEN = (40001, 40014, 42001)

# By path: the call, its body, and whether a seat shows that WeChat carried it out.
Write = Callable[[AccountWriter], Awaitable[None]]
WRITES: dict[str, Write] = {
    INVITE: lambda kf: kf.invite(BO, WX),
    ADD: lambda kf: kf.add(EVE, NAME),
    UPDATE: lambda kf: kf.rename(BO, NAME),
    DELETE: lambda kf: kf.delete(BO),
}
FIELDS = {
    INVITE: {"kf_account": BO, "invite_wx": WX},
    ADD: {"kf_account": EVE, "nickname": NAME},
    UPDATE: {"kf_account": BO, "nickname": NAME},
    DELETE: {"kf_account": BO},
}


def took_effect(simulator: Simulator, path: str) -> bool:
    seats = {seat.kf_account: (seat.kf_nick, seat.invite_wx) for seat in simulator.seats}
    bo = seats.get(BO)
    return {
        INVITE: bo == ("小波", WX),
        ADD: EVE in seats,
        UPDATE: bo == (NAME, ""),
        DELETE: bo is None,
    }[path]


class Tokens:
    """A source with two tokens, which may fail to give the first or the second."""

    def __init__(self, get: KfError | None = None, refresh: KfError | None = None) -> None:
        self._get, self._refresh = get, refresh

    async def get(self) -> str:
        if self._get:
            raise self._get
        return "stale"

    async def refresh(self, failed: str) -> str:
        if self._refresh:
            raise self._refresh
        return "fresh"


async def silence(_: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.fixture
def simulator() -> Simulator:
    return harbour_tea().simulator


@asynccontextmanager
async def served(simulator: Simulator, read: float = 10) -> AsyncIterator[KfClient]:
    """Serve the simulator over HTTP, and yield a client of it that waits `read` seconds for data."""
    timeout = httpx.Timeout(10, read=read)
    async with (
        serve_wechat(simulator) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=timeout) as http,
    ):
        yield KfClient(http, StableToken(http, APPID, SECRET))


@pytest.mark.parametrize("path", WRITES)
async def test_request_is_as_documented(path):
    wechat = Answering(OK)
    await WRITES[path](kf_client(wechat))
    (request,) = wechat.requests
    assert request.method == "POST"
    assert str(request.url) == f"https://api.weixin.qq.com{path}?access_token={ACCESS_TOKEN}"
    assert json_of(request) == FIELDS[path]
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", WRITES)
async def test_body_is_raw_utf8(path):
    wechat = Answering(OK)
    await WRITES[path](kf_client(wechat))
    body = wechat.requests[0].content
    for value in FIELDS[path].values():
        assert value.encode() in body
    assert b"\\" not in body
    assert b"%40" not in body


async def test_lone_surrogate_does_not_stop_a_write():
    wechat = Answering(OK)
    await kf_client(wechat).rename(BO, "Bo\ud83d")
    assert json_of(wechat.requests[0])["nickname"] == "Bo?"


@pytest.mark.parametrize(
    "accepted",
    [OK, answer(errcode=0, errmsg="in a normal state"), answer(errcode="0"), answer(errcode=0, errmsg="")],
)
async def test_errcode_0_is_success_whatever_the_text(accepted):
    assert await kf_client(Answering(accepted)).rename(BO, "Bo") is None


@pytest.mark.parametrize("path", WRITES)
async def test_write_takes_effect(simulator: Simulator, clock: VirtualClock, path):
    assert not took_effect(simulator, path)
    await WRITES[path](simulated(simulator, clock))
    assert took_effect(simulator, path)
    assert [call.path for call in simulator.log] == [protocol.TOKEN, path]


@for_each("errcode", REFUSED_TOKEN)
@for_each("path", WRITES)
async def test_write_whose_token_was_refused_is_sent_again_with_another(path, errcode):
    wechat, pauses = Answering(refusal(errcode), OK), Pauses()
    await WRITES[path](kf_client(wechat, Tokens(), pauses=pauses))
    assert [request.url.params["access_token"] for request in wechat.requests] == ["stale", "fresh"]
    assert [json_of(request) for request in wechat.requests] == [FIELDS[path]] * 2
    assert pauses.seconds == []


async def test_write_is_not_sent_a_third_time():
    wechat = Answering(refusal(40001))
    with pytest.raises(TokenError) as caught:
        await kf_client(wechat, Tokens()).delete(BO)
    assert len(wechat.requests) == 2
    assert not caught.value.may_have_taken_effect


async def test_second_request_decides_whether_the_write_may_have_taken_effect():
    wechat = Answering(refusal(42001), httpx.ReadTimeout("slow"))
    with pytest.raises(TransportError) as caught:
        await kf_client(wechat, Tokens()).delete(BO)
    assert len(wechat.requests) == 2
    assert caught.value.may_have_taken_effect


@for_each("errcode", [*ADVICE, 99999])
async def test_errcode_ends_the_write_after_one_request_unless_the_token_is_refused(errcode):
    wechat, pauses = Answering(refusal(errcode)), Pauses()
    with pytest.raises(APIError) as caught:
        await kf_client(wechat, Tokens(), pauses=pauses).invite(BO, WX)
    assert caught.value.errcode == errcode
    assert len(wechat.requests) == (2 if errcode in REFUSED_TOKEN else 1)
    assert caught.value.may_have_taken_effect is (errcode in (-1, 61450))
    assert pauses.seconds == []


@pytest.mark.parametrize("errcode", range(65400, 65413))
@pytest.mark.parametrize("path", WRITES)
async def test_refused_write_is_sent_once_and_has_no_effect(simulator: Simulator, clock, path, errcode):
    simulator.inject(Fault(FaultMode.ERRCODE, errcode=errcode, path=path))
    with pytest.raises(APIError) as caught:
        await WRITES[path](simulated(simulator, clock))
    assert (caught.value.errcode, caught.value.may_have_taken_effect) == (errcode, False)
    assert [call.path for call in simulator.log] == [protocol.TOKEN, path]
    assert not took_effect(simulator, path)


NOT_SENT = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.PoolTimeout("busy"),
    httpx.ProxyError("403 Forbidden"),
    httpx.ProxyError("SOCKS trouble"),
    httpx.UnsupportedProtocol("ftp"),
]
PERHAPS_SENT = [
    httpx.ReadTimeout("slow"),
    httpx.WriteTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.CloseError("reset"),
    httpx.RemoteProtocolError("disconnected"),
    httpx.LocalProtocolError("odd"),
    httpx.DecodingError("odd"),
    httpx.TooManyRedirects("odd"),
    httpx.InvalidURL("odd"),
    httpx.StreamError("odd"),
    OSError("odd"),
    ValueError("odd"),
    RuntimeError("odd"),
]


@for_each(
    ("fault", "may_have"),
    [*((fault, False) for fault in NOT_SENT), *((fault, True) for fault in PERHAPS_SENT)],
)
async def test_write_may_have_taken_effect_unless_its_request_never_left(fault, may_have):
    wechat, pauses = Answering(fault), Pauses()
    with pytest.raises(TransportError) as caught:
        await kf_client(wechat, pauses=pauses).add(EVE, "Eve")
    assert caught.value.may_have_taken_effect is may_have
    assert (len(wechat.requests), pauses.seconds) == (1, [])


def test_every_error_of_httpx_is_decided():
    def leaves(cls: type[Exception]) -> set[type[Exception]]:
        return set().union(*map(leaves, cls.__subclasses__())) if cls.__subclasses__() else {cls}

    decided = {type(fault) for fault in (*NOT_SENT, *PERHAPS_SENT)}
    assert {cls for cls in leaves(httpx.RequestError) if cls.__module__ == "httpx"} <= decided


@for_each(
    ("odd", "expected"),
    [
        *((httpx.Response(status), TransportError) for status in (302, 403, 404, 407, 500, 502, 503, 504)),
        (httpx.Response(200), ResponseError),
        (httpx.Response(200, text="<html>"), ResponseError),
        (httpx.Response(200, text='{"errcode":0'), ResponseError),
        (httpx.Response(200, text="[]"), ResponseError),
        (answer(errcode="busy"), ResponseError),
        (answer(errmsg="ok"), ResponseError),
        (answer(errcode=None), ResponseError),
        (answer(kf_list=[]), ResponseError),
        (httpx.Response(200, headers={"content-encoding": "br"}, content=b"x"), ResponseError),
    ],
)
async def test_write_may_have_taken_effect_if_its_answer_cannot_be_read(odd, expected):
    # As a stream: a Response decodes what it is given as content at once.
    requests: list[httpx.Request] = []

    def wechat(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(odd.status_code, headers=odd.headers, stream=httpx.ByteStream(odd.content))

    with pytest.raises(expected) as caught:
        await kf_client(wechat).delete(BO)
    assert caught.value.may_have_taken_effect
    assert len(requests) == 1


@for_each(
    "fault",
    [
        TransportError("token", timed_out=True),
        TransportError("token", status=502),
        ResponseError("token"),
        BusyError(-1, "system error"),
        QuotaError(45009, "spent"),
        SetupError(40125, "invalid appsecret"),
        TokenError(40001, "invalid credential"),
    ],
)
@for_each("step", ["get", "refresh"])
async def test_write_without_a_token_has_no_effect(fault, step):
    wechat = Answering(refusal(40001))
    with pytest.raises(KfError) as caught:
        await kf_client(wechat, Tokens(**{step: fault})).delete(BO)
    assert not caught.value.may_have_taken_effect
    assert len(wechat.requests) == (0 if step == "get" else 1)


@pytest.mark.parametrize(
    "kind", [FaultMode.DOWN, FaultMode.SLOW, FaultMode.HTML, FaultMode.TRUNCATED, FaultMode.ERRCODE]
)
async def test_failed_token_request_is_not_repeated_by_a_write(simulator: Simulator, clock, kind):
    simulator.inject(Fault(kind, path=protocol.TOKEN, seconds=30 if kind is FaultMode.SLOW else 0))
    with pytest.raises(KfError) as caught:
        await simulated(simulator, clock).delete(BO)
    assert not caught.value.may_have_taken_effect
    assert [call.path for call in simulator.log] == [protocol.TOKEN]


async def test_time_limit_that_passes_before_the_token_arrives_means_no_effect():
    async def silent() -> str:
        await asyncio.Event().wait()
        raise AssertionError

    wechat = Answering(OK)
    with pytest.raises(TransportError, match=r"kfaccount/del: no answer within 0.01 s") as caught:
        await kf_client(wechat, CallableToken(silent)).delete(BO, within=0.01)
    assert (caught.value.timed_out, caught.value.may_have_taken_effect) == (True, False)
    assert wechat.requests == []


async def test_time_limit_that_passes_during_the_refresh_of_a_refused_token_means_no_effect():
    class Silent(Tokens):
        async def refresh(self, failed: str) -> str:
            await asyncio.Event().wait()
            raise AssertionError

    with pytest.raises(TransportError) as caught:
        await kf_client(Answering(refusal(40001)), Silent()).delete(BO, within=0.01)
    assert (caught.value.timed_out, caught.value.may_have_taken_effect) == (True, False)


async def test_time_limit_that_passes_during_the_request_leaves_the_outcome_open():
    with pytest.raises(TransportError, match=r"kfaccount/inviteworker: no answer within 0.01 s") as caught:
        await kf_client(silence).invite(BO, WX, within=0.01)
    assert (caught.value.timed_out, caught.value.may_have_taken_effect) == (True, True)


async def test_time_limit_covers_both_requests():
    async def wechat(request: httpx.Request) -> httpx.Response:
        if request.url.params["access_token"] == "fresh":
            return await silence(request)
        return refusal(42001)

    with pytest.raises(TransportError) as caught:
        await kf_client(wechat, Tokens()).rename(BO, "Bo", within=0.01)
    assert caught.value.may_have_taken_effect


async def test_cancelled_write_stays_cancelled():
    writing = asyncio.create_task(kf_client(silence).delete(BO))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing


@pytest.mark.parametrize("wechat", [silence, Answering(httpx.ReadError("reset")), Answering(httpx.Response(502))])
async def test_failed_read_has_no_effect(wechat):
    with pytest.raises(TransportError) as caught:
        await kf_client(wechat).kf_list(within=0.01, attempts=1)
    assert not caught.value.may_have_taken_effect


async def test_lapsed_token_is_replaced_during_a_write(simulator: Simulator, clock: VirtualClock):
    pauses = Pauses()
    kf = simulated(simulator, clock, pauses=pauses)
    await kf.kf_list()
    simulator.tokens.expire()
    await kf.invite(BO, WX)
    assert took_effect(simulator, INVITE)
    assert [(call.path, call.errcode) for call in simulator.log][2:] == [
        (INVITE, 42001),
        (protocol.TOKEN, 0),
        (INVITE, 0),
    ]
    assert pauses.seconds == []


async def test_mini_program_may_invite_and_not_rename(simulator: Simulator, clock: VirtualClock):
    simulator.account_type = AccountType.MINI_PROGRAM
    kf = simulated(simulator, clock)
    await kf.invite(BO, WX)
    with pytest.raises(SetupError) as caught:
        await kf.rename(BO, NAME)
    assert (caught.value.errcode, caught.value.may_have_taken_effect) == (48001, False)


async def test_delete_that_keeps_the_account_looks_like_success(simulator: Simulator, clock: VirtualClock):
    simulator.inject(Fault(FaultMode.NOT_DONE, path=DELETE))
    kf = simulated(simulator, clock)
    await kf.delete(BO)
    assert [account.kf_account for account in (await kf.kf_list()).accounts] == [ANNA, BO]


async def test_list_may_show_a_write_two_reads_later(simulator: Simulator, clock: VirtualClock):
    simulator.inject(Fault(FaultMode.LIST_LAG, path=ADD, reads=2))
    kf = simulated(simulator, clock)
    await kf.add(EVE, "Eve")
    assert [len((await kf.kf_list()).accounts) for _ in range(3)] == [2, 2, 3]


@pytest.mark.parametrize("path", WRITES)
async def test_lost_answer_over_http_leaves_the_outcome_open(simulator: Simulator, path):
    simulator.inject(Fault(FaultMode.ANSWER_LOST, path=path))
    async with served(simulator) as kf:
        with pytest.raises(TransportError) as caught:
            await WRITES[path](kf)
    assert (caught.value.timed_out, caught.value.may_have_taken_effect) == (False, True)
    assert took_effect(simulator, path)
    assert [call.path for call in simulator.log] == [protocol.TOKEN, path]


async def test_broken_connection_over_http_leaves_the_outcome_open(simulator: Simulator):
    simulator.inject(Fault(FaultMode.DOWN, path=DELETE))
    async with served(simulator) as kf:
        with pytest.raises(TransportError) as caught:
            await kf.delete(BO)
    assert caught.value.may_have_taken_effect
    assert not took_effect(simulator, DELETE)
    assert [call.path for call in simulator.log] == [protocol.TOKEN, DELETE]


@pytest.mark.parametrize("path", WRITES)
async def test_late_answer_over_http_leaves_the_outcome_open(simulator: Simulator, path):
    simulator.inject(Fault(FaultMode.ANSWER_LATE, path=path, seconds=30))
    async with served(simulator, read=0.2) as kf:
        with pytest.raises(TransportError) as caught:
            await WRITES[path](kf)
    assert (caught.value.timed_out, caught.value.may_have_taken_effect) == (True, True)
    assert took_effect(simulator, path)
    assert [call.path for call in simulator.log] == [protocol.TOKEN, path]


async def test_slow_call_of_one_kind_does_not_delay_the_others(simulator: Simulator):
    simulator.inject(Fault(FaultMode.SLOW, times=None, path=INVITE, seconds=30))
    async with served(simulator) as kf:
        await kf.rename(BO, NAME, within=5)
        assert len((await kf.kf_list()).accounts) == 2
        with pytest.raises(TransportError) as caught:
            await kf.invite(BO, WX, within=0.1)
    assert caught.value.may_have_taken_effect
    assert INVITE not in [call.path for call in simulator.log]


async def test_dripping_answer_over_http_ends_at_the_time_limit(simulator: Simulator):
    simulator.inject(Fault(FaultMode.DRIP, path=ADD, seconds=0.05))
    async with served(simulator) as kf:
        with pytest.raises(TransportError) as caught:
            await kf.add(EVE, "Eve", within=0.2)
    assert (caught.value.timed_out, caught.value.may_have_taken_effect) == (True, True)
    assert took_effect(simulator, ADD)


async def test_refused_connection_means_no_effect():
    url = f"http://127.0.0.1:{free_port()}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        with pytest.raises(TransportError, match="ConnectError") as caught:
            await KfClient(http, FixedToken(ACCESS_TOKEN)).delete(BO)
    assert not caught.value.may_have_taken_effect


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"403 Forbidden", b"502 Bad Gateway"])
async def test_refusal_of_a_proxy_to_connect_means_no_effect(status):
    async with raw_server(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status) as address:
        proxy = f"http://{address}"
        async with httpx.AsyncClient(base_url="https://wechat.example", proxy=proxy, trust_env=False) as http:
            with pytest.raises(TransportError) as caught:
                await KfClient(http, FixedToken(ACCESS_TOKEN), proxied=True).delete(BO)
    assert (caught.value.proxy, caught.value.status) == (True, int(status[:3]))
    assert not caught.value.may_have_taken_effect


async def test_failed_tls_handshake_means_no_effect():
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        url = "https://{}:{}".format(*server.sockets[0].getsockname())
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            with pytest.raises(TransportError, match="ConnectError") as caught:
                await KfClient(http, FixedToken(ACCESS_TOKEN)).delete(BO)
    assert not caught.value.may_have_taken_effect


PRIVATE = (WX, BO, NAME)


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "echo",
    [
        lambda text: refusal(65409, f"bad call {text}"),
        lambda text: refusal(40001, f"bad call {text}"),
        lambda text: httpx.Response(200, text=text),
        lambda text: httpx.Response(404, text=text),
        lambda text: answer(errcode=text),
        lambda text: answer(**{text: text}),
    ],
)
async def test_answer_that_quotes_a_write_reveals_nothing_private(path, echo, caplog):
    def wechat(request: httpx.Request) -> httpx.Response:
        return echo(f"{request.url} {'|'.join(map(str, json_of(request).values()))}")

    with all_at_debug(), pytest.raises(KfError) as caught:
        await WRITES[path](kf_client(wechat))
    written = str(caught.value) + str(vars(caught.value)) + caplog.text
    private = [ACCESS_TOKEN, *(text for text in FIELDS[path].values() if text != NAME)]
    assert not [text for text in private if text in written]


@pytest.mark.parametrize("wraps", [httpx.ConnectError, httpx.ReadTimeout, httpx.InvalidURL, httpx.StreamError])
async def test_exception_of_a_write_has_no_secret_and_no_httpx_context(wraps, caplog):
    def wechat(request: httpx.Request) -> httpx.Response:
        if request.url.path == INVITE:
            raise wraps(f"failed: {request.url} {request.content!r}")
        return answer(access_token=ACCESS_TOKEN, expires_in=7200)

    kf = KfClient(http_client(wechat), StableToken(http_client(wechat), APPID, SECRET))
    with all_at_debug(), pytest.raises(TransportError) as caught:
        await kf.invite(BO, WX)
    assert_reveals_no_secret(caught.value, *PRIVATE)
    assert not [text for text in (ACCESS_TOKEN, SECRET, *PRIVATE) if text in caplog.text]


@pytest.mark.parametrize(
    "fault", [None, Fault(FaultMode.ANSWER_LOST, path=INVITE), Fault(FaultMode.ERRCODE, path=INVITE)]
)
async def test_log_of_a_write_over_http_has_nothing_private_at_any_level(simulator: Simulator, fault, caplog):
    if fault:
        simulator.inject(fault)
    with all_at_debug():
        async with served(simulator) as kf:
            try:
                await kf.invite(BO, WX)
            except KfError as error:
                assert_reveals_no_secret(error, *PRIVATE, *simulator.tokens.issued)
    (token,) = simulator.tokens.issued
    assert not [text for text in (token, SECRET, "inviteworker", *PRIVATE) if text in caplog.text]


async def test_recorded_request_of_a_simulated_write_reaches_it_unchanged(
    simulator: Simulator, clock: VirtualClock
):
    seen: list[bytes] = []
    handle = mounted(simulator, clock)

    def wechat(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return handle(request)

    kf = KfClient(http_client(wechat), StableToken(http_client(handle), APPID, SECRET, now=clock))
    await kf.add(EVE, '"\\小"')
    assert json.loads(seen[0])["nickname"] == simulator.seats[-1].kf_nick == '"\\小"'
