"""The runbook: its notices, metrics and log lines are those of the code, in the code's own words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import get_args

import yaml

from bot.alerting import incidents
from bot.alerting.incidents import Cause, ErrorDetails, Incident, PollHealth
from bot.blocks.answers.diagnosis import explain
from bot.blocks.channel import incident_notices
from bot.delivery.item import outcome_label
from bot.delivery.reconciler import _outcome_name
from bot.health.facts import HealthFacts, PlatformFacts, Problem, ProblemKind
from bot.platform.pushes import PushResult
from bot.ports import HistoryMessage, HistoryUnreadable, Message, Outcome, RetryLater
from bot.retention import RetentionPolicy
from bot.runtime.metrics import STATES, Figures, FleetFigures, Metrics, OverduePolls
from bot.slack.error_codes import CODES, Reaction
from bot.store.authorizers import EventKind
from tests.conftest import NOW
from tests.documents import ROOT, document
from tests.for_each import for_each
from tests.samples import CONTEXT
from tests.test_health_table import FAULTS
from wechat_kf import KfError, ResponseError, SetupError, TransportError
from wechat_kf.advice import ADVICE
from wechat_kf.errors import api_error

RUNBOOK = document("docs/runbook.md")
UNKNOWN = 99999  # an errcode that no document names


def plain(text: str) -> str:
    """Remove mrkdwn markup, for which a document has its own."""
    return re.sub(r"[*`]", "", text)


def words_of(message: Message) -> str:
    found = [block.get("text", {}).get("text", "") for block in message.blocks]
    found += [part["text"] for block in message.blocks for part in block.get("elements", ()) if "text" in part]
    return plain(" ".join([message.text, *map(str, found)]))


def title_of(message: Message) -> str:
    return next(block["text"]["text"] for block in message.blocks if block["type"] == "header").lstrip("⚠️ ")


def failures() -> Iterator[KfError]:
    yield TransportError("GET", timed_out=True)
    yield TransportError("GET", status=502)
    yield TransportError("GET", proxy=True)
    yield ResponseError()
    yield from (api_error(errcode, "no") for errcode in [*ADVICE, UNKNOWN])


@cache
def notices() -> dict[str, list[str]]:
    """Return by title the text of every notice about a failed poll or a wrong clock."""
    before = PollHealth(failed_polls=incidents.FAILED_POLLS - 1)
    found: list[Incident | None] = [incidents.on_poll_failure(before, error, NOW).incident for error in failures()]
    found.append(Incident("1", Cause.CLOCK_PROBLEM, NOW, ErrorDetails("ClockSkew", detail="4 min")))
    by_title: dict[str, list[str]] = {}
    for incident in found:
        assert incident
        message = incident_notices.incident_notice(incident, CONTEXT)
        by_title.setdefault(title_of(message), []).append(words_of(message))
    return by_title


def explained(under: str) -> dict[str, list[str]]:
    """Return by title the runbook's quotations in each section of the second level."""
    titles = [section.title for section in RUNBOOK.sections]
    own = RUNBOOK.sections[titles.index(under) + 1 :]
    end = next((index for index, section in enumerate(own) if section.level < 3), len(own))
    return {section.title: section.quotes for section in own[:end]}


def test_every_health_notice_has_its_section_and_no_other_has():
    assert set(explained("Health notices in the channel")) == {*notices(), "When it is over"}


@for_each("title", notices())
def test_quotations_of_notices_in_the_runbook_are_exact(title):
    quotes = explained("Health notices in the channel")[title]
    assert quotes
    for quote in quotes:
        assert any(plain(quote) in words for words in notices()[title]), quote


def test_runbook_explains_how_each_notice_is_resolved():
    told = [row[0] for row in RUNBOOK.section("When it is over").tables[0][1:]]
    over = [
        incident_notices.incident_notice(
            Incident("1", cause, NOW, ErrorDetails("TransportError"), resolved_at=NOW), CONTEXT
        ).text.split(".")[0]
        for cause in (Cause.SOURCE_DOWN, Cause.CLOCK_PROBLEM)
    ]
    assert [plain(title).replace("’", "'") for title in told] == over


def test_runbook_names_every_errcode_that_needs_a_person():
    codes = {errcode for errcode in ADVICE if isinstance(api_error(errcode, ""), SetupError)}
    named = {int(code) for code in re.findall(r"\b\d{5}\b", RUNBOOK.prose)}
    assert codes - named == set()
    assert named - set(ADVICE) == set()


def test_every_kind_of_problem_is_explained_with_its_title():
    (table, *_) = RUNBOOK.section("What `/kf status` says").tables
    told = {kind: row[1] for row in table[1:] for kind in re.findall(r"`(\w+)`", row[0])}
    assert set(told) == set(ProblemKind)
    for kind in ProblemKind:
        said = {explain(problem).title for fault in FAULTS for problem in fault.problems if problem.kind is kind}
        assert without_numbers(told[kind]) in {*map(without_numbers, said), "WeChat does not answer"}


def without_numbers(title: str) -> str:
    return (
        re.sub(r"\d+", "N", title)
        .replace("accounts", "account")
        .replace("alerts", "alert")
        .replace("answers", "answer")
    )


