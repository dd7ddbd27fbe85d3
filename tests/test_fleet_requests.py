"""Commands that name an Official Account, or are about all of them."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.operations.operation import OperationKind
from bot.requests import (
    MAX_TEXT,
    Find,
    Help,
    List,
    Operate,
    Overview,
    Show,
    ShowStatus,
    Unknown,
    in_order,
    parse_command,
)
from bot.tenant_requests import AccountsOverview, AllAccounts, parse_fleet, split_account
from tests.for_each import for_each

APPID = "wx0123456789abcdef"
REJECTED, EXPIRED = (AccountStatus.REJECTED,), (AccountStatus.EXPIRED,)


@for_each(
    ("typed", "named", "request_"),
    [
        ("@harbour", "harbour", Overview()),
        ("@harbour list rejected", "harbour", List(1, REJECTED)),
        ("list @harbour rejected 2", "harbour", List(2, REJECTED)),
        ("list rejected @harbour", "harbour", List(1, REJECTED)),
        ("rejected in:harbour", "harbour", List(1, REJECTED)),
        ("status @harbour", "harbour", ShowStatus()),
        ("find @harbour bo", "harbour", Find("bo")),
        ("@harbour find bo", "harbour", Find("bo")),
        ("in:harbour show anna@harbour_tea", "harbour", Show("anna@harbour_tea")),
        ("rename @harbour chen 夜班一号", "harbour", Operate(OperationKind.RENAME, "chen 夜班一号")),
        ("/kf @harbour list", "harbour", List()),
        ("@harbour /kf list", "harbour", List()),
        ("ｌｉｓｔ ＠ＨＡＲＢＯＵＲ", "harbour", List()),
        ("＠海港", "海港", Overview()),
        ("＠海港 已拒绝", "海港", List(1, REJECTED)),
        ("列表\u3000@海港\u3000第2页", "海港", List(2)),
        ("ＩＮ：海港 查找小波", "海港", Find("小波")),
        ("查找 @海港 小波", "海港", Find("小波")),
        ("查找：　@海港 小波", "海港", Find("小波")),
        ("in:@harbour", "harbour", Overview()),
        ("“@harbour” list", "harbour", List()),
        ('"@harbour list"', "harbour", List()),
        (APPID, APPID, Overview()),
        (f"list {APPID.upper()} rejected", APPID, List(1, REJECTED)),
        (f"in:{APPID}", APPID, Overview()),
        ("<@U012AB3CD|harbour> list", "harbour", List()),
        ("list <@U012AB3CD|harbour tea>", "harbour tea", List()),
        ("find @harbour R&amp;amp;D", "harbour", Find("R&amp;D")),
        ("find @harbour", "harbour", Help("find")),
        ("@a @b", "a", None),
        ("@a find @b", "a", Find("@b")),
    ],
)
def test_account_is_named_anywhere_before_a_free_text(typed, named, request_):
    word, rest = split_account(typed)
    assert word == named
    assert request_ is None or parse_command(rest) == request_


@for_each(
    "typed",
    [
        "",
        "list rejected",
        "show anna@harbour_tea",
        "find  anna@harbour_tea ",
        "find bo @harbour",
        "/kf find bo @harbour",
        "查找小波 @海港",
        "搜 小波 @海港",
        "add eve in:house",
        "find bo wx0123456789abcdef",
        "@",
        "in:",
        "“@”",
        "win:dow",
        "wx0123456789abcdef0",
        "wx0123456789abcdeg",
        "find <@U012AB3CD>",
        "<mailto:a@b.example|a@b.example>",
    ],
)
def test_text_without_an_account_is_returned_unchanged(typed):
    assert split_account(typed) == ("", typed)


def test_second_account_stays_text():
    assert split_account("@harbour list @kiosk") == ("harbour", "list @kiosk")
    assert split_account("in:harbour @kiosk") == ("harbour", "@kiosk")


def test_word_of_any_length_is_cut_like_a_search():
    assert split_account("@" + "x" * 5000)[0] == "x" * MAX_TEXT


MARKED = re.compile(r"@|in:|wx[0-9a-f]{16}")
words = st.sampled_from(
    [
        "list",
        "find",
        "查找",
        "@harbour",
        "＠海港",
        "in:x",
        APPID,
        "accounts",
        "all",
        "公众号",
        "2",
        "rejected",
        "/kf",
    ]
)


@given(st.text(st.characters(codec=None)) | st.lists(words | st.text(max_size=8)).map(" ".join))
def test_no_text_raises_and_only_a_mark_or_an_appid_makes_an_account(text):
    named, rest = split_account(text)
    parse_fleet(text)
    parse_command(rest)
    plain = "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cf"))
    if not MARKED.search(unicodedata.normalize("NFKC", plain).casefold()) and "<@" not in text:
        assert (named, rest) == ("", text)


@for_each(
    ("typed", "expected"),
    [
        ("accounts", AccountsOverview()),
        ("/kf ＡＣＣＯＵＮＴＳ", AccountsOverview()),
        ("accounts 2", AccountsOverview(2)),
        ("accounts page 2", AccountsOverview(2)),
        ("accounts rejected", AccountsOverview(1, REJECTED)),
        ("accounts attention 3", AccountsOverview(3, NEEDS_ATTENTION)),
        ("accounts Harbour Tea", AccountsOverview(text="Harbour Tea")),
        ("accounts “harbour”", AccountsOverview(text="harbour")),
        ("accounts " + "x" * 5000, AccountsOverview(text="x" * MAX_TEXT)),
        ("公众号", AccountsOverview()),
        ("账号列表", AccountsOverview()),
        ("公眾號", AccountsOverview()),
        ("帳號列表 2", AccountsOverview(2)),
        ("公众号 已拒绝", AccountsOverview(1, REJECTED)),
        ("公众号已拒绝", AccountsOverview(1, REJECTED)),
        ("公众号第2页", AccountsOverview(2)),
        ("公众号 海港", AccountsOverview(text="海港")),
        ("全部公众号", AccountsOverview()),
        ("全部公众号 2", AccountsOverview(2)),
        ("全部公众号 海港", AccountsOverview(text="海港")),
        ("all rejected", AllAccounts(REJECTED)),
        ("ALL expired rejected 2", AllAccounts(REJECTED + EXPIRED, 2)),
        ("all 已拒绝", AllAccounts(REJECTED)),
        ("all attention", AllAccounts(NEEDS_ATTENTION)),
        ("全部公众号 已拒绝", AllAccounts(REJECTED)),
        ("全部公众号已拒绝、已过期 第2页", AllAccounts(REJECTED + EXPIRED, 2)),
        ("所有公眾號 需要處理", AllAccounts(NEEDS_ATTENTION)),
    ],
)
def test_command_about_all_official_accounts_is_understood(typed, expected):
    assert parse_fleet(typed) == expected


@for_each(
    "typed",
    [
        "",
        "all",
        "all 2",
        "all page 2",
        "all chen",
        "全部",
        "全部 已拒绝",
        "公众号客服",
        "list",
        "find accounts",
        "accountss",
    ],
)
def test_any_other_command_keeps_its_meaning(typed):
    assert parse_fleet(typed) is None


CHINESE = dict(
    zip(AccountStatus, ("即将过期", "已拒绝", "已过期", "未知状态", "等待确认", "未绑定", "已绑定"), strict=True)
)


@given(
    st.sets(st.sampled_from(AccountStatus), min_size=1).map(in_order),
    st.integers(1, 10**9 - 1),
    st.booleans(),
)
def test_command_with_states_and_a_page_means_the_same_in_both_languages(states, page, chinese):
    spoken = [CHINESE[state] for state in states] if chinese else states
    accounts, everything, turned = (
        ("公众号", "全部公众号", f"第{page}页") if chinese else ("accounts", "all", str(page))
    )
    assert parse_fleet(" ".join([accounts, *spoken, turned])) == AccountsOverview(page, states)
    assert parse_fleet(" ".join([everything, *spoken, turned])) == AllAccounts(states, page)


@pytest.mark.parametrize("typed", ["accounts", "公众号", "账号列表", "全部公众号"])
def test_installation_with_one_official_account_still_reads_such_a_word_as_a_name(typed):
    assert isinstance(parse_command(typed), Unknown)
