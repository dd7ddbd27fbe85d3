"""Answers to a person for whom no operation can be offered."""

from __future__ import annotations

import pytest

from bot.blocks.answers import operation_refusals
from bot.language import Language
from bot.operations.operation import Availability
from tests.episodes import assert_fit, buttons
from tests.modals import IN, designed
from tests.samples import CONTEXT, shown

DESIGNED = {
    "not-operator": lambda context: operation_refusals.not_an_operator(["U0LIN", "S0LEADS"], context),
    "acting-off": lambda context: operation_refusals.operations_off(Availability.OFF, context),
}


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", DESIGNED)
def test_answer_is_as_it_was_designed(name, language):
    message, drawn = DESIGNED[name](IN[language]), designed(name, language)
    assert (message.text, message.blocks) == (drawn["text"], drawn["blocks"])


def test_answer_without_a_store_names_the_other_setting():
    message = operation_refusals.operations_off(Availability.NO_STORE, CONTEXT)
    assert message.text == (
        "Accounts cannot be changed from Slack yet. It must be written down who did what, and with ALERTS=off "
        "there is no database. Do it in the WeChat console, or have whoever runs this bot set ALERTS=on."
    )
    assert "link.console" in buttons(message)


def test_account_without_a_name_for_wechat_is_left_to_the_console():
    message = operation_refusals.only_in_console(CONTEXT)
    assert shown(message)[0].startswith("*This account can only be changed in the WeChat console*\n")
    assert "link.console" in buttons(message)


def test_refusal_names_at_most_five_operators():
    many = operation_refusals.not_an_operator([f"U{number:04}" for number in range(9)], CONTEXT)
    assert "<@U0004> and 4 more." in many.text


@pytest.mark.parametrize(
    ("typed", "again"), [(True, "Please type the command again."), (False, "Please click again.")]
)
def test_late_trigger_asks_for_another_one(typed, again):
    message = operation_refusals.too_late_to_open(CONTEXT, typed=typed)
    assert message.text == f"Slack waited too long for this window. {again}"


@pytest.mark.parametrize("language", Language)
def test_answers_are_fit_for_slack(language):
    context = IN[language]
    for message in (
        operation_refusals.operators_not_checked(context),
        operation_refusals.only_in_console(context),
        operation_refusals.too_late_to_open(context, typed=True),
        *(operation_refusals.operations_off(availability, context) for availability in Availability),
    ):
        assert_fit(message)
