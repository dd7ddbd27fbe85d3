"""Modals: as they were designed, in both languages, within Slack's limits, whatever an account is called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.actions import decode
from bot.alerting.episode import EpisodeState
from bot.blocks.answers.account_details import account_details, last_known_details
from bot.blocks.answers.timeline import timeline
from bot.blocks.modals.done import done_view
from bot.blocks.modals.form_parts import MAX_INPUT, Repetition
from bot.blocks.modals.forms import add_form, delete_form, invite_form, rename_form
from bot.blocks.modals.inputs import block_id, field_of, next_number
from bot.blocks.modals.modal_view import details_view, reading_view
from bot.blocks.modals.operation_results import operation_view, unsure_view, working_view
from bot.blocks.modals.pick import blocked_view, pick_form
from bot.blocks.problems import explain_error
from bot.language import Language
from bot.operations.fields import FieldError, FieldProblem
from bot.operations.operation import MAX_ACCOUNTS, AccountFacts, EndReason, Wanted
from bot.operations.operation import OperationState as State
from bot.text import units
from bot.view_metadata import decode_form
from tests.accounts import account, invited
from tests.conftest import NOW
from tests.episodes import HOSTILE, episode, leads, problem, user_action
from tests.for_each import for_each
from tests.modals import (
    ADD,
    ANNA,
    BO,
    CHANNEL,
    CHEN,
    DEE,
    DELETE,
    ERRORS,
    EVE,
    FAILED,
    IN,
    INVITE,
    NIGHT,
    REFUSED,
    RENAME,
    RID,
    UNTIL,
    designed,
    ended,
    every_modal,
    forms,
    inputs,
    operation,
    problems,
    redated,
    texts,
)
from tests.samples import CHEN as CHEN_LISTED
from tests.samples import CONTEXT, DAY, reading
from wechat_kf import TransportError

EPISODE = "9f2c41d07be3"
TO_PICK = [
    invited("chen", status="rejected", expires_in=2 * DAY),
    invited("night1", status="rejected", expires_in=DAY, kf_nick="夜班一号"),
    invited("dee", status="expired"),
    account("eve"),
    account("gao"),
    invited("bo"),
    account("anna", kf_wx="anna_example"),
    account("", kf_account="", kf_openid="oEXAMPLE_6"),
]
MISTYPED = Wanted(CHEN.kf_account, invite_wx="chen_exmple")
UNKNOWN_ID = replace(ended(INVITE, REFUSED, reason=EndReason.ERRCODE, errcode=65409, rid=RID), wanted=MISTYPED)
NOTHING_HAPPENED = ended(INVITE, FAILED, reason=EndReason.NO_CHANGE, error="time-out")


def result(about, context=CONTEXT, **more):
    return operation_view(about, NOW, context, channel=CHANNEL, number=2, **more)


def no_right(context):
    rid = "6740a1b2-11223344-5566778c"
    about = ended(INVITE, REFUSED, reason=EndReason.ERRCODE, errcode=48001, error="api unauthorized", rid=rid)
    return result(about, context)


def chen_details(context):
    read = reading(replace(CHEN_LISTED, kf_headimgurl="http://mmbiz.qpic.cn/mmbiz_png/EXAMPLE3/300?wx_fmt=png"))
    about = episode(
        EpisodeState.REJECTED,
        "chen",
        expires_at=read.rows[0].deadline,
        state_since=NOW.replace(hour=0, minute=40),
        events=(*leads(24), *problem(EpisodeState.REJECTED)),
        acked=user_action(at=NOW.replace(hour=0, minute=47)),
    )
    message = account_details(read, read.rows[0], [], context, timeline(about, CHANNEL, context))
    return details_view(message, "chen@harbour_tea", context)


DESIGNED = {
    "invite": lambda context: invite_form(CHEN, NOW, context, channel=CHANNEL, episode_id=EPISODE),
    "invite-pick": lambda context: pick_form(reading(*TO_PICK).rows, context),
    "add": lambda context: add_form(context, suffix="harbour_tea", number=40, channel=CHANNEL),
    "rename": lambda context: rename_form(NIGHT, NOW, context, channel=CHANNEL),
    "delete": lambda context: delete_form(ANNA, NOW, context, channel=CHANNEL, conversations=3),
    "reading": lambda context: reading_view(context, INVITE, again=True),
    "blocked": lambda context: blocked_view(BO, NOW, context),
    "working": lambda context: working_view(operation(), CHANNEL, context),
    "done": lambda context: done_view(ended(INVITE, expires_at=UNTIL, is_listed=True), context),
    "added": lambda context: done_view(ended(ADD, is_listed=True), context),
    "deleted": lambda context: done_view(ended(DELETE, is_listed=True), context),
    "unsure": lambda context: unsure_view(ended(INVITE, State.UNSURE, error="time-out"), context),
    "not-done": lambda context: result(NOTHING_HAPPENED, context),
    "invite-refused": lambda context: result(UNKNOWN_ID, context),
    "invite-48001": no_right,
    "details": lambda context: chen_details(replace(context, operations=True, history=True)),
    "details-viewer": lambda context: chen_details(replace(context, history=True)),
}


@for_each("language", Language)
@for_each("name", DESIGNED)
def test_modal_is_as_it_was_designed(name, language):
    assert redated(DESIGNED[name](IN[language])) == designed(name, language)


@pytest.mark.parametrize("language", Language)
def test_every_modal_is_fit_for_slack(language):
    for view in every_modal(IN[language]):
        assert list(problems(view)) == []
        most = 6 if language is Language.CHINESE else 15  # a phone has room for no more
        assert len(view.get("submit", {"text": ""})["text"]) <= most


@for_each("language", Language)
@for_each("hostile", HOSTILE)
def test_modal_of_an_account_with_a_hostile_name_is_fit_for_slack(hostile, language):
    context, foreign = IN[language], AccountFacts(hostile, hostile, hostile, "rejected", hostile, hostile, NOW)
    error = FieldError(FieldProblem.INVITED_ALREADY, account=foreign, words=hostile)
    for status in ("rejected", "expired", "idle", "waiting", "bound", "unknown", "removed", hostile):
        facts = replace(foreign, status=status)
        for again in (None, Repetition(2, error=error, facts=["errcode 1"])):
            typed = {"wx": hostile, "name": hostile, "account": hostile, "typed": hostile}
            more = {"channel": CHANNEL, "typed": typed, "repetition": again}
            for view in (
                invite_form(facts, NOW, context, **more),
                add_form(context, suffix=hostile, number=1, **more),
                rename_form(facts, NOW, context, **more),
                delete_form(facts, NOW, context, **more),
                blocked_view(facts, NOW, context),
            ):
                assert list(problems(view)) == []
        for kind, state in ((kind, state) for kind in (INVITE, ADD, RENAME, DELETE) for state in State):
            wanted = Wanted(hostile, hostile, hostile)
            assert list(problems(result(operation(kind, wanted=wanted, before=facts, state=state), context))) == []


def test_menu_takes_a_hundred_accounts_with_long_names():
    listed = [invited(f"n{number}", status="rejected", kf_nick="👨‍👩‍👧" * 99) for number in range(MAX_ACCOUNTS + 5)]
    view = pick_form(reading(*listed).rows, CONTEXT)
    (group,) = inputs(view)["account"]["element"]["option_groups"]
    assert list(problems(view)) == []
    assert len(group["options"]) == MAX_ACCOUNTS
    assert all(units(option["text"]["text"]) <= 75 for option in group["options"])


def test_menu_names_what_was_typed_without_a_hit():
    view = pick_form(reading(*TO_PICK).rows, CONTEXT, searched="<!here> chem")
    assert texts(view)[0] == "No account matches “＜!here＞ chem”."


def test_menu_without_an_account_to_invite_offers_to_add_one():
    for rows in ((), reading(account("anna", kf_wx="anna_example")).rows):
        view = pick_form(rows, CONTEXT)
        assert not inputs(view)
        (button,) = view["blocks"][1]["elements"]
        assert decode(button["action_id"], button["value"]) is not None
    assert "No customer-service accounts yet" in texts(pick_form((), CONTEXT))[0]


@pytest.mark.parametrize(
    ("facts", "title", "begins"),
    [
        (CHEN, "Invite again", "chen_example declined the invitation. Ask why before you invite again."),
        (
            DEE,
            "Invite again",
            "dee_example did not answer in time. Ask whether they still want to before you invite again.",
        ),
        (EVE, "Invite somebody", "Nobody is bound or invited."),
    ],
)
def test_form_says_what_to_ask_before_inviting(facts, title, begins):
    view = invite_form(facts, NOW, CONTEXT, channel=CHANNEL)
    assert view["title"]["text"] == title
    assert texts(view)[0].split("\n")[1] == begins
    assert inputs(view)["wx"]["element"].get("initial_value", "") == facts.invite_wx


def test_form_begins_with_what_was_typed():
    view = invite_form(CHEN, NOW, CONTEXT, channel=CHANNEL, typed={"wx": "da_example"})
    assert inputs(view)["wx"]["element"]["initial_value"] == "da_example"
    view = add_form(CONTEXT, suffix="", number=0, channel=CHANNEL, typed={"account": "eve@harbour_tea"})
    assert inputs(view)["account"]["element"]["initial_value"] == "eve@harbour_tea"
    assert inputs(view)["account"]["hint"]["text"].endswith("then @ and the Official Account’s WeChat ID.")


def test_rename_form_begins_with_the_first_characters_of_a_long_name():
    view = rename_form(replace(NIGHT, kf_nick="é" * 5000), NOW, CONTEXT, channel=CHANNEL)
    assert inputs(view)["name"]["element"]["initial_value"] == "é" * MAX_INPUT["name"]
    view = rename_form(replace(NIGHT, kf_nick="a" * 63 + "👩‍👩‍👧‍👦"), NOW, CONTEXT, channel=CHANNEL)
    assert inputs(view)["name"]["element"]["initial_value"] == "a" * 63


def test_delete_form_names_the_person_who_loses_access_only_if_there_is_one():
    assert "loses access" not in texts(delete_form(CHEN, NOW, CONTEXT, channel=CHANNEL))[0]
    assert texts(delete_form(ANNA, NOW, CONTEXT, channel=CHANNEL))[0].endswith("loses access at once.*")
    one = delete_form(ANNA, NOW, CONTEXT, channel=CHANNEL, conversations=1)
    assert texts(one)[0].endswith("* 1 conversation is open now.")


def test_form_shows_that_wechat_refused_the_operation_lately():
    for view in forms(CONTEXT, refused_at=NOW):
        found = [text for text in texts(view) if "(48001). If the right has been granted since, go on." in text]
        assert len(found) == 1
        assert "most recently {date_short_pretty}" in found[0]  # Slack may write "today", and "on today" is wrong


def test_metadata_of_a_form_has_a_handle_and_no_name():
    odd = "x" * 400
    view = delete_form(replace(ANNA, kf_account=odd), NOW, CONTEXT, channel=CHANNEL)
    form = decode_form(view["private_metadata"])
    assert form.kind is DELETE
    assert form.handle.startswith("~")
    assert odd not in view["private_metadata"]


def test_deadline_that_has_passed_while_the_form_was_opened_counts():
    view = invite_form(replace(BO, expires_at=NOW), NOW, CONTEXT, channel=CHANNEL)
    assert texts(view)[0].startswith("⌛ *小波* · expired")
    assert texts(view)[0].endswith("Ask whether they still want to before you invite again.")


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (
            ANNA,
            (
                "✅ *Anna* · bound\nThis account is bound by now. To give it to somebody else, delete it and "
                "add it again."
            ),
        ),
        (replace(EVE, status="unknown"), "❔ *Eve* · unknown\n*Next:* look in the WeChat console."),
        (
            replace(EVE, status="removed"),
            "➖ *Eve* · removed\nWeChat does not know this account any more. /kf shows the present list.",
        ),
        (
            replace(BO, expires_at=None),
            (
                "✉️ *小波* · waiting, no deadline\nAn invitation for this account is still open. WeChat takes a "
                "new one after its deadline.\n*Next:* ask them to accept the invitation in WeChat."
            ),
        ),
    ],
)
def test_account_that_cannot_be_invited_says_why(facts, text):
    assert texts(blocked_view(facts, NOW, CONTEXT))[0] == text


@for_each(
    ("about", "begins"),
    [
        (ended(RENAME, is_listed=True), "✅ *Renamed*\nNight 1 is now 夜班一号."),
        (
            ended(INVITE),
            (
                "✅ *Invitation sent*\nChen waits for chen_example. WeChat took it; its list does not show it "
                "yet.\n*Next:* ask them to accept the invitation in WeChat."
            ),
        ),
        (ended(ADD), "✅ *Account added*\nWeChat took it; its list does not show it yet."),
        (
            ended(DELETE, errcode=65401),
            "✅ *It was gone already*\nSomebody deleted anna@harbour_tea before you did.",
        ),
        (
            ended(DELETE, REFUSED, reason=EndReason.GONE),
            "✅ *It was gone already*\nSomebody deleted anna@harbour_tea before you did.",
        ),
        (
            ended(DELETE, State.UNSURE, errcode=0),
            (
                "⚠️ WeChat said yes, yet its list still shows anna@harbour_tea.\nIt may have happened all the same. "
                "The list is being read again; please do not repeat it yet."
            ),
        ),
        (
            ended(ADD, State.UNSURE, errcode=0),
            (
                "⚠️ WeChat took it; its list does not show it yet.\nIt may have happened all the same. The list is "
                "being read again; please do not repeat it yet."
            ),
        ),
        (
            ended(DELETE, FAILED, reason=EndReason.STILL_LISTED, errcode=0),
            (
                "⚠️ *The account is still there*\nWeChat said yes, yet its list still shows anna@harbour_tea.\n"
                "*Next:* delete it again."
            ),
        ),
        (
            ended(ADD, FAILED, reason=EndReason.NOT_SENT),
            (
                "⚠️ *It did not happen*\nWeChat itself was not reached; your accounts are not affected.\n"
                "*Next:* send it again."
            ),
        ),
        (
            ended(INVITE, FAILED, reason=EndReason.NOT_CONFIRMED, error="HTTP 502"),
            (
                "⚠️ *WeChat has not confirmed it*\nIt may have happened all the same. Look at the account before "
                "you repeat it."
            ),
        ),
        (
            ended(ADD, REFUSED, reason=EndReason.ERRCODE, errcode=45009),
            (
                "⚠️ *Today’s WeChat quota is spent*\nEvery system that uses this account shares a fixed number of "
                "calls a day.\n*Next:* wait until tomorrow. If it returns, raise POLL_SECONDS or find the other "
                "system that calls WeChat."
            ),
        ),
    ],
)
def test_result_says_what_is_so_and_what_is_next(about, begins):
    assert texts(result(about))[0] == begins


@pytest.mark.parametrize(
    ("outcome", "facts"),
    [
        ({"errcode": -1, "rid": RID}, f"errcode -1 · rid {RID}"),
        ({"error": "time-out", "attempts": 1}, "no errcode · time-out after 1 attempt"),
        ({"error": "no connection after 1 attempt"}, "no errcode · no connection after 1 attempt"),
        ({"error": "HTTP 502"}, "no errcode · HTTP 502"),
        ({"error": "ValueError: <!here>"}, "no errcode"),
    ],
)
def test_unsure_result_has_the_facts_for_wechats_support(outcome, facts):
    assert texts(unsure_view(ended(INVITE, State.UNSURE, **outcome), CONTEXT))[-1] == f"chen@harbour_tea · {facts}"


def test_form_that_deletes_an_account_comes_again_after_a_failure():
    view = result(ended(DELETE, FAILED, reason=EndReason.NO_CHANGE))
    assert inputs(view)["typed2"]["label"]["text"] == "Type anna@harbour_tea to delete it"


def test_late_refusal_is_above_its_field_and_keeps_what_was_typed():
    view = result(ended(ADD, REFUSED, reason=EndReason.ERRCODE, errcode=65403))
    assert [block.get("block_id", block["type"]) for block in view["blocks"]] == [
        "account2",
        "section",
        "name2",
        "context",
    ]
    typed = {name: block["element"]["initial_value"] for name, block in inputs(view).items()}
    assert typed == {"account2": "eve@harbour_tea", "name2": "Eve"}
    assert decode_form(view["private_metadata"]).suffix == "harbour_tea"


def test_error_above_a_field_is_escaped():
    error = FieldError(FieldProblem.ANSWERS_HERE, "wx", account=replace(ANNA, kf_nick="A&B"))
    view = invite_form(CHEN, NOW, CONTEXT, channel=CHANNEL, repetition=Repetition(3, error=error))
    assert "as A&amp;B (anna@harbour_tea)" in texts(view)[1]
    assert list(inputs(view)) == ["wx3"]


def test_refused_address_is_shown_as_it_is_stored():
    about = ended(RENAME, REFUSED, reason=EndReason.ERRCODE, errcode=40164, rid=RID, address="203.0.113.7")
    shown = texts(result(about))[0]
    assert shown.startswith("⚠️ *WeChat refused this server’s address*")
    assert "```203.0.113.7```" in shown


@pytest.mark.parametrize("errcode", [48001, 61002, 61007, 61016, 61017])
def test_interface_that_wechat_does_not_grant_is_explained(errcode):
    about = ended(RENAME, REFUSED, reason=EndReason.ERRCODE, errcode=errcode, rid=RID)
    assert texts(result(about))[0].startswith("⚠️ *This account may not do that from outside*")


def test_block_ids_have_the_number_of_the_showing():
    assert [block_id("wx", number) for number in (1, 2, 10)] == ["wx", "wx2", "wx10"]
    assert [field_of(one) for one in ("wx", "wx2", "account10", "W X", "")] == ["wx", "wx", "account", "", ""]
    assert [next_number(ids) for ids in (["wx"], ["wx2"], ["account9", "name9"], [], ["?"])] == [2, 3, 10, 2, 2]


def test_stored_details_offer_to_invite_while_the_account_may_exist():
    context = replace(CONTEXT, operations=True)
    silence = explain_error(TransportError("x", attempts=1), context)
    shown = last_known_details(episode(EpisodeState.REJECTED), CHANNEL, silence, context)
    gone = last_known_details(episode(EpisodeState.REJECTED), CHANNEL, None, context)
    elsewhere = last_known_details(episode(EpisodeState.REJECTED, kf_account=""), CHANNEL, silence, context)
    assert shown.blocks[-2]["elements"][0]["text"]["text"] == "Invite again"
    assert shown.blocks[1]["text"]["text"].endswith("ask why, then invite again.")
    for message in (gone, elsewhere):
        assert "Invite again" not in str(message.blocks)


@pytest.mark.parametrize(
    ("about", "step", "button"),
    [
        (CHEN_LISTED, "ask why, then invite again.", "Invite again"),
        (account("eve"), "invite somebody.", "Invite somebody"),
        (invited("bo"), "ask them to accept the invitation in WeChat.", "Refresh"),
        (account("", kf_account="", kf_openid="o"), "invite someone in the WeChat console.", "Refresh"),
    ],
)
def test_details_offer_an_invitation_where_the_state_allows_it(about, step, button):
    read = reading(about)
    message = account_details(read, read.rows[0], None, replace(CONTEXT, operations=True))
    assert message.blocks[1]["text"]["text"].endswith(f"*Next:* {step}")
    assert message.blocks[2]["elements"][0]["text"]["text"] == button
    assert f"{step[0].upper()}{step[1:]}" in message.text


@for_each("problem", FieldProblem)
def test_late_refusal_of_any_kind_is_shown(problem):
    for view in forms(CONTEXT, Repetition(2, error=ERRORS[problem])):
        assert sum(text.startswith("⚠️") and "loses" not in text for text in texts(view)) == 1
