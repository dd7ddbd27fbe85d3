"""Slack's error codes: each documented one has a meaning, and its words fit where they are shown."""

from __future__ import annotations

import re

import pytest

from bot.slack.error_codes import CODES, NO_USER_GROUPS, UNLISTED, Affects, Reaction, lookup
from tests.documents import ROOT
from tests.for_each import for_each

BLOCKING = {code: meaning for code, meaning in CODES.items() if meaning.posting is Reaction.BLOCK}

# https://docs.slack.dev/reference/methods/chat.postMessage and chat.update, without drafts, files and `as_user`
DOCUMENTED = [
    *("access_denied", "accesslimited", "account_inactive", "app_access_restricted"),
    *("attachment_payload_limit_exceeded", "block_mismatch", "cannot_reply_to_message", "cant_update_message"),
    *("channel_not_found", "deprecated_endpoint", "edit_window_closed", "ekm_access_denied"),
    *("enterprise_is_restricted", "external_channel_migrating", "fatal_error", "internal_error"),
    *("invalid_arg_name", "invalid_arguments", "invalid_array_arg", "invalid_attachments"),
    *("invalid_auth", "invalid_blocks", "invalid_blocks_format", "invalid_charset"),
    *("invalid_form_data", "invalid_metadata_format", "invalid_metadata_schema", "invalid_post_type"),
    *("is_archived", "is_inactive", "markdown_text_conflict", "message_limit_exceeded"),
    *("message_not_found", "messages_tab_disabled", "metadata_must_be_sent_from_app", "metadata_too_large"),
    *("method_deprecated", "missing_post_type", "missing_scope", "msg_blocks_too_long"),
    *("msg_too_long", "no_permission", "no_text", "not_allowed_token_type"),
    *("not_authed", "not_in_channel", "org_login_required", "rate_limited"),
    *("ratelimited", "request_timeout", "restricted_action", "restricted_action_non_threadable_channel"),
    *(
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "service_unavailable",
    ),
    *(
        "slack_connect_canvas_sharing_blocked",
        "slack_connect_file_link_sharing_blocked",
        "slack_connect_lists_sharing_blocked",
        "team_access_not_granted",
    ),
    *("team_added_to_org", "team_not_found", "token_expired", "token_revoked"),
    *("too_many_attachments", "too_many_contact_cards", "two_factor_setup_required", "update_failed"),
]
UNDECIDED = {
    *("invalid_arg_name", "invalid_array_arg", "invalid_charset", "invalid_form_data"),
    *("invalid_post_type", "missing_post_type"),
}


def test_every_documented_code_of_posts_and_edits_has_a_meaning():
    assert {code for code in DOCUMENTED if lookup(code) is UNLISTED} == UNDECIDED


def test_code_about_one_message_never_blocks_the_queue():
    posting = {code: meaning.posting for code, meaning in CODES.items() if meaning.affects is Affects.MESSAGE}
    assert set(posting.values()) <= {Reaction.AS_TEXT, Reaction.GO_ON}, posting


@for_each("code", BLOCKING)
def test_blocking_code_has_a_reason_and_a_remedy(code):
    meaning = BLOCKING[code]
    assert meaning.affects in (Affects.TOKEN, Affects.CHANNEL, Affects.RATE, Affects.REQUEST)
    assert meaning.because[0].islower() or meaning.because.startswith("Slack")
    assert not meaning.because.endswith(".")
    assert meaning.remedy[0].islower()
    assert meaning.remedy.endswith(".")
    assert not set("*_`<>") & set(
        meaning.because
        + meaning.remedy.replace("SLACK_ALERT_CHANNEL", "")
        .replace("SLACK_BOT_TOKEN", "")
        .replace("SLACK_API_URL", "")
    )


@for_each("code", [code for code, meaning in BLOCKING.items() if meaning.affects is Affects.TOKEN])
def test_code_about_the_token_has_words_for_doctor(code):
    assert BLOCKING[code].detail
    assert BLOCKING[code].fix[0].isupper()


@pytest.mark.parametrize(
    ("code", "like"), [("restricted_action_of_tomorrow", "restricted_action"), ("metadata_odd", "invalid_blocks")]
)
def test_new_member_of_a_family_means_what_the_family_means(code, like):
    assert lookup(code).posting is lookup(like).posting


def test_unknown_code_is_suspected_of_concerning_one_message():
    assert (lookup("a_word_of_tomorrow").posting, lookup("a_word_of_tomorrow").because) == (Reaction.SUSPECT, "")


def test_only_the_table_spells_codes():
    names = {*CODES, NO_USER_GROUPS} - {"is_archived"}  # that is a field of channels, too
    codes = re.compile("|".join(f"[\"'({{]{name}[\"')}}]" for name in names))
    others = [
        path for path in (ROOT / "bot").rglob("*.py") if "demo" not in path.parts and path.stem != "error_codes"
    ]
    assert len(others) > 100
    lines = [(path.name, line.partition("  #")[0]) for path in others for line in path.read_text().splitlines()]
    assert [(name, line) for name, line in lines if codes.search(line)] == []
