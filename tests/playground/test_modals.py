"""The windows of the app over the Slack half: forms, errors at their fields, results, people without the right."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.playground.accessibility import fits, violations
from tests.playground.browsing import NARROW

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIEW = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Everything"},
    "submit": {"type": "plain_text", "text": "Go"},
    "blocks": [
        {"type": "hologram"},
        {
            "type": "input",
            "block_id": "note",
            "optional": True,
            "label": {"type": "plain_text", "text": "Note"},
            "element": {
                "type": "plain_text_input",
                "action_id": "value",
                "multiline": True,
                "placeholder": {"type": "plain_text", "text": "A line or two"},
            },
        },
        {
            "type": "input",
            "block_id": "size",
            "label": {"type": "plain_text", "text": "Size"},
            "element": {
                "type": "static_select",
                "option_groups": [
                    {
                        "label": {"type": "plain_text", "text": "Cups"},
                        "options": [{"text": {"type": "plain_text", "text": "Small"}, "value": "s"}],
                    },
                ],
                "initial_option": {"text": {"type": "plain_text", "text": "Small"}, "value": "s"},
            },
        },
        {
            "type": "input",
            "block_id": "day",
            "label": {"type": "plain_text", "text": "Day"},
            "element": {"type": "datepicker"},
        },
    ],
}


async def test_rejected_alert_is_acted_on_in_a_window_with_errors_at_its_field(mei, place):
    await mei.does("reject", "chen")
    await mei.opens("kf-alerts")
    opener = mei.message("Chen · rejected").get_by_role("button", name="Invite again")
    await opener.click()
    window = mei.page.get_by_role("dialog", name="Invite again")
    field = window.get_by_label("WeChat ID of the person")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("chen_example")
    await expect(field).to_have_accessible_description("The person’s own WeChat ID: no phone number, no nickname.")
    await expect(mei.page.locator(".slack-panels")).to_have_attribute("inert", "")

    await field.fill("")
    await field.press("Enter")
    await expect(window).to_contain_text("Please complete this required field.")
    await field.fill("anna_example")
    await window.get_by_role("button", name="Send invitation").click()
    await expect(window).to_contain_text("This person already answers customers here, as Anna")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("anna_example")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description(re.compile("^This person already answers"))
    assert await violations(mei) == []
    await mei.page.keyboard.press("Escape")
    await expect(window).to_have_count(0)
    await expect(opener).to_be_focused()

    await opener.click()
    await field.press("Enter")
    await expect(window).to_contain_text("Invitation sent")
    await expect(window).to_be_focused()
    await window.get_by_role("button", name="Close", exact=True).click()
    await expect(mei.message("Chen · invited again")).to_contain_text("@Mei sent a new invitation to ch•••le")
    await expect(mei.seat("chen")).to_contain_text("waiting")
    await expect(mei.page.locator("#wire summary", has_text="view_submission op.invite").first).to_be_visible()
    line = mei.page.locator("#wire summary", has_text="inviteworker").first
    await line.click()
    await expect(mei.page.locator("#wire details[open]")).to_contain_text('"access_token": "•••"')


async def test_telephone_shows_one_window_after_the_other_with_what_sends_it_at_the_top(visit):
    mei = await visit(NARROW, has_touch=True)
    await mei.does("reject", "chen")
    await mei.opens("kf-alerts")
    await mei.message("Chen · rejected").get_by_role("button", name="Details").click()
    details = mei.page.get_by_role("dialog", name="Account details")
    invite = mei.page.get_by_role("dialog", name="Invite again")
    await details.get_by_role("button", name="Invite again").click()
    field, send = invite.get_by_role("textbox"), invite.get_by_role("button", name="Send invitation")
    await expect(field).to_be_visible()
    assert (await send.bounding_box())["y"] < (await field.bounding_box())["y"]
    assert await fits(mei)
    assert await violations(mei) == []
    await invite.get_by_role("button", name="Cancel").click()
    await expect(details).to_contain_text("chen_example declined the invitation.")
    await details.get_by_role("button", name="Invite again").click()
    await invite.get_by_role("button", name="Close the window").click()
    await expect(mei.window).to_have_count(0)


async def test_late_list_and_lost_answer_differ_from_failures_and_a_reader_may_not_act(mei):
    fault = mei.page.get_by_label("WeChat", exact=True)
    send = mei.window.get_by_role("button", name="Send invitation")
    await fault.select_option("list lags")
    await mei.does("reject", "chen")
    await mei.opens("kf-alerts")
    await mei.message("Chen · rejected").get_by_role("button", name="Invite again").click()
    await send.click()
    await expect(mei.message("Invited again by @Mei")).to_contain_text("not in WeChat’s list yet")
    await expect(mei.message("Chen · invited again")).to_be_visible()
    await mei.page.keyboard.press("Escape")

    await fault.select_option("answer lost")
    await mei.types("/kf invite eve eve_example")
    await send.click()
    await expect(mei.window).to_contain_text("Invitation sent")
    await expect(mei.page.locator("#wire summary", has_text="inviteworker").first).to_contain_text("no answer")
    await mei.page.keyboard.press("Escape")

    await mei.page.get_by_label("You are:").select_option("Tom")
    await mei.opens("care")
    await mei.types("/kf invite dee")
    await expect(mei.private).to_contain_text("Only some people may change accounts")
    await expect(mei.window).to_have_count(0)


async def test_window_shows_what_it_cannot_draw_and_keeps_what_is_typed_when_it_is_updated(mei, place):
    views = place.world.slack.views
    view = views.open("U0MEI", VIEW)
    await expect(mei.window.locator(".slack-error")).to_have_count(2)
    note = mei.window.get_by_placeholder("A line or two")
    await note.fill("tea")
    await expect(mei.window.get_by_label("Size")).to_have_value("s")
    assert await violations(mei) == []
    views.update(view, {**VIEW, "title": {"type": "plain_text", "text": "Once more"}}, is_called=True)
    await expect(mei.page.get_by_role("dialog", name="Once more")).to_be_visible()
    await expect(note).to_have_value("tea")
    await expect(note).to_be_focused()
