"""What `/kf status` answers: the verdict first, then the facts, the troubled ones on top."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bot import actions
from bot.blocks import builders
from bot.blocks.answers.diagnosis import because, explain, lost_words, names_of, plain_words
from bot.blocks.channel.wording import Dates
from bot.blocks.times import DAY, alone, date, exact_span, lead_name, plain_date, span
from bot.grammar import ShowStatus
from bot.health import HealthFacts, Problem, ProblemKind, diagnose
from bot.ports import Message
from bot.status import PastProblem, Snoozed, Status
from bot.text import ERRMSG, NAME, listed, many, mrkdwn

_SILENT = {ProblemKind.STORE_UNREACHABLE, ProblemKind.STORE_HANGING}
NAMED = 3  # of those that are snoozed, and of other problems
WITHOUT_SINCE = {ProblemKind.STARTING, ProblemKind.POLL_OVERDUE, ProblemKind.CLOCK_WRONG}  # it says how long itself


class _Fact(NamedTuple):
    """A field, in mrkdwn, and the same as a sentence for `text`."""

    title: str
    value: str
    spoken: str
    troubled: bool = False


def report(status: Status, now: datetime) -> Message:
    """Say whether the bot is well."""
    worst, *others = diagnose(status.facts) or (None,)
    fine = "Working normally" if status.facts.alerts else "Working normally, alerts are off"
    wrong = explain(worst, status.channel) if worst else None
    facts = sorted(_facts(status, now), key=lambda fact: not fact.troubled)
    blocks = [
        builders.header(f"{builders.TROUBLE} {wrong.title}" if wrong else f"{builders.FINE} {fine}"),
        *([builders.section(f"{wrong.why}\n*Next:* {wrong.next}")] if worst and wrong else []),
        *([builders.section("\n".join(_also(problem) for problem in others[:NAMED]))] if others else []),
        builders.section(fields=[builders.field(fact.title, fact.value) for fact in facts]),
        builders.actions(builders.refresh(actions.encode(ShowStatus()))),
        builders.context(" · ".join([*_since(worst, now, date), *_about(status)])),
    ]
    said = [" ".join(plain_words(problem)) for problem in (worst, *others[:NAMED]) if problem] or [f"{fine}."]
    said += [f"{since}." for since in _since(worst, now, plain_date)]
    spoken = " ".join([*said, *(fact.spoken for fact in facts if fact.spoken)])
    return Message(spoken.replace("*", "").replace("’", "'"), blocks)


def _since(problem: Problem | None, now: datetime, moment: Dates) -> Iterator[str]:
    if problem and problem.since and problem.kind not in WITHOUT_SINCE:
        yield f"Since {moment(problem.since, alone(problem.since, now))}"


def _also(problem: Problem) -> str:
    words = explain(problem, "")
    return f"*Also:* {words.title}. *Next:* {words.next}"


def _facts(status: Status, now: datetime) -> Iterator[_Fact]:
    health = status.facts
    yield _wechat(status, now)
    yield _token(status, now)
    clock = health.clock_incident
    if clock and not clock.over_at:
        skew = f"{mrkdwn(clock.fault.detail, ERRMSG)} off WeChat’s"
        yield _Fact("Server clock", skew, f"Server clock {skew}.", troubled=True)
    if not health.alerts:
        yield _Fact("Alerts go to", "nobody, ALERTS is off", "Alerts are off.")
        return
    blocked = _blocked(health)
    yield _Fact("Alerts go to", f"<#{status.channel}>" if status.channel else "no channel", "", bool(blocked))
    yield _queue(status, now)
    if lost := lost_words(health.refused, health.unconfirmed, health.failed):
        yield _Fact("Not posted", lost, f"Not posted: {lost}.", troubled=True)
    if health.failed_rows:
        yield _Fact("Not watched", names_of(health.failed_rows), "", troubled=True)
    if status.snoozed:
        yield _snoozed(status.snoozed, now)
    if status.quiet:
        yield _Fact("Quiet hours", status.quiet, f"Quiet hours {status.quiet}.")
    if status.leads:
        yield _Fact("Reminders", f"{listed([lead_name(lead) for lead in status.leads])} before", "")
    if status.last_problem:
        yield _past(status.last_problem)


def _blocked(facts: HealthFacts) -> Problem | None:
    return next((problem for problem in diagnose(facts) if problem.kind is ProblemKind.SLACK_BLOCKED), None)


def _wechat(status: Status, now: datetime) -> _Fact:
    health = status.facts
    failing = bool(health.failed_polls or (health.incident and not health.incident.over_at))

    def words(moment: Dates) -> str:
        parts = ["not known" if health.store else "not read yet"]
        if not health.alerts:
            parts = ["read when somebody asks"]
        if health.polled_at:
            answered = "last answered " if failing else "answered "
            parts = [moment(health.polled_at, alone(health.polled_at, now), answered)]
        if health.next_poll_at:
            parts.append(moment(health.next_poll_at, alone(health.next_poll_at, now), "next read "))
        return ", ".join(parts)

    return _Fact("WeChat", words(date), f"WeChat {words(plain_date)}.", failing)


def _token(status: Status, now: datetime) -> _Fact:
    if status.token_expires_at is None:
        return _Fact("Access token", "none yet", "No access token yet.")
    if status.token_expires_at <= now:
        return _Fact("Access token", "expired, the next read renews it", "Access token expired.")
    good = f"good for {exact_span(status.token_expires_at - now)}"
    return _Fact("Access token", good, f"Access token {good}.")


def _queue(status: Status, now: datetime) -> _Fact:
    title, health = "Waiting to be posted", status.facts
    if health.store:
        return _Fact(title, "not known", "What waits to be posted is not known.", troubled=True)
    if not health.pending:
        return _Fact(title, "nothing", "Nothing waits to be posted.")
    blocked = _blocked(health)

    def words(moment: Dates) -> str:
        """Since when, and why."""
        since, until = health.oldest_pending, status.quiet_until
        parts = [f", the oldest {moment(since, alone(since, now), 'since ')}" if since else ""]
        if blocked:
            parts.append(f"; Slack refuses: {because(blocked.error)}")
        elif until:
            parts.append(f", {moment(until, alone(until, now), 'until ')} (quiet hours)")
        return "".join(parts)

    wait = "waits" if health.pending == 1 else "wait"
    spoken = f"{health.pending} {wait} to be posted{words(plain_date)}."
    return _Fact(title, f"{health.pending}{words(date)}", spoken, bool(blocked))


def _snoozed(snoozed: Sequence[Snoozed], now: datetime) -> _Fact:
    shown = [
        f"{mrkdwn(one.label, NAME) or '(no name)'}, {date(one.until, alone(one.until, now), 'until ')}"
        for one in snoozed[:NAMED]
    ]
    more = f" and {len(snoozed) - NAMED} more" if snoozed[NAMED:] else ""
    return _Fact("Snoozed", "; ".join(shown) + more, f"{many(len(snoozed), 'alert')} snoozed.")


def _past(problem: PastProblem) -> _Fact:
    words = f"{problem.title} for {span(problem.lasted)}"
    return _Fact(
        "Last problem",
        f"{words}{date(problem.since, words=', ')}",
        f"Last problem: {words}, {plain_date(problem.since)}.",
    )


def _about(status: Status) -> Iterator[str]:
    yield f"KF {status.version}"
    if status.store:
        trouble = status.facts.store
        yield f"database {status.store}{' (unreachable)' if trouble and trouble.kind in _SILENT else ''}"
    if status.processes:
        yield many(status.processes, "process", "processes")
    if status.watching_since:
        yield date(status.watching_since, DAY, "watching since ")
