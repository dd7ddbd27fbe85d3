"""Replies in threads: changes of an episode, actions of users, and the names behind a digest."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import AlertEvent, AlertKind, Episode, EpisodeState
from bot.blocks import builders, mentions
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import (
    advice,
    introduction,
    outcome,
    plain_text,
    quiet_notice,
    replacement,
    sentence,
    until,
)
from bot.blocks.context import RenderContext, RenderMode
from bot.blocks.times import date
from bot.ports import Block, Message
from bot.text import ACCOUNT, NAME, Limit, account_of, cut, escape, name_of, units

SHORT_NAME = Limit(8, 16)
SHORT_ACCOUNT = Limit(24, 24)
ROOM = builders.MAX_MESSAGE - 500  # for names; the rest is for the blocks round them
ROOM_IN_TEXT = 3700  # Slack advises 4,000; the rest is for the state words


def change_reply(episode: Episode, payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Report a change of one episode, in the state that it had when the reply was recorded.

    A reply that is urgent, or broadcast to the channel, names its account: the channel shows it without its thread.
    """
    then, call = _at_recording(episode, payload), payload.get("call", False)
    if "state" in payload:
        shown = _change(then, context)
    elif call or episode_text.is_urgent(then, context):
        mentioned = context.mode is RenderMode.POST and call and episode_text.needs_user(then, context)
        shown = _call(then, context, context.mention if mentioned else "")
    else:
        words = episode_text.state_words(then).capitalize()
        shown = f"{episode_text.icon(then)} {words}{_until_deadline(then, context)}."
    blocks = [builders.section(f"{shown} {quiet_notice(payload, context)}".rstrip())]
    if call and then.state in (EpisodeState.REJECTED, EpisodeState.EXPIRED):
        blocks.append(builders.actions(builders.console()))  # the channel shows it without the thread's buttons
    text = plain_text(then, context)
    if then.state is EpisodeState.REPLACED:
        text = f"{introduction(then, context)} A{replacement(then, context.as_text)[1:]}"
    return Message(f"{text} {quiet_notice(payload, context.as_text)}".rstrip(), blocks)


