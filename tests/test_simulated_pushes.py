"""The pushes of the simulated platform: sealed as WeChat seals them, at its times, about what its owners do."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import pytest

from tests.for_each import for_each
from tests.platforms import KIOSK, SHOP, PlatformCaller, opened
from tests.vectors_of_pushes import (
    AES_KEY,
    NONCE,
    PLATFORM_APPID,
    PREVIOUS_AES_KEY,
    RANDOM,
    TIMESTAMP,
    TOKEN,
    VECTORS,
    Vector,
)
from wechat_kf.simulator.component import PushKeys, paths, seal


@pytest.fixture
def caller() -> PlatformCaller:
    return PlatformCaller()


@pytest.mark.parametrize("vector", VECTORS)
def test_push_is_sealed_as_by_another_implementation(vector: Vector) -> None:
    keys = PushKeys(PLATFORM_APPID, TOKEN, vector.key)
    push = seal(vector.message, keys, timestamp=int(TIMESTAMP), nonce=NONCE, random=RANDOM)
    assert (push.body, dict(push.query)) == (vector.body, vector.query)


@for_each("length", range(33))
def test_padding_fills_blocks_of_32_bytes(length: int) -> None:
    keys = PushKeys(PLATFORM_APPID, TOKEN, AES_KEY)
    push = seal("x" * length, keys, timestamp=1, nonce="1", random=RANDOM)
    sealed = base64.b64decode(str(ElementTree.fromstring(push.body).findtext("Encrypt")))
    assert len(sealed) % 32 == 0
    assert len(sealed) > 20 + length + len(PLATFORM_APPID)


def test_push_reveals_nothing_in_its_repr(caller: PlatformCaller) -> None:
    push = caller.platform.push_ticket(caller.clock())
    assert repr(push) == "SealedPush()"
    assert repr(caller.platform.keys) == f"PushKeys(appid='{PLATFORM_APPID}')"


def test_pushes_differ_in_nonce_and_random(caller: PlatformCaller) -> None:
    first, second = (caller.platform.push_ticket(caller.clock()) for _ in range(2))
    assert first.query["nonce"] != second.query["nonce"]
    assert first.body[:150] != second.body[:150]


def test_ticket_is_due_at_the_start_and_every_ten_minutes(caller: PlatformCaller) -> None:
    pushed = []
    for _ in range(25):
        if push := caller.platform.due_ticket(caller.clock()):
            pushed.append(opened(push))
        caller.clock.forward(minutes=1)
    assert [fields["InfoType"] for fields in pushed] == ["component_verify_ticket"] * 3
    assert len({fields["ComponentVerifyTicket"] for fields in pushed}) == 3
    begin, *others = (int(fields["CreateTime"]) for fields in pushed)
    assert others == [begin + 600, begin + 1200]


def test_clock_that_jumps_makes_one_ticket_due(caller: PlatformCaller) -> None:
    assert caller.platform.due_ticket(caller.clock())
    caller.clock.forward(hours=5)
    assert caller.platform.due_ticket(caller.clock())
    assert caller.platform.due_ticket(caller.clock()) is None


def test_stopped_service_pushes_no_ticket_until_it_is_started(caller: PlatformCaller) -> None:
    caller.platform.tickets.is_running = False
    assert caller.platform.due_ticket(caller.clock()) is None
    given = {"component_appid": PLATFORM_APPID, "component_secret": caller.platform.secret}
    assert caller.post(paths.START_PUSH, **given) == {"errcode": 0, "errmsg": "ok"}
    assert caller.platform.due_ticket(caller.clock())
    assert caller.post(paths.START_PUSH, **given) == {"errcode": 0, "errmsg": "in a normal state"}


def test_pushed_ticket_is_the_one_that_the_api_accepts(caller: PlatformCaller) -> None:
    caller.ticket = opened(caller.platform.push_ticket(caller.clock()))["ComponentVerifyTicket"]
    assert caller.ticket.startswith("ticket@@@")
    assert caller.component_token()["expires_in"] == 7200


def test_first_grant_is_pushed_with_its_code_and_later_ones_as_updates(caller: PlatformCaller) -> None:
    now = caller.clock()
    first, second = (opened(caller.platform.grant(SHOP, sets, now)) for sets in ((6,), (6, 19)))
    assert first | {"AuthorizationCode": "", "PreAuthCode": ""} == {
        "AppId": PLATFORM_APPID,
        "CreateTime": str(int(now.timestamp())),
        "InfoType": "authorized",
        "AuthorizerAppid": SHOP,
        "AuthorizationCode": "",
        "AuthorizationCodeExpiredTime": str(int(now.timestamp()) + 3600),
        "PreAuthCode": "",
    }
    assert second["InfoType"] == "updateauthorized"
    assert first["AuthorizationCode"] != second["AuthorizationCode"]
    granted = caller.exchange(second["AuthorizationCode"])["authorization_info"]
    assert granted["func_info"] == [{"funcscope_category": {"id": 6}}, {"funcscope_category": {"id": 19}}]


def test_expiry_of_a_code_can_be_relative(caller: PlatformCaller) -> None:
    caller.platform.has_relative_expiry = True
    assert opened(caller.platform.grant(SHOP, [6], caller.clock()))["AuthorizationCodeExpiredTime"] == "3600"


def test_withdrawal_is_pushed_and_the_next_grant_is_a_first_one_again(caller: PlatformCaller) -> None:
    caller.platform.grant(SHOP, [6], caller.clock())
    fields = opened(caller.platform.withdraw(SHOP, caller.clock()))
    assert (fields["InfoType"], fields["AuthorizerAppid"]) == ("unauthorized", SHOP)
    with pytest.raises(KeyError):
        caller.platform.withdraw(SHOP, caller.clock())
    assert opened(caller.platform.grant(SHOP, [6], caller.clock()))["InfoType"] == "authorized"


def test_owner_grants_only_sets_that_the_platform_requests(caller: PlatformCaller) -> None:
    with pytest.raises(ValueError, match=re.escape("does not request [1]")):
        caller.platform.grant(KIOSK, [1, 6], caller.clock())


def test_changed_key_seals_the_next_push(caller: PlatformCaller) -> None:
    caller.platform.keys = PushKeys(PLATFORM_APPID, TOKEN, PREVIOUS_AES_KEY)
    fields = opened(caller.platform.push_ticket(caller.clock()), PREVIOUS_AES_KEY)
    assert fields["InfoType"] == "component_verify_ticket"
