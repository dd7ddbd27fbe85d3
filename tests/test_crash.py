"""A small share of `make crash-test`: the bot really killed, and told by an oracle that notices."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.demo.slack import Message
from bot.marks import Marks
from tests.crash import report
from tests.crash.__main__ import KILLS
from tests.crash.failpoint_bot import purpose
from tests.crash.failpoints import FIRST, POINTS, Commit, Moment, Needs, Point, Where, plan
from tests.crash.oracle import Board, Oracle, Verdict
from tests.crash.runner import FAILED, Arena, Result
from tests.crash.workload import REJECTED, Event, Fate, Invitation

# One of each kind. The edit has its turn as soon as a message has stood long enough.
SHARE = [
    Point(Where.POST, Moment.TAKEN),
    Point(Where.LOOK, Moment.TAKEN, Needs.FOUND),
    Point(Where.EDIT, Moment.TAKEN, Needs.VIEW),
    Point(Where.BEFORE, Commit.NEWS),
    Point(Where.AFTER, Commit.CLAIM),
    Point(Where.BEFORE, Commit.SENT),
    Point(Where.POST, Moment.LOST),
    Point(Where.TIME),
]


@pytest.mark.process
@pytest.mark.timeout(240)  # it has bounds of its own, which tell more
async def test_a_bot_that_is_killed_loses_nothing_and_repeats_nothing_on_both_stores(tmp_path, postgres_url):
    urls = {"sqlite": f"sqlite:///{tmp_path / 'kf.db'}", "postgresql": postgres_url}
    async with asyncio.TaskGroup() as tasks:
        runs = {}
        for store, url in urls.items():
            (tmp_path / store).mkdir()
            runs[store] = tasks.create_task(Arena(url, tmp_path / store, f"share {store}").run(SHARE))
    for store, run in runs.items():
        result = run.result()
        assert result.complaints == {}, store
        assert result.kills.total() >= len(SHARE)
        assert result.verdict.told >= 5


def test_the_share_has_a_point_of_each_kind_and_all_are_points_of_the_whole():
    assert {point.where for point in SHARE} >= set(Where) - {Where.TWO}
    assert set(SHARE) <= set(POINTS)


def test_the_whole_kills_at_every_point_on_either_store():
    assert set(plan(KILLS // 2, random.Random(1))) == {*FIRST, *POINTS}


# What the kills hang on


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["BEGIN IMMEDIATE", "SELECT meta.appid FROM meta"], None),
        (["CREATE TABLE meta (appid TEXT)", "INSERT INTO alembic_version VALUES (?)"], Commit.SCHEMA),
        (["UPDATE meta SET next_poll_at=? WHERE meta.appid = ?"], Commit.POLL),
        (["UPDATE meta SET next_poll_at=?, poll_wait=? WHERE meta.appid = ?"], Commit.POLL),
        (["UPDATE meta SET last_read_at=?, accounts=? WHERE meta.appid = ?"], Commit.READ),
        (["UPDATE episode SET doubt=? WHERE id = ?", "UPDATE message SET settled=? WHERE id IN (?)"], Commit.READ),
        (["UPDATE episode SET state=? WHERE id = ?", "INSERT INTO message (id) VALUES (?)"], Commit.NEWS),
        (["UPDATE message SET status=?, lease_until=?, attempt=(message.attempt + ?) WHERE id = ?"], Commit.CLAIM),
        (["UPDATE message SET lease_until=?, attempt=(message.attempt + ?) WHERE id = ?"], Commit.LOOK),
        (["UPDATE message SET looks=?, look_at=? WHERE id = ?"], Commit.ABSENT),
        (["UPDATE message SET status=?, channel_id=?, ts=?, sent_at=? WHERE id = ?"], Commit.SENT),
        (["UPDATE message SET status=?, not_before=? WHERE id = ?"], Commit.BACK),
        (["UPDATE message SET applied_hash=?, next_edit_at=? WHERE id = ?"], Commit.VIEW),
    ],
)
def test_a_commit_is_named_after_what_it_writes(statements, expected):
    assert purpose(statements, looking=False) is expected


@pytest.mark.parametrize(
    ("line", "is_odd"),
    [
        ("12:00:00Z ERROR bot.tasks failed, and goes on loop=watcher", True),
        ("12:00:00Z CRITICAL bot.app x", True),
        ("12:00:00Z ERROR bot.health_log problem began kind=store_unknown", True),
        ("12:00:00Z ERROR bot.health_log problem began kind=poll_overdue", False),
        ("12:00:00Z WARNING bot.tasks waits loop=watcher", False),
    ],
)
def test_errors_in_the_log_are_odd_unless_they_report_the_faults_of_the_run(line, is_odd):
    assert bool(FAILED.search(line)) is is_odd


def test_a_message_that_a_look_found_is_adopted():
    assert purpose(["UPDATE message SET status=?, ts=?, sent_at=? WHERE id = ?"], looking=True) is Commit.ADOPTED


# What the oracle notices

NOW = datetime(2026, 11, 23, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=20)
WORDS = "Rejected: S1x1 (kf1@harbour_tea). pe•••_1 declined the invitation."
MARKS = Marks("app-secret", "wx")


def invitation(fate: Fate = Fate.REJECTED, number: int = 1, **changed: Any) -> Invitation:
    parts = {"expires_at": NOW + timedelta(days=9), "fate": fate, "was_rejected": True, **changed}
    return Invitation(f"kf{number}@harbour_tea", f"S{number}x1", f"person_{number}_1", **parts)


def told(*news: tuple[Invitation, Event], text: str = WORDS, key: str = "a", ts: str = "1.000001") -> Message:
    marks = ",".join(Oracle(MARKS).mark(one, event) for one, event in news)
    return Message("C0ALERTS", ts, "U0BOT", text, metadata={"event_payload": {"k": key, "e": marks}})


def complaints(known: list[Invitation], *messages: Message, edited: str = "") -> list[str]:
    board, oracle = Board(), Oracle(MARKS)
    for one in known:
        oracle.learn(one)
    for message in messages:
        board("posted", message)
    if edited:
        board("edited", replace(messages[0], text=edited))
    return [*oracle.judge(board, known, NOW).complaints]


def test_what_is_told_once_and_is_so_is_fine():
    bo = invitation()
    assert complaints([bo], told((bo, REJECTED))) == []


def test_what_people_read_counts_as_told():
    assert complaints([invitation()], told()) == []


@pytest.mark.parametrize(
    "one",
    [
        invitation(),
        invitation(Fate.OPEN, expires_at=NOW),
        invitation(Fate.OPEN, expires_at=SOON),
    ],
    ids=["a rejection", "an expiry", "a last call"],
)
def test_what_nobody_told_is_lost(one):
    assert complaints([one]) == ["lost"]


def test_what_only_a_thread_shows_is_lost():
    bo = invitation()
    line = replace(told((bo, REJECTED), text="Other words."), thread_ts="0.000001")
    assert complaints([bo], line) == ["lost"]
    assert complaints([bo], replace(line, broadcast=True)) == []


def test_what_came_and_went_need_not_be_told():
    assert complaints([invitation(Fate.BOUND)]) == []


@pytest.mark.parametrize(
    ("key", "text", "has_mark"),
    [("a", "Other words.", False), ("b", "Other words.", True), ("b", WORDS, False)],
    ids=["its own mark", "its event's mark", "its words"],
)
def test_a_double_is_known_by_any_of_its_traits(key, text, has_mark):
    bo = invitation()
    double = told(*([(bo, REJECTED)] if has_mark else []), key=key, text=text, ts="2.000001")
    assert "repeated" in complaints([bo], told((bo, REJECTED)), double)


def test_a_root_that_tells_what_a_digest_has_told_is_a_double():
    six = [invitation(number=number) for number in range(1, 7)]
    rows = [{"type": "section", "text": {"type": "mrkdwn", "text": f"⛔ *{one.nick}* · rejected"}} for one in six]
    digest = told(*((one, REJECTED) for one in six), text="6 invitations changed at once: 6 rejected.")
    names = told(text=", ".join(f"{one.nick} (kf)" for one in six), key="b", ts="2.000001")
    shown = [replace(digest, blocks=rows), replace(names, thread_ts=digest.ts)]
    assert complaints(six, *shown) == []
    assert complaints(six, *shown, told(key="c", ts="3.000001")) == ["repeated"]


def test_what_never_was_so_is_untrue():
    bo = invitation(Fate.BOUND, was_rejected=False)
    assert complaints([bo], told((bo, REJECTED)), edited="Bound: S1x1 (kf1@harbour_tea).") == ["untrue"]


def test_a_root_that_does_not_show_what_is_so_is_stale():
    bo = invitation(Fate.BOUND)
    assert complaints([bo], told((bo, REJECTED))) == ["stale"]
    assert complaints([bo], told((bo, REJECTED)), edited="Bound: S1x1 (kf1@harbour_tea).") == []


def test_a_root_about_a_replaced_invitation_shows_the_outcome_of_the_new_one():
    first = invitation(Fate.REPLACED)
    second = replace(invitation(Fate.OPEN), nick="S1x2", invite_wx="person_1_2")
    posted = told((first, REJECTED))
    again = "Invited again: S1x1 (kf1@harbour_tea). A new invitation went out."
    assert complaints([first, second], posted, edited=again) == []
    second.fate = Fate.BOUND
    assert complaints([first, second], posted, edited=again) == ["stale"]
    assert complaints([first, second], posted, edited="Bound: S1x2 (kf1@harbour_tea).") == []


def test_a_digest_counts_its_members_and_names_them_in_its_rows():
    six = [invitation(number=number) for number in range(1, 7)]
    digest = told(*((one, REJECTED) for one in six), text="6 invitations changed at once: 6 rejected.")
    rows = [{"text": {"text": f"⛔ *{one.nick}* · rejected\n`kf`"}} for one in six]
    assert complaints(six, replace(digest, blocks=rows)) == []
    assert complaints(six, replace(digest, blocks=rows[1:])) == ["lost"]


def test_a_digest_counts_its_members_and_names_them_in_its_thread():
    six = [invitation(number=number) for number in range(6)]
    digest = told(*((one, REJECTED) for one in six), text="6 invitations changed at once: 6 rejected.")
    names = told(text=", ".join(f"{one.nick} (kf)" for one in six), key="b", ts="2.000001")
    assert complaints(six, digest, replace(names, thread_ts=digest.ts)) == []
    assert complaints(six, digest) == ["lost"]
    six[0].fate = Fate.BOUND
    assert complaints(six, digest, replace(names, thread_ts=digest.ts)) == ["stale"]


# What it prints


def test_the_table_sums_the_stores_and_the_page_tells_what_went_wrong():
    well, ill = Result(kills=Counter({"post: taken": 3})), Result(kills=Counter({"any time": 1}))
    ill.verdict = Verdict(told=7, lost=["rejected of S1x1"])
    results = {"sqlite": well, "postgresql": ill}
    rows = {line[:28].strip(): line[28:].split() for line in report.table(results).splitlines()}
    assert rows["kills"] == ["3", "1", "4"]
    assert rows["post: taken"] == ["3", "0", "3"]
    assert rows["lost"] == ["0", "1", "1"]
    complaints = "\n".join(report.complaints(results))
    assert complaints == "postgresql, lost:\n  rejected of S1x1"
    assert complaints in report.page(report.table(results), complaints, 7)
    assert "lost:" not in report.page(report.table({"sqlite": well}), "", 7)
