"""What the channel reads while the bot itself is in trouble: the consequence, the next step, the end of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot import actions
from bot.actions import CheckNow
from bot.blocks import builders
from bot.blocks.problems import Trouble, clock, refused, trouble
from bot.blocks.times import date, lead_name, span
from bot.outages import LONGEST_WAIT, SETUP_WAIT, Cause, Fault, Incident
from bot.ports import Message
from bot.text import ERRMSG, mrkdwn
from wechat_kf import ResponseError

_DOWN = Trouble(
    "WeChat does not answer",
    "",
    "nothing yet. If it lasts more than an hour, look at this server’s network or proxy.",
    said="If it lasts more than an hour, look at this server’s network or proxy.",
    was="WeChat did not answer",
)
MAY_BE_OLD = "States may be old. Deadlines are still watched by the clock."
_CONSEQUENCE: Mapping[str, str] = {
    Cause.SOURCE_DOWN: MAY_BE_OLD,
    Cause.CONFIG_PROBLEM: "Until this is mended, rejections and bindings go unseen; "
    "deadlines are still watched by the clock.",
    Cause.QUOTA: "Until it is renewed, at midnight in Shanghai, rejections and bindings go unseen; "
    "deadlines are still watched by the clock.",
}
_IN_SHORT: Mapping[str, str] = {
    Cause.SOURCE_DOWN: "so states may be old",
    Cause.CONFIG_PROBLEM: "so new rejections go unseen",
    Cause.QUOTA: "so new rejections go unseen",
    Cause.CLOCK_PROBLEM: "so reminders come too early or too late",
}


def notice(incident: Incident, poll: timedelta, platform: str = "") -> Message:
    """The root of an incident, while it lasts and when it is over."""
    what = _trouble(incident.fault, incident.cause, platform)
    return _over(incident, what) if incident.over_at else _lasting(incident, what, poll)


def note(facts: Mapping[str, Any], platform: str = "") -> Message:
    """A line in the thread of a notice: it is over, or it has become another trouble, or is back."""
    cause = facts["cause"]
    if facts["over"]:
        said = f"WeChat answers again, after {span(timedelta(seconds=facts['seconds']))}."
        if cause == Cause.CLOCK_PROBLEM:
            said = "The clock is right again."  # for how long it was not, it cannot tell
        return Message(said, [builders.section(f"{builders.FINE} {said}")])
    what = _trouble(Fault(**facts["fault"]), cause, platform)
    return Message(what.spoken, [builders.section(f"{builders.TROUBLE} {' · '.join([what.title, *what.facts])}")])


def title_of(incident: Incident) -> str:
    """What is wrong, in the words of its notice."""
    return _trouble(incident.fault, incident.cause).title


def past_of(incident: Incident) -> str:
    """The same when it is over."""
    return _trouble(incident.fault, incident.cause).past


def _lasting(incident: Incident, what: Trouble, poll: timedelta) -> Message:
    cause = incident.cause
    # Only WeChat's own words say what an errcode means that stands for no known problem.
    own_words = cause == Cause.SOURCE_DOWN and incident.fault.errcode is not None
    why = what.why if own_words or cause == Cause.CLOCK_PROBLEM else ""
    copy = f"\n```{what.copy}```" if what.copy else ""
    check = builders.button("Check now", actions.CHECK_NOW, actions.encode(CheckNow(cause)))
    in_short = replace(what, copy=", ".join(filter(None, [what.copy, _IN_SHORT[cause]])))
    sentences = " ".join(filter(None, [why, _CONSEQUENCE.get(cause, "")]))
    facts = [date(incident.began_at, words="Since ")]
    if cause != Cause.CLOCK_PROBLEM:
        facts += [_looks_again(cause, poll), *what.facts]
    return Message(
        in_short.spoken,
        [
            builders.header(f"{builders.TROUBLE} {what.title}"),
            builders.section(f"{sentences}\n*Next:* {what.next}{copy}"),
            builders.context(" · ".join(facts)),
            builders.actions(check, *([builders.console()] if what.console else [])),
        ],
    )


def _over(incident: Incident, what: Trouble) -> Message:
    since = [date(incident.began_at, words="since ")] if incident.cause != Cause.CLOCK_PROBLEM else []
    length = span((incident.over_at or incident.began_at) - incident.began_at)
    title, told = "WeChat answers again", f"Out for {length}."
    if incident.cause == Cause.CLOCK_PROBLEM:
        # For how long it was not cannot be told: that time was measured with it.
        title, told = "This server’s clock is right again", "It agrees with WeChat’s."
    return Message(
        f"{title}. {told}".replace("’", "'"),
        [
            builders.section(f"{builders.FINE} *{title}*\n{told}"),
            builders.context(" · ".join([what.past, *since, *what.facts])),
        ],
    )


def _trouble(fault: Fault, cause: str, platform: str = "") -> Trouble:
    detail = mrkdwn(fault.detail, ERRMSG)
    if cause == Cause.CLOCK_PROBLEM:
        return clock(detail)
    if fault.errcode is not None:
        return refused(fault.errcode, fault.errmsg, rid=fault.rid, address=fault.address, platform=platform)
    what = trouble(ResponseError()) if fault.kind == ResponseError.__name__ else _DOWN
    return replace(what, facts=(*what.facts, detail)) if detail else what


def _looks_again(cause: Cause, poll: timedelta) -> str:
    """How long the watcher leaves WeChat alone, at most; a silence makes it wait longer and longer."""
    if cause is Cause.QUOTA:
        return "looks again after midnight in Shanghai"
    longest = SETUP_WAIT if cause is Cause.CONFIG_PROBLEM else min(poll * 10, LONGEST_WAIT)
    return f"looks again every {lead_name(max(poll, longest))}"
