"""Explanations of problems of the host: the database, the bot's processes, and requests that were not accepted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.blocks.problems import Explanation, explain_clock_skew
from bot.blocks.times import exact_span
from bot.health.facts import Problem, ProblemKind
from bot.text import ERRMSG, listed, many, mrkdwn

SEE_LOG = "see the log for the reason."
_DATABASE: Mapping[ProblemKind, Explanation] = {
    ProblemKind.STORE_UNREACHABLE: Explanation(
        "The database does not answer",
        "*/kf* still asks WeChat. Alerts wait until the database is back.",
        "check DATABASE_URL and the database of the host.",
    ),
    ProblemKind.STORE_HANGING: Explanation(
        "The database does not answer",
        "*/kf* still asks WeChat. Alerts wait until the database is back.",
        "check the database of the host: it is stopped, overloaded, out of reach, or a lock is held.",
    ),
    ProblemKind.STORE_READ_ONLY: Explanation(
        "The database cannot be written",
        "It can be read only. Alerts wait until it takes changes.",
        "give its user the right to write; after a failover let DATABASE_URL name the primary server.",
    ),
    ProblemKind.STORE_FULL: Explanation(
        "The database is full",
        "Alerts wait until it takes changes.",
        "free space on its disk, or take a larger plan.",
    ),
    ProblemKind.STORE_UNSUITABLE: Explanation(
        "The database is not suitable",
        "It cannot store every name, or it belongs to another program. Alerts wait.",
        "give the bot a database of its own with the encoding UTF8, and set DATABASE_URL to it.",
    ),
    ProblemKind.STORE_DAMAGED: Explanation(
        "The database is damaged",
        "Alerts wait until it is replaced.",
        "move the file away and restart: what was posted is then read in Slack.",
    ),
    ProblemKind.STORE_DENIED: Explanation(
        "The database refuses the bot",
        "*/kf* still asks WeChat. Alerts wait until it is let in.",
        "check user, password and database name in DATABASE_URL, and give the user the right to write.",
    ),
    ProblemKind.STORE_SCHEMA: Explanation(
        "The database lacks tables",
        "Alerts wait until they are there.",
        "restart the bot, which makes them; the log says what prevents it.",
    ),
    ProblemKind.STORE_BUSY: Explanation(
        "The database is busy",
        "Another program holds a lock, or all its connections. Alerts wait.",
        "end programs that use the same database, or take a plan with more connections.",
    ),
    ProblemKind.STORE_UNKNOWN: Explanation(
        "The database cannot be used",
        "*/kf* still asks WeChat. Alerts wait until the database is back.",
        SEE_LOG,
    ),
}


def _no_receiver(problem: Problem) -> Explanation:
    if problem.names:
        return Explanation(
            "No process receives commands",
            "SLACK_APP_TOKEN is set, so */kf* and buttons reach a `worker` process; none is connected to Slack.",
            "start `python -m bot worker`, and see its log if it runs; or unset SLACK_APP_TOKEN and use the "
            "Request URL.",
        )
    return Explanation(
        "No process receives commands",
        "*/kf* and buttons reach a `web` process, and none is running.",
        "start `python -m bot web`; or set SLACK_APP_TOKEN, and the `worker` receives them.",
    )


def _settings_differ(problem: Problem) -> Explanation:
    return Explanation(
        "The processes have different settings",
        f"They use one database and differ in {listed(problem.names)}, so alerts follow now one, now the other.",
        "give all processes the same settings, and restart them.",
    )


def _clocks_differ(problem: Problem) -> Explanation:
    by = f" by {exact_span(problem.length)}" if problem.length else ""
    return Explanation(
        "The clocks of two processes differ",
        f"They differ{by}, so reminders come too early or too late.",
        "set the clock of each server (NTP).",
    )


def _rejected(problem: Problem) -> Explanation:
    reason = problem.error
    if reason == "signature":
        why = "Their signature is not that of SLACK_SIGNING_SECRET, so no command and no button works."
        step = (
            "put the present Signing Secret of this app (Basic Information) into SLACK_SIGNING_SECRET and restart."
        )
    elif reason.startswith("clock"):
        why = f"Their time is not this server's: {mrkdwn(reason, ERRMSG)}. No command and no button works."
        step = "set the clock (NTP)."
    else:
        why = f"They came to another address: {mrkdwn(reason, ERRMSG)}."
        step = "let each Request URL of the Slack app, of */kf* and of Interactivity, end in `/slack/events`."
    return Explanation(f"{many(problem.count, 'request')} of Slack rejected", why, step)


_PROCESSES: Mapping[ProblemKind, Callable[[Problem], Explanation]] = {
    ProblemKind.NO_COMMAND_RECEIVER: _no_receiver,
    ProblemKind.SETTINGS_DIFFER: _settings_differ,
    ProblemKind.CLOCK_WRONG: lambda problem: explain_clock_skew(mrkdwn(problem.error, ERRMSG)),
    ProblemKind.CLOCKS_DIFFER: _clocks_differ,
    ProblemKind.REQUESTS_REJECTED: _rejected,
}


def explain_host_problem(problem: Problem) -> Explanation | None:
    """Explain a problem of the database, the processes or their clocks; return None for any other."""
    if fixed := _DATABASE.get(problem.kind):
        return fixed
    explain = _PROCESSES.get(problem.kind)
    return explain(problem) if explain else None
