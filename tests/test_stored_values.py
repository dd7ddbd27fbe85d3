"""Values stored in Slack or in rows: another release reads them, so a changed one repeats alerts.

Names in the code may change, these may not.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.alerting.acknowledgements import ActionKind, Snooze
from bot.alerting.episode import (
    AccountStatus,
    AlertEvent,
    AlertKind,
    AlertPolicy,
    Change,
    Disposition,
    Episode,
    EpisodeState,
    OperationStage,
    UserAction,
    episode_id,
)
from bot.alerting.incidents import (
    SKEWED_POLLS,
    Cause,
    ClockSkew,
    PollHealth,
    on_clock_sample,
    on_poll_failure,
)
from bot.alerting.quiet_hours import QuietHours
from bot.operations.operation import EndReason, OperationKind, OperationState
from bot.outbox.event_keys import EventKeys
from bot.outbox.messages import DropReason, InitialSnapshot, MessageKind, MessageStatus, Parent
from bot.outbox.planner import plan, user_action_reply
from bot.ports import HistoryMessage
from bot.store import published
from tests.bots import Bot
from wechat_kf import Invitation, SetupError

NOW = datetime(2026, 11, 22, 1, 53, 20, tzinfo=UTC)
MARKS = EventKeys("secret", "wx1")


POLICY = AlertPolicy()
QUIET = AlertPolicy(quiet=QuietHours(time(1, 53, 20), time(9), ZoneInfo("UTC")))
SENT = {
    "alert": [
        ("problem-id-bo-rejected-0", "problem", "{}"),
    ],
    "reminder": [
        ("line-id-bo-expiring-3600", "line", '{"kind": "expiring", "lead": 3600, "call": true}'),
    ],
    "digest": [
        ("digest-cf57e4e7a296b4ad", "digest", '{"noticed": 1795312400.0}'),
        ("digest-cf57e4e7a296b4ad-1", "names", "{}"),
    ],
    "first run": [
        (
            "first_run-b30973b3e48a3164",
            "first_run",
            '{"total": 3, "counts": {"rejected": 1, "bound": 2}, "noticed": 1795312400.0}',
        ),
    ],
    "bound": [
        ("line-id-bo-bound-1795312400", "line", '{"state": "bound"}'),
    ],
    "quiet hours": [
        (
            "quiet-777adb205f3540b4",
            "quiet",
            '{"begins": 1795312400, "ends": 1795338000, "held": {"id-bo": ["rejected"]}}',
        ),
    ],
    "before quiet hours": [
        ("problem-id-bo-expiring-7200", "problem", '{"before_quiet": 1795338000}'),
    ],
    "snooze over": [
        ("line-id-bo-reminder-1795312400", "line", '{"kind": "expiring", "lead": 3600, "call": true}'),
    ],
}


def episode(name: str = "bo", state: EpisodeState = EpisodeState.WAITING, **fields) -> Episode:
    return Episode(
        f"id-{name}",
        f"{name}@harbour_tea",
        f"{name}_wx",
        fields.pop("expires_at", NOW + timedelta(hours=1)),
        state,
        NOW,
        NOW,
        **fields,
    )


def change(name: str, *events: AlertEvent, before: Episode | None = None, **fields) -> Change:
    return Change.with_events(before, episode(name, **fields), events)


REJECTED, EXPIRED = AlertEvent(AlertKind.REJECTED), AlertEvent(AlertKind.EXPIRED)
REMINDER = AlertEvent(AlertKind.EXPIRING, timedelta(hours=1))
LAST_BEFORE_QUIET = AlertEvent(AlertKind.EXPIRING, timedelta(hours=2))
PARENT = Parent("problem-id-bo-rejected-0", MessageKind.ALERT)


def drafts(*changes: Change, roots=None, policy=POLICY, first=None) -> list[tuple[str, str, str]]:
    found = plan(changes, roots or {}, policy, NOW, first=first)
    return [(message.id, message.kind, json.dumps(dict(message.payload))) for message in found]


def test_words_in_rows_and_metadata_stay():
    assert {*MessageKind} == {
        *("problem", "digest", "first_run", "quiet", "health", "operation", "line", "names", "note", "notice"),
    }
    assert {*AlertKind} == {"expiring", "expired", "rejected"}
    assert {*EpisodeState} == {
        *("waiting", "rejected", "expired", "bound", "replaced", "cancelled", "removed"),
    }
    assert {*MessageStatus} == {"pending", "sending", "sent", "dead"}
    assert {*DropReason} == {
        *("refused", "unconfirmed", "no longer true", "told by another", "failed"),
    }
    assert {*Disposition} == {"told", "superseded", "backlog"}
    assert {*AccountStatus} == {
        *("expiring", "rejected", "expired", "unknown", "waiting", "idle", "bound"),
    }
    assert {*ActionKind} == {"acknowledged", "snoozed", "unacknowledged", "unsnoozed"}
    assert {*Snooze} == {"1h", "4h", "morning"}
    assert {*OperationKind} == {"invite", "add", "rename", "delete"}
    assert {*OperationState} == {"open", "unsure", "done", "refused", "failed"}
    assert {*OperationStage} == {"sent", "accepted", "unsure"}
    assert {*EndReason} == {
        *(
            "errcode",
            "bound",
            "waiting",
            "gone",
            "exists",
            "no room",
            "unknown",
            "already so",
            "not sent",
            "no change",
        ),
        *("no change", "still listed", "not confirmed"),
    }
    assert {*Cause} == {"source_down", "config_problem", "quota", "clock_problem", "platform_problem"}


def test_keys_of_events_and_messages_stay():
    bo = episode()
    assert MARKS.message_key("problem-id-bo-rejected-0") == "bd580028ea386f04ec0805337b9dc6d5"
    assert MARKS.event_key(bo, REJECTED) == "89ad74397af3fb573fb82a4177edeb74"
    assert MARKS.event_key(bo, REMINDER) == "78d25c277f963bc14cf3952daea25283"
    assert MARKS.event_key(bo, REMINDER, moved=1) == "be2676fcfdaccea2a0446bbfe3811eed"
    assert MARKS.event_key(replace(bo, repetition=2), REJECTED) == "26fe579b20714e42197c313a00bada69"
    assert MARKS.event_key(replace(bo, expires_at=None), REJECTED) == "e630953d1c6b84eae88da5414f2ecb7c"


def test_metadata_of_a_message_stays():
    assert MARKS.metadata("m-1", MessageKind.FIRST_RUN, ["a", "b"]) == {
        "event_type": "kf_alert",
        "event_payload": {"v": 1, "k": MARKS.message_key("m-1"), "s": "first_run", "e": "a,b"},
    }


def test_ids_of_episodes_stay():
    invitation = Invitation("bo_wx", "waiting", NOW)
    assert episode_id("wx1", "bo@harbour_tea", invitation, NOW) == "e245866fa7df231d"
    assert episode_id("wx1", "bo@harbour_tea", invitation, NOW, 1) == "eda4399d06ed760b"


def test_ids_and_payloads_of_messages_stay():
    assert drafts(change("bo", REJECTED, state=EpisodeState.REJECTED)) == SENT["alert"]
    assert drafts(change("bo", REMINDER), roots={"id-bo": PARENT}) == SENT["reminder"]
    assert drafts(*(change(f"n{n}", EXPIRED, state=EpisodeState.EXPIRED) for n in range(6))) == SENT["digest"]
    first = InitialSnapshot(3, {AccountStatus.REJECTED: 1, AccountStatus.BOUND: 2})
    backlog = replace(REJECTED, disposition=Disposition.BACKLOG)
    assert drafts(change("bo", backlog, state=EpisodeState.REJECTED), first=first) == SENT["first run"]
    assert (
        drafts(change("bo", before=episode(), state=EpisodeState.BOUND), roots={"id-bo": PARENT}) == SENT["bound"]
    )
    assert drafts(change("bo", REJECTED, state=EpisodeState.REJECTED), policy=QUIET) == SENT["quiet hours"]
    begins = change("bo", LAST_BEFORE_QUIET, expires_at=NOW + timedelta(hours=2))
    assert drafts(begins, policy=QUIET) == SENT["before quiet hours"]
    before = episode(snoozed=UserAction("U1", "Mei", NOW, NOW), events=(REMINDER,))
    woken = Change(before, replace(before, snoozed=None))
    assert drafts(woken, roots={"id-bo": PARENT}) == SENT["snooze over"]


def test_id_and_payload_of_an_action_stay():
    line = user_action_reply(
        [episode(), episode("dee")], ActionKind.SNOOZED, UserAction("U1", "Mei", NOW, NOW), PARENT.id
    )
    assert line.id == "line-problem-id-bo-rejected-0-snoozed-1795312400.0"
    assert line.payload == {"deed": "snoozed", "name": "Mei", "until": 1795312400, "count": 2}


def test_ids_of_incidents_stay():
    failed = on_poll_failure(PollHealth(), SetupError(40164, "invalid ip"), NOW, appid="wx1")
    assert failed.incident.id == "config_problem-wx1-1795312400"
    skewed = ClockSkew(skewed_polls=SKEWED_POLLS)
    clock = on_clock_sample(skewed, NOW - timedelta(hours=1), NOW, NOW, appid="wx1")
    assert clock.incident.id == "clock_problem-wx1-1795312400"


async def test_id_and_payload_of_the_reply_to_an_incident_stay(store, clock):
    clock.now = NOW
    bot = Bot(store, clock)
    bot.wechat.error = SetupError(40164, "invalid ip", rid="a-b-c", address="203.0.113.7")
    await bot.reads()
    bot.wechat.come_back()
    await bot.reads()
    began, over = await bot.rows()
    assert (began["id"], began["kind"], began["payload"]) == (
        "config_problem-wx0123456789abcdef-1795312731",
        "health",
        {},
    )
    assert (over["id"], over["kind"]) == ("note-config_problem-wx0123456789abcdef-1795312731-1795313063.0", "note")
    fault = {"kind": "SetupError", "errcode": 40164, "errmsg": "invalid ip", "rid": "a-b-c"}
    fault |= {"address": "203.0.113.7", "detail": ""}
    facts = {"cause": "config_problem", "fault": fault, "over": True, "seconds": 332}
    assert over["payload"] == {**facts, "root_posts": 1}


async def test_id_of_a_message_that_was_found_in_the_channel_stays(store):
    found = HistoryMessage("C0ALERTS", "1795312400.000100", None, "key", ())
    async with store.begin() as tx:
        assert await published.adopt(tx, "id-bo", found) == "problem-adopted-C0ALERTS-1795312400.000100"
