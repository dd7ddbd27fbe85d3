"""Event keys in Slack's metadata: recognizable by the bot, meaningless to others."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.alerting.episode import AlertEvent, AlertKind
from bot.outbox.event_keys import EventKeys
from bot.outbox.planner import plan
from tests.conftest import NOW
from tests.test_planner import POLICY, change

MARK = re.compile(r"[0-9a-f]{32}")


def test_event_keys_are_equal_exactly_for_equal_events():
    event_keys = EventKeys("secret", "wx1")
    assert event_keys.key("message", "a") == EventKeys("secret", "wx1").key("message", "a")
    others = {
        event_keys.key("message", "b"),
        EventKeys("secret", "wx2").key("message", "a"),
        EventKeys("x", "wx1").key("message", "a"),
    }
    assert event_keys.key("message", "a") not in others
    assert len(others) == 3


def test_parts_of_a_key_are_separated():
    assert EventKeys("secret", "wx").key("a", "bc") != EventKeys("secret", "wx").key("ab", "c")


def test_repetition_of_an_invitation_is_part_of_a_key_only_when_there_is_one():
    event_keys, event = EventKeys("secret", "wx1"), AlertEvent(AlertKind.REJECTED)
    one = replace(change("bo", event).after, expires_at=NOW, invite_wx="bo_example", account_key="bo@harbour_tea")
    first = event_keys.key(
        "event", "bo@harbour_tea", "bo_example", str(int(NOW.timestamp()) // 120), "rejected", "0"
    )
    assert event_keys.event_key(one, event) == first
    assert event_keys.event_key(replace(one, repetition=1), event) not in (
        first,
        event_keys.event_key(replace(one, repetition=2), event),
    )


def test_metadata_has_only_event_keys():
    event_keys = EventKeys("secret", "wx1")
    changes = [change("bo", AlertEvent(AlertKind.REJECTED)), change("dee", AlertEvent(AlertKind.EXPIRED))]
    drafts = plan(changes, {}, POLICY, NOW)
    events = event_keys.keys_of(drafts, changes)
    metadata = event_keys.metadata(drafts[0].id, drafts[0].kind, events[drafts[0].id])
    assert metadata["event_type"] == "kf_alert"
    payload = metadata["event_payload"]
    assert payload["v"] == 1
    assert MARK.fullmatch(payload["k"])
    assert MARK.fullmatch(payload["e"])
    assert len({event_key for own in events.values() for event_key in own}) == 2
