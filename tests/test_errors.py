"""Each errcode maps to an error class, which fixes the caller's next step, and to advice for people."""

from __future__ import annotations

import pytest

from tests.for_each import for_each
from wechat_kf import (
    APIError,
    BusyError,
    KfError,
    QuotaError,
    ResponseError,
    SetupError,
    TokenError,
    TransportError,
)
from wechat_kf.advice import ADVICE, Next, Place
from wechat_kf.errors import api_error

FAMILY: dict[type[APIError], tuple[int, ...]] = {
    TokenError: (40001, 40014, 42001),
    BusyError: (-1, 45011, 45047, 61005, 61006, 61450, 65408, 65411),
    QuotaError: (45009,),
    SetupError: (
        *(40013, 40125, 40164, 40243, 48001, 48004, 50002, 50004, 50007),
        *(61000, 61001, 61002, 61003, 61004, 61007, 61009, 61010, 61011, 61016, 61017, 61023, 61024, 61028),
        *(65400, 65402, 65410, 65415),
        *range(89501, 89508),
    ),
    APIError: (
        *(40002, 40003, 40005, 40009, 40033, 40097, 40132, 41001, 41002, 41004, 41005),
        *(43001, 43002, 43003, 43004, 44002, 47001, 48006, 61014, 61015, 61451, *range(61452, 61458)),
        *(65401, 65403, 65404, 65405, 65406, 65407, 65409, 65412, 65413, 65414, 65416, 65417),
        *(76001, 76002, 76003, 76021, 76022),
    ),
}


@pytest.mark.parametrize(("expected", "errcodes"), FAMILY.items())
def test_errcode_maps_to_the_error_class_for_the_callers_next_step(expected, errcodes):
    assert {errcode: type(api_error(errcode, "refused")) for errcode in errcodes} == dict.fromkeys(
        errcodes, expected
    )


def test_advice_exists_for_exactly_the_documented_errcodes():
    assert sorted(ADVICE) == sorted(errcode for errcodes in FAMILY.values() for errcode in errcodes)


def test_advice_is_a_sentence_of_its_own():
    for errcode in ADVICE:
        advice = api_error(errcode, "refused").advice
        assert advice[0].isupper(), errcode
        assert advice.endswith("."), errcode
        assert "  " not in advice, errcode


def test_secret_and_allow_list_are_on_the_developer_platform_and_other_setup_of_an_account_in_the_console():
    by_place = {place: {code for code, known in ADVICE.items() if known.place is place} for place in Place}
    setup = {code for code, known in ADVICE.items() if known.next is Next.SETUP}
    moved = {40001, 40014, 42001, 40125, 40164, 40243, *range(89501, 89508)}
    of_platform = {code for code in setup if 61000 <= code < 61100}
    assert by_place == {Place.DEVELOPER_PLATFORM: moved, Place.CONSOLE: setup - moved - of_platform}


@pytest.mark.parametrize(
    ("words", "place"),
    [("WeChat's developer platform", Place.DEVELOPER_PLATFORM), ("WeChat console", Place.CONSOLE)],
)
def test_advice_that_names_a_page_of_wechat_leads_to_it(words, place):
    places = {errcode: known.place for errcode, known in ADVICE.items() if words in known.text}
    assert places == dict.fromkeys(places, place) != {}


def test_advice_on_the_developer_platform_names_it():
    named = [known.text for known in ADVICE.values() if known.place is Place.DEVELOPER_PLATFORM]
    assert [text for text in named if "on WeChat's developer platform" not in text] == []


@for_each("errcode", [48001, 61002, 61007, 61016, 61017])
@for_each("words", ["verification", "1, 6, 19 or 100-101"])
def test_missing_permission_names_verification_and_the_permission_sets(errcode, words):
    assert words in api_error(errcode, "api unauthorized").advice


def test_undocumented_errcode_has_advice():
    error = api_error(99999, "news")
    assert type(error) is APIError
    assert "rid" in error.advice


def test_text_of_an_api_error_has_the_details_that_support_needs():
    error = api_error(40164, "invalid ip", rid="6740a1b2-11223344-55667788", address="203.0.113.7")
    assert str(error) == "invalid ip (errcode 40164, rid 6740a1b2-11223344-55667788)"
    assert (error.errmsg, error.rid, error.address) == ("invalid ip", "6740a1b2-11223344-55667788", "203.0.113.7")


def test_api_error_without_a_rid_mentions_none():
    assert str(api_error(-1, "system error")) == "system error (errcode -1)"


def test_transport_error_counts_its_attempts():
    fault = TransportError("GET /x: HTTP 407", status=407, proxy=True, sent=False).after(3)
    assert str(fault) == "GET /x: HTTP 407 (after 3 attempts)"
    assert (fault.attempts, fault.status, fault.proxy, fault.timed_out, fault.sent) == (3, 407, True, False, False)


@pytest.mark.parametrize("cls", [TransportError, ResponseError, *FAMILY])
def test_every_error_is_a_kf_error(cls):
    assert issubclass(cls, KfError)
