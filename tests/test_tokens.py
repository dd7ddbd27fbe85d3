"""Token sources: one request for all callers, refreshed in time, replaced once, never forced."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from functools import partial

import httpx
import pytest

from tests.conftest import APPID, NOW, VirtualClock
from tests.wechat import ACCESS_TOKEN, SECRET, answer, chain, fixture, json_of, refusal, stable_token
from wechat_kf import (
    CallableToken,
    FixedToken,
    KfError,
    ResponseError,
    SetupError,
    TokenError,
    TransportError,
    protocol,
)


class Issuing:
    """A stable_token that returns `tokens` in turn, then always the last one, and counts the requests."""

    def __init__(self, *tokens: str, expires_in: object = 7200) -> None:
        self.tokens = list(tokens)
        self.expires_in = expires_in
        self.requests: list[httpx.Request] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        await self.open.wait()
        return answer(access_token=token, expires_in=self.expires_in)


async def test_token_request_uses_normal_mode_with_the_secret_in_the_body():
    wechat = Issuing("first")
    assert await stable_token(wechat).get() == "first"
    (request,) = wechat.requests
    assert (request.method, request.url.path, request.url.query) == ("POST", protocol.TOKEN, b"")
    assert json_of(request) == {
        "grant_type": "client_credential",
        "appid": APPID,
        "secret": SECRET,
        "force_refresh": False,
    }


async def test_documented_answer_is_understood(clock: VirtualClock):
    tokens = stable_token(lambda _: httpx.Response(200, content=fixture("token")), clock)
    assert tokens.expires_at is None
    assert await tokens.get() == ACCESS_TOKEN
    assert tokens.expires_at == NOW + timedelta(seconds=4312)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(hours=1), "first"),
        (timedelta(seconds=121), "first"),
        (timedelta(seconds=120), "second"),
        (timedelta(0), "second"),
    ],
)
async def test_token_is_kept_until_two_minutes_before_its_end(clock: VirtualClock, left, expected):
    tokens = stable_token(Issuing("first", "second"), clock)
    await tokens.get()
    clock.now = tokens.expires_at - left
    assert await tokens.get() == expected


@pytest.mark.parametrize("expires_in", [10**30, "99999999999"])
async def test_life_beyond_a_day_is_taken_for_a_day(clock: VirtualClock, expires_in):
    tokens = stable_token(Issuing("first", expires_in=expires_in), clock)
    await tokens.get()
    assert tokens.expires_at == NOW + timedelta(days=1)


async def test_concurrent_callers_share_one_request():
    wechat = Issuing("first")
    wechat.open.clear()
    tokens = stable_token(wechat)
    waiting = [asyncio.create_task(tokens.get()) for _ in range(50)]
    await asyncio.sleep(0)
    wechat.open.set()
    assert set(await asyncio.gather(*waiting)) == {"first"}
    assert len(wechat.requests) == 1


async def test_cancelled_caller_does_not_cancel_the_others():
    wechat = Issuing("first")
    wechat.open.clear()
    tokens = stable_token(wechat)
    impatient, patient = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    wechat.open.set()
    assert await patient == "first"
    assert len(wechat.requests) == 1


async def test_failed_request_without_a_waiting_caller_is_not_logged(caplog):
    gate = asyncio.Event()

    async def wechat(_: httpx.Request) -> httpx.Response:
        await gate.wait()
        return refusal(40125)

    tokens = stable_token(wechat)
    lonely = asyncio.create_task(tokens.get())
    await asyncio.sleep(0)
    lonely.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lonely
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()  # an exception that was never retrieved would be logged here
    assert not caplog.records


async def test_request_is_cancelled_at_shutdown(caplog):
    wechat = Issuing("first")
    wechat.open.clear()
    waiting = asyncio.create_task(stable_token(wechat).get())
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not caplog.records


async def test_next_caller_after_a_failure_requests_again():
    answers = iter([refusal(40125), answer(access_token="first", expires_in=7200)])
    tokens = stable_token(lambda _: next(answers))
    with pytest.raises(SetupError, match="40125"):
        await tokens.get()
    assert await tokens.get() == "first"


async def test_refused_token_is_replaced_only_while_it_is_current():
    wechat = Issuing("first", "second")
    tokens = stable_token(wechat)
    await tokens.get()
    assert await asyncio.gather(*(tokens.refresh("first") for _ in range(10))) == ["second"] * 10
    assert await tokens.refresh("first") == "second"  # a latecomer takes what others have fetched
    assert len(wechat.requests) == 2


async def test_refused_token_is_returned_again_without_a_forced_refresh():
    wechat = Issuing("first")
    tokens = stable_token(wechat)
    await tokens.get()
    assert await tokens.refresh("first") == "first"
    assert len(wechat.requests) == 2
    assert not any(json_of(request)["force_refresh"] for request in wechat.requests)


async def test_token_request_without_an_answer_ends_within_its_bound():
    wechat = Issuing("first")
    wechat.open.clear()
    with pytest.raises(TransportError, match=r"POST /cgi-bin/stable_token: no answer within 0.01 s") as caught:
        await stable_token(wechat, within=0.01).get()
    assert caught.value.timed_out


async def test_transport_fault_comes_alone_and_names_no_url():
    def wechat(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot reach {request.url} with {request.content!r}")

    with pytest.raises(TransportError) as caught:
        await stable_token(wechat).get()
    assert str(caught.value) == "POST /cgi-bin/stable_token: ConnectError"
    assert list(chain(caught.value)) == [caught.value]


async def test_answer_without_a_token_is_broken():
    with pytest.raises(ResponseError):
        await stable_token(lambda _: answer(expires_in=7200)).get()


async def test_fixed_token_is_not_replaced():
    tokens = FixedToken(ACCESS_TOKEN)
    assert await tokens.get() == ACCESS_TOKEN
    with pytest.raises(TokenError) as caught:
        await tokens.refresh(ACCESS_TOKEN)
    assert ACCESS_TOKEN not in str(caught.value)
    assert ACCESS_TOKEN not in repr(tokens)


async def test_token_service_is_called_each_time():
    given = iter(["first", "first", "second", "second"])
    expected = ["first", "first", "second", "second"]

    async def service() -> str:
        return next(given)

    tokens = CallableToken(service)
    asked = (tokens.get, tokens.get, partial(tokens.refresh, "first"), partial(tokens.refresh, "second"))
    assert [await ask() for ask in asked] == expected


async def test_error_of_a_token_service_becomes_a_kf_error_without_its_text():
    async def service() -> str:
        raise httpx.ReadTimeout(f"https://tokens.example/?key={SECRET}")

    with pytest.raises(TransportError) as caught:
        await CallableToken(service).get()
    assert str(caught.value) == "token service: ReadTimeout"
    assert caught.value.__context__ is None


async def test_kf_error_of_a_token_service_is_passed_on():
    told = SetupError(61003, "not authorised")

    async def service() -> str:
        raise told

    with pytest.raises(KfError) as caught:
        await CallableToken(service).get()
    assert caught.value is told


async def test_token_service_without_a_token_is_broken():
    async def service() -> str:
        return ""

    with pytest.raises(ResponseError, match="no token"):
        await CallableToken(service).get()
