"""The alert of one episode. Its sentences are in `wording`, the replies in its thread in `thread_replies`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import actions
from bot.actions import AlertAction, EpisodeDetails, OpenInvite
from bot.alerting.acknowledgements import ActionKind, Snooze, snooze_choices
from bot.alerting.episode import AlertKind, Disposition, Episode, EpisodeState, UserAction
from bot.blocks import builders, mentions
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import (
    PAST,
    acknowledged,
    event_sentence,
    introduction,
    left_when_bound,
    operated,
    plain_text,
    quiet_notice,
    sentence,
    snoozed,
)
from bot.blocks.context import RenderContext, RenderMode
from bot.blocks.names import name_of
from bot.blocks.times import DAY, date, zone_name
from bot.language import gettext_noop
from bot.ports import Block, Message

_SNOOZES = {
    Snooze.HOUR: gettext_noop("1 hour"),
    Snooze.FOUR_HOURS: gettext_noop("4 hours"),
    Snooze.MORNING: gettext_noop("Until tomorrow 9:00, {zone}"),
}


def alert(episode: Episode, payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Render an alert: with a header and a mention while a user must act now, smaller once acknowledged."""
    words = context.paragraph(sentence(episode, context), _quiet_notice(episode, payload, context))
    doing = operated(episode, context)
    if episode_text.needs_user(episode, context) and not doing:
        icon, name = episode_text.icon(episode), name_of(episode.kf_nick, context)
        mention = context.mention if context.mode is RenderMode.POST else ""
        header = builders.header(f"{icon} {name} · {episode_text.state_words(episode, context)}")
        blocks = [header, builders.section(context.paragraph(mention, words))]
    else:
        blocks = [builders.section(f"{episode_text.head(episode, context)}\n{words}")]
    if doing:
        blocks.append(builders.context(f"{builders.PERSON} {doing}"))
    elif action := _user_action(episode, context):
        blocks.append(builders.context(f"{builders.PERSON} {action}"))
    blocks.append(builders.context(" · ".join(_facts(episode, context))))
    if unconfirmed := _unconfirmed(episode, context):
        blocks.append(builders.context(unconfirmed))
    if buttons := _buttons(episode, context):
        blocks.append(builders.actions(*buttons))
    return Message(_plain_text(episode, payload, context.as_text), blocks)


def _plain_text(episode: Episode, payload: Mapping[str, Any], context: RenderContext) -> str:
    """Write the fallback text, without a next step once a user has acknowledged."""
    doing = operated(episode, context)
    if doing or episode_text.acknowledgement(episode):
        parts = [introduction(episode, context), event_sentence(episode, context)]
    else:
        noticed = episode.state in (EpisodeState.REJECTED, EpisodeState.EXPIRED)
        parts = [
            plain_text(episode, context),
            context.say("Noticed {when}.", when=date(episode.state_since, context)) if noticed else "",
            _quiet_notice(episode, payload, context),
        ]
    if action := doing or _user_action(episode, context):
        parts.append(context.say("{what}.", what=action))
    return context.paragraph(*parts, _unconfirmed(episode, context))


def _user_action(episode: Episode, context: RenderContext) -> str:
    """Write who acknowledged and when, or who snoozed and until when."""
    if action := episode_text.acknowledgement(episode):
        return acknowledged(action, context)
    return snoozed(action, context) if (action := _snooze(episode, context)) else ""


def _snooze(episode: Episode, context: RenderContext) -> UserAction | None:
    """Return the snooze, unless something more urgent has happened since."""
    more = episode.state is not EpisodeState.WAITING or episode_text.is_urgent(episode, context) or episode.acked
    return None if more else episode.snoozed


def _quiet_notice(episode: Episode, payload: Mapping[str, Any], context: RenderContext) -> str:
    """Announce quiet hours while reminders go on: no answer has come and no user has acknowledged."""
    waits = episode.state is EpisodeState.WAITING and not episode.acked
    return quiet_notice(payload, context) if waits else ""


