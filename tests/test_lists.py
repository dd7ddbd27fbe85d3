"""Lists: all accounts, those of one state, those that a search finds; ten a page."""

from __future__ import annotations

import pytest

from bot.accounts import find_accounts, nearest_account, pick_account
from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.blocks import builders
from bot.blocks.answers.lists import account_list, no_match, search_results
from tests.accounts import account, bound, invited
from tests.conftest import NOW
from tests.for_each import for_each
from tests.samples import (
    ANNA,
    CHEN,
    CONTEXT,
    DEE,
    FORTY_THREE,
    HOUR,
    LIN,
    NIGHT,
    actions,
    crowd,
    declined,
    named,
    patient,
    reading,
    sample,
    shown,
)


def find(given, text, page):
    return search_results(given, find_accounts(given.rows, text), text, page, CONTEXT)


def title(message):
    return message.blocks[0]["text"]["text"]


def test_second_page_of_all():
    drawn, message = sample("list"), account_list(reading(*FORTY_THREE), (), 2, CONTEXT)
    assert message.text == drawn["text"]
    assert message.blocks == drawn["blocks"]


@pytest.mark.parametrize(
    ("page", "expected", "turns"),
    [
        (1, "Accounts 1–10 of 43", ["kf.page.next"]),
        (4, "Accounts 31–40 of 43", ["kf.page.prev", "kf.page.next"]),
        (5, "Accounts 41–43 of 43", ["kf.page.prev"]),
        (9999, "Accounts 41–43 of 43", ["kf.page.prev"]),
    ],
)
def test_page_that_no_longer_exists_shows_the_last_one(page, expected, turns):
    message = account_list(reading(*FORTY_THREE), (), page, CONTEXT)
    assert title(message) == expected
    assert [each for each in actions(message) if each.startswith("kf.page")] == turns


def test_last_page_may_hold_one_row():
    message = account_list(reading(*crowd(11)), (), 2, CONTEXT)
    assert title(message) == "Accounts 11 of 11"
    assert actions(account_list(reading(*crowd(11)), (), 1, CONTEXT))["kf.page.next"]["accessibility_label"] == (
        "Next page, accounts 11"
    )


def test_list_of_one_state():
    message = account_list(reading(*FORTY_THREE), (AccountStatus.REJECTED,), 1, CONTEXT)
    assert title(message) == "3 accounts are rejected"
    assert message.text == "3 accounts are rejected: Chen, Iris, 夜班一号. Read from WeChat 01:12 UTC."
    assert shown(message)[-1].endswith("· 43 accounts")
    assert actions(message)["kf.filter"]["initial_option"]["value"] == "v1:list:1:rejected"


def test_list_of_waiting_accounts_includes_expiring_ones():
    both = account_list(reading(*FORTY_THREE), (AccountStatus.WAITING,), 1, CONTEXT)
    assert "2 more are expiring: /kf expiring" in shown(both)
    assert "2 more are expiring: /kf expiring." in both.text
    assert "1 more is expiring: /kf expiring" in shown(
        account_list(reading(LIN, ANNA), (AccountStatus.WAITING,), 1, CONTEXT)
    )
    assert "expiring" not in account_list(reading(*patient(2)), (AccountStatus.WAITING,), 1, CONTEXT).text


def test_state_without_accounts():
    message = account_list(reading(ANNA, LIN), (AccountStatus.REJECTED,), 1, CONTEXT)
    assert shown(message)[0] == "*No account is rejected.*"
    assert list(actions(message)) == ["kf.list", "kf.filter"]
    assert actions(message)["kf.filter"]["initial_option"]["text"]["text"] == "⛔ Rejected (0)"
    assert shown(message)[-1].endswith("· 2 accounts")
    assert message.text == "No account is rejected. 2 accounts in all. Read from WeChat 01:12 UTC."


def test_every_list_reports_that_there_are_no_accounts():
    for message in (
        account_list(reading(), (), 1, CONTEXT),
        account_list(reading(), (AccountStatus.IDLE,), 1, CONTEXT),
        no_match(reading(), "x", CONTEXT),
    ):
        assert title(message) == "No customer-service accounts yet"


