"""Commands as people type them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.operations.operation import OperationKind
from bot.requests import (
    MAX_TEXT,
    Find,
    Help,
    History,
    List,
    Operate,
    Overview,
    Show,
    ShowStatus,
    Unknown,
    parse_command,
)
from tests.for_each import for_each


@for_each(
    ("typed", "expected"),
    [
        ("", Overview()),
        ("  \u3000 ", Overview()),
        ("“”", Overview()),
        ("“” list", Overview()),
        ("list", List()),
        ("  LIST  ", List()),
        ("list rejected", List(1, (AccountStatus.REJECTED,))),
        ("list 3", List(3)),
        ("rejected 2", List(2, (AccountStatus.REJECTED,))),
        ("all", List()),
        *((state.value, List(1, (state,))) for state in AccountStatus),
        ("Ｒｅｊｅｃｔｅｄ", List(1, (AccountStatus.REJECTED,))),
        ("“rejected”", List(1, (AccountStatus.REJECTED,))),
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
        ("rejected page 2", List(2, (AccountStatus.REJECTED,))),
        ("attention", List(1, NEEDS_ATTENTION)),
        ("list attention 2", List(2, NEEDS_ATTENTION)),
        ("expired rejected", List(1, (AccountStatus.REJECTED, AccountStatus.EXPIRED))),
        ("expiring rejected expired unknown", List(1, NEEDS_ATTENTION)),
        ("/kf list", List()),
        ("／ｋｆ list", List()),
        ("KF rejected", List(states=(AccountStatus.REJECTED,))),
        ("/kf", Overview()),
        ("kfoo", Unknown("kfoo")),
        ("unbound", List(states=(AccountStatus.IDLE,))),
        ("list -1", List()),
        ("list 0", List()),
        ("list 99999", List(99999)),
        ("status", ShowStatus()),
        ("help me", Help()),
        ("invite", Operate(OperationKind.INVITE)),
        ("invite “”", Operate(OperationKind.INVITE)),
        ("Invite  chen\u3000chen_example", Operate(OperationKind.INVITE, "chen chen_example")),
        ("invite <@U012AB3CD|mei> mei_example", Operate(OperationKind.INVITE, "mei mei_example")),
        ("add", Operate(OperationKind.ADD)),
        ("ＡＤＤ　ｅｖｅ 夜班 二号", Operate(OperationKind.ADD, "ｅｖｅ 夜班 二号")),
        ("“add eve”", Operate(OperationKind.ADD, "eve")),
        ("rename chen Chen &amp; Co", Operate(OperationKind.RENAME, "chen Chen & Co")),
        ("rename", Help("rename")),
        ("rename \u200b", Help("rename")),
        ("/kf delete dee@harbour_tea", Operate(OperationKind.DELETE, "dee@harbour_tea")),
        ("delete “dee”", Operate(OperationKind.DELETE, "dee")),
        ("delete", Help("delete")),
        ("delete " + "x" * 5000, Operate(OperationKind.DELETE, "x" * MAX_TEXT)),
        ("history", History()),
        ("history \u2060", History()),
        ("HISTORY chen", History("chen")),
        ("history 2", History("2")),
        ("find history", Find("history")),
        ("find delete chen", Find("delete chen")),
    ],
)
def test_command_is_understood_however_it_is_typed(typed, expected):
    assert parse_command(typed) == expected


@for_each(
    ("typed", "typo_of", "nearest"),
    [
        ("rejcted", List(1, (AccountStatus.REJECTED,)), List(1, (AccountStatus.REJECTED,))),
        ("rejcted 2", List(2, (AccountStatus.REJECTED,)), List(2, (AccountStatus.REJECTED,))),
        ("list rejcted", List(1, (AccountStatus.REJECTED,)), List(1, (AccountStatus.REJECTED,))),
        ("lst bound", List(1, (AccountStatus.BOUND,)), List(1, (AccountStatus.BOUND,))),
        ("Fnd chen", Find("chen"), Find("chen")),
        ("shw", Help("show"), Help("show")),
        ("hlep me", Help(), Help()),
        ("statsu", ShowStatus(), ShowStatus()),
        ("rejctde", None, List(1, (AccountStatus.REJECTED,))),
        ("histroy chen", History("chen"), History("chen")),
        ("reneme", Help("rename"), Help("rename")),
        ("delte dee", None, Operate(OperationKind.DELETE, "dee")),
        ("invte chen chen_example", None, Operate(OperationKind.INVITE, "chen chen_example")),
        ("ad", None, Operate(OperationKind.ADD)),
        ("xyzzy plugh", None, None),
        ("小波", None, None),
    ],
)
def test_unknown_words_yield_the_nearest_command(typed, typo_of, nearest):
    assert parse_command(typed) == Unknown(typed, typo_of, nearest)


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_typed(text):
    parse_command(text)