def user_action_reply(episodes: Sequence[Episode], payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Report the action of a user: `👤 Acknowledged by Mei. No more reminders for this invitation.`

    `episodes` may be one, many, or none if the store no longer has them.
    """
    ends = ""
    if payload["deed"] == ActionKind.ACKNOWLEDGED:
        number = payload.get("count", 1)
        these = f"these {number} invitations" if number > 1 else "this invitation"
        ends = f" No more reminders for {these}."
    episode = episodes[0] if len(episodes) == 1 else None
    name = f": {episode_text.name(episode)} ({episode_text.account(episode)})" if episode else ""
    return Message(
        f"{_user_action(episode, payload, context.as_text)}{name}.{ends}",
        [builders.section(f"{builders.PERSON} {_user_action(episode, payload, context)}.{ends}")],
    )


def name_list(episodes: Sequence[Episode]) -> Message:
    """List the episodes of a digest by name and account, a line each, and count those that do not fit."""

    def shortened() -> list[str]:
        lines = [_name(episode, SHORT_NAME, SHORT_ACCOUNT) for episode in episodes]
        kept = _count_that_fit(lines, ROOM, lambda line: builders.size([builders.mrkdwn(line)]))
        return lines[:kept] + ([f"and {len(lines) - kept} more"] if lines[kept:] else [])

    text = _plain_text_of_names(episodes)
    return builders.first_that_fits(
        lambda: Message(text, _sections([_name(episode, NAME, ACCOUNT) for episode in episodes])),
        lambda: Message(text, _sections(shortened())),
    )


def _at_recording(episode: Episode, payload: Mapping[str, Any]) -> Episode:
    if payload.get("kind") == AlertKind.EXPIRING:
        passed = AlertEvent(AlertKind.EXPIRING, timedelta(seconds=payload["lead"]))
        return replace(episode, state=EpisodeState.WAITING, events=(passed,))
    if "kind" in payload and episode.state in (EpisodeState.EXPIRED, EpisodeState.REJECTED):
        return episode  # one problem may have become the other before the reply was posted
    return replace(episode, state=EpisodeState(payload["state" if "state" in payload else "kind"]))


def _change(episode: Episode, context: RenderContext) -> str:
    """Write `✅ Bound: bo•••le accepted, 12 min before the deadline.`"""
    icon, word = episode_text.icon(episode), episode_text.state_word(episode).capitalize()
    if episode.state is EpisodeState.WAITING:
        word = "Waiting again"
        if episode.expires_at:
            word += f", {date(episode.expires_at, context, words='until ')}"
    if episode.state is EpisodeState.REPLACED:
        return f"{icon} {word}: {replacement(episode, context)}"
    return f"{icon} {word}: {outcome(episode, context)}. {advice(episode)}".rstrip()


def _call(episode: Episode, context: RenderContext, mention: str) -> str:
    """Write `⏰ *小波* · less than 1 h left, until 9:53 AM. @care-leads please ask bo•••le to accept in WeChat.`"""
    icon, label = episode_text.icon(episode), episode_text.label(episode)
    head = f"{icon} *{label}* · {episode_text.state_words(episode)}"
    if episode.state is EpisodeState.WAITING:
        please = f"{mention} please" if mention else "Please"
        ask = f"{please} ask {episode_text.person(episode)} to accept in WeChat."
        return f"{head}{_until_deadline(episode, context)}. {ask}"
    return " ".join(filter(None, [f"{head}.", mention, sentence(episode, context)]))


def _until_deadline(episode: Episode, context: RenderContext) -> str:
    """Write the deadline as seen when the lead passed: of a near one the clock is enough."""
    deadline, lead = episode.expires_at, episode_text.passed_lead(episode)
    return f", {until(deadline, deadline - lead, context)}" if deadline and lead else ""


def _user_action(episode: Episode | None, payload: Mapping[str, Any], context: RenderContext) -> str:
    name, number = mentions.plain_name(payload["name"]), payload.get("count", 1)
    match ActionKind(payload["deed"]):
        case ActionKind.ACKNOWLEDGED:
            return f"Acknowledged by {name}"
        case ActionKind.SNOOZED if payload.get("until") is None:
            return f"Snoozed by {name}"
        case ActionKind.SNOOZED:
            ends, snooze = datetime.fromtimestamp(payload["until"], UTC), episode.snoozed if episode else None
            moment = until(ends, snooze.at, context) if snooze else date(ends, context, words="until ")
            return f"Snoozed by {name} {moment}"
        case ActionKind.UNACKNOWLEDGED:
            return f"{name} undid the acknowledgement" + (f" of {number} invitations" if number > 1 else "")
        case ActionKind.UNSNOOZED:
            return f"{name} undid the snooze"


def _name(episode: Episode, name: Limit, account: Limit) -> str:
    """Write `⛔ Chen · chen@harbour_tea`."""
    shown = cut(name_of(episode.kf_nick), name), cut(account_of(episode.account_key, episode.kf_id), account)
    return f"{episode_text.icon(episode)} {' · '.join(map(escape, shown))}"


def _sections(lines: Sequence[str]) -> list[Block]:
    """Build as few sections as hold the lines."""
    texts = [""]
    for line in lines:
        if units(f"{texts[-1]}\n{line}") > builders.MAX_TEXT:
            texts.append("")
        texts[-1] = f"{texts[-1]}\n{line}".strip()
    return [builders.section(text, expand=True) for text in texts]


def _plain_text_of_names(episodes: Sequence[Episode]) -> str:
    def name_and_account(episode: Episode) -> str:
        return f"{episode_text.name(episode)} ({episode_text.account(episode)})"

    kept = _count_that_fit([*map(name_and_account, episodes)], ROOM_IN_TEXT, lambda name: units(name) + len(", "))
    by_word = episode_text.by_state_word(episodes[:kept]).items()
    parts = [f"{word.capitalize()}: {', '.join(map(name_and_account, group))}." for word, group in by_word]
    return " ".join([*parts, *([f"And {len(episodes) - kept} more."] if episodes[kept:] else [])])


def _count_that_fit(words: Sequence[str], room: int, length: Callable[[str], int]) -> int:
    """Return how many of the words fit into `room`."""
    return bisect_right(list(accumulate(map(length, words))), room)
