"""The simulated API responds as documented, not as our client would prefer."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import APPID, NOW, VirtualClock
from tests.wechat import ANNA, BO, CREDENTIALS, SECRET, Caller, harbour_tea, simulated
from wechat_kf import KfAccount, protocol
from wechat_kf.simulator import Fault, FaultMode, RequestFault, Seat, Simulator
from wechat_kf.simulator.endpoint import MASK
from wechat_kf.writes import ADD, DELETE, INVITE, UPDATE

FORCED = CREDENTIALS | {"force_refresh": True}
SECOND = timedelta(seconds=1)


@pytest.fixture
def caller() -> Caller:
    return harbour_tea()


@pytest.fixture
def simulator(caller: Caller) -> Simulator:
    return caller.simulator


def test_token_stays_the_same_and_has_its_remaining_life(caller: Caller):
    first = caller.token()
    caller.clock.forward(minutes=50)
    assert caller.token() == {"access_token": first["access_token"], "expires_in": first["expires_in"] - 3000}
    assert first["expires_in"] == 7200


def test_next_token_comes_five_minutes_before_the_end_and_both_work_until_then(caller: Caller):
    first = str(caller.token()["access_token"])
    caller.clock.forward(minutes=114, seconds=59)
    assert caller.token() == {"access_token": first, "expires_in": 301}
    caller.clock.forward(seconds=1)
    second = str(caller.token()["access_token"])
    assert second != first
    for token in (first, second):
        assert "kf_list" in caller.call("GET", protocol.KF_LIST, access_token=token)
    caller.clock.forward(minutes=5)
    assert caller.call("GET", protocol.KF_LIST, access_token=first)["errcode"] == 42001
    assert "kf_list" in caller.call("GET", protocol.KF_LIST, access_token=second)


def test_token_that_expires_early_is_refused_as_expired_and_followed_by_another(caller: Caller):
    first = str(caller.token()["access_token"])
    caller.simulator.tokens.expire()
    assert caller.call("GET", protocol.KF_LIST, access_token=first)["errcode"] == 42001
    second = str(caller.token()["access_token"])
    assert second != first
    assert "kf_list" in caller.call("GET", protocol.KF_LIST, access_token=second)


def test_forced_token_kills_the_one_before(caller: Caller):
    first = str(caller.token()["access_token"])
    forced = str(caller.token(FORCED)["access_token"])
    assert caller.call("GET", protocol.KF_LIST, access_token=first)["errcode"] == 40001
    assert caller.token()["access_token"] == forced


def test_forcing_is_limited_to_every_30_seconds_and_20_times_a_day_in_shanghai(caller: Caller):
    caller.clock.now = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)  # 23:00 in Shanghai
    for _ in range(20):
        assert "access_token" in caller.token(FORCED)
        caller.clock.forward(seconds=29)
        assert caller.token(FORCED)["errcode"] == 45011
        caller.clock.forward(seconds=1)
    assert caller.token(FORCED)["errcode"] == 45009
    caller.clock.now = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
    assert "access_token" in caller.token(FORCED)


@pytest.mark.parametrize(
    ("payload", "errcode"),
    [
        ({**CREDENTIALS, "grant_type": "code"}, 40002),
        ({"appid": APPID, "secret": SECRET}, 40002),
        ({**CREDENTIALS, "appid": ""}, 41002),
        ({**CREDENTIALS, "secret": ""}, 41004),
        ({**CREDENTIALS, "appid": "wx-other"}, 40013),
        ({**CREDENTIALS, "secret": "other"}, 40125),
        (["no", "object"], 47001),
    ],
)
def test_wrong_credentials_are_refused(caller: Caller, payload, errcode):
    assert caller.token(payload)["errcode"] == errcode


@pytest.mark.parametrize(
    ("body", "errcode"), [(b"", 44002), (b"{", 47001), (b"[" * 100_000, 47001), (b"\\u00e9", 40033)]
)
def test_body_that_is_not_raw_json_is_refused(caller: Caller, body, errcode):
    _, answer = caller.raw("POST", protocol.TOKEN, body)
    assert json.loads(answer)["errcode"] == errcode


def test_unlisted_address_is_refused_in_the_recorded_format():
    caller = Caller(Simulator(APPID, SECRET, allow_list=["198.51.100.1"]))
    refusal = caller.token()
    assert refusal["errcode"] == 40164
    assert re.fullmatch(
        r"invalid ip 203\.0\.113\.7 ipv6 ::ffff:203\.0\.113\.7, not in whitelist "
        r"rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}",
        str(refusal["errmsg"]),
    )
    caller.simulator.allow_list = ["203.0.113.7"]
    assert "access_token" in caller.token()
    caller.simulator.allow_list = None
    assert caller.simulator.allow_list is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", protocol.KF_LIST),
        ("GET", protocol.ONLINE_KF_LIST),
        ("POST", ADD),
        ("POST", DELETE),
        ("POST", INVITE),
        ("POST", UPDATE),
    ],
)
def test_every_call_from_an_unlisted_address_is_refused_despite_a_valid_token(caller: Caller, method, path):
    token = str(caller.token()["access_token"])
    caller.simulator.allow_list = ["198.51.100.1"]
    assert caller.call(method, path, access_token=token)["errcode"] == 40164


@pytest.mark.parametrize(
    ("entries", "allowed"),
    [
        (["203.0.113.7"], True),
        (["203.0.113.0/24"], True),
        (["198.51.100.1", "203.0.113.0/29"], True),
        (["203.0.113.8/29"], False),
        (["2001:db8::/32"], False),
        ([], False),
        (None, True),
    ],
)
def test_allow_list_takes_addresses_and_ranges(caller: Caller, entries, allowed):
    caller.simulator.allow_list = entries
    assert ("access_token" in caller.token()) is allowed


@pytest.mark.parametrize("entry", ["203.0.113.*", "203.0.113.7:443", "kf.example.com"])
def test_allow_list_refuses_entries_that_the_platform_refuses(simulator: Simulator, entry):
    with pytest.raises(ValueError, match="does not appear to be"):
        simulator.allow_list = ["203.0.113.7", entry]


def test_answers_have_unique_rids(caller: Caller):
    rids = {str(caller.token({**CREDENTIALS, "secret": "x"})["errmsg"]).rpartition(" ")[2] for _ in range(10)}
    assert len(rids) == 10


@pytest.mark.parametrize(
    ("method", "path", "errcode"),
    [
        ("POST", protocol.KF_LIST, 43001),
        ("POST", protocol.ONLINE_KF_LIST, 43001),
        ("GET", protocol.TOKEN, 43002),
        ("GET", ADD, 43002),
        ("GET", DELETE, 43002),
        ("GET", INVITE, 43002),
        ("GET", UPDATE, 43002),
        ("PUT", UPDATE, 43002),
    ],
)
def test_wrong_method_is_refused(caller: Caller, method, path, errcode):
    assert caller.call(method, path)["errcode"] == errcode


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path", ["/", "/customservice/getkflist", *(f"/cgi-bin{path}" for path in (ADD, DELETE, INVITE, UPDATE))]
)
def test_unknown_path_is_no_page(caller: Caller, method, path):
    assert caller.raw(method, path)[0] == 404


@pytest.mark.parametrize(("query", "errcode"), [({}, 41001), ({"access_token": "bad"}, 40001)])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", protocol.KF_LIST), ("GET", protocol.ONLINE_KF_LIST), ("POST", ADD)]
)
def test_call_without_a_good_token_is_refused(caller: Caller, method, path, query, errcode):
    assert caller.call(method, path, **query)["errcode"] == errcode


def test_kf_calls_are_refused_without_the_feature(caller: Caller, simulator: Simulator):
    simulator.enabled = False
    assert caller.get()["errcode"] == 65400
    assert caller.post(DELETE, kf_account=ANNA) == 65400


def test_rows_have_their_wire_format(caller: Caller, simulator: Simulator):
    simulator.invite(BO, "bo_example", NOW + timedelta(hours=1))
    simulator.add_account("", "Fan", kf_wx="fan_example", kf_openid="oEXAMPLE6")
    _, body = caller.raw("GET", protocol.KF_LIST, access_token=str(caller.token()["access_token"]))
    assert body.decode() == (
        '{"kf_list":['
        r'{"kf_account":"anna@harbour_tea","kf_headimgurl":"http:\/\/mmbiz.example\/1",'
        '"kf_id":2001,"kf_nick":"Anna","kf_wx":"anna_example"},'
        '{"kf_account":"bo@harbour_tea","kf_headimgurl":"","kf_id":2002,"kf_nick":"小波",'
        '"invite_wx":"bo_example","invite_expire_time":1795399920,"invite_status":"waiting"},'
        '{"kf_account":"","kf_headimgurl":"","kf_id":2003,"kf_nick":"Fan",'
        '"kf_wx":"fan_example","kf_openid":"oEXAMPLE6"}]}'
    )


def test_only_logged_in_accounts_are_online(caller: Caller, simulator: Simulator):
    assert caller.get(protocol.ONLINE_KF_LIST) == {"kf_online_list": []}
    simulator.set_online(ANNA, accepted_case=3)
    fan = simulator.add_account("", "Fan", kf_openid="oEXAMPLE6")
    simulator.set_online(fan.key, 2)
    assert caller.get(protocol.ONLINE_KF_LIST)["kf_online_list"] == [
        {"kf_account": ANNA, "status": 1, "kf_id": 2001, "accepted_case": 3},
        {"kf_account": "", "status": 2, "kf_id": 2003, "accepted_case": 0, "kf_openid": "oEXAMPLE6"},
    ]
    simulator.set_online(ANNA, 0)
    assert len(caller.get(protocol.ONLINE_KF_LIST)["kf_online_list"]) == 1


def test_accepted_invitation_binds_and_leaves_the_row(caller: Caller, simulator: Simulator):
    simulator.invite(BO, "bo_example", NOW + timedelta(hours=1))
    simulator.accept(BO)
    assert caller.row(1) == {
        "kf_account": BO,
        "kf_headimgurl": "",
        "kf_id": 2002,
        "kf_nick": "小波",
        "kf_wx": "bo_example",
    }


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (lambda simulator: simulator.reject(BO), "rejected"),
        (lambda simulator: simulator.expire(BO), "expired"),
        (lambda simulator: simulator.relabel(BO, "pondering"), "pondering"),
        (lambda simulator: simulator.withdraw(BO), None),
    ],
)
def test_outcome_of_an_invitation_shows_in_its_row(caller: Caller, simulator: Simulator, action, status):
    simulator.invite(BO, "bo_example", NOW + timedelta(hours=1))
    action(simulator)
    assert caller.row(1).get("invite_status") == status


def test_invitation_without_a_deadline_does_not_expire(caller: Caller, simulator: Simulator):
    simulator.invite(BO, "bo_example", None)
    caller.clock.forward(days=1000)
    assert caller.row(1)["invite_status"] == "waiting"
    assert "invite_expire_time" not in caller.row(1)


@pytest.mark.parametrize(
    ("passed", "status"),
    [(-SECOND, "waiting"), (timedelta(minutes=10) - SECOND, "waiting"), (timedelta(minutes=10), "expired")],
)
def test_lapsed_invitation_is_relabelled_late(passed, status):
    caller = Caller(Simulator(APPID, SECRET, status_lag=timedelta(minutes=10)))
    caller.simulator.add_account(BO, "小波")
    caller.simulator.invite(BO, "bo_example", NOW)
    caller.clock.now = NOW + passed
    assert caller.row()["invite_status"] == status


def test_person_can_unbind_and_an_account_can_be_deleted(caller: Caller, simulator: Simulator):
    simulator.unbind(ANNA)
    assert "kf_wx" not in caller.row()
    simulator.remove(ANNA)
    assert [row["kf_account"] for row in caller.get()["kf_list"]] == [BO]


def test_action_on_an_unknown_account_raises(simulator: Simulator):
    with pytest.raises(KeyError, match="nobody"):
        simulator.unbind("nobody@harbour_tea")
    with pytest.raises(ValueError, match="nobody is invited"):
        simulator.accept(BO)


@pytest.mark.parametrize(
    ("seat", "key"), [(Seat(BO, "", 1, "", "oX"), BO), (Seat("", "", 1, "", "oX"), "oX"), (Seat("", "", 1), "1")]
)
def test_account_is_found_by_its_first_available_name(seat, key):
    assert seat.key == key


@given(st.lists(st.builds(KfAccount, kf_account=st.text(), kf_nick=st.text(), kf_id=st.just("")), max_size=5))
async def test_client_reads_the_simulated_accounts(accounts):
    simulator = Simulator(APPID, SECRET)
    for account in accounts:
        simulator.add_account(account.kf_account, account.kf_nick)
    observed = (await simulated(simulator, VirtualClock()).kf_list()).accounts
    assert [(found.kf_account, found.kf_nick) for found in observed] == [
        (account.kf_account, account.kf_nick) for account in accounts
    ]


def spoiled(caller: Caller, *kinds: FaultMode) -> tuple[int, bytes]:
    token = str(caller.token()["access_token"])
    caller.simulator.invite("bo@harbour_tea", "bo_example", NOW + timedelta(days=1))
    caller.simulator.inject(*(Fault(kind, times=None) for kind in kinds))
    return caller.raw("GET", protocol.KF_LIST, access_token=token)


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        (FaultMode.HTML, 502, rb"<html>"),
        (FaultMode.TRUNCATED, 200, rb'\{"kf_list":\[.*[^}]$'),
        (FaultMode.EMPTY, 200, rb'\{"kf_list":\[\]\}$'),
        (FaultMode.OTHER_LIST, 200, rb'\{"kf_online_list":\[\{'),
        (FaultMode.BOM, 200, rb"\xef\xbb\xbf\{"),
        (FaultMode.CONTROL, 200, rb'.*"kf_nick":"\x0b\x01\nAnna"'),
        (FaultMode.TEXT_NUMBERS, 200, rb'.*http:\\/\\/.*"kf_id":"2001"'),
        (FaultMode.CONTENT_TYPE, 200, rb'\{"kf_list":\[\{'),
        (FaultMode.SLOW, 200, rb'\{"kf_list":\[\{'),
        (FaultMode.DRIP, 200, rb'\{"kf_list":\[\{'),
        (FaultMode.FLOAT_DEADLINES, 200, rb'.*"invite_expire_time":\d{10}\.0[,}]'),
        (FaultMode.MILLISECOND_DEADLINES, 200, rb'.*"invite_expire_time":\d{10}000[,}]'),
        (FaultMode.UNREADABLE_DEADLINES, 200, rb'.*"invite_expire_time":"soon"[,}]'),
        (FaultMode.HUGE_NUMBERS, 200, rb'.*"kf_id":9{5000}[,}]'),
        (FaultMode.DEEP, 200, rb'\{"kf_list":\[{200000}\]'),
        (FaultMode.TOO_LONG, 200, rb'\{"kf_list":.*\]\} {2097152}$'),
        (FaultMode.GZIP, 200, rb"\x1f\x8b"),
        (FaultMode.BOMB, 200, rb"\x1f\x8b.{60000}"),
        (FaultMode.STACKED, 200, rb"\x1f\x8b.{100,1000}$"),
    ],
)
def test_fault_changes_the_response(caller: Caller, kind, status, expected):
    observed, body = spoiled(caller, kind)
    assert observed == status
    assert re.match(expected, body, re.DOTALL)


def test_combined_faults_are_one_error_page(caller: Caller):
    kinds = set(FaultMode) - {FaultMode.DOWN, FaultMode.ERRCODE, FaultMode.ANSWER_LOST}
    assert spoiled(caller, *sorted(kinds, reverse=True))[0] == 502


def test_down_api_answers_nothing(caller: Caller):
    caller.simulator.inject(Fault(FaultMode.DOWN))
    with pytest.raises(ConnectionError):
        caller.token()
    assert caller.simulator.log[-1].status is None
    assert "access_token" in caller.token()


@pytest.mark.parametrize("errcode", [-1, 65400, 99999])
def test_errcode_is_given_as_often_as_it_is_queued(caller: Caller, errcode):
    caller.simulator.inject(Fault(FaultMode.ERRCODE, errcode=errcode, times=2))
    assert [caller.token().get("errcode") for _ in range(3)] == [errcode, errcode, None]


def test_queued_faults_wait_for_their_path_and_their_turn(caller: Caller, simulator: Simulator):
    simulator.inject(
        Fault(FaultMode.ERRCODE, errcode=48001, path=protocol.KF_LIST),
        Fault(FaultMode.ERRCODE, errcode=-1),
        Fault(FaultMode.BOM),
    )
    assert caller.token()["errcode"] == -1
    assert simulator.next_request_fault(protocol.KF_LIST).errcode == 48001
    assert simulator.next_request_fault(protocol.KF_LIST).kinds == {FaultMode.BOM}
    assert simulator.next_request_fault(protocol.KF_LIST) == RequestFault()


def test_fault_that_is_on_stays_until_it_is_cleared(caller: Caller, simulator: Simulator):
    simulator.inject(Fault(FaultMode.ERRCODE, errcode=45009, times=None), Fault(FaultMode.SLOW, seconds=3))
    assert simulator.next_request_fault(protocol.TOKEN).seconds == 3
    assert [caller.token()["errcode"] for _ in range(3)] == [45009] * 3
    simulator.clear_faults()
    assert "access_token" in caller.token()


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        (FaultMode.HTML, "text/html"),
        (FaultMode.CONTENT_TYPE, "text/plain"),
        (FaultMode.BOM, "application/json; encoding=utf-8"),
    ],
)
def test_fault_sets_the_content_type(kind, content_type):
    assert RequestFault((Fault(kind),)).content_type == content_type


@pytest.mark.parametrize(
    ("kind", "content_encoding"),
    [
        (FaultMode.GZIP, "gzip"),
        (FaultMode.BOMB, "gzip"),
        (FaultMode.STACKED, "gzip, gzip"),
        (FaultMode.HTML, ""),
        (FaultMode.SLOW, ""),
    ],
)
def test_fault_sets_the_content_encoding(kind, content_encoding):
    assert RequestFault((Fault(kind),)).content_encoding == content_encoding


def test_drip_delays_each_byte_and_not_the_answer():
    fault = RequestFault((Fault(FaultMode.DRIP, seconds=0.5), Fault(FaultMode.SLOW, seconds=3)))
    assert (fault.drip, fault.seconds) == (0.5, 3)


def test_log_has_each_call_with_masked_secrets(caller: Caller, simulator: Simulator):
    token = str(caller.token()["access_token"])
    caller.call("GET", protocol.KF_LIST, access_token=token, business_id="7")
    caller.call("GET", protocol.KF_LIST, access_token="bad")
    caller.raw("GET", "/nowhere")
    assert [(call.method, call.path, call.status, call.errcode) for call in simulator.log] == [
        ("POST", protocol.TOKEN, 200, 0),
        ("GET", protocol.KF_LIST, 200, 0),
        ("GET", protocol.KF_LIST, 200, 40001),
        ("GET", "/nowhere", 404, 0),
    ]
    assert simulator.log[1].query == {"access_token": MASK, "business_id": "7"}
    assert token not in repr(simulator.log)
    assert SECRET not in repr(simulator.log)
