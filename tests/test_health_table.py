"""Every fault through every rendering of health: log, `/readyz`, metrics, `/kf status`, doctor."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from bot.alerting.circuit_breaker import CircuitBreaker
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.alerting.platform_faults import NO_TICKET
from bot.blocks.answers.diagnosis import plain_words
from bot.blocks.answers.status_answer import status_answer
from bot.demo import blockkit
from bot.doctor import running
from bot.doctor.store import REMEDIES
from bot.health.facts import (
    FailedReplies,
    HealthFacts,
    PlatformFacts,
    Problem,
    ProblemKind,
    Receivers,
    RejectedRequests,
    Severity,
    SlackTrouble,
    StoreTrouble,
)
from bot.health.problem_rules import diagnose, may_be_silent
from bot.health_log import HealthLog
from bot.readiness import readiness
from bot.runtime.metrics import Figures, Metrics
from bot.status import Status
from bot.store.store_errors import FaultKind
from tests.conftest import NOW
from tests.for_each import for_each
from tests.samples import CONTEXT, shown

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WELL: dict[str, Any] = {
    "polled_at": NOW - MINUTE,
    "started_at": NOW - 24 * HOUR,
    "written_at": NOW,
    "receivers": Receivers(1, 2, by_socket=False),
}


@dataclass(frozen=True)
class Case:
    """One fault: the facts that it changes, and how each rendering shows it."""

    kind: ProblemKind
    facts: Mapping[str, Any]
    title: str  # of `/kf status`
    remedy: str  # a part of the next step
    severity: Severity
    silent: bool  # the heartbeat pauses
    unready: bool = False  # `/readyz` is 503
    alerts: bool = True
    also: tuple[ProblemKind, ...] = field(default=())

    @property
    def known(self) -> HealthFacts:
        return HealthFacts(NOW, alerts=self.alerts, **{**WELL, **self.facts})

    @property
    def problems(self) -> tuple[Problem, ...]:
        return diagnose(self.known)


def store(kind: ProblemKind, title: str, remedy: str) -> Case:
    facts = {"store": StoreTrouble(kind, "in the words of the database", NOW - MINUTE)}
    return Case(kind, facts, title, remedy, Severity.ERROR, silent=True, unready=True)


def slack(error: str, *, refused: bool, reading: bool = False, pending: int = 0) -> dict[str, Any]:
    return {"slack": SlackTrouble(error, NOW - HOUR, refused=refused, reading=reading), "pending": pending}


def wechat(cause: Cause, **fault: Any) -> Incident:
    return Incident("1", cause, NOW - HOUR, ErrorDetails(**{"kind": "TransportError", **fault}))


K, ERROR, WARNING = ProblemKind, Severity.ERROR, Severity.WARNING
FIRST = {"polled_at": None}
FAULTS = [
    store(K.STORE_UNREACHABLE, "The database does not answer", "check DATABASE_URL"),
    store(K.STORE_HANGING, "The database does not answer", "a lock is held"),
    store(K.STORE_READ_ONLY, "The database cannot be written", "the right to write"),
    store(K.STORE_FULL, "The database is full", "free space"),
    store(K.STORE_UNSUITABLE, "The database is not suitable", "encoding UTF8"),
    store(K.STORE_DENIED, "The database refuses the bot", "user, password"),
    store(K.STORE_SCHEMA, "The database lacks tables", "restart the bot"),
    replace(store(K.STORE_BUSY, "The database is busy", "more connections"), severity=Severity.WARNING),
    store(K.STORE_DAMAGED, "The database is damaged", "move the file away"),
    store(K.STORE_UNKNOWN, "The database cannot be used", "see the log"),
    Case(
        K.STORE_UNKNOWN,
        {"written_at": NOW - 2 * MINUTE},
        "The database cannot be used",
        "see the log",
        ERROR,
        silent=True,
        unready=True,
    ),
    Case(
        K.POLL_OVERDUE,
        {"polled_at": NOW - 16 * MINUTE},
        "WeChat has not been read for 16 min",
        "restart them",
        ERROR,
        silent=True,
    ),
    Case(K.POLL_OVERDUE, FIRST, "WeChat has not been read for 24 h", "restart them", ERROR, silent=True),
    Case(
        K.SLACK_BLOCKED,
        slack("not_in_channel", refused=True, pending=2),
        "2 alerts could not be posted",
        "/invite",
        ERROR,
        silent=True,
    ),
    Case(
        K.SLACK_BLOCKED,
        slack("channel_not_found", refused=True),
        "Alerts cannot be posted",
        "/invite",
        ERROR,
        silent=True,
    ),
    Case(
        K.SLACK_BLOCKED,
        slack("message_limit_exceeded", refused=True, pending=1),
        "1 alert could not be posted",
        "usage limits of the workspace",
        ERROR,
        silent=True,
    ),
    Case(
        K.SLACK_BLOCKED,
        {**FIRST, **slack("invalid_auth", refused=True, reading=True)},
        "Alerts wait for Slack",
        "SLACK_BOT_TOKEN",
        ERROR,
        silent=True,
        also=(K.POLL_OVERDUE,),
    ),
    Case(
        K.SLACK_BLOCKED,
        slack("invalid_auth", refused=True),
        "Slack refuses the bot",
        "SLACK_BOT_TOKEN",
        ERROR,
        silent=True,
        alerts=False,
    ),
    Case(
        K.SLACK_UNREACHABLE,
        slack("TimeoutError", refused=False),
        "Slack does not answer",
        "slack-status.com",
        WARNING,
        silent=True,
        alerts=False,
    ),
    *(
        Case(
            K.SLACK_UNREACHABLE,
            {**FIRST, "started_at": NOW, **slack(error, refused=False, reading=True)},
            "Slack does not answer",
            "HTTPS_PROXY",
            WARNING,
            silent=True,
            also=(K.STARTING,),
        )
        for error in ("HTTP 503", "an answer that is no JSON object", "ClientProxyConnectionError")
    ),
    Case(
        K.SLACK_UNREACHABLE,
        slack("TimeoutError", refused=False, pending=1),
        "Slack does not answer",
        "slack-status.com",
        WARNING,
        silent=True,
    ),
    Case(
        K.WECHAT_DOWN,
        {"incident": wechat(Cause.SOURCE_DOWN), "failed_polls": 4},
        "WeChat does not answer",
        "asks WeChat again",
        WARNING,
        silent=False,
    ),
    Case(
        K.WECHAT_CONFIG,
        {"incident": wechat(Cause.CONFIG_PROBLEM, kind="SetupError", errcode=40164), "failed_polls": 1},
        "WeChat refused this server’s address",
        "asks WeChat again",
        ERROR,
        silent=False,
    ),
    Case(
        K.PLATFORM_FAILING,
        {"platform": PlatformFacts(incident=wechat(Cause.PLATFORM_PROBLEM, kind=NO_TICKET))},
        "WeChat sends the platform no tickets",
        "reaches PLATFORM_URL",
        ERROR,
        silent=False,
    ),
    Case(
        K.WECHAT_QUOTA,
        {"incident": wechat(Cause.QUOTA, kind="QuotaError", errcode=45009), "failed_polls": 1},
        "Today’s WeChat quota is spent",
        "asks WeChat again",
        WARNING,
        silent=False,
    ),
    Case(
        K.ROWS_FAILED,
        {"failed_rows": ("bo@harbour_tea",), "failed_rows_since": NOW - HOUR},
        "1 account cannot be watched",
        "row failed",
        ERROR,
        silent=True,
    ),
    Case(
        K.ACCOUNTS_UNREAD,
        {"unread_accounts": 2},
        "2 Official Accounts of the database are not watched",
        "set STORE_KEYS as it was",
        ERROR,
        silent=False,
    ),
    Case(
        K.ALERTS_OVERDUE,
        {"overdue": 2, "overdue_since": NOW - HOUR, "pending": 2},
        "2 alerts wait for more than 5 min",
        "see the log",
        WARNING,
        silent=True,
    ),
    Case(
        K.ALERTS_HELD,
        {"held_unconfirmed": 1},
        "1 alert may not have arrived",
        "set the clock",
        WARNING,
        silent=True,
    ),
    Case(
        K.ALERTS_LOST,
        {"refused": 1, "unconfirmed": 1, "failed": 1},
        "3 alerts could not be posted",
        "log",
        WARNING,
        silent=False,
    ),
    Case(K.MESSAGES_STALE, {"stale": 1}, "1 message cannot be updated", "the log", WARNING, silent=False),
    Case(
        K.NO_COMMAND_RECEIVER,
        {"receivers": Receivers(0, 1, by_socket=True)},
        "No process receives commands",
        "python -m bot worker",
        ERROR,
        silent=False,
    ),
    Case(
        K.NO_COMMAND_RECEIVER,
        {"receivers": Receivers(0, 1, by_socket=False)},
        "No process receives commands",
        "python -m bot web",
        ERROR,
        silent=False,
    ),
    Case(
        K.SETTINGS_DIFFER,
        {"differing_settings": ("SLACK_ALERT_CHANNEL",)},
        "The processes have different settings",
        "the same settings",
        WARNING,
        silent=False,
    ),
    Case(
        K.POLL_FAILED,
        {"failed_polls": 1, "failing_since": NOW},
        "WeChat did not answer the last read, 1 of 3",
        "nothing yet",
        WARNING,
        silent=False,
    ),
    Case(
        K.CLOCK_WRONG,
        {"clock_incident": wechat(Cause.CLOCK_PROBLEM, kind="ClockSkew", detail="4 min")},
        "This server’s clock is wrong",
        "set the clock",
        WARNING,
        silent=False,
    ),
    Case(
        K.CLOCKS_DIFFER,
        {"process_skew": 75 * timedelta(seconds=1)},
        "The clocks of two processes differ",
        "set the clock",
        WARNING,
        silent=False,
    ),
    Case(
        K.REPLIES_FAILING,
        {"failed_replies": FailedReplies("HTTP 404", 1, NOW - MINUTE)},
        "1 answer could not be delivered",
        "hooks.slack.com",
        WARNING,
        silent=False,
    ),
    Case(
        K.REPLIES_FAILING,
        {"failed_replies": FailedReplies("", 2, NOW - MINUTE)},
        "2 answers could not be delivered",
        "HTTPS_PROXY",
        WARNING,
        silent=False,
    ),
    Case(
        K.REQUESTS_REJECTED,
        {"rejected": RejectedRequests("signature", 3, NOW - MINUTE)},
        "3 requests of Slack rejected",
        "SLACK_SIGNING_SECRET",
        WARNING,
        silent=False,
    ),
    Case(
        K.REQUESTS_REJECTED,
        {"rejected": RejectedRequests("clock off=360 s", 1, NOW - MINUTE)},
        "1 request of Slack rejected",
        "set the clock",
        WARNING,
        silent=False,
    ),
    Case(
        K.REQUESTS_REJECTED,
        {"rejected": RejectedRequests("path=/slack/commands", 2, NOW - MINUTE)},
        "2 requests of Slack rejected",
        "/slack/events",
        WARNING,
        silent=False,
    ),
    Case(
        K.REQUESTS_REJECTED,
        {"rejected": RejectedRequests("path=/slack/events", 2, NOW - MINUTE)},
        "2 requests of Slack rejected",
        "switch Socket Mode on",
        WARNING,
        silent=False,
    ),
    Case(
        K.STARTING,
        {**FIRST, "started_at": NOW},
        "Starting: WeChat has not been read yet",
        "nothing yet",
        Severity.INFO,
        silent=True,
    ),
    Case(
        K.STARTING,
        {"polled_at": NOW - 24 * HOUR, "started_at": NOW},
        "Starting: WeChat has not been read yet",
        "nothing yet",
        Severity.INFO,
        silent=True,
    ),
]
of_each_fault = for_each("fault", FAULTS)


def test_every_kind_of_problem_is_in_the_table():
    assert {fault.kind for fault in FAULTS} == set(ProblemKind)


def test_every_kind_of_store_fault_has_a_kind_of_problem():
    kinds = {f"store_{kind}" for kind in FaultKind if kind is not FaultKind.ROW}
    assert kinds == {kind for kind in ProblemKind if kind.startswith("store_")}


def test_every_rendering_reports_that_there_is_no_fault(caplog):
    caplog.set_level(logging.INFO)
    facts = HealthFacts(NOW, **WELL)
    HealthLog().note({"": diagnose(facts)})
    assert caplog.records == []
    assert readiness(diagnose(facts)) == ("", (), "")
    assert " 1.0" not in metric_lines(facts, "wechat_kf_problem{")
    assert shown(status_answer(Status("1", facts), NOW, CONTEXT))[0] == "✅ Working normally"
    [found] = running.findings(facts, diagnose(facts))
    assert (found.verdict, found.said) == ("ok", "works normally: WeChat was read 1 min ago, 2 processes")
    assert not may_be_silent(diagnose(facts))


@of_each_fault
def test_fault_is_the_worst_problem_found(fault):
    assert [problem.kind for problem in fault.problems] == [fault.kind, *fault.also]
    assert may_be_silent(fault.problems) == fault.silent


@of_each_fault
def test_fault_is_one_line_of_the_log_when_it_begins_and_one_when_it_ends(fault, caplog):
    caplog.set_level(logging.INFO)
    caplog.clear()
    log = HealthLog()
    log.note({"": fault.problems})
    log.note({"": fault.problems})
    begun = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert len(begun) == len(fault.problems)
    level, line = begun[0]
    assert level == fault.severity
    assert line.startswith(f"problem began kind={fault.kind} ")
    assert fault.remedy.lower() in line.lower()
    caplog.clear()
    log.note({"": ()})
    log.note({"": ()})
    assert {record.getMessage() for record in caplog.records} == {
        f"problem ended kind={problem.kind}" for problem in fault.problems
    }
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_store_outage_is_logged_once_whatever_its_errors(caplog):
    caplog.set_level("INFO")
    log = HealthLog()
    for kind in (K.STORE_HANGING, K.STORE_UNREACHABLE, K.STORE_HANGING):
        log.note({"": [Problem(kind, NOW, error="no answer within 10 s")]})
    log.note({"": []})
    assert [record.message.partition(" kind=")[0] for record in caplog.records] == [
        "problem began",
        "problem ended",
    ]


def test_difference_of_clocks_is_not_rounded_up():
    words, _ = plain_words(Problem(K.CLOCKS_DIFFER, length=timedelta(seconds=180)))
    assert "differ by 3 min," in words


@of_each_fault
def test_fault_is_a_line_of_readyz_whose_status_is_that_of_the_store_alone(fault):
    found = readiness(fault.problems)
    assert bool(found.reason) == fault.unready
    lines = [found.reason, *found.problems] if fault.unready else list(found.problems)
    assert len(lines) == len(fault.problems)
    assert fault.title.replace("’", "'") in lines[0]
    assert fault.remedy.lower() in lines[0].lower()
    assert "\n" not in "".join(lines)


@of_each_fault
def test_fault_is_a_metric(fault):
    told = metric_lines(fault.known, "wechat_kf_problem{").splitlines()
    ones = {line.split('"')[1] for line in told if line.endswith(" 1.0")}
    assert ones == {fault.kind, *fault.also}
    assert len(told) == len(ProblemKind)
    held = metric_lines(fault.known, "wechat_kf_queue_blocked ")
    assert held == f"wechat_kf_queue_blocked {float(fault.kind is ProblemKind.SLACK_BLOCKED)}"


@of_each_fault
def test_fault_is_the_title_of_the_status_with_its_remedy(fault):
    message = status_answer(Status("1", fault.known, channel="C0ALERTS"), NOW, CONTEXT)
    assert shown(message)[0] == f"⚠️ {fault.title}"
    assert "*Next:* " in shown(message)[1]
    assert fault.remedy in shown(message)[1].replace("*", "").replace("`", "")
    assert message.text.startswith(fault.title.replace("’", "'"))
    assert "Working normally" not in message.text
    assert blockkit.problems({"text": message.text, "blocks": message.blocks}) == []


@of_each_fault
def test_fault_is_a_finding_of_the_doctor(fault):
    found = running.findings(fault.known, fault.problems)
    if fault.known.store:  # the doctor's own check of the store reports it
        assert found == []
        kind = FaultKind(fault.kind.removeprefix("store_"))
        assert kind in {*REMEDIES, FaultKind.UNREACHABLE, FaultKind.SCHEMA, FaultKind.UNKNOWN}
        return
    assert found[0].verdict == ("unknown" if fault.severity is Severity.INFO else "wrong")
    assert fault.title.replace("’", "'") in found[0].said
    assert fault.remedy.lower() in found[0].remedy.lower()
    assert len(found) == len(fault.problems)


def test_doctor_reports_the_last_run_of_a_stopped_bot():
    facts = {**WELL, "receivers": Receivers(0, 0, by_socket=False), "polled_at": NOW - HOUR, "stale": 1}
    known = HealthFacts(NOW, **facts)
    idle, stale = running.findings(known, diagnose(known))
    assert (idle.verdict, stale.verdict) == ("unknown", "wrong")
    assert "no process" in idle.said
    assert "cannot be updated" in stale.said


def test_second_refusal_is_logged_separately(caplog):
    log = HealthLog()
    log.note({"": diagnose(HealthFacts(NOW, **WELL, **slack("not_in_channel", refused=True, pending=1)))})
    log.note({"": diagnose(HealthFacts(NOW, **WELL, **slack("is_archived", refused=True, pending=2)))})
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_back_off_in_force_is_the_interval_that_counts():
    facts = {**WELL, "polled_at": NOW - 40 * MINUTE, "wait": 15 * MINUTE}
    assert diagnose(HealthFacts(NOW, **facts)) == ()
    assert diagnose(HealthFacts(NOW, **{**facts, "wait": 13 * MINUTE})) != ()


def test_polls_that_fail_on_time_are_not_overdue_as_well():
    facts = {**WELL, "polled_at": NOW - HOUR, "failed_polls": 9, "incident": wechat(Cause.SOURCE_DOWN)}
    planned, stuck = NOW + MINUTE, NOW - 16 * MINUTE
    for next_poll_at, kinds in ((planned, [K.WECHAT_DOWN]), (stuck, [K.POLL_OVERDUE, K.WECHAT_DOWN])):
        found = diagnose(HealthFacts(NOW, **facts, next_poll_at=next_poll_at))
        assert [problem.kind for problem in found] == kinds


def test_outage_of_all_accounts_is_one_problem_and_takes_the_place_of_failed_and_overdue_polls():
    breaker = CircuitBreaker(6, since=NOW - HOUR, probe_at=NOW, incident=wechat(Cause.SOURCE_DOWN))
    facts = {**WELL, "polled_at": NOW - HOUR, "breaker": breaker}
    for own in ({}, {"failed_polls": 2}, {"failed_polls": 3, "incident": wechat(Cause.SOURCE_DOWN)}):
        (problem,) = diagnose(HealthFacts(NOW, **facts, **own))
        assert (problem.kind, problem.concerns_all, problem.until) == (K.WECHAT_DOWN, True, NOW)
        assert may_be_silent((problem,))
    refused = HealthFacts(NOW, **facts, failed_polls=1, incident=wechat(Cause.CONFIG_PROBLEM))
    assert [(one.kind, one.concerns_all) for one in diagnose(refused)] == [
        (K.WECHAT_DOWN, True),
        (K.WECHAT_CONFIG, False),
    ]


def test_polls_that_an_outage_of_all_accounts_held_back_are_overdue_an_interval_after_its_end():
    over = replace(wechat(Cause.SOURCE_DOWN), resolved_at=NOW - 5 * MINUTE)
    facts = HealthFacts(NOW, **{**WELL, "polled_at": NOW - HOUR, "poll": 5 * MINUTE})
    assert diagnose(replace(facts, breaker=CircuitBreaker(incident=over))) == ()
    for breaker in (
        CircuitBreaker(),
        CircuitBreaker(incident=replace(over, resolved_at=NOW - 6 * MINUTE)),
        CircuitBreaker(3, since=NOW - HOUR, probe_at=NOW - 3 * MINUTE),  # no process makes the probes
    ):
        assert [problem.kind for problem in diagnose(replace(facts, breaker=breaker))] == [K.POLL_OVERDUE]


@for_each("fault", [fault for fault in FAULTS if not fault.kind.startswith("slack_")])
def test_only_store_slack_and_processes_are_checked_without_a_watcher(fault):
    known = HealthFacts(NOW, alerts=False, **{**WELL, **fault.facts})
    counts = fault.kind.startswith("store_") or fault.kind in (
        K.NO_COMMAND_RECEIVER,
        K.SETTINGS_DIFFER,
        K.CLOCKS_DIFFER,
        K.REPLIES_FAILING,
        K.REQUESTS_REJECTED,
    )
    counts = counts and "written_at" not in fault.facts
    assert [problem.kind for problem in diagnose(known)] == ([fault.kind] if counts else [])


@of_each_fault
def test_terminal_text_of_a_problem_has_no_markup(fault):
    for problem in fault.problems:
        what, step = plain_words(problem)
        assert not set(what + step) & set("*`’<>")
        assert step.endswith(".")


def metric_lines(facts: HealthFacts, prefix: str) -> str:
    text = Metrics().render(Figures(facts, {})).decode()
    return "\n".join(line for line in text.splitlines() if line.startswith(prefix))
