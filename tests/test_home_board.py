"""The board of App Home, compared with the designed samples, and within Slack's limits."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot import actions
from bot.actions import HomeList, decode
from bot.alerting.episode import AccountStatus
from bot.blocks.channel.incident_notices import explain_old_states
from bot.blocks.home import notices
from bot.blocks.home.board import board, unavailable
from bot.blocks.home.home_view import HomeUser
from bot.demo import blockkit
from bot.health.facts import HealthFacts, ProblemKind, StoreTrouble
from bot.language import Language
from bot.operations.operation import Availability
from bot.ports import Message, View
from bot.requests import Show
from bot.status import OperationsStatus
from bot.view_metadata import decode_home, encode_home
from tests.accounts import invited
from tests.conftest import NOW
from tests.episodes import HOSTILE, user_action
from tests.for_each import for_each
from tests.home_boards import BOARDS, CROWD, DOWN, OPERATOR, STATUS, VIEWER, owned
from tests.samples import (
    ANNA,
    BO,
    CHEN,
    CONTEXT,
    DEE,
    EVE,
    FORTY,
    HUNDRED,
    LIN,
    NIGHT,
    crowd,
    declined,
    reading,
    sample,
    shown,
)
from wechat_kf import BusyError, KfAccount

MOST_BLOCKS, MOST_BYTES = 60, 250_000
DEFAULT = HomeList()
CHINESE = replace(CONTEXT, language=Language.CHINESE)


def flaws(view: View) -> list[str]:
    """List what Slack refuses, or shows otherwise than meant; the limit of a message's characters has no view."""
    assert len(view["blocks"]) <= MOST_BLOCKS
    assert len(json.dumps(view)) <= MOST_BYTES
    found = blockkit.problems({"text": "A board", "blocks": view["blocks"]})
    return [flaw for flaw in found if "characters of content" not in flaw]


def texts(view: View) -> list[str]:
    return shown(Message("", view["blocks"]))


def elements(view: View) -> dict[str, dict]:
    """Return the buttons and menus of all rows by action_id."""
    return {
        part["action_id"]: part
        for block in view["blocks"]
        for part in block.get("elements", ())
        if "action_id" in part
    }


def options(view: View) -> list[str]:
    return [option["text"]["text"] for option in elements(view)["home.filter"]["options"]]


def heads(view: View) -> list[str]:
    """Return the first line of each row."""
    return [block["text"]["text"] for block in view["blocks"] if block.get("accessory")]


def show(*accounts: KfAccount, listed: HomeList = DEFAULT, person: HomeUser = VIEWER, **status: object) -> View:
    return board(reading(*accounts), replace(STATUS, **status), person, listed, CONTEXT)


@for_each("name", BOARDS)
@for_each(("context", "suffix"), [(CONTEXT, ""), (CHINESE, ".zh")])
def test_board_is_as_designed(name, context, suffix):
    view = BOARDS[name](context)
    assert view == sample(f"{name}{suffix}")
    assert flaws(view) == []


def test_hundred_due_accounts_are_five_pages_within_slacks_limits():
    accounts = [
        declined(f"r{number}", HOSTILE[number % len(HOSTILE)], wx=HOSTILE[number % len(HOSTILE)])
        for number in range(97)
    ]
    read = owned(reading(*accounts, *crowd(3)), *accounts, by=user_action("Mei"))
    seen = []
    for number in range(1, 6):
        view = board(read, STATUS, OPERATOR, HomeList("due", number), CONTEXT)
        assert texts(view)[0] == "97 of 100 accounts need attention"
        assert texts(view)[1].endswith(f" · Page {number} of 5")
        assert flaws(view) == []
        seen += [block["accessory"]["value"] for block in view["blocks"] if block.get("accessory")]
    assert len(set(seen)) == len(seen) == 97


@for_each("context", [CONTEXT, CHINESE])
@for_each("name", HOSTILE)
def test_hostile_name_is_harmless_on_a_board(name, context):
    view = board(reading(declined("bad", name), ANNA), STATUS, VIEWER, HomeList(), context)
    assert flaws(view) == []
    assert blockkit.mentions({"blocks": view["blocks"][:-3]}) == []


def test_turns_are_absent_at_the_ends():
    present = [
        {actions.HOME_PREVIOUS_PAGE, actions.HOME_NEXT_PAGE}
        & elements(show(*CROWD, listed=HomeList("all", page))).keys()
        for page in (1, 2, 5)
    ]
    assert present == [
        {actions.HOME_NEXT_PAGE},
        {actions.HOME_PREVIOUS_PAGE, actions.HOME_NEXT_PAGE},
        {actions.HOME_PREVIOUS_PAGE},
    ]


def test_page_that_no_longer_exists_shows_the_last():
    view = show(*CROWD, listed=HomeList("all", 9))
    assert decode_home(view["private_metadata"]) == HomeList("all", 5)
    assert texts(view)[0] == "Accounts 81–100 of 100"


