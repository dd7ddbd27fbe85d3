"""The alert of one episode. Its sentences are in `wording`, the replies in its thread in `thread_replies`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import actions
from bot.actions import AlertAction, EpisodeDetails
from bot.alerting.acknowledgements import ActionKind, Snooze, snooze_choices
from bot.alerting.episode import AlertKind, Disposition, Episode, EpisodeState, UserAction
from bot.blocks import builders, mentions
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import (
    acknowledged,
    event_sentence,
    introduction,
    left_when_bound,
    plain_text,
    quiet_notice,
    sentence,
    snoozed,
)
from bot.blocks.context import RenderContext, RenderMode
from bot.blocks.times import DAY, date
from bot.ports import Block, Message
from bot.text import name_of

_SNOOZES = {Snooze.HOUR: "1 hour", Snooze.FOUR_HOURS: "4 hours", Snooze.MORNING: "Until tomorrow 9:00, {zone}"}


def alert(episode: Episode, payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Render an alert: with a header and a mention while a user must act now, smaller once acknowledged."""
    words = f"{sentence(episode, context)} {_quiet_notice(episode, payload, context)}".rstrip()
    if episode_text.needs_user(episode, context):
        icon, name = episode_text.icon(episode), name_of(episode.kf_nick)
        mention = f"{context.mention} " if context.mode is RenderMode.POST and context.mention else ""
        header = builders.header(f"{icon} {name} · {episode_text.state_words(episode)}")
        blocks = [header, builders.section(mention + words)]
    else:
        blocks = [builders.section(f"{episode_text.head(episode)}\n{words}")]
    if action := _user_action(episode, context):
        blocks.append(builders.context(f"{builders.PERSON} {action}"))
    blocks.append(builders.context(" · ".join(_facts(episode, context))))
    if unconfirmed := _unconfirmed(episode, context):
        blocks.append(builders.context(unconfirmed))
    if buttons := _buttons(episode, context):
        blocks.append(builders.actions(*buttons))
    return Message(_plain_text(episode, payload, context.as_text), blocks)


def _plain_text(episode: Episode, payload: Mapping[str, Any], context: RenderContext) -> str:
    """Write the fallback text, without a next step once a user has acknowledged."""
    if episode_text.acknowledgement(episode):
        parts = [introduction(episode, context), event_sentence(episode, context)]
    else:
        noticed = episode.state in (EpisodeState.REJECTED, EpisodeState.EXPIRED)
        parts = [
            plain_text(episode, context),
            f"Noticed {date(episode.state_since, context)}." if noticed else "",
            _quiet_notice(episode, payload, context),
        ]
    if action := _user_action(episode, context):
        parts.append(f"{action}.")
    return " ".join(filter(None, [*parts, _unconfirmed(episode, context)]))


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
    facts = [episode_text.account(episode)]
    if state in (EpisodeState.CANCELLED, EpisodeState.REMOVED) and (
        invitee := episode_text.invitee(episode.invite_wx)
    ):
        facts.append(f"invited {invitee}")  # in other states the sentence names the person
    if state is not EpisodeState.WAITING and not left_when_bound(episode):
        facts.append(date(episode.state_since, context, words="noticed "))
    if deadline := episode_text.deadline(episode, context):
        facts.append(deadline)
    if state is not EpisodeState.REPLACED and episode.replaced_at:
        facts.append(date(episode.replaced_at, context, words="invited again "))
    if closed:
        facts.append(date(episode.first_seen, context, DAY, "first seen "))
    before = [
        past for past in (EpisodeState.EXPIRED, EpisodeState.REJECTED) if past is not state or episode.replaced_at
    ]
    facts += [f"was {past}" for past in before if episode.has_emitted(AlertKind(past))]
    reminders = sum(
        event.kind is AlertKind.EXPIRING and event.disposition is Disposition.NOTIFIED for event in episode.events
    )
    if closed and reminders:
        facts.append(f"reminded {({1: 'once', 2: 'twice'}).get(reminders, f'{reminders} times')}")
    if closed and episode.acked:
        facts.append(f"acknowledged by {mentions.user(episode.acked, context)}")
    return facts


def _unconfirmed(episode: Episode, context: RenderContext) -> str:
    if episode.confirmed_at is None or episode.closed:
        return ""
    return f"WeChat does not answer; {date(episode.confirmed_at, context, words='last confirmed ')}."


def _buttons(episode: Episode, context: RenderContext) -> list[Block]:
    if episode.closed:
        return []
    episode_details = actions.encode(EpisodeDetails(episode.id))
    details = builders.button("Details", actions.DETAILS, episode_details, label="Details, shown only to you")
    if episode.acked:
        value = _value(episode, ActionKind.UNACKNOWLEDGED)
        return [builders.button("Undo", actions.UNDO, value, label="Undo the acknowledgement"), details]
    urgent = episode_text.is_urgent(episode, context)
    label = "Acknowledge: stop reminders for this invitation"
    value = _value(episode, ActionKind.ACKNOWLEDGED)
    acknowledge = builders.button("Acknowledge", actions.ACKNOWLEDGE, value, primary=urgent, label=label)
    if episode.state is not EpisodeState.WAITING:
        return [acknowledge, details, builders.console()]  # a new invitation starts there
    if _snooze(episode, context):
        value = _value(episode, ActionKind.UNSNOOZED)
        return [acknowledge, builders.button("Undo", actions.UNDO, value, label="Undo the snooze"), details]
    offered = snooze_choices(episode, context.policy, context.zone)
    options = [
        builders.option(_SNOOZES[choice].format(zone=context.zone.key), _value(episode, ActionKind.SNOOZED, choice))
        for choice in offered
    ]
    return [acknowledge, *([builders.select("Snooze", actions.SNOOZE, options)] if options else []), details]


def _value(episode: Episode, kind: ActionKind, choice: Snooze | None = None) -> str:
    return actions.encode(AlertAction(kind, episode.id, snooze=choice))
