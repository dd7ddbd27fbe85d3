"""Many episodes in one root: their order, rows, names, buttons. What a root says of them is in its own room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot import actions
from bot.actions import AlertAction
from bot.blocks import builders, mentions
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import SPOKEN, acknowledged, manner_of
from bot.blocks.context import Look
from bot.episodes import NEEDS_ATTENTION, Episode, Hand
from bot.grammar import List
from bot.hands import Deed
from bot.outbox import ROWS
from bot.ports import Block
from bot.text import some

SHOWN = ROWS  # or names of a state
FEW = 3  # where space is short
GOOD_TEXT = 3900  # Slack advises 4,000; the rest is for a possible repeat
PEOPLE = 3


@dataclass(frozen=True, slots=True)
class Crowd:
    """All that one root tells of, worst first, and how it is about to be shown."""

    all: Sequence[Episode]
    facts: Mapping[str, Any]
    look: Look
    message_id: str
    pinging: bool

    @classmethod
    def of(
        cls, told: Sequence[Episode], facts: Mapping[str, Any], look: Look, message_id: str, *, pinging: bool
    ) -> Crowd:
        return cls(episode_text.in_order(told, look.smallest_lead), facts, look, message_id, pinging)

    @property
    def open(self) -> list[Episode]:
        return [episode for episode in self.all if not episode.closed]

    @property
    def settled(self) -> list[Episode]:
        return [episode for episode in self.all if episode.closed]

    @property
    def free(self) -> list[Episode]:
        """Those that nobody has acknowledged."""
        return [episode for episode in self.open if not episode_text.holder(episode)]

    @property
    def hands(self) -> list[Hand]:
        """In whose hands all of it is; nobody's while some of it is free."""
        return [] if self.free else mentions.newest(self.open, PEOPLE)

    @property
    def taken_here(self) -> bool:
        """Whether some of it was acknowledged with this root's own button, which can take that back."""
        hands = [hand for episode in self.open if (hand := episode_text.holder(episode))]
        return any(hand.batch == self.message_id for hand in hands if hand.batch)


def title(of: Crowd, words: str) -> list[Block]:
    """The verdict, loud until all is in someone's hands, and a call to whoever is to be called."""
    blocks = [builders.section(f"*{words}*") if of.hands else builders.header(words)]
    due = any(episode_text.loud(episode, of.look.smallest_lead) for episode in of.all)
    if of.pinging and of.look.mention and due:
        blocks.append(builders.section(f"{of.look.mention} please take a look."))
    return blocks


def rows(of: Sequence[Episode], most: int, *, noticed: bool = False) -> list[Block]:
    """A row each, then the rest in numbers.

    Two people may have one masked ID, such as `kf•••le`: it tells neither apart, so their rows leave it out.
    """
    masks = Counter(mask for _, mask in {(one.invite_wx, episode_text.invitee(one.invite_wx)) for one in of})
    blocks = [
        block
        for episode in of[:most]
        for block in episode_text.row(
            episode, noticed=noticed, masked=masks[episode_text.invitee(episode.invite_wx)] == 1
        )
    ]
    if hidden := of[most:]:
        blocks.append(builders.context(f"{len(hidden)} more: {episode_text.counted(hidden)}"))
    return blocks


def names(of: Sequence[Episode], most: int) -> list[Block]:
    """A section for each state, with its names."""
    return [
        builders.section(
            f"{episode_text.icon(group[0])} *{word.capitalize()}*\n{some([*map(episode_text.label, group)], most)}",
            expand=True,
        )
        for word, group in episode_text.by_standing(of).items()
    ]


def settled(of: Sequence[Episode], most: int) -> list[Block]:
    """What became of those that need nobody any more: a grey line for each state."""
    return [
        builders.context(
            f"{episode_text.icon(group[0])} {word.capitalize()}: {some([*map(episode_text.label, group)], most)}"
        )
        for word, group in episode_text.by_standing(of).items()
    ]


def hands(of: Crowd) -> list[Block]:
    """A grey line for each person who took it in hand."""
    manner = manner_of(pinging=of.pinging)
    return [builders.context(f"{builders.PERSON} {acknowledged(hand, manner)}") for hand in of.hands]


def spoken_hands(of: Crowd) -> list[str]:
    return [f"{acknowledged(hand, SPOKEN)}." for hand in of.hands]


def buttons(of: Crowd) -> Block:
    """Build the row of buttons: open the list; acknowledge all that is open, or undo what was acknowledged here."""
    if not of.hands:
        return builders.actions(open_the_list(), _acknowledge_all(of))
    return builders.actions(open_the_list(), *([_undo_all(of)] if of.taken_here else []))


def open_the_list() -> Block:
    """Build the button that lists everything that needs attention: members of this message may be in any state."""
    value = actions.encode(List(1, NEEDS_ATTENTION))
    return builders.button("Open the list", actions.LIST, value, label="Open the list, shown only to you")


def _acknowledge_all(of: Crowd) -> Block:
    number = len(of.free)
    these = "this invitation" if number == 1 else f"these {number} invitations"
    question = builders.confirm(
        f"Acknowledge {number}?", f"Reminders for {these} stop. Later changes still show here.", "Acknowledge"
    )
    return builders.button("Acknowledge all", actions.ACKNOWLEDGE, _value(of, Deed.ACKNOWLEDGED), confirm=question)


def _undo_all(of: Crowd) -> Block:
    return builders.button("Undo", actions.UNDO, _value(of, Deed.UNACKNOWLEDGED), label="Undo the acknowledgement")


def _value(of: Crowd, kind: Deed) -> str:
    return actions.encode(AlertAction(kind, of.message_id, batch=True))