def test_every_element_of_a_board_can_be_decoded():
    view = show(*CROWD, listed=HomeList("all", 2), person=OPERATOR)
    turns = {
        name: decode(name, elements(view)[name]["value"])
        for name in (actions.HOME_PREVIOUS_PAGE, actions.HOME_NEXT_PAGE)
    }
    assert [*turns.values()] == [HomeList("all", 1), HomeList("all", 3)]
    for name in ("home.filter", "home.language"):
        for option in elements(view)[name]["options"]:
            assert decode(name, option["value"]) is not None
    details = next(block["accessory"] for block in view["blocks"] if block.get("accessory"))
    assert isinstance(decode(details["action_id"], details["value"]), Show)


def test_filter_offers_the_states_that_occur_with_their_numbers():
    assert options(show(*FORTY)) == [
        "Needs attention (5)",
        "In your hands (0)",
        "All (40)",
        "⛔ Rejected (2)",
        "⌛ Expired (1)",
        "⏰ Expiring (2)",
        "✉️ Waiting (4)",
        "⚪ Idle (2)",
        "✅ Bound (29)",
    ]


@for_each("filter_", ["due", "mine", "all", "bound", "unknown", "idle,bound"])
@for_each("accounts", [FORTY, HUNDRED, (ANNA,)])
def test_present_filter_is_chosen_in_the_menu(filter_, accounts):
    menu = elements(show(*accounts, listed=HomeList(filter_)))["home.filter"]
    assert menu["initial_option"]["value"] == f"v1:list:1:{filter_}"
    assert menu["initial_option"] in menu["options"]


def test_list_of_a_state_has_its_title_and_no_counts_of_the_others():
    view = show(*FORTY, listed=HomeList("bound", 2))
    assert texts(view)[0] == "29 accounts are bound · 21–29"
    assert len(heads(view)) == 9
    assert not [text for text in texts(view) if text.startswith("Also")]


def test_states_that_need_attention_are_the_filter_of_that_name():
    view = show(*FORTY, listed=HomeList("unknown,expired,rejected,expiring"))
    assert decode_home(view["private_metadata"]) == HomeList("due")


def test_empty_lists_say_so_below_the_verdict():
    mine, rejected = (show(*HUNDRED, listed=HomeList(filter_)) for filter_ in ("mine", "rejected"))
    assert [texts(mine)[0], texts(rejected)[0]] == ["Nothing needs attention"] * 2
    assert "*Nothing is in your hands.*" in texts(mine)
    assert "*No account is rejected.*" in texts(rejected)


def test_mine_are_the_invitations_that_this_person_acknowledged_or_snoozed():
    read = owned(reading(*FORTY), CHEN, by=user_action("Tom"))
    of_tom, of_mei = (board(read, STATUS, HomeUser(user), HomeList("mine"), CONTEXT) for user in ("U0TOM", "U0MEI"))
    assert (heads(of_tom), texts(of_tom)[0]) == (["⛔ *Chen* · rejected"], "In your hands (1)")
    assert heads(of_mei) == []
    assert ["In your hands (1)" in options(view) for view in (of_tom, of_mei)] == [True, False]
    snoozed = owned(reading(*FORTY), NIGHT, by=user_action("Tom", until=NOW + timedelta(hours=4)))
    view = board(snoozed, STATUS, HomeUser("U0TOM"), HomeList("mine"), CONTEXT)
    assert heads(view) == ["⛔ *夜班一号* · rejected"]
    assert any("👤\u00a0snoozed by <@U0TOM>" in text for text in texts(view))


def test_up_to_ten_calm_accounts_are_all_shown():
    assert len(heads(show(*crowd(10)))) == 10
    assert heads(show(*crowd(11))) == []
    assert "11 accounts:\u2002✅\u00a011\u00a0bound" in texts(show(*crowd(11)))


def test_one_problem_of_few_accounts_is_the_only_row():
    view = show(*crowd(9), CHEN)
    assert heads(view) == ["⛔ *Chen* · rejected"]
    assert "Also\u2002✅\u00a09\u00a0bound" in texts(view)


@for_each(
    ("person", "operations", "offered"),
    [
        (OPERATOR, OperationsStatus(Availability.ON), True),
        (VIEWER, OperationsStatus(Availability.ON), False),
        (OPERATOR, OperationsStatus(), False),
        (OPERATOR, OperationsStatus(Availability.NO_STORE), False),
        (OPERATOR, OperationsStatus(Availability.NO_RIGHT, refused_family="invite/add/delete"), False),
        (OPERATOR, OperationsStatus(Availability.NO_RIGHT, refused_family="rename"), True),
    ],
)
@for_each("accounts", [(), FORTY])
def test_account_is_added_by_operators_while_wechat_allows_it(person, operations, offered, accounts):
    view = show(*accounts, person=person, operations=operations)
    assert ("op.add" in elements(view)) is offered


def test_language_menu_has_the_choice_of_the_person():
    menu = elements(show(ANNA, person=HomeUser("U0LIN", language_choice="zh")))["home.language"]
    assert menu["initial_option"]["text"]["text"] == "中文"
    assert "home.language" not in elements(show(ANNA, person=HomeUser("U0LIN", language_choice="")))


