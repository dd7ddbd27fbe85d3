"""The answer to `/kf` alone, compared with the designed samples."""

from __future__ import annotations

from dataclasses import replace

from bot.alerting.episode import AlertPolicy, EpisodeState, UserAction
from bot.blocks.answers.lists import account_list
from bot.blocks.answers.overview import overview
from bot.demo import blockkit
from tests.accounts import account, bound, invited
from tests.conftest import NOW
from tests.episodes import episode
from tests.samples import (
    ANNA,
    BO,
    CHEN,
    CONTEXT,
    DAY,
    DEE,
    EVE,
    FORTY,
    HOUR,
    HUNDRED,
    LIN,
    NO_DEADLINE,
    crowd,
    declined,
    reading,
    sample,
    shown,
)


def test_overview_lists_the_worst_first_and_counts_the_rest():
    drawn, message = sample("overview"), overview(reading(*FORTY), CONTEXT)
    assert message.text == drawn["text"]
    assert message.blocks == drawn["blocks"]


def test_overview_without_problems():
    drawn, message = sample("overview-calm"), overview(reading(*HUNDRED), CONTEXT)
    assert message.text == drawn["text"]
    assert message.blocks == drawn["blocks"]


def test_overview_without_deadlines_has_no_next_one():
    message = overview(reading(*crowd(11)), CONTEXT)
    assert shown(message) == [
        "Nothing needs attention",
        "11 accounts:\u2002✅\u00a011\u00a0bound",
        "See all 11",
        "Refresh",
        "Read from WeChat <!date^1795396320^{time}|01:12 UTC> · /kf help",
    ]


def test_up_to_ten_accounts_without_problems_are_all_named():
    message = overview(reading(*crowd(10)), CONTEXT)
    assert message.blocks[0]["text"]["text"] == "Nothing needs attention"
    assert sum(block["type"] == "section" for block in message.blocks) == 10
    assert [button["text"]["text"] for button in message.blocks[-2]["elements"]] == ["Refresh"]
    assert message.text.startswith("Nothing needs attention. 10 customer-service accounts. Bound: ☆ 00, ☆ 01,")


def test_problem_is_the_only_row_of_few_accounts_too():
    message = overview(reading(*crowd(9), CHEN), CONTEXT)
    assert shown(message) == [
        "1 of 10 accounts needs attention",
        "⛔ *Chen* · rejected",
        "chen@harbour_tea · invited chen_example",
        "Also\u2002✅\u00a09\u00a0bound",
        "See all 10",
        "Refresh",
        "Read from WeChat <!date^1795396320^{time}|01:12 UTC> · /kf help",
    ]
    assert message.text == (
        "1 of 10 customer-service accounts needs attention. Rejected: Chen. Also 9 bound. "
        "Read from WeChat 01:12 UTC."
    )


def test_few_calm_accounts_are_named_too():
    message = overview(reading(ANNA, EVE), CONTEXT)
    assert shown(message)[:5] == [
        "Nothing needs attention",
        "⚪ *Eve* · idle",
        "eve@harbour_tea · nobody invited yet",
        "✅ *Anna* · bound",
        "anna@harbour_tea · anna_example",
    ]
    assert message.text == (
        "Nothing needs attention. 2 customer-service accounts. Idle: Eve. Bound: Anna. Read from WeChat 01:12 UTC."
    )


def test_more_than_ten_that_need_attention_are_counted_below_the_tenth():
    due = [BO, LIN, *(declined(f"r{index:02}", f"R{index:02}") for index in range(20)), DEE]
    message = overview(reading(*due), CONTEXT)
    assert message.blocks[0]["text"]["text"] == "23 of 23 accounts need attention"
    assert shown(message)[-4:-3] == ["13 more: 11 rejected, 1 expired, 1 expiring"]
    assert "divider" not in [block["type"] for block in message.blocks]
    assert message.text == (
        "23 of 23 customer-service accounts need attention. Expiring: 小波 (41 min left, Mon 23 Nov 01:53 UTC). "
        "Rejected: R00, R01, R02, R03, R04, R05, R06, R07, R08. "
        "13 more: 11 rejected, 1 expired, 1 expiring. Read from WeChat 01:12 UTC."
    )


def test_overview_without_accounts():
    message = overview(reading(), CONTEXT)
    assert shown(message) == [
        "No customer-service accounts yet",
        "WeChat answered, and its list is empty. Create the first account in the WeChat console, then look again.",
        "Refresh",
        "WeChat console",
        "Read from WeChat <!date^1795396320^{time}|01:12 UTC>",
    ]
    assert "Read from WeChat 01:12 UTC." in message.text


def test_rows_that_could_not_be_read_are_mentioned():
    message = overview(reading(ANNA, unreadable=1), CONTEXT)
    assert "1 row could not be read" in shown(message)[-1]
    assert "Read from WeChat 01:12 UTC. 1 row could not be read." in message.text
    nothing = overview(reading(unreadable=2), CONTEXT)
    assert nothing.text.startswith("No account could be read.")
    assert "2 rows could not be read" in shown(nothing)[-1]


