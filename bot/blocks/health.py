"""What the channel reads while the bot cannot see WeChat: the consequence, the next step, and when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.blocks import kit
from bot.blocks.text import ERRMSG, mrkdwn
from bot.blocks.times import date, lead_name, span
from bot.blocks.troubles import Trouble, refused, trouble
from bot.outages import LONGEST_WAIT, SETUP_WAIT, Cause, Fault, Incident
from bot.ports import Message
from wechat_kf import ResponseError

_DOWN = Trouble(
    "WeChat does not answer",
    "",
    "nothing yet. If it lasts more than an hour, look at this server’s network or proxy.",
    said="If it lasts more than an hour, look at this server’s network or proxy.",
)
_CONSEQUENCE = {
    Cause.SOURCE_DOWN: "States may be old. Deadlines are still watched by the clock, and reminders still come.",
    Cause.CONFIG_PROBLEM: "Until this is mended, rejections and bindings go unseen; "
    "deadlines are still watched by the clock.",
    Cause.QUOTA: "Until it is renewed, at midnight in Shanghai, rejections and bindings go unseen; "
    "deadlines are still watched by the clock.",
}
_IN_SHORT = {
    Cause.SOURCE_DOWN: "so states may be old",
    Cause.CONFIG_PROBLEM: "so new rejections go unseen",
    Cause.QUOTA: "so new rejections go unseen",
}


def notice(incident: Incident, poll: timedelta) -> Message:
    """The root of an incident, while it lasts and when it is over."""
    what = _trouble(incident.fault)
    return _over(incident, what) if incident.over_at else _lasting(incident, what, poll)


def _lasting(incident: Incident, what: Trouble, poll: timedelta) -> Message:
    cause = incident.cause
    # Only WeChat's own words say what an errcode means that stands for no known problem.
    why = f"{what.why} " if cause is Cause.SOURCE_DOWN and incident.fault.errcode is not None else ""
    copy = f"\n```{what.copy}```" if what.copy else ""
    check = kit.button("Check now", "health.check", f"v1:{cause}")
    in_short = replace(what, copy=", ".join(filter(None, [what.copy, _IN_SHORT[cause]])))
    return Message(
        in_short.spoken,
        [
            kit.header(f"{kit.TROUBLE} {what.title}"),
            kit.section(f"{why}{_CONSEQUENCE[cause]}\n*Next:* {what.next}{copy}"),
            kit.context(" · ".join([f"Since {date(incident.since)}", _looks_again(cause, poll), *what.facts])),
            kit.actions(check, *([kit.console()] if what.console else [])),
        ],
    )


def _over(incident: Incident, what: Trouble) -> Message:
    length = (incident.over_at or incident.since) - incident.since
    told = f"Out for {span(length)}. What changed meanwhile has been told."
    return Message(
        f"WeChat answers again. {told}",
        [
            kit.section(f"{kit.FINE} *WeChat answers again*\n{told}"),
            kit.context(" · ".join([what.title, f"since {date(incident.since)}", *what.facts])),
        ],
    )


def _trouble(fault: Fault) -> Trouble:
    if fault.errcode is not None:
        return refused(fault.errcode, fault.errmsg, rid=fault.rid, address=fault.address)
    what = trouble(ResponseError()) if fault.kind == ResponseError.__name__ else _DOWN
    detail = mrkdwn(fault.detail, ERRMSG)
    return replace(what, facts=(*what.facts, detail)) if detail else what


def _looks_again(cause: Cause, poll: timedelta) -> str:
    """How long the watcher leaves WeChat alone, at most; a silence makes it wait longer and longer."""
    if cause is Cause.QUOTA:
        return "looks again after midnight in Shanghai"
    longest = SETUP_WAIT if cause is Cause.CONFIG_PROBLEM else min(poll * 10, LONGEST_WAIT)
    return f"looks again every {lead_name(max(poll, longest))}"


def title_of(incident: Incident) -> str:
    """What is wrong, in the words of its notice."""
    return _trouble(incident.fault).title
