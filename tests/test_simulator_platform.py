"""The API of the simulated platform: strict as the documentation, with every code as a state or a mistake."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from bot.demo.servers import serve_wechat
from tests.platforms import APP, KIOSK, PLATFORM_SECRET, SHOP, PlatformCaller
from tests.vectors_of_pushes import PLATFORM_APPID
from tests.wechat import CREDENTIALS
from wechat_kf import protocol
from wechat_kf.simulator import Fault, FaultMode, Simulator, World
from wechat_kf.simulator.component import Profile, paths

WITH_TOKEN = (
    *(paths.PRE_AUTH_CODE, paths.QUERY_AUTH, paths.AUTHORIZER_TOKEN),
    *(paths.AUTHORIZER_LIST, paths.AUTHORIZER_INFO),
)


@pytest.fixture
def caller() -> PlatformCaller:
    return PlatformCaller()


# What every call needs


def test_calls_are_posts_of_json_in_utf_8(caller: PlatformCaller) -> None:
    for path in (*paths.COMPONENT_PATHS, paths.QUOTA):
        assert caller.raw("GET", path, b"{}")["errcode"] == 43002, path
        assert caller.raw("POST", path, b"")["errcode"] == 44002, path
        assert caller.raw("POST", path, b"a=b")["errcode"] == 47001, path
        assert caller.raw("POST", path, b"[]")["errcode"] == 47001, path
        assert caller.raw("POST", path, '{"a": "é"}'.encode("latin-1"))["errcode"] == 47001, path
        assert caller.raw("POST", path, "{}".encode("utf-16"))["errcode"] == 47001, path
        assert caller.raw("POST", path, rb'{"a": "\u5c0f"}')["errcode"] == 40033, path


def test_address_that_is_not_on_the_platforms_list_is_refused_at_every_call(caller: PlatformCaller) -> None:
    tokens = caller.authorize()
    caller.world.component_api.allow_list = ["203.0.113.8"]
    caller.world[SHOP].allow_list = ["203.0.113.7"]  # not checked on this path
    refused = caller.post(paths.START_PUSH, component_appid=PLATFORM_APPID, component_secret=PLATFORM_SECRET)
    assert refused["errmsg"].startswith("access clientip is not registered requestIP: 203.0.113.7 rid: ")
    for path in (*paths.COMPONENT_PATHS, paths.QUOTA):
        assert caller.post(path)["errcode"] == 61004, path
    assert caller.kf_list(tokens["authorizer_access_token"])["errcode"] == 61004
    assert "kf_list" in caller.kf_list(tokens["authorizer_access_token"], ip="203.0.113.8")


def test_token_is_accepted_under_both_names_of_its_parameter(caller: PlatformCaller) -> None:
    body = json.dumps({"component_appid": PLATFORM_APPID}).encode()
    for name in ("component_access_token", "access_token"):
        assert "pre_auth_code" in caller.raw("POST", paths.PRE_AUTH_CODE, body, **{name: caller.token()})


@pytest.mark.parametrize("path", WITH_TOKEN)
def test_calls_need_a_valid_token_of_the_platform(caller: PlatformCaller, path: str) -> None:
    token, authorizer = caller.token(), caller.authorize()["authorizer_access_token"]
    own = caller.world[KIOSK].tokens.normal(caller.clock()).token

    def errcode(token: str) -> int:
        return int(caller.post(path, token=token, component_appid=PLATFORM_APPID)["errcode"])

    assert errcode("") == 41001
    assert errcode("EXAMPLE") == 40014
    assert errcode("87_EXAMPLE") == 40001
    assert errcode(authorizer) == 61014
    assert errcode(own) == 61014
    caller.platform.tokens.expire()
    assert errcode(token) == 42001
    caller.platform.tokens.kill()
    assert errcode(token) == 40001


def test_appid_must_be_that_of_the_platform(caller: PlatformCaller) -> None:
    token = caller.token()
    for path in WITH_TOKEN:
        assert caller.post(path, token=token)["errcode"] == 41002
        assert caller.post(path, token=token, component_appid="wx9")["errcode"] == 40013
        assert caller.post(path, token=token, component_appid=SHOP)["errcode"] == 61011


def test_codes_without_a_state_are_faults(caller: PlatformCaller) -> None:
    tokens = caller.authorize()
    for errcode in (61000, 61001, 61028):
        caller.world.component_api.inject(Fault(FaultMode.ERRCODE, errcode=errcode, path=paths.PRE_AUTH_CODE))
        assert caller.call(paths.PRE_AUTH_CODE)["errcode"] == errcode
    for errcode in (61002, 61003, 61016, 61017):
        caller.world[SHOP].inject(Fault(FaultMode.ERRCODE, errcode=errcode))
        assert caller.kf_list(tokens["authorizer_access_token"])["errcode"] == errcode
    assert "kf_list" in caller.kf_list(tokens["authorizer_access_token"])


def test_faults_of_the_world_include_the_platform(caller: PlatformCaller) -> None:
    caller.world.inject(Fault(FaultMode.ERRCODE, times=None, errcode=-1))
    assert caller.component_token()["errcode"] == -1
    assert caller.raw("POST", protocol.TOKEN, json.dumps(CREDENTIALS | {"appid": SHOP}).encode())["errcode"] == -1
    caller.world.clear_faults()
    assert "component_access_token" in caller.component_token()


def test_unknown_path_is_not_found(caller: PlatformCaller) -> None:
    path, query = "/cgi-bin/component/api_set_authorizer_option", {"component_access_token": caller.token()}
    endpoint = caller.world.addressed(path, query, b"{}")
    assert endpoint is caller.world.component_api
    assert endpoint.answer("POST", path, query, b"{}", caller.clock()) == (404, b"404 page not found")
    assert endpoint.log[-1].query == {"component_access_token": "•••"}


async def test_server_of_the_accounts_answers_for_the_platform(caller: PlatformCaller) -> None:
    query, payload = {"component_access_token": caller.token()}, {"component_appid": PLATFORM_APPID}
    async with serve_wechat(caller.world, caller.clock) as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.post(paths.PRE_AUTH_CODE, params=query, json=payload)
    assert (answer.status_code, answer.json()["expires_in"]) == (200, 1800)


# The platform's own token


def test_component_token_needs_the_secret_and_a_ticket(caller: PlatformCaller) -> None:
    caller.new_ticket()
    assert caller.component_token(component_appid="")["errcode"] == 41002
    assert caller.component_token(component_appid="wx9")["errcode"] == 40013
    assert caller.component_token(component_appid=SHOP)["errcode"] == 61011
    assert caller.component_token(component_appsecret="")["errcode"] == 41004
    assert caller.component_token(component_appsecret="EXAMPLE")["errcode"] == 40125
    assert caller.component_token(component_verify_ticket="")["errcode"] == 61006
    assert caller.component_token(component_verify_ticket="ticket@@@EXAMPLE")["errcode"] == 61006
    assert caller.component_token()["expires_in"] == 7200


def test_ticket_is_valid_for_twelve_hours(caller: PlatformCaller) -> None:
    caller.new_ticket()
    caller.clock.forward(hours=11, minutes=59)
    caller.platform.push_ticket(caller.clock())
    assert "component_access_token" in caller.component_token()
    caller.clock.forward(minutes=1)
    assert caller.component_token()["errcode"] == 61005


def test_new_component_token_ends_the_one_before_after_five_minutes(caller: PlatformCaller) -> None:
    first, second = caller.token(), caller.token()

    def accepts(token: str) -> bool:
        return "list" in caller.post(
            paths.AUTHORIZER_LIST, token=token, component_appid=PLATFORM_APPID, offset=0, count=1
        )

    caller.clock.forward(seconds=299)
    assert (accepts(first), accepts(second)) == (True, True)
    caller.clock.forward(seconds=1)
    assert (accepts(first), accepts(second)) == (False, True)
    caller.clock.forward(minutes=115)
    assert not accepts(second)


def test_second_holder_ends_our_token(caller: PlatformCaller) -> None:
    token = caller.token()
    caller.platform.tokens.renewed(caller.clock())  # the other system's
    caller.clock.forward(minutes=5)
    assert caller.post(paths.PRE_AUTH_CODE, token=token, component_appid=PLATFORM_APPID)["errcode"] == 40001


def test_renewals_are_limited_until_midnight_in_shanghai(caller: PlatformCaller) -> None:
    caller.platform.quotas.limits[paths.COMPONENT_TOKEN] = 2
    caller.token()
    assert caller.component_token(component_appsecret="EXAMPLE")["errcode"] == 40125  # not counted
    caller.token()
    assert caller.component_token()["errcode"] == 45009
    shanghai = caller.clock() + timedelta(hours=8)
    midnight = (shanghai + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    caller.clock.now += midnight - shanghai - timedelta(seconds=1)
    caller.new_ticket()
    assert caller.component_token()["errcode"] == 45009
    caller.clock.forward(seconds=1)
    assert caller.token()


def test_start_of_the_tickets_takes_the_secret_under_its_own_name(caller: PlatformCaller) -> None:
    given = {"component_appid": PLATFORM_APPID, "component_appsecret": PLATFORM_SECRET}
    assert caller.post(paths.START_PUSH, **given)["errcode"] == 41004
    assert caller.post(paths.START_PUSH, component_appid=PLATFORM_APPID, component_secret="x")["errcode"] == 40125


def test_platforms_appid_gets_no_token_of_an_account(caller: PlatformCaller) -> None:
    body = json.dumps(CREDENTIALS | {"appid": PLATFORM_APPID, "secret": PLATFORM_SECRET}).encode()
    assert caller.raw("POST", protocol.TOKEN, body)["errcode"] == 61024


def test_component_token_does_not_read_accounts(caller: PlatformCaller) -> None:
    assert caller.kf_list(caller.token())["errcode"] == 61015


# Authorisations


def test_code_is_exchanged_once(caller: PlatformCaller) -> None:
    code = caller.platform.grants.grant(SHOP, (6, 19), caller.clock()).code
    info = caller.exchange(code)["authorization_info"]
    assert info["authorizer_appid"] == SHOP
    assert info["expires_in"] == 7200
    assert info["func_info"] == [{"funcscope_category": {"id": 6}}, {"funcscope_category": {"id": 19}}]
    assert info["authorizer_refresh_token"].startswith("refreshtoken@@@")
    assert "kf_list" in caller.kf_list(info["authorizer_access_token"])
    assert caller.exchange(code)["errcode"] == 61009
    assert caller.exchange("queryauthcode@@@EXAMPLE")["errcode"] == 61009
    assert caller.call(paths.QUERY_AUTH)["errcode"] == 40097


def test_code_expires_after_an_hour(caller: PlatformCaller) -> None:
    code = caller.platform.grants.grant(SHOP, (6,), caller.clock()).code
    caller.clock.forward(hours=1)
    assert caller.exchange(code)["errcode"] == 61010


def test_code_is_worthless_after_a_withdrawal(caller: PlatformCaller) -> None:
    code = caller.platform.grants.grant(SHOP, (6,), caller.clock()).code
    caller.platform.withdraw(SHOP, caller.clock())
    assert caller.exchange(code)["errcode"] == 61009


def test_account_without_sets_gives_no_tokens(caller: PlatformCaller) -> None:
    assert caller.authorize(sets=()) == {"authorizer_appid": SHOP, "func_info": []}


def test_sets_must_cover_customer_service(caller: PlatformCaller) -> None:
    caller.platform.sets += (17,)
    token = caller.authorize(sets=[17])["authorizer_access_token"]
    assert caller.kf_list(token)["errcode"] == 61007
    caller.platform.grant(SHOP, [6], caller.clock())
    assert "kf_list" in caller.kf_list(token)
    caller.platform.grant(SHOP, [], caller.clock())
    assert caller.kf_list(token)["errcode"] == 61007


def test_refresh_token_stays_until_the_account_is_authorised_again(caller: PlatformCaller) -> None:
    refresh_token = caller.authorize()["authorizer_refresh_token"]
    renewed = caller.renew(SHOP, refresh_token)
    assert renewed["authorizer_refresh_token"] == refresh_token
    assert renewed["expires_in"] == 7200
    assert caller.authorize()["authorizer_refresh_token"] == refresh_token  # other sets
    caller.platform.withdraw(SHOP, caller.clock())
    assert caller.renew(SHOP, refresh_token)["errcode"] == 61003
    other = caller.authorize()["authorizer_refresh_token"]
    assert other != refresh_token
    assert caller.renew(SHOP, refresh_token)["errcode"] == 61023
    assert "authorizer_access_token" in caller.renew(SHOP, other)


def test_refresh_token_of_another_account_is_refused(caller: PlatformCaller) -> None:
    shop, kiosk = (caller.authorize(appid)["authorizer_refresh_token"] for appid in (SHOP, KIOSK))
    assert caller.renew(SHOP, kiosk)["errcode"] == 61023
    assert caller.renew(KIOSK, shop)["errcode"] == 61023
    assert caller.renew(APP, shop)["errcode"] == 61003
    assert caller.call(paths.AUTHORIZER_TOKEN, authorizer_refresh_token=shop)["errcode"] == 41002


def test_authorizers_token_is_valid_for_two_hours_or_five_minutes_after_the_next(caller: PlatformCaller) -> None:
    tokens = caller.authorize()
    first = tokens["authorizer_access_token"]
    second = caller.renew(SHOP, tokens["authorizer_refresh_token"])["authorizer_access_token"]
    caller.clock.forward(seconds=299)
    assert "kf_list" in caller.kf_list(first)
    caller.clock.forward(seconds=1)
    assert caller.kf_list(first)["errcode"] == 40001
    caller.clock.forward(minutes=114, seconds=59)
    assert "kf_list" in caller.kf_list(second)
    caller.clock.forward(seconds=1)
    assert caller.kf_list(second)["errcode"] == 42001


def test_withdrawal_ends_the_access_at_once(caller: PlatformCaller) -> None:
    token = caller.authorize()["authorizer_access_token"]
    caller.platform.withdraw(SHOP, caller.clock())
    assert caller.kf_list(token)["errcode"] == 61003
    assert caller.call(paths.AUTHORIZER_INFO, authorizer_appid=SHOP)["errcode"] == 61003
    assert caller.listed() == {"total_count": 0, "list": []}
    again = caller.authorize()["authorizer_access_token"]
    assert caller.kf_list(token)["errcode"] == 40001
    assert "kf_list" in caller.kf_list(again)


def test_each_authorizers_token_reaches_its_own_account(caller: PlatformCaller) -> None:
    shop, app = (caller.authorize(appid)["authorizer_access_token"] for appid in (SHOP, APP))
    caller.world[SHOP].add_account("bo@harbour_tea", "Bo")
    caller.world[APP].add_account("fang@app", "王芳")
    assert [row["kf_nick"] for row in caller.kf_list(shop)["kf_list"]] == ["Bo"]
    assert [row["kf_nick"] for row in caller.kf_list(app)["kf_list"]] == ["王芳"]
    assert [call.path for call in caller.world[SHOP].log] == [protocol.KF_LIST]


def test_account_keeps_its_own_token_beside_the_platforms(caller: PlatformCaller) -> None:
    caller.authorize()
    assert "kf_list" in caller.kf_list(caller.world[SHOP].tokens.normal(caller.clock()).token)


def test_renewals_of_authorizers_are_limited(caller: PlatformCaller) -> None:
    refresh_token = caller.authorize()["authorizer_refresh_token"]
    caller.platform.quotas.limits[paths.AUTHORIZER_TOKEN] = 1
    assert "authorizer_access_token" in caller.renew(SHOP, refresh_token)
    assert caller.renew(SHOP, refresh_token)["errcode"] == 45009
    caller.clock.forward(days=1)
    caller.new_ticket()
    assert "authorizer_access_token" in caller.renew(SHOP, refresh_token)


# The list


def test_list_has_pages_of_at_most_500(caller: PlatformCaller) -> None:
    appids = [f"wx{number:016}" for number in range(501)]
    for appid in appids:
        caller.platform.grants.grant(appid, (6,), caller.clock())
    pages = [caller.listed(offset) for offset in (0, 500, 1000)]
    assert [len(page["list"]) for page in pages] == [500, 1, 0]
    assert [page["total_count"] for page in pages] == [501] * 3
    assert [row["authorizer_appid"] for page in pages for row in page["list"]] == appids
    for offset, count in ((0, 501), (0, 0), (-1, 1), ("0", "10"), (None, 1)):
        assert caller.listed(offset, count)["errcode"] == 40097  # type: ignore[arg-type]


def test_list_has_no_refresh_token_until_a_code_was_exchanged(caller: PlatformCaller) -> None:
    code = caller.platform.grants.grant(SHOP, (6,), caller.clock()).code
    row = {"authorizer_appid": SHOP, "refresh_token": "", "auth_time": int(caller.clock().timestamp())}
    assert caller.listed()["list"] == [row]
    caller.platform.omits_empty_refresh_tokens = True
    assert caller.listed()["list"] == [{name: row[name] for name in row if name != "refresh_token"}]
    refresh_token = caller.exchange(code)["authorization_info"]["authorizer_refresh_token"]
    assert caller.listed()["list"] == [row | {"refresh_token": refresh_token}]


def test_replaced_refresh_token_is_in_the_list(caller: PlatformCaller) -> None:
    refused = caller.authorize()["authorizer_refresh_token"]
    caller.platform.grants.replace_refresh_token(SHOP)
    assert caller.renew(SHOP, refused)["errcode"] == 61023
    assert "authorizer_access_token" in caller.renew(SHOP, caller.listed()["list"][0]["refresh_token"])


def test_lost_refresh_token_needs_another_authorisation(caller: PlatformCaller) -> None:
    refused = caller.authorize()["authorizer_refresh_token"]
    caller.platform.grants.lose_refresh_token(SHOP)
    assert caller.renew(SHOP, refused)["errcode"] == 61023
    assert caller.listed()["list"][0]["refresh_token"] == ""
    assert "authorizer_access_token" in caller.renew(SHOP, caller.authorize()["authorizer_refresh_token"])


# Facts of an account


def test_info_describes_the_account(caller: PlatformCaller) -> None:
    refresh_token = caller.authorize(KIOSK, [6])["authorizer_refresh_token"]
    caller.platform.profiles[KIOSK] = Profile("Night Kiosk", "", "Kiosk Ltd", service_type=1, account_status=18)
    answer = caller.call(paths.AUTHORIZER_INFO, authorizer_appid=KIOSK)
    info = answer["authorizer_info"]
    assert (info["nick_name"], info["alias"], info["principal_name"]) == ("Night Kiosk", "", "Kiosk Ltd")
    assert (info["service_type_info"], info["verify_type_info"]) == ({"id": 1}, {"id": -1})
    assert info["account_status"] == 18
    assert info["user_name"].startswith("gh_")
    assert "MiniProgramInfo" not in info
    assert answer["authorization_info"] == {
        "authorizer_appid": KIOSK,
        "authorizer_refresh_token": refresh_token,
        "func_info": [{"funcscope_category": {"id": 6}}],
    }
    assert caller.call(paths.AUTHORIZER_INFO)["errcode"] == 41002


def test_info_of_a_mini_program_has_a_field_of_its_own(caller: PlatformCaller) -> None:
    caller.platform.grants.grant(APP, (19,), caller.clock())
    answer = caller.call(paths.AUTHORIZER_INFO, authorizer_appid=APP)
    assert "MiniProgramInfo" in answer["authorizer_info"]
    assert (answer["authorizer_info"]["alias"], answer["authorizer_info"]["account_status"]) == ("app", 1)
    assert "authorizer_refresh_token" not in answer["authorization_info"]


def test_account_that_does_not_exist_has_no_info(caller: PlatformCaller) -> None:
    caller.platform.grants.grant("wx9", (6,), caller.clock())
    assert caller.call(paths.AUTHORIZER_INFO, authorizer_appid="wx9")["errcode"] == 40013


def test_account_is_created_when_the_platform_first_reads_it(caller: PlatformCaller) -> None:
    world = World(create=lambda appid: Simulator(appid, "secret"), platform=caller.platform)
    caller.world = world
    token = caller.authorize()["authorizer_access_token"]
    assert world.accounts == {}
    assert "kf_list" in caller.kf_list(token)
    assert list(world.accounts) == [SHOP]


# Quotas


def test_quota_shows_the_calls_of_the_day(caller: PlatformCaller) -> None:
    token = caller.authorize()["authorizer_access_token"]
    caller.platform.quotas.limits[paths.AUTHORIZER_TOKEN] = 20

    def quota(token: str, path: str) -> dict[str, object]:
        return caller.post(paths.QUOTA, token=token, cgi_path=path)

    component = caller.token()
    answer = quota(component, paths.COMPONENT_TOKEN)
    assert answer["quota"] == {"daily_limit": 10_000, "used": 2, "remain": 9_998}
    assert answer["component_rate_limit"] == {"call_count": 2000, "refresh_second": 60}
    assert quota(component, paths.AUTHORIZER_TOKEN)["quota"] == {"daily_limit": 20, "used": 0, "remain": 20}
    caller.kf_list(token)
    assert quota(token, protocol.KF_LIST)["quota"] == {"daily_limit": 500_000, "used": 1, "remain": 499_999}
    assert quota(token, paths.AUTHORIZER_TOKEN)["errcode"] == 76021
    assert quota(component, protocol.KF_LIST)["errcode"] == 76021
    assert quota("", protocol.KF_LIST)["errcode"] == 41001
    caller.platform.withdraw(SHOP, caller.clock())
    assert quota(token, protocol.KF_LIST)["errcode"] == 61003


def test_quota_is_cleared_ten_times_a_month(caller: PlatformCaller) -> None:
    caller.platform.quotas.limits[paths.COMPONENT_TOKEN] = 1
    given = {"component_appid": PLATFORM_APPID, "appid": PLATFORM_APPID, "appsecret": PLATFORM_SECRET}
    for _ in range(10):
        caller.token()
        assert caller.component_token()["errcode"] == 45009
        assert caller.post(paths.CLEAR_QUOTA, **given)["errcode"] == 0
    assert caller.post(paths.CLEAR_QUOTA, **given)["errcode"] == 48006
    assert caller.post(paths.CLEAR_QUOTA, **given | {"appid": SHOP})["errcode"] == 61003
    assert caller.post(paths.CLEAR_QUOTA, **given | {"appid": ""})["errcode"] == 41002
    assert caller.post(paths.CLEAR_QUOTA, **given | {"appsecret": "x"})["errcode"] == 40125
    caller.clock.forward(days=31)
    assert caller.post(paths.CLEAR_QUOTA, **given)["errcode"] == 0