def test_quotations_of_problems_in_the_runbook_are_exact():
    words = [explain(problem) for fault in FAULTS for problem in fault.problems]
    said = " ".join(plain(f"{one.why} {one.next}") for one in words)
    for quotes in explained("What `/kf status` says").values():
        assert all(plain(quote) in said for quote in quotes)


def test_every_refusal_of_slack_that_the_bot_explains_is_in_the_table():
    table = next(table for section in RUNBOOK.sections for table in section.tables if table[0][0] == "Slack says")
    told = {word: row[1] for row in table[1:] for word in re.findall(r"`(\w+)`", row[0])}
    because = {word: sentence_of(word) for word, code in CODES.items() if code.posting is Reaction.BLOCK}
    family = {"restricted_action": sentence_of("restricted_action")}
    assert {word: f"Slack refuses them: {why}." for word, why in told.items()} == because | family


def sentence_of(error: str) -> str:
    return explain(Problem(ProblemKind.SLACK_BLOCKED, error=error, count=1)).why


def test_quoted_lines_under_an_alert_are_those_of_the_code():
    lines = [row[0].rstrip("…").strip() for row in RUNBOOK.section("Lines under an alert").tables[0][1:]]
    assert lines[0] == "Possible repeat: Slack did not confirm the first posting."
    assert lines[1] == "WeChat does not answer; last confirmed"
    assert lines[2] == "WeChat did not answer; last confirmed"
    for line, module in zip(lines[1:], ("alerts", "thread_replies"), strict=True):
        for words in line.split("; "):
            assert words in (ROOT / f"bot/blocks/channel/{module}.py").read_text()


# Metrics

FIGURES = Figures(
    HealthFacts(NOW, polled_at=NOW, oldest_pending=NOW, platform=PlatformFacts(NOW)),
    messages={},
    overdue=OverduePolls(),
    fleet=FleetFigures({"active": 2}, [], 0, NOW, NOW),
)


def exported() -> set[str]:
    metrics = Metrics()
    for what in ("poll", "post", "edit", "view", "operation", "lookup", "prune"):
        metrics.count(what, "ok")
    metrics.count("push", "authorized", "taken")
    metrics.count("renewal", "component", "ok")
    text = metrics.render(FIGURES).decode()
    names = (re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#"))
    return {re.sub("_(bucket|count|sum)$", "", name) for name in names}


def test_metrics_of_the_runbook_are_those_that_are_exported():
    (table, *_) = RUNBOOK.section("Metrics").tables
    named = {row[0].strip("`"): row[1] for row in table[1:]}
    assert set(named) == exported()
    assert set(re.findall(r"`(\w+)`", named["wechat_kf_messages"])) == {"state", *STATES}
    outcomes = {outcome_label(kind.__new__(kind)) for kind in get_args(Outcome)}
    assert set(re.findall(r"`(\w+)`", named["wechat_kf_posts_total"])) == {"result", *outcomes}
    looks = {
        _outcome_name(answer)
        for answer in (
            None,
            HistoryMessage("C0", "1.0", None, "k", ()),
            HistoryUnreadable("no"),
            RetryLater(1, "no"),
        )
    }
    assert set(re.findall(r"`(\w+)`", named["wechat_kf_delivery_lookups_total"])) == {"outcome", *looks}
    kinds = {"component_verify_ticket", *EventKind, "other"}
    assert set(re.findall(r"`(\w+)`", named["wechat_kf_platform_pushes_total"])) == {
        *("kind", "result"),
        *kinds,
        *PushResult,
    }
    assert set(re.findall(r"`(\w+)`", named["wechat_kf_prunings_total"])) == {"result", "ok", "failed", "postponed"}


def test_runbook_names_the_days_after_which_rows_are_deleted():
    assert f"over for {RetentionPolicy().keep.days} days" in RUNBOOK.section("Old rows").text


def test_alarms_use_exported_metrics():
    (block,) = (block for block in RUNBOOK.code if block.language == "yaml")
    (group,) = yaml.safe_load(block.text)["groups"]
    for rule in group["rules"]:
        asked = set(re.findall(r"wechat_kf_\w+", rule["expr"]))
        assert asked
        assert asked <= exported()


# The log

LEVELS = {"warning": "WARNING", "error": "ERROR", "exception": "ERROR", "critical": "CRITICAL"}


def logged() -> set[tuple[str, str]]:
    """Return level and event of every line of WARNING and above that the bot itself can log."""
    found = set()
    for path in (ROOT / "bot").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if "demo" not in path.parts:
            found |= {line for node in ast.walk(tree) if (line := _line(node, tree))}
    return found


def _line(node: ast.AST, tree: ast.Module) -> tuple[str, str] | None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name("log"), attr=level), args=[said, *_]) if level in LEVELS:
            return LEVELS[level], _event(said, tree)
    return None


def _event(said: ast.expr, tree: ast.Module) -> str:
    match said:
        case ast.Call(args=[first, *_]):  # Line("event", field=…)
            return _event(first, tree)
        case ast.Name(name):
            values = [
                node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and _names(node) == [name]
            ]
            return _event(values[0], tree)
        case ast.Constant(str(text)):
            return text
    raise AssertionError(f"an event that no reader could look up: {ast.unparse(said)}")


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def test_runbook_explains_every_warning_and_error_of_the_log():
    (table,) = RUNBOOK.section("The log").tables
    assert {(row[0], row[1].strip("`")) for row in table[1:]} == logged()
