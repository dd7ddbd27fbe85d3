"""The root of one problem: a view of its episode. Its words are in `sentences`, its thread is in `threads`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot import actions
from bot.actions import AlertAction, EpisodeDetails
from bot.blocks import builders
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import (
    SPOKEN,
    Manner,
    acknowledged,
    before_quiet,
    happening,
    introduced,
    left_when_bound,
    manner_of,
    sentence,
    snoozed,
    spoken,
)
from bot.blocks.context import Look
from bot.blocks.times import DAY, date, plain_date
from bot.episodes import Episode, Hand, How, Kind, State
from bot.hands import Deed, Snooze, snoozes
from bot.ports import Block, Message
from bot.text import name_of

_SNOOZES = {Snooze.HOUR: "1 hour", Snooze.FOUR_HOURS: "4 hours", Snooze.MORNING: "Until tomorrow 9:00, {zone}"}


def root(episode: Episode, facts: Mapping[str, Any], look: Look, *, pinging: bool) -> Message:
    """The message that tells a problem: loud while somebody must act now, calm once it is in someone's hands."""
    smallest_lead, manner = look.smallest_lead, manner_of(pinging=pinging)
    loud = episode_text.loud(episode, smallest_lead)
    words = f"{sentence(episode, smallest_lead, manner)} {_quiet(episode, facts, manner)}".rstrip()
    if loud:
        title = f"{episode_text.icon(episode)} {name_of(episode.kf_nick)} · {episode_text.state_words(episode)}"
        call = f"{look.mention} " if pinging and look.mention else ""
        blocks = [builders.header(title), builders.section(call + words)]
    else:
        blocks = [builders.section(f"{episode_text.head(episode)}\n{words}")]
    if taken := _taken(episode, smallest_lead, manner):
        blocks.append(builders.context(f"{builders.PERSON} {taken}"))
    blocks.append(builders.context(" · ".join(_facts(episode, manner))))
    if unconfirmed := _unconfirmed(episode, manner):
        blocks.append(builders.context(unconfirmed))
    if buttons := _buttons(episode, look):
        blocks.append(builders.actions(*buttons))
    return Message(_spoken(episode, facts, smallest_lead), blocks)


def _spoken(episode: Episode, facts: Mapping[str, Any], smallest_lead: timedelta) -> str:
    """For `text`. It asks nothing of anybody any more once a person has acknowledged it."""
    if episode_text.holder(episode):
        said = [introduced(episode), happening(episode, SPOKEN)]
    else:
        noticed = episode.state in (State.REJECTED, State.EXPIRED)
        said = [spoken(episode, smallest_lead), f"Noticed {plain_date(episode.since)}." if noticed else ""]
        said.append(_quiet(episode, facts, SPOKEN))
    if taken := _taken(episode, smallest_lead, SPOKEN):
        said.append(f"{taken}.")
    return " ".join(filter(None, [*said, _unconfirmed(episode, SPOKEN)]))


def _taken(episode: Episode, smallest_lead: timedelta, manner: Manner) -> str:
    """Who has it in hand, and since or until when."""
    if hand := episode_text.holder(episode):
        return acknowledged(hand, manner)
    return snoozed(hand, manner) if (hand := _snoozer(episode, smallest_lead)) else ""


def _snoozer(episode: Episode, smallest_lead: timedelta) -> Hand | None:
    """Who snoozed it, while that means something: nothing else has become more urgent."""
    more = episode.state is not State.WAITING or episode_text.urgent(episode, smallest_lead) or episode.acked
    return None if more else episode.snoozed


def _quiet(episode: Episode, facts: Mapping[str, Any], manner: Manner) -> str:
    """That quiet hours follow, while that means something: nobody has answered, and nobody has it in hand."""
    waits = episode.state is State.WAITING and not episode.acked
    return before_quiet(facts, manner.date) if waits else ""


def _facts(episode: Episode, manner: Manner) -> list[str]:
    """The grey line. A closed root loses no fact that it showed while it was open."""
    state, closed = episode.state, episode.closed
    facts = [episode_text.account(episode)]
    if state in (State.CANCELLED, State.REMOVED) and (invitee := episode_text.invitee(episode.invite_wx)):
        facts.append(f"invited {invitee}")  # the other states name them in the sentence
    if state is not State.WAITING and not left_when_bound(episode):
        facts.append(date(episode.since, words="noticed "))
    if deadline := episode_text.deadline(episode):
        facts.append(deadline)
    if state is not State.REPLACED and episode.replaced_at:
        facts.append(date(episode.replaced_at, words="invited again "))
    if closed:
        facts.append(date(episode.first_seen, DAY, "first seen "))
    before = [past for past in (State.EXPIRED, State.REJECTED) if past is not state or episode.replaced_at]
    facts += [f"was {past}" for past in before if episode.has_told(Kind(past))]
    if closed and (times := _reminders(episode)):
        facts.append(f"reminded {({1: 'once', 2: 'twice'}).get(times, f'{times} times')}")
    if closed and episode.acked:
        facts.append(f"acknowledged by {manner.who(episode.acked)}")
    return facts


def _reminders(episode: Episode) -> int:
    return sum(event.kind is Kind.EXPIRING and event.how is How.TOLD for event in episode.told)


def _unconfirmed(episode: Episode, manner: Manner) -> str:
    if episode.confirmed_at is None or episode.closed:
        return ""
    return f"WeChat does not answer; {manner.date(episode.confirmed_at, words='last confirmed ')}."


def _buttons(episode: Episode, look: Look) -> list[Block]:
    if episode.closed:
        return []
    episode_details = actions.encode(EpisodeDetails(episode.id))
    details = builders.button("Details", actions.DETAILS, episode_details, label="Details, shown only to you")
    if episode.acked:
        value = _value(episode, Deed.UNACKNOWLEDGED)
        return [builders.button("Undo", actions.UNDO, value, label="Undo the acknowledgement"), details]
    urgent = episode_text.urgent(episode, look.smallest_lead)
    label = "Acknowledge: stop reminders for this invitation"
    value = _value(episode, Deed.ACKNOWLEDGED)
    acknowledge = builders.button("Acknowledge", actions.ACKNOWLEDGE, value, primary=urgent, label=label)
    if episode.state is not State.WAITING:
        return [acknowledge, details, builders.console()]  # a new invitation starts there
    if _snoozer(episode, look.smallest_lead):
        value = _value(episode, Deed.UNSNOOZED)
        return [acknowledge, builders.button("Undo", actions.UNDO, value, label="Undo the snooze"), details]
    offered = snoozes(episode, look.policy, look.zone)
    options = [
        builders.option(_SNOOZES[choice].format(zone=look.zone.key), _value(episode, Deed.SNOOZED, choice))
        for choice in offered
    ]
    return [acknowledge, *([builders.select("Snooze", actions.SNOOZE, options)] if options else []), details]


def _value(episode: Episode, kind: Deed, choice: Snooze | None = None) -> str:
    return actions.encode(AlertAction(kind, episode.id, snooze=choice))
