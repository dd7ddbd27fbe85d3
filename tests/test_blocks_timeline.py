"""The history of one invitation, as its details show it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given

from bot.alerting.episode import AlertEvent, AlertKind, Disposition, EpisodeState
from bot.blocks.answers.timeline import timeline
from bot.demo import blockkit
from bot.operations.operation import EndReason, OperationKind, OperationState, Outcome
from tests.conftest import NOW
from tests.episodes import DEADLINE, HOSTILE, episode, episodes, leads, problem, user_action
from tests.for_each import for_each
from tests.operations import operation
from tests.samples import CONTEXT, HOUR, MINUTE, sample

FIRST_SEEN = datetime(2026, 11, 20, 1, 12, tzinfo=UTC)


def lines(**fields):
    """Return the lines without their title and their dates."""
    return [
        re.sub(r"<!date\^\d+\^(.*?)\{.*", r"\1", line).rstrip(" ,")
        for line in timeline(episode(**fields), "", CONTEXT).splitlines()[1:]
    ]


def test_timeline_matches_its_design():
    drawn = next(block for block in sample("show")["blocks"] if "expand" in block)
    told = episode(
        EpisodeState.REJECTED,
        "chen",
        expires_at=DEADLINE + 487 * MINUTE,
        state_since=NOW - 32 * MINUTE,
        acked=user_action("Mei"),
        events=(*leads(24), *problem(EpisodeState.REJECTED)),
    )
    assert timeline(told, "C0CARE", CONTEXT) == drawn["text"]["text"]


def test_unposted_event_names_no_channel():
    assert timeline(episode(), "C0CARE", CONTEXT).splitlines()[0] == "*This invitation*"
    assert (
        timeline(episode(events=leads(24, how=Disposition.SUPERSEDED)), "C0CARE", CONTEXT).splitlines()[0]
        == "*This invitation*"
    )
    assert timeline(episode(events=leads(24)), "", CONTEXT).splitlines()[0] == "*This invitation*"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["✉️ waiting, first seen"]),
        ({"state": EpisodeState.REJECTED, "state_since": FIRST_SEEN}, ["⛔ rejected, first seen"]),
        (
            {
                "state": EpisodeState.BOUND,
                "events": (*leads(24, 6), AlertEvent(AlertKind.EXPIRED)),
                "state_since": DEADLINE + HOUR,
            },
            [
                "✉️ waiting, first seen",
                "⌛ was expired",
                "⏰ less than 24 h left",
                "⏰ less than 6 h left",
                "✅ bound, noticed",
            ],
        ),
        (
            {"events": leads(24), "snoozed": user_action("Tom", until=NOW + HOUR)},
            ["✉️ waiting, first seen", "⏰ less than 24 h left", "👤 snoozed by <@U0TOM> until"],
        ),
        ({"events": leads(24, 6, how=Disposition.SUPERSEDED)}, ["✉️ waiting, first seen"]),
        ({"events": leads(24), "expires_at": None}, ["✉️ waiting, first seen"]),
    ],
)
def test_timeline_lists_events_in_their_order(fields, expected):
    assert lines(**fields) == expected


def test_operation_has_its_line_with_what_kept_it_from_happening():
    sent = operation(at=FIRST_SEEN, status="expired")
    refused = operation(at=NOW, state=OperationState.REFUSED, outcome=Outcome(EndReason.ERRCODE, 65411))
    earlier = operation(OperationKind.ADD, at=FIRST_SEEN - HOUR)
    about = episode(EpisodeState.REJECTED, "chen", state_since=NOW - HOUR)
    text = timeline(about, "", CONTEXT, [refused, sent, earlier])
    assert [re.sub(r" ?<!date\^\d+\^(.*?)\{[^>]*>", r" \1", line) for line in text.splitlines()[1:]] == [
        "✉️ waiting, first seen ",
        "👤 invited again by <@U0LIN> · ",
        "⛔ rejected, noticed ",
        "👤 invited by <@U0LIN> ·  · refused: an invitation is open · errcode 65411",
    ]


def test_lead_passed_before_the_first_poll_is_dated_at_that_poll():
    told = timeline(episode(events=leads(99)), "", CONTEXT).splitlines()[-1]
    assert told == ("⏰ less than 99 h left<!date^1795137120^, {date_short_pretty} {time}|, Fri 20 Nov 01:12 UTC>")


def test_long_timeline_keeps_its_first_and_newest_lines():
    told = lines(events=leads(*range(1, 21)), first_seen=DEADLINE - timedelta(days=5))
    assert told[0] == "✉️ waiting, first seen"
    assert told[1:] == [f"⏰ less than {hours} h left" for hours in (7, 6, 5, 4, 3, 2, 1)]


@given(told=episodes)
def test_timeline_always_fits(told):
    content = {
        "text": "-",
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": timeline(told, "C0CARE", CONTEXT)}}],
    }
    assert blockkit.problems(content) == []
    assert len(timeline(told, "C0CARE", CONTEXT).splitlines()) <= 9


@for_each("hostile", HOSTILE)
def test_odd_names_leave_the_timeline_intact(hostile):
    person = user_action(hostile, user_id=hostile, until=NOW)
    text = timeline(episode(acked=person, snoozed=person), "C0CARE", CONTEXT)
    assert blockkit.mentions({"text": text}) == []
