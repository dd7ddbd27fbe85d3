"""The notice of incidents that several Official Accounts have: of one cause, or within some minutes."""

from __future__ import annotations

from dataclasses import replace

from bot.alerting.incident_groups import NAMED, IncidentGroup
from bot.alerting.incidents import Incident
from bot.blocks import builders
from bot.blocks.channel.incident_notices import consequence, explain_incident, next_poll
from bot.blocks.context import RenderContext
from bot.blocks.problems import Explanation
from bot.blocks.times import date
from bot.ports import Block, Message
from bot.text import NAME, clean, escape


def incident_group_notice(group: IncidentGroup, context: RenderContext) -> Message:
    """Render incidents with the names of their accounts, while one of them lasts and when all are over."""
    message = _over(group, context) if group.incident.resolved_at else _lasting(group, context)
    return Message(context.plain(message.text), message.blocks, names_accounts=True)


def _lasting(group: IncidentGroup, context: RenderContext) -> Message:
    incident = group.incident
    first = _explain(incident, context)
    titles = {_explain(one.incident, context).title for one in group.named if not one.incident.resolved_at}
    is_one_cause = len(titles) == 1
    if is_one_cause:
        title, step = first.title, first.shown(context)
    else:
        title = context.say("Several Official Accounts have problems")
        step = context.say("{command} shows the next step of each.", command="*/kf status*")
    text = first.plain_text(context) if is_one_cause else context.say("{what}.", what=title)
    # Without "Check now", which is for one account.
    link = [builders.actions(builders.link(first.place, context))] if is_one_cause and first.place else []
    return Message(
        context.paragraph(text, context.say("It concerns {names}.", names=_names(group, context))),
        [
            builders.header(f"{builders.TROUBLE} {title}"),
            builders.section(f"{consequence(incident.fault, incident.cause, first, context)}\n{step}"),
            _rows(group, context, with_titles=not is_one_cause),
            builders.context(next_poll(incident.cause, context)),
            *link,
        ],
    )


def _over(group: IncidentGroup, context: RenderContext) -> Message:
    title = context.say("WeChat answers again")
    text = context.paragraph(
        context.say("{what}.", what=title), context.say("It concerned {names}.", names=_names(group, context))
    )
    return Message(text, [builders.section(f"{builders.FINE} *{title}*"), _rows(group, context, with_titles=True)])


def _explain(incident: Incident, context: RenderContext) -> Explanation:
    """Explain an incident without its rid, with which each poll of each account would edit the message."""
    explanation = explain_incident(incident.fault, incident.cause, context)
    return replace(explanation, facts=explanation.facts[:1])


def _names(group: IncidentGroup, context: RenderContext) -> str:
    return context.some([escape(clean(one.name, NAME)) for one in group.named], NAMED, group.total)


def _rows(group: IncidentGroup, context: RenderContext, *, with_titles: bool) -> Block:
    """Build a line for each account, with its trouble and the time since when it lasts."""
    lines = []
    for one in group.named:
        incident, explanation = one.incident, _explain(one.incident, context)
        icon = builders.FINE if incident.resolved_at else builders.TROUBLE
        title = explanation.past_title if incident.resolved_at else explanation.title
        since = context.say("since {when}", when=date(incident.began_at, context))
        facts = " · ".join([*([title] if with_titles else []), since, *explanation.facts])
        lines.append(f"{icon} *{escape(clean(one.name, NAME))}* · {facts}")
    if more := group.total - len(group.named):
        lines.append(context.say("and {number} more", number=more))
    return builders.section("\n".join(lines))
