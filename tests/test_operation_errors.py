"""Errors of forms: at which field, with which text, for each errcode, each reason and each operation."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from bot.alerting.episode import EpisodeState
from bot.blocks.modals.field_error_texts import field_errors, problem_text
from bot.language import Language
from bot.operations.fields import FORM_FIELDS, FieldError, FieldProblem
from bot.operations.operation import MAX_ACCOUNTS, EndReason, OperationKind, Wanted, find
from bot.operations.refusals import refusal_of, refused_by_list, refused_by_wechat, was_gone
from bot.operations.rules import facts_of, facts_of_episode, is_absent, obstacle
from tests.accounts import account, bound, invited
from tests.conftest import NOW
from tests.episodes import DEADLINE, episode
from tests.for_each import for_each
from tests.modals import (
    ADD,
    BO,
    CHEN,
    DELETE,
    ERRORS,
    IN,
    INVITE,
    REFUSED,
    RENAME,
    designed,
    ended,
    operation,
)
from tests.samples import CONTEXT, DAY
from wechat_kf import KfList
from wechat_kf.advice import ADVICE

LISTED = [bound("anna", "anna_example"), invited("bo", wx="bo_example", kf_nick="小波"), account("eve")]
UNKNOWN_ID = (
    "WeChat does not know this ID. Check the spelling: the person’s own WeChat ID, no phone number, no nickname."
)
HOLDS_TOO_MANY = (
    "This person holds as many customer-service accounts as WeChat allows. They leave one first, or choose another "
    "person."
)
GONE = "WeChat does not know this account any more. /kf shows the present list."
BOUND = "This account is bound by now. To give it to somebody else, delete it and add it again."
OPEN = "An invitation for this account is still open. WeChat takes a new one after its deadline."
ANSWERS = "This person already answers customers here. Choose another person."
INVITED = "This person has an open invitation already. Wait for the answer or the deadline."
NAME = "WeChat refuses this name. Choose another one of up to 16 characters."
FORM = "Up to 10 letters, digits or _ before the @."
NO_ROOM = "There are as many accounts as WeChat allows. Delete one that nobody uses."
EXISTS = "This account exists already. Choose other characters."
TABLE = {
    40132: ("wx", UNKNOWN_ID),
    65409: ("wx", UNKNOWN_ID),
    65407: ("wx", ANSWERS),
    65408: ("wx", INVITED),
    65410: ("wx", HOLDS_TOO_MANY),
    65411: ("wx", OPEN),
    65412: ("wx", BOUND),
    65401: ("", GONE),
    61452: ("", GONE),
    65403: ("name", NAME),
    65404: ("account", FORM),
    61454: ("account", FORM),
    61455: ("account", FORM),
    65405: ("account", NO_ROOM),
    61456: ("account", NO_ROOM),
    65406: ("account", EXISTS),
    61453: ("account", EXISTS),
}


@for_each("kind", OperationKind)
@for_each("errcode", [*ADVICE, 99999])
def test_errcode_is_an_error_at_its_field_or_else_at_the_first(errcode, kind):
    error = refused_by_wechat(kind, errcode, Wanted("x@y", invite_wx="z"), [], NOW)
    if errcode not in TABLE or (kind is DELETE and errcode in (65401, 61452)):
        assert error is None
        return
    field, text = TABLE[errcode]
    first, *_ = FORM_FIELDS[kind]
    at = field if field in FORM_FIELDS[kind] else first
    assert field_errors(error, kind, FORM_FIELDS[kind], CONTEXT).errors == {at: text}


def test_table_has_every_code_of_a_field():
    assert set(TABLE) <= set(ADVICE)


@for_each("language", Language)
@for_each("problem", FieldProblem)
def test_every_problem_has_a_text_without_markup(problem, language):
    text = problem_text(ERRORS[problem], IN[language])
    assert text
    assert not set(text) & set("*<>`{}")
    assert (text == problem_text(ERRORS[problem], CONTEXT)) is (language is Language.ENGLISH)


@pytest.mark.parametrize("language", Language)
def test_error_at_a_field_is_as_it_was_designed(language):
    error = refused_by_wechat(INVITE, 65407, Wanted(CHEN.kf_account, invite_wx="anna_example"), LISTED, NOW)
    answer = field_errors(error, INVITE, ["wx"], IN[language])
    assert dict(answer.errors) == designed("ack-errors", language)["errors"]


@for_each(
    ("error", "text"),
    [
        (
            refused_by_wechat(INVITE, 65408, Wanted("chen@harbour_tea", invite_wx="bo_example"), LISTED, NOW),
            (
                "This person has an open invitation already, for 小波, until Thu 26 Nov 01:12 UTC. Wait for the "
                "answer or the deadline."
            ),
        ),
        (
            refused_by_wechat(INVITE, 65411, Wanted("bo@harbour_tea", invite_wx="da_example"), LISTED, NOW),
            (
                "An invitation for this account is still open, until Thu 26 Nov 01:12 UTC. WeChat takes a new one "
                "after that."
            ),
        ),
        (FieldError(FieldProblem.OTHER_SUFFIX, words="<!here>"), "After the @ stands ＜!here＞ here."),
        (FieldError(FieldProblem.NOT_TYPED, words="anna@harbour_tea"), "This is not anna@harbour_tea."),
        (FieldError(FieldProblem.NAME_TOO_LONG, number=17), "This name has 17 characters; WeChat takes up to 16."),
        (
            FieldError(FieldProblem.IN_PROGRESS, words="lin", at=NOW),
            "Lin is changing this account right now, since 01:12 UTC. Try again in a minute.",
        ),
        (
            FieldError(FieldProblem.IN_PROGRESS, words="", at=NOW),
            "Somebody is changing this account right now, since 01:12 UTC. Try again in a minute.",
        ),
        (
            FieldError(FieldProblem.CHANGED, words="bound"),
            (
                "The account has changed since this window was opened: it is bound now. Close the window and look "
                "again."
            ),
        ),
        (
            FieldError(FieldProblem.TOO_MANY, number=20, at=NOW),
            "That is much for one hour: 20 changes. Wait until 01:12 UTC.",
        ),
        (
            FieldError(FieldProblem.NOT_PERMITTED),
            (
                "Only some people may change accounts. Ask one of them to do it, or whoever runs this bot to add "
                "you (setting KF_OPERATORS)."
            ),
        ),
        (
            FieldError(FieldProblem.OUT_OF_DATE),
            "This button is out of date. /kf shows the present state.",
        ),
    ],
)
def test_problem_has_a_text_with_its_facts(error, text):
    assert problem_text(error, CONTEXT) == text


def test_moment_in_an_error_is_in_the_zone_of_the_settings():
    context = replace(IN[Language.CHINESE], text_zone=ZoneInfo("Asia/Shanghai"))
    text = problem_text(FieldError(FieldProblem.STILL_OPEN, at=NOW), context)
    assert text == "该账号存在待确认的邀请，截止 11月23日 周一 09:12（北京时间）。之后才能重新邀请。"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            FieldError(FieldProblem.IN_PROGRESS, words="lin", at=NOW),
            "Lin 正在修改这个账号，开始于 01:12（UTC）。请一分钟后再试。",
        ),
        (
            FieldError(FieldProblem.INVITED_ALREADY, account=replace(CHEN, expires_at=NOW)),
            "已邀请过此人（Chen），截止 11月23日 周一 01:12（UTC）。请等对方确认，或等邀请过期。",
        ),
    ],
)
def test_zone_of_a_moment_is_in_no_brackets_within_brackets_in_chinese(error, text):
    assert problem_text(error, IN[Language.CHINESE]) == text


def test_error_is_at_the_field_of_the_form_that_was_submitted():
    error = FieldError(FieldProblem.NAME_REFUSED, "name")
    assert list(field_errors(error, ADD, ["account3", "name3"], CONTEXT).errors) == ["name3"]
    assert list(field_errors(FieldError(FieldProblem.NO_DATABASE), ADD, ["account3", "name3"], CONTEXT).errors) == [
        "account3"
    ]
    assert list(field_errors(error, RENAME, [], CONTEXT).errors) == ["name"]


@pytest.mark.parametrize(
    ("reason", "kind", "problem", "field"),
    [
        (EndReason.WAITING, INVITE, FieldProblem.STILL_OPEN, "wx"),
        (EndReason.BOUND, INVITE, FieldProblem.CHANGED, ""),
        (EndReason.UNKNOWN_STATE, INVITE, FieldProblem.CHANGED, ""),
        (EndReason.GONE, INVITE, FieldProblem.CHANGED, ""),
        (EndReason.GONE, RENAME, FieldProblem.CHANGED, ""),
        (EndReason.EXISTS, ADD, FieldProblem.EXISTS, "account"),
        (EndReason.ALREADY_SO, RENAME, FieldProblem.SAME_NAME, "name"),
    ],
)
def test_reason_of_the_list_is_an_error_at_a_field(reason, kind, problem, field):
    error = refused_by_list(reason, kind, BO)
    assert (error.problem, error.field) == (problem, field)
    assert error.at == (BO.expires_at if reason is EndReason.WAITING else None)


def test_other_reasons_are_explained_by_the_modal():
    assert refused_by_list(EndReason.GONE, DELETE, None) is None
    assert was_gone(ended(DELETE, REFUSED, reason=EndReason.GONE))
    assert not was_gone(ended(INVITE, REFUSED, reason=EndReason.GONE))
    for reason in (
        EndReason.NOT_SENT,
        EndReason.NO_CHANGE,
        EndReason.STILL_LISTED,
        EndReason.NOT_CONFIRMED,
        EndReason.ERRCODE,
    ):
        assert refused_by_list(reason, DELETE, None) is None


def test_refusal_of_an_operation_is_that_of_its_outcome():
    refused = ended(INVITE, REFUSED, reason=EndReason.ERRCODE, errcode=65409)
    assert refusal_of(refused, [], NOW) == FieldError(FieldProblem.WX_UNKNOWN, "wx")
    assert refusal_of(ended(ADD, REFUSED, reason=EndReason.EXISTS), [], NOW) == FieldError(
        FieldProblem.EXISTS, "account"
    )
    assert refusal_of(ended(ADD, REFUSED, reason=EndReason.ERRCODE, errcode=45009), [], NOW) is None
    assert refusal_of(operation(), [], NOW) is None


@pytest.mark.parametrize(
    ("kind", "listing", "known", "absent"),
    [
        (DELETE, KfList(tuple(LISTED)), 5, True),
        (DELETE, KfList(tuple(LISTED), unreadable=1), 5, None),
        (DELETE, KfList(()), 2, None),
        (DELETE, KfList(()), 1, True),
        (DELETE, KfList((), unreadable=1), 1, None),
        (ADD, KfList(()), 1, None),
        (ADD, KfList(()), 0, True),
    ],
)
def test_account_is_absent_only_by_a_complete_and_plausible_list(kind, listing, known, absent):
    assert is_absent(kind, listing, Wanted("zoe@harbour_tea"), known) is absent


def test_account_that_the_list_shows_is_not_absent_however_incomplete_the_list():
    assert is_absent(DELETE, KfList(tuple(LISTED), unreadable=1), Wanted("eve@harbour_tea"), 5) is False


def test_account_that_may_exist_is_not_ruled_out():
    assert obstacle(DELETE, Wanted("zoe@harbour_tea"), LISTED, NOW, absent=None) is None


@pytest.mark.parametrize(
    ("kind", "wanted", "problem"),
    [
        (INVITE, Wanted("eve@harbour_tea", invite_wx="da_example"), None),
        (INVITE, Wanted("bo@harbour_tea", invite_wx="bo_example"), FieldProblem.STILL_OPEN),
        (INVITE, Wanted("anna@harbour_tea", invite_wx="da_example"), FieldProblem.CHANGED),
        (INVITE, Wanted("zoe@harbour_tea", invite_wx="da_example"), FieldProblem.CHANGED),
        (ADD, Wanted("eve@harbour_tea", nickname="Eve"), FieldProblem.EXISTS),
        (ADD, Wanted("zoe@harbour_tea", nickname="Zoe"), None),
        (RENAME, Wanted("eve@harbour_tea", nickname="Eve"), FieldProblem.SAME_NAME),
        (DELETE, Wanted("zoe@harbour_tea"), None),
    ],
)
def test_list_rules_out_what_wechat_would_refuse(kind, wanted, problem):
    reason = obstacle(kind, wanted, LISTED, NOW, absent=True)
    listed = find(LISTED, wanted.kf_account)
    error = refused_by_list(reason, kind, facts_of(listed, NOW) if listed else None) if reason else None
    assert (error.problem if error else None) is problem


def test_no_account_can_be_added_beside_a_hundred():
    full = [account(f"n{number}") for number in range(MAX_ACCOUNTS)]
    assert obstacle(ADD, Wanted("zoe@harbour_tea"), full, NOW, absent=True) is EndReason.NO_ROOM
    assert obstacle(ADD, Wanted("zoe@harbour_tea"), full[1:], NOW, absent=True) is None
    assert refused_by_list(EndReason.NO_ROOM, ADD, None).problem is FieldProblem.NO_ROOM


@pytest.mark.parametrize(
    ("state", "status", "invite_wx", "kf_wx"),
    [
        (EpisodeState.WAITING, "waiting", "bo_example", ""),
        (EpisodeState.REJECTED, "rejected", "bo_example", ""),
        (EpisodeState.EXPIRED, "expired", "bo_example", ""),
        (EpisodeState.BOUND, "bound", "bo_example", "bo_example"),
        (EpisodeState.REPLACED, "waiting", "da_example", ""),
        (EpisodeState.CANCELLED, "idle", "", ""),
        (EpisodeState.REMOVED, "removed", "bo_example", ""),
    ],
)
def test_alert_has_the_facts_of_its_account(state, status, invite_wx, kf_wx):
    facts = facts_of_episode(episode(state, successor_wx="da_example", successor_expires_at=NOW + DAY))
    assert (facts.status, facts.invite_wx, facts.kf_wx) == (status, invite_wx, kf_wx)
    assert (facts.kf_account, facts.kf_nick, facts.kf_id) == ("bo@harbour_tea", "Bo", "2001")
    expected = {EpisodeState.REPLACED: NOW + DAY, EpisodeState.CANCELLED: None}
    assert facts.expires_at == expected.get(state, DEADLINE)
