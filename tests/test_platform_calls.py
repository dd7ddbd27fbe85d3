"""The client's side of a platform against the simulated one, which shares no code with it: calls and pushes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from tests.platforms import APP, PLATFORM_SECRET, SHOP, PlatformCaller, opened
from tests.vectors_of_pushes import AES_KEY, PLATFORM_APPID, PREVIOUS_AES_KEY, TOKEN
from wechat_kf import APIError, platform, protocol
from wechat_kf.envelope import Push, RefusedPushError, open_push
from wechat_kf.protocol import Request
from wechat_kf.simulator.component import PushKeys, SealedPush, paths


class Calls:
    """Sends the client's requests to the simulated API."""

    def __init__(self) -> None:
        self.caller = PlatformCaller()
        self.now = self.caller.clock()
        self.platform = self.caller.platform

    def answer(self, request: Request) -> Mapping[str, object]:
        """Return the parsed answer, and raise an APIError for a refusal."""
        query, body = dict(request.query), request.body or b""
        endpoint = self.caller.world.addressed(request.path, query, body)
        status, answer = endpoint.answer(request.method, request.path, query, body, self.now)
        assert status == 200
        return protocol.parse_body(answer, secrets=request.secrets)

    def token(self) -> str:
        ticket = opened_push(self.platform.push_ticket(self.now)).ticket
        request = platform.component_token(PLATFORM_APPID, PLATFORM_SECRET, ticket)
        return platform.parse_component_token(self.answer(request)).access_token


@pytest.fixture
def calls() -> Calls:
    return Calls()


def opened_push(push: SealedPush) -> Push:
    return open_push(push.body, push.query, token=TOKEN, keys=[AES_KEY, PREVIOUS_AES_KEY], appid=PLATFORM_APPID)


def test_paths_are_those_of_the_client() -> None:
    ours = (
        *(platform.START_PUSH, platform.COMPONENT_TOKEN, platform.PRE_AUTH_CODE, platform.QUERY_AUTH),
        *(platform.AUTHORIZER_TOKEN, platform.AUTHORIZER_LIST, platform.AUTHORIZER_INFO),
    )
    assert {*ours, paths.CLEAR_QUOTA} == paths.COMPONENT_PATHS
    assert platform.QUOTA == paths.QUOTA


def test_call_of_each_kind_is_answered_as_the_client_expects(calls: Calls) -> None:
    token = calls.token()
    assert not platform.parse_start_push(calls.answer(platform.start_push(PLATFORM_APPID, PLATFORM_SECRET)))
    pre_auth_code = platform.pre_auth_code(PLATFORM_APPID, token)
    assert platform.parse_pre_auth_code(calls.answer(pre_auth_code)).expires_in == 1800

    push = opened_push(calls.platform.grant(APP, [19], calls.now))
    query_auth = platform.query_auth(PLATFORM_APPID, push.code, token)
    granted = platform.parse_authorization(calls.answer(query_auth))
    assert (granted.appid, granted.sets) == (APP, {19})
    assert granted.token
    assert "kf_list" in calls.answer(protocol.get(protocol.KF_LIST, granted.token.access_token))

    renewal = platform.authorizer_token(PLATFORM_APPID, APP, granted.refresh_token, token)
    renewed = platform.parse_authorizer_token(calls.answer(renewal))
    assert (renewed.expires_in, renewed.refresh_token) == (7200, granted.refresh_token)

    page = platform.parse_authorizer_list(calls.answer(platform.authorizer_list(PLATFORM_APPID, 0, token)))
    assert page.authorizers == (
        platform.ListedAuthorizer(APP, granted.refresh_token, calls.now.replace(microsecond=0)),
    )
    assert (page.rows, page.total) == (1, 1)

    info = platform.parse_authorizer_info(calls.answer(platform.authorizer_info(PLATFORM_APPID, APP, token)))
    assert info == platform.AuthorizerInfo("app", "app", platform.MINI, 1, frozenset({19}), granted.refresh_token)
    assert platform.parse_quota(calls.answer(platform.quota(paths.COMPONENT_TOKEN, token))).used == 1


def test_stopped_tickets_start_again_by_the_clients_call(calls: Calls) -> None:
    calls.platform.tickets.is_running = False
    assert platform.parse_start_push(calls.answer(platform.start_push(PLATFORM_APPID, PLATFORM_SECRET)))


def test_list_without_a_refresh_token_has_an_empty_one_for_the_client(calls: Calls) -> None:
    calls.platform.grant(SHOP, [6], calls.now)
    request = platform.authorizer_list(PLATFORM_APPID, 0, calls.token())
    for calls.platform.omits_empty_refresh_tokens in (False, True):
        (row,) = platform.parse_authorizer_list(calls.answer(request)).authorizers
        assert row.refresh_token == ""


def test_refused_address_reaches_the_clients_error(calls: Calls) -> None:
    calls.caller.world.component_api.allow_list = []
    with pytest.raises(APIError) as refused:
        calls.answer(platform.start_push(PLATFORM_APPID, PLATFORM_SECRET))
    assert (refused.value.errcode, refused.value.address) == (61004, "203.0.113.7")
    assert platform.concerns_platform(refused.value)


@pytest.mark.parametrize("is_relative", [False, True])
def test_client_opens_every_push(calls: Calls, is_relative: bool) -> None:
    calls.platform.has_relative_expiry = is_relative
    at = calls.now.replace(microsecond=0)
    ticket, authorized, updated, withdrawn = (
        opened_push(push)
        for push in (
            calls.platform.push_ticket(calls.now),
            calls.platform.grant(SHOP, [6], calls.now),
            calls.platform.grant(SHOP, [6, 19], calls.now),
            calls.platform.withdraw(SHOP, calls.now),
        )
    )
    assert ticket == Push("component_verify_ticket", at, ticket=ticket.ticket)
    until = at + timedelta(hours=1)
    assert authorized == Push("authorized", at, SHOP, code=authorized.code, code_until=until)
    assert updated == Push("updateauthorized", at, SHOP, code=updated.code, code_until=until)
    assert withdrawn == Push("unauthorized", at, SHOP)


def test_client_opens_pushes_under_the_previous_key_and_no_third_one(calls: Calls) -> None:
    calls.platform.keys = PushKeys(PLATFORM_APPID, TOKEN, PREVIOUS_AES_KEY)
    push = calls.platform.push_ticket(calls.now)
    assert opened_push(push).ticket == opened(push, PREVIOUS_AES_KEY)["ComponentVerifyTicket"]
    calls.platform.keys = PushKeys(PLATFORM_APPID, TOKEN, "z" * 43)
    with pytest.raises(RefusedPushError):
        opened_push(calls.platform.push_ticket(calls.now))
