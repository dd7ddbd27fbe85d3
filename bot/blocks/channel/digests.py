"""The digest of many simultaneous alerts, and the summary of the first run. Both get smaller as episodes close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus, Episode, EpisodeState
from bot.blocks import builders
from bot.blocks.channel import episode_text, groups
from bot.blocks.channel.groups import FEW, GOOD_TEXT, SHOWN, GroupView
from bot.blocks.times import date
from bot.ports import Block, Message
from bot.text import many, some, units

# Has rows in a first-run summary; an unknown state has none, because it is not watched.
TRACKED = tuple(state for state in NEEDS_ATTENTION if state is not AccountStatus.UNKNOWN)
ONE_CAUSE = "So many at once usually has one cause, for example a change in the WeChat console."
NAMED = "Every account is named in the thread."
FROM_NOW_ON = "From now on each change gets its own message."


def digest(view: GroupView) -> Message:
    """Render one message for many simultaneous alerts."""
    text = _plain_text_of_digest(view)
    return builders.first_that_fits(
        lambda: Message(text, _digest(view, SHOWN)),
        lambda: Message(text, _digest(view, FEW)),
    )


def first_run(view: GroupView) -> Message:
    """Render the problems that the first poll found, together."""
    total = view.payload["total"]
    counts = {AccountStatus(state): number for state, number in view.payload["counts"].items()}
    verdict = _verdict(view, counts)
    text = f"Now watching {many(total, 'customer-service account')};{verdict[1:]}"
    blocks = _first_run(view, f"Now watching {many(total, 'account')}{verdict}", counts)
    return Message(_plain_text_of_first_run(view, text), blocks)


def _digest(view: GroupView, most: int) -> list[Block]:
    title = f"{len(view.all)} at once"
    noticed = builders.context(date(_noticed(view), view.context, words="Noticed "))
    settled = groups.settled(view.settled, most)
    if not view.open:
        return [builders.section(f"{builders.FINE} *{title}: all settled*"), *settled, noticed]
    few = len(view.all) <= SHOWN
    verdict = f"{len(view.open)} still open" if view.settled else episode_text.counted(view.open)
    return [
        *groups.title(view, f"{title}: {verdict}"),
        *(groups.rows(view.all, view.context, SHOWN) if few else [*groups.names(view.open, most), *settled]),
        *([builders.context(" ".join(hints))] if (hints := _hints(view, ONE_CAUSE)) else []),
        *groups.acknowledgement_lines(view),
        groups.buttons(view),
        noticed,
    ]


def _plain_text_of_digest(view: GroupView) -> str:
    total = f"{len(view.all)} invitations changed at once"
    if not view.open:
        return " ".join([f"{total}; all settled: {episode_text.counted(view.all)}.", *_hints(view, "")])
    total += f"; {len(view.open)} still open" if view.settled else ""
    by_word = episode_text.by_state_word(view.open).items()
    # A digest with rows has no names in its thread, and the fallback text must be complete without the blocks.
    shown, most = (by_word, SHOWN) if len(view.all) <= SHOWN else ([*by_word][:1], FEW)
    names = [
        f"{word.capitalize()}: {some([_name(view, episode, lead=True) for episode in group], most)}."
        for word, group in shown
    ]
    return " ".join(
        [
            f"{total}: {episode_text.counted(view.open)}.",
            *names,
            *_hints(view, "One cause is likely."),
            *groups.plain_text_acknowledgements(view),
        ]
    )


def _hints(view: GroupView, one_cause: str) -> list[str]:
    """Suggest one cause if most episodes changed to one problem at once, and refer to the thread for more names."""
    at_once = Counter(episode.state for episode in view.all if episode.state_since <= _noticed(view))
    # Not deadlines that come near together: these only have a common date of invitation.
    most = max(at_once[EpisodeState.REJECTED], at_once[EpisodeState.EXPIRED])
    suggested = [one_cause] if one_cause and most > SHOWN and 2 * most > len(view.all) else []
    return [*suggested, *([NAMED] if len(view.all) > SHOWN else [])]


def _name(view: GroupView, episode: Episode, *, lead: bool = False) -> str:
    """Write a name for the fallback text, with the deadline of an urgent one, and the passed lead if `lead`."""
    label = episode_text.label(episode)
    close = episode_text.passed_lead(episode) is not None and episode_text.is_urgent(episode, view.context)
    if not close or episode.expires_at is None:
        return label
    soon = f"{episode_text.state_words(episode)}, " if lead else ""
    return f"{label} ({soon}until {date(episode.expires_at, view.context.as_text)})"


def _verdict(view: GroupView, counts: Mapping[AccountStatus, int]) -> str:
    if not view.open:
        return ": all of these settled"
    if _has_moved(view):
        return f": {len(view.open)} of these still open"
    due = sum(counts.get(state, 0) for state in NEEDS_ATTENTION)
    return f", {due} {'needs' if due == 1 else 'need'} attention"


def _first_run(view: GroupView, title: str, counts: Mapping[AccountStatus, int]) -> list[Block]:
    words = f"These were here before the first look, so they come together and once. {FROM_NOW_ON}"
    origin = builders.context(words)
    if not view.open:
        heading = builders.section(f"{builders.FINE} *{title}*")
        return [heading, *groups.settled(view.settled, SHOWN), origin]
    others = {str(state): counts.get(state, 0) for state in AccountStatus if state not in TRACKED}
    also = any(others.values()) and not _has_moved(view)
    return [
        builders.header(title),
        *groups.rows(view.all, view.context, SHOWN),
        *([builders.divider(), builders.section(builders.icons_and_counts("Also", others))] if also else []),
        builders.actions(groups.open_the_list()),
        origin,
    ]


def _plain_text_of_first_run(view: GroupView, verdict: str) -> str:
    def text(most: int) -> str:
        by_word = episode_text.by_state_word(view.all).items()
        named = [(word, [_name(view, episode) for episode in group]) for word, group in by_word]
        names = (f"{word.capitalize()}: {some(group, most)}." for word, group in named)
        return " ".join([f"{verdict}.", *names, FROM_NOW_ON])

    return text(SHOWN) if units(text(SHOWN)) <= GOOD_TEXT else text(FEW)


def _noticed(view: GroupView) -> datetime:
    return datetime.fromtimestamp(view.payload["noticed"], UTC)


def _has_moved(view: GroupView) -> bool:
    """Return whether any episode has changed its state since."""
    return any(episode.closed or episode.state_since > _noticed(view) for episode in view.all)
