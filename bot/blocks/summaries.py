"""A digest, and the summary of the first run: many problems in one root. It grows calm as members are settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from bot.blocks import crowd, kit, members
from bot.blocks.crowd import FEW, GOOD_TEXT, SHOWN, Crowd
from bot.blocks.rows import icons_and_counts
from bot.blocks.text import many, some, units
from bot.blocks.times import date, plain_date
from bot.episodes import NEEDS_ATTENTION, Episode, Seen, State
from bot.ports import Block, Message

# Has rows in a first-run summary; an unknown state has not, because nothing of it can be watched.
TRACKED = tuple(state for state in NEEDS_ATTENTION if state is not Seen.UNKNOWN)
ONE_CAUSE = "So many at once usually has one cause, for example a change in the WeChat console."
NAMED = "Every account is named in the thread."
FROM_NOW_ON = "From now on each change gets its own message."


def digest(of: Crowd) -> Message:
    """So many at once that one message tells them all."""
    text = _spoken_digest(of)
    return kit.fitting(
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
    title, noticed = f"{len(of.all)} at once", kit.context(date(_noticed(of), words="Noticed "))
    settled = crowd.settled(of.settled, most)
    if not of.open:
        return [kit.section(f"{kit.FINE} *{title}: all settled*"), *settled, noticed]
    few = len(of.all) <= SHOWN
    verdict = f"{len(of.open)} still open" if of.settled else members.counted(of.open)
    return [
        *crowd.title(of, f"{title}: {verdict}"),
        *(crowd.rows(of.all, SHOWN) if few else [*crowd.names(of.open, most), *settled]),
        *([kit.context(" ".join(hints))] if (hints := _hints(of, ONE_CAUSE)) else []),
        *crowd.hands(of),
        crowd.buttons(of),
        noticed,
    ]


def _spoken_digest(of: Crowd) -> str:
    what = f"{len(of.all)} invitations changed at once"
    if not of.open:
        return " ".join([f"{what}; all settled: {members.counted(of.all)}.", *_hints(of, "")])
    what += f"; {len(of.open)} still open" if of.settled else ""
    groups = members.by_standing(of.open).items()
    # A digest with rows has no names in its thread, and `text` is complete on its own.
    shown, most = (groups, SHOWN) if len(of.all) <= SHOWN else ([*groups][:1], FEW)
    names = [
        f"{word.capitalize()}: {some([_hurried(of, episode, lead=True) for episode in group], most)}."
        for word, group in shown
    ]
    said = [f"{what}: {members.counted(of.open)}.", *names]
    return " ".join([*said, *_hints(of, "One cause is likely."), *crowd.spoken_hands(of)])


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
    urgent = members.passed_lead(episode) is not None and members.urgent(episode, of.look.smallest_lead)
    if not urgent or episode.expires_at is None:
        return members.label(episode)
    soon = f"{members.state_words(episode)}, " if lead else ""
    return f"{members.label(episode)} ({soon}until {plain_date(episode.expires_at)})"


def _verdict(of: Crowd, counts: Mapping[Seen, int]) -> str:
    if not of.open:
        return ": all of these settled"
    if _moved(of):
        return f": {len(of.open)} of these still open"
    due = sum(counts.get(state, 0) for state in NEEDS_ATTENTION)
    return f", {due} {'needs' if due == 1 else 'need'} attention"


def _first_run(of: Crowd, title: str, counts: Mapping[Seen, int]) -> list[Block]:
    origin = kit.context(f"These were here before the first look, so they come together and once. {FROM_NOW_ON}")
    if not of.open:
        return [kit.section(f"{kit.FINE} *{title}*"), *crowd.settled(of.settled, SHOWN), origin]
    others = {str(state): counts.get(state, 0) for state in Seen if state not in TRACKED}
    also = any(others.values()) and not _moved(of)
    return [
        kit.header(title),
        *crowd.rows(of.all, SHOWN),
        *([kit.divider(), kit.section(icons_and_counts("Also", others))] if also else []),
        kit.actions(crowd.open_the_list()),
        origin,
    ]


def _spoken_first_run(of: Crowd, verdict: str) -> str:
    def text(most: int) -> str:
        groups = members.by_standing(of.all).items()
        named = [(word, [_hurried(of, episode) for episode in group]) for word, group in groups]
        names = (f"{word.capitalize()}: {some(group, most)}." for word, group in named)
        return " ".join([f"{verdict}.", *names, FROM_NOW_ON])

    return text(SHOWN) if units(text(SHOWN)) <= GOOD_TEXT else text(FEW)


def _noticed(of: Crowd) -> datetime:
    return datetime.fromtimestamp(of.facts["noticed"], UTC)


def _moved(of: Crowd) -> bool:
    """Whether any of them changed its state since."""
    return any(episode.closed or episode.since > _noticed(of) for episode in of.all)
