"""One of several Official Accounts is named once, at the beginning of messages and views, and in every button."""

from __future__ import annotations

import json

from hypothesis import given

from bot import actions, view_metadata
from bot.alerting.episode import EpisodeState
from bot.blocks import builders
from bot.blocks.tenant_label import TenantLabel
from bot.demo import blockkit
from bot.ports import Message
from tests.episodes import assert_fit, buttons, leads, names, parent
from tests.for_each import for_each
from tests.samples import shown

APPID = "wx1111111111111111"
HARBOUR = TenantLabel(APPID, "Harbour Tea")


def labelled(words: str, label: TenantLabel = HARBOUR) -> str:
    """Return the first line of a section with these words."""
    message = label.on_message(Message("text", [builders.section(words)]))
    return str(message.blocks[0]["text"]["text"])


@for_each("icon", [*builders.ICONS.values(), builders.FINE, builders.TROUBLE, builders.PERSON])
def test_name_stands_between_the_icon_and_the_words(icon):
    assert labelled(f"{icon} *Bo* · rejected") == f"{icon} *Harbour Tea* · *Bo* · rejected"
    header = HARBOUR.on_message(Message("Rejected: Bo.", [builders.header(f"{icon} Bo · rejected")]))
    assert header.blocks[0]["text"]["text"] == f"{icon} Harbour Tea · Bo · rejected"
    assert header.text == "Harbour Tea · Rejected: Bo."


def test_words_without_an_icon_begin_with_the_name():
    assert labelled("*2 accounts need attention*") == "*Harbour Tea* · *2 accounts need attention*"
    assert labelled("😀 *Bo*") == "*Harbour Tea* · 😀 *Bo*"


def test_list_of_accounts_has_the_name_above_it():
    assert labelled("⛔ Bo · bo@harbour_tea\n⌛ Dee · dee@harbour_tea") == (
        "*Harbour Tea*\n⛔ Bo · bo@harbour_tea\n⌛ Dee · dee@harbour_tea"
    )
    assert labelled("⛔ *Bo* · rejected\nAsk why.") == "⛔ *Harbour Tea* · *Bo* · rejected\nAsk why."


def test_name_is_a_block_of_its_own_where_the_first_text_has_no_place_for_it():
    too_long = (builders.section("x" * 2995), builders.header("x" * 145))
    for block in (*too_long, builders.context("grey"), {"type": "divider"}):
        message = HARBOUR.on_message(Message("text", [block]))
        assert shown(message)[0] == "*Harbour Tea*"
        assert message.blocks[1] == block
        assert blockkit.refusals({"blocks": list(message.blocks)}) == []


def test_every_button_and_option_of_an_alert_returns_the_appid():
    plain, named = parent(events=leads(24)), HARBOUR.on_message(parent(events=leads(24)))
    assert {"alert.ack", "alert.snooze", "alert.details"} <= set(buttons(named))
    for action_id, value in buttons(named).items():
        values = value if isinstance(value, list) else [value]
        split = [actions.split_tenant(one) for one in values]
        assert {appid for appid, _ in split} == {APPID}
        assert buttons(plain)[action_id] in ([rest for _, rest in split], split[0][1])


@given(names)
def test_any_name_fits_and_notifies_no_user(name):
    assert_fit(TenantLabel(APPID, name).on_message(parent(state=EpisodeState.REJECTED)))


def test_view_begins_with_the_name_and_its_submission_returns_the_appid():
    view = HARBOUR.on_view({"type": "modal", "blocks": [builders.section("text")], "private_metadata": '{"v":1}'})
    assert json.dumps(view["blocks"]).count("Harbour Tea") == 1
    assert view["blocks"][0]["elements"][0]["text"] == "*Harbour Tea*"
    assert view_metadata.appid_of(view["private_metadata"]) == APPID


def test_only_account_of_a_file_has_its_appid_in_buttons_and_no_name():
    block = builders.actions(builders.button("Refresh", "kf.refresh", "v1:overview"))
    label = TenantLabel("wx-harbour", "Harbour Tea", is_named=False)
    message, view = label.on_message(Message("text", [block])), label.on_view({"type": "modal", "blocks": [block]})
    assert message.text == "text"
    for blocks in (message.blocks, view["blocks"]):
        (shown,) = blocks
        assert shown["elements"][0]["value"] == "v2:wx-harbour:overview"
    assert view_metadata.appid_of(view["private_metadata"]) == "wx-harbour"
