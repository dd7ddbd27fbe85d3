"""The parent message of one problem, in every state of its episode."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.alerting.episode import AlertEvent, AlertKind, Disposition, EpisodeState
from bot.blocks.channel.notifications import render
from bot.outbox.messages import MessageKind
from tests.conftest import NOW
from tests.episodes import (
    CLOSED,
    CONTEXT,
    DEADLINE,
    HOSTILE,
    MENTION,
    assert_fit,
    buttons,
    drawn,
    episode,
    fields_of,
    leads,
    loud,
    mentions,
    parent,
    problem,
    shown,
    user_action,
)
from tests.for_each import for_each
from tests.samples import dated

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DEADLINE_TOKEN = "<!date^1795398780^{date_short_pretty} {time}|Mon 23 Nov 01:53 UTC>"
NOW_TOKEN = "<!date^1795396320^{date_short_pretty} {time}|Mon 23 Nov 01:12 UTC>"
MEI = user_action("Mei")
TOM = user_action("Tom", at=NOW, until=NOW + 4 * HOUR)
FIRST_SEEN = "<!date^1795137120^first seen {date_short_pretty}|first seen Fri 20 Nov>"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        # Where nine o'clock comes before the last call; in Shanghai it would be too late.
        (
            "alert-expiring",
            {"kf_nick": "小波", "events": leads(24), "context": replace(CONTEXT, zone=ZoneInfo("Asia/Tokyo"))},
        ),
        ("alert-urgent", {"kf_nick": "小波", "events": leads(24, 6, 1)}),
        (
            "alert-rejected",
            {
                "state": EpisodeState.REJECTED,
                "name": "chen",
                "state_since": NOW - 32 * MINUTE,
                "expires_at": DEADLINE + 487 * MINUTE,
            },
        ),
        (
            "alert-bound",
            {
                "state": EpisodeState.BOUND,
                "kf_nick": "小波",
                "state_since": DEADLINE - 12 * MINUTE,
                "events": (*leads(24, 1), *leads(6, how=Disposition.SUPERSEDED)),
            },
        ),
    ],
)
def test_parent_message_matches_its_design(name, fields):
    assert fields_of(parent(**fields)) == drawn(name)


def test_expired_parent_message_has_the_deadline_and_the_next_step():
    message = parent(state=EpisodeState.EXPIRED, name="dee")
    assert message.text == (
        "Expired: Dee (dee@harbour_tea), deadline Mon 23 Nov 01:53 UTC. de•••le did not answer in time. "
        "Ask whether they still want to, then invite again in the WeChat console. "
        "Noticed Mon 23 Nov 01:12 UTC."
    )
    assert shown(message) == [
        "⌛ Dee · expired",
        "de•••le did not answer in time. Ask whether they still want to, then invite again in the WeChat console.",
        f"dee@harbour_tea · {dated('noticed ', NOW_TOKEN)} · {dated('deadline ', DEADLINE_TOKEN)}",
    ]


@pytest.mark.parametrize(
    ("emitted", "smallest_first", "urgent"),
    [
        ((24,), "less than 24 h left", False),
        ((24, 6), "less than 6 h left", False),
        ((24, 6, 1), "less than 1 h left", True),
        ((0.5,), "less than 30 min left", True),  # a lead that was smaller before the settings changed
    ],
)
def test_parent_message_turns_urgent_within_the_smallest_lead(emitted, smallest_first, urgent):
    message = parent(events=leads(*emitted))
    assert smallest_first in shown(message)[0]
    assert loud(message) is urgent


def test_skipped_lead_counts_as_passed():
    assert "less than 6 h left" in parent(events=leads(24, 6, how=Disposition.SUPERSEDED)).text


def test_invitation_that_came_back_with_time_to_spare_is_calm():
    message = parent(events=problem(EpisodeState.EXPIRED))
    assert not loud(message)
    assert shown(message) == [
        "✉️ *Bo* · waiting\nbo•••le has not answered yet. Ask them to accept the invitation in WeChat.",
        f"bo@harbour_tea · {dated('deadline ', DEADLINE_TOKEN)} · was expired",
    ]
    assert message.text == (
        "Waiting: Bo (bo@harbour_tea), until Mon 23 Nov 01:53 UTC. bo•••le has not answered yet. "
        "Ask them to accept the invitation in WeChat."
    )


@pytest.mark.parametrize(
    ("bound_at", "expires_at", "sentence"),
    [
        (DEADLINE - 12 * MINUTE, DEADLINE, "bo•••le accepted, 12 min before the deadline."),
        (DEADLINE - 30 * timedelta(seconds=1), DEADLINE, "bo•••le accepted, less than 1 min before the deadline."),
        (DEADLINE - 30 * HOUR, DEADLINE, "bo•••le accepted, 30 h before the deadline."),
        (DEADLINE, DEADLINE, "bo•••le accepted."),
        (DEADLINE + HOUR, DEADLINE, "bo•••le accepted."),
        (DEADLINE, None, "bo•••le accepted."),
    ],
)
def test_bound_parent_message_has_the_time_left_until_the_deadline(bound_at, expires_at, sentence):
    message = parent(state=EpisodeState.BOUND, state_since=bound_at, expires_at=expires_at)
    assert shown(message)[0] == f"✅ *Bo* · bound\n{sentence}"
    # The facts have the dates that the sentence lacks.
    assert ("noticed" in shown(message)[1]) is ("before" not in sentence)


def test_bound_parent_message_has_no_time_left_of_a_rejected_invitation():
    events = (AlertEvent(AlertKind.REJECTED),)
    rejected = {"state": EpisodeState.BOUND, "state_since": DEADLINE - HOUR, "events": events}
    message = parent(**rejected)
    assert shown(message)[0] == "✅ *Bo* · bound\nbo•••le accepted."
    assert "noticed" in shown(message)[1]
    followed = parent(**rejected, replaced_at=DEADLINE - 2 * HOUR)  # the deadline is that of the new invitation
    assert shown(followed)[0] == "✅ *Bo* · bound\nbo•••le accepted, 1 h before the deadline."


@pytest.mark.parametrize(
    ("before", "now", "to_whom"),
    [
        ("chen_example", "chen_example", " to ch•••le"),
        ("chen_example", "dora_wx_23", " to do•••23 instead of ch•••le"),
        ("chen_example", "chuck_uncle", " to another person"),
        ("", "dora_wx_23", " to do•••23"),
        ("chen_example", "", ""),
        ("", "", ""),
    ],
)
def test_replaced_parent_message_names_the_person_invited_now(before, now, to_whom):
    message = parent(
        state=EpisodeState.REPLACED,
        name="chen",
        invite_wx=before,
        successor_wx=now,
        successor_expires_at=DEADLINE + 3 * DAY,
    )
    until = "<!date^1795657980^{date_short_pretty} {time}|Thu 26 Nov 01:53 UTC>"
    assert (
        shown(message)[0]
        == f"✉️ *Chen* · invited again\nA new invitation is out{to_whom}, {dated('until ', until)}."
    )
    assert message.text == (
        f"Invited again: Chen (chen@harbour_tea). A new invitation is out{to_whom}, until Thu 26 Nov 01:53 UTC."
    )


def test_new_invitation_without_a_deadline_shows_none():
    message = parent(state=EpisodeState.REPLACED, successor_wx="bo_example")
    assert shown(message)[0].endswith("A new invitation is out to bo•••le.")


@pytest.mark.parametrize(
    ("state", "opening", "text"),
    [
        (
            EpisodeState.CANCELLED,
            "⚪ *Bo* · invitation withdrawn\nIt was withdrawn outside this bot.",
            "Invitation withdrawn: Bo (bo@harbour_tea). It was withdrawn outside this bot.",
        ),
        (
            EpisodeState.REMOVED,
            "➖ *Bo* · removed\nThe account was removed from WeChat’s list.",
            "Removed: Bo (bo@harbour_tea). The account was removed from WeChat's list.",
        ),
    ],
)
def test_unanswered_invitation_keeps_its_id_among_its_facts(state, opening, text):
    message = parent(state=state, events=(*leads(24), *problem(EpisodeState.EXPIRED)))
    assert shown(message) == [
        opening,
        (
            f"bo@harbour_tea · invited bo•••le · {dated('noticed ', NOW_TOKEN)} · {FIRST_SEEN} "
            "· was expired · reminded once"
        ),
    ]
    assert message.text == text


@pytest.mark.parametrize(
    ("emitted", "reminded"),
    [
        (leads(24), "reminded once"),
        (leads(24, 6), "reminded twice"),
        (leads(24, 6, 1), "reminded 3 times"),
        ((*leads(24, 6, how=Disposition.SUPERSEDED), *leads(1)), "reminded once"),
    ],
)
def test_closed_parent_message_counts_the_sent_reminders(emitted, reminded):
    assert shown(parent(state=EpisodeState.BOUND, events=emitted))[1].endswith(f" · {reminded}")


def test_closed_parent_message_lists_every_problem():
    emitted = (*problem(EpisodeState.EXPIRED), AlertEvent(AlertKind.REJECTED, disposition=Disposition.BACKLOG))
    facts = shown(parent(state=EpisodeState.REPLACED, events=emitted))[1]
    assert facts.endswith(f"{FIRST_SEEN} · was expired · was rejected")


@for_each(
    ("fields", "offered"),
    [
        ({"events": leads(24)}, ["Acknowledge", "Snooze", "Details"]),
        ({"events": leads(24, 6, 1)}, ["Acknowledge!", "Details"]),
        ({"state": EpisodeState.REJECTED}, ["Acknowledge!", "Details", "WeChat console"]),
        ({"state": EpisodeState.EXPIRED}, ["Acknowledge!", "Details", "WeChat console"]),
        ({"events": leads(24), "acked": MEI}, ["Undo", "Details"]),
        ({"events": leads(24, 6, 1), "acked": MEI}, ["Undo", "Details"]),
        ({"state": EpisodeState.REJECTED, "acked": MEI}, ["Undo", "Details"]),
        ({"state": EpisodeState.EXPIRED, "acked": MEI, "snoozed": TOM}, ["Undo", "Details"]),
        ({"events": leads(24), "snoozed": TOM}, ["Acknowledge", "Undo", "Details"]),
        ({"events": leads(24, 6, 1), "snoozed": TOM}, ["Acknowledge!", "Details"]),  # the smallest lead ended it
        ({}, ["Acknowledge", "Details"]),
        ({"events": leads(24), "expires_at": None}, ["Acknowledge", "Details"]),
        *(({"state": state, "acked": MEI, "snoozed": TOM}, []) for state in CLOSED),
    ],
)
def test_parent_message_offers_the_possible_actions(fields, offered):
    parts = [part for block in parent(**fields).blocks if block["type"] == "actions" for part in block["elements"]]
    captions = [(part.get("text") or part["placeholder"])["text"] + "!" * ("style" in part) for part in parts]
    assert captions == offered


@pytest.mark.parametrize(
    ("hours", "expires_at", "choices"),
    [
        (24, DEADLINE, ["1h", "4h"]),  # nine o'clock would be 53 min before the deadline
        (24, DEADLINE + 8 * MINUTE, ["1h", "4h", "morning"]),
        (6, DEADLINE, ["1h", "4h"]),
        (5, DEADLINE, ["1h"]),
        (2, DEADLINE, None),
    ],
)
def test_snooze_menu_ends_before_the_smallest_lead(hours, expires_at, choices):
    offered = buttons(parent(events=leads(hours), expires_at=expires_at)).get("alert.snooze")
    assert offered == (choices and [f"v1:9f2c41d07be3:{choice}" for choice in choices])


def test_button_value_identifies_its_episode():
    of = "v1:9f2c41d07be3"
    # As designed, but for Undo: its value names the action, since a stale button must not undo another one.
    assert buttons(parent(events=leads(24), snoozed=TOM)) == {
        "alert.ack": of,
        "alert.undo": f"{of}:snooze",
        "alert.details": of,
    }
    assert buttons(parent(events=leads(24), acked=MEI, snoozed=TOM)) == {
        "alert.undo": f"{of}:ack",
        "alert.details": of,
    }


def test_acknowledged_parent_message_matches_its_design():
    message = parent(
        state=EpisodeState.REJECTED,
        name="chen",
        state_since=NOW - 32 * MINUTE,
        expires_at=DEADLINE + 487 * MINUTE,
        acked=MEI,
    )
    assert message.text == (
        "Rejected: Chen (chen@harbour_tea). ch•••le declined the invitation. "
        "Acknowledged by Mei, Mon 23 Nov 00:47 UTC."
    )
    assert not loud(message)
    assert shown(message) == [
        (
            "⛔ *Chen* · rejected\n"
            "ch•••le declined the invitation. Ask why, then invite again in the WeChat console."
        ),
        "👤 Acknowledged by <@U0MEI><!date^1795394820^, {date_short_pretty} {time}|, Mon 23 Nov 00:47 UTC>",
        ("chen@harbour_tea · <!date^1795394400^noticed {date_short_pretty} {time}|noticed Mon 23 Nov 00:40 UTC>"),
    ]
    undo = message.blocks[-1]["elements"][0]
    assert undo["accessibility_label"] == "Undo the acknowledgement"


def test_acknowledged_invitation_keeps_the_next_step_and_its_fallback_text_does_not():
    message = parent(events=leads(24, 6, 1), acked=MEI)
    assert shown(message)[0] == (
        "⏰ *Bo* · less than 1 h left\n"
        "Ask bo•••le to accept the invitation in WeChat. After the deadline a new one is needed."
    )
    assert message.text == (
        "Expiring: Bo (bo@harbour_tea), less than 1 h left, until Mon 23 Nov 01:53 UTC. "
        "bo•••le has not answered yet. Acknowledged by Mei, Mon 23 Nov 00:47 UTC."
    )


def test_snoozed_parent_message_names_the_user_and_the_end():
    message = parent(events=leads(24), snoozed=TOM)
    assert shown(message)[1] == "👤 Snoozed by <@U0TOM> <!date^1795410720^until {time}|until 05:12 UTC>"
    assert message.text == (
        "Expiring: Bo (bo@harbour_tea), less than 24 h left, until Mon 23 Nov 01:53 UTC. "
        "Ask bo•••le to accept the invitation in WeChat. Snoozed by Tom until 05:12 UTC."
    )
    until_tomorrow = replace(TOM, until=NOW + DAY)
    assert shown(parent(events=leads(24), snoozed=until_tomorrow))[1].endswith(
        " <!date^1795482720^until {date_short_pretty} {time}|until Tue 24 Nov 01:12 UTC>"
    )


@pytest.mark.parametrize(
    "fields", [{"events": leads(24, 1)}, {"state": EpisodeState.REJECTED}, {"events": leads(24), "acked": MEI}]
)
def test_urgent_parent_message_does_not_mention_a_snooze(fields):
    assert "Snoozed" not in str(parent(snoozed=TOM, **fields))


@pytest.mark.parametrize("state", CLOSED)
def test_closed_parent_message_names_who_acknowledged_it(state):
    message = parent(state=state, acked=MEI, snoozed=TOM, events=leads(24))
    assert shown(message)[1].endswith(" · reminded once · acknowledged by <@U0MEI>")
    assert "Snoozed" not in str(message)
    assert len(shown(message)) == 2


@for_each(
    ("user_id", "name", "edited", "posted"),
    [
        ("U0MEI", "Mei", "<@U0MEI>", "Mei"),
        ("W0MEI", "", "<@W0MEI>", "somebody"),
        ("U0MEI|x", "Mei", "Mei", "Mei"),
        ("U0MEI\n", "Mei", "Mei", "Mei"),
        ("U0MEI> <!channel", "<!channel> *Mei*", "＜!channel＞ ＊Mei＊", "＜!channel＞ ＊Mei＊"),
        ("!channel", "Mei & Co", "Mei &amp; Co", "Mei &amp; Co"),
        ("C0CARE", "Mei", "Mei", "Mei"),
        ("U" + "0" * 31, "Mei", "Mei", "Mei"),
        ("", " ", "somebody", "somebody"),
        ("", "x" * 99, "x" * 23 + "…", "x" * 23 + "…"),
    ],
)
def test_edit_links_a_person_and_a_post_shows_the_name(user_id, name, edited, posted):
    person = user_action(name, user_id=user_id)
    for state, place in ((EpisodeState.REJECTED, 1), (EpisodeState.REMOVED, 1)):
        message = parent(state=state, acked=person)
        assert f"cknowledged by {edited}" in shown(message)[place]
        assert_fit(message, may_mention={edited})
        message = parent(state=state, acked=person, posting=True)
        assert f"cknowledged by {posted}" in shown(message)[place]
        assert mentions(message) == []


def in_the_evening(**fields):
    """Render the last reminder before quiet hours, without earlier events."""
    facts = {"before_quiet": int((DEADLINE + HOUR).timestamp())}
    return render(MessageKind.ALERT, facts, [episode(**{"events": leads(24)} | fields)], None, CONTEXT)


def test_parent_message_announces_quiet_hours():
    ends = int((DEADLINE + HOUR).timestamp())
    message = in_the_evening()
    assert shown(message)[0] == (
        "⏰ *Bo* · less than 24 h left\nAsk bo•••le to accept the invitation in WeChat. "
        f"Quiet hours follow, <!date^{ends}^until {{time}}|until 02:53 UTC>."
    )
    assert message.text == (
        "Expiring: Bo (bo@harbour_tea), less than 24 h left, until Mon 23 Nov 01:53 UTC. "
        "Ask bo•••le to accept the invitation in WeChat. Quiet hours follow, until 02:53 UTC."
    )


@pytest.mark.parametrize(
    "fields", [{"acked": MEI}, *({"state": state} for state in EpisodeState if state != "waiting")]
)
def test_quiet_hours_are_not_announced_for_acknowledged_or_closed_episodes(fields):
    assert "Quiet hours" not in str(in_the_evening(**fields))


def test_mention_precedes_the_next_step():
    called = replace(CONTEXT, mention=MENTION)
    assert shown(parent(called, posting=True, events=leads(1)))[1].startswith(f"{MENTION} Ask bo•••le to accept")
    rejected = parent(called, posting=True, state=EpisodeState.REJECTED)
    assert shown(rejected)[1].startswith(f"{MENTION} bo•••le declined the invitation.")


@for_each("hostile", HOSTILE)
def test_odd_user_names_leave_the_parent_message_intact(hostile):
    person = user_action(hostile, user_id=hostile, until=DEADLINE)
    for state in EpisodeState:
        for posting in (True, False):
            assert_fit(parent(posting=posting, state=state, events=leads(24), acked=person))
            assert_fit(parent(posting=posting, state=state, events=leads(24), snoozed=person))


@pytest.mark.parametrize("state", EpisodeState)
def test_unconfirmed_parent_message_has_the_time_of_the_last_poll(state):
    message = parent(state=state, confirmed_at=NOW - 50 * MINUTE)
    said = "WeChat does not answer; "
    when = "<!date^1795393320^last confirmed {date_short_pretty} {time}|last confirmed Mon 23 Nov 00:22 UTC>"
    assert (shown(message)[-1] == f"{said}{when}.") is (state not in CLOSED)
    assert message.text.endswith(f"{said}last confirmed Mon 23 Nov 00:22 UTC.") is (state not in CLOSED)


@for_each("state", EpisodeState)
@for_each("hostile", HOSTILE)
def test_parent_message_escapes_foreign_text(state, hostile):
    for emitted in ((), leads(24), leads(1)):
        message = parent(
            state=state,
            account_key=hostile,
            kf_account=hostile,
            kf_nick=hostile,
            kf_id=hostile,
            invite_wx=hostile,
            successor_wx=hostile + "x",
            confirmed_at=NOW,
            events=emitted,
        )
        assert_fit(message)


@for_each("state", EpisodeState)
@for_each("missing", ["kf_nick", "kf_account", "kf_id", "invite_wx", "expires_at"])
def test_missing_fields_leave_no_gap(state, missing):
    for emitted in ((), leads(24), leads(1)):
        message = parent(state=state, events=emitted, **{missing: None if missing == "expires_at" else ""})
        assert_fit(message)
        for text in (message.text, *shown(message)):
            assert "None" not in text
            assert "  " not in text
            assert " ." not in text
            assert not text.endswith("· ")


def test_unknown_user_is_called_the_person():
    assert shown(parent(state=EpisodeState.REJECTED, invite_wx=""))[1].startswith(
        "The person declined the invitation."
    )
    assert "Ask the person to accept" in shown(parent(events=leads(24), invite_wx=""))[0]


def test_id_keeps_its_first_letter_where_a_sentence_begins():
    message = parent(state=EpisodeState.REJECTED, invite_wx="theodora_x")
    assert shown(message)[1].startswith("th•••_x declined the invitation.")


@pytest.mark.parametrize("state", EpisodeState)
def test_parent_message_masks_wechat_ids(state):
    message = parent(state=state, events=leads(1), successor_wx="dora_wx_23")
    assert "bo_example" not in str(message)
    assert "dora_wx_23" not in str(message)


def test_equal_episodes_render_equal_parent_messages():
    assert parent(events=leads(6)) == parent(events=leads(6))
    assert episode(events=leads(6)) == episode(events=leads(6))


@pytest.mark.parametrize("state", EpisodeState)
def test_deadline_is_shown_only_in_states_that_have_one(state):
    shows = "deadline" in str(parent(state=state, events=leads(24)).blocks).replace("before the deadline", "")
    assert shows is (state in (EpisodeState.WAITING, EpisodeState.EXPIRED))
