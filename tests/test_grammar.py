"""What a person types, and what a button sends back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.blocks import values
from bot.blocks.kit import MAX_OPTION_VALUE
from bot.blocks.text import units
from bot.episodes import NEEDS_ATTENTION, Seen
from bot.grammar import (
    MAX_TEXT,
    Find,
    Help,
    List,
    Overview,
    Show,
    Status,
    Unknown,
    one_edit_apart,
    parse,
    parse_value,
)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", Overview()),
        ("  \u3000 ", Overview()),
        ("“”", Overview()),
        ("list", List()),
        ("  LIST  ", List()),
        ("list rejected", List(1, (Seen.REJECTED,))),
        ("list 3", List(3)),
        ("rejected 2", List(2, (Seen.REJECTED,))),
        ("all", List()),
        *((state.value, List(1, (state,))) for state in Seen),
        ("Ｒｅｊｅｃｔｅｄ", List(1, (Seen.REJECTED,))),
        ("“rejected”", List(1, (Seen.REJECTED,))),
        ("\u200blist", List()),
        ("find chen", Find("chen")),
        ("FIND  Chen\u3000Li", Find("Chen Li")),
        ("find “chen”", Find("chen")),
        ('"find chen"', Find("chen")),
        ("find <@U012AB3CD|mei>", Find("mei")),
        ("find <@U012AB3CD>", Find("U012AB3CD")),
        ("find <mailto:a@b.example|a@b.example>", Find("a@b.example")),
        ("find <https://a.example>", Find("https://a.example")),
        ("find &lt;!channel&gt; R&amp;D", Find("<!channel> R&D")),
        ("find <!channel>", Find("<!channel>")),
        ("find &amp;lt;", Find("&lt;")),
        ("find " + "x" * 5000, Find("x" * MAX_TEXT)),
        ("show chen@harbour_tea", Show("chen@harbour_tea")),
        ("find", Help("find")),
        ("show “”", Help("show")),
        ("show \u200b", Help("show")),
        ("find \u2060\u200d", Help("find")),
        ("?", Help()),
        ("？", Help()),
        ("-h", Help()),
        ("--help", Help()),
        ("list page 2", List(2)),
        ("rejected page 2", List(2, (Seen.REJECTED,))),
        ("attention", List(1, NEEDS_ATTENTION)),
        ("list attention 2", List(2, NEEDS_ATTENTION)),
        ("expired rejected", List(1, (Seen.REJECTED, Seen.EXPIRED))),
        ("expiring rejected expired unknown", List(1, NEEDS_ATTENTION)),
        ("/kf list", List()),
        ("KF rejected", List(states=(Seen.REJECTED,))),
        ("/kf", Overview()),
        ("kfoo", Unknown("kfoo")),
        ("unbound", List(states=(Seen.IDLE,))),
        ("list -1", List()),
        ("list 0", List()),
        ("list 99999", List(99999)),
        ("status", Status()),
        ("help me", Help()),
    ],
)
def test_a_command_is_understood_however_it_is_typed(typed, expected):
    assert parse(typed) == expected


@pytest.mark.parametrize(
    ("typed", "typo_of", "nearest"),
    [
        ("rejcted", List(1, (Seen.REJECTED,)), List(1, (Seen.REJECTED,))),
        ("rejcted 2", List(2, (Seen.REJECTED,)), List(2, (Seen.REJECTED,))),
        ("list rejcted", List(1, (Seen.REJECTED,)), List(1, (Seen.REJECTED,))),
        ("lst bound", List(1, (Seen.BOUND,)), List(1, (Seen.BOUND,))),
        ("Fnd chen", Find("chen"), Find("chen")),
        ("shw", Help("show"), Help("show")),
        ("hlep me", Help(), Help()),
        ("statsu", Status(), Status()),
        ("rejctde", None, List(1, (Seen.REJECTED,))),
        ("xyzzy plugh", None, None),
        ("小波", None, None),
    ],
)
def test_other_words_bring_the_command_with_a_typing_error_and_the_nearest_one(typed, typo_of, nearest):
    assert parse(typed) == Unknown(typed, typo_of, nearest)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("help", "hlep", True),
        ("help", "helo", True),
        ("help", "hel", True),
        ("help", "xhelp", True),
        ("help", "help", False),
        ("help", "heplx", False),
        ("help", "ehpl", False),
        ("list", "ilts", False),
        ("a", "b", True),
        ("", "a", True),
        ("", "", False),
        ("", "ab", False),
    ],
)
def test_one_edit_is_a_letter_more_less_or_other_or_a_swap_of_two(a, b, expected):
    assert (one_edit_apart(a, b), one_edit_apart(b, a)) == (expected, expected)


@given(st.text(st.characters(codec=None)))
def test_anything_can_be_typed_and_clicked(text):
    parse(text)
    parse_value(text)
    parse_value(f"v1:{text}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (values.HELP, Help()),
        (values.OVERVIEW, Overview()),
        (values.STATUS, Status()),
        (values.listing(1), List()),
        (values.listing(3, (Seen.REJECTED,)), List(3, (Seen.REJECTED,))),
        (values.listing(2, NEEDS_ATTENTION), List(2, NEEDS_ATTENTION)),
        (values.listing(1, (Seen.WAITING, Seen.IDLE)), List(1, (Seen.WAITING, Seen.IDLE))),
        (values.found(2, "a:b:c"), Find("a:b:c", 2)),
        (values.show("a:b:c"), Show("a:b:c")),
        (values.show("chen@harbour_tea"), Show("chen@harbour_tea")),
    ],
)
def test_what_a_button_was_given_is_read_again(value, expected):
    assert parse_value(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", "v0:overview", "v2:overview", "overview", "v1:", "v1:overview:", "v1:status:x"),
        *("v1:list", "v1:list:1", "v1:list:0:all", "v1:list:x:all", "v1:list:9999999999:all", "v1:list:-1:all"),
        *(
            "v1:list:1:removed",
            "v1:list:1:all:x",
            "v1:list:²:all",
            "v1:list:1:",
            "v1:list:1:rejected,",
            "v1:list:1:all,rejected",
            "v1:find:1:",
            "v1:find:1",
            "v1:find:0:x",
        ),
        *("v1:show:", "v1:show", f"v1:show:{'x' * 201}", f"v1:find:1:{'x' * 201}"),
        *("v1:9f2c41d07be3", "v1:config_problem"),  # of alerts, which others read
    ],
)
def test_an_odd_value_is_no_request(value):
    assert parse_value(value) is None


@given(st.text(st.characters(codec=None)))
def test_the_handle_of_any_key_fits_a_menu_and_comes_back(key):
    handle = values.handle(key)
    assert units(values.show(handle)) <= MAX_OPTION_VALUE
    assert parse_value(values.show(handle)) == Show(handle)
    assert handle.isprintable()


def test_a_key_stays_as_it_is_while_a_menu_holds_it():
    assert values.handle("x" * 142) == "x" * 142
    assert values.handle("x" * 143).startswith("~")


def test_keys_that_are_too_long_alike_keep_apart():
    assert values.handle("x" * 500 + "a") != values.handle("x" * 500 + "b")
