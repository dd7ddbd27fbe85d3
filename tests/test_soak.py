"""A short share of `make soak`: commands, faults, a deploy, a restart and a crash; and a verdict that notices."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bot.blocks.answers.replies import DATABASE_AWAY, FAILED, RESTARTING
from tests.crash.oracle import Verdict
from tests.soak import report
from tests.soak.load import Asked, Load
from tests.soak.processes import Member, Sample
from tests.soak.results import Result, trend
from tests.soak.run import Soak
from tests.soak.schedule import LONG, End, lives

SHARE = Load(rate=10, burst=40, bursts_every=2, alerts_every=1)
SECONDS = 6.0


@pytest.mark.process
@pytest.mark.timeout(150)  # it has bounds of its own, which tell more
async def test_under_load_every_command_is_answered_and_every_alert_told_once(tmp_path):
    soak = Soak(f"sqlite:///{tmp_path / 'kf.db'}", tmp_path, "share", SHARE)
    result = await soak.run(SECONDS, news=1.5)
    assert result.complaints == {}
    assert {*result.ends} == {*End}
    assert len(result.acknowledged) > 30
    assert result.alerts.told >= 3
    assert result.faults.total() >= 2


# How long each bot lives


@pytest.mark.parametrize("seconds", [SECONDS, 60, 600, 3600])
@pytest.mark.parametrize("seed", range(5))
def test_a_run_has_one_long_life_and_every_way_to_end(seconds, seed):
    planned = lives(seconds, random.Random(seed))
    assert sum(life.seconds for life in planned) == pytest.approx(seconds)
    assert {life.end for life in planned} == {*End}
    assert max(life.seconds for life in planned) == pytest.approx(LONG * seconds)


# What the verdict notices


def member(name: str = "web 1", *samples: Sample) -> Member:
    return Member(name, bot=None, samples=list(samples))


def asked(what: str = "/kf list", **seen: Any) -> Asked:
    return Asked(what, **{"by": member(), "ack_ms": 2.0, "answered": 0.1, **seen})


def result(*asked: Asked, members: list[Member] | None = None, **rest: Any) -> Result:
    return Result(
        **{
            "asked": list(asked),
            "members": members or [],
            "ends": Counter(),
            "faults": Counter(),
            "alerts": Verdict(),
            **rest,
        }
    )


def test_what_is_acknowledged_and_answered_is_fine():
    assert result(asked(), asked(text=RESTARTING.text)).complaints == {}


def test_a_click_that_changes_its_message_needs_no_answer():
    assert result(asked("click alert.ack", answered=None, wants_answer=False)).complaints == {}


@pytest.mark.parametrize(
    ("one", "complaint"),
    [
        (asked(answered=None), "not answered"),
        (asked(failure="operation_timeout", answered=None), "not acknowledged"),
        (asked(failure="dispatch_failed", answered=None), "not acknowledged"),
        (asked(text=FAILED.text), "answered with a failure"),
        (asked(text=DATABASE_AWAY.text), "answered with a failure"),
    ],
    ids=["an answer withheld", "an acknowledgement too late", "a refusal", "a bug", "a locked store"],
)
def test_what_a_person_suffers_is_reported(one, complaint):
    found = result(asked(), one).complaints
    assert [*found] == [complaint]
    assert "/kf list to web 1" in found[complaint][0]


def test_what_a_killed_bot_had_in_hand_is_counted_apart():
    cut_off = [asked(answered=None, cut_off=True), asked(failure="dispatch_failed", answered=None, cut_off=True)]
    found = result(asked(), *cut_off, asked(cut_off=True))
    assert found.complaints == {}
    assert found.cut_off == cut_off


def test_what_nobody_was_there_to_take_is_counted_apart():
    found = result(asked(by=None, answered=None))
    assert (found.complaints, found.taken) == ({}, [])


@pytest.mark.parametrize(
    ("alerts", "odd"), [(Verdict(lost=["x"]), []), (Verdict(repeated=["x"]), []), (Verdict(), ["x"])]
)
def test_what_is_wrong_with_alerts_or_odd_is_reported(alerts, odd):
    assert [*result(alerts=alerts, odd=odd).complaints.values()] == [["x"]]


def life(seconds: int, rss: float = 0.0, handles: float = 0.0) -> list[Sample]:
    """A life whose memory and handles grow by so much a minute."""
    return [
        Sample(second, 90 + rss * second / 60, int(20 + handles * second / 60)) for second in range(seconds + 1)
    ]


@pytest.mark.parametrize(
    ("samples", "is_flat"),
    [
        (life(600), True),
        (life(600, rss=0.5), True),
        (life(600, rss=2), False),
        (life(600, handles=1), True),
        (life(600, handles=4), False),
    ],
)
def test_a_leak_is_noticed(samples, is_flat):
    found = result(members=[member("web 1", *samples)])
    assert (found.complaints == {}) is is_flat


def test_a_warm_up_and_a_burst_are_no_leaks():
    samples = [Sample(one.at, one.rss + 20 * (one.at > 100), 20 + 200 * (one.at % 30 < 15)) for one in life(600)]
    assert result(members=[member("web 1", *samples)]).complaints == {}


def test_a_short_life_shows_no_trend():
    assert trend("web 1", life(30, rss=100)) is None


# What it prints


def test_the_page_tells_what_was_seen_and_what_went_wrong():
    ill = result(asked(), asked(answered=None), asked(by=None, answered=None), members=[member("web 1", *life(90))])
    table = report.table(ill)
    rows = {
        name: value
        for name, _, value in (re.sub(r" {2,}", "|", row.strip()).partition("|") for row in table.splitlines())
    }
    counted = ("commands and clicks", "turned away: nobody listened", "not answered")
    assert [rows[name] for name in counted] == ["3", "1", "1"]
    assert rows["handles"] == "20, then 20"
    assert "web 1, 90 s" in table
    page = report.page(ill, minutes=0.1, store="sqlite", seed="7")
    assert table in page
    assert "not answered:\n  /kf list to web 1" in page
    assert "not answered:" not in report.page(result(asked()), minutes=0.1, store="sqlite", seed="7")


def test_the_page_that_is_kept_has_no_complaint():
    kept = Path(__file__).parent / "soak" / "REPORT.md"
    assert kept.read_text().count("```") == 2
