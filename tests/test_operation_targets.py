"""Which account a command means, and what it fills in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import actions
from bot.accounts import pick_account
from bot.operation_targets import Target, pick
from bot.operations.operation import OperationKind
from tests.accounts import account, invited
from tests.for_each import for_each
from tests.samples import reading

ODD = account("odd", kf_account="odd\n" * 100, kf_nick="Odd")
ACCOUNTS = {
    one.kf_nick: one
    for one in (
        invited("bo", kf_nick="小波", wx="bo_example"),
        invited("chen", kf_nick="Chen", wx="chen_example"),
        account("chenshifu", kf_nick="陈师傅"),
        account("night1", kf_nick="Night 1"),
        account("night12", kf_nick="Night 1 2"),
        account("xia", kf_nick="夜班一号"),
        account("xib", kf_nick="夜班二号"),
        ODD,
    )
}
ROWS = reading(*ACCOUNTS.values()).rows
INVITE, ADD, RENAME, DELETE = OperationKind


@for_each(
    ("kind", "text", "nick", "rest"),
    [
        (INVITE, "chen chen_new", "Chen", "chen_new"),
        (INVITE, "chen", "Chen", ""),
        (INVITE, "小波 ｂｏ＿ｎｅｗ", "小波", "ｂｏ＿ｎｅｗ"),
        (INVITE, "Night 1 2 wx_night", "Night 1 2", "wx_night"),
        (INVITE, "Night 1 2", "Night 1", "2"),  # the words before the last one match exactly one account
        (INVITE, "chen@harbour_tea chen_new", "Chen", "chen_new"),
        (INVITE, "ＣＨＥＮ＠harbour_tea chen_new", "Chen", "chen_new"),
        (INVITE, "bo_example bo_new", "小波", "bo_new"),
        (INVITE, 'Chen" "chen_new', "Chen", "chen_new"),  # as requests leave quotes
        (INVITE, "「小波」 bo_new", "小波", "bo_new"),
        (INVITE, f"{actions.handle(ODD.key)} odd_wx", "Odd", "odd_wx"),
        (RENAME, "chen Chen Wei", "Chen", "Chen Wei"),
        (RENAME, "Night 1", "Night 1", ""),
        (RENAME, "Night 1 2", "Night 1 2", ""),
        (RENAME, "Night 1 2 Early", "Night 1 2", "Early"),
        (RENAME, "Night 1 Early", "Night 1", "Early"),
        (RENAME, "“Night 1” “夜班”", "Night 1", "夜班"),
        (RENAME, "chen " + "x " * 90, "Chen", ("x " * 90).strip()),
        (DELETE, "chen", "Chen", ""),
        (DELETE, "Night 1 2", "Night 1 2", ""),
    ],
)
def test_account_is_divided_from_what_the_form_is_filled_with(kind, text, nick, rest):
    found = pick(kind, text, ROWS)
    assert (found.account, found.rest, found.hits) == (ACCOUNTS[nick], rest, 1)
    assert pick_account(ROWS, found.typed).account == found.account


@pytest.mark.parametrize(
    ("kind", "text", "hits"),
    [
        (INVITE, "", 0),
        (INVITE, "夜班", 2),
        (INVITE, "夜班 bo_new", 0),  # the words before the last one match two
        (INVITE, "nobody nobody_wx", 0),
        (RENAME, "夜班", 2),
        (RENAME, "nobody Night 1", 0),
        (DELETE, "night1", 1),
        (DELETE, "夜班", 2),
        (DELETE, "chen chen", 0),
    ],
)
def test_words_that_mean_several_accounts_or_none_pick_no_account(kind, text, hits):
    found = pick(kind, text, ROWS)
    assert (found.typed, found.rest, found.hits) == (text, "", hits)
    assert (found.account is None) == (hits != 1)


@pytest.mark.parametrize(
    ("text", "typed", "rest"),
    [
        ("", "", ""),
        ("eve", "eve", ""),
        ("eve 夜班 二号", "eve", "夜班 二号"),
        ("chen Chen", "chen", "Chen"),
        ("「eve」 「夜班」", "eve", "夜班"),
    ],
)
def test_first_word_of_an_addition_is_the_account_and_the_rest_its_name(text, typed, rest):
    assert pick(ADD, text, ROWS) == Target(typed=typed, rest=rest)


@given(st.sampled_from(OperationKind), st.text(st.characters(codec=None)))
def test_any_text_can_be_divided(kind, text):
    found = pick(kind, text, ROWS)
    assert (found.account is not None) <= (found.hits == 1)
