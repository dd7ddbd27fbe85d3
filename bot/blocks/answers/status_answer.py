"""The answer to `/kf status`: a verdict, then the facts, those with a problem first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bot import actions
from bot.alerting.incidents import Incident
from bot.blocks import builders
from bot.blocks.answers.diagnosis import explain, lost_words, names_of, plain_words, slack_refusal
from bot.blocks.channel.incident_notices import past_incident_title
from bot.blocks.context import RenderContext
from bot.blocks.times import DAY, date, exact_span, lead_name, near, quiet_window, span, stored_span
from bot.health.facts import HealthFacts, Problem, ProblemKind
from bot.health.rules import diagnose
from bot.ports import Message
from bot.requests import ShowStatus
from bot.status import Snoozed, Status
from bot.text import NAME, mrkdwn

_SILENT = {ProblemKind.STORE_UNREACHABLE, ProblemKind.STORE_HANGING}
MOST_FIELDS = 10  # of a section
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
    if worst:
        explanation = explain(worst, context, status.channel)
        heading = f"{builders.TROUBLE} {explanation.title}"
        explained = [builders.section(f"{explanation.why}\n{explanation.shown(context)}")]
    else:
        heading, explained = f"{builders.FINE} {_fine(status, context)}", []
    also = [
        context.say("*Also:* {title}. *Next:* {step}", title=words.title, step=words.next)
        for words in (explain(problem, context, "") for problem in others[:NAMED])
    ]
    facts = sorted(_facts(status, now, context), key=lambda fact: not fact.is_problem)
    fields = [builders.field(fact.title, fact.value) for fact in facts]
    blocks = [
        builders.header(heading),
        *explained,
        *([builders.section("\n".join(also))] if also else []),
        *(builders.section(fields=some) for some in (fields[:MOST_FIELDS], fields[MOST_FIELDS:]) if some),
        builders.actions(builders.refresh(actions.encode(ShowStatus()), context)),
        builders.context(" · ".join([*_since(worst, now, context), *_about(status, context)])),
    ]
    text = context.as_text
    parts = [part for problem in (worst, *others[:NAMED]) if problem for part in plain_words(problem, text)]
    plain = text.paragraph(
        *(parts or [text.say("{what}.", what=_fine(status, text))]),
        *(text.say("{what}.", what=since) for since in _since(worst, now, text)),
        *(fact.plain_text for fact in facts),
    )
    return Message(text.plain(plain), blocks)


def _fine(status: Status, context: RenderContext) -> str:
    if status.facts.alerts:
        return context.say("Working normally")
    return context.say("Working normally, alerts are off")


def _since(problem: Problem | None, now: datetime, context: RenderContext) -> Iterator[str]:
    if problem and problem.since and problem.kind not in WITHOUT_SINCE:
        yield context.say("Since {when}", when=near(problem.since, now, context))


def _facts(status: Status, now: datetime, context: RenderContext) -> Iterator[_Fact]:
    health, term, text = status.facts, context.term, context.as_text
    yield _wechat(status, now, context)
    yield _token(status, now, context)
    clock = health.clock_incident
    if clock and not clock.resolved_at:
        skew = context.say("{span} off WeChat’s", span=stored_span(clock.fault.detail, context))
        yield _titled(term("field", "Server clock"), skew, text, is_problem=True)
    title = term("field", "Alerts go to")
    if not health.alerts:
        yield _Fact(title, context.say("nobody, ALERTS is off"), text.say("Alerts are off."))
        return
    channel = f"<#{status.channel}>" if status.channel else context.say("no channel")
    yield _Fact(title, channel, "", bool(_blocked(health)))
    yield _queue(status, now, context)
    if lost := lost_words((health.refused, health.unconfirmed, health.failed), context):
        yield _titled(term("field", "Not posted"), lost, text, is_problem=True)
    if health.failed_rows:
        names = names_of(health.failed_rows, context)
        yield _Fact(term("field", "Not watched"), names, "", is_problem=True)
    if status.snoozed:
        yield _snoozed(status.snoozed, now, context)
    if status.quiet:
        window = quiet_window(status.quiet, context)
        yield _Fact(term("field", "Quiet hours"), window, text.say("Quiet hours {window}.", window=window))
    if status.leads:
        leads = context.listed([lead_name(lead, context) for lead in status.leads])
        yield _Fact(term("field", "Reminders"), context.say("{leads} before", leads=leads), "")
    if health.incident and health.incident.resolved_at:
        value, plain = (_last_problem(health.incident, health.incident.resolved_at, one) for one in (context, text))
        yield _Fact(term("field", "Last problem"), value, text.say("Last problem: {what}.", what=plain))


def _titled(title: str, value: str, text: RenderContext, *, is_problem: bool = False) -> _Fact:
    """Return a fact whose sentence is its title and its value."""
    return _Fact(title, value, text.say("{title}: {value}.", title=title, value=value), is_problem)


def _last_problem(incident: Incident, resolved_at: datetime, context: RenderContext) -> str:
    what, lasted = past_incident_title(incident, context), span(resolved_at - incident.began_at, context)
    when = date(incident.began_at, context)
    return context.say("{what} for {span}, {when}", what=what, span=lasted, when=when)


def _blocked(facts: HealthFacts) -> Problem | None:
    return next((problem for problem in diagnose(facts) if problem.kind is ProblemKind.SLACK_BLOCKED), None)


def _wechat(status: Status, now: datetime, context: RenderContext) -> _Fact:
    health = status.facts
    failing = bool(health.failed_polls or (health.incident and not health.incident.resolved_at))

    def words(context: RenderContext) -> str:
        if health.polled_at:
            when = near(health.polled_at, now, context)
            if failing:
                parts = [context.say("last answered {when}", when=when)]
            else:
                parts = [context.say("answered {when}", when=when)]
        elif not health.alerts:
            parts = [context.say("read when somebody asks")]
        else:
            parts = [context.say("not known") if health.store else context.say("not read yet")]
        if health.next_poll_at:
            parts.append(context.say("next read {when}", when=near(health.next_poll_at, now, context)))
        return context.clauses(parts)

    title, text = context.term("field", "WeChat"), context.as_text
    plain = text.say("{title}: {value}.", title=title, value=words(text))
    return _Fact(title, words(context), plain, failing)


def _token(status: Status, now: datetime, context: RenderContext) -> _Fact:
    title = context.term("field", "Access token")
    if status.token_expires_at is None:
        return _Fact(title, context.say("none yet"), context.say("No access token yet."))
    if status.token_expires_at <= now:
        value = context.say("expired, the next read renews it")
        return _Fact(title, value, context.say("Access token expired."))
    left = exact_span(status.token_expires_at - now, context)
    value = context.say("good for {span}", span=left)
    return _Fact(title, value, context.say("Access token good for {span}.", span=left))


def _queue(status: Status, now: datetime, context: RenderContext) -> _Fact:
    title, health, text = context.term("field", "Waiting to be posted"), status.facts, context.as_text
    if health.store:
        plain = text.say("What waits to be posted is not known.")
        return _Fact(title, context.say("not known"), plain, is_problem=True)
    if not health.pending:
        return _Fact(title, context.term("queue", "nothing"), text.say("Nothing waits to be posted."))
    blocked = _blocked(health)

    def why(context: RenderContext) -> list[str]:
        """Write since when messages wait, and why."""
        parts = []
        if health.oldest_pending:
            parts.append(context.say("the oldest since {when}", when=near(health.oldest_pending, now, context)))
        if blocked:
            parts.append(context.say("Slack refuses: {why}", why=slack_refusal(blocked.error, context)[0]))
        elif status.quiet_until:
            parts.append(context.say("until {when} (quiet hours)", when=near(status.quiet_until, now, context)))
        return parts

    waiting = text.count("{number} waits to be posted", "{number} wait to be posted", health.pending)
    plain = text.say("{what}.", what=text.clauses([waiting, *why(text)]))
    return _Fact(title, context.clauses([str(health.pending), *why(context)]), plain, bool(blocked))


def _snoozed(snoozed: Sequence[Snoozed], now: datetime, context: RenderContext) -> _Fact:
    shown = [
        context.say(
            "{name}, until {when}",
            name=mrkdwn(one.label, NAME) or context.say("(no name)"),
            when=near(one.until, now, context),
        )
        for one in snoozed
    ]
    plain = context.as_text.count("{number} alert snoozed.", "{number} alerts snoozed.", len(snoozed))
    return _Fact(context.term("field", "Snoozed"), context.some_clauses(shown, NAMED), plain)


def _about(status: Status, context: RenderContext) -> Iterator[str]:
    yield f"KF {status.version}"
    if status.store:
        trouble = status.facts.store
        if trouble and trouble.kind in _SILENT:
            yield context.say("database {kind} (unreachable)", kind=status.store)
        else:
            yield context.say("database {kind}", kind=status.store)
    if status.processes:
        yield context.count("{number} process", "{number} processes", status.processes)
    if status.watching_since:
        yield context.say("watching since {when}", when=date(status.watching_since, context, DAY))
