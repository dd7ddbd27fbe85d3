"""Notices of incidents, which concern the bot itself: consequence, next step and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot import actions
from bot.actions import CheckNow
from bot.alerting.incidents import LONGEST_WAIT, SETUP_WAIT, Cause, ErrorDetails, Incident
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.problems import Explanation, explain_clock_skew, explain_error, explain_refusal
from bot.blocks.times import date, lead_name, span
from bot.ports import Message
from bot.text import ERRMSG, mrkdwn
from wechat_kf import ResponseError

_DOWN = Explanation(
    "WeChat does not answer",
    "",
    "nothing yet. If it lasts more than an hour, look at this server’s network or proxy.",
    next_in_text="If it lasts more than an hour, look at this server’s network or proxy.",
    past="WeChat did not answer",
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


def incident_notice(incident: Incident, context: RenderContext) -> Message:
    """Render the notice of an incident, while it lasts and when it is over."""
    explanation = _explain(incident.fault, incident.cause, context.platform)
    return _over(incident, explanation, context) if incident.over_at else _lasting(incident, explanation, context)


def incident_reply(payload: Mapping[str, Any], platform: str) -> Message:
    """Report in the thread of a notice that the incident is over, has another cause now, or has returned."""
    cause = payload["cause"]
    if payload["over"]:
        text = f"WeChat answers again, after {span(timedelta(seconds=payload['seconds']))}."
        if cause == Cause.CLOCK_PROBLEM:
            text = "The clock is right again."  # a clock that was wrong did not measure how long
        return Message(text, [builders.section(f"{builders.FINE} {text}")])
    explanation = _explain(ErrorDetails(**payload["fault"]), cause, platform)
    words = " · ".join([explanation.title, *explanation.facts])
    return Message(explanation.plain_text, [builders.section(f"{builders.TROUBLE} {words}")])


def incident_title(incident: Incident) -> str:
    """Return the title of an incident, as in its notice."""
    return _explain(incident.fault, incident.cause).title


def past_incident_title(incident: Incident) -> str:
    """Return the title of an incident that is over."""
    return _explain(incident.fault, incident.cause).past_title


def _lasting(incident: Incident, explanation: Explanation, context: RenderContext) -> Message:
    cause = incident.cause
    # An errcode that is not a known problem is explained by WeChat's own words only.
    own_words = cause == Cause.SOURCE_DOWN and incident.fault.errcode is not None
    why = explanation.why if own_words or cause == Cause.CLOCK_PROBLEM else ""
    copy = f"\n```{explanation.copy}```" if explanation.copy else ""
    check = builders.button("Check now", actions.CHECK_NOW, actions.encode(CheckNow(cause)))
    in_short = replace(explanation, copy=", ".join(filter(None, [explanation.copy, _IN_SHORT[cause]])))
    sentences = " ".join(filter(None, [why, _CONSEQUENCE.get(cause, "")]))
    facts = [date(incident.began_at, context, words="Since ")]
    if cause != Cause.CLOCK_PROBLEM:
        facts += [_next_poll(cause, context.poll), *explanation.facts]
    return Message(
        in_short.plain_text,
        [
            builders.header(f"{builders.TROUBLE} {explanation.title}"),
            builders.section(f"{sentences}\n*Next:* {explanation.next}{copy}"),
            builders.context(" · ".join(facts)),
            builders.actions(check, *([builders.console()] if explanation.console else [])),
        ],
    )


def _over(incident: Incident, explanation: Explanation, context: RenderContext) -> Message:
    length = span((incident.over_at or incident.began_at) - incident.began_at)
    title, words = "WeChat answers again", f"Out for {length}."
    facts = [explanation.past_title, date(incident.began_at, context, words="since "), *explanation.facts]
    if incident.cause == Cause.CLOCK_PROBLEM:
        # Without the duration: the wrong clock measured it.
        title, words = "This server’s clock is right again", "It agrees with WeChat’s."
        facts = [explanation.past_title, *explanation.facts]
    return Message(
        f"{title}. {words}".replace("’", "'"),
        [builders.section(f"{builders.FINE} *{title}*\n{words}"), builders.context(" · ".join(facts))],
    )


def _explain(fault: ErrorDetails, cause: str, platform: str = "") -> Explanation:
    detail = mrkdwn(fault.detail, ERRMSG)
    if cause == Cause.CLOCK_PROBLEM:
        return explain_clock_skew(detail)
    if fault.errcode is not None:
        return explain_refusal(fault.errcode, fault.errmsg, rid=fault.rid, address=fault.address, platform=platform)
    explanation = explain_error(ResponseError()) if fault.kind == ResponseError.__name__ else _DOWN
    return replace(explanation, facts=(*explanation.facts, detail)) if detail else explanation


def _next_poll(cause: Cause, poll: timedelta) -> str:
    """Write the longest interval between polls, which grows while WeChat does not answer."""
    if cause is Cause.QUOTA:
        return "looks again after midnight in Shanghai"
    longest = SETUP_WAIT if cause is Cause.CONFIG_PROBLEM else min(poll * 10, LONGEST_WAIT)
    return f"looks again every {lead_name(max(poll, longest))}"
