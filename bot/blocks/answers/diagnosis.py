"""A problem in words: what is wrong, the consequence, the next step. The same words for people and for the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bot.blocks.channel.incident_notices import MAY_BE_OLD, incident_title
from bot.blocks.problems import Explanation, explain_clock_skew
from bot.blocks.times import exact_span
from bot.health import Problem, ProblemKind
from bot.slack import error_codes
from bot.text import ACCOUNT, ERRMSG, listed, many, mrkdwn, some

SHOWN = 10  # accounts by name
_NOT_WATCHED = "New rejections and bindings go unseen"
_SEE_LOG = "see the log for the reason."
_FIXED: Mapping[ProblemKind, Explanation] = {
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
        _SEE_LOG,
    ),
    ProblemKind.STARTING: Explanation(
        "Starting: WeChat has not been read yet",
        "The first read takes some seconds.",
        "nothing yet.",
    ),
}


def explain(problem: Problem, channel: str | None = None) -> Explanation:
    """Return the words for a problem.

    Args:
        channel: the ID of the alert channel, "" if there is none, for readers in Slack. Others (None) read no
            mention and no account: the log and `/readyz` name nobody.
    """
    if fixed := _FIXED.get(problem.kind):
        return fixed
    if problem.incident and problem.kind is not ProblemKind.CLOCK_WRONG:
        return _incident(problem)
    return _WORDS[problem.kind](problem, channel)


def because(error: str) -> str:
    """Return why Slack refuses, after its error code: `the app is not a member`."""
    return _hold(error)[0]


def _incident(problem: Problem) -> Explanation:
    title = incident_title(problem.incident) if problem.incident else ""
    why = MAY_BE_OLD
    if problem.kind is ProblemKind.WECHAT_QUOTA:
        why = f"{MAY_BE_OLD} WeChat is read again after midnight in Shanghai."
    return Explanation(title, why, "*/kf* asks WeChat again, and says what to do if it fails.")


def _poll_failed(problem: Problem, _: str | None) -> Explanation:
    return Explanation(
        f"WeChat did not answer the last read, {problem.count} of {problem.of}",
        f"After {problem.of} in a row the channel is alerted. {MAY_BE_OLD}",
        "nothing yet. */kf* asks WeChat again, and says what to do if it fails.",
        past="WeChat did not answer",
    )


def _poll_overdue(problem: Problem, _: str | None) -> Explanation:
    ago = f" for {exact_span(problem.length)}" if problem.length else ""
    return Explanation(
        f"WeChat has not been read{ago}",
        f"No read was completed within three intervals. {_NOT_WATCHED}.",
        "see the log of the processes for the reason, and restart them.",
    )


def _slack_blocked(problem: Problem, channel: str | None) -> Explanation:
    reason, step = _hold(problem.error)
    if problem.reading and not problem.count:
        return Explanation(
            "Alerts wait for Slack",
            f"Slack refuses the bot: {reason}. It cannot read what it has posted before, so nothing is "
            "watched yet.",
            step,
        )
    where = f" in <#{channel}>" if channel else ""
    return Explanation(
        f"{many(problem.count, 'alert')} could not be posted",
        f"Slack refuses them{where}: {reason}.",
        step,
    )


def _slack_unreachable(problem: Problem, _: str | None) -> Explanation:
    waits = "Alerts wait until it does"
    if problem.reading:
        waits = "The bot cannot read what it has posted before, so nothing is watched yet"
    return Explanation(
        "Slack does not answer",
        f"{waits} ({mrkdwn(problem.error, ERRMSG)}).",
        "see slack-status.com, and whether this server reaches slack.com (firewall, HTTPS_PROXY, SLACK_API_URL).",
    )


def _rows_failed(problem: Problem, channel: str | None) -> Explanation:
    which = "" if channel is None else f": {names_of(problem.names)}"
    return Explanation(
        f"{many(problem.count, 'account')} cannot be watched",
        f"What happens there cannot be written down, so no alert follows{which}.",
        "look for *row failed* in the log; it has the reason.",
    )


def names_of(accounts: Sequence[str]) -> str:
    """`bo@harbour_tea, dee@harbour_tea and 4 more`."""
    return some([mrkdwn(one, ACCOUNT) or "(no account)" for one in accounts], SHOWN)


def _messages_stale(problem: Problem, _: str | None) -> Explanation:
    return Explanation(
        f"{many(problem.count, 'message')} cannot be updated",
        "What they say in the channel may be over.",
        "*/kf* shows the present state; the log has the reason.",
    )


def _alerts_overdue(problem: Problem, _: str | None) -> Explanation:
    verb = "waits" if problem.count == 1 else "wait"
    return Explanation(
        f"{many(problem.count, 'alert')} {verb} for more than 5 min",
        "They are posted when Slack and the database allow it.",
        _SEE_LOG,
    )


def _alerts_held(problem: Problem, _: str | None) -> Explanation:
    return Explanation(
        f"{many(problem.count, 'alert')} may not have arrived",
        "Slack did not confirm, and the clock is wrong: it is posted again after an hour, as a possible repeat.",
        "set the clock (NTP).",
    )


def _alerts_lost(problem: Problem, _: str | None) -> Explanation:
    return Explanation(
        f"{many(problem.count, 'alert')} could not be posted",
        f"{lost_words(*problem.parts)}.",
        "*/kf* shows what needs attention; the log has the reason.",
    )


def _no_receiver(problem: Problem, _: str | None) -> Explanation:
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


def _settings_differ(problem: Problem, _: str | None) -> Explanation:
    return Explanation(
        "The processes have different settings",
        f"They use one database and differ in {listed(problem.names)}, so alerts follow now one, now the other.",
        "give all processes the same settings, and restart them.",
    )


def _clock_wrong(problem: Problem, _: str | None) -> Explanation:
    return explain_clock_skew(mrkdwn(problem.error, ERRMSG))


def _clocks_differ(problem: Problem, _: str | None) -> Explanation:
    by = f" by {exact_span(problem.length)}" if problem.length else ""
    return Explanation(
        "The clocks of two processes differ",
        f"They differ{by}, so reminders come too early or too late.",
        "set the clock of each server (NTP).",
    )


def _rejected(problem: Problem, _: str | None) -> Explanation:
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


_WORDS: Mapping[ProblemKind, Callable[[Problem, str | None], Explanation]] = {
    ProblemKind.POLL_OVERDUE: _poll_overdue,
    ProblemKind.SLACK_BLOCKED: _slack_blocked,
    ProblemKind.SLACK_UNREACHABLE: _slack_unreachable,
    ProblemKind.ROWS_FAILED: _rows_failed,
    ProblemKind.ALERTS_OVERDUE: _alerts_overdue,
    ProblemKind.ALERTS_HELD: _alerts_held,
    ProblemKind.ALERTS_LOST: _alerts_lost,
    ProblemKind.MESSAGES_STALE: _messages_stale,
    ProblemKind.NO_COMMAND_RECEIVER: _no_receiver,
    ProblemKind.SETTINGS_DIFFER: _settings_differ,
    ProblemKind.POLL_FAILED: _poll_failed,
    ProblemKind.CLOCK_WRONG: _clock_wrong,
    ProblemKind.CLOCKS_DIFFER: _clocks_differ,
    ProblemKind.REQUESTS_REJECTED: _rejected,
}


def lost_words(refused: int, unconfirmed: int, failed: int) -> str:
    """`1 refused by Slack, 2 never confirmed, 1 could not be shown`; "" when none is lost."""
    counts = {"refused by Slack": refused, "never confirmed": unconfirmed, "could not be shown": failed}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _hold(error: str) -> tuple[str, str]:
    """Return why Slack refuses the bot, and the next step, in mrkdwn."""
    code = error_codes.lookup(error)
    if not code.because:
        return mrkdwn(error, ACCOUNT), _SEE_LOG
    return code.because, code.remedy.replace(error_codes.INVITE, f"*{error_codes.INVITE}*")


def plain_words(problem: Problem) -> tuple[str, str]:
    """Return what is wrong and what to do, for the log, `/readyz` and a terminal: without markup, ASCII quotes."""
    what = explain(problem)
    consequence, step = (_plain(text) for text in (what.why, what.next))
    return f"{_plain(what.title)}. {consequence}".rstrip(), step[0].upper() + step[1:]


def _plain(text: str) -> str:
    return text.replace("*", "").replace("`", "").replace("’", "'")
