"""Notices of incidents, which concern the bot itself: consequence, next step and end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot import actions
from bot.actions import CheckNow
from bot.alerting.circuit_breaker import PROBE_INTERVAL
from bot.alerting.incidents import LONGEST_WAIT, SETUP_WAIT, Cause, ErrorDetails, Incident, cause_of
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.platform_problems import explain_platform
from bot.blocks.problems import (
    Explanation,
    explain_attempts,
    explain_clock_skew,
    explain_error,
    explain_refusal,
    unreadable_answer,
)
from bot.blocks.times import date, lead_name, span, stored_span
from bot.language import gettext_noop
from bot.ports import Message
from bot.tenant_states import NotPolledError
from bot.text import ERRMSG, mrkdwn
from wechat_kf import KfError, ResponseError

_ATTEMPTS = re.compile(r"(?P<cause>proxy|time-out|no connection) after (?P<number>[0-9]{1,9}) attempts?")
# By cause, what it means for alerts: a sentence of the blocks, and the first sentence of the fallback text.
_CONSEQUENCE: Mapping[str, str] = {
    Cause.SOURCE_DOWN: gettext_noop("States may be old. Deadlines are still watched by the clock."),
    Cause.CONFIG_PROBLEM: gettext_noop(
        "Until this is mended, rejections and bindings go unseen; deadlines are still watched by the clock."
    ),
    Cause.QUOTA: gettext_noop(
        "Until it is renewed, at midnight in Shanghai, rejections and bindings go unseen; "
        "deadlines are still watched by the clock."
    ),
}
_IN_SHORT: Mapping[str, str] = {
    Cause.SOURCE_DOWN: gettext_noop("{what}, so states may be old."),
    Cause.CONFIG_PROBLEM: gettext_noop("{what}, so new rejections go unseen."),
    Cause.QUOTA: gettext_noop("{what}, so new rejections go unseen."),
    Cause.PLATFORM_PROBLEM: gettext_noop("{what}."),
    Cause.CLOCK_PROBLEM: gettext_noop("{what}, so reminders come too early or too late."),
}


def incident_notice(incident: Incident, context: RenderContext, accounts: int = 0) -> Message:
    """Render the notice of an incident, while it lasts and when it is over.

    Args:
        accounts: the number of Official Accounts whose outage it is, if it is not that of one alone.
    """
    explanation = explain_incident(incident.fault, incident.cause, context)
    message = (
        _over(incident, explanation, context)
        if incident.resolved_at
        else _lasting(incident, explanation, context, accounts)
    )
    return replace(message, names_accounts=accounts > 0)


def incident_reply(payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Report in the thread of a notice that the incident is over, has another cause now, or has returned."""
    return replace(_reply(payload, context), names_accounts="accounts" in payload)


def _reply(payload: Mapping[str, Any], context: RenderContext) -> Message:
    cause = payload["cause"]
    if payload["over"]:
        if cause == Cause.CLOCK_PROBLEM:  # a clock that was wrong did not measure how long
            text = context.say("The clock is right again.")
        else:
            length = span(timedelta(seconds=payload["seconds"]), context)
            text = (
                context.say("The platform works again, after {span}.", span=length)
                if cause == Cause.PLATFORM_PROBLEM
                else context.say("WeChat answers again, after {span}.", span=length)
            )
        return Message(text, [builders.section(f"{builders.FINE} {text}")])
    explanation = explain_incident(ErrorDetails(**payload["fault"]), cause, context)
    words = " · ".join([explanation.title, *explanation.facts])
    return Message(explanation.plain_text(context), [builders.section(f"{builders.TROUBLE} {words}")])


def may_be_old(context: RenderContext) -> str:
    return context.say(_CONSEQUENCE[Cause.SOURCE_DOWN])


def incident_title(incident: Incident, context: RenderContext) -> str:
    """Return the title of an incident, as in its notice."""
    return explain_incident(incident.fault, incident.cause, context).title


def past_incident_title(incident: Incident, context: RenderContext) -> str:
    """Return the title of an incident that is over."""
    return explain_incident(incident.fault, incident.cause, context).past_title


def explain_old_states(error: KfError, context: RenderContext) -> Explanation:
    """Explain a failed read, as the notice of an incident does, beside states that were read before."""
    if isinstance(error, NotPolledError):
        return explain_error(error, context)
    fault, cause = ErrorDetails.of(error), cause_of(error)
    explanation = explain_incident(fault, cause, context)
    return replace(explanation, why=consequence(fault, cause, explanation, context))


