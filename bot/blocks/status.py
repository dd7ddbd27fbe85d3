"""Whether the bot itself is well: the facts, and the verdict on them. How they are shown is in `report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.blocks.health import MAY_BE_OLD
from bot.blocks.text import ACCOUNT, ERRMSG, many, mrkdwn, some
from bot.blocks.troubles import clock

UNREACHABLE = "unreachable"
SHOWN = 10  # accounts by name
STALE = "What they say in the channel may be over."


@dataclass(frozen=True, slots=True)
class PastProblem:
    """A stretch of trouble that is over."""

    title: str  # of what is over: "WeChat did not answer"
    lasted: timedelta
    since: datetime


class Snoozed(NamedTuple):
    """An alert that somebody has postponed."""

    label: str  # the `kf_nick`: foreign text
    until: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """All there is to know of the bot. Times are aware; what is None, empty or zero is not known or not there."""

    version: str
    store: str = ""  # "SQLite", "PostgreSQL", or UNREACHABLE
    alerts: bool = True
    processes: int = 0
    watching_since: datetime | None = None
    answered_at: datetime | None = None  # WeChat's last good answer
    next_read_at: datetime | None = None
    wechat_problem: str = ""  # the title of the present trouble with WeChat
    token_expires_at: datetime | None = None
    channel: str = ""  # its ID
    pending: int = 0  # alerts that wait to be posted
    oldest_pending: datetime | None = None
    held: str = ""  # Slack's error code, while alerts wait because it refuses the channel or the token
    refused: int = 0  # alerts that Slack refused for good
    unconfirmed: int = 0  # alerts of which nobody knows whether they arrived
    failed: int = 0  # alerts that could not be rendered, or claimed in the database
    stale: int = 0  # messages in the channel that cannot be updated, for the same reasons
    failing: Sequence[str] = ()  # accounts whose news cannot be written down: foreign text
    snoozed: Sequence[Snoozed] = ()
    quiet: str = ""  # `22:00 to 08:00 Asia/Shanghai`
    quiet_until: datetime | None = None  # while it is quiet: when that ends
    clock_problem: str = ""  # how far the server's clock is off, in words: "4 min"
    leads: Sequence[timedelta] = ()
    last_problem: PastProblem | None = None


class Verdict(NamedTuple):
    """What is wrong, in mrkdwn; the title goes into a header, and is plain."""

    title: str
    sentence: str
    next: str
    said: str = ""  # the sentence in `text`, if it cannot be the same


class _Hold(NamedTuple):
    """Why Slack refuses the channel or the token, and what mends it."""

    because: str
    next: str


_INVITE = "type */invite @wechat-kf* there. What is still true then follows."
_RESTRICTED = _Hold(
    "the workspace or the channel does not let the app post",
    "allow it in the channel's posting permissions, or choose another SLACK_ALERT_CHANNEL and restart.",
)
_TOKEN = _Hold("the bot token is not valid", "put the present token into SLACK_BOT_TOKEN and restart.")
_HOLDS = {
    "not_in_channel": _Hold("the app is not a member", _INVITE),
    "channel_not_found": _Hold("it is private and the app is not a member, or it does not exist", _INVITE),
    "is_archived": _Hold("it is archived", "unarchive it, or choose another SLACK_ALERT_CHANNEL and restart."),
    "missing_scope": _Hold("the app lacks a permission", "install the app again from its manifest."),
    "invalid_auth": _TOKEN,
    "not_authed": _TOKEN,
    "account_inactive": _TOKEN,
    "token_expired": _TOKEN,
    "token_revoked": _TOKEN,
}


def verdict(status: Status) -> Verdict | None:
    """The worst that is wrong, if anything is."""
    if status.store == UNREACHABLE:
        return Verdict(
            "The database does not answer",
            "*/kf* still asks WeChat. Alerts wait until the database is back.",
            "check DATABASE_URL and the database of the host.",
        )
    if status.wechat_problem:
        return Verdict(
            status.wechat_problem,
            MAY_BE_OLD,
            "*/kf* asks WeChat again, and says what to do if it fails.",
        )
    return _rows(status) or _posting(status) or _clock(status)


def _rows(status: Status) -> Verdict | None:
    if not status.failing:
        return None
    return Verdict(
        f"{many(len(status.failing), 'account')} cannot be watched",
        f"What happens there cannot be written down, so no alert follows: {failing_words(status)}.",
        "look for *row failed* in the log; it has the reason.",
    )


def failing_words(status: Status) -> str:
    """`bo@harbour_tea, dee@harbour_tea and 4 more`."""
    return some([mrkdwn(one, ACCOUNT) or "(no account)" for one in status.failing], SHOWN)


def _clock(status: Status) -> Verdict | None:
    if not status.clock_problem:
        return None
    what = clock(mrkdwn(status.clock_problem, ERRMSG))
    return Verdict(what.title, what.why, what.next)


def _posting(status: Status) -> Verdict | None:
    lost = status.refused + status.unconfirmed + status.failed
    if status.held:
        hold = _hold(status.held)
        where = f" in <#{status.channel}>" if status.channel else ""
        return Verdict(
            f"{many(status.pending, 'alert')} could not be posted",
            f"Slack refuses them{where}: {hold.because}.",
            hold.next,
            said=f"Slack refuses them: {hold.because}.",
        )
    if lost:
        title = f"{many(lost, 'alert')} could not be posted"
        return Verdict(title, f"{lost_words(status)}.", "*/kf* shows what needs attention; the log has the reason.")
    if status.stale:
        title = f"{many(status.stale, 'message')} cannot be updated"
        return Verdict(title, STALE, "*/kf* shows the present state; the log has the reason.")
    return None


def why_held(status: Status) -> str:
    """`Slack refuses: the app is not a member`; "" while it does not."""
    return f"Slack refuses: {_hold(status.held).because}" if status.held else ""


def _hold(error: str) -> _Hold:
    if error.startswith("restricted_action"):  # and `restricted_action_read_only_channel` and others
        return _RESTRICTED
    return _HOLDS.get(error) or _Hold(mrkdwn(error, ACCOUNT), "see the log for the reason.")


def lost_words(status: Status) -> str:
    """`1 refused by Slack, 2 unconfirmed`; "" when none is lost."""
    refused = f"{status.refused} refused by Slack" if status.refused else ""
    unconfirmed = f"{status.unconfirmed} never confirmed" if status.unconfirmed else ""
    failed = f"{status.failed} could not be shown" if status.failed else ""
    return ", ".join(filter(None, [refused, unconfirmed, failed]))
