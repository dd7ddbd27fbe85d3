"""The summary after quiet hours: problems that still exist, and those that came and went meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import reduce

from bot.alerting.episode import Episode, EpisodeState
from bot.blocks import builders
from bot.blocks.channel import episode_text, groups
from bot.blocks.channel.groups import FEW, GOOD_TEXT, SHOWN, GroupView
from bot.blocks.context import RenderContext
from bot.blocks.times import date, quiet_window
from bot.ports import Block, Message
from bot.text import units


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
    settled = groups.settled(_settled_since(view), names, view.context)
    if not view.open:
        all_well = builders.section(f"{builders.FINE} *{_all_settled(view.context)}*")
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
    context = view.context.as_text
    by_word = episode_text.by_state_word([*view.open, *_settled_since(view)]).items()
    came = _came_and_went(view, most)
    return context.paragraph(
        context.say("{what}.", what=_headline(view)) if view.open else _all_settled(context),
        *(
            context.say(
                "{state}: {names}.",
                state=context.capitalized(context.state(word)),
                names=episode_text.labels(group, most, context),
            )
            for word, group in by_word
        ),
        came and context.say("{what}.", what=came),
        *groups.plain_text_acknowledgements(view),
        context.say("{what}.", what=_window(view, context)),
    )


def _all_settled(context: RenderContext) -> str:
    return context.say("While it was quiet, all was settled.")


def _headline(view: GroupView) -> str:
    # An invitation that waits again after a new deadline needs no user, and is still open.
    due = [episode for episode in view.open if episode_text.state_word(episode) != EpisodeState.WAITING]
    if _settled_since(view) or not due:
        return view.context.say("While it was quiet: {number} still open", number=len(view.open))
    return view.context.count(
        "While it was quiet: {number} needs attention", "While it was quiet: {number} need attention", len(due)
    )


def _settled_since(view: GroupView) -> list[Episode]:
    """Return the episodes that were closed after the quiet hours."""
    return [episode for episode in view.settled if episode.state_since >= _moment(view, "ends")]


def _came_and_went(view: GroupView, most: int) -> str:
    """Write `Came and went: Anna, expiring then bound`; "" if none did."""
    context = view.context
    gone = [episode for episode in view.settled if episode.state_since < _moment(view, "ends")]
    if not gone:
        return ""
    courses = []
    for episode in gone:
        words = dict.fromkeys([*view.payload["held"].get(episode.id, ()), episode_text.state_word(episode)])
        course = reduce(
            lambda before, after: context.say("{before} then {after}", before=before, after=after),
            map(context.state, words),
        )
        courses.append(context.say("{name}, {course}", name=episode_text.label(episode, context), course=course))
    return context.say("Came and went: {list}", list=context.some_clauses(courses, most))


def _window(view: GroupView, context: RenderContext) -> str:
    if quiet := context.policy.quiet:
        return context.say("Quiet hours, {window}", window=quiet_window(quiet, context))
    begins, ends = (date(_moment(view, key), context) for key in ("begins", "ends"))
    window = context.say("{begins} to {ends}", begins=begins, ends=ends)
    return context.say("Quiet hours, {window}", window=window)


def _moment(view: GroupView, key: str) -> datetime:
    return datetime.fromtimestamp(view.payload[key], UTC)
