"""Foreign text: it causes no mention and no markup, and stays within its limits."""

from __future__ import annotations

import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from bot import text
from bot.blocks import names
from bot.demo import blockkit
from bot.text import ACCOUNT, ERRMSG, NAME, STATUS_WORD, TYPED, clean, escape, fold, units
from tests.accounts import account
from tests.for_each import for_each
from tests.samples import CONTEXT

LIMITS = st.sampled_from([NAME, ACCOUNT, STATUS_WORD, TYPED, ERRMSG])
MENTIONS = ["<!channel>", "<@U123>", "<https://evil|bank>", "&amp;"]
MARKUP = [*"*_~`:：＿…<>a1中", ":tada:", "a_b"]
EMOJI = ["👩‍👩‍👧‍👦", "👩", "🏽", "🇨🇳", "*️⃣", "\u200d", "\ufe0f"]
ODD = ["\u202e", "\u2066", "\u200b", "\u3164", "\u2800", "\x00", "\n", "\u3000", " ", "\ud800", "\U000e0041"]
MARKS = ["e\u0301", "\u0301", "\u0d4e"]
HOSTILE = st.lists(st.sampled_from([*MENTIONS, *MARKUP, *EMOJI, *ODD, *MARKS])).map("".join)
ANYTHING = st.text(st.characters(codec=None)) | HOSTILE


def cleaned(foreign: str) -> str:
    return clean(foreign, NAME)


@for_each(
    ("foreign", "expected"),
    [
        ("<!channel> *sale*", "＜!channel＞ ＊sale＊"),
        ("harbour_tea", "harbour_tea"),
        ("_sale_ a__b", "＿sale＿ a＿＿b"),
        ("~gone~ `code`", "～gone～ ｀code｀"),
        (":tada: :客服:", "：tada： ：客服："),
        ("9:30, a: b", "9:30, a: b"),
        ("R&D", "R&D"),
        (" a \t\n b\u3000c\xa0d ", "a b c d"),
        ("ev\u202eil\u2066\u200b\x07", "evil"),
        ("broken \ud83d half", "broken half"),
        ("\u3164\u200b\u2800", ""),
        ("family 👩‍👩‍👧‍👦 ❤️", "family 👩‍👩‍👧‍👦 ❤️"),
        ("joined\u200dletters\ufe0f", "joinedletters"),
        ("Z" + "\u0301" * 50, "Z" + "\u0301" * 4),
    ],
)
def test_foreign_text_is_escaped_and_stays_readable(foreign, expected):
    assert cleaned(foreign) == expected


@pytest.mark.parametrize(
    ("foreign", "limit", "expected"),
    [
        ("客" * 24, NAME, "客" * 24),
        ("客" * 25, NAME, "客" * 23 + "…"),
        ("👩‍👩‍👧‍👦" * 8, NAME, "👩‍👩‍👧‍👦" * 7 + "…"),
        ("a\u0301\u0301\u0301" * 24, NAME, "a\u0301\u0301\u0301" * 19 + "…"),
        ("x" * 64, ACCOUNT, "x" * 64),
        ("x" * 65, ACCOUNT, "x" * 63 + "…"),
        ("word " * 20, TYPED, ("word " * 7) + "word…"),
        ("a\u0d4e" + "\u0d4e" * 200, NAME, "a…"),
    ],
)
def test_long_text_is_cut_between_graphemes(foreign, limit, expected):
    assert clean(foreign, limit) == expected


@given(ANYTHING, LIMITS)
def test_clean_text_has_no_mentions_and_no_markup(foreign, limit):
    harmless = clean(foreign, limit)
    assert not set(harmless) & set("<>*~`")
    assert not regex.search(r":[\w+'-]+:", harmless)
    message = {"text": escape(harmless) or "-", "blocks": [_section(f"*{escape(harmless)}*")]}
    assert blockkit.problems(message) == []
    assert blockkit.mentions(message) == []


@given(ANYTHING, LIMITS)
def test_clean_text_is_on_one_line_within_its_limits(foreign, limit):
    harmless = clean(foreign, limit)
    assert len(regex.findall(r"\X", harmless)) <= limit.graphemes
    assert units(harmless) <= limit.units
    assert harmless == harmless.strip()
    assert not regex.search(r"[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]|\s\s", harmless)
    assert {char for char in harmless if unicodedata.category(char) == "Cf"} <= {"\u200d"}
    harmless.encode()  # no half of a surrogate pair is left


@given(ANYTHING, LIMITS)
def test_cleaning_twice_changes_nothing(foreign, limit):
    once = clean(foreign, limit)
    assert clean(once, limit) == once


@given(ANYTHING, ANYTHING, ANYTHING)
def test_name_of_an_account_is_never_empty(nick, kf_account, kf_id):
    odd = account(kf_nick=nick, kf_account=kf_account, kf_id=kf_id)
    assert names.name_of(nick, CONTEXT)
    assert names.account_of(odd.key, kf_id, CONTEXT)
    assert names.label_of(odd, CONTEXT)
    assert "•••" in text.masked(nick)


@pytest.mark.parametrize(("raw", "escaped"), [("<", "&lt;"), (">", "&gt;"), ("&", "&amp;"), ("&lt;", "&amp;lt;")])
def test_escaping_makes_each_character_of_markup_harmless_by_itself(raw, escaped):
    assert escape(f"a{raw}b") == f"a{escaped}b"


def test_ampersand_is_escaped_in_mrkdwn_only():
    assert cleaned("A&B <x>") == "A&B ＜x＞"
    assert text.mrkdwn("A&B <x>", NAME) == "A&amp;B ＜x＞"


def test_account_is_named_by_its_best_known_field():
    assert names.name_of("", CONTEXT) == "(no name)"
    assert names.account_of("bo@harbour_tea", "2002", CONTEXT) == "bo@harbour_tea"
    assert names.account_of("oEXAMPLE_openid", "2006", CONTEXT) == "oEXAMPLE_openid"
    assert names.account_of("2006", "2006", CONTEXT) == "seat 2006"
    assert names.account_of("\u200b", "2006", CONTEXT) == "seat 2006"
    assert names.account_of("", "", CONTEXT) == "(no account)"


@pytest.mark.parametrize(
    ("wechat_id", "expected"),
    [("bo_example", "bo•••le"), ("12345678", "12•••78"), ("1234567", "•••"), ("", "•••"), (None, "•••")],
)
def test_masked_ids_keep_two_letters_at_each_end(wechat_id, expected):
    assert text.masked(wechat_id) == expected


def test_search_ignores_case_width_and_kinds_of_quotes():
    assert fold("Ｃhen “客服”\u200b　０８") == fold('CHEN "客服" 08')


def test_numbers_have_a_singular_and_a_plural():
    assert text.many(1, "row") == "1 row"
    assert text.many(2, "process", "processes") == "2 processes"


def _section(mrkdwn: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn}}