def test_search_without_a_match_names_the_nearest():
    drawn, message = sample("no-match"), no_match(reading(*FORTY_THREE), "chenn", CONTEXT)
    assert message.text == f"{drawn['text']} Read from WeChat 01:12 UTC."  # complete on its own
    assert message.blocks == drawn["blocks"]


def test_search_without_a_match_or_a_near_one():
    message = no_match(reading(*FORTY_THREE), "<!here>&", CONTEXT)
    assert shown(message)[0].startswith("*No account matches “＜!here＞&amp;”.*")
    assert list(actions(message)) == ["kf.list"]
    assert "Nearest" not in message.text


def test_found_accounts():
    message = find(reading(*FORTY_THREE), "CHEN", 1)
    assert title(message) == "2 accounts match “CHEN”"
    assert message.text == ("2 accounts match “CHEN”. Rejected: Chen. Bound: 陈师傅. Read from WeChat 01:12 UTC.")
    assert list(actions(message)) == ["kf.list", "kf.open"]
    assert title(find(reading(ANNA), "anna", 1)) == "1 account matches “anna”"


def test_many_found_accounts_are_paged():
    message = find(reading(*FORTY_THREE), "star_wx", 2)
    assert title(message) == "23 accounts match “star_wx” · 11–20"
    assert message.text.startswith("23 accounts match “star_wx”, here 11 to 20. Bound: ☆ 10,")
    assert actions(message)["kf.page.next"]["value"] == "v1:find:3:star_wx"


def test_menu_of_details_is_dropped_when_single_lines_are_too_long():
    long = [
        invited(kf_account=f"{number:02}{'&' * 139}", kf_nick="&\u0301\u0301" * 24, status="&\u0301\u0301" * 24)
        for number in range(20)
    ]
    message = account_list(reading(*long), (), 2, CONTEXT)
    assert builders.size(message.blocks) <= builders.MAX_MESSAGE
    assert sum(block["type"] == "section" for block in message.blocks) == 10
    assert list(actions(message)) == ["kf.page.prev", "kf.filter"]


HAYSTACK = (
    named("bo", "小波", "bo_example"),
    account("fan", kf_account="", kf_openid="oEXAMPLE_6", kf_id="2006", kf_wx="fan_wx", kf_nick="Fan"),
    invited("lin", wx="lin_xiao88", kf_nick="林\u200b晓", kf_id="2011"),
    invited("old", kf_wx="now_bound", wx="once_invited"),
    named("promo", "<!channel>  *sale*"),
    named("long", "长" * 40),
)


@for_each(
    ("typed", "expected"),
    [
        ("小波", ["bo"]),
        ("BO@harbour", ["bo"]),
        ("harbour", []),  # all accounts share what is behind the @
        ("@harbour_tea", ["lin", "long", "old", "bo", "promo"]),
        ("o", ["fan", "old", "lin", "long", "bo", "promo"]),
        ("ｂｏ＿example", ["bo"]),
        ("oexample", ["fan"]),
        ("2006", ["fan"]),
        ("201", ["lin"]),
        ("lin_XIAO", ["lin"]),
        ("林晓", ["lin"]),
        ("now_bound", ["old"]),
        ("once_invited", []),
        ("＜!channel＞ ＊sale＊", ["promo"]),
        ("长" * 23 + "…", ["long"]),
        ("\u200b", []),
    ],
)
def test_search_covers_names_accounts_numbers_and_wechat_ids(typed, expected):
    hits = find_accounts(reading(*HAYSTACK).rows, typed)
    assert [row.account.kf_account.partition("@")[0] or "fan" for row in hits] == expected


def test_search_puts_exact_matches_first_and_then_beginnings():
    rows = reading(
        named("eva1", "Eva Li"), named("maeva", "Maeva"), named("z", "Eva"), named("eva2", "Boss", "x")
    ).rows
    assert [row.account.kf_nick for row in find_accounts(rows, "eva")] == ["Eva", "Boss", "Eva Li", "Maeva"]


