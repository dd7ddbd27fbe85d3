"""Explanations of problems of the host: the database, the bot's processes, and requests that were not accepted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

from bot.blocks.context import RenderContext
from bot.blocks.problems import Explanation, explain_clock_skew
from bot.blocks.slack_refusals import see_log
from bot.blocks.times import exact_span, span, stored_span
from bot.health.facts import Problem, ProblemKind
from bot.text import ERRMSG, mrkdwn

_CLOCK = re.compile(r"clock off=-?(?P<seconds>[0-9]{1,9}) s")  # as `bot.web.rejections` writes it
_REQUEST_PATH = "/slack/events"


def _database(kind: ProblemKind, context: RenderContext) -> Explanation | None:
    say = context.say
    no_answer = say("The database does not answer")
    still = say("{command} still asks WeChat. Alerts wait until the database is back.", command="*/kf*")
    match kind:
        case ProblemKind.STORE_UNREACHABLE:
            return Explanation(no_answer, still, say("check DATABASE_URL and the database of the host."))
        case ProblemKind.STORE_HANGING:
            step = say(
                "check the database of the host: it is stopped, overloaded, out of reach, or a lock is held."
            )
            return Explanation(no_answer, still, step)
        case ProblemKind.STORE_READ_ONLY:
            return Explanation(
                say("The database cannot be written"),
                say("It can be read only. Alerts wait until it takes changes."),
                say("give its user the right to write; after a failover let DATABASE_URL name the primary server."),
            )
        case ProblemKind.STORE_FULL:
            return Explanation(
                say("The database is full"),
                say("Alerts wait until it takes changes."),
                say("free space on its disk, or take a larger plan."),
            )
        case ProblemKind.STORE_UNSUITABLE:
            return Explanation(
                say("The database is not suitable"),
                say("It cannot store every name, or it belongs to another program. Alerts wait."),
                say("give the bot a database of its own with the encoding UTF8, and set DATABASE_URL to it."),
            )
        case ProblemKind.STORE_DAMAGED:
            return Explanation(
                say("The database is damaged"),
                say("Alerts wait until it is replaced."),
                say("move the file away and restart: what was posted is then read in Slack."),
            )
        case ProblemKind.STORE_DENIED:
            return Explanation(
                say("The database refuses the bot"),
                say("{command} still asks WeChat. Alerts wait until it is let in.", command="*/kf*"),
                say(
                    "check user, password and database name in DATABASE_URL, and give the user the right to write."
                ),
            )
        case ProblemKind.STORE_SCHEMA:
            return Explanation(
                say("The database lacks tables"),
                say("Alerts wait until they are there."),
                say("restart the bot, which makes them; the log says what prevents it."),
            )
        case ProblemKind.STORE_BUSY:
            return Explanation(
                say("The database is busy"),
                say("Another program holds a lock, or all its connections. Alerts wait."),
                say("end programs that use the same database, or take a plan with more connections."),
            )
        case ProblemKind.STORE_UNKNOWN:
            return Explanation(say("The database cannot be used"), still, see_log(context))
    return None


def _no_receiver(problem: Problem, context: RenderContext) -> Explanation:
    title = context.say("No process receives commands")
    if problem.names:
        return Explanation(
            title,
            context.say(
                "SLACK_APP_TOKEN is set, so {command} and buttons reach a `worker` process; none is connected to "
                "Slack.",
                command="*/kf*",
            ),
            context.say(
                "start `python -m bot worker`, and see its log if it runs; or unset SLACK_APP_TOKEN and use the "
                "Request URL."
            ),
        )
    return Explanation(
        title,
        context.say("{command} and buttons reach a `web` process, and none is running.", command="*/kf*"),
        context.say("start `python -m bot web`; or set SLACK_APP_TOKEN, and the `worker` receives them."),
    )


def _accounts_unread(problem: Problem, context: RenderContext) -> Explanation:
    return Explanation(
        context.count(
            "{number} Official Account of the database is not watched",
            "{number} Official Accounts of the database are not watched",
            problem.count,
        ),
        context.say(
            "Commands have added them, but neither STORE_KEYS nor TOKEN_SERVICE_URL is set, so there is no access "
            "token for them."
        ),
        context.say(
            "set STORE_KEYS as it was when they were added, or TOKEN_SERVICE_URL, for all processes, and restart "
            "them. Otherwise pause or remove these accounts."
        ),
    )


def _settings_differ(problem: Problem, context: RenderContext) -> Explanation:
    return Explanation(
        context.say("The processes have different settings"),
        context.say(
            "They use one database and differ in {settings}, so alerts follow now one, now the other.",
            settings=context.listed(problem.names),
        ),
        context.say("give all processes the same settings, and restart them."),
    )


def _clocks_differ(problem: Problem, context: RenderContext) -> Explanation:
    if problem.length:
        why = context.say(
            "They differ by {span}, so reminders come too early or too late.",
            span=exact_span(problem.length, context),
        )
    else:
        why = context.say("They differ, so reminders come too early or too late.")
    return Explanation(
        context.say("The clocks of two processes differ"), why, context.say("set the clock of each server (NTP).")
    )


def _rejected(problem: Problem, context: RenderContext) -> Explanation:
    say, reason = context.say, problem.error
    if reason == "signature":
        why = say("Their signature is not that of SLACK_SIGNING_SECRET, so no command and no button works.")
        step = say(
            "put the present Signing Secret of this app (Basic Information) into SLACK_SIGNING_SECRET and restart."
        )
    elif off := _CLOCK.fullmatch(reason):
        length = span(timedelta(seconds=int(off["seconds"])), context)
        why = say("Their time is {span} off this server's. No command and no button works.", span=length)
        step = say("set the clock (NTP).")
    elif reason.removeprefix("path=").rstrip("/") == _REQUEST_PATH:  # served, but for Socket Mode
        why = say(
            "SLACK_APP_TOKEN is set, so a `worker` process receives them, and this one takes none at its Request "
            "URL."
        )
        step = say("switch Socket Mode on in the settings of the Slack app; or unset SLACK_APP_TOKEN, and restart.")
    else:
        path = mrkdwn(reason.removeprefix("path="), ERRMSG)
        why = say("They came to another address: {path}.", path=path)
        step = say(
            "let each Request URL of the Slack app, of {command} and of Interactivity, end in `/slack/events`.",
            command="*/kf*",
        )
    title = context.count(
        "{number} request of Slack rejected", "{number} requests of Slack rejected", problem.count
    )
    return Explanation(title, why, step)


def _replies_failing(problem: Problem, context: RenderContext) -> Explanation:
    error = mrkdwn(problem.error, ERRMSG) or context.say("no response")
    return Explanation(
        context.count(
            "{number} answer could not be delivered", "{number} answers could not be delivered", problem.count
        ),
        context.say(
            "Slack did not accept what {command} or a button asked for ({error}).", command="*/kf*", error=error
        ),
        context.say(
            "see whether this server reaches hooks.slack.com (firewall, HTTPS_PROXY, SLACK_API_URL); the log has "
            "each attempt."
        ),
    )


_PROCESSES: Mapping[ProblemKind, Callable[[Problem, RenderContext], Explanation]] = {
    ProblemKind.ACCOUNTS_UNREAD: _accounts_unread,
    ProblemKind.NO_COMMAND_RECEIVER: _no_receiver,
    ProblemKind.SETTINGS_DIFFER: _settings_differ,
    ProblemKind.CLOCK_WRONG: lambda problem, context: explain_clock_skew(
        stored_span(problem.error, context), context
    ),
    ProblemKind.CLOCKS_DIFFER: _clocks_differ,
    ProblemKind.REPLIES_FAILING: _replies_failing,
    ProblemKind.REQUESTS_REJECTED: _rejected,
}


def explain_host_problem(problem: Problem, context: RenderContext) -> Explanation | None:
    """Explain a problem of the database, the processes or their clocks; return None for any other."""
    if explain := _PROCESSES.get(problem.kind):
        return explain(problem, context)
    return _database(problem.kind, context)
