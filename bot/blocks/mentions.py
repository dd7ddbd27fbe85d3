"""Who took an invitation in hand, as channel messages name them. Their names are foreign text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.episodes import Episode, Hand
from bot.text import NAME, mrkdwn

_USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}")


def named(hand: Hand) -> str:
    """A person by name, which pings nobody."""
    return name(hand.name)


def name(given: str) -> str:
    """Write a person's name as the message shows it: Slack sends a handle, such as `mei`, with a click."""
    shown = mrkdwn(given, NAME)
    return shown.capitalize() if shown.islower() and shown.isalpha() else shown or "somebody"


def linked(hand: Hand) -> str:
    """A person as Slack shows them. For edits only: a post would ping them.

    A click may be forged, so what does not look like a user ID never becomes markup.
    """
    return f"<@{hand.user_id}>" if _USER_ID.fullmatch(hand.user_id) else named(hand)


def called(who: str) -> str:
    """A person or a user group, by an ID out of the settings."""
    return f"<!subteam^{who}>" if who.startswith("S") else f"<@{who}>"


def newest(episodes: Iterable[Episode], most: int) -> list[Hand]:
    """The people who acknowledged any of these, each with the newest time, at most so many."""
    hands = sorted((episode.acked for episode in episodes if episode.acked), key=lambda hand: hand.at)
    by_person = {hand.user_id or hand.name: hand for hand in hands}
    return sorted(by_person.values(), key=lambda hand: (hand.at, hand.user_id, hand.name), reverse=True)[:most]
