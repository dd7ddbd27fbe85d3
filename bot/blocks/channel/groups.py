"""Many episodes in one message: order, rows, names and buttons. `digests` and `quiet_summary` add the sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot import actions
from bot.actions import AlertAction
from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import NEEDS_ATTENTION, Episode, UserAction
from bot.blocks import builders, mentions
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import acknowledged
from bot.blocks.context import RenderContext, RenderMode
from bot.outbox.messages import ROWS
from bot.ports import Block
from bot.requests import List

SHOWN = ROWS  # or names of a state
FEW = 3  # if space is short
GOOD_TEXT = 3900  # Slack advises 4,000; the rest is for a possible repeat
PEOPLE = 3


@dataclass(frozen=True, slots=True)
class GroupView:
    """The episodes of one message, most urgent first, and the values that its rendering needs."""

    all: Sequence[Episode]
    payload: Mapping[str, Any]
    context: RenderContext
    message_id: str

    @classmethod
    def of(
        cls, episodes: Sequence[Episode], payload: Mapping[str, Any], context: RenderContext, message_id: str
    ) -> GroupView:
        return cls(episode_text.in_order(episodes, context), payload, context, message_id)

    @property
    def open(self) -> list[Episode]:
        return [episode for episode in self.all if not episode.closed]

    @property
    def settled(self) -> list[Episode]:
        return [episode for episode in self.all if episode.closed]

    @property
    def unacknowledged(self) -> list[Episode]:
        return [episode for episode in self.open if not episode.acked]

    @property
    def acknowledgements(self) -> list[UserAction]:
        """Return the newest acknowledgements once all open episodes are acknowledged; none before."""
        return [] if self.unacknowledged else mentions.newest_acknowledgements(self.open, PEOPLE)

    @property
    def acknowledged_here(self) -> bool:
        """Return whether a button of this message acknowledged some of them, so that its Undo applies."""
        return any(
            action.batch == self.message_id for episode in self.open if (action := episode.acked) and action.batch
        )


def title(view: GroupView, words: str) -> list[Block]:
    """Build the headline: a header until all is acknowledged, and a mention when the message is posted."""
    blocks = [builders.section(f"*{words}*") if view.acknowledgements else builders.header(words)]
    due = any(episode_text.needs_user(episode, view.context) for episode in view.all)
    if view.context.mode is RenderMode.POST and view.context.mention and due:
        words = view.context.say("{mention} please take a look.", mention=view.context.mention)
        blocks.append(builders.section(words))
    return blocks


def rows(episodes: Sequence[Episode], context: RenderContext, most: int, *, noticed: bool = False) -> list[Block]:
    """Build a row for each of the first episodes, and count the others.

    Two people may have one masked ID, such as `kf•••le`: their rows leave it out, since it identifies neither.
    """
    masks = Counter(mask for _, mask in {(one.invite_wx, episode_text.invitee(one.invite_wx)) for one in episodes})
    blocks = []
    for episode in episodes[:most]:
        unique = masks[episode_text.invitee(episode.invite_wx)] == 1
        blocks += episode_text.row(episode, context, noticed=noticed, masked=unique)
    if hidden := episodes[most:]:
        counts = episode_text.counted(hidden, context)
        blocks.append(builders.context(context.say("{number} more: {counts}", number=len(hidden), counts=counts)))
    return blocks


def names(episodes: Sequence[Episode], most: int, context: RenderContext) -> list[Block]:
    """Build a section for each state, with the names of its episodes."""
    return [
        builders.section(
            f"{episode_text.icon(group[0])} *{context.capitalized(context.state(word))}*\n"
            f"{episode_text.labels(group, most, context)}",
            expand=True,
        )
        for word, group in episode_text.by_state_word(episodes).items()
    ]


def settled(episodes: Sequence[Episode], most: int, context: RenderContext) -> list[Block]:
    """Build a grey line for each state of closed episodes, with their names."""
    return [
        builders.context(
            context.say(
                "{icon} {state}: {names}",
                icon=episode_text.icon(group[0]),
                state=context.capitalized(context.state(word)),
                names=episode_text.labels(group, most, context),
            )
        )
        for word, group in episode_text.by_state_word(episodes).items()
    ]


def acknowledgement_lines(view: GroupView) -> list[Block]:
    """Build a grey line for each user who acknowledged."""
    return [
        builders.context(f"{builders.PERSON} {acknowledged(action, view.context)}")
        for action in view.acknowledgements
    ]


def plain_text_acknowledgements(view: GroupView) -> list[str]:
    context = view.context.as_text
    return [context.say("{what}.", what=acknowledged(action, context)) for action in view.acknowledgements]


def buttons(view: GroupView) -> Block:
    """Build the row of buttons: open the list; acknowledge all that is open, or undo what was acknowledged here."""
    open_list = open_the_list(view.context)
    if not view.acknowledgements:
        return builders.actions(open_list, _acknowledge_all(view))
    if not view.acknowledged_here:
        return builders.actions(open_list)
    value, say = _value(view, ActionKind.UNACKNOWLEDGED), view.context.say
    undo = builders.button(say("Undo"), actions.UNDO, value, label=say("Undo the acknowledgement"))
    return builders.actions(open_list, undo)


def open_the_list(context: RenderContext) -> Block:
    """Build the button that lists everything that needs attention: episodes of this message may be in any state."""
    value, label = actions.encode(List(1, NEEDS_ATTENTION)), context.say("Open the list, shown only to you")
    return builders.button(context.say("Open the list"), actions.LIST, value, label=label)


def _acknowledge_all(view: GroupView) -> Block:
    number, say = len(view.unacknowledged), view.context.say
    if number == 1:
        text = say("Reminders for this invitation stop. Later changes still show here.")
    else:
        text = say("Reminders for these {number} invitations stop. Later changes still show here.", number=number)
    title = say("Acknowledge {number}?", number=number)
    question = builders.confirm(title, text, say("Acknowledge"), say("Cancel"))
    value = _value(view, ActionKind.ACKNOWLEDGED)
    return builders.button(say("Acknowledge all"), actions.ACKNOWLEDGE, value, confirm=question)


def _value(view: GroupView, kind: ActionKind) -> str:
    return actions.encode(AlertAction(kind, view.message_id, batch=True))
