"""Explanations of the problems of the bot, in the same words for `/kf status`, the log and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bot.alerting.episode import AlertPolicy
from bot.alerting.incidents import Incident
from bot.blocks.answers.host_problems import explain_host_problem
from bot.blocks.channel.incident_notices import incident_title, may_be_old
from bot.blocks.context import RenderContext
from bot.blocks.platform_problems import explain_platform
from bot.blocks.problems import Explanation
from bot.blocks.slack_refusals import see_log, slack_refusal
from bot.blocks.times import exact_span
from bot.health.facts import Problem, ProblemKind
from bot.slack import error_codes
from bot.text import ACCOUNT, ERRMSG, mrkdwn

SHOWN = 10  # accounts by name
ENGLISH = RenderContext(AlertPolicy())  # of the log, `/readyz` and the terminal


def explain(problem: Problem, context: RenderContext = ENGLISH, channel: str | None = None) -> Explanation:
    """Explain a problem.

    Args:
        channel: the ID of the alert channel, "" without one, for readers in Slack; None for the log and `/readyz`,
            which contain no channel and no account.
    """
    if explanation := explain_host_problem(problem, context):
        return explanation
    if problem.kind is ProblemKind.PLATFORM_FAILING and problem.incident:
        return explain_platform(problem.incident.fault, context)
    if problem.incident:
        return _incident(problem.kind, problem.incident, context)
    return _EXPLAIN[problem.kind](problem, channel, context)


def _starting(_: Problem, __: str | None, context: RenderContext) -> Explanation:
    return Explanation(
        context.say("Starting: WeChat has not been read yet"),
        context.say("The first read takes some seconds."),
        context.say("nothing yet."),
    )


def _incident(kind: ProblemKind, incident: Incident, context: RenderContext) -> Explanation:
    quota = ""
    if kind is ProblemKind.WECHAT_QUOTA:
        quota = context.say("WeChat is read again after midnight in Shanghai.")
    return Explanation(
        incident_title(incident, context),
        context.paragraph(may_be_old(context), quota),
        context.say("{command} asks WeChat again, and says what to do if it fails.", command=f"*{context.kf}*"),
    )


def _poll_failed(problem: Problem, _: str | None, context: RenderContext) -> Explanation:
    return Explanation(
        context.say(
            "WeChat did not answer the last read, {number} of {total}", number=problem.count, total=problem.of
        ),
        context.paragraph(
            context.say("After {number} in a row the channel is alerted.", number=problem.of), may_be_old(context)
        ),
        context.say(
            "nothing yet. {command} asks WeChat again, and says what to do if it fails.", command=f"*{context.kf}*"
        ),
        past=context.say("WeChat did not answer"),
    )


def _poll_overdue(problem: Problem, _: str | None, context: RenderContext) -> Explanation:
    if problem.length:
        title = context.say("WeChat has not been read for {span}", span=exact_span(problem.length, context))
    else:
        title = context.say("WeChat has not been read")
    return Explanation(
        title,
        context.say("No read was completed within three intervals. New rejections and bindings go unseen."),
        context.say("see the log of the processes for the reason, and restart them."),
    )


def _slack_blocked(problem: Problem, channel: str | None, context: RenderContext) -> Explanation:
    reason, step = slack_refusal(problem.error, context)
    if problem.reading and not problem.count:
        return Explanation(
            context.say("Alerts wait for Slack"),
            context.say(
                "Slack refuses the bot: {why}. It cannot read what it has posted before, so nothing is watched "
                "yet.",
                why=reason,
            ),
            step,
        )
    if not problem.alerts:
        return Explanation(
            context.say("Slack refuses the bot"),
            context.say(
                "Slack refuses its requests: {why}. Answers still arrive, but people’s languages and groups are "
                "not known.",
                why=reason,
            ),
            step,
        )
    if not problem.count:
        if channel:
            why = context.say(
                "Slack refuses posts in {channel}: {why}. The next alert would wait.",
                channel=f"<#{channel}>",
                why=reason,
            )
        else:
            why = context.say("Slack refuses posts: {why}. The next alert would wait.", why=reason)
        return Explanation(context.say("Alerts cannot be posted"), why, step)
    if channel:
        why = context.say("Slack refuses them in {channel}: {why}.", channel=f"<#{channel}>", why=reason)
    else:
        why = context.say("Slack refuses them: {why}.", why=reason)
    return Explanation(_not_posted(problem, context), why, step)


def _not_posted(problem: Problem, context: RenderContext) -> str:
    return context.count("{number} alert could not be posted", "{number} alerts could not be posted", problem.count)


def _slack_unreachable(problem: Problem, _: str | None, context: RenderContext) -> Explanation:
    error = context.say(problem.error) if problem.error == error_codes.NO_JSON else mrkdwn(problem.error, ERRMSG)
    if problem.reading:
        why = context.say(
            "The bot cannot read what it has posted before, so nothing is watched yet ({error}).", error=error
        )
    elif not problem.alerts:
        why = context.say("People’s languages and groups are not known until it does ({error}).", error=error)
    else:
        why = context.say("Alerts wait until it does ({error}).", error=error)
    return Explanation(
        context.say("Slack does not answer"),
        why,
        context.say(
            "see slack-status.com, and whether this server reaches slack.com (firewall, HTTPS_PROXY, "
            "SLACK_API_URL)."
        ),
    )


def _rows_failed(problem: Problem, channel: str | None, context: RenderContext) -> Explanation:
    if channel is None:
        why = context.say("What happens there cannot be written down, so no alert follows.")
    else:
        names = names_of(problem.names, context)
        why = context.say("What happens there cannot be written down, so no alert follows: {names}.", names=names)
    return Explanation(
        context.count("{number} account cannot be watched", "{number} accounts cannot be watched", problem.count),
        why,
        context.say("look for {event} in the log; it has the reason.", event="*row failed*"),
    )


def names_of(accounts: Sequence[str], context: RenderContext) -> str:
    """Write `bo@harbour_tea, dee@harbour_tea and 4 more`."""
    return context.some([mrkdwn(one, ACCOUNT) or context.say("(no account)") for one in accounts], SHOWN)


def _messages_stale(problem: Problem, _: str | None, context: RenderContext) -> Explanation:
    return Explanation(
        context.count("{number} message cannot be updated", "{number} messages cannot be updated", problem.count),
        context.say("What they say in the channel may be over."),
        context.say("{command} shows the present state; the log has the reason.", command="*/kf*"),
    )


def _alerts_overdue(problem: Problem, _: str | None, context: RenderContext) -> Explanation:
    return Explanation(
        context.count(
            "{number} alert waits for more than 5 min", "{number} alerts wait for more than 5 min", problem.count
        ),
        context.say("They are posted when Slack and the database allow it."),
        see_log(context),
    )


def _alerts_held(problem: Problem, _: str | None, context: RenderContext) -> Explanation:
    return Explanation(
        context.count("{number} alert may not have arrived", "{number} alerts may not have arrived", problem.count),
        context.say(
            "Slack did not confirm, and the clock is wrong: it is posted again after an hour, as a possible repeat."
        ),
        context.say("set the clock (NTP)."),
    )


def _alerts_lost(problem: Problem, _: str | None, context: RenderContext) -> Explanation:
    return Explanation(
        _not_posted(problem, context),
        context.say("{what}.", what=lost_words(problem.parts, context)),
        context.say("{command} shows what needs attention; the log has the reason.", command="*/kf*"),
    )


_EXPLAIN: Mapping[ProblemKind, Callable[[Problem, str | None, RenderContext], Explanation]] = {
    ProblemKind.STARTING: _starting,
    ProblemKind.POLL_OVERDUE: _poll_overdue,
    ProblemKind.SLACK_BLOCKED: _slack_blocked,
    ProblemKind.SLACK_UNREACHABLE: _slack_unreachable,
    ProblemKind.ROWS_FAILED: _rows_failed,
    ProblemKind.ALERTS_OVERDUE: _alerts_overdue,
    ProblemKind.ALERTS_HELD: _alerts_held,
    ProblemKind.ALERTS_LOST: _alerts_lost,
    ProblemKind.MESSAGES_STALE: _messages_stale,
    ProblemKind.POLL_FAILED: _poll_failed,
}


def lost_words(numbers: Sequence[int], context: RenderContext) -> str:
    """Write `1 refused by Slack, 2 never confirmed, 1 could not be shown`; "" when no alert is lost."""
    refused, unconfirmed, failed = numbers
    parts = [
        context.say("{number} refused by Slack", number=refused) if refused else "",
        context.say("{number} never confirmed", number=unconfirmed) if unconfirmed else "",
        context.say("{number} could not be shown", number=failed) if failed else "",
    ]
    return context.clauses([part for part in parts if part])


def plain_words(problem: Problem, context: RenderContext = ENGLISH) -> tuple[str, str]:
    """Return a problem and the next step as plain text: no markup, ASCII quotes."""
    return in_plain_words(explain(problem, context), context)


def in_plain_words(explanation: Explanation, context: RenderContext = ENGLISH) -> tuple[str, str]:
    """Return what is wrong and the next step of an explanation as plain text."""
    what = context.paragraph(context.say("{what}.", what=explanation.title), explanation.why)
    return context.plain(what), context.plain(context.capitalized(explanation.next))
