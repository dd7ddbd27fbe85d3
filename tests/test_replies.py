"""Answers that need no data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.blocks import kit, replies
from bot.blocks.replies import Suggestion
from bot.demo import blockkit
from tests.samples import LEADS, actions, sample, shown

REJECTED = Suggestion("rejected", "kf.list", "v1:list:1:rejected")


def test_help():
    drawn, message = sample("help"), replies.guide(LEADS)
    assert message.text == drawn["text"]
    assert message.blocks == drawn["blocks"]


def test_help_knows_the_largest_lead_that_is_set():
    message = replies.guide((timedelta(minutes=30), timedelta(days=3)))
    assert "waiting, less than 3 days left" in shown(message)[2]
    assert "waiting with less than 3 days left" in message.text


def test_an_unknown_word_is_quoted_with_what_is_nearest():
    message = replies.unknown("rejcted", REJECTED)
    assert shown(message) == [
        "*“rejcted” is not a /kf command.*\nDid you mean */kf rejected*?",
        "Run /kf rejected",
        "Help",
    ]
    assert actions(message)["kf.list"]["value"] == "v1:list:1:rejected"
    assert message.text == ("“rejcted” is not a /kf command. Did you mean /kf rejected? /kf help lists all.")


def test_an_unknown_word_with_nothing_near():
    message = replies.unknown("<!channel> " + "x" * 100, None)
    assert shown(message)[0] == (f"*“＜!channel＞ {'x' * 28}…” is not a /kf command.*\n*/kf help* lists all.")
    assert list(actions(message)) == ["kf.help"]


@pytest.mark.parametrize(
    "message",
    [
        replies.OUT_OF_DATE,
        replies.RESTARTING,
        replies.FAILED,
        replies.NOT_CHECKED,
        replies.DATABASE_AWAY,
        replies.unknown("& <!here>", Suggestion("find & <!here>", "kf.list", "v1:find:1:x")),
    ],
)
def test_short_answers_are_fit_for_slack(message):
    content = {"text": message.text, "blocks": message.blocks}
    assert blockkit.problems(content) == []
    assert blockkit.mentions(content) == []


def test_the_kit_makes_what_alerts_need_too():
    button = kit.button(
        "Acknowledge",
        "alert.ack",
        "v1:x",
        primary=True,
        confirm=kit.confirm("Sure?", "It stops.", "Stop"),
        label="L" * 100,
    )
    message = {"text": "x", "blocks": [kit.actions(button), kit.divider(), kit.section(fields=["*a*\nb"])]}
    assert button["style"] == "primary"
    assert blockkit.problems(message) == []


def test_who_may_not_use_kf_is_told_whom_to_ask_and_of_many_only_some():
    message = replies.not_admitted(["S0CARE", *(f"U{number:04}" for number in range(200))])
    content = {"text": message.text, "blocks": message.blocks}
    assert blockkit.problems(content) == []
    assert "It is for <!subteam^S0CARE>, <@U0000>, <@U0001>, <@U0002>, <@U0003> and 196 more." in shown(message)[0]
