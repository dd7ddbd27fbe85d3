"""The history of one invitation, a line each, as part of the details of an account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.alerting.episode import AlertKind, Disposition, Episode, EpisodeState
from bot.blocks import builders
from bot.blocks.answers.history_answer import operation_line, outcome
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import PAST, owner
from bot.blocks.context import RenderContext
from bot.blocks.times import date, lead_name
from bot.operations.account_history import during
from bot.operations.operation import Operation

MOST = 8  # lines


def timeline(episode: Episode, channel: str, context: RenderContext, operations: Sequence[Operation] = ()) -> str:
    """Write the known history, oldest first, as mrkdwn.

    Args:
        channel: the ID of the alert channel; or "".
        operations: on the account; those of earlier invitations are left out.
    """
    first, *rest = _lines(episode, during(operations, episode), context)
    posted = channel and any(event.disposition is not Disposition.SUPERSEDED for event in episode.events)
    title = f"*{context.say('This invitation')}*"
    if posted:
        title += f"  {context.say('told in {channel}', channel=f'<#{channel}>')}"
    return "\n".join([title, first, *rest[-(MOST - 1) :]])


def _lines(episode: Episode, operations: Sequence[Operation], context: RenderContext) -> list[str]:
    """Write the first sighting, then undated events, then the others by their time."""
    icon, state = episode_text.icon(episode), context.state(episode_text.state_word(episode))
    at_once = episode.state is not EpisodeState.WAITING and episode.state_since <= episode.first_seen
    first_seen = context.say(
        "{state}, first seen {when}",
        state=state if at_once else context.state(EpisodeState.WAITING),
        when=date(episode.first_seen, context),
    )
    dated = [
        *_elapsed_leads(episode, context),
        *_user_actions(episode, context),
        *((one.asked_at, _operation(one, context)) for one in operations),
    ]
    if episode.state is not EpisodeState.WAITING and not at_once:
        when = date(episode.state_since, context)
        noticed = context.say("{state}, noticed {when}", state=state, when=when)
        dated.append((episode.state_since, f"{icon} {noticed}"))
    # When an earlier problem was noticed is not stored.
    over = [past for past in PAST if past is not episode.state and episode.has_emitted(AlertKind(past))]
    return [
        f"{icon if at_once else builders.ICONS['waiting']} {first_seen}",
        *(f"{builders.ICONS[past]} {context.say(PAST[past])}" for past in over),
        *(line for _, line in sorted(dated, key=lambda one: one[0])),
    ]


def _elapsed_leads(episode: Episode, context: RenderContext) -> list[tuple[datetime, str]]:
    if episode.expires_at is None:
        return []
    lines = []
    for event in episode.events:
        if event.kind is AlertKind.EXPIRING and event.disposition is not Disposition.SUPERSEDED:
            # It may have been within the lead already when it was first seen.
            at = max(episode.expires_at - event.lead, episode.first_seen)
            lead, when = lead_name(event.lead, context), date(at, context)
            words = context.say("less than {lead} left, {when}", lead=lead, when=when)
            lines.append((at, f"{builders.ICONS['expiring']} {words}"))
    return lines


def _user_actions(episode: Episode, context: RenderContext) -> list[tuple[datetime, str]]:
    """Write who acknowledged and who snoozed."""
    done = [action for action in (episode.acked, episode.snoozed) if action]
    shown = [action for action in done if action is episode.acked or action.until]
    return [(action.at, f"{builders.PERSON} {owner(action, context)}") for action in shown]


def _operation(operation: Operation, context: RenderContext) -> str:
    did, when = context.uncapitalized(operation_line(operation, context)), date(operation.asked_at, context)
    return " · ".join([f"{builders.PERSON} {did}", when, *outcome(operation, context)])
