"""The message of an outbox row. Equal episodes and payloads give equal messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.alerting.episode import Episode
from bot.alerting.incident_groups import IncidentGroup
from bot.alerting.incidents import Incident
from bot.blocks import builders
from bot.blocks.channel.alerts import alert
from bot.blocks.channel.channel_notices import blocked_channel
from bot.blocks.channel.digests import digest, first_run
from bot.blocks.channel.groups import GroupView
from bot.blocks.channel.incident_group_notices import incident_group_notice
from bot.blocks.channel.incident_notices import incident_notice, incident_reply
from bot.blocks.channel.operation_notices import operation_notice, operation_reply
from bot.blocks.channel.platform_notices import withdrawal, withdrawn
from bot.blocks.channel.quiet_summary import quiet_summary
from bot.blocks.channel.thread_replies import change_reply, name_list, user_action_reply
from bot.blocks.context import RenderContext, RenderMode
from bot.outbox.messages import COMMON, MessageKind
from bot.ports import Message

# The messages that are edited when something changes.
_EDITED = (
    MessageKind.ALERT,
    MessageKind.DIGEST,
    MessageKind.FIRST_RUN,
    MessageKind.QUIET_SUMMARY,
    MessageKind.INCIDENT,
)


def render(
    kind: MessageKind,
    payload: Mapping[str, Any],
    episodes: Sequence[Episode],
    incident: Incident | None,
    context: RenderContext,
    *,
    group: IncidentGroup | None = None,
    message_id: str = "",
    posting: bool = False,
) -> Message:
    """Render a message from the present state of its episodes or its incident.

    Args:
        payload: the values that the message was recorded with.
        episodes: those of the message, in recorded order.
        group: the incidents that the notice shows, the one above among them.
        message_id: its ID, which the buttons for all episodes carry.
        posting: it is about to be posted: it may contain `context.mention`, and names users without a link, since a
            link would notify them. Slack notifies no user of an edit, which has links and no mention.
    """
    # Not the present time: a rendering must not change while its episodes do not.
    around = max((episode.state_since for episode in episodes), default=None)
    context = replace(context, around=around, mode=RenderMode.POST if posting else RenderMode.EDIT)
    message = None
    match kind:
        case MessageKind.INCIDENT if incident and "accounts" in payload:
            message = incident_notice(incident, context, accounts=payload["accounts"])
        case MessageKind.INCIDENT if group and (group.total > 1 or COMMON in payload):
            message = incident_group_notice(group, context)
        case MessageKind.INCIDENT if incident:
            message = incident_notice(incident, context)
        case MessageKind.INCIDENT_REPLY:
            message = incident_reply(payload, context)
        case MessageKind.REPLY if "operation" in payload:
            message = operation_reply(payload, context)
        case MessageKind.OPERATION if "operation" in payload:
            message = operation_notice(payload, context)
        case MessageKind.NOTICE if "withdrawn" in payload:
            message = withdrawal(payload, context)
        case MessageKind.NOTICE:
            message = blocked_channel(payload, context)
        case MessageKind.REPLY if "deed" in payload:
            message = user_action_reply(episodes, payload, context)
        case MessageKind.REPLY if episodes:
            message = change_reply(episodes[0], payload, context)
        case MessageKind.ALERT if episodes:
            message = alert(episodes[0], payload, context)
        case MessageKind.MEMBER_LIST if episodes:
            message = name_list(episodes, context)
        case MessageKind.DIGEST if episodes:
            message = digest(GroupView.of(episodes, payload, context, message_id))
        case MessageKind.FIRST_RUN if episodes:
            message = first_run(GroupView.of(episodes, payload, context, message_id))
        case MessageKind.QUIET_SUMMARY if episodes:
            message = quiet_summary(GroupView.of(episodes, payload, context, message_id))
    message = message or _forgotten(context)
    if context.is_withdrawn and kind in _EDITED:
        message = withdrawn(message, context)
    if payload.get("repeat"):
        repeat = context.say("Possible repeat: Slack did not confirm the first posting.")
        blocks = [*message.blocks, builders.context(repeat)]
        message = replace(message, text=context.paragraph(message.text, repeat), blocks=blocks)
    return message


def _forgotten(context: RenderContext) -> Message:
    """Render a message whose episodes or incident the store no longer has."""
    text, shown = (
        context.say("This message is out of date. {command} shows the present state.", command=command)
        for command in ("/kf", "*/kf*")
    )
    return Message(text, [builders.section(shown)])


def text_only(message: Message, mention: str) -> Message:
    """Return the message without blocks, which Slack refused. Its text gets the mention that the blocks have."""
    sections = [block["text"]["text"] for block in message.blocks if block["type"] == "section"]
    mentioned = mention and any(mention in text for text in sections)
    return replace(message, text=f"{mention} {message.text}" if mentioned else message.text, blocks=())