def test_every_state_has_its_words():
    rows = [
        invited("a", expires_in=41 * HOUR / 60),
        invited("b", expires_in=HOUR / 120),
        invited("c", expires_in=30 * HOUR, wx=""),
        NO_DEADLINE,
        invited("d", status="expired", expires_in=HOUR),
        invited("e", status="<pondering>", expires_in=None),
        account("f", kf_nick="", kf_account="", kf_id="2006"),
        bound("g", wx="g&h"),
    ]
    assert shown(account_list(reading(*rows), (), 1, CONTEXT))[1:-3] == [
        "⏰ *B* · expires in less than 1 min<!date^1795396350^, {time}|, 01:12 UTC>",
        "b@harbour_tea · invited bo_example",
        "⏰ *A* · expires in 41 min<!date^1795398780^, {time}|, 01:53 UTC>",
        "a@harbour_tea · invited bo_example",
        "⌛ *D* · expired",
        "d@harbour_tea · invited bo_example",
        "❔ *E* · unknown “＜pondering＞”",
        "e@harbour_tea · invited bo_example",
        "✉️ *C* · waiting, 30 h left<!date^1795504320^, {date_short_pretty} {time}|, Tue 24 Nov 07:12 UTC>",
        "c@harbour_tea",
        "✉️ *客服 08* · waiting, no deadline",
        "kf2008@harbour_tea · invited kf08_example",
        "⚪ *(no name)* · idle",
        "seat 2006 · nobody invited yet",
        "✅ *G* · bound",
        "g@harbour_tea · g&amp;h",
    ]


def test_waiting_invitation_shows_the_time_left_and_the_moment():
    soon, later = invited(expires_in=2 * DAY - HOUR), invited(expires_in=2 * DAY)
    assert (
        "waiting, 47 h left<!date^1795565520^, {date_short_pretty} {time}|"
        in shown(overview(reading(soon), CONTEXT))[1]
    )
    assert (
        "waiting, 2 days left<!date^1795569120^, {date_short_pretty} {time}|"
        in shown(overview(reading(later), CONTEXT))[1]
    )


def test_names_that_fill_their_limits_shorten_the_rows_to_one_line():
    long = [declined(f"{index}{'&' * 70}", "&\u0301\u0301" * 30, wx="&" * 100) for index in range(25)]
    message = overview(reading(*long), CONTEXT)
    assert [block["type"] for block in message.blocks].count("context") == 2
    assert message.blocks[1]["text"]["text"].startswith("⛔ *&amp;\u0301\u0301")
    assert "@harbour" not in message.blocks[1]["text"]["text"]
    assert blockkit.problems({"text": message.text, "blocks": message.blocks}) == []


def owner(account, user="Mei", **of_hand):
    """Return the account's episode, acknowledged or snoozed by a person."""
    user_action = UserAction(f"U0{user.upper()}", user, NOW - HOUR, **of_hand)
    invitation = account.invitation
    action = {"snoozed": user_action} if user_action.until else {"acked": user_action}
    return episode(
        account_key=account.key,
        invite_wx=invitation.invite_wx,
        expires_at=invitation.expires_at,
        state=EpisodeState(invitation.status),
        **action,
    )


def test_acknowledged_rows_name_the_user_and_sort_last_within_their_priority():
    owned = [owner(CHEN), owner(LIN, "Tom", until=NOW + 4 * HOUR)]
    message = overview(reading(*FORTY).with_owners(owned, AlertPolicy()), CONTEXT)
    texts = shown(message)
    assert texts[0] == "5 of 40 accounts need attention · 1 acknowledged · 1 snoozed"
    assert [text.split("*")[1] for text in texts if "*" in text] == ["小波", "夜班一号", "Chen", "Dee", "林晓"]
    assert "👤\u00a0acknowledged by <@U0MEI><!date^" in texts[6]
    assert "👤\u00a0snoozed by <@U0TOM> <!date^" in texts[10]
    assert message.text.startswith(
        "5 of 40 customer-service accounts need attention, 1 acknowledged, 1 snoozed. "
        "Expiring: 小波 (41 min left, Mon 23 Nov 01:53 UTC), "
        "林晓 (18 h left, Mon 23 Nov 19:12 UTC, snoozed by Tom). "
        "Rejected: 夜班一号, Chen (acknowledged by Mei)."
    )


def test_acknowledgement_of_an_earlier_invitation_does_not_count():
    earlier = replace(owner(LIN), expires_at=NOW - 5 * DAY)
    other = replace(owner(LIN), invite_wx="someone_else")
    for given in (earlier, other):
        assert "acknowledged" not in str(overview(reading(LIN).with_owners([given], AlertPolicy()), CONTEXT))
