"""WeChat's page of consent in the simulator: what its address must be like, and where it leads."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.platforms import (
    APP,
    AUTHORIZED,
    DESKTOP,
    DOMAIN,
    KIOSK,
    SHOP,
    START,
    PlatformCaller,
    desktop_link,
    opened,
    phone_link,
)
from wechat_kf.simulator import AccountType
from wechat_kf.simulator.component import Consent, LinkRefusedError, paths


@pytest.fixture
def caller() -> PlatformCaller:
    return PlatformCaller()


def consent(caller: PlatformCaller, link: str, appid: str = SHOP, *, referer: str = START) -> Consent:
    return caller.platform.authorize(link, caller.world[appid], [6], caller.clock(), referer=referer)


def reason(caller: PlatformCaller, link: str, appid: str = SHOP, *, referer: str = START) -> str:
    with pytest.raises(LinkRefusedError) as refused:
        consent(caller, link, appid, referer=referer)
    return str(refused.value)


@pytest.mark.parametrize("link", [phone_link, desktop_link])
def test_consent_leads_back_with_the_code_that_is_pushed(caller: PlatformCaller, link) -> None:
    code = caller.code()
    given = consent(caller, link(code))
    assert given.address.startswith(f"{AUTHORIZED}&auth_code=queryauthcode%40%40%40")
    answer = dict(parse_qsl(urlsplit(given.address).query))
    assert (answer["s"], answer["x"], answer["expires_in"]) == ("EXAMPLE", "1", "3600")
    pushed = opened(given.push)
    assert (pushed["InfoType"], pushed["PreAuthCode"]) == ("authorized", code)
    assert pushed["AuthorizationCode"] == answer["auth_code"]
    assert caller.exchange(answer["auth_code"])["authorization_info"]["authorizer_appid"] == SHOP
    assert "auth_code" not in repr(given)


def test_address_without_a_query_gets_one(caller: PlatformCaller) -> None:
    given = consent(caller, phone_link(caller.code(), redirect_uri=f"https://{DOMAIN}/authorized"))
    assert given.address.startswith(f"https://{DOMAIN}/authorized?auth_code=")


def test_code_of_the_link_is_for_one_consent(caller: PlatformCaller) -> None:
    link = phone_link(caller.code())
    consent(caller, link)
    assert "was used" in reason(caller, link)
    assert "unknown" in reason(caller, phone_link("preauthcode@@@EXAMPLE"))


def test_code_of_the_link_expires(caller: PlatformCaller) -> None:
    answer = caller.call(paths.PRE_AUTH_CODE)
    assert answer["expires_in"] == 1800
    caller.clock.forward(minutes=30)
    assert "expired" in reason(caller, phone_link(answer["pre_auth_code"]))


def test_desktop_page_must_be_opened_by_a_click_on_the_start_domain(caller: PlatformCaller) -> None:
    link = desktop_link(caller.code())
    assert reason(caller, link, referer="") == f"the entry page's domain is empty, not {DOMAIN}"
    assert "is other.example" in reason(caller, link, referer="https://other.example/")
    assert consent(caller, link, referer=f"https://{DOMAIN}/")
    assert consent(caller, phone_link(caller.code()), referer="")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"component_appid": SHOP}, "of no platform"),
        ({"redirect_uri": "https://other.example/authorized"}, f"redirect_uri is not on {DOMAIN}"),
        ({"redirect_uri": ""}, f"redirect_uri is not on {DOMAIN}"),
        ({"auth_type": "4"}, "auth_type is not 1, 2 or 3"),
        ({"auth_type": ""}, "exactly one of auth_type and biz_appid"),
        ({"biz_appid": SHOP}, "exactly one of auth_type and biz_appid"),
        ({"action": ""}, "action is not bindcomponent"),
        ({"no_scan": "0"}, "no_scan is not 1"),
    ],
)
def test_page_refuses_an_address_with_a_mistake(caller: PlatformCaller, changes, problem: str) -> None:
    assert problem in reason(caller, phone_link(caller.code(), **changes))


def test_page_refuses_an_address_that_is_not_encoded_or_incomplete(caller: PlatformCaller) -> None:
    link = desktop_link(caller.code())
    assert "unknown parameter x" in reason(caller, f"{link}&x=1")
    assert "#wechat_redirect" in reason(caller, phone_link(caller.code()).partition("#")[0])
    assert "no such page" in reason(caller, link.replace(DESKTOP, "https://mp.weixin.qq.com/other"))


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ({"auth_type": "1"}, [SHOP, KIOSK]),
        ({"auth_type": "2"}, [APP]),
        ({"auth_type": "3"}, [SHOP, KIOSK, APP]),
        ({"auth_type": "", "biz_appid": APP}, [APP]),
    ],
)
def test_link_decides_which_accounts_can_be_chosen(caller: PlatformCaller, choice, chosen) -> None:
    for appid in (SHOP, KIOSK, APP):
        link = phone_link(caller.code(), **choice)
        if appid in chosen:
            assert consent(caller, link, appid)
        else:
            assert reason(caller, link, appid) == "this account cannot be chosen here"


def test_unpublished_platform_is_for_its_test_list(caller: PlatformCaller) -> None:
    caller.platform.is_published = False
    caller.platform.test_list.add(SHOP)
    link = phone_link(caller.code())
    with pytest.raises(LinkRefusedError) as refused:
        consent(caller, link, KIOSK)
    assert refused.value.errcode == 61028
    assert consent(caller, link, SHOP)


def test_page_opens_as_often_as_its_code_is_valid(caller: PlatformCaller) -> None:
    link = phone_link(caller.code())
    for _ in range(2):
        assert caller.platform.open_page(link, caller.clock()).admits(SHOP, AccountType.VERIFIED)
    consent(caller, link)
    with pytest.raises(LinkRefusedError, match="was used"):
        caller.platform.open_page(link, caller.clock())


def test_platform_that_starts_over_has_issued_and_been_granted_nothing(caller: PlatformCaller) -> None:
    token = caller.authorize()["authorizer_access_token"]
    caller.platform.start_over()
    assert caller.component_token()["errcode"] == 61006
    assert caller.platform.due_ticket(caller.clock() - timedelta(days=1))
    assert caller.kf_list(token)["errcode"] == 40001
    assert caller.platform.grants.in_force == []
