"""What came while the channel was left alone: what is still true of it, and what came and went meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.blocks import builders
from bot.blocks.channel import episode_text, groups
from bot.blocks.channel.groups import FEW, GOOD_TEXT, SHOWN, Crowd
from bot.blocks.channel.wording import EDITED, SPOKEN, Dates
from bot.episodes import Episode, State
from bot.ports import Block, Message
from bot.text import some, units

TITLE = "While it was quiet"


def after_quiet(of: Crowd) -> Message:
    """The root of one stretch of quiet hours."""
    text = next((said for most in (SHOWN, FEW) if units(said := _spoken(of, most)) <= GOOD_TEXT), _spoken(of, 1))
    return builders.fitting(
        lambda: Message(text, _blocks(of, SHOWN, SHOWN)),
        lambda: Message(text, _blocks(of, SHOWN, FEW)),
        lambda: Message(text, _blocks(of, FEW, FEW)),
    )


def _blocks(of: Crowd, rows: int, names: int) -> list[Block]:
    came, window = _came_and_went(of, names), builders.context(_window(of, EDITED.date))
    settled = groups.settled(_settled_since(of), names)
    if not of.open:
        all_well = builders.section(f"{builders.FINE} *{TITLE}, all was settled.*")
        return [all_well, *([builders.section(came)] if came else []), *settled, window]
    return [
        *groups.title(of, _verdict(of)),
        *groups.rows(of.open, rows, noticed=True),
        *([builders.divider(), builders.section(came)] if came else []),
        *settled,
        *groups.hands(of),
        groups.buttons(of),
        window,
    ]


def _spoken(of: Crowd, most: int) -> str:
    by_word = episode_text.by_standing([*of.open, *_settled_since(of)]).items()
    named = [f"{word.capitalize()}: {some([*map(episode_text.label, group)], most)}." for word, group in by_word]
    came = _came_and_went(of, most)
    verdict = f"{_verdict(of)}." if of.open else f"{TITLE}, all was settled."
    said = [verdict, *named, came and f"{came}.", *groups.spoken_hands(of), f"{_window(of, SPOKEN.date)}."]
    return " ".join(filter(None, said))


def _verdict(of: Crowd) -> str:
    # An invitation that has time again needs nobody, and is still open.
    due = [episode for episode in of.open if episode_text.standing(episode) != State.WAITING]
    if _settled_since(of) or not due:
        return f"{TITLE}: {len(of.open)} still open"
    return f"{TITLE}: {len(due)} {'needs' if len(due) == 1 else 'need'} attention"


def _settled_since(of: Crowd) -> list[Episode]:
    """Those that were settled when the quiet hours were over."""
    return [episode for episode in of.settled if episode.since >= _moment(of, "ends")]


def _came_and_went(of: Crowd, most: int) -> str:
    """`Came and went: Anna, expiring then bound`"""
    gone = [episode for episode in of.settled if episode.since < _moment(of, "ends")]
    more = f" and {len(gone) - most} more" if gone[most:] else ""
    what = "; ".join(f"{episode_text.label(episode)}, {_course(of, episode)}" for episode in gone[:most])
    return f"Came and went: {what}{more}" if gone else ""


def _course(of: Crowd, episode: Episode) -> str:
    kinds: Sequence[str] = of.facts["held"].get(episode.id, ())
    return " then ".join(dict.fromkeys([*kinds, episode_text.standing(episode)]))


def _window(of: Crowd, date: Dates) -> str:
    once = f"{date(_moment(of, 'begins'), words='Quiet hours, ')} {date(_moment(of, 'ends'), words='to ')}"
    return f"Quiet hours, {of.look.policy.quiet}" if of.look.policy.quiet else once


def _moment(of: Crowd, which: str) -> datetime:
    return datetime.fromtimestamp(of.facts[which], UTC)
