"""A short share of `make soak`: commands, faults, a deploy, a restart, a crash; and tests of results and report."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bot.operations.operation import OperationKind
from tests.crash.operation_oracle import OperationVerdict, RequestedOperation
from tests.crash.operators import SubmittedForm
from tests.crash.oracle import Verdict
from tests.for_each import for_each
from tests.samples import DATABASE_AWAY, FAILED, RESTARTING
from tests.soak import report
from tests.soak.load import Interaction, Load
from tests.soak.processes import MeasuredProcess, Sample
from tests.soak.results import SoakResult, trend
from tests.soak.run import SoakRun
from tests.soak.schedule import LONG, Replacement, plan_lifetimes

SHARE = Load(rate=10, burst=40, bursts_every=2, alerts_every=1, operations_every=0.8)
SECONDS = 6.0


@pytest.mark.test_all
@pytest.mark.process
@pytest.mark.timeout(150)  # the run has its own timeouts, with better messages
async def test_every_command_is_answered_and_every_alert_posted_once_under_load(tmp_path):
    soak_run = SoakRun(f"sqlite:///{tmp_path / 'kf.db'}", tmp_path, "share", SHARE)
    result = await soak_run.run(SECONDS, event_every=1.5)
    assert result.complaints == {}
    assert {*result.replacements} == {*Replacement}
    assert len(result.acknowledged) > 30
    assert result.alerts.reported >= 3
    assert result.faults.total() >= 2
    assert result.operations.took_effect >= 1


# The schedule


@for_each("seconds", [SECONDS, 60, 600, 3600])
@for_each("seed", range(5))
def test_run_has_one_long_lifetime_and_every_kind_of_replacement(seconds, seed):
    planned = plan_lifetimes(seconds, random.Random(seed))
    assert sum(life.seconds for life in planned) == pytest.approx(seconds)
    assert {life.end for life in planned} == {*Replacement}
    assert max(life.seconds for life in planned) == pytest.approx(LONG * seconds)


# The results


def process(name: str = "web 1", *samples: Sample) -> MeasuredProcess:
    return MeasuredProcess(name, bot=None, samples=list(samples))


def interaction(what: str = "/kf list", **seen: Any) -> Interaction:
    return Interaction(what, **{"by": process(), "ack_ms": 2.0, "answered": 0.1, **seen})


def result(*interactions: Interaction, processes: list[MeasuredProcess] | None = None, **rest: Any) -> SoakResult:
    return SoakResult(
        **{
            "interactions": list(interactions),
            "processes": processes or [],
            "replacements": Counter(),
            "faults": Counter(),
            "alerts": Verdict(),
            **rest,
        }
    )


def test_acknowledged_and_answered_command_is_no_complaint():
    assert result(interaction(), interaction(text=RESTARTING.text)).complaints == {}


def test_click_that_changes_its_message_needs_no_answer():
    assert result(interaction("click alert.ack", answered=None, wants_answer=False)).complaints == {}


@pytest.mark.parametrize(
    ("one", "complaint"),
    [
        (interaction(answered=None), "not answered"),
        (interaction(failure="operation_timeout", answered=None), "not acknowledged"),
        (interaction(failure="dispatch_failed", answered=None), "not acknowledged"),
        (interaction(text=FAILED.text), "answered with a failure"),
        (interaction(text=DATABASE_AWAY.text), "answered with a failure"),
    ],
    ids=["an answer withheld", "an acknowledgement too late", "a refusal", "a bug", "a locked store"],
)
def test_missing_answer_or_failure_is_a_complaint(one, complaint):
    found = result(interaction(), one).complaints
    assert [*found] == [complaint]
    assert "/kf list to web 1" in found[complaint][0]


def test_interaction_cut_off_by_a_kill_is_counted_separately():
    cut_off = [
        interaction(answered=None, cut_off=True),
        interaction(failure="dispatch_failed", answered=None, cut_off=True),
    ]
    found = result(interaction(), *cut_off, interaction(cut_off=True))
    assert found.complaints == {}
    assert found.cut_off == cut_off


def test_interaction_without_a_running_bot_is_counted_separately():
    found = result(interaction(by=None, answered=None))
    assert (found.complaints, found.received) == ({}, [])


RENAME = RequestedOperation(OperationKind.RENAME, "o7@harbour_tea", "O7", "O7r", "U0OPA")


def form(failure: str = "We had some trouble connecting.", bot: MeasuredProcess | None = None) -> SubmittedForm:
    return SubmittedForm(RENAME, bot, 100.0, 3000.0, failure)


def test_form_without_an_answer_is_a_complaint_unless_its_bot_was_killed_or_missing():
    killed, running = process(), process()
    killed.killed_at = 101.0
    assert result(forms=[form("", running), form(bot=killed), form(bot=None)]).complaints == {}
    found = result(forms=[form(bot=running)]).complaints
    assert found == {"forms not answered": ["rename o7@harbour_tea, after 3000 ms"]}


def test_wrong_report_of_an_operation_is_a_complaint():
    wrong = OperationVerdict(requested=1, repeated_writes=["rename o7@harbour_tea: 2 requests"])
    assert [*result(operations=wrong).complaints] == ["operations: repeated writes"]


@pytest.mark.parametrize(
    ("alerts", "unexpected"), [(Verdict(lost=["x"]), []), (Verdict(repeated=["x"]), []), (Verdict(), ["x"])]
)
def test_wrong_alerts_and_unexpected_behaviour_are_complaints(alerts, unexpected):
    assert [*result(alerts=alerts, unexpected=unexpected).complaints.values()] == [["x"]]


def life(seconds: int, rss: float = 0.0, handles: float = 0.0) -> list[Sample]:
    """Return a lifetime whose memory and handles grow by this much a minute."""
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
def test_leak_is_a_complaint(samples, is_flat):
    found = result(processes=[process("web 1", *samples)])
    assert (found.complaints == {}) is is_flat


def test_warm_up_and_burst_are_not_leaks():
    samples = [Sample(one.at, one.rss + 20 * (one.at > 100), 20 + 200 * (one.at % 30 < 15)) for one in life(600)]
    assert result(processes=[process("web 1", *samples)]).complaints == {}


def test_short_lifetime_has_no_trend():
    assert trend("web 1", life(30, rss=100)) is None


# The report


def test_page_shows_figures_and_complaints():
    ill = result(
        interaction(),
        interaction(answered=None),
        interaction(by=None, answered=None),
        processes=[process("web 1", *life(90))],
    )
    table = report.table(ill)
    rows = {
        name: value
        for name, _, value in (re.sub(r" {2,}", "|", row.strip()).partition("|") for row in table.splitlines())
    }
    counted = ("commands and clicks", "turned away: no bot running", "not answered")
    assert [rows[name] for name in counted] == ["3", "1", "1"]
    assert rows["handles"] == "20, then 20"
    assert "web 1, 90 s" in table
    page = report.page(ill, minutes=0.1, store="sqlite", seed="7")
    assert table in page
    assert "not answered:\n  /kf list to web 1" in page
    assert "not answered:" not in report.page(result(interaction()), minutes=0.1, store="sqlite", seed="7")


def test_committed_report_has_no_complaint():
    kept = Path(__file__).parent / "soak" / "REPORT.md"
    assert kept.read_text().count("```") == 2