def test_problem_of_the_bot_has_its_reason_and_next_step():
    away = StoreTrouble(ProblemKind.STORE_UNREACHABLE, "connection refused", NOW)
    view = show(ANNA, facts=HealthFacts(NOW, polled_at=NOW, store=away))
    line = next(text for text in texts(view) if text.startswith("*The bot*"))
    assert line == (
        "*The bot* · ⚠️ The database does not answer\n"
        "*/kf* still asks WeChat. Alerts wait until the database is back.\n"
        "*Next:* check DATABASE_URL and the database of the host."
    )
    assert texts(view)[-1].endswith("database PostgreSQL (unreachable) · 2 processes")


def test_bot_without_alerts_works_normally_too():
    view = show(ANNA, facts=HealthFacts(NOW, alerts=False))
    assert "*The bot* · ✅ working normally, alerts are off" in texts(view)
    fields = next(block["fields"] for block in view["blocks"] if block.get("fields"))
    assert [field["text"].split("\n")[0] for field in fields] == ["*Alerts go to*", "*Changes from Slack*"]


def test_messages_that_wait_are_a_field():
    view = show(ANNA, facts=replace(STATUS.facts, pending=3, oldest_pending=NOW))
    fields = [field["text"] for block in view["blocks"] for field in block.get("fields", ())]
    assert fields[-1].startswith("*Waiting to be posted*\n3")


def test_failure_without_any_read_shows_the_reason_alone():
    why = explain_old_states(DOWN, CONTEXT)
    view = unavailable(why, None, STATUS, VIEWER, HomeList("all", 3), NOW, CONTEXT)
    assert texts(view)[:4] == [
        "⚠️ WeChat does not answer",
        (
            "States may be old. Deadlines are still watched by the clock.\n"
            "*Next:* nothing yet. If it lasts more than an hour, look at this server’s network or proxy."
        ),
        "no errcode · time-out after 3 attempts",
        "Try again",
    ]
    assert heads(view) == []
    assert decode_home(view["private_metadata"]) == HomeList("all", 3)
    assert flaws(view) == []


def test_failure_that_the_bot_has_not_noticed_yet_is_in_its_line():
    why = explain_old_states(BusyError(-1, "system error"), CONTEXT)
    view = unavailable(why, reading(*FORTY), STATUS, OPERATOR, HomeList(), NOW, CONTEXT)
    assert "*The bot* · ⚠️ WeChat is busy" in texts(view)
    assert "op.add" not in elements(view)
    assert flaws(view) == []


def test_refusal_names_no_account_and_not_all_viewers():
    view = notices.refused([f"U0{number}" for number in range(9)], VIEWER, HomeList(), CONTEXT)
    assert "<@U04> and 4 more" in texts(view)[1]
    assert flaws(view) == []


def test_unknown_permission_can_be_tried_again():
    view = notices.not_checked(VIEWER, HomeList("all", 2), CONTEXT)
    assert texts(view)[:2] == [
        "⚠️ Slack does not say who may use /kf",
        (
            "It did not name a user group's members.\n"
            "*Next:* try again in a minute. If it stays, tell whoever runs this bot: its log has Slack's reason "
            "(setting KF_VIEWERS)."
        ),
    ]
    assert "home.refresh" in elements(view)
    assert decode_home(view["private_metadata"]) == HomeList("all", 2)


@given(st.sampled_from(["due", "mine", "all", "rejected", "idle,bound"]), st.integers(1, 999_999_999))
def test_page_of_a_board_survives_its_metadata(filter_, page):
    assert decode_home(encode_home(HomeList(filter_, page))) == HomeList(filter_, page)


@for_each(
    "forged",
    [
        "",
        "{",
        "[]",
        "null",
        '"due"',
        "{}",
        '{"v":2,"list":"all","page":1}',
        '{"v":1,"list":"all"}',
        '{"v":1,"list":"others","page":1}',
        '{"v":1,"list":["all"],"page":1}',
        '{"v":1,"list":null,"page":1}',
        '{"v":1,"list":"all","page":0}',
        '{"v":1,"list":"all","page":-1}',
        '{"v":1,"list":"all","page":1.5}',
        '{"v":1,"list":"all","page":"x"}',
        '{"v":1,"list":"all","page":12345678901}',
        "[" * 100_000,
    ],
)
def test_forged_metadata_means_the_first_page_of_what_needs_attention(forged):
    assert decode_home(forged) == HomeList()


@given(st.text())
def test_no_metadata_raises(text):
    assert decode_home(text) == HomeList()


def test_rows_of_an_old_read_have_the_states_of_today():
    read = replace(reading(BO, LIN, DEE, EVE, invited("wen")))
    later = read.by_clock(NOW + timedelta(hours=2), CONTEXT.policy)
    states = {row.account.key.partition("@")[0]: row.status for row in later.rows}
    assert (states["bo"], states["lin"]) == (AccountStatus.EXPIRED, AccountStatus.EXPIRING)
