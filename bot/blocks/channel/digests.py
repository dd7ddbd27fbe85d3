"""A digest, and the summary of the first run: many problems in one root. It grows calm as members are settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from bot.blocks import builders
from bot.blocks.answers.account_rows import icons_and_counts
from bot.blocks.channel import episode_text, groups
from bot.blocks.channel.groups import FEW, GOOD_TEXT, SHOWN, Crowd
from bot.blocks.times import date, plain_date
from bot.episodes import NEEDS_ATTENTION, Episode, Seen, State
from bot.ports import Block, Message
from bot.text import many, some, units

# Has rows in a first-run summary; an unknown state has not, because nothing of it can be watched.
TRACKED = tuple(state for state in NEEDS_ATTENTION if state is not Seen.UNKNOWN)
ONE_CAUSE = "So many at once usually has one cause, for example a change in the WeChat console."
NAMED = "Every account is named in the thread."
FROM_NOW_ON = "From now on each change gets its own message."


def digest(of: Crowd) -> Message:
    """So many at once that one message tells them all."""
    text = _spoken_digest(of)
    return builders.fitting(
        lambda: Message(text, _digest(of, SHOWN)),
        lambda: Message(text, _digest(of, FEW)),
    )


def first_run(of: Crowd) -> Message:
    """What was there before the first look, told together and once."""
    facts = of.facts
    counts = {Seen(state): number for state, number in facts["counts"].items()}
    verdict = _verdict(of, counts)
    title = f"Now watching {many(facts['total'], 'account')}{verdict}"
    said = f"Now watching {many(facts['total'], 'customer-service account')};{verdict[1:]}"
    return Message(_spoken_first_run(of, said), _first_run(of, title, counts))


def _digest(of: Crowd, most: int) -> list[Block]:
    title, noticed = f"{len(of.all)} at once", builders.context(date(_noticed(of), words="Noticed "))
    settled = groups.settled(of.settled, most)
    if not of.open:
        return [builders.section(f"{builders.FINE} *{title}: all settled*"), *settled, noticed]
    few = len(of.all) <= SHOWN
    verdict = f"{len(of.open)} still open" if of.settled else episode_text.counted(of.open)
    return [
        *groups.title(of, f"{title}: {verdict}"),
        *(groups.rows(of.all, SHOWN) if few else [*groups.names(of.open, most), *settled]),
        *([builders.context(" ".join(hints))] if (hints := _hints(of, ONE_CAUSE)) else []),
        *groups.hands(of),
        groups.buttons(of),
        noticed,
    ]


def _spoken_digest(of: Crowd) -> str:
    what = f"{len(of.all)} invitations changed at once"
    if not of.open:
        return " ".join([f"{what}; all settled: {episode_text.counted(of.all)}.", *_hints(of, "")])
    what += f"; {len(of.open)} still open" if of.settled else ""
    by_word = episode_text.by_standing(of.open).items()
    # A digest with rows has no names in its thread, and `text` is complete on its own.
    shown, most = (by_word, SHOWN) if len(of.all) <= SHOWN else ([*by_word][:1], FEW)
    names = [
        f"{word.capitalize()}: {some([_hurried(of, episode, lead=True) for episode in group], most)}."
        for word, group in shown
    ]
    said = [f"{what}: {episode_text.counted(of.open)}.", *names]
    return " ".join([*said, *_hints(of, "One cause is likely."), *groups.spoken_hands(of)])


def _hints(of: Crowd, one_cause: str) -> list[str]:
    """Say what many equal changes mean, and where the members are named that have no row here."""
    return [*([one_cause] if one_cause and _has_one_cause(of) else []), *([NAMED] if len(of.all) > SHOWN else [])]


def _has_one_cause(of: Crowd) -> bool:
    """Whether many changed to one problem at once. Near deadlines only mean that they were invited together."""
    at_once = Counter(episode.state for episode in of.all if episode.since <= _noticed(of))
    most = max(at_once[State.REJECTED], at_once[State.EXPIRED])
    return most > SHOWN and 2 * most > len(of.all)


def _hurried(of: Crowd, episode: Episode, *, lead: bool = False) -> str:
    """A name for `text`, and until when something can still be done, if that is soon; `lead`: and how soon."""
    urgent = episode_text.passed_lead(episode) is not None and episode_text.urgent(episode, of.look.smallest_lead)
    if not urgent or episode.expires_at is None:
        return episode_text.label(episode)
    soon = f"{episode_text.state_words(episode)}, " if lead else ""
    return f"{episode_text.label(episode)} ({soon}until {plain_date(episode.expires_at)})"


def _verdict(of: Crowd, counts: Mapping[Seen, int]) -> str:
    if not of.open:
        return ": all of these settled"
    if _moved(of):
        return f": {len(of.open)} of these still open"
    due = sum(counts.get(state, 0) for state in NEEDS_ATTENTION)
    return f", {due} {'needs' if due == 1 else 'need'} attention"


def _first_run(of: Crowd, title: str, counts: Mapping[Seen, int]) -> list[Block]:
    origin = builders.context(
        f"These were here before the first look, so they come together and once. {FROM_NOW_ON}"
    )
    if not of.open:
        return [builders.section(f"{builders.FINE} *{title}*"), *groups.settled(of.settled, SHOWN), origin]
    others = {str(state): counts.get(state, 0) for state in Seen if state not in TRACKED}
    also = any(others.values()) and not _moved(of)
    return [
        builders.header(title),
        *groups.rows(of.all, SHOWN),
        *([builders.divider(), builders.section(icons_and_counts("Also", others))] if also else []),
        builders.actions(groups.open_the_list()),
        origin,
    ]


def _spoken_first_run(of: Crowd, verdict: str) -> str:
    def text(most: int) -> str:
        groups = episode_text.by_standing(of.all).items()
        named = [(word, [_hurried(of, episode) for episode in group]) for word, group in groups]
        names = (f"{word.capitalize()}: {some(group, most)}." for word, group in named)
        return " ".join([f"{verdict}.", *names, FROM_NOW_ON])

    return text(SHOWN) if units(text(SHOWN)) <= GOOD_TEXT else text(FEW)


def _noticed(of: Crowd) -> datetime:
    return datetime.fromtimestamp(of.facts["noticed"], UTC)


def _moved(of: Crowd) -> bool:
    """Whether any of them changed its state since."""
    return any(episode.closed or episode.since > _noticed(of) for episode in of.all)
