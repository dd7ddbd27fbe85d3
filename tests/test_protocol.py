"""The protocol: requests, and the parsing of any response."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.for_each import for_each
from tests.wechat import ACCESS_TOKEN, SECRET, fixture
from wechat_kf import (
    APIError,
    BusyError,
    Invitation,
    KfAccount,
    KfError,
    KfList,
    OnlineKf,
    ResponseError,
    SetupError,
    TokenError,
    protocol,
)

FIELDS = [
    "kf_account",
    "kf_nick",
    "kf_id",
    "kf_headimgurl",
    "kf_wx",
    "invite_wx",
    "invite_expire_time",
    "invite_status",
    "kf_openid",
]
any_text = st.text(st.characters(exclude_categories=()))  # half characters included
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)
any_row = st.dictionaries(st.sampled_from(FIELDS) | any_text, any_json) | any_json
real_text = st.text(min_size=1)
moments = st.integers(1, 253_402_300_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
accounts = st.builds(
    KfAccount,
    kf_account=st.text(),
    kf_nick=st.text(),
    kf_id=st.integers(min_value=1).map(str),
    kf_headimgurl=st.text(),
    kf_wx=st.none() | real_text,
    kf_openid=st.none() | real_text,
    invitation=st.none()
    | st.builds(Invitation, invite_wx=real_text, status=st.text(), expires_at=st.none() | moments),
)


def kf_list_of(*rows: object) -> KfList:
    return protocol.parse_kf_list(protocol.parse_body(json.dumps({"kf_list": rows}).encode()))


def row_of(account: KfAccount, *, as_text: bool) -> dict[str, object]:
    """Return the row that WeChat would send: numbers as either type, no key for missing values."""
    row: dict[str, object] = {
        "kf_account": account.kf_account,
        "kf_nick": account.kf_nick,
        "kf_id": account.kf_id if as_text else int(account.kf_id),
        "kf_headimgurl": account.kf_headimgurl,
        "kf_wx": account.kf_wx,
        "kf_openid": account.kf_openid,
    }
    if invitation := account.invitation:
        row |= {"invite_wx": invitation.invite_wx, "invite_status": invitation.status}
        if invitation.expires_at:
            seconds = int(invitation.expires_at.timestamp())
            row["invite_expire_time"] = str(seconds) if as_text else seconds
    return {name: value for name, value in row.items() if value is not None}


def test_request_has_the_token_in_its_query_and_not_in_its_repr():
    request = protocol.get(protocol.KF_LIST, ACCESS_TOKEN)
    assert (request.method, request.query) == ("GET", {"access_token": ACCESS_TOKEN})
    assert str(request) == "GET /cgi-bin/customservice/getkflist"
    assert ACCESS_TOKEN not in repr(request)


def test_secret_travels_in_the_body_in_normal_mode_as_raw_utf8():
    request = protocol.stable_token("wx€", SECRET)
    assert json.loads(request.body) == {
        "grant_type": "client_credential",
        "appid": "wx€",
        "secret": SECRET,
        "force_refresh": False,
    }
    assert "wx€".encode() in request.body
    assert (request.method, request.path, request.query) == ("POST", "/cgi-bin/stable_token", {})
    assert SECRET not in repr(request)


def test_list_of_all_states_is_read_whole():
    assert protocol.parse_kf_list(protocol.parse_body(fixture("kf_list"))) == KfList(
        (
            KfAccount(
                kf_account="anna@harbour_tea",
                kf_nick="Anna",
                kf_id="2001",
                kf_headimgurl="http://mmbiz.qpic.cn/mmbiz_png/EXAMPLE1/300?wx_fmt=png",
                kf_wx="anna_example",
            ),
            KfAccount(
                kf_account="bo@harbour_tea",
                kf_nick="小波",
                kf_id="2002",
                invitation=Invitation("bo_example", "waiting", datetime.fromtimestamp(1795003600, UTC)),
            ),
            KfAccount(
                kf_account="chen@harbour_tea",
                kf_nick="Chen",
                kf_id="2003",
                invitation=Invitation("chen_example", "rejected", datetime.fromtimestamp(1794990000, UTC)),
            ),
            KfAccount(
                kf_account="dee@harbour_tea",
                kf_nick="Dee",
                kf_id="2004",
                invitation=Invitation("dee_example", "expired", datetime.fromtimestamp(1794900000, UTC)),
            ),
            KfAccount(kf_account="eve@harbour_tea", kf_nick="Eve", kf_id="2005"),
            KfAccount(
                kf_account="",
                kf_nick="Fan",
                kf_id="2006",
                kf_wx="fan_example",
                kf_openid="oEXAMPLE_openid_000000000006",
            ),
        )
    )


def test_vendors_example_is_the_answer_of_another_interface():
    answer = protocol.parse_body(fixture("kf_list_vendor_example"))
    with pytest.raises(ResponseError, match=r"no kf_list, but 'kf_online_list'"):
        protocol.parse_kf_list(answer)
    assert protocol.parse_online_kf_list(answer) == (
        OnlineKf("test1@test", "1001", status=1, accepted_case=1),
        OnlineKf("test2@test", "1002", status=1, accepted_case=2),
    )


def test_online_list_is_read():
    answer = protocol.parse_body(fixture("online_kf_list"))
    assert protocol.parse_online_kf_list(answer) == (OnlineKf("anna@harbour_tea", "2001", 1, 3),)


def test_online_row_may_lack_what_newer_answers_lack():
    rows = [{"kf_account": "", "kf_id": 7, "status": "odd", "kf_openid": "oX"}, "no object"]
    (online,) = protocol.parse_online_kf_list({"kf_online_list": rows})
    assert online == OnlineKf("", "7", status=None, accepted_case=None, kf_openid="oX")
    assert online.key == "oX"


@pytest.mark.parametrize("broken", [{}, {"kf_list": None}, {"kf_list": {}}, {"kf_list": "none"}])
def test_answer_without_a_list_is_broken_and_not_empty(broken):
    with pytest.raises(ResponseError, match="kf_list"):
        protocol.parse_kf_list(broken)


def test_empty_list_is_an_answer():
    assert kf_list_of() == KfList(())


def test_rows_that_are_not_objects_are_counted():
    observed = kf_list_of({"kf_account": "a@b"}, None, 7, ["x"])
    assert [account.kf_account for account in observed.accounts] == ["a@b"]
    assert observed.unreadable == 3
    assert not observed.complete
    assert kf_list_of({}).complete


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"kf_account": "a@b", "kf_openid": "oX", "kf_id": 1}, "a@b"),
        ({"kf_account": "", "kf_openid": "oX", "kf_id": 1}, "oX"),
        ({"kf_account": None, "kf_openid": "", "kf_id": 1}, "1"),
        ({}, ""),
    ],
)
def test_account_key_is_the_first_available_name(row, key):
    assert kf_list_of(row).accounts[0].key == key


@for_each(
    ("wire", "expected"),
    [
        (1795003600, datetime.fromtimestamp(1795003600, UTC)),
        ("1795003600", datetime.fromtimestamp(1795003600, UTC)),
        (1, datetime.fromtimestamp(1, UTC)),
        (0, None),
        ("0", None),
        (-1, None),
        ("", None),
        (None, None),
        ("soon", None),
        (1795003600.0, datetime.fromtimestamp(1795003600, UTC)),
        ("1795003600.0", datetime.fromtimestamp(1795003600, UTC)),
        ("1.7950036e9", datetime.fromtimestamp(1795003600, UTC)),
        (1795003600000, datetime.fromtimestamp(1795003600, UTC)),  # milliseconds
        (1795003600123.0, datetime.fromtimestamp(1795003600, UTC)),
        (253402300799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (253402300800, datetime(1978, 1, 11, 21, 31, 40, tzinfo=UTC)),
        (253402300799999, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (253402300800000, None),
        (1795003600.5, None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999999999", None),
        (10**30, None),
        ("9" * 5000, None),
        ([], None),
        ({"x": 1}, None),
    ],
)
def test_deadline_is_unix_seconds_or_not_known(wire, expected):
    (account,) = kf_list_of({"invite_wx": "bo_example", "invite_expire_time": wire}).accounts
    assert account.invitation == Invitation("bo_example", "", expected)


@for_each(
    ("wire", "expected"),
    [
        ("soon", "soon"),
        (-1, "-1"),
        (1795003600.5, "1795003600.5"),
        (10**30, "1" + "0" * 30),
        ("9" * 5000, "9" * protocol.MAX_QUOTED),
        ({"x": 1}, '{"x": "1"}'),
        (0, None),
        ("0", None),
        ("0.0", None),
        ("", None),
        (None, None),
        ([], None),
        (1795003600, None),
    ],
)
def test_deadline_that_cannot_be_read_is_reported_with_its_account(wire, expected):
    listed = kf_list_of({"kf_account": "bo@harbour_tea", "invite_wx": "bo_example", "invite_expire_time": wire})
    assert listed.unreadable_deadlines == ((("bo@harbour_tea", expected),) if expected else ())


def test_list_of_more_rows_than_any_account_has_is_refused():
    rows = [{}] * (protocol.MAX_ROWS + 1)
    assert len(protocol.parse_kf_list({"kf_list": rows[1:]}).accounts) == protocol.MAX_ROWS
    with pytest.raises(ResponseError, match="kf_list has 1001 rows"):
        protocol.parse_kf_list({"kf_list": rows})
    with pytest.raises(ResponseError, match="kf_online_list has 1001 rows"):
        protocol.parse_online_kf_list({"kf_online_list": rows})


@pytest.mark.parametrize("errcode", ["9" * 4000, "-" + "9" * 4000, 2**31, "1e30"])
def test_errcode_beyond_any_code_is_not_quoted_whole(errcode):
    with pytest.raises(ResponseError, match="errcode is no number") as caught:
        protocol.parse_body(json.dumps({"errcode": errcode}).encode())
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("row", [{}, {"invite_wx": "", "invite_expire_time": 0, "invite_status": ""}])
def test_account_without_invite_fields_has_no_invitation(row):
    assert kf_list_of(row).accounts[0].invitation is None


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("pondering", "pondering"),
        ("Waiting ", "Waiting "),
        (3, "3"),
        (1.50, "1.5"),
        (True, "true"),
        (["a"], '["a"]'),
    ],
)
def test_unknown_status_is_kept_verbatim(wire, expected):
    (account,) = kf_list_of({"invite_status": wire}).accounts
    assert account.invitation == Invitation("", expected, None)


def test_long_numbers_are_parsed():
    body = b'{"kf_list":[{"kf_id":%s,"kf_nick":1e999}]}' % (b"9" * 5000)
    (account,) = protocol.parse_kf_list(protocol.parse_body(body)).accounts
    assert (account.kf_id, account.kf_nick) == ("9" * 5000, "1e999")


def test_lone_surrogate_becomes_the_replacement_character():
    body = rb'{"kf_list":[{"kf_nick":"a\ud83d","kf_account":"\ude00"}]}'
    (account,) = protocol.parse_kf_list(protocol.parse_body(body)).accounts
    assert (account.kf_nick, account.kf_account) == ("a\ufffd", "\ufffd")


def test_too_deeply_nested_value_counts_as_absent():
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]
    (account,) = protocol.parse_kf_list({"kf_list": [{"kf_nick": deep, "kf_id": "1"}]}).accounts
    assert (account.kf_nick, account.kf_id) == ("", "1")


@given(st.lists(any_row))
def test_malformed_values_do_not_invalidate_the_list(rows):
    observed = kf_list_of(*rows)
    assert len(observed.accounts) + observed.unreadable == len(rows)
    for account in observed.accounts:
        assert isinstance(account.key, str)
        repr(account).encode()  # nothing in it that a store or a socket could not take
        assert isinstance(hash(account), int)


@given(st.lists(any_row))
def test_malformed_values_do_not_invalidate_the_online_list(rows):
    body = json.dumps({"kf_online_list": rows}).encode()
    online = protocol.parse_online_kf_list(protocol.parse_body(body))
    assert len(online) == sum(isinstance(row, dict) for row in rows)


@given(st.lists(accounts), st.booleans(), st.booleans())
def test_parsed_list_equals_the_source(expected, as_text, as_ascii):
    rows = [row_of(account, as_text=as_text) for account in expected]
    body = json.dumps({"kf_list": rows}, ensure_ascii=as_ascii).encode()
    assert protocol.parse_kf_list(protocol.parse_body(body)) == KfList(tuple(expected))


@given(st.binary())
def test_any_bytes_give_a_result_or_a_kf_error(body):
    try:
        answer = protocol.parse_body(body)
    except KfError:
        return
    assert isinstance(answer, dict)


@given(st.text(), st.text())
def test_unreadable_body_reveals_no_secret(before, after):
    with pytest.raises(ResponseError) as caught:
        protocol.parse_body(f"<{before}{ACCESS_TOKEN}{after}".encode(), secrets=[ACCESS_TOKEN])
    assert ACCESS_TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"kf_list":[{"kf_nick":"Fan"}]}',
        b'{"kf_list":[{"kf_nick":"Fan"}]}\r\n',
        b'{"errcode":0,"errmsg":"ok","kf_list":[{"kf_nick":"Fan"}]}',
        b'{"errcode":null,"kf_list":[{"kf_nick":"Fan"}]}',
        b'{"errcode":"0","kf_list":[{"kf_nick":"Fan"}]}',
    ],
)
def test_response_is_parsed_inside_any_wrapping(body):
    assert protocol.parse_kf_list(protocol.parse_body(body)) == KfList((KfAccount("", "Fan", ""),))


def test_raw_control_characters_and_broken_utf8_stay_inside_their_string():
    body = b'{"kf_list":[{"kf_nick":"F\x01a\nn\xff"}]}'
    assert protocol.parse_kf_list(protocol.parse_body(body)).accounts[0].kf_nick == "F\x01a\nn\ufffd"


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"ok"', b"<html>502</html>", b'{"kf_list":[{"kf_', b"[" * 200_000]
)
def test_body_that_is_not_an_object_is_reported_as_broken(body):
    with pytest.raises(ResponseError, match=rf"no JSON object, {len(body)} bytes"):
        protocol.parse_body(body)


@pytest.mark.parametrize("errcode", ['"system error"', "true", "[1]", "bareword"])
def test_errcode_that_is_not_a_number_is_reported_as_broken(errcode):
    with pytest.raises(ResponseError):
        protocol.parse_body(b'{"errcode":%s}' % errcode.encode())


@pytest.mark.parametrize("errcode", ["-1", '"-1"'])
def test_errcode_may_be_a_number_or_its_digits(errcode):
    with pytest.raises(BusyError) as caught:
        protocol.parse_body(b'{"errcode":%s}' % errcode.encode())
    assert (caught.value.errcode, caught.value.errmsg) == (-1, "")


def test_refused_address_has_the_format_of_the_allow_list():
    with pytest.raises(SetupError) as caught:
        protocol.parse_body(fixture("refused_40164"))
    assert caught.value.address == "203.0.113.7"
    assert caught.value.rid == "6740a1b2-11223344-55667788"
    assert caught.value.errmsg == "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist"


@pytest.mark.parametrize(
    ("errmsg", "address"),
    [
        ("invalid ip 203.0.113.7, not in whitelist hint: [EXAMPLEhint01]", "203.0.113.7"),
        ("invalid ip ::ffff:203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist", "203.0.113.7"),
        ("invalid ip 2001:db8::7, not in whitelist", "2001:db8::7"),
        ("access clientip is not registered requestIP: 203.0.113.7 rid: 6740a1b2", "203.0.113.7"),
        ("invalid ip <!channel>, not in whitelist", None),
        ("not in whitelist", None),
    ],
)
def test_address_is_found_in_every_form_of_the_message(errmsg, address):
    with pytest.raises(SetupError) as caught:
        protocol.parse_body(json.dumps({"errcode": 61004, "errmsg": errmsg}).encode())
    assert caught.value.address == address


def test_token_error_keeps_its_message_without_the_tail():
    with pytest.raises(TokenError) as caught:
        protocol.parse_body(fixture("refused_40001"))
    assert caught.value.errmsg.endswith("more details at https://mmbizurl.cn/s/EXAMPLE")
    assert caught.value.rid == "6740a1b2-11223344-55667789"


@pytest.mark.parametrize(
    ("tail", "rid"),
    [
        ("", None),
        (" rid: 6740a1b2-11223344-5566778a", "6740a1b2-11223344-5566778a"),
        (", rid: 6740a1b2-11223344-5566778a", "6740a1b2-11223344-5566778a"),
        (" rid:", None),
        (" hint: [EXAMPLEhint01]", None),
        (" hint: [EXAMPLE!] rid: 6740a1b2-11223344-5566778a ", "6740a1b2-11223344-5566778a"),
        (" rid: 6740a1b2-11223344-5566778a, hint: [EXAMPLE!]", "6740a1b2-11223344-5566778a"),
    ],
)
def test_tail_of_a_message_is_cut_and_its_rid_kept(tail, rid):
    with pytest.raises(APIError) as caught:
        protocol.parse_body(json.dumps({"errcode": 65401, "errmsg": f"no such account{tail}"}).encode())
    assert (caught.value.errmsg, caught.value.rid) == ("no such account", rid)


def test_errcode_0_is_not_an_error():
    assert protocol.parse_body(fixture("quota"))["errmsg"] == "ok"


def test_open_invitation_error_advises_to_wait():
    with pytest.raises(BusyError) as caught:
        protocol.parse_body(fixture("refused_65411"))
    assert caught.value.errmsg == "a effective invitation to bind the custom service account exists"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"secret {SECRET} is wrong", "secret … is wrong"),  # by its form alone
        (f"GET /x?access_token={ACCESS_TOKEN}&a=1", "GET /x?access_token=…&a=1"),
        ("could get access_token by getStableAccessToken", "could get access_token by getStableAccessToken"),
    ],
)
def test_text_like_a_credential_is_masked(text, expected):
    assert protocol.redact(text) == expected


def test_error_that_quotes_our_token_is_masked():
    body = json.dumps({"errcode": 40001, "errmsg": f"bad {ACCESS_TOKEN} rid: 6740a1b2"}).encode()
    with pytest.raises(TokenError) as caught:
        protocol.parse_body(body, secrets=[ACCESS_TOKEN, "bad"])  # "bad" is too short to be a credential
    assert str(caught.value) == "bad … (errcode 40001, rid 6740a1b2)"


def test_error_that_quotes_the_shortest_wechat_id_is_masked():
    with pytest.raises(APIError) as caught:
        protocol.parse_body(b'{"errcode":65409,"errmsg":"no user bo_exa"}', secrets=["bo_exa"])
    assert caught.value.errmsg == "no user …"


def test_cut_answer_is_quoted_without_its_values():
    with pytest.raises(ResponseError) as caught:
        protocol.parse_body(b'{"access_token":"87_EX')
    assert str(caught.value) == """no JSON object, 22 bytes: '{"access_token":"…'"""


def test_page_that_quotes_our_url_is_quoted_without_its_query():
    with pytest.raises(ResponseError) as caught:
        protocol.parse_body(b"<p>https://h/getkflist?access_token=abc not found</p>")
    assert str(caught.value).endswith("'<p>https://h/getkflist?… not found</p>'")


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the machine's time zone to New York."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_utc")
@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun Nov  6 08:49:37 1994", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 06 Nov 1994 16:49:37 +0800", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 25:49:37 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("Fri, 31 Dec 9999 23:59:59 -99999999999999999999", None),
        ("1795396320", None),
    ],
)
def test_date_header_is_a_datetime_or_none(date, expected):
    reply = protocol.parse_response(b'{"kf_list":[]}', date=date)
    assert reply.served_at == expected
    assert expected is None or reply.served_at.tzinfo is UTC


@given(st.text() | st.text(alphabet="0123456789 :,+-JanGMT"))
def test_malformed_date_header_does_not_invalidate_a_response(date):
    reply = protocol.parse_response(b'{"errcode":0}', date=date)
    assert reply.served_at is None or reply.served_at.utcoffset() == timedelta(0)


def test_response_without_a_date_has_no_time_and_an_error_is_still_raised():
    assert protocol.parse_response(b"{}") == protocol.WeChatResponse({}, None)
    with pytest.raises(TokenError):
        protocol.parse_response(b'{"errcode":40001}', date="Sun, 06 Nov 1994 08:49:37 GMT")


def test_token_is_read_with_its_life():
    issued = protocol.parse_token(protocol.parse_body(fixture("token")))
    assert issued == protocol.IssuedToken(ACCESS_TOKEN, 4312)
    assert ACCESS_TOKEN not in repr(issued)


@pytest.mark.parametrize(
    "broken", [{}, {"access_token": "t"}, {"expires_in": "7200"}, {"access_token": "t", "expires_in": "soon"}]
)
def test_token_without_a_life_is_broken(broken):
    with pytest.raises(ResponseError, match="access_token"):
        protocol.parse_token(broken)