def _facts(episode: Episode, context: RenderContext) -> list[str]:
    """Return the facts of the grey line. A closed alert keeps each fact that it showed while it was open."""
    state, closed = episode.state, episode.closed
    facts = [episode_text.account(episode, context)]
    if state in (EpisodeState.CANCELLED, EpisodeState.REMOVED) and (
        invitee := episode_text.invitee(episode.invite_wx)
    ):
        facts.append(context.say("invited {id}", id=invitee))  # in other states the sentence names the person
    if state is not EpisodeState.WAITING and not left_when_bound(episode):
        facts.append(context.say("noticed {when}", when=date(episode.state_since, context)))
    if deadline := episode_text.deadline(episode, context):
        facts.append(deadline)
    if state is not EpisodeState.REPLACED and episode.replaced_at:
        facts.append(context.say("invited again {when}", when=date(episode.replaced_at, context)))
    if closed:
        facts.append(context.say("first seen {when}", when=date(episode.first_seen, context, DAY)))
    facts += [
        context.say(words)
        for past, words in PAST.items()
        if (past is not state or episode.replaced_at) and episode.has_emitted(AlertKind(past))
    ]
    if closed and (reminded := _reminded(episode, context)):
        facts.append(reminded)
    if closed and episode.acked:
        facts.append(context.say("acknowledged by {who}", who=mentions.user(episode.acked, context)))
    return facts


def _reminded(episode: Episode, context: RenderContext) -> str:
    number = sum(
        event.kind is AlertKind.EXPIRING and event.disposition is Disposition.NOTIFIED for event in episode.events
    )
    match number:
        case 0:
            return ""
        case 1:
            return context.say("reminded once")
        case 2:
            return context.say("reminded twice")
    return context.say("reminded {number} times", number=number)


def _unconfirmed(episode: Episode, context: RenderContext) -> str:
    if episode.confirmed_at is None or episode.closed:
        return ""
    when = date(episode.confirmed_at, context)
    return context.say("WeChat does not answer; last confirmed {when}.", when=when)


def _buttons(episode: Episode, context: RenderContext) -> list[Block]:
    if episode.closed:
        return []
    episode_details = actions.encode(EpisodeDetails(episode.id))
    label = context.say("Details, shown only to you")
    details = builders.button(context.say("Details"), actions.DETAILS, episode_details, label=label)
    if operated(episode, context):
        return [details]
    undo = context.say("Undo")
    invite = _invite(episode, context)
    if episode.acked:
        value = _value(episode, ActionKind.UNACKNOWLEDGED)
        label = context.say("Undo the acknowledgement")
        return [builders.button(undo, actions.UNDO, value, label=label), *invite, details]
    acknowledge = builders.button(
        context.say("Acknowledge"),
        actions.ACKNOWLEDGE,
        _value(episode, ActionKind.ACKNOWLEDGED),
        primary=episode_text.is_urgent(episode, context),
        label=context.say("Acknowledge: stop reminders for this invitation"),
    )
    if episode.state is not EpisodeState.WAITING:
        if invite:
            return [acknowledge, *invite, details]
        return [acknowledge, details, builders.console(context)]  # a new invitation starts there
    if _snooze(episode, context):
        value = _value(episode, ActionKind.UNSNOOZED)
        label = context.say("Undo the snooze")
        return [acknowledge, builders.button(undo, actions.UNDO, value, label=label), details]
    zone = zone_name(context.zone.key, context)
    options = [
        builders.option(context.say(_SNOOZES[choice], zone=zone), _value(episode, ActionKind.SNOOZED, choice))
        for choice in snooze_choices(episode, context.policy, context.zone)
    ]
    snooze = [builders.select(context.say("Snooze"), actions.SNOOZE, options)] if options else []
    return [acknowledge, *snooze, details]


def _invite(episode: Episode, context: RenderContext) -> list[Block]:
    """Build the button that opens the form; none where operators cannot invite, or the invitation still waits."""
    if not context.operations or episode.state not in (EpisodeState.REJECTED, EpisodeState.EXPIRED):
        return []
    state = context.state(episode_text.state_word(episode))
    name = name_of(episode.kf_nick, context)
    label = context.say("Invite again: {name}, {state}", name=name, state=state)
    value = actions.encode(OpenInvite(episode_id=episode.id))
    return [builders.button(context.say("Invite again"), actions.INVITE, value, label=label)]


def _value(episode: Episode, kind: ActionKind, choice: Snooze | None = None) -> str:
    return actions.encode(AlertAction(kind, episode.id, snooze=choice))
