"""The facts of the bot's state, as fields of the answer to `/kf status` and of App Home."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bot.alerting.incidents import Incident
from bot.blocks import mentions
from bot.blocks.answers.diagnosis import lost_words, names_of
from bot.blocks.answers.platform_facts import platform_parts
from bot.blocks.channel.incident_notices import past_incident_title
from bot.blocks.context import RenderContext
from bot.blocks.slack_refusals import slack_refusal
from bot.blocks.times import DAY, date, exact_span, lead_name, near, quiet_window, span, stored_span
from bot.health.facts import HealthFacts, Problem, ProblemKind
from bot.health.problem_rules import diagnose
from bot.operations.operation import Availability
from bot.status import Snoozed, Status
from bot.text import NAME, mrkdwn

_SILENT = {ProblemKind.STORE_UNREACHABLE, ProblemKind.STORE_HANGING}
NAMED = 3  # of the alerts that are snoozed
MOST_PEOPLE = 10  # that the settings name


class Fact(NamedTuple):
    """A field, as mrkdwn, and the same as a sentence of the fallback text."""

    title: str
    value: str
    plain_text: str
    is_problem: bool = False


def status_facts(status: Status, now: datetime, context: RenderContext) -> Iterator[Fact]:
    """Return all facts that are known, without regard to problems."""
    health, term, text = status.facts, context.term, context.as_text
    yield _wechat(status, now, context)
    yield _token(status, now, context)
    if health.platform:
        words = [one.clauses(platform_parts(health.platform, now, one)) for one in (context, text)]
        title = term("field", "Platform")
        plain = text.say("{title}: {value}.", title=title, value=words[1])
        yield Fact(title, words[0], plain, health.platform.incident is not None)
    clock = health.clock_incident
    if clock and not clock.resolved_at:
        skew = context.say("{span} off WeChat’s", span=stored_span(clock.fault.detail, context))
        yield _titled(term("field", "Server clock"), skew, text, is_problem=True)
    yield _alerts(status, context)
    if not health.alerts:
        yield _changes(status, now, context)
        return
    yield _queue(status, now, context)
    if lost := lost_words((health.refused, health.unconfirmed, health.failed), context):
        yield _titled(term("field", "Not posted"), lost, text, is_problem=True)
    if health.failed_rows:
        names = names_of(health.failed_rows, context)
        yield Fact(term("field", "Not watched"), names, "", is_problem=True)
    if status.snoozed:
        yield _snoozed(status.snoozed, now, context)
    if status.quiet:
        window = quiet_window(status.quiet, context)
        yield Fact(term("field", "Quiet hours"), window, text.say("Quiet hours {window}.", window=window))
    if status.leads:
        yield _reminders(status, context)
    yield _changes(status, now, context)
    if health.incident and health.incident.resolved_at:
        value, plain = (_last_problem(health.incident, health.incident.resolved_at, one) for one in (context, text))
        yield Fact(term("field", "Last problem"), value, text.say("Last problem: {what}.", what=plain))


def board_facts(status: Status, now: datetime, context: RenderContext) -> Iterator[Fact]:
    """Return the facts that App Home shows."""
    yield _alerts(status, context)
    if status.facts.alerts and status.leads:
        yield _reminders(status, context)
    yield _changes(status, now, context)
    if status.facts.pending:
        yield _queue(status, now, context)


def _alerts(status: Status, context: RenderContext) -> Fact:
    title = context.term("field", "Alerts go to")
    if not status.facts.alerts:
        return Fact(title, context.say("nobody, ALERTS is off"), context.as_text.say("Alerts are off."))
    channel = f"<#{status.channel}>" if status.channel else context.say("no channel")
    return Fact(title, channel, "", bool(_blocked(status.facts)))


def _reminders(status: Status, context: RenderContext) -> Fact:
    leads = context.listed([lead_name(lead, context) for lead in status.leads])
    return Fact(context.term("field", "Reminders"), context.say("{leads} before", leads=leads), "")


def _changes(status: Status, now: datetime, context: RenderContext) -> Fact:
    """Write whether operations are on, and for which people; in the fallback text only that WeChat refuses."""
    operations, title = status.operations, context.term("field", "Changes from Slack")

    def words(context: RenderContext) -> str:
        match operations.availability:
            case Availability.ON:
                people = context.some([mentions.mention(one) for one in operations.people], MOST_PEOPLE)
                return context.say("on, for {people}", people=people)
            case Availability.NO_RIGHT if operations.refused_at:
                when = near(operations.refused_at, now, context)
                return context.say("WeChat refuses them (48001), since {when}", when=when)
            case Availability.NO_STORE:
                return context.say("off, ALERTS is off")
        return context.say("off, KF_OPERATORS is not set")

    if operations.availability is not Availability.NO_RIGHT:
        return Fact(title, words(context), "")
    text = context.as_text
    plain = text.say("{title}: {value}.", title=title, value=words(text))
    return Fact(title, words(context), plain, is_problem=True)


def _titled(title: str, value: str, text: RenderContext, *, is_problem: bool = False) -> Fact:
    """Return a fact whose sentence is its title and its value."""
    return Fact(title, value, text.say("{title}: {value}.", title=title, value=value), is_problem)


def _last_problem(incident: Incident, resolved_at: datetime, context: RenderContext) -> str:
    what, lasted = past_incident_title(incident, context), span(resolved_at - incident.began_at, context)
    when = date(incident.began_at, context)
    return context.say("{what} for {span}, {when}", what=what, span=lasted, when=when)


def _blocked(facts: HealthFacts) -> Problem | None:
    return next((problem for problem in diagnose(facts) if problem.kind is ProblemKind.SLACK_BLOCKED), None)


def _wechat(status: Status, now: datetime, context: RenderContext) -> Fact:
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
        if health.next_poll_at and health.is_polled:
            parts.append(context.say("next read {when}", when=near(health.next_poll_at, now, context)))
        return context.clauses(parts)

    title, text = context.term("field", "WeChat"), context.as_text
    plain = text.say("{title}: {value}.", title=title, value=words(text))
    return Fact(title, words(context), plain, failing)


def _token(status: Status, now: datetime, context: RenderContext) -> Fact:
    title = context.term("field", "Access token")
    if status.token_expires_at is None:
        return Fact(title, context.say("none yet"), context.say("No access token yet."))
    if status.token_expires_at <= now:
        value = context.say("expired, the next read renews it")
        return Fact(title, value, context.say("Access token expired."))
    left = exact_span(status.token_expires_at - now, context)
    value = context.say("good for {span}", span=left)
    return Fact(title, value, context.say("Access token good for {span}.", span=left))


def _queue(status: Status, now: datetime, context: RenderContext) -> Fact:
    title, health, text = context.term("field", "Waiting to be posted"), status.facts, context.as_text
    if health.store:
        plain = text.say("What waits to be posted is not known.")
        return Fact(title, context.say("not known"), plain, is_problem=True)
    if not health.pending:
        return Fact(title, context.term("queue", "nothing"), text.say("Nothing waits to be posted."))
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
    return Fact(title, context.clauses([str(health.pending), *why(context)]), plain, bool(blocked))


def _snoozed(snoozed: Sequence[Snoozed], now: datetime, context: RenderContext) -> Fact:
    shown = [
        context.say(
            "{name}, until {when}",
            name=mrkdwn(one.label, NAME) or context.say("(no name)"),
            when=near(one.until, now, context),
        )
        for one in snoozed
    ]
    plain = context.as_text.count("{number} alert snoozed.", "{number} alerts snoozed.", len(snoozed))
    return Fact(context.term("field", "Snoozed"), context.some_clauses(shown, NAMED), plain)


def release(status: Status, context: RenderContext) -> Iterator[str]:
    """Write the version, the database, and how many processes there are."""
    yield f"KF {status.version}"
    if status.store:
        trouble = status.facts.store
        if trouble and trouble.kind in _SILENT:
            yield context.say("database {kind} (unreachable)", kind=status.store)
        else:
            yield context.say("database {kind}", kind=status.store)
    if status.processes:
        yield context.count("{number} process", "{number} processes", status.processes)


def watching_since(status: Status, context: RenderContext) -> Iterator[str]:
    """Write since when accounts are watched, if it is known."""
    if status.watching_since:
        yield context.say("watching since {when}", when=date(status.watching_since, context, DAY))
