"""Replies to a click on an alert that changed nothing, or that could not be handled."""

from __future__ import annotations

import pytest

from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import EpisodeState
from bot.blocks.answers.replies import carried_out, unchanged
from tests.conftest import NOW
from tests.episodes import HOSTILE, assert_fit, episode, fields_of, leads, shown, user_action
from tests.for_each import for_each
from tests.samples import CONTEXT, DATABASE_AWAY, DAY, HOUR, dated, undated

MEI = user_action("Mei")
TOM = user_action("Tom", at=NOW, until=NOW + 4 * HOUR)
UNTIL = "<!date^1795410720^{time}|05:12 UTC>"


@for_each(
    ("action_id", "fields", "user_id", "expected"),
    [
        ("alert.ack", {"acked": MEI}, "U0TOM", "Mei has acknowledged this already."),
        ("alert.ack", {"acked": MEI}, "", "Mei has acknowledged this already."),
        ("alert.ack", {"acked": MEI}, "U0MEI", "You have acknowledged this already."),
        ("alert.ack", {"acked": user_action("Mei", user_id="")}, "", "Mei has acknowledged this already."),
        ("alert.snooze", {"acked": MEI, "snoozed": TOM}, "U0MEI", "You have acknowledged this already."),
        ("alert.snooze", {"snoozed": TOM}, "U0MEI", f"{dated('Tom has snoozed this until ', UNTIL)}."),
        ("alert.snooze", {"snoozed": TOM}, "U0TOM", f"{dated('You have snoozed this until ', UNTIL)}."),
        (
            "alert.snooze",
            {},
            "U0MEI",
            "This cannot be snoozed any more: no later reminder is left to postpone.",
        ),
        ("alert.undo", {"acked": MEI}, "U0MEI", "There is nothing to undo any more."),
        ("alert.ack", {"state": EpisodeState.BOUND}, "U0MEI", "This is settled, and needs nobody any more."),
    ],
)
def test_click_without_effect_is_answered_with_the_reason(action_id, fields, user_id, expected):
    message = unchanged(action_id, [episode(**fields)], user_id, CONTEXT)
    assert shown(message) == [expected]
    assert message.text == undated(expected)


def test_snooze_until_another_day_names_the_day():
    snoozed = user_action("Tom", at=NOW, until=NOW + DAY)
    assert unchanged("alert.snooze", [episode(snoozed=snoozed)], "", CONTEXT).text == (
        "Tom has snoozed this until Tue 24 Nov 01:12 UTC."
    )


@for_each("hostile", HOSTILE)
def test_odd_user_names_leave_the_reply_intact(hostile):
    person = user_action(hostile, user_id=hostile, until=NOW + HOUR)
    for fields in ({"acked": person}, {"snoozed": person, "events": leads(24)}):
        for action_id in ("alert.ack", "alert.snooze", "alert.undo"):
            assert_fit(unchanged(action_id, [episode(**fields)], "U0MEI", CONTEXT))


def test_reply_about_an_unavailable_database_does_not_claim_that_nothing_changed():
    # It also answers a request for details, and a change whose confirmation was lost.
    assert "changed" not in str(fields_of(DATABASE_AWAY))
    assert DATABASE_AWAY.text == "The database does not answer. Please try again in a minute."


@pytest.mark.parametrize(
    ("deed", "fields", "expected"),
    [
        (ActionKind.ACKNOWLEDGED, {"acked": MEI}, "Acknowledged. No more reminders for this invitation."),
        (ActionKind.SNOOZED, {"snoozed": TOM}, f"{dated('Snoozed until ', UNTIL)}."),
        (ActionKind.UNACKNOWLEDGED, {}, "The acknowledgement is undone."),
        (ActionKind.UNSNOOZED, {}, "The snooze is undone."),
    ],
)
def test_user_who_clicked_gets_what_the_channel_cannot_show(deed, fields, expected):
    message = carried_out(deed, [episode(**fields)], CONTEXT)
    assert shown(message) == [expected]
    assert message.text == undated(expected)