def _lasting(incident: Incident, explanation: Explanation, context: RenderContext, accounts: int) -> Message:
    cause = incident.cause
    facts = [context.say("Since {when}", when=date(incident.began_at, context))]
    if cause not in (Cause.CLOCK_PROBLEM, Cause.PLATFORM_PROBLEM):
        facts.append(next_poll(cause, context, accounts))
    if cause != Cause.CLOCK_PROBLEM:
        facts += explanation.facts
    place = explanation.place
    buttons = [builders.link(place, context)] if place else []
    if cause != Cause.PLATFORM_PROBLEM:  # which is not that of one account
        check = builders.button(context.say("Check now"), actions.CHECK_NOW, actions.encode(CheckNow(cause)))
        buttons.insert(0, check)
    return Message(
        explanation.plain_text(context, _IN_SHORT[cause]),
        [
            builders.header(f"{builders.TROUBLE} {explanation.title}"),
            builders.section(
                f"{consequence(incident.fault, cause, explanation, context, accounts)}\n"
                f"{explanation.shown(context)}"
            ),
            builders.context(" · ".join(facts)),
            *([builders.actions(*buttons)] if buttons else []),
        ],
    )


def consequence(
    fault: ErrorDetails, cause: str, explanation: Explanation, context: RenderContext, accounts: int = 0
) -> str:
    """Write what an incident means for alerts."""
    # An errcode that is not a known problem is explained by WeChat's own words only.
    own_words = cause == Cause.SOURCE_DOWN and fault.errcode is not None
    has_own_words = own_words or cause in (Cause.CLOCK_PROBLEM, Cause.PLATFORM_PROBLEM)
    why = explanation.why if has_own_words else ""
    whom = _concerned(accounts, cause, context) if accounts else ""
    return context.paragraph(why, whom, context.say(_CONSEQUENCE[cause]) if cause in _CONSEQUENCE else "")


def _concerned(accounts: int, cause: str, context: RenderContext) -> str:
    if cause == Cause.PLATFORM_PROBLEM:
        return context.count(
            "It concerns {number} Official Account of the platform, which has no notice of its own.",
            "It concerns {number} Official Accounts of the platform, which have no notices of their own.",
            accounts,
        )
    return context.count(
        "It concerns {number} Official Account, which has no notice of its own.",
        "It concerns {number} Official Accounts, which have no notices of their own.",
        accounts,
    )


def _over(incident: Incident, explanation: Explanation, context: RenderContext) -> Message:
    facts = [explanation.past_title]
    if incident.cause == Cause.CLOCK_PROBLEM:
        # Without the duration: the wrong clock measured it.
        title = context.say("This server’s clock is right again")
        words = context.say("It agrees with WeChat’s.")
    else:
        title = (
            context.say("The platform works again")
            if incident.cause == Cause.PLATFORM_PROBLEM
            else context.say("WeChat answers again")
        )
        length = span((incident.resolved_at or incident.began_at) - incident.began_at, context)
        words = context.say("Out for {span}.", span=length)
        facts.append(context.say("since {when}", when=date(incident.began_at, context)))
    text = context.paragraph(context.say("{what}.", what=title), words).replace("’", "'")
    return Message(
        text,
        [
            builders.section(f"{builders.FINE} *{title}*\n{words}"),
            builders.context(" · ".join([*facts, *explanation.facts])),
        ],
    )


def explain_incident(fault: ErrorDetails, cause: str, context: RenderContext) -> Explanation:
    """Explain the fault of an incident."""
    if cause == Cause.PLATFORM_PROBLEM:
        return explain_platform(fault, context)
    if cause == Cause.CLOCK_PROBLEM:
        return explain_clock_skew(stored_span(fault.detail, context), context)
    if fault.errcode is not None:
        return explain_refusal(fault.errcode, fault.errmsg, context, rid=fault.rid, address=fault.address)
    explanation = unreadable_answer(context) if fault.kind == ResponseError.__name__ else _down(context)
    detail = _detail(fault.detail, context)
    return replace(explanation, facts=(*explanation.facts, detail)) if detail else explanation


def _detail(stored: str, context: RenderContext) -> str:
    """Translate the detail of an error as `ErrorDetails` stores it; `HTTP 502` stays as it is."""
    if found := _ATTEMPTS.fullmatch(stored):
        return explain_attempts(found["cause"], int(found["number"]), context)
    if stored == "no account list":
        return context.say("no account list")
    return mrkdwn(stored, ERRMSG)


def _down(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("WeChat does not answer"),
        "",
        context.say("nothing yet. If it lasts more than an hour, look at this server’s network or proxy."),
        next_in_text=context.say("If it lasts more than an hour, look at this server’s network or proxy."),
        past=context.say("WeChat did not answer"),
        facts=(context.say("no errcode"),),
    )


def next_poll(cause: Cause, context: RenderContext, accounts: int = 0) -> str:
    """Write the longest interval between polls, which grows while WeChat does not answer."""
    if accounts:
        return context.say("looks again every {span}", span=lead_name(PROBE_INTERVAL, context))
    if cause is Cause.QUOTA:
        return context.say("looks again after midnight in Shanghai")
    longest = SETUP_WAIT if cause is Cause.CONFIG_PROBLEM else min(context.poll * 10, LONGEST_WAIT)
    return context.say("looks again every {span}", span=lead_name(max(context.poll, longest), context))
