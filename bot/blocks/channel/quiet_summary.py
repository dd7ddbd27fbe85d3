"""The summary after quiet hours: problems that still exist, and those that came and went meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.alerting.episode import Episode, EpisodeState
from bot.blocks import builders
from bot.blocks.channel import episode_text, groups
from bot.blocks.channel.groups import FEW, GOOD_TEXT, SHOWN, GroupView
from bot.blocks.context import RenderContext
from bot.blocks.times import date
from bot.ports import Block, Message
from bot.text import some, units

TITLE = "While it was quiet"


def quiet_summary(view: GroupView) -> Message:
    """Render the summary of one period of quiet hours."""
    texts = (_plain_text(view, most) for most in (SHOWN, FEW))
    text = next((text for text in texts if units(text) <= GOOD_TEXT), "") or _plain_text(view, 1)
    return builders.first_that_fits(
        lambda: Message(text, _blocks(view, SHOWN, SHOWN)),
        lambda: Message(text, _blocks(view, SHOWN, FEW)),
        lambda: Message(text, _blocks(view, FEW, FEW)),
    )


def _blocks(view: GroupView, rows: int, names: int) -> list[Block]:
    came, window = _came_and_went(view, names), builders.context(_window(view, view.context))
    settled = groups.settled(_settled_since(view), names)
    if not view.open:
        all_well = builders.section(f"{builders.FINE} *{TITLE}, all was settled.*")
        return [all_well, *([builders.section(came)] if came else []), *settled, window]
    return [
        *groups.title(view, _headline(view)),
        *groups.rows(view.open, view.context, rows, noticed=True),
        *([builders.divider(), builders.section(came)] if came else []),
        *settled,
        *groups.acknowledgement_lines(view),
        groups.buttons(view),
        window,
    ]


def _plain_text(view: GroupView, most: int) -> str:
    by_word = episode_text.by_state_word([*view.open, *_settled_since(view)]).items()
    came = _came_and_went(view, most)
    parts = [
        f"{_headline(view)}." if view.open else f"{TITLE}, all was settled.",
        *(f"{word.capitalize()}: {some([*map(episode_text.label, group)], most)}." for word, group in by_word),
        came and f"{came}.",
        *groups.plain_text_acknowledgements(view),
        f"{_window(view, view.context.as_text)}.",
    ]
    return " ".join(filter(None, parts))


def _headline(view: GroupView) -> str:
    # An invitation that waits again after a new deadline needs no user, and is still open.
    due = [episode for episode in view.open if episode_text.state_word(episode) != EpisodeState.WAITING]
    if _settled_since(view) or not due:
        return f"{TITLE}: {len(view.open)} still open"
    return f"{TITLE}: {len(due)} {'needs' if len(due) == 1 else 'need'} attention"


def _settled_since(view: GroupView) -> list[Episode]:
    """Return the episodes that were closed after the quiet hours."""
    return [episode for episode in view.settled if episode.state_since >= _moment(view, "ends")]


def _came_and_went(view: GroupView, most: int) -> str:
    """Write `Came and went: Anna, expiring then bound`; "" if none did."""
    gone = [episode for episode in view.settled if episode.state_since < _moment(view, "ends")]
    more = f" and {len(gone) - most} more" if gone[most:] else ""
    courses = []
    for episode in gone[:most]:
        words = dict.fromkeys([*view.payload["held"].get(episode.id, ()), episode_text.state_word(episode)])
        courses.append(f"{episode_text.label(episode)}, {' then '.join(words)}")
    return f"Came and went: {'; '.join(courses)}{more}" if gone else ""


def _window(view: GroupView, context: RenderContext) -> str:
    if quiet := context.policy.quiet:
        return f"Quiet hours, {quiet}"
    begins = date(_moment(view, "begins"), context, words="Quiet hours, ")
    return f"{begins} {date(_moment(view, 'ends'), context, words='to ')}"


def _moment(view: GroupView, key: str) -> datetime:
    return datetime.fromtimestamp(view.payload[key], UTC)
