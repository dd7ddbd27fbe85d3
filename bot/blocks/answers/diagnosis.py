"""Explanations of the problems of the bot, in the same words for `/kf status`, the log and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bot.alerting.incidents import Incident
from bot.blocks.answers.host_problems import SEE_LOG, explain_host_problem
from bot.blocks.channel.incident_notices import MAY_BE_OLD, incident_title
from bot.blocks.problems import Explanation
from bot.blocks.times import exact_span
from bot.health.facts import Problem, ProblemKind
from bot.slack import error_codes
from bot.text import ACCOUNT, ERRMSG, many, mrkdwn, some

SHOWN = 10  # accounts by name
_NOT_WATCHED = "New rejections and bindings go unseen"
_STARTING = Explanation(
    "Starting: WeChat has not been read yet",
    "The first read takes some seconds.",
    "nothing yet.",
)


def explain(problem: Problem, channel: str | None = None) -> Explanation:
    """Explain a problem.

    Args:
        channel: the ID of the alert channel, "" without one, for readers in Slack; None for the log and `/readyz`,
            which contain no channel and no account.
    """
    if explanation := explain_host_problem(problem):
        return explanation
    if problem.kind is ProblemKind.STARTING:
        return _STARTING
    if problem.incident:
        return _incident(problem.kind, problem.incident)
    return _EXPLAIN[problem.kind](problem, channel)


def slack_refusal(error: str) -> tuple[str, str]:
    """Return the reason of Slack's error code, such as `the app is not a member`, and the next step, as mrkdwn."""
    code = error_codes.lookup(error)
    if not code.because:
        return mrkdwn(error, ACCOUNT), SEE_LOG
    return code.because, code.remedy.replace(error_codes.INVITE, f"*{error_codes.INVITE}*")


def _incident(kind: ProblemKind, incident: Incident) -> Explanation:
    why = MAY_BE_OLD
    if kind is ProblemKind.WECHAT_QUOTA:
        why = f"{MAY_BE_OLD} WeChat is read again after midnight in Shanghai."
    return Explanation(incident_title(incident), why, "*/kf* asks WeChat again, and says what to do if it fails.")


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
    reason, step = slack_refusal(problem.error)
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
    """Write `bo@harbour_tea, dee@harbour_tea and 4 more`."""
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
        SEE_LOG,
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


_EXPLAIN: Mapping[ProblemKind, Callable[[Problem, str | None], Explanation]] = {
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


def lost_words(refused: int, unconfirmed: int, failed: int) -> str:
    """Write `1 refused by Slack, 2 never confirmed, 1 could not be shown`; "" when no alert is lost."""
    counts = {"refused by Slack": refused, "never confirmed": unconfirmed, "could not be shown": failed}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def plain_words(problem: Problem) -> tuple[str, str]:
    """Return a problem and the next step for the log, `/readyz` and a terminal: no markup, ASCII quotes."""
    explanation = explain(problem)
    title, why, step = (_plain(text) for text in (explanation.title, explanation.why, explanation.next))
    return f"{title}. {why}".rstrip(), step[0].upper() + step[1:]


def _plain(text: str) -> str:
    return text.replace("*", "").replace("`", "").replace("’", "'")
