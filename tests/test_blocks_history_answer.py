"""The answer to /kf history."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.actions import HISTORY, NEXT_PAGE, PREVIOUS_PAGE, SHOW, decode, handle, replaces_message
from bot.alerting.episode import AlertKind, EpisodeState
from bot.blocks.answers.history_answer import WHY_BY_CODE, WHY_BY_REASON, history, operation_line, outcome
from bot.language import Language
from bot.operations.account_history import AccountHistoryPage, EpisodeNote, NoteKind, PastEpisode, account_history
from bot.operations.operation import AccountFacts, EndReason, OperationKind, OperationState, Outcome
from bot.requests import MAX_TEXT, History, Show
from tests.accounts import account
from tests.conftest import NOW
from tests.episodes import (
    HOSTILE,
    assert_fit,
    buttons,
    drawn,
    episode,
    episodes,
    fields_of,
    names,
    shown,
    user_action,
)
from tests.for_each import for_each
from tests.operations import operation, operations
from tests.samples import CHEN, CONTEXT, DAY, HOUR, MINUTE

CHINESE = replace(CONTEXT, language=Language.CHINESE)
INVITE, ADD, RENAME, DELETE = OperationKind
DEADLINE = NOW + 528 * MINUTE  # 10:00
FIRST = NOW - 3 * DAY  # Fri 20 Nov 01:12


def drawn_history():
    """Return the history that was designed: Chen is added, invited, rejects, and is invited again twice."""
    done = [
        operation(ADD, by="Tom", at=FIRST - 2 * MINUTE, nickname="Chen"),
        operation(by="Tom", at=FIRST, outcome=Outcome(errcode=0, expires_at=DEADLINE)),
        operation(
            at=NOW + MINUTE,
            wx="chen_exmple",
            status="rejected",
            state=OperationState.REFUSED,
            outcome=Outcome(EndReason.ERRCODE, 65409),
        ),
        operation(at=NOW + 2 * MINUTE, status="rejected", outcome=Outcome(expires_at=NOW + 2 * MINUTE + 3 * DAY)),
    ]
    rejected = episode(
        EpisodeState.REPLACED, "chen", first_seen=FIRST, expires_at=DEADLINE, acked=user_action("Mei")
    )
    again = episode(
        EpisodeState.WAITING, "chen", id="2", first_seen=NOW + 3 * MINUTE, expires_at=NOW + 2 * MINUTE + 3 * DAY
    )
    past = [PastEpisode(rejected, {AlertKind.REJECTED: NOW - 32 * MINUTE}), PastEpisode(again, {})]
    return AccountHistoryPage.of_account(CHEN.key, account_history(done, past), 1)


@pytest.mark.parametrize(("context", "name"), [(CONTEXT, "history"), (CHINESE, "history.zh")])
def test_history_matches_its_design(context, name):
    assert fields_of(history(drawn_history(), context, account=CHEN)) == drawn(name)


def page_of(*entries, key="", **fields):
    return AccountHistoryPage(entries, account_key=key, **fields)


def test_history_of_all_accounts_begins_each_grey_line_with_the_name():
    message = history(
        page_of(
            operation(DELETE, "dee"),
            operation(ADD, "eve", nickname="Eve"),
            operation(ADD, "nameless"),
            operation(INVITE, outcome=Outcome(expires_at=DEADLINE)),
            operation(RENAME, "night1", nickname="夜班一号"),
            operation(
                RENAME, "night1", nickname="夜", state=OperationState.REFUSED, outcome=Outcome(errcode=65403)
            ),
        ),
        CONTEXT,
    )
    assert shown(message)[0] == "What people changed"
    assert [text.partition("<!date")[0] for text in shown(message)[2:-1:2]] == [
        "Dee",
        "Eve",
        "nameless@harbour_tea",
        "Chen · chen_example · ",
        "夜班一号 · was Night1",
        "Night1 · 夜 · refused: name not allowed · errcode 65403",
    ]
    assert shown(message)[-1] == "kept for 400 days · only you see this, with whole WeChat IDs"
    assert message.text == "What people changed: Deleted by Lin, Mon 23 Nov 01:12 UTC."
    assert buttons(message) == {}


@for_each(
    ("fields", "expected"),
    [
        ({"state": OperationState.DONE}, []),
        ({"state": OperationState.DONE, "outcome": Outcome(errcode=65401)}, []),
        ({"state": OperationState.OPEN}, ["not confirmed by WeChat"]),
        ({"state": OperationState.UNSURE}, ["not confirmed by WeChat"]),
        (
            {"state": OperationState.FAILED, "outcome": Outcome(EndReason.NOT_CONFIRMED)},
            ["not confirmed by WeChat"],
        ),
        ({"state": OperationState.FAILED, "outcome": Outcome(EndReason.NO_CHANGE)}, ["did not happen"]),
        ({"state": OperationState.FAILED, "outcome": Outcome(EndReason.STILL_LISTED, 0)}, ["did not happen"]),
        (
            {"state": OperationState.REFUSED, "outcome": Outcome(EndReason.WAITING)},
            ["refused: an invitation is open"],
        ),
        ({"state": OperationState.REFUSED, "outcome": Outcome(EndReason.UNKNOWN_STATE)}, ["did not happen"]),
        (
            {"state": OperationState.REFUSED, "outcome": Outcome(EndReason.ERRCODE, 45009)},
            ["WeChat refused the request", "errcode 45009"],
        ),
        (
            {"state": OperationState.REFUSED, "outcome": Outcome(EndReason.ERRCODE, 61007)},
            ["refused: no right to this interface", "errcode 61007"],
        ),
    ],
)
def test_outcome_names_what_kept_the_operation_from_happening(fields, expected):
    assert outcome(operation(**fields), CONTEXT) == expected


@pytest.mark.parametrize("context", [CONTEXT, CHINESE])
def test_each_refusal_has_its_reason(context):
    refusals = [
        *(Outcome(EndReason.ERRCODE, code) for code in WHY_BY_CODE),
        *(Outcome(reason) for reason in WHY_BY_REASON),
    ]
    for refusal in refusals:
        why, *code = outcome(operation(state=OperationState.REFUSED, outcome=refusal), context)
        assert why.startswith(("refused: ", "被拒绝："))
        assert code == ([f"errcode {refusal.errcode}"] if refusal.errcode else [])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("rejected", "Invited again by <@U0LIN>"),
        ("expired", "Invited again by <@U0LIN>"),
        ("idle", "Invited by <@U0LIN>"),
        ("waiting", "Invited by <@U0LIN>"),
    ],
)
def test_invitation_is_a_repetition_after_a_lost_one(status, words):
    assert operation_line(operation(status=status), CONTEXT) == words


def test_notes_have_the_icon_and_the_word_of_their_state():
    about = episode(EpisodeState.CANCELLED, "chen", expires_at=None)
    notes = [EpisodeNote(NoteKind.NOTICED, NOW, about, state) for state in EpisodeState]
    lines = shown(history(page_of(*notes, key="chen@harbour_tea"), CONTEXT))[1:-1:2]
    assert [line.partition(", ")[0] for line in lines] == [
        "✉️ Waiting",
        "⛔ Rejected",
        "⌛ Expired",
        "✅ Bound",
        "✉️ Invited again",
        "⚪ Invitation withdrawn",
        "➖ Removed",
    ]


@pytest.mark.parametrize(
    ("page", "listed", "words"),
    [
        (page_of(key="chen@harbour_tea"), CHEN, "Nobody has changed Chen through this bot."),
        (page_of(key="dee@harbour_tea"), None, "Nobody has changed dee@harbour_tea through this bot."),
        (page_of(), None, "Nobody has changed an account through this bot."),
    ],
)
def test_empty_history_says_so(page, listed, words):
    message = history(page, CONTEXT, account=listed)
    assert (message.text, shown(message)[1]) == (words, words)
    assert_fit(message)


def test_account_that_is_not_listed_has_its_stored_name_and_no_details():
    page = AccountHistoryPage.of_account("dee@harbour_tea", [operation(DELETE, "dee")], 1)
    message = history(page, CONTEXT)
    assert shown(message)[0] == "History of Dee"
    assert shown(message)[-1].startswith("dee@harbour_tea · kept")
    assert buttons(message) == {}


def test_pages_are_turned_in_place():
    entries = [operation(at=NOW - MINUTE * index) for index in range(21)]
    pages = [AccountHistoryPage.of_account(CHEN.key, entries, number) for number in (1, 2, 3)]
    found = [buttons(history(page, CONTEXT, account=CHEN)) for page in pages]
    assert [
        {action_id: decode(action_id, value) for action_id, value in each.items() if action_id != SHOW}
        for each in found
    ] == [
        {NEXT_PAGE: History("chen@harbour_tea", 2)},
        {PREVIOUS_PAGE: History("chen@harbour_tea", 1), NEXT_PAGE: History("chen@harbour_tea", 3)},
        {PREVIOUS_PAGE: History("chen@harbour_tea", 2)},
    ]
    assert {decode(SHOW, each[SHOW]) for each in found} == {Show("chen@harbour_tea")}
    assert [replaces_message(action_id) for action_id in (NEXT_PAGE, PREVIOUS_PAGE, HISTORY)] == [True, True, False]
    assert SHOW not in buttons(history(pages[0], replace(CONTEXT, in_modal=True), account=CHEN))


def test_pages_of_all_accounts_and_of_a_deleted_one_are_turned_too():
    entries = [operation(name="dee", at=NOW - MINUTE * index) for index in range(10)]
    whole = buttons(history(AccountHistoryPage(tuple(entries), 1, has_next=True), CONTEXT))
    assert decode(NEXT_PAGE, whole[NEXT_PAGE]) == History("", 2)
    of_one = buttons(history(AccountHistoryPage(tuple(entries), 2, account_key="dee@harbour_tea"), CONTEXT))
    assert decode(PREVIOUS_PAGE, of_one[PREVIOUS_PAGE]) == History("dee@harbour_tea", 1)


@for_each("context", [CONTEXT, CHINESE])
@for_each("hostile", HOSTILE)
def test_ten_hostile_entries_fit(hostile, context):
    about = account("chen", kf_account=f"{hostile}@harbour_tea", kf_nick=hostile)
    done = [
        operation(
            (INVITE, RENAME)[index % 2],
            by=hostile,
            user_id=hostile,
            at=NOW + HOUR * index,
            wx=hostile,
            nickname=hostile,
            state=OperationState.REFUSED if index % 3 else OperationState.DONE,
            outcome=Outcome(errcode=65409, expires_at=DEADLINE),
        )
        for index in range(10)
    ]
    past = PastEpisode(
        episode(
            EpisodeState.REJECTED, invite_wx=hostile, kf_nick=hostile, acked=user_action(hostile, user_id=hostile)
        ),
        {},
    )
    for entries in (done, account_history(done[:7], [past])):
        for key in (hostile, ""):
            page = AccountHistoryPage(tuple(entries), 2, has_next=True, account_key=key, kf_nick=hostile)
            assert_fit(history(page, context, account=about if key else None))
            assert_fit(history(page, context))


@given(
    st.lists(operations, max_size=10),
    st.lists(episodes, max_size=3),
    names,
    st.sampled_from([CONTEXT, CHINESE]),
)
def test_any_history_fits(done, found, key, context):
    entries = account_history(done, [PastEpisode(one, {}) for one in found])
    page = AccountHistoryPage.of_account(key, entries, 1)
    people = [one.user_id for one in done] + [one.acked.user_id for one in found if one.acked]
    may_mention = [f"<@{who}>" for who in people if who.isalnum()]
    assert_fit(history(page, context), may_mention=may_mention)
    assert_fit(history(page_of(*done), context), may_mention=may_mention)


def test_ids_are_cut_where_ten_whole_ones_do_not_fit():
    much = "&" * 64
    before = AccountFacts("chen@harbour_tea", much, status="rejected")
    fields = {"wx": much, "by": much, "before": before, "outcome": Outcome(expires_at=DEADLINE)}
    long = [operation(at=NOW + HOUR * index, **fields) for index in range(10)]
    assert "&amp;" * 64 not in str(history(page_of(*long, number=2, has_next=True), CONTEXT).blocks)
    assert "&amp;" * 64 in str(history(page_of(*long[:9], number=2, has_next=True), CONTEXT).blocks)
    assert_fit(history(page_of(*long, number=2, has_next=True), CONTEXT))


def test_button_of_an_odd_account_holds_its_handle():
    odd = account("odd", kf_account="odd\n" * 100, kf_nick="Odd")
    message = history(AccountHistoryPage((), 2, account_key=odd.key), CONTEXT, account=odd)
    assert decode(PREVIOUS_PAGE, buttons(message)[PREVIOUS_PAGE]) == History(handle(odd.key), 1)
    assert len(handle(odd.key)) <= MAX_TEXT
