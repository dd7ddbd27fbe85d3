"""Commands in Chinese, in both scripts, and the spelling of commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerting.episode import AccountStatus
from bot.command_words import one_edit_apart
from bot.operations.operation import OperationKind
from bot.requests import (
    Find,
    Help,
    History,
    Known,
    List,
    Operate,
    Overview,
    Show,
    ShowStatus,
    Unknown,
    parse_command,
)
from tests.for_each import for_each

LISTS = {
    "list": "列表 全部 清单 清單",
    "expiring": "即将过期 快过期 将过期 即將過期 快過期 將過期",
    "rejected": "已拒绝 被拒绝 拒绝 已拒絕 被拒絕 拒絕",
    "expired": "已过期 过期 已過期 過期",
    "waiting": "等待确认 待确认 等待 等待確認 待確認",
    "bound": "已绑定 绑定 已綁定 綁定",
    "idle": "未绑定 空闲 未綁定 空閒",
    "unknown": "未知状态 未知 未知狀態",
    "attention": "需要处理 待处理 需要處理 待處理",
}
BEFORE_TEXT = {
    "find": "查找 搜索 寻找 搜寻 尋找 搜尋",
    "show": "查看 详情 詳情",
    "invite": "邀请 重新邀请 邀请绑定 邀請 重新邀請 邀請綁定",
    "add": "添加 新增 新建",
    "rename": "改名 重命名 改昵称 改暱稱",
    "delete": "删除 刪除",
    "history": "操作记录 记录 历史 操作記錄 記錄 歷史",
}
BEFORE_BLANK = {"find": "搜 找", "show": "看"}
OTHERS = {
    "": "概览 首页 概覽 首頁",
    "status": "状态 运行状态 狀態 運行狀態",
    "help": "帮助 说明 幫助 說明 ? ？",
}


def pairs(*tables: dict[str, str]) -> list[tuple[str, str]]:
    """Return each Chinese word with its English one."""
    return [(word, english) for table in tables for english, words in table.items() for word in words.split()]


LIST_WORDS = pairs(LISTS)
WORDS = pairs(LISTS, BEFORE_TEXT, BEFORE_BLANK, OTHERS)


@for_each(("word", "english"), WORDS)
def test_chinese_word_alone_means_its_english_word(word, english):
    meant = parse_command(english)
    assert not isinstance(meant, Unknown)
    assert [parse_command(typed) for typed in (word, f" 「{word}」\u3000", f"/kf {word}")] == [meant] * 3


@for_each(("word", "english"), LIST_WORDS)
def test_page_follows_the_word_of_a_list_with_or_without_a_blank(word, english):
    spellings = ("{} 2", "{}2", "{}２", "{} 第2页", "{}第2页", "{} 第 2 页", "{}第２頁", "第2頁 {}", "{} page 2")
    meant = parse_command(f"{english} 2")
    assert {spelling: parse_command(spelling.format(word)) for spelling in spellings} == dict.fromkeys(
        spellings, meant
    )


@for_each(("word", "english"), pairs(BEFORE_TEXT))
def test_text_follows_its_command_with_or_without_a_blank(word, english):
    meant = parse_command(f"{english} 小波")
    assert isinstance(meant, Find | Show | Operate | History)
    spellings = (
        "{} 小波",
        "{}小波",
        "{}\u3000小波",
        "{}「小波」",
        "“{}小波”",
        "\u200b{}小波",
        "{}：小波",
        "{}: 小波",
    )
    assert {spelling: parse_command(spelling.format(word)) for spelling in spellings} == dict.fromkeys(
        spellings, meant
    )


@pytest.mark.parametrize(("word", "english"), pairs(BEFORE_BLANK))
def test_text_follows_a_command_of_one_character_only_after_a_blank(word, english):
    meant = parse_command(f"{english} 小波")
    assert parse_command(f"{word} 小波") == meant
    assert parse_command(f"{word}小波") == Unknown(f"{word}小波", None, meant)


@for_each(
    ("typed", "expected"),
    [
        ("第2页", List(2)),
        ("“第 ２ 頁”", List(2)),
        ("第0页", List(1)),
        ("已拒绝 expired", List(1, (AccountStatus.REJECTED, AccountStatus.EXPIRED))),
        ("bound 未綁定 3", List(3, (AccountStatus.IDLE, AccountStatus.BOUND))),
        ("列表 已拒绝", List(1, (AccountStatus.REJECTED,))),
        ("已拒绝、已过期", List(1, (AccountStatus.REJECTED, AccountStatus.EXPIRED))),
        ("list 全部", List()),
        ("Ｒejected 第2页", List(2, (AccountStatus.REJECTED,))),
        ("／kf 列表", List()),
        ("/kf 查找小波", Find("小波")),
        ("find 过期", Find("过期")),
        ("查找 过期", Find("过期")),
        ("查找过期", Find("过期")),
        ("查找 列表2", Find("列表2")),
        ("查找 第2页", Find("第2页")),
        ("查找Chen Li", Find("Chen Li")),
        ("查找 ＣＨＥＮ", Find("ＣＨＥＮ")),
        ("查找小波 「店」二号", Find("小波 「店」二号")),
        ("搜索 <@U123|mei>", Find("mei")),
        ("搜索<@U123|mei>", Find("mei")),
        ("找 找小波", Find("找小波")),
        ("查看器小王", Show("器小王")),
        ("邀请小波 bo_example", Operate(OperationKind.INVITE, "小波 bo_example")),
        ("邀请绑定小波", Operate(OperationKind.INVITE, "小波")),  # not the account 绑定小波
        ("重新邀請「小波」", Operate(OperationKind.INVITE, "小波")),
        ("新建ｅｖｅ 夜班", Operate(OperationKind.ADD, "ｅｖｅ 夜班")),
        ("改名 小波 大波", Operate(OperationKind.RENAME, "小波 大波")),
        ("改昵称：", Help("rename")),
        ("刪除：dee", Operate(OperationKind.DELETE, "dee")),
        ("删除「」", Help("delete")),
        ("历史老师", History("老师")),
        ("操作记录 2", History("2")),
        ("查找 删除", Find("删除")),
        ("查看 chen@harbour_tea", Show("chen@harbour_tea")),
        ("查找「」", Help("find")),
        ("查看：", Help("show")),
        ("状态 好吗", ShowStatus()),
        ("帮助 我", Help()),
        ("首页 现在", Overview()),
    ],
)
def test_command_in_chinese_is_understood_however_it_is_typed(typed, expected):
    assert parse_command(typed) == expected


PAGES = [("", ""), *((page, "4") for page in ("4", "４", "第4页", "第 4 页", "page 4"))]


@given(
    st.lists(st.sampled_from([*LIST_WORDS, *((word, word) for word in LISTS)]), min_size=1), st.sampled_from(PAGES)
)
def test_states_are_listed_in_either_language_and_mixed(words, page):
    typed, english = (" ".join(each) for each in zip(*words, page, strict=True))
    assert parse_command(typed) == parse_command(english)
    assert isinstance(parse_command(typed), List)


VISIBLE = st.characters(exclude_categories=("Cc", "Cf", "Cs"), exclude_characters=":：")


@given(st.sampled_from(pairs(BEFORE_TEXT)), st.text(VISIBLE))
def test_text_after_a_command_is_the_same_in_either_language(pair, text):
    word, english = pair
    meant = parse_command(f"{english} {text}")
    assert (parse_command(f"{word} {text}"), parse_command(f"{word}{text}")) == (meant, meant)


@for_each(
    "typed",
    [
        *(
            "小找",
            "绑定王",
            "帮助中心",
            "列表小波",
            "列表绑定",
            "全部门店",
            "已绑",
            "处理",
            "状况",
            "查询",
            "第二页",
            "第 2",
        ),
        *("、", "小波第2页", "小波 2", "列表 小波", "第2页 小波", "第9999999999页", "列表²³x"),
        *("没绑定", "未过期", "没拒绝", "待绑定", "绑定 小波"),
    ],
)
def test_other_words_stay_a_search(typed):
    request = parse_command(typed)
    assert isinstance(request, Unknown)
    assert (request.text, request.typo_of) == (typed, None)


@for_each(
    ("typed", "meant"),
    [
        ("已拒觉", List(1, (AccountStatus.REJECTED,))),
        ("已到期", List(1, (AccountStatus.EXPIRED,))),
        ("已過期了", List(1, (AccountStatus.EXPIRED,))),
        ("已绝拒", List(1, (AccountStatus.REJECTED,))),
        ("待确定 第2页", List(2, (AccountStatus.WAITING,))),
        ("等待確忍", List(1, (AccountStatus.WAITING,))),
        ("bound 未綁丁", List(1, (AccountStatus.IDLE, AccountStatus.BOUND))),
        ("已拒绝 rejcted", List(1, (AccountStatus.REJECTED,))),
        ("rejcted 已过期", List(1, (AccountStatus.REJECTED, AccountStatus.EXPIRED))),
        ("运行状况", ShowStatus()),
        ("操作纪录 小波", History("小波")),
        ("重命令", Help("rename")),
    ],
)
def test_chinese_word_of_three_characters_may_have_one_typing_error(typed, meant):
    assert parse_command(typed) == Unknown(typed, meant, meant)


@for_each(
    ("typed", "nearest"),
    [
        ("绑定王", List(1, (AccountStatus.BOUND,))),
        ("帮助中心", Help()),
        ("列表小波", List()),
        ("状态？", ShowStatus()),
        ("既将过期", List(1, (AccountStatus.EXPIRING,))),
        ("列表 绑定王", List(1, (AccountStatus.BOUND,))),
        ("查找器", Find("器")),
        ("找小波 店", Find("小波 店")),
        ("首页面", None),
        ("列表首页", List()),
        ("小波", None),
        ("小找", None),
        ("重新邀情 小波", Operate(OperationKind.INVITE, "小波")),
        ("重命令 小波 大波", Operate(OperationKind.RENAME, "小波 大波")),
        ("删掉", None),
    ],
)
def test_nearest_command_is_found_over_both_languages(typed, nearest):
    request = parse_command(typed)
    assert (request.nearest if isinstance(request, Unknown) else request) == nearest


PIECES = [word for word, _ in WORDS] + [
    "第",
    "页",
    "頁",
    "、",
    "：",
    " ",
    "2",
    "９" * 12,
    "小波",
    "rejcted",
    "kf",
    "「",
]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_mixture_of_words_can_be_typed(text):
    assert isinstance(parse_command(text), Known | Unknown)


@for_each(
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
def test_edit_is_an_added_removed_or_changed_letter_or_a_swap(a, b, expected):
    assert (one_edit_apart(a, b), one_edit_apart(b, a)) == (expected, expected)
