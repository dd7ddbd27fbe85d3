"""Details of an alert's account while WeChat does not respond."""

from __future__ import annotations

import pytest

from bot.alerting.episode import EpisodeState
from bot.blocks.answers.account_details import last_known_details
from bot.blocks.problems import explain_error
from tests.episodes import HOSTILE, assert_fit, buttons, episode, shown
from tests.for_each import for_each
from tests.samples import CONTEXT
from wechat_kf import TransportError

SILENCE = explain_error(TransportError("GET /getkflist: ReadTimeout", attempts=3, timed_out=True), CONTEXT)


def test_last_known_details_with_full_ids_follow_the_problem():
    message = last_known_details(episode(EpisodeState.REJECTED), "C0ALERTS", SILENCE, CONTEXT)
    header, known, story, *_, source = shown(message)
    assert header == "⛔ Bo · rejected"
    assert known.split("\n")[:2] == [
        "⚠️ WeChat did not answer within 10 s, so this is what was known last.",
        "*Next:* ask why, then invite again in the WeChat console.",
    ]
    assert "*Invited*\nbo_example" in str(message.blocks[1]).replace("\\n", "\n")
    assert story.startswith("*This invitation*")
    assert source.endswith("only you see this, with whole WeChat IDs")
    assert "bo_example" in message.text
    assert "kf.refresh" in buttons(message)


@pytest.mark.parametrize("state", EpisodeState)
def test_missing_account_is_reported_as_missing(state):
    message = last_known_details(episode(state), "", None, CONTEXT)
    assert "⚠️ The account is no longer in WeChat’s list, so this is what was known last." in shown(message)[1]
    assert "Next:" not in str(message.blocks)
    assert message.text.startswith("The account is no longer in WeChat's list")


@for_each("hostile", HOSTILE)
@for_each("why", [SILENCE, None])
def test_last_known_details_escape_foreign_text(hostile, why):
    assert_fit(
        last_known_details(
            episode(kf_nick=hostile, account_key=hostile, invite_wx=hostile, kf_id=hostile),
            "C0ALERTS",
            why,
            CONTEXT,
        )
    )
