"""What stands in threads: the lines of a problem, some of which the channel shows as well, and a digest's names."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate
from typing import Any

from bot.blocks import builders
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import (
    EDITED,
    SPOKEN,
    advice,
    before_quiet,
    happened,
    introduced,
    replaced,
    sentence,
    spoken,
)
from bot.blocks.context import Look
from bot.blocks.times import alone, date
from bot.episodes import Episode, Event, Kind, State
from bot.ports import Block, Message
from bot.text import ACCOUNT, NAME, Limit, account_of, cut, escape, name_of, units

SHORT_NAME = Limit(8, 16)
SHORT_ACCOUNT = Limit(24, 24)
ROOM = builders.MAX_MESSAGE - 500  # for names; the rest is for the blocks round them
ROOM_IN_TEXT = 3700  # Slack advises 4,000; the rest is for the words of states


def line(episode: Episode, facts: Mapping[str, Any], look: Look, *, pinging: bool) -> Message:
    """What happened to one invitation, as it was when the line was written down.

    What is urgent, or is to be seen in the channel as well, names its account: it stands there alone.
    """
    then, call = _as_it_was(episode, facts), facts.get("call", False)
    urgent = episode_text.urgent(then, look.smallest_lead)
    if "state" in facts:
        shown = _change(then)
    elif urgent or call:
        mention = look.mention if pinging and call and episode_text.loud(then, look.smallest_lead) else ""
        shown = _call(then, look.smallest_lead, mention)
    else:
        shown = f"{episode_text.icon(then)} {episode_text.state_words(then).capitalize()}{_until(then)}."
    blocks = [builders.section(f"{shown} {before_quiet(facts, EDITED.date)}".rstrip())]
    if call and then.state in (State.REJECTED, State.EXPIRED):
        blocks.append(
            builders.actions(builders.console())
        )  # the channel shows it without the buttons of its thread
    said = spoken(then, look.smallest_lead)
    if then.state is State.REPLACED:
        said = f"{introduced(then)} A{replaced(then, SPOKEN)[1:]}"
    return Message(f"{said} {before_quiet(facts, SPOKEN.date)}".rstrip(), blocks)


def names(told: Sequence[Episode]) -> Message:
    """Members of a digest by name and account, a line each. Those for which there is no room are counted."""
    text = _spoken_names(told)
    return builders.fitting(
        lambda: Message(text, _sections([_name(episode, NAME, ACCOUNT) for episode in told])),
        lambda: Message(text, _sections(_shortened(told))),
    )


def _as_it_was(episode: Episode, facts: Mapping[str, Any]) -> Episode:
    if facts.get("kind") == Kind.EXPIRING:
        passed = Event(Kind.EXPIRING, timedelta(seconds=facts["lead"]))
        return replace(episode, state=State.WAITING, told=(passed,))
    if "kind" in facts and episode.state in (State.EXPIRED, State.REJECTED):
        return episode  # one problem may have become the other while the line waited
    return replace(episode, state=State(facts["state" if "state" in facts else "kind"]))


def _change(episode: Episode) -> str:
    """`✅ Bound: bo•••le accepted, 12 min before the deadline.`"""
    word = episode_text.standing(episode).capitalize()
    if episode.state is State.WAITING:
        word = "Waiting again"
        if episode.expires_at:
            word += f", {date(episode.expires_at, words='until ')}"
    if episode.state is State.REPLACED:
        return f"{episode_text.icon(episode)} {word}: {replaced(episode, EDITED)}"
    return f"{episode_text.icon(episode)} {word}: {happened(episode, EDITED)}. {advice(episode)}".rstrip()


def _call(episode: Episode, smallest_lead: timedelta, mention: str) -> str:
    """`⏰ *小波* · less than 1 h left, until 9:53 AM. @care-leads please ask bo•••le to accept in WeChat.`"""
    what = f"{episode_text.icon(episode)} *{episode_text.label(episode)}* · {episode_text.state_words(episode)}"
    if episode.state is State.WAITING:
        please = f"{mention} please" if mention else "Please"
        return f"{what}{_until(episode)}. {please} ask {episode_text.person(episode)} to accept in WeChat."
    return " ".join(filter(None, [f"{what}.", mention, sentence(episode, smallest_lead, EDITED)]))


def _until(episode: Episode) -> str:
    """Until when, as seen from the moment the lead passed: of a near one the clock says enough."""
    deadline, lead = episode.expires_at, episode_text.passed_lead(episode)
    return f", {date(deadline, alone(deadline, deadline - lead), 'until ')}" if deadline and lead else ""


def _name(episode: Episode, name: Limit, account: Limit) -> str:
    """`⛔ Chen · chen@harbour_tea`"""
    shown = cut(name_of(episode.kf_nick), name), cut(account_of(episode.seat, episode.kf_id), account)
    return f"{episode_text.icon(episode)} {' · '.join(map(escape, shown))}"


def _shortened(told: Sequence[Episode]) -> list[str]:
    lines = [_name(episode, SHORT_NAME, SHORT_ACCOUNT) for episode in told]
    kept = _within(lines, ROOM, lambda line: builders.size([builders.mrkdwn(line)]))
    return lines[:kept] + ([f"and {len(lines) - kept} more"] if lines[kept:] else [])


def _sections(lines: Sequence[str]) -> list[Block]:
    """The lines in as few sections as hold them."""
    texts = [""]
    for line in lines:
        if units(f"{texts[-1]}\n{line}") > builders.MAX_TEXT:
            texts.append("")
        texts[-1] = f"{texts[-1]}\n{line}".strip()
    return [builders.section(text, expand=True) for text in texts]


def _spoken_names(told: Sequence[Episode]) -> str:
    def both(episode: Episode) -> str:
        return f"{episode_text.name(episode)} ({episode_text.account(episode)})"

    kept = _within([both(episode) for episode in told], ROOM_IN_TEXT, lambda word: units(word) + len(", "))
    groups = episode_text.by_standing(told[:kept]).items()
    parts = [f"{word.capitalize()}: {', '.join(map(both, group))}." for word, group in groups]
    return " ".join([*parts, *([f"And {len(told) - kept} more."] if told[kept:] else [])])


def _within(words: Sequence[str], room: int, length: Callable[[str], int]) -> int:
    """How many of the words there is room for."""
    return bisect_right(list(accumulate(map(length, words))), room)
