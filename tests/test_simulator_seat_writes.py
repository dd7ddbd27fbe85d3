"""The simulated API carries out writes as documented, or fails as WeChat does."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.conftest import NOW
from tests.wechat import ANNA, BO, Caller, harbour_tea
from wechat_kf import protocol
from wechat_kf.simulator import AccountType, Fault, FaultMode, RequestFault, Simulator
from wechat_kf.writes import ADD, DELETE, INVITE, UPDATE

SECOND = timedelta(seconds=1)
EVE = "eve@harbour_tea"
WRITES = {
    ADD: {"kf_account": EVE, "nickname": "Eve"},
    DELETE: {"kf_account": BO},
    INVITE: {"kf_account": BO, "invite_wx": "bo_example"},
    UPDATE: {"kf_account": BO, "nickname": "夜班一号"},
}


@pytest.fixture
def caller() -> Caller:
    return harbour_tea()


@pytest.fixture
def simulator(caller: Caller) -> Simulator:
    return caller.simulator


def test_account_is_added_invited_and_deleted(caller: Caller, simulator: Simulator):
    assert caller.post(ADD, kf_account="eve@harbour_tea", nickname="Eve") == 0
    assert caller.post(INVITE, kf_account="eve@harbour_tea", invite_wx="eve_example") == 0
    row = caller.row(2)
    assert (row["kf_nick"], row["invite_wx"], row["invite_status"]) == ("Eve", "eve_example", "waiting")
    assert row["invite_expire_time"] == int((NOW + simulator.invitation_life).timestamp())
    assert "kf_wx" not in row
    assert caller.post(DELETE, kf_account="eve@harbour_tea") == 0
    assert len(caller.get()["kf_list"]) == 2


@pytest.mark.parametrize(
    ("payload", "errcode"),
    [
        ({"kf_account": "eve", "nickname": "Eve"}, 65404),
        ({"kf_account": "@harbour_tea", "nickname": "Eve"}, 65404),
        ({"kf_account": "elevenchars@harbour_tea", "nickname": "Eve"}, 65404),
        ({"kf_account": "é@harbour_tea", "nickname": "Eve"}, 65404),
        ({"kf_account": "eve@another", "nickname": "Eve"}, 65404),
        ({"kf_account": "eve@harbour_tea", "nickname": ""}, 65403),
        ({"kf_account": "eve@harbour_tea", "nickname": "波" * 17}, 65403),
        ({"kf_account": ANNA, "nickname": "Anna"}, 65406),
        ({"kf_account": "eve@harbour_tea"}, 40097),
        ({"kf_account": 1, "nickname": "Eve"}, 40097),
    ],
)
def test_invalid_new_account_is_refused(caller: Caller, payload, errcode):
    assert caller.post(ADD, **payload) == errcode


def test_accounts_are_limited_to_a_hundred(caller: Caller):
    errcodes = [caller.post(ADD, kf_account=f"k{n}@harbour_tea", nickname="K" * 16) for n in range(99)]
    assert errcodes == [0] * 98 + [65405]


@pytest.mark.parametrize("kf_account", ["eve@harbour_tea", ""])
@pytest.mark.parametrize("path", [DELETE, INVITE])
def test_unknown_account_is_refused(caller: Caller, simulator: Simulator, path, kf_account):
    simulator.add_account("", "Fan", kf_openid="oEXAMPLE6")
    assert caller.post(path, kf_account=kf_account, invite_wx="eve_example") == 65401


@pytest.mark.parametrize(
    ("kf_account", "invite_wx", "errcode"),
    [
        (ANNA, "dee_example", 65412),  # bound
        (BO, "anna_example", 65407),  # she has an account
        (BO, "eve_example", 65408),  # invited to another account
        (BO, "+49 170", 65409),
        (BO, "short", 65409),
        (BO, "crowded_example", 65410),
        ("eve@harbour_tea", "dee_example", 65411),  # has a live invitation
        (BO, "lapsed_example", 0),  # invited elsewhere, but too late to accept
        ("lapsed@harbour_tea", "dee_example", 0),
    ],
)
def test_invalid_invitation_is_refused(caller: Caller, simulator: Simulator, kf_account, invite_wx, errcode):
    simulator.add_account("eve@harbour_tea", "Eve")
    simulator.invite("eve@harbour_tea", "eve_example", NOW + SECOND)
    simulator.add_account("lapsed@harbour_tea", "Lapsed")
    simulator.invite("lapsed@harbour_tea", "lapsed_example", NOW)
    assert caller.post(INVITE, kf_account=kf_account, invite_wx=invite_wx) == errcode


def test_person_who_rejected_may_be_invited_again_at_once(caller: Caller, simulator: Simulator):
    assert caller.post(INVITE, kf_account=BO, invite_wx="bo_example") == 0
    first = caller.row(1)
    simulator.reject(BO)
    caller.clock.forward(seconds=60)
    assert caller.post(INVITE, kf_account=BO, invite_wx="bo_example") == 0
    assert caller.row(1) == first | {"invite_expire_time": first["invite_expire_time"] + 60}


def write(caller: Caller, path: str) -> object:
    """Make the valid write of this kind, and return its errcode."""
    return caller.post(path, **WRITES[path])


def takes_effect(caller: Caller, path: str) -> bool:
    """Return whether WeChat has carried the write out, whatever the list shows."""
    seats = {seat.kf_account: seat for seat in caller.simulator.seats}
    return {
        ADD: EVE in seats,
        DELETE: BO not in seats,
        INVITE: BO in seats and seats[BO].invite_wx == "bo_example",
        UPDATE: BO in seats and seats[BO].kf_nick == "夜班一号",
    }[path]


def test_paths_are_the_documented_ones():
    assert WRITES.keys() == {
        "/customservice/kfaccount/add",
        "/customservice/kfaccount/del",
        "/customservice/kfaccount/inviteworker",
        "/customservice/kfaccount/update",
    }


@pytest.mark.parametrize("path", WRITES)
def test_write_takes_effect_once_it_is_accepted(caller: Caller, path):
    assert not takes_effect(caller, path)
    assert write(caller, path) == 0
    assert takes_effect(caller, path)


def test_renamed_account_keeps_all_but_its_name(caller: Caller):
    before = caller.row(1)
    assert write(caller, UPDATE) == 0
    assert caller.row(1) == before | {"kf_nick": "夜班一号"}
    assert caller.row(0)["kf_nick"] == "Anna"


def test_rename_to_the_present_name_is_accepted_with_another_text(caller: Caller):
    token = str(caller.token()["access_token"])
    answers = [
        caller.call("POST", UPDATE, {"kf_account": ANNA, "nickname": name}, access_token=token)
        for name in ("Anna", "Ann")
    ]
    assert answers == [{"errcode": 0, "errmsg": "in a normal state"}, {"errcode": 0, "errmsg": "ok"}]


@pytest.mark.parametrize(
    ("payload", "errcode"),
    [
        ({"kf_account": EVE, "nickname": "Eve"}, 65401),
        ({"kf_account": "", "nickname": "Eve"}, 65401),
        ({"kf_account": ANNA, "nickname": ""}, 65403),
        ({"kf_account": ANNA, "nickname": "波" * 17}, 65403),
        ({"kf_account": ANNA, "nickname": "波" * 16}, 0),
        ({"kf_account": ANNA}, 40097),
        ({"nickname": "Eve"}, 40097),
    ],
)
def test_invalid_name_is_refused(caller: Caller, payload, errcode):
    assert caller.post(UPDATE, **payload) == errcode


@pytest.mark.parametrize(
    ("account_type", "refused"),
    [
        (AccountType.VERIFIED, set()),
        (AccountType.MINI_PROGRAM, {UPDATE}),
        (AccountType.UNVERIFIED, {*WRITES, protocol.KF_LIST, protocol.ONLINE_KF_LIST}),
    ],
)
def test_calls_that_the_kind_of_account_may_not_make_answer_48001(
    caller: Caller, simulator: Simulator, account_type, refused
):
    simulator.account_type = account_type
    errcodes = {path: write(caller, path) for path in (UPDATE, INVITE, ADD, DELETE)}
    errcodes |= {path: caller.get(path).get("errcode", 0) for path in (protocol.KF_LIST, protocol.ONLINE_KF_LIST)}
    assert errcodes == {path: 48001 if path in refused else 0 for path in errcodes}
    simulator.account_type = AccountType.VERIFIED
    assert caller.post(UPDATE, kf_account=ANNA, nickname="Ann") == 0


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", 44002),
        (b"kf_account=bo@harbour_tea", 47001),
        (b'["bo@harbour_tea"]', 47001),
        (b'{"kf_account":"bo@harbour_tea","nickname":"\\u5c0f\\u6ce2"}', 40033),
    ],
)
@pytest.mark.parametrize("path", WRITES)
def test_write_whose_body_is_not_raw_json_is_refused(caller: Caller, path, body, errcode):
    token = str(caller.token()["access_token"])
    _, answer = caller.raw("POST", path, body, access_token=token)
    assert json.loads(answer)["errcode"] == errcode
    assert not takes_effect(caller, path)


def test_write_takes_its_fields_from_the_body_only(caller: Caller):
    token = str(caller.token()["access_token"])
    answer = caller.call("POST", DELETE, {}, access_token=token, kf_account=BO)
    assert answer["errcode"] == 40097
    assert not takes_effect(caller, DELETE)


@pytest.mark.parametrize("errcode", [-1, 40132, 45009, 61450, 61452, *range(65400, 65413)])
@pytest.mark.parametrize("path", WRITES)
def test_next_write_can_be_refused_with_any_errcode(caller: Caller, simulator: Simulator, path, errcode):
    simulator.inject(Fault(FaultMode.ERRCODE, errcode=errcode, path=path))
    token = str(caller.token()["access_token"])
    answer = caller.call("POST", path, WRITES[path], access_token=token)
    assert answer["errcode"] == errcode
    assert not str(answer["errmsg"]).startswith("api error")
    assert not takes_effect(caller, path)
    assert write(caller, path) == 0


@pytest.mark.parametrize("path", WRITES)
def test_lost_answer_is_that_of_a_write_which_takes_effect(caller: Caller, simulator: Simulator, path):
    simulator.inject(Fault(FaultMode.ANSWER_LOST, path=path))
    with pytest.raises(ConnectionResetError):
        write(caller, path)
    assert takes_effect(caller, path)
    assert (simulator.log[-1].path, simulator.log[-1].status) == (path, None)


@pytest.mark.parametrize("path", WRITES)
def test_write_to_a_down_api_has_no_effect(caller: Caller, simulator: Simulator, path):
    simulator.inject(Fault(FaultMode.DOWN, path=path))
    with pytest.raises(ConnectionError):
        write(caller, path)
    assert not takes_effect(caller, path)


@pytest.mark.parametrize("kind", [FaultMode.HTML, FaultMode.TRUNCATED])
def test_corrupt_answer_is_that_of_a_write_which_takes_effect(caller: Caller, simulator: Simulator, kind):
    simulator.inject(Fault(kind, path=INVITE))
    token = str(caller.token()["access_token"])
    caller.raw("POST", INVITE, json.dumps(WRITES[INVITE]).encode(), access_token=token)
    assert takes_effect(caller, INVITE)


@pytest.mark.parametrize("path", WRITES)
def test_write_that_is_not_done_is_answered_like_others(caller: Caller, simulator: Simulator, path):
    simulator.inject(Fault(FaultMode.NOT_DONE, path=path))
    before = caller.get()
    assert write(caller, path) == 0
    assert not takes_effect(caller, path)
    assert caller.get() == before
    assert write(caller, path) == 0
    assert takes_effect(caller, path)


def test_write_that_is_not_done_is_refused_like_others(caller: Caller, simulator: Simulator):
    simulator.inject(Fault(FaultMode.NOT_DONE, path=DELETE))
    assert caller.post(DELETE, kf_account=EVE) == 65401


@pytest.mark.parametrize("reads", [1, 2])
@pytest.mark.parametrize("path", WRITES)
def test_list_shows_a_write_late(caller: Caller, simulator: Simulator, path, reads):
    simulator.inject(Fault(FaultMode.LIST_LAG, path=path, reads=reads))
    before = caller.get()
    assert write(caller, path) == 0
    assert takes_effect(caller, path)
    assert [caller.get() == before for _ in range(reads + 2)] == [True] * reads + [False] * 2


def test_writes_are_hidden_for_their_own_number_of_reads(caller: Caller, simulator: Simulator):
    simulator.inject(Fault(FaultMode.LIST_LAG, times=None, path=UPDATE, reads=2))

    def rename(name: str) -> None:
        assert caller.post(UPDATE, kf_account=BO, nickname=name) == 0

    def shown() -> object:
        return caller.row(1)["kf_nick"]

    rename("first")
    assert shown() == "小波"
    rename("second")
    assert [shown() for _ in range(3)] == ["小波", "first", "second"]


def test_refused_write_hides_nothing(caller: Caller, simulator: Simulator):
    simulator.inject(Fault(FaultMode.LIST_LAG, times=None, path=INVITE))
    assert caller.post(INVITE, kf_account=ANNA, invite_wx="eve_example") == 65412
    simulator.add_account(EVE, "Eve")
    assert caller.row(2)["kf_nick"] == "Eve"


def test_refused_read_of_the_list_does_not_count(caller: Caller, simulator: Simulator):
    simulator.inject(Fault(FaultMode.LIST_LAG, path=UPDATE))
    assert write(caller, UPDATE) == 0
    simulator.inject(Fault(FaultMode.ERRCODE, path=protocol.KF_LIST))
    assert caller.get()["errcode"] == -1
    assert [caller.row(1)["kf_nick"] for _ in range(2)] == ["小波", "夜班一号"]


def test_delays_before_and_after_a_request_is_carried_out_are_separate():
    slow, late = Fault(FaultMode.SLOW, seconds=3), Fault(FaultMode.ANSWER_LATE, seconds=5)
    assert [
        (fault.seconds, fault.answer_delay) for fault in map(RequestFault, [(slow,), (late,), (slow, late)])
    ] == [
        (3, 0),
        (0, 5),
        (3, 5),
    ]