def test_menu_of_details_distinguishes_accounts_with_one_name():
    message = account_list(reading(declined("chen", "Chen"), named("chen2", "Chen")), (), 1, CONTEXT)
    assert [
        (option["text"]["text"], option["description"]["text"]) for option in actions(message)["kf.open"]["options"]
    ] == [("Chen", "chen@harbour_tea · rejected"), ("Chen", "chen2@harbour_tea · bound")]


def test_list_of_accounts_that_need_attention():
    message = account_list(reading(*FORTY_THREE), NEEDS_ATTENTION, 1, CONTEXT)
    assert title(message) == "6 accounts need attention"
    assert message.text.startswith("6 accounts need attention. Expiring: 小波 (41 min left, Mon 23 Nov 01:53 UTC)")
    assert actions(message)["kf.filter"]["initial_option"]["text"]["text"] == "Needs attention (6)"
    assert title(account_list(reading(DEE), NEEDS_ATTENTION, 1, CONTEXT)) == "1 account needs attention"
    calm = account_list(reading(ANNA), NEEDS_ATTENTION, 1, CONTEXT)
    assert shown(calm)[0] == "*Nothing needs attention.*"
    assert actions(calm)["kf.filter"]["initial_option"]["value"] == "v1:list:1:due"


def test_list_of_two_states():
    message = account_list(reading(*FORTY_THREE), (AccountStatus.REJECTED, AccountStatus.EXPIRED), 1, CONTEXT)
    assert title(message) == "4 accounts are rejected or expired"
    assert message.text.startswith("4 accounts are rejected or expired. Rejected: Chen,")
    assert actions(message)["kf.filter"]["initial_option"]["value"] == "v1:list:1:rejected,expired"
    none = account_list(reading(ANNA), (AccountStatus.REJECTED, AccountStatus.EXPIRED), 1, CONTEXT)
    assert shown(none)[0] == "*No account is rejected or expired.*"


def test_long_list_of_one_state_has_the_range_of_its_rows():
    message = account_list(reading(*crowd(23)), (AccountStatus.BOUND,), 2, CONTEXT)
    assert title(message) == "23 accounts are bound · 11–20"
    assert message.text.startswith("23 accounts are bound, here 11 to 20: ☆ 10,")
    assert title(account_list(reading(ANNA), (AccountStatus.BOUND,), 1, CONTEXT)) == "1 account is bound"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("chen@harbour_tea", "Chen"),
        ("chen", "Chen"),  # a whole name goes before parts of others
        ("shifu", "陈师傅"),
        ("2011", "Chen"),
        ("@harbour", None),
        ("twin", None),
        ("nobody", None),
    ],
)
def test_account_is_picked_only_when_unambiguous(typed, expected):
    rows = reading(
        account("chen", kf_nick="Chen", kf_id="2011"),
        named("chenshifu", "陈师傅", "shifu_chen"),
        named("a", "Twin"),
        named("b", "Twin"),
        named("c", "Twin sister"),
    ).rows
    row = pick_account(rows, typed)
    assert (row and row.account.kf_nick) == expected


def test_nearest_match_has_similar_spelling_within_a_limit():
    rows = reading(CHEN, NIGHT, named("huge", "x" * 5000)).rows
    assert nearest_account(rows, "chne").account is CHEN
    assert nearest_account(rows, "x" * 200).account.kf_account == "huge@harbour_tea"
    assert nearest_account(rows, "qqqq") is None
    assert nearest_account(reading(bound("anna")).rows, "2002") is None


def test_newest_loss_comes_first():
    lost = [invited(name, status="expired", expires_in=-hours * HOUR) for name, hours in (("a", 50), ("b", 2))]
    never = declined("c", "C"), declined("d", "D", until=int(NOW.timestamp()) + 60)
    shown_first = account_list(reading(*lost, *never), NEEDS_ATTENTION, 1, CONTEXT)
    heads = [text.split("*")[1] for text in shown(shown_first) if "*" in text]
    assert heads == ["D", "C", "B", "A"]
