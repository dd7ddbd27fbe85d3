"""Answers that need no data."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.alerting.episode import AlertPolicy
from bot.blocks import builders
from bot.blocks.answers import replies
from bot.blocks.answers.guide import guide
from bot.demo import blockkit
from tests.samples import (
    CONTEXT,
    DATABASE_AWAY,
    FAILED,
    NOT_CHECKED,
    OUT_OF_DATE,
    READING,
    RESTARTING,
    sample,
    shown,
)


def test_help():
    drawn, message = sample("help"), guide(CONTEXT)
    assert message.text == drawn["text"]
    assert message.blocks == drawn["blocks"]


def test_help_has_five_more_lines_where_accounts_can_be_changed():
    plain, message = guide(CONTEXT), guide(CONTEXT, operations=True)
    added = [block for block in message.blocks if block not in plain.blocks]
    assert added == [message.blocks[2]]
    assert shown(message)[2].splitlines() == [
        "`/kf invite chen` – invite a person",
        "`/kf add eve` – add an account",
        "`/kf rename chen` – change the name",
        "`/kf delete dee` – delete, after a question",
        "`/kf history chen` – who did what",
    ]
    assert "/kf delete ACCOUNT: each opens a window. /kf history ACCOUNT: who did what." in message.text
    assert [block for block in message.blocks if block not in added] == plain.blocks


def test_help_names_the_largest_lead():
    message = guide(replace(CONTEXT, policy=AlertPolicy(leads=(timedelta(minutes=30), timedelta(days=3)))))
    assert "waiting, less than 3 days left" in shown(message)[2]
    assert "waiting with less than 3 days left" in message.text


def test_command_that_needs_a_text_explains_itself_alone():
    message = guide(CONTEXT, "find")
    assert shown(message) == [
        (
            "*/kf find* searches names, accounts, seat numbers and WeChat IDs, and any part of them.\n"
            "For example: `/kf find chen`"
        ),
        "Help",
    ]
    for topic, example in (("show", "chen@harbour_tea"), ("rename", "chen 夜班一号"), ("delete", "dee")):
        text = guide(CONTEXT, topic).text
        assert text.startswith(f"/kf {topic} ")
        assert text.endswith(f"For example: /kf {topic} {example}")


def test_corrected_command_is_shown_above_its_answer():
    message = replies.corrected("find <!here>" + "x" * 99, OUT_OF_DATE, CONTEXT)
    assert shown(message)[0] == f"Showing */kf find ＜!here＞{'x' * 27}…*"
    assert message.text.startswith("Showing /kf find ＜!here＞")
    assert message.text.endswith(OUT_OF_DATE.text)


@pytest.mark.parametrize(
    "message",
    [
        OUT_OF_DATE,
        RESTARTING,
        READING,
        FAILED,
        NOT_CHECKED,
        DATABASE_AWAY,
        guide(CONTEXT, "show"),
        guide(CONTEXT, operations=True),
        replies.corrected("find & <!here>", OUT_OF_DATE, CONTEXT),
    ],
)
def test_short_answers_are_fit_for_slack(message):
    content = {"text": message.text, "blocks": message.blocks}
    assert blockkit.problems(content) == []
    assert blockkit.mentions(content) == []


def test_builders_make_the_blocks_of_alerts_too():
    button = builders.button(
        "Acknowledge",
        "alert.ack",
        "v1:x",
        primary=True,
        confirm=builders.confirm("Sure?", "It stops.", "Stop", "Cancel"),
        label="L" * 100,
    )
    message = {
        "text": "x",
        "blocks": [builders.actions(button), builders.divider(), builders.section(fields=["*a*\nb"])],
    }
    assert button["style"] == "primary"
    assert blockkit.problems(message) == []


def test_refused_user_gets_the_names_of_some_people_to_ask():
    message = replies.not_admitted(["S0CARE", *(f"U{number:04}" for number in range(200))], CONTEXT)
    content = {"text": message.text, "blocks": message.blocks}
    assert blockkit.problems(content) == []
    assert "It is for <!subteam^S0CARE>, <@U0000>, <@U0001>, <@U0002>, <@U0003> and 196 more." in shown(message)[0]
