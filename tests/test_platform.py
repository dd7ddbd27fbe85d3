"""The calls of a third-party platform: what is sent, what is read, and that no text shows a credential."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.for_each import for_each
from tests.wechat import fixture
from wechat_kf import APIError, ResponseError, TransportError, platform, protocol
from wechat_kf.errors import api_error
from wechat_kf.platform import (
    Authorization,
    AuthorizerInfo,
    AuthorizerPage,
    ListedAuthorizer,
    PreAuthCode,
    Quota,
    RenewedToken,
)
from wechat_kf.protocol import Answer, IssuedToken, Request, parse_body

PLATFORM, MERCHANT = "wx00000000000000c0", "wx00000000000000a1"
SECRET, TOKEN = "HUSH-of-the-platform", "HUSH-component-token"
TICKET, CODE, REFRESH = "ticket@@@HUSH", "queryauthcode@@@HUSH", "refreshtoken@@@HUSH"
GRANTED = [{"funcscope_category": {"id": 6}}, {"funcscope_category": {"id": "19"}}]


def read(**fields: object) -> Answer:
    """Return an answer as the client reads it."""
    return parse_body(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("request_", "path", "body", "token"),
    [
        (
            platform.start_push(PLATFORM, SECRET),
            "component/api_start_push_ticket",
            {"component_appid": PLATFORM, "component_secret": SECRET},
            None,
        ),
        (
            platform.component_token(PLATFORM, SECRET, TICKET),
            "component/api_component_token",
            {"component_appid": PLATFORM, "component_appsecret": SECRET, "component_verify_ticket": TICKET},
            None,
        ),
        (
            platform.pre_auth_code(PLATFORM, TOKEN),
            "component/api_create_preauthcode",
            {"component_appid": PLATFORM},
            "component_access_token",
        ),
        (
            platform.query_auth(PLATFORM, CODE, TOKEN),
            "component/api_query_auth",
            {"component_appid": PLATFORM, "authorization_code": CODE},
            "component_access_token",
        ),
        (
            platform.authorizer_token(PLATFORM, MERCHANT, REFRESH, TOKEN),
            "component/api_authorizer_token",
            {
                "component_appid": PLATFORM,
                "authorizer_appid": MERCHANT,
                "authorizer_refresh_token": REFRESH,
            },
            "component_access_token",
        ),
        (
            platform.authorizer_list(PLATFORM, 500, TOKEN),
            "component/api_get_authorizer_list",
            {"component_appid": PLATFORM, "offset": 500, "count": 500},
            "component_access_token",
        ),
        (
            platform.authorizer_info(PLATFORM, MERCHANT, TOKEN),
            "component/api_get_authorizer_info",
            {"component_appid": PLATFORM, "authorizer_appid": MERCHANT},
            "component_access_token",
        ),
        (
            platform.quota(platform.AUTHORIZER_TOKEN, TOKEN),
            "openapi/quota/get",
            {"cgi_path": "/cgi-bin/component/api_authorizer_token"},
            "access_token",
        ),
    ],
)
def test_call_has_its_path_its_fields_and_its_credential(
    request_: Request, path: str, body: dict[str, object], token: str | None
):
    assert (request_.method, request_.path) == ("POST", f"/cgi-bin/{path}")
    assert request_.query == ({token: TOKEN} if token else {})
    assert json.loads(request_.body) == body
    sent = f"{request_.body!r}{request_.query}"
    assert set(request_.secrets) == {one for one in (SECRET, TOKEN, TICKET, CODE, REFRESH) if one in sent}
    assert "HUSH" not in f"{request_!r}{request_}"


def test_error_about_a_call_masks_its_credentials():
    for request in (platform.component_token(PLATFORM, SECRET, TICKET), platform.query_auth(PLATFORM, CODE, TOKEN)):
        echo = f"broken {request.body!r} {request.query}".encode()
        refused = json.dumps({"errcode": 61010, "errmsg": f"{TICKET} {CODE} {SECRET} {TOKEN}"}).encode()
        for body in (echo, refused):
            with pytest.raises((ResponseError, APIError)) as error:
                parse_body(body, secrets=request.secrets)
            assert not any(secret in f"{error.value!r}{vars(error.value)}" for secret in request.secrets)


def test_answer_to_a_start_of_the_pushes_says_whether_they_had_stopped():
    assert platform.parse_start_push(read(errcode=0, errmsg="ok"))
    assert not platform.parse_start_push(read(errcode=0, errmsg="in a normal state"))


def test_numbers_may_be_written_as_strings():
    for seconds in (7200, "7200"):
        issued = read(component_access_token=TOKEN, expires_in=seconds)
        assert platform.parse_component_token(issued) == IssuedToken(TOKEN, 7200)
        code = read(pre_auth_code="preauthcode@@@HUSH", expires_in=seconds)
        assert platform.parse_pre_auth_code(code) == PreAuthCode("preauthcode@@@HUSH", 7200)
    page = {"total_count": "1", "list": [{"authorizer_appid": MERCHANT, "auth_time": "1795003200"}]}
    assert platform.parse_authorizer_list(read(**page)).authorizers[0].authorized_at == datetime(
        2026, 11, 18, 12, 0, tzinfo=UTC
    )


def test_documented_token_of_an_account_is_understood():
    assert platform.parse_authorizer_token(parse_body(fixture("authorizer_token"))) == RenewedToken(
        "88_EXAMPLE", 7200, "refreshtoken@@@EXAMPLE"
    )


@pytest.mark.parametrize("absent", [{}, {"authorizer_refresh_token": ""}, {"authorizer_refresh_token": None}])
def test_refresh_token_may_be_missing_from_a_renewal(absent):
    renewed = platform.parse_authorizer_token(read(authorizer_access_token=TOKEN, expires_in=7200, **absent))
    assert renewed == RenewedToken(TOKEN, 7200, "")


def authorization(**fields: object) -> Answer:
    return read(authorization_info={"authorizer_appid": MERCHANT, "func_info": GRANTED, **fields})


def test_authorisation_has_the_tokens_and_the_granted_sets():
    tokens = {"authorizer_access_token": TOKEN, "expires_in": "7200", "authorizer_refresh_token": REFRESH}
    assert platform.parse_authorization(authorization(**tokens)) == Authorization(
        MERCHANT, frozenset({6, 19}), REFRESH, IssuedToken(TOKEN, 7200)
    )


def test_authorisation_of_an_account_without_rights_has_no_tokens():
    assert platform.parse_authorization(authorization()) == Authorization(MERCHANT, frozenset({6, 19}))


def test_refresh_token_is_read_whatever_else_is_missing():
    read_alone = platform.parse_authorization(
        authorization(authorizer_access_token=TOKEN, authorizer_refresh_token=REFRESH)
    )
    assert read_alone == Authorization(MERCHANT, frozenset({6, 19}), REFRESH)


@pytest.mark.parametrize(
    "sets",
    [None, "6", {}, [None, 6, {}], [{"funcscope_category": 6}, {"funcscope_category": {"id": "six"}}], "absent"],
)
def test_sets_that_cannot_be_read_are_not_granted(sets):
    assert platform.parse_authorization(authorization(func_info=sets)).sets == frozenset()


def test_list_keeps_rows_without_a_refresh_token_and_counts_those_without_an_appid():
    rows = [
        {"authorizer_appid": MERCHANT, "refresh_token": REFRESH, "auth_time": 1795003200},
        {"authorizer_appid": "wx2", "refresh_token": "", "auth_time": 0},
        {"authorizer_appid": "wx3"},
        {"refresh_token": REFRESH},
        "odd",
    ]
    assert platform.parse_authorizer_list(read(total_count=17, list=rows)) == AuthorizerPage(
        (
            ListedAuthorizer(MERCHANT, REFRESH, datetime(2026, 11, 18, 12, 0, tzinfo=UTC)),
            ListedAuthorizer("wx2"),
            ListedAuthorizer("wx3"),
        ),
        rows=5,
        total=17,
    )
    assert platform.parse_authorizer_list(read(total_count=0, list=[])) == AuthorizerPage((), 0, 0)


def test_facts_about_an_account_have_its_names_its_kind_and_what_was_granted():
    info = {
        "nick_name": "Harbour Tea",
        "alias": "harbour_tea",
        "service_type_info": {"id": "2"},
        "verify_type_info": {"id": -1},
        "account_status": "18",
    }
    granted = {"authorizer_appid": MERCHANT, "authorizer_refresh_token": REFRESH, "func_info": GRANTED}
    found = platform.parse_authorizer_info(read(authorizer_info=info, authorization_info=granted))
    sets = frozenset({6, 19})
    assert found == AuthorizerInfo("Harbour Tea", "harbour_tea", platform.OFFICIAL, 18, sets, REFRESH)


@pytest.mark.parametrize("granted", [None, [], "odd"])
def test_account_with_facts_of_a_mini_program_is_one_and_missing_facts_are_empty(granted):
    found = platform.parse_authorizer_info(
        read(authorizer_info={"MiniProgramInfo": {}, "alias": ""}, authorization_info=granted)
    )
    assert found == AuthorizerInfo("", "", platform.MINI, None, frozenset(), "")


def test_quota_has_the_numbers_of_today():
    assert platform.parse_quota(parse_body(fixture("quota"))) == Quota(500000, 288, 499712)
    assert platform.parse_quota(read(quota={"daily_limit": "10000"})) == Quota(10000, None, None)


@for_each(
    ("parse", "fields"),
    [
        (platform.parse_component_token, {"access_token": "HUSH", "expires_in": 7200}),
        (platform.parse_component_token, {"component_access_token": "HUSH"}),
        (platform.parse_pre_auth_code, {"pre_auth_code": "HUSH"}),
        (platform.parse_pre_auth_code, {"expires_in": 600}),
        (platform.parse_authorization, {"authorization_info": "HUSH"}),
        (platform.parse_authorization, {"authorization_info": {"authorizer_access_token": "HUSH"}}),
        (platform.parse_authorizer_token, {"access_token": "HUSH", "expires_in": 7200}),
        (platform.parse_authorizer_list, {"list": []}),
        (platform.parse_authorizer_list, {"total_count": 3}),
        (platform.parse_authorizer_info, {"authorization_info": {}}),
        (platform.parse_quota, {"quota": "HUSH"}),
    ],
)
def test_answer_that_lacks_what_it_is_for_is_an_error_without_a_quote(parse, fields):
    with pytest.raises(ResponseError) as error:
        parse(read(**fields))
    assert "HUSH" not in str(error.value)


def test_values_show_no_credential():
    values = (
        PreAuthCode("HUSH", 600),
        RenewedToken("HUSH", 7200, "HUSH"),
        Authorization(MERCHANT, frozenset(), "HUSH", IssuedToken("HUSH", 7200)),
        ListedAuthorizer(MERCHANT, "HUSH"),
        AuthorizerInfo("", "", platform.OFFICIAL, 1, frozenset(), "HUSH"),
    )
    assert "HUSH" not in repr(values)


def test_refusal_comes_with_status_200_and_its_code_tells_whose_problem_it_is():
    for errcode in (61000, 61001, 61004, 61005, 61006, 61011, 61014, 61015, 61028):
        with pytest.raises(APIError) as refused:
            protocol.parse_body(json.dumps({"errcode": str(errcode), "errmsg": "refused"}).encode())
        assert platform.concerns_platform(refused.value), errcode
    for error in (api_error(61003, ""), api_error(40001, ""), api_error(45009, ""), TransportError("GET")):
        assert not platform.concerns_platform(error)
        error.of_platform = True
        assert platform.concerns_platform(error)
