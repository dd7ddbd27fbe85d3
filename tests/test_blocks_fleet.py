"""Answers about several Official Accounts: the overview, accounts of all of them, and which one is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import actions
from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.alerting.incidents import Cause, ErrorDetails, Incident, PollHealth, on_poll_failure
from bot.blocks.answers.fleet_accounts import accounts_page
from bot.blocks.answers.fleet_invitations import all_page
from bot.blocks.answers.fleet_replies import no_such_account, which_account, without_alerts
from bot.blocks.answers.fleet_status import fleet_status
from bot.fleet_overview import (
    STORED_STATES,
    InvitationPage,
    OpenInvitation,
    TenantFigures,
    TenantName,
    TenantOverview,
)
from bot.health.facts import Problem, ProblemKind
from bot.language import Language
from bot.ports import Message
from bot.requests import Overview, Show
from bot.tenant_requests import AccountsOverview, AllAccounts
from bot.text import units
from tests.conftest import NOW
from tests.episodes import HOSTILE, assert_fit, hands, moments, names, user_action
from tests.samples import CONTEXT, DAY, HOUR, MINUTE, shown, undated
from tests.samples import actions as buttons
from tests.test_locale import HALF_WIDTH
from wechat_kf.errors import api_error

HARBOUR = TenantName("wx1111111111111111", "harbour", "Harbour Tea")
KIOSK = TenantName("wx2222222222222222", "kiosk", "夜班亭")
CABIN = TenantName("wx3333333333333333", "cabin", "")
TENANTS = [HARBOUR, KIOSK, CABIN]
REJECTED, EXPIRED, EXPIRING = AccountStatus.REJECTED, AccountStatus.EXPIRED, AccountStatus.EXPIRING
FIRST = AccountsOverview()
CHINESE = replace(CONTEXT, language=Language.CHINESE)
MEI = "👤\u00a0acknowledged by <@U0MEI>, Mon 23 Nov 00:47 UTC"
DOWN = on_poll_failure(PollHealth(), api_error(40125, "x"), NOW - 2 * HOUR).incident

BUSY = TenantOverview(
    HARBOUR, TenantFigures(12, NOW - 3 * MINUTE, counts={REJECTED: 2, EXPIRED: 1}, acknowledged=1)
)
CALM = TenantOverview(KIOSK, TenantFigures(1, NOW, counts={AccountStatus.WAITING: 1}))
NEW = TenantOverview(CABIN)
BROKEN = TenantOverview(KIOSK, TenantFigures(5, NOW - 3 * HOUR, NOW - 2 * HOUR, DOWN))


def overview(*rows: TenantOverview, request: AccountsOverview = FIRST, context=CONTEXT) -> Message:
    return accounts_page(rows, request, NOW, context)


def crowd(number: int) -> list[TenantOverview]:
    return [
        TenantOverview(TenantName(f"wx{index:016}", f"shop{index}", f"Shop {index:02}"), CALM.figures)
        for index in range(number)
    ]


def invitation(name: str = "chen", status: AccountStatus = REJECTED, **fields: object) -> OpenInvitation:
    account = f"{name}@harbour_tea"
    one = OpenInvitation(
        HARBOUR.appid, account, account, name.capitalize(), "2003", f"{name}_example", NOW + 3 * HOUR, status
    )
    return replace(one, **fields)


def listed(*rows: OpenInvitation, states=(REJECTED,), number=1, total=0, never_read=0, context=CONTEXT) -> Message:
    found = InvitationPage(rows, number, total or len(rows), NOW - 9 * MINUTE, never_read)
    return all_page(found, TENANTS, AllAccounts(states, number), NOW, context)


def lines(message: Message) -> list[str]:
    return [undated(text) for text in shown(message)]


def test_overview_shows_the_worst_official_account_first_with_the_age_of_its_figures():
    message = overview(NEW, CALM, BUSY)
    assert lines(message) == [
        "3 Official Accounts · 1 needs attention",
        "⛔ *Harbour Tea* · @harbour",
        "2 rejected · 1 expired · 1 acknowledged · 12 accounts · read 3 min ago",
        "❔ *cabin* · @cabin",
        "never read yet",
        "✅ *夜班亭* · @kiosk",
        "1 account · read less than 1 min ago",
        "Refresh",
        "From the last polls, the oldest 01:09 UTC · 1 was not read yet · /kf @harbour reads one now",
    ]
    assert message.text == (
        "3 Official Accounts · 1 needs attention: Harbour Tea (2 rejected, 1 expired, 1 acknowledged), "
        "cabin, 夜班亭. From the last polls, the oldest 01:09 UTC. 1 was not read yet."
    )


def test_overview_says_why_an_official_account_cannot_be_read():
    message = overview(BUSY, BROKEN)
    assert lines(message)[:3] == [
        "2 Official Accounts · 2 need attention",
        "⚠️ *夜班亭* · @kiosk",
        "WeChat refused the AppSecret · failing since 23:12 UTC · 5 accounts · read 3 h ago",
    ]
    assert "夜班亭 (WeChat refused the AppSecret, failing since 23:12 UTC)" in message.text
    failing = TenantOverview(KIOSK, TenantFigures(5, NOW - 9 * MINUTE, NOW - 4 * MINUTE))
    assert lines(overview(failing))[2] == "failing since 01:08 UTC · 5 accounts · read 9 min ago"


def test_clock_that_was_ahead_makes_no_negative_age():
    ahead = TenantOverview(KIOSK, TenantFigures(5, NOW + HOUR))
    assert lines(overview(ahead))[2] == "5 accounts · read less than 1 min ago"


def test_overview_of_calm_official_accounts_says_so():
    assert lines(overview(CALM))[0] == "1 Official Account · nothing needs attention"


def test_button_of_a_row_opens_the_overview_of_that_official_account():
    for row, tenant in zip((1, 3), (HARBOUR, KIOSK), strict=True):
        button = overview(BUSY, CALM).blocks[row]["accessory"]
        assert button["action_id"] == actions.LIST
        appid, value = actions.split_tenant(button["value"])
        assert (appid, actions.decode(actions.LIST, value)) == (tenant.appid, Overview())
    assert button["accessibility_label"] == "Open 夜班亭"


@pytest.mark.parametrize(
    ("number", "title", "pages"),
    [
        (1, "23 Official Accounts · nothing needs attention · 1–10", {"kf.page.next": 2}),
        (2, "23 Official Accounts · nothing needs attention · 11–20", {"kf.page.prev": 1, "kf.page.next": 3}),
        (9999, "23 Official Accounts · nothing needs attention · 21–23", {"kf.page.prev": 2}),
    ],
)
def test_overview_has_ten_official_accounts_a_page(number, title, pages):
    message = overview(*crowd(23), request=AccountsOverview(number))
    assert lines(message)[0] == title
    assert len([block for block in message.blocks if "accessory" in block]) == min(10, 23 - 10 * min(number - 1, 2))
    turns = {
        action_id: actions.decode_fleet(part["value"])
        for action_id, part in buttons(message).items()
        if action_id.startswith("kf.page")
    }
    assert turns == {action_id: AccountsOverview(page) for action_id, page in pages.items()}


def test_overview_may_be_of_states_or_of_a_text():
    message = overview(BUSY, CALM, request=AccountsOverview(1, (REJECTED,)))
    assert lines(message)[:2] == [
        "1 Official Account with accounts that are rejected",
        "⛔ *Harbour Tea* · @harbour",
    ]
    assert actions.decode_fleet(buttons(message)["kf.refresh"]["value"]) == AccountsOverview(1, (REJECTED,))
    message = overview(BUSY, CALM, NEW, request=AccountsOverview(1, NEEDS_ATTENTION))
    assert lines(message)[0] == "3 Official Accounts · 1 needs attention"
    assert len([block for block in message.blocks if "accessory" in block]) == 1
    message = overview(BUSY, CALM, request=AccountsOverview(text="夜班"))
    assert lines(message)[:2] == ["1 Official Account matches “夜班”", "✅ *夜班亭* · @kiosk"]


def test_official_account_that_cannot_be_read_needs_attention():
    message = overview(CALM, BROKEN, request=AccountsOverview(1, NEEDS_ATTENTION))
    assert lines(message)[:2] == ["2 Official Accounts · 1 needs attention", "⚠️ *夜班亭* · @kiosk"]


@pytest.mark.parametrize(
    ("request_", "title"),
    [
        (AccountsOverview(text="<!here>"), "No Official Account matches “＜!here＞”."),
        (AccountsOverview(1, (EXPIRED,)), "No Official Account has accounts that are expired."),
        (AccountsOverview(1, NEEDS_ATTENTION), "Nothing needs attention."),
    ],
)
def test_choice_without_an_official_account_leads_to_all(request_, title):
    message = overview(CALM, request=request_)
    assert lines(message)[0] == f"*{title}*"
    assert message.text == f"{title} From the last polls, the oldest 01:12 UTC. 1 Official Account in all."
    assert actions.decode_fleet(buttons(message)["kf.refresh"]["value"]) == AccountsOverview()


def test_reader_who_may_see_no_official_account_reads_what_to_do():
    assert overview().text.startswith("There is no Official Account for you here. Ask the person who runs this bot")


def test_accounts_of_all_name_their_official_account():
    dee = invitation("dee", EXPIRED, appid=KIOSK.appid, expires_at=NOW - 2 * DAY)
    message = listed(invitation(owner=user_action()), dee, states=(REJECTED, EXPIRED), never_read=1)
    assert lines(message) == [
        "2 accounts are rejected or expired",
        "⛔ *Chen* · rejected",
        f"*Harbour Tea* · @harbour · chen@harbour_tea · invited chen_example · {MEI}",
        "⌛ *Dee* · expired 2 days ago",
        "*夜班亭* · @kiosk · dee@harbour_tea · invited dee_example",
        "Details of…",
        "Refresh",
        "From the last polls, the oldest 01:03 UTC · 1 was not read yet · 3 Official Accounts",
    ]
    assert message.text == (
        "2 accounts are rejected or expired: Chen (Harbour Tea), Dee (夜班亭). "
        "From the last polls, the oldest 01:03 UTC. 1 was not read yet. 3 Official Accounts."
    )


def test_menu_shows_an_account_of_its_official_account():
    message = listed(invitation(), invitation(appid=KIOSK.appid))
    options = buttons(message)["kf.open"]["options"]
    assert [actions.split_tenant(option["value"]) for option in options] == [
        (tenant.appid, actions.encode(Show("chen@harbour_tea"))) for tenant in (HARBOUR, KIOSK)
    ]
    assert options[1]["description"]["text"] == "夜班亭 · chen@harbour_tea"


def test_every_option_fits_however_long_the_account_is():
    message = listed(
        *(invitation(kf_account=text, account_key=text) for text in ("x" * 123, "x" * 200, "号" * 130))
    )
    values = [option["value"] for option in buttons(message)["kf.open"]["options"]]
    assert len(values) == 3
    assert max(map(units, values)) <= actions.MAX_OPTION_VALUE


def test_pages_of_all_accounts_are_those_of_the_store():
    rows = [invitation(f"n{number}") for number in range(10)]
    message = listed(*rows, number=2, total=43)
    assert lines(message)[0] == "43 accounts are rejected · 11–20"
    assert actions.decode_fleet(buttons(message)["kf.page.next"]["value"]) == AllAccounts((REJECTED,), 3)
    assert actions.decode_fleet(buttons(message)["kf.page.prev"]["value"]) == AllAccounts((REJECTED,), 1)
    assert buttons(message)["kf.page.next"]["accessibility_label"] == "Next page, accounts 21 to 30"


def test_account_without_a_name_of_its_own_is_shown_by_its_key():
    message = listed(invitation(kf_account="", account_key="o_chen"))
    assert "· o_chen ·" in lines(message)[2]
    assert buttons(message)["kf.open"]["options"][0]["value"] == f"v2:{HARBOUR.appid}:show:o_chen"


def test_account_of_an_official_account_that_is_not_known_has_its_appid():
    assert "*wx9*" in lines(listed(invitation(appid="wx9")))[2]


@pytest.mark.parametrize(
    ("states", "title", "hint"),
    [
        ((REJECTED,), "No account is rejected.", ""),
        (NEEDS_ATTENTION, "Nothing needs attention.", ""),
        ((REJECTED, AccountStatus.BOUND), "No account is rejected or bound.", "bound"),
        ((AccountStatus.IDLE,), "Of several Official Accounts, only open invitations are known.", "idle"),
    ],
)
def test_states_without_an_account_say_what_the_store_knows(states, title, hint):
    message = listed(states=states)
    assert lines(message)[0] == f"*{title}*"
    words = f"Accounts that are {hint} are known to WeChat alone: /kf @harbour {hint}"
    assert (words in lines(message)[-1]) == bool(hint)
    assert (f"{words}." in message.text) == bool(hint)


def test_wrong_handle_gets_the_nearest_visible_ones():
    message = no_such_account("harbuor", [HARBOUR, CABIN], CONTEXT)
    assert message.text == "There is no Official Account “harbuor” for you here. Did you mean @harbour or @cabin?"
    assert [block["accessory"]["value"] for block in message.blocks if "accessory" in block] == [
        f"v2:{tenant.appid}:overview" for tenant in (HARBOUR, CABIN)
    ]
    lonely = no_such_account("<!here>", [], CONTEXT)
    assert lonely.text == (
        "There is no Official Account “＜!here＞” for you here. /kf accounts lists those that you may see."
    )
    assert actions.decode_fleet(buttons(lonely)["kf.list"]["value"]) == AccountsOverview()


def test_command_that_needs_an_official_account_lists_what_to_type():
    message = which_account([HARBOUR, CABIN], "find bo", CONTEXT)
    assert lines(message)[0] == (
        "*Which Official Account do you mean?*\n`/kf @harbour find bo` – Harbour Tea\n`/kf @cabin find bo` – cabin"
    )
    assert message.text == (
        "Which Official Account do you mean? Type one of these: /kf @harbour find bo, /kf @cabin find bo."
    )
    many = which_account([row.tenant for row in crowd(8)], "", CONTEXT)
    assert "And 3 more: /kf accounts" in lines(many)
    assert "`/kf @shop0`" in lines(many)[0]


def test_list_of_all_accounts_without_a_database_names_what_to_do():
    message = without_alerts([HARBOUR, CABIN], CONTEXT)
    assert message.text == (
        "Alerts are off, so no accounts are stored. "
        "Read one Official Account, such as /kf @harbour, or set ALERTS to on."
    )


def everything(context) -> Iterator[Message]:
    """Yield every kind of answer, with names that have no Latin letters."""
    rows = [replace(row, tenant=replace(row.tenant, title="海港")) for row in (BUSY, BROKEN, CALM, NEW)]
    requests = [AccountsOverview(text="无"), AccountsOverview(text="海")]
    requests += [AccountsOverview(1, states) for states in ((), (EXPIRED,), (EXPIRING,), NEEDS_ATTENTION)]
    for request in requests:
        yield overview(*rows, request=request, context=context)
        yield overview(CALM, request=request, context=context)
    yield overview(context=context)
    yield overview(*(replace(row, tenant=KIOSK) for row in crowd(23)), request=AccountsOverview(2), context=context)
    for states in (STORED_STATES, NEEDS_ATTENTION, (AccountStatus.BOUND,), (REJECTED, AccountStatus.IDLE)):
        stored = [status for status in states if status in STORED_STATES]
        some = [invitation(kf_nick="小波", appid=KIOSK.appid, status=status) for status in stored]
        yield listed(*some, states=states, never_read=2, number=2, total=43, context=context)
        yield listed(states=states, context=context)
    yield no_such_account("海刚", [KIOSK], context)
    yield no_such_account("海刚", [], context)
    yield which_account([KIOSK] * 7, "查找 小波", context)
    yield without_alerts([KIOSK], context)
    for number in (0, 2, 31):
        yield fleet_status([(KIOSK, [LATE])] * number, 40, KIOSK, context)


KEPT = re.compile(
    r"/kf( accounts)?|@\w+|\w+@\w+|\w+_example|\b(bound|idle|status|AppSecret|UTC|ALERTS|on)\b|<[^>]*>"
)


LATE = Problem(ProblemKind.POLL_OVERDUE, NOW - HOUR, length=HOUR)
REFUSED = Problem(ProblemKind.SLACK_BLOCKED, NOW - HOUR, error="is_archived", count=2)


def test_status_shows_each_of_a_few_official_accounts_with_its_worst_problem():
    message = fleet_status([(HARBOUR, [REFUSED, LATE]), (CABIN, [LATE])], 12, KIOSK, CONTEXT)
    shown_lines = lines(message)
    assert shown_lines[0] == "⚠️ 2 of 12 Official Accounts have a problem"
    assert "*Harbour Tea* · @harbour\n2 alerts could not be posted" in shown_lines
    assert message.text.startswith("2 of 12 Official Accounts have a problem. Harbour Tea: 2 alerts could not")


def test_status_of_many_official_accounts_has_a_row_for_each_kind_of_problem():
    troubled = [(row.tenant, [REFUSED, LATE] if index < 2 else [LATE]) for index, row in enumerate(crowd(31))]
    message = fleet_status(troubled, 10_000, HARBOUR, CONTEXT)
    assert lines(message)[0] == "⚠️ 31 of 10000 Official Accounts have a problem"
    sections = [block["text"]["text"] for block in message.blocks if block["type"] == "section"]
    assert len(sections) == 2
    assert sections[0].startswith("*2 Official Accounts* · 2 alerts could not be posted\n@shop0, @shop1")
    assert sections[1].endswith("\n@shop0, @shop1, @shop2, @shop3, @shop4 and 26 more")
    assert "31 Official Accounts (@shop0, @shop1, @shop2, @shop3, @shop4 and 26 more): " in message.text


def test_status_of_official_accounts_without_a_problem_says_so():
    message = fleet_status([], 3, HARBOUR, CONTEXT)
    assert message.text == "3 Official Accounts · Working normally."


def test_no_answer_in_chinese_has_english_words():
    for message in everything(CHINESE):
        for text in (message.text, *lines(message)):
            assert not re.findall(r"[A-Za-z]{2,}", KEPT.sub("", text)), text
            assert not HALF_WIDTH.search(text), text


@pytest.mark.parametrize("language", Language)
def test_every_answer_fits(language):
    for message in everything(replace(CONTEXT, language=language)):
        assert_fit(message, may_mention=["<@U0MEI>"])


long_names = names | st.sampled_from(HOSTILE)
slugs = st.from_regex(r"[a-z号][a-z0-9号_-]{0,31}", fullmatch=True)  # as settings accept them
tenants = st.builds(TenantName, st.from_regex(r"wx[0-9a-f]{16}", fullmatch=True), slugs | st.just(""), long_names)
counts = st.dictionaries(st.sampled_from(STORED_STATES), st.integers(0, 10**6))
figures = st.builds(
    TenantFigures,
    st.integers(0, 10**6),
    st.none() | moments,
    st.none() | moments,
    st.none() | st.just(DOWN),
    counts,
    st.integers(0, 10**6),
)
invitations = st.builds(
    OpenInvitation,
    *[st.sampled_from([HARBOUR.appid, KIOSK.appid, "wx9"]), *[long_names.map(lambda text: text[:264])] * 5],
    st.none() | moments,
    st.sampled_from(STORED_STATES),
    st.none() | hands,
)
contexts = st.sampled_from([CONTEXT, CHINESE])


@given(st.lists(st.builds(TenantOverview, tenants, figures), max_size=12), long_names, contexts)
def test_hostile_names_of_official_accounts_fit(rows, text, context):
    assert_fit(overview(*rows, context=context))
    assert_fit(overview(*rows, request=AccountsOverview(text=text[:200]), context=context))
    assert_fit(no_such_account(text, [row.tenant for row in rows], context))
    assert_fit(which_account([row.tenant for row in rows], text, context))


@given(st.lists(invitations, max_size=10), st.integers(1, 5), contexts)
def test_hostile_names_of_accounts_fit(rows, number, context):
    message = listed(*rows, states=STORED_STATES, number=number, total=len(rows) and 50, context=context)
    assert_fit(message, may_mention=[f"<@{row.owner.user_id}>" for row in rows if row.owner])


def test_fullest_page_of_hostile_names_fits():
    name = TenantName("wx" + "f" * 16, "x" * 32, "&" * 500)
    numbers = dict.fromkeys(NEEDS_ATTENTION, 10**6)
    row = TenantOverview(name, replace(BROKEN.figures, counts=numbers, acknowledged=10**6))
    assert_fit(overview(*[row] * 23, request=AccountsOverview(2)))
    one = invitation("&" * 150, kf_nick="&<>" * 50, invite_wx="&" * 200, owner=user_action("&" * 80))
    rows = [replace(one, account_key=f"{index}{one.account_key}", kf_account="") for index in range(10)]
    assert_fit(listed(*rows, number=2, total=43), may_mention=[f"<@{one.owner.user_id}>"])


def test_time_of_the_oldest_poll_has_its_day_when_it_is_far():
    far = TenantOverview(KIOSK, TenantFigures(5, NOW - timedelta(days=3)))
    assert "the oldest Fri 20 Nov 01:12 UTC" in lines(overview(far, BUSY))[-1]


def test_status_shows_an_outage_of_all_accounts_once():
    down = Incident("source_down-all-1", Cause.SOURCE_DOWN, NOW, ErrorDetails("TransportError"))
    outage = Problem(ProblemKind.WECHAT_DOWN, NOW, incident=down, is_outage_of_all=True)
    refused = Problem(ProblemKind.WECHAT_CONFIG, NOW, incident=DOWN)
    message = fleet_status([(KIOSK, [refused])], 3, HARBOUR, CONTEXT, [outage])
    assert shown(message)[0] == "⚠️ 3 Official Accounts · WeChat does not answer"
    assert shown(message)[1] == "*All Official Accounts*\nWeChat does not answer"
    assert "夜班亭" in shown(message)[3]
    assert "Harbour Tea" not in message.text
    assert_fit(message)


def test_status_shows_trouble_of_the_platform_once_and_what_is_known_of_it():
    fails = Incident("platform_problem-1", Cause.PLATFORM_PROBLEM, NOW, ErrorDetails("NoTicket"))
    shared = [Problem(ProblemKind.PLATFORM_FAILING, NOW, incident=fails)]
    known = ("last ticket 40 min ago", "2 watched")
    message = fleet_status([], 3, HARBOUR, CONTEXT, shared, known)
    assert shown(message)[0] == "⚠️ 3 Official Accounts · WeChat sends the platform no tickets"
    assert shown(message)[1] == "*All Official Accounts of the platform*\nWeChat sends the platform no tickets"
    assert "Platform: last ticket 40 min ago, 2 watched" in shown(message)
    assert "All Official Accounts of the platform: WeChat sends the platform no tickets." in message.text
    assert message.text.endswith("Platform: last ticket 40 min ago, 2 watched.")
    assert_fit(message)
