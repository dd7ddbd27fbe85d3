"""What stands in threads: the lines of a problem, some of which the channel shows as well, and a digest's names."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate
from typing import Any

from bot.blocks import kit, members
from bot.blocks.alerts import SHOWN, advice, happened, sentence, spoken
from bot.blocks.text import ACCOUNT, NAME, Limit, account_of, cut, escape, name_of, units
from bot.blocks.times import alone, date
from bot.episodes import Episode, Event, Kind, State
from bot.ports import Block, Message

SHORT_NAME = Limit(8, 16)
SHORT_ACCOUNT = Limit(24, 24)
ROOM = kit.MAX_MESSAGE - 500  # for names; the rest is for the blocks round them
ROOM_IN_TEXT = 3900  # Slack advises 4,000


def line(episode: Episode, facts: Mapping[str, Any], smallest_lead: timedelta) -> Message:
    """What happened to one invitation, as it was when the line was written down.

    An event that is urgent names its account, because the channel may show it alone.
    """
    then = _as_it_was(episode, facts)
    if "state" in facts:
        shown = _change(then)
    elif members.urgent(then, smallest_lead):
        shown = _call(then, smallest_lead)
    else:
        shown = f"{members.icon(then)} {members.state_words(then).capitalize()}{_until(then)}."
    return Message(spoken(then, smallest_lead), [kit.section(shown)])


def names(told: Sequence[Episode]) -> Message:
    """Members of a digest by name and account, a line each. Those for which there is no room are counted."""
    text = _spoken_names(told)
    return kit.fitting(
        lambda: Message(text, _sections([_name(episode, NAME, ACCOUNT) for episode in told])),
        lambda: Message(text, _sections(_shortened(told))),
    )


def _as_it_was(episode: Episode, facts: Mapping[str, Any]) -> Episode:
    if facts.get("kind") == Kind.EXPIRING:
        passed = Event(Kind.EXPIRING, timedelta(seconds=facts["lead"]))
        return replace(episode, state=State.WAITING, told=(passed,))
    return replace(episode, state=State(facts["state" if "state" in facts else "kind"]))


def _change(episode: Episode) -> str:
    """`✅ Bound: bo•••le accepted, 12 min before the deadline.`"""
    word = members.standing(episode).capitalize()
    if episode.state is State.WAITING:
        word = "Waiting again"
        if episode.expires_at:
            word += f", until {date(episode.expires_at)}"
    return f"{members.icon(episode)} {word}: {happened(episode, SHOWN)}. {advice(episode)}".rstrip()


def _call(episode: Episode, smallest_lead: timedelta) -> str:
    """`⏰ *小波* · less than 1 h left, until 9:53 AM. Please ask bo•••le to accept in WeChat.`"""
    what = f"{members.icon(episode)} *{members.label(episode)}* · {members.state_words(episode)}"
    if episode.state is State.WAITING:
        return f"{what}{_until(episode)}. Please ask {members.person(episode)} to accept in WeChat."
    return f"{what}. {sentence(episode, smallest_lead, SHOWN)}"


def _until(episode: Episode) -> str:
    """Until when, as seen from the moment the lead passed: of a near one the clock says enough."""
    deadline, lead = episode.expires_at, members.passed_lead(episode)
    return f", until {date(deadline, alone(deadline, deadline - lead))}" if deadline and lead else ""


def _name(episode: Episode, name: Limit, account: Limit) -> str:
    """`⛔ Chen · chen@harbour_tea`"""
    shown = cut(name_of(episode.kf_nick), name), cut(account_of(episode.seat, episode.kf_id), account)
    return f"{members.icon(episode)} {' · '.join(map(escape, shown))}"


def _shortened(told: Sequence[Episode]) -> list[str]:
    lines = [_name(episode, SHORT_NAME, SHORT_ACCOUNT) for episode in told]
    kept = _within(lines, ROOM, lambda line: kit.size([kit.mrkdwn(line)]))
    return lines[:kept] + ([f"and {len(lines) - kept} more"] if lines[kept:] else [])


def _sections(lines: Sequence[str]) -> list[Block]:
    """The lines in as few sections as hold them."""
    texts = [""]
    for line in lines:
        if units(f"{texts[-1]}\n{line}") > kit.MAX_TEXT:
            texts.append("")
        texts[-1] = f"{texts[-1]}\n{line}".strip()
    return [kit.section(text, expand=True) for text in texts]


def _spoken_names(told: Sequence[Episode]) -> str:
    def both(episode: Episode) -> str:
        return f"{members.name(episode)} ({members.account(episode)})"

    kept = _within([both(episode) for episode in told], ROOM_IN_TEXT, lambda word: units(word) + len(", "))
    groups = members.by_standing(told[:kept]).items()
    parts = [f"{word.capitalize()}: {', '.join(map(both, group))}." for word, group in groups]
    return " ".join([*parts, *([f"And {len(told) - kept} more."] if told[kept:] else [])])


def _within(words: Sequence[str], room: int, length: Callable[[str], int]) -> int:
    """How many of the words there is room for."""
    return bisect_right(list(accumulate(map(length, words))), room)
