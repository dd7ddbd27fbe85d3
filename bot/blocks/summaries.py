"""Many problems in one root: a digest, and the summary of the first run. They grow calm as members are settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.blocks import kit, members, rows, values
from bot.blocks.text import many, some, units
from bot.blocks.times import date, utc
from bot.episodes import NEEDS_ATTENTION, Episode, Seen
from bot.ports import Block, Message

SHOWN = 10  # rows, or names of a state
FEW = 3  # names of a state where space is short
GOOD_TEXT = 4000  # what Slack advises for `text`
NAMED = "Every account is named in the thread."
FROM_NOW_ON = "From now on each change gets its own message."


@dataclass(frozen=True, slots=True)
class _Members:
    """All that a summary tells of, worst first."""

    all: Sequence[Episode]
    smallest_lead: timedelta
    noticed: datetime

    @classmethod
    def of(cls, told: Sequence[Episode], facts: Mapping[str, Any], smallest_lead: timedelta) -> _Members:
        noticed = datetime.fromtimestamp(facts["noticed"], UTC)
        return cls(members.in_order(told, smallest_lead), smallest_lead, noticed)

    @property
    def open(self) -> list[Episode]:
        return [episode for episode in self.all if not episode.state.closed]

    @property
    def settled(self) -> list[Episode]:
        return [episode for episode in self.all if episode.state.closed]

    @property
    def moved(self) -> bool:
        """Whether any of them changed its state since."""
        return any(episode.state.closed or episode.since > self.noticed for episode in self.all)


def digest(told: Sequence[Episode], facts: Mapping[str, Any], smallest_lead: timedelta) -> Message:
    """So many at once that one message tells them all."""
    of = _Members.of(told, facts, smallest_lead)
    text = _spoken_digest(of)
    return kit.fitting(
        lambda: Message(text, _digest(of, SHOWN)),
        lambda: Message(text, _digest(of, FEW)),
    )


def first_run(found: Sequence[Episode], facts: Mapping[str, Any], smallest_lead: timedelta) -> Message:
    """What was there before the first look, told together and once."""
    of = _Members.of(found, facts, smallest_lead)
    counts = {Seen(state): number for state, number in facts["counts"].items()}
    verdict = _verdict(of, counts)
    title = f"Now watching {many(facts['total'], 'account')}{verdict}"
    said = f"Now watching {many(facts['total'], 'customer-service account')};{verdict[1:]}"
    return Message(_spoken_first_run(of, said), _first_run(of, title, counts))


def _digest(of: _Members, most: int) -> list[Block]:
    title, noticed = f"{len(of.all)} at once", kit.context(f"Noticed {date(of.noticed)}")
    if not of.open:
        return [kit.section(f"{kit.FINE} *{title}: all settled*"), *_settled(of, most), noticed]
    states = members.by_standing(of.open)
    few = len(of.all) <= SHOWN
    return [
        kit.header(f"{title}: {f'{len(of.open)} still open' if of.settled else members.counted(of.open)}"),
        *(_rows(of) if few else [*_names(states, most), *_settled(of, most)]),
        kit.context(f"So many at once usually has one cause, for example a change in the WeChat console. {NAMED}"),
        kit.actions(_open_the_list(max(states, key=lambda word: len(states[word])))),
        noticed,
    ]


def _spoken_digest(of: _Members) -> str:
    what = f"{len(of.all)} invitations changed at once"
    if not of.open:
        return f"{what}; all settled: {members.counted(of.all)}. {NAMED}"
    what += f"; {len(of.open)} still open" if of.settled else ""
    word, worst = next(iter(members.by_standing(of.open).items()))
    names = f"{word.capitalize()}: {some([members.label(episode) for episode in worst], FEW)}"
    return f"{what}: {members.counted(of.open)}. {names}. One cause is likely. {NAMED}"


def _verdict(of: _Members, counts: Mapping[Seen, int]) -> str:
    if not of.open:
        return ": all of these settled"
    if of.moved:
        return f": {len(of.open)} of these still open"
    due = sum(counts.get(state, 0) for state in NEEDS_ATTENTION)
    return f", {due} {'needs' if due == 1 else 'need'} attention"


def _first_run(of: _Members, title: str, counts: Mapping[Seen, int]) -> list[Block]:
    origin = kit.context(f"These were here before the first look, so they come together and once. {FROM_NOW_ON}")
    if not of.open:
        return [kit.section(f"{kit.FINE} *{title}*"), *_settled(of, SHOWN), origin]
    # An unknown state has no row here, because nothing of it can be watched.
    others = {str(state): counts.get(state, 0) for state in Seen if state not in NEEDS_ATTENTION - {Seen.UNKNOWN}}
    also = any(others.values()) and not of.moved
    return [
        kit.header(title),
        *_rows(of),
        *([kit.divider(), kit.section(rows.icons_and_counts("Also", others))] if also else []),
        kit.actions(_open_the_list()),
        origin,
    ]


def _spoken_first_run(of: _Members, verdict: str) -> str:
    def text(most: int) -> str:
        groups = members.by_standing(of.all).items()
        names = (f"{word.capitalize()}: {some([*map(name, group)], most)}." for word, group in groups)
        return " ".join([f"{verdict}.", *names, FROM_NOW_ON])

    def name(episode: Episode) -> str:
        urgent = members.passed_lead(episode) is not None and members.urgent(episode, of.smallest_lead)
        until = f" (until {utc(episode.expires_at)})" if urgent and episode.expires_at else ""
        return members.label(episode) + until

    return text(SHOWN) if units(text(SHOWN)) <= GOOD_TEXT else text(FEW)


def _rows(of: _Members) -> list[Block]:
    blocks = [block for episode in of.all[:SHOWN] for block in members.row(episode)]
    if hidden := of.all[SHOWN:]:
        blocks.append(kit.context(f"{len(hidden)} more: {members.counted(hidden)}"))
    return blocks


def _names(states: Mapping[str, Sequence[Episode]], most: int) -> list[Block]:
    """A section for each state, with its names."""
    return [
        kit.section(
            f"{members.icon(group[0])} *{word.capitalize()}*\n{some([*map(members.label, group)], most)}",
            expand=True,
        )
        for word, group in states.items()
    ]


def _settled(of: _Members, most: int) -> list[Block]:
    """What became of those that need nobody any more: a grey line for each state."""
    return [
        kit.context(f"{members.icon(group[0])} {word.capitalize()}: {some([*map(members.label, group)], most)}")
        for word, group in members.by_standing(of.settled).items()
    ]


def _open_the_list(state: str | None = None) -> Block:
    value = values.listing(1, state)
    return kit.button("Open the list", "kf.list", value, label="Open the list, shown only to you")
