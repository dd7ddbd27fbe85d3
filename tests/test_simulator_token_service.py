"""The simulated token service: strict about requests, and it renews only what a caller reports as refused."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.conftest import APPID, VirtualClock
from tests.wechat import SECRET
from wechat_kf.simulator import ServiceFault, Simulator, TokenService, TokenShape
from wechat_kf.simulator.errcodes import ErrcodeRefusal
from wechat_kf.simulator.token_service import TokenRequest

KEY = "Bearer EXAMPLE"


class Caller:
    """Calls the service at the moment that its clock shows."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.wechat = Simulator(APPID, SECRET)
        self.service = TokenService({APPID: self.wechat.tokens}, authorization=KEY)

    def status(self, path: str = f"/token/{APPID}", *, method: str = "GET", key: str = KEY, **query: str) -> int:
        return self.service.answer(method, path, query, key, self.clock()).status

    def token(self, **query: str) -> str:
        answer = self.service.answer("GET", "/token", {"appid": APPID, **query}, KEY, self.clock())
        assert answer.status == 200
        return str(json.loads(answer.body)["access_token"])


@pytest.fixture
def caller() -> Caller:
    return Caller()


def test_service_is_strict_about_requests(caller: Caller) -> None:
    assert caller.status() == 200
    assert caller.status(key="") == 401
    assert caller.status(key="Basic EXAMPLE") == 403
    assert caller.status(method="POST") == 405
    assert caller.status(refused="yes") == 400
    assert caller.status(force="1") == 400
    for path in ("/token", "/token/", "/token/wx9", f"/{APPID}", f"/tokens/{APPID}", f"/token/{APPID}/"):
        assert caller.status(path) == 404, path


def test_token_is_kept_until_a_caller_reports_it(caller: Caller) -> None:
    first = caller.token()
    caller.wechat.tokens.kill()
    assert caller.token() == first
    second = caller.token(refused="1")
    assert second != first
    assert caller.token() == second
    caller.wechat.tokens.check(second, caller.clock())
    with pytest.raises(ErrcodeRefusal, match="40001"):
        caller.wechat.tokens.check(first, caller.clock())
    assert [request.refused for request in caller.service.log] == [False, False, True, False]


def test_token_is_followed_by_the_next_one_five_minutes_before_its_end(caller: Caller) -> None:
    first = caller.token()
    caller.clock.forward(minutes=114, seconds=59)
    assert caller.token() == first
    caller.clock.forward(seconds=1)
    assert caller.token() != first


def test_token_cannot_be_renewed_twice_in_half_a_minute(caller: Caller) -> None:
    caller.token(refused="1")
    caller.clock.forward(seconds=29)
    assert caller.status(refused="1") == 503
    caller.clock.forward(seconds=1)
    assert caller.status(refused="1") == 200


def test_same_token_is_returned_again_as_a_fault(caller: Caller) -> None:
    first = caller.token()
    caller.service.fault = ServiceFault.SAME
    assert caller.token(refused="1") == first


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        (ServiceFault.HTML, 200, "text/html"),
        (ServiceFault.BAD_GATEWAY, 502, "text/html"),
        (ServiceFault.UNAVAILABLE, 503, "application/json"),
        (ServiceFault.REDIRECT, 302, None),
    ],
)
def test_fault_replaces_the_answer(caller: Caller, fault: ServiceFault, status: int, content_type: str) -> None:
    caller.service.fault = fault
    answer = caller.service.answer("GET", f"/token/{APPID}", {}, KEY, caller.clock())
    assert (answer.status, answer.headers.get("Content-Type")) == (status, content_type)
    assert caller.service.log[-1] == TokenRequest(APPID, False, status)
    assert caller.wechat.tokens.issued == set()


def test_hanging_service_answers_after_an_hour(caller: Caller) -> None:
    assert caller.service.seconds == 0
    caller.service.fault = ServiceFault.HANG
    assert caller.service.seconds == timedelta(hours=1).total_seconds()


@pytest.mark.parametrize("shape", TokenShape)
def test_each_form_has_the_token_of_the_account(caller: Caller, shape: TokenShape) -> None:
    caller.service.shape = shape
    body = caller.service.answer("GET", f"/token/{APPID}", {}, KEY, caller.clock()).body.decode()
    (token,) = caller.wechat.tokens.issued
    assert (
        body
        == {
            TokenShape.WECHAT: f'{{"access_token": "{token}", "expires_in": 7200}}',
            TokenShape.TOKEN: f'{{"token": "{token}"}}',
            TokenShape.DATA: f'{{"code": 0, "data": {{"access_token": "{token}", "expires_in": 7200}}}}',
            TokenShape.TEXT: f"{token}\n",
        }[shape]
    )
