"""The digest of many simultaneous alerts, and the summary of the first run. Both get smaller as episodes close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus, Episode, EpisodeState
from bot.blocks import builders
from bot.blocks.channel import episode_text, groups
from bot.blocks.channel.groups import FEW, GOOD_TEXT, SHOWN, GroupView
from bot.blocks.context import RenderContext
from bot.blocks.times import date
from bot.ports import Block, Message
from bot.text import units

# Has rows in a first-run summary; an unknown state has none, because it is not watched.
TRACKED = tuple(state for state in NEEDS_ATTENTION if state is not AccountStatus.UNKNOWN)


def digest(view: GroupView) -> Message:
    """Render one message for many simultaneous alerts."""
    text = _plain_text_of_digest(view)
    return builders.first_that_fits(
        lambda: Message(text, _digest(view, SHOWN)),
        lambda: Message(text, _digest(view, FEW)),
    )


def first_run(view: GroupView) -> Message:
    """Render the problems that the first poll found, together."""
    total, context = view.payload["total"], view.context
    counts = {AccountStatus(state): number for state, number in view.payload["counts"].items()}
    title = context.count("Now watching {number} account", "Now watching {number} accounts", total)
    text = context.as_text.count(
        "Now watching {number} customer-service account",
        "Now watching {number} customer-service accounts",
        total,
    )
    blocks = _first_run(view, _verdict(view, title, counts), counts)
    return Message(_plain_text_of_first_run(view, _verdict(view, text, counts)), blocks)


def _digest(view: GroupView, most: int) -> list[Block]:
    context, total = view.context, len(view.all)
    when = builders.context(context.say("Noticed {when}", when=date(noticed(view.payload), context)))
    settled = groups.settled(view.settled, most, context)
    if not view.open:
        title = context.say("{number} at once: all settled", number=total)
        return [builders.section(f"{builders.FINE} *{title}*"), *settled, when]
    few = total <= SHOWN
    verdict = episode_text.counted(view.open, context)
    if view.settled:
        verdict = context.say("{number} still open", number=len(view.open))
    hints = _hints(
        view,
        context.say("So many at once usually has one cause, for example a change in the WeChat console."),
    )
    names = groups.names(view.open, most, context)
    return [
        *groups.title(view, context.say("{number} at once: {verdict}", number=total, verdict=verdict)),
        *(groups.rows(view.all, context, SHOWN) if few else [*names, *settled]),
        *([builders.context(hints)] if hints else []),
        *groups.acknowledgement_lines(view),
        groups.buttons(view),
        when,
    ]


def _plain_text_of_digest(view: GroupView) -> str:
    context = view.context.as_text
    what = context.count(
        "{number} invitation changed at once", "{number} invitations changed at once", len(view.all)
    )
    if not view.open:
        counts = episode_text.counted(view.all, context)
        total = context.say("{what}; all settled: {counts}.", what=what, counts=counts)
        return context.paragraph(total, _hints(view, ""))
    counts = episode_text.counted(view.open, context)
    if view.settled:
        number = len(view.open)
        total = context.say("{what}; {number} still open: {counts}.", what=what, number=number, counts=counts)
    else:
        total = context.say("{what}: {counts}.", what=what, counts=counts)
    by_word = [*episode_text.by_state_word(view.open).items()]
    # A digest with rows has no names in its thread, and the fallback text must be complete without the blocks.
    shown, most = (by_word, SHOWN) if len(view.all) <= SHOWN else (by_word[:1], FEW)
    return context.paragraph(
        total,
        *(
            _named(view, word, [_name(view, episode, lead=True) for episode in group], most)
            for word, group in shown
        ),
        _hints(view, context.say("One cause is likely.")),
        *groups.plain_text_acknowledgements(view),
    )


def _named(view: GroupView, word: str, names: Sequence[str], most: int) -> str:
    """Write `Rejected: Chen, 夜班一号 and 8 more.`"""
    context = view.context.as_text
    state = context.capitalized(context.state(word))
    return context.say("{state}: {names}.", state=state, names=context.some(names, most))


def _hints(view: GroupView, one_cause: str) -> str:
    """Suggest one cause if most episodes changed to one problem at once, and refer to the thread for more names."""
    at_once = Counter(episode.state for episode in view.all if episode.state_since <= noticed(view.payload))
    # Not deadlines that come near together: these only have a common date of invitation.
    most = max(at_once[EpisodeState.REJECTED], at_once[EpisodeState.EXPIRED])
    suggested = one_cause if most > SHOWN and 2 * most > len(view.all) else ""
    named = view.context.say("Every account is named in the thread.") if len(view.all) > SHOWN else ""
    return view.context.paragraph(suggested, named)


def _name(view: GroupView, episode: Episode, *, lead: bool = False) -> str:
    """Write a name for the fallback text, with the deadline of an urgent one, and the passed lead if `lead`."""
    context = view.context.as_text
    label = episode_text.label(episode, context)
    close = episode_text.passed_lead(episode) is not None and episode_text.is_urgent(episode, context)
    if not close or episode.expires_at is None:
        return label
    when = date(episode.expires_at, context)
    if not lead:
        return context.say("{name} (until {when})", name=label, when=when)
    left = episode_text.state_words(episode, context)
    return context.say("{name} ({left}, until {when})", name=label, left=left, when=when)


def _verdict(view: GroupView, watching: str, counts: Mapping[AccountStatus, int]) -> str:
    context = view.context
    if not view.open:
        return context.say("{watching}: all of these settled", watching=watching)
    if _has_moved(view):
        return context.say("{watching}: {number} of these still open", watching=watching, number=len(view.open))
    due = sum(counts.get(state, 0) for state in NEEDS_ATTENTION)
    return context.count(
        "{watching}, {number} needs attention", "{watching}, {number} need attention", due, watching=watching
    )


def _first_run(view: GroupView, title: str, counts: Mapping[AccountStatus, int]) -> list[Block]:
    context = view.context
    were_here = context.say("These were here before the first look, so they come together and once.")
    origin = builders.context(context.paragraph(were_here, _from_now_on(context)))
    if not view.open:
        heading = builders.section(f"{builders.FINE} *{title}*")
        return [heading, *groups.settled(view.settled, SHOWN, context), origin]
    others = {str(state): counts.get(state, 0) for state in AccountStatus if state not in TRACKED}
    also = any(others.values()) and not _has_moved(view)
    counted = builders.section(builders.icons_and_counts(context.say("Also"), others, context))
    return [
        builders.header(title),
        *groups.rows(view.all, context, SHOWN),
        *([builders.divider(), counted] if also else []),
        builders.actions(groups.open_the_list(context)),
        origin,
    ]


def _plain_text_of_first_run(view: GroupView, verdict: str) -> str:
    context = view.context.as_text

    def text(most: int) -> str:
        by_word = episode_text.by_state_word(view.all).items()
        named = (_named(view, word, [_name(view, one) for one in group], most) for word, group in by_word)
        return context.paragraph(context.say("{what}.", what=verdict), *named, _from_now_on(context))

    return text(SHOWN) if units(text(SHOWN)) <= GOOD_TEXT else text(FEW)


def _from_now_on(context: RenderContext) -> str:
    return context.say("From now on each change gets its own message.")


def noticed(payload: Mapping[str, Any]) -> datetime:
    """Return when the events of a group message were noticed."""
    return datetime.fromtimestamp(payload["noticed"], UTC)


def _has_moved(view: GroupView) -> bool:
    """Return whether any episode has changed its state since."""
    return any(episode.closed or episode.state_since > noticed(view.payload) for episode in view.all)
