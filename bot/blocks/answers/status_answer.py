"""The answer to `/kf status`: a verdict, then the facts, those with a problem first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bot import actions
from bot.blocks import builders
from bot.blocks.answers.diagnosis import explain, lost_words, names_of, plain_words, slack_refusal
from bot.blocks.channel.incident_notices import past_incident_title
from bot.blocks.channel.wording import until
from bot.blocks.context import RenderContext
from bot.blocks.times import DAY, date, exact_span, lead_name, span, tokens_for
from bot.health.facts import HealthFacts, Problem, ProblemKind
from bot.health.rules import diagnose
from bot.ports import Message
from bot.requests import ShowStatus
from bot.status import Snoozed, Status
from bot.text import ERRMSG, NAME, listed, many, mrkdwn

_SILENT = {ProblemKind.STORE_UNREACHABLE, ProblemKind.STORE_HANGING}
NAMED = 3  # of those that are snoozed, and of other problems
# Problems whose titles contain the duration.
WITHOUT_SINCE = {ProblemKind.STARTING, ProblemKind.POLL_OVERDUE, ProblemKind.CLOCK_WRONG}


class _Fact(NamedTuple):
    """A field, as mrkdwn, and the same as a sentence of the fallback text."""

    title: str
    value: str
    plain_text: str
    is_problem: bool = False


def status_answer(status: Status, now: datetime, context: RenderContext) -> Message:
    """Render what is wrong with the bot, or that it works, and its facts."""
    worst, *others = diagnose(status.facts) or (None,)
    fine = "Working normally" if status.facts.alerts else "Working normally, alerts are off"
    explanation = explain(worst, status.channel) if worst else None
    explained = [explain(problem, "") for problem in others[:NAMED]]
    also = [f"*Also:* {words.title}. *Next:* {words.next}" for words in explained]
    facts = sorted(_facts(status, now, context), key=lambda fact: not fact.is_problem)
    blocks = [
        builders.header(f"{builders.TROUBLE} {explanation.title}" if explanation else f"{builders.FINE} {fine}"),
        *([builders.section(f"{explanation.why}\n*Next:* {explanation.next}")] if explanation else []),
        *([builders.section("\n".join(also))] if also else []),
        builders.section(fields=[builders.field(fact.title, fact.value) for fact in facts]),
        builders.actions(builders.refresh(actions.encode(ShowStatus()))),
        builders.context(" · ".join([*_since(worst, now, context), *_about(status, context)])),
    ]
    parts = [" ".join(plain_words(problem)) for problem in (worst, *others[:NAMED]) if problem] or [f"{fine}."]
    parts += [f"{since}." for since in _since(worst, now, context.as_text)]
    text = " ".join([*parts, *(fact.plain_text for fact in facts if fact.plain_text)])
    return Message(text.replace("*", "").replace("’", "'"), blocks)


def _since(problem: Problem | None, now: datetime, context: RenderContext) -> Iterator[str]:
    if problem and problem.since and problem.kind not in WITHOUT_SINCE:
        yield f"Since {date(problem.since, context, tokens_for(problem.since, now))}"


def _facts(status: Status, now: datetime, context: RenderContext) -> Iterator[_Fact]:
    health = status.facts
    yield _wechat(status, now, context)
    yield _token(status, now)
    clock = health.clock_incident
    if clock and not clock.resolved_at:
        skew = f"{mrkdwn(clock.fault.detail, ERRMSG)} off WeChat’s"
        yield _Fact("Server clock", skew, f"Server clock {skew}.", is_problem=True)
    if not health.alerts:
        yield _Fact("Alerts go to", "nobody, ALERTS is off", "Alerts are off.")
        return
    blocked = _blocked(health)
    yield _Fact("Alerts go to", f"<#{status.channel}>" if status.channel else "no channel", "", bool(blocked))
    yield _queue(status, now, context)
    if lost := lost_words(health.refused, health.unconfirmed, health.failed):
        yield _Fact("Not posted", lost, f"Not posted: {lost}.", is_problem=True)
    if health.failed_rows:
        yield _Fact("Not watched", names_of(health.failed_rows), "", is_problem=True)
    if status.snoozed:
        yield _snoozed(status.snoozed, now, context)
    if status.quiet:
        yield _Fact("Quiet hours", status.quiet, f"Quiet hours {status.quiet}.")
    if status.leads:
        yield _Fact("Reminders", f"{listed([lead_name(lead) for lead in status.leads])} before", "")
    if health.incident and health.incident.resolved_at:
        lasted = span(health.incident.resolved_at - health.incident.began_at)
        words = f"{past_incident_title(health.incident)} for {lasted}"
        value, text = (
            f"{words}{date(health.incident.began_at, one, words=', ')}" for one in (context, context.as_text)
        )
        yield _Fact("Last problem", value, f"Last problem: {text}.")


def _blocked(facts: HealthFacts) -> Problem | None:
    return next((problem for problem in diagnose(facts) if problem.kind is ProblemKind.SLACK_BLOCKED), None)


def _wechat(status: Status, now: datetime, context: RenderContext) -> _Fact:
    health = status.facts
    failing = bool(health.failed_polls or (health.incident and not health.incident.resolved_at))

    def words(context: RenderContext) -> str:
        parts = ["not known" if health.store else "not read yet"]
        if not health.alerts:
            parts = ["read when somebody asks"]
        if health.polled_at:
            answered = "last answered " if failing else "answered "
            parts = [date(health.polled_at, context, tokens_for(health.polled_at, now), answered)]
        if health.next_poll_at:
            parts.append(date(health.next_poll_at, context, tokens_for(health.next_poll_at, now), "next read "))
        return ", ".join(parts)

    return _Fact("WeChat", words(context), f"WeChat {words(context.as_text)}.", failing)


def _token(status: Status, now: datetime) -> _Fact:
    if status.token_expires_at is None:
        return _Fact("Access token", "none yet", "No access token yet.")
    if status.token_expires_at <= now:
        return _Fact("Access token", "expired, the next read renews it", "Access token expired.")
    good = f"good for {exact_span(status.token_expires_at - now)}"
    return _Fact("Access token", good, f"Access token {good}.")


def _queue(status: Status, now: datetime, context: RenderContext) -> _Fact:
    title, health = "Waiting to be posted", status.facts
    if health.store:
        return _Fact(title, "not known", "What waits to be posted is not known.", is_problem=True)
    if not health.pending:
        return _Fact(title, "nothing", "Nothing waits to be posted.")
    blocked = _blocked(health)

    def words(context: RenderContext) -> str:
        """Write since when messages wait, and why."""
        since, quiet_until = health.oldest_pending, status.quiet_until
        parts = [f", the oldest {date(since, context, tokens_for(since, now), 'since ')}" if since else ""]
        if blocked:
            parts.append(f"; Slack refuses: {slack_refusal(blocked.error)[0]}")
        elif quiet_until:
            parts.append(f", {until(quiet_until, now, context)} (quiet hours)")
        return "".join(parts)

    wait = "waits" if health.pending == 1 else "wait"
    text = f"{health.pending} {wait} to be posted{words(context.as_text)}."
    return _Fact(title, f"{health.pending}{words(context)}", text, bool(blocked))


def _snoozed(snoozed: Sequence[Snoozed], now: datetime, context: RenderContext) -> _Fact:
    shown = [
        f"{mrkdwn(one.label, NAME) or '(no name)'}, {until(one.until, now, context)}" for one in snoozed[:NAMED]
    ]
    more = f" and {len(snoozed) - NAMED} more" if snoozed[NAMED:] else ""
    return _Fact("Snoozed", "; ".join(shown) + more, f"{many(len(snoozed), 'alert')} snoozed.")


def _about(status: Status, context: RenderContext) -> Iterator[str]:
    yield f"KF {status.version}"
    if status.store:
        trouble = status.facts.store
        yield f"database {status.store}{' (unreachable)' if trouble and trouble.kind in _SILENT else ''}"
    if status.processes:
        yield many(status.processes, "process", "processes")
    if status.watching_since:
        yield date(status.watching_since, context, DAY, "watching since ")
