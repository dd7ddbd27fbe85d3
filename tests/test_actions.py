"""Action IDs and button values: readable for as long as the messages that have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import actions
from bot.actions import (
    AlertAction,
    CheckNow,
    ChooseLanguage,
    EpisodeDetails,
    HomeList,
    OpenAdd,
    OpenInvite,
    decode,
    decode_fleet,
    encode,
    encode_for,
    handle,
    split_tenant,
)
from bot.alerting.acknowledgements import ActionKind, Snooze
from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.requests import MAX_PAGE, MAX_TEXT, Find, Help, History, List, Overview, Show, ShowStatus, in_order
from bot.tenant_requests import AccountsOverview, AllAccounts
from bot.text import units
from tests.conftest import APPID
from tests.for_each import for_each

EPISODE = "9f2c41d07be30a1b"
VALUES = [
    (actions.HELP, "v1", Help()),
    (actions.REFRESH, "v1:overview", Overview()),
    (actions.REFRESH, "v1:status", ShowStatus()),
    (actions.LIST, "v1:list:1:all", List()),
    (actions.LIST, "v1:list:2:due", List(2, NEEDS_ATTENTION)),
    (actions.FILTER, "v1:list:1:rejected", List(1, (AccountStatus.REJECTED,))),
    (actions.NEXT_PAGE, "v1:list:3:waiting,idle", List(3, (AccountStatus.WAITING, AccountStatus.IDLE))),
    (actions.PREVIOUS_PAGE, "v1:find:2:a:b:c", Find("a:b:c", 2)),
    (actions.OPEN, "v1:show:chen@harbour_tea", Show("chen@harbour_tea")),
    (actions.SHOW, "v1:show:a:b:c", Show("a:b:c")),
    (actions.ACKNOWLEDGE, f"v1:{EPISODE}", AlertAction(ActionKind.ACKNOWLEDGED, EPISODE)),
    (actions.ACKNOWLEDGE, "v1:batch:digest-0a1b", AlertAction(ActionKind.ACKNOWLEDGED, "digest-0a1b", batch=True)),
    (actions.UNDO, f"v1:{EPISODE}:ack", AlertAction(ActionKind.UNACKNOWLEDGED, EPISODE)),
    (actions.UNDO, "v1:batch:digest-0a1b", AlertAction(ActionKind.UNACKNOWLEDGED, "digest-0a1b", batch=True)),
    (actions.SNOOZE, f"v1:{EPISODE}:1h", AlertAction(ActionKind.SNOOZED, EPISODE, snooze=Snooze.HOUR)),
    (actions.SNOOZE, f"v1:{EPISODE}:4h", AlertAction(ActionKind.SNOOZED, EPISODE, snooze=Snooze.FOUR_HOURS)),
    (actions.SNOOZE, f"v1:{EPISODE}:morning", AlertAction(ActionKind.SNOOZED, EPISODE, snooze=Snooze.MORNING)),
    (actions.UNDO, f"v1:{EPISODE}:snooze", AlertAction(ActionKind.UNSNOOZED, EPISODE)),
    (actions.DETAILS, f"v1:{EPISODE}", EpisodeDetails(EPISODE)),
    (actions.CHECK_NOW, "v1:config_problem", CheckNow("config_problem")),
    (actions.INVITE, f"v1:{EPISODE}", OpenInvite(episode_id=EPISODE)),
    (actions.INVITE, "v1:seat:chen@harbour_tea", OpenInvite(handle="chen@harbour_tea")),
    (actions.ADD, "v1", OpenAdd()),
    (actions.HISTORY, "v1:history:2:chen@harbour_tea", History("chen@harbour_tea", 2)),
    (actions.HISTORY, "v1:history:1:", History()),
    (actions.HOME_REFRESH, "v1:list:2:rejected", HomeList("rejected", 2)),
    (actions.HOME_FILTER, "v1:list:1:mine", HomeList("mine")),
    (actions.HOME_LANGUAGE, "v1:auto", ChooseLanguage("auto")),
]


@for_each(("action_id", "value", "action"), VALUES)
def test_values_of_existing_buttons_stay(action_id, value, action):
    assert encode(action) == value
    assert decode(action_id, value) == action


def test_ids_of_existing_buttons_stay():
    ids = {name: value for name, value in vars(actions).items() if name.isupper() and isinstance(value, str)}
    assert ids == {
        "LIST": "kf.list",
        "PREVIOUS_PAGE": "kf.page.prev",
        "NEXT_PAGE": "kf.page.next",
        "FILTER": "kf.filter",
        "REFRESH": "kf.refresh",
        "RETRY": "kf.retry",
        "OPEN": "kf.open",
        "SHOW": "kf.show",
        "HELP": "kf.help",
        "ACKNOWLEDGE": "alert.ack",
        "SNOOZE": "alert.snooze",
        "UNDO": "alert.undo",
        "DETAILS": "alert.details",
        "CHECK_NOW": "health.check",
        "INVITE": "op.invite",
        "ADD": "op.add",
        "HISTORY": "kf.history",
        "MESSAGE_MODAL": "kf.message",
        "HOME_REFRESH": "home.refresh",
        "HOME_FILTER": "home.filter",
        "HOME_PREVIOUS_PAGE": "home.page.prev",
        "HOME_NEXT_PAGE": "home.page.next",
        "HOME_LANGUAGE": "home.language",
        "HOME_ACCOUNT": "home.account",
        "PAUSE_TENANT": "admin.pause",
        "RESUME_TENANT": "admin.resume",
        "ADD_TENANT": "admin.add",
        "PICK": "op.pick",
        "DETAILS_MODAL": "kf.details",
        "OPEN_CONSOLE": "link.console",
        "OPEN_PLATFORM": "link.platform",
    }


ids = st.from_regex(r"[0-9A-Za-z_-]{1,100}", fullmatch=True).filter(lambda text: text != "batch")
texts = st.text(st.characters(codec=None), min_size=1, max_size=MAX_TEXT)
pages = st.integers(1, 10**MAX_PAGE - 1)
requests = st.one_of(
    st.sampled_from([Overview(), ShowStatus(), Help()]),
    st.builds(List, pages, st.sets(st.sampled_from(AccountStatus)).map(in_order)),
    st.builds(Find, texts, pages),
    st.builds(Show, texts),
).map(lambda request: (actions.LIST, request))
alert_actions = st.one_of(
    st.tuples(
        st.just(actions.ACKNOWLEDGE), st.builds(AlertAction, st.just(ActionKind.ACKNOWLEDGED), ids, st.booleans())
    ),
    st.tuples(
        st.just(actions.UNDO), st.builds(AlertAction, st.just(ActionKind.UNACKNOWLEDGED), ids, st.booleans())
    ),
    st.tuples(st.just(actions.UNDO), st.builds(AlertAction, st.just(ActionKind.UNSNOOZED), ids)),
    st.tuples(
        st.just(actions.SNOOZE),
        st.builds(
            AlertAction, st.just(ActionKind.SNOOZED), ids, batch=st.just(False), snooze=st.sampled_from(Snooze)
        ),
    ),
    st.tuples(st.just(actions.DETAILS), st.builds(EpisodeDetails, ids)),
    st.tuples(st.just(actions.CHECK_NOW), st.builds(CheckNow, ids)),
)


@given(requests | alert_actions)
def test_decoding_an_encoded_action_returns_it(pair):
    action_id, action = pair
    assert decode(action_id, encode(action)) == action


@given(st.sampled_from([action_id for action_id, _, _ in VALUES]), st.text(st.characters(codec=None)))
def test_any_value_can_be_decoded(action_id, value):
    decode(action_id, value)
    decode(action_id, f"v1:{value}")


@for_each(
    "value",
    [
        *("", "v0:overview", "v2:overview", "overview", "v1:", "v1:overview:", "v1:status:x"),
        *("v1:list", "v1:list:1", "v1:list:0:all", "v1:list:x:all", "v1:list:9999999999:all", "v1:list:-1:all"),
        *("v1:list:1:removed", "v1:list:1:all:x", "v1:list:²:all", "v1:list:1:", "v1:list:1:rejected,"),
        *("v1:list:1:all,rejected", "v1:find:1:", "v1:find:1", "v1:find:0:x"),
        *("v1:show:", "v1:show", f"v1:show:{'x' * 201}", f"v1:find:1:{'x' * 201}"),
        *("v1:9f2c41d07be3", "v1:config_problem"),  # of other buttons
    ],
)
def test_malformed_value_decodes_to_no_action(value):
    assert decode(actions.LIST, value) is None


def test_unknown_button_decodes_to_no_action():
    assert decode("kfx.list", "v1:overview") is None
    assert decode("alert.frobnicate", f"v1:{EPISODE}") is None


@given(st.text(st.characters(codec=None)))
def test_handle_of_any_key_fits_a_menu_and_comes_back(key):
    fitting = handle(key)
    assert units(encode_for(APPID, encode(Show(fitting)))) <= actions.MAX_OPTION_VALUE
    assert decode(actions.OPEN, encode(Show(fitting))) == Show(fitting)
    assert fitting.isprintable()


def test_key_is_its_own_handle_while_a_menu_holds_it():
    assert handle("x" * 123) == "x" * 123
    assert handle("x" * 124).startswith("~")


def test_handles_of_similar_long_keys_differ():
    assert handle("x" * 500 + "a") != handle("x" * 500 + "b")


LONGEST_STATES = tuple(AccountStatus)[1:]


@pytest.mark.parametrize(
    "action",
    [
        List(10**MAX_PAGE - 1, LONGEST_STATES),
        HomeList(",".join(LONGEST_STATES), 10**MAX_PAGE - 1),
        AlertAction(ActionKind.SNOOZED, "x" * 100, snooze=Snooze.MORNING),
        OpenInvite(handle=handle("x" * 500)),
        ChooseLanguage("auto"),
    ],
)
def test_longest_value_of_an_option_fits_a_menu_with_its_official_account(action):
    assert units(encode_for(APPID, encode(action))) <= actions.MAX_OPTION_VALUE


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("v1", f"v2:{APPID}"),
        ("v1:", f"v2:{APPID}:"),
        ("v1:overview", f"v2:{APPID}:overview"),
        ("v1:find:2:a:b\nc", f"v2:{APPID}:find:2:a:b\nc"),
        ("v1:batch:digest-0a1b", f"v2:{APPID}:batch:digest-0a1b"),
    ],
)
def test_value_names_its_official_account(value, named):
    assert encode_for(APPID, value) == named
    assert split_tenant(named) == (APPID, value)


@given(requests | alert_actions, st.from_regex(r"wx[0-9a-f]{16}", fullmatch=True))
def test_value_of_an_official_account_is_split_into_both(pair, appid):
    action_id, action = pair
    named = encode_for(appid, encode(action))
    assert split_tenant(named) == (appid, encode(action))
    assert decode(action_id, named) != action
    assert encode_for(APPID, named) == named  # of another one


@pytest.mark.parametrize("value", ["", "v1:overview", "v2", "v2:", "v2::list", "v2:a b:list", "v3:wx1:list", "x"])
def test_value_without_an_official_account_is_returned_unchanged(value):
    assert split_tenant(value) == ("", value)


@given(st.text(st.characters(codec=None)))
def test_any_value_can_be_split(value):
    appid, rest = split_tenant(value)
    assert appid or rest == value
    decode_fleet(value)
    decode_fleet(f"v1:accounts:{value}")


@pytest.mark.parametrize(
    ("value", "request_"),
    [
        ("v1:accounts:1:all:", AccountsOverview()),
        ("v1:accounts:2:rejected,expired:", AccountsOverview(2, (AccountStatus.REJECTED, AccountStatus.EXPIRED))),
        ("v1:accounts:1:all:a:b:c", AccountsOverview(text="a:b:c")),
        ("v1:here:1:all:", AccountsOverview(here=True)),
        ("v1:all:3:due", AllAccounts(NEEDS_ATTENTION, 3)),
        ("v1:allhere:1:rejected", AllAccounts((AccountStatus.REJECTED,), here=True)),
        ("v1:all:1:rejected", AllAccounts((AccountStatus.REJECTED,))),
    ],
)
def test_values_of_pages_of_several_official_accounts_stay(value, request_):
    assert encode(request_) == value
    assert decode_fleet(value) == request_
    assert decode(actions.NEXT_PAGE, value) is None


@given(
    st.builds(AccountsOverview, pages, st.sets(st.sampled_from(AccountStatus)).map(in_order), texts, st.booleans())
    | st.builds(
        AllAccounts, st.sets(st.sampled_from(AccountStatus), min_size=1).map(in_order), pages, st.booleans()
    )
)
def test_decoding_an_encoded_page_of_several_official_accounts_returns_it(request_):
    assert decode_fleet(encode(request_)) == request_


@for_each(
    "value",
    [
        *("", "v1", "v1:overview", "v1:accounts", "v1:accounts:1", "v1:accounts:1:all", "v1:accounts:0:all:"),
        *("v1:accounts:1:removed:", f"v1:accounts:1:all:{'x' * 201}", "v2:accounts:1:all:"),
        *("v1:all:1", "v1:all:1:all", "v1:all:x:due", "v1:all:1:due:x"),
    ],
)
def test_malformed_page_of_several_official_accounts_decodes_to_nothing(value):
    assert decode_fleet(value) is None
