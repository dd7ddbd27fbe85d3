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
    change_sentence,
    introduction,
    plain_text,
    quiet_notice,
    replacement,
    sentence,
)
from bot.blocks.context import RenderContext, RenderMode
from bot.blocks.names import account_of, name_of
from bot.blocks.times import date, lead_name, near
from bot.ports import Block, Message
from bot.text import ACCOUNT, NAME, Limit, cut, escape, units

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
        shown = _passed_lead(then, context)
    blocks = [
        builders.section(
            context.paragraph(shown, _unconfirmed(then, payload, context), quiet_notice(payload, context))
        )
    ]
    if call and then.state in (EpisodeState.REJECTED, EpisodeState.EXPIRED):
        blocks.append(builders.actions(builders.console(context)))  # the channel shows it without the thread's
    text = plain_text(then, context)
    if then.state is EpisodeState.REPLACED:
        text = context.paragraph(introduction(then, context), replacement(then, context.as_text))
    as_text = context.as_text
    return Message(
        context.paragraph(text, _unconfirmed(then, payload, as_text), quiet_notice(payload, as_text)), blocks
    )


def user_action_reply(episodes: Sequence[Episode], payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Report the action of a user: `👤 Acknowledged by Mei. No more reminders for this invitation.`

    `episodes` may be one, many, or none if the store no longer has them.
    """
    ends = ""
    if payload["deed"] == ActionKind.ACKNOWLEDGED:
        number = payload.get("count", 1)
        if number > 1:
            ends = context.say("No more reminders for these {number} invitations.", number=number)
        else:
            ends = context.say("No more reminders for this invitation.")
    episode = episodes[0] if len(episodes) == 1 else None
    text = context.paragraph(_user_action(episode, payload, context.as_text, named=True), ends)
    words = context.paragraph(_user_action(episode, payload, context), ends)
    return Message(text, [builders.section(f"{builders.PERSON} {words}")])


def name_list(episodes: Sequence[Episode], context: RenderContext) -> Message:
    """List the episodes of a digest by name and account, a line each, and count those that do not fit."""

    def shortened() -> list[str]:
        lines = [_name(episode, SHORT_NAME, SHORT_ACCOUNT, context) for episode in episodes]
        kept = count_that_fit(lines, ROOM, lambda line: builders.size([builders.mrkdwn(line)]))
        more = [context.say("and {number} more", number=len(lines) - kept)] if lines[kept:] else []
        return lines[:kept] + more

    text = _plain_text_of_names(episodes, context.as_text)
    return builders.first_that_fits(
        lambda: Message(text, sections([_name(episode, NAME, ACCOUNT, context) for episode in episodes])),
        lambda: Message(text, sections(shortened())),
    )


def _unconfirmed(then: Episode, payload: Mapping[str, Any], context: RenderContext) -> str:
    """Say when WeChat last showed the invitation, if a reminder or an expiry was reported without an answer of it.

    The reply is never edited, so this is in the past.
    """
    by_clock = "state" not in payload and then.state in (EpisodeState.WAITING, EpisodeState.EXPIRED)
    if not by_clock or then.confirmed_at is None:
        return ""
    return context.say("WeChat did not answer; last confirmed {when}.", when=date(then.confirmed_at, context))


def _at_recording(episode: Episode, payload: Mapping[str, Any]) -> Episode:
    if payload.get("kind") == AlertKind.EXPIRING:
        passed = AlertEvent(AlertKind.EXPIRING, timedelta(seconds=payload["lead"]))
        return replace(episode, state=EpisodeState.WAITING, events=(passed,))
    if "kind" in payload and episode.state in (EpisodeState.EXPIRED, EpisodeState.REJECTED):
        return episode  # one problem may have become the other before the reply was posted
    return replace(episode, state=EpisodeState(payload["state" if "state" in payload else "kind"]))


def _change(episode: Episode, context: RenderContext) -> str:
    """Write `✅ Bound: bo•••le accepted, 12 min before the deadline.`"""
    state = context.capitalized(context.state(episode_text.state_word(episode)))
    if episode.state is EpisodeState.WAITING:
        state = context.say("Waiting again")
        if episode.expires_at:
            state = context.say("Waiting again, until {when}", when=date(episode.expires_at, context))
    happening = change_sentence(episode, context)
    shown = context.say(
        "{icon} {state}: {happening}", icon=episode_text.icon(episode), state=state, happening=happening
    )
    return context.paragraph(shown, advice(episode, context))


def _passed_lead(episode: Episode, context: RenderContext) -> str:
    """Write `⏰ Less than 6 h left, until 3:53 PM.`"""
    icon, lead, when = episode_text.icon(episode), episode_text.passed_lead(episode), _deadline(episode, context)
    if lead is None:
        state = context.capitalized(context.state(episode_text.state_word(episode)))
        return context.say("{what}.", what=f"{icon} {state}")
    left = lead_name(lead, context)
    if when:
        return context.say("{icon} Less than {lead} left, until {when}.", icon=icon, lead=left, when=when)
    return context.say("{icon} Less than {lead} left.", icon=icon, lead=left)


def _call(episode: Episode, context: RenderContext, mention: str) -> str:
    """Write `⏰ *小波* · less than 1 h left, until 9:53 AM. @care-leads please ask bo•••le to accept in WeChat.`"""
    icon, label = episode_text.icon(episode), episode_text.label(episode, context)
    what = f"{icon} *{label}* · {episode_text.state_words(episode, context)}"
    if episode.state is not EpisodeState.WAITING:
        return context.paragraph(context.say("{what}.", what=what), mention, sentence(episode, context))
    when, person = _deadline(episode, context), episode_text.person(episode, context)
    if when and mention:
        return context.say(
            "{what}, until {when}. {mention} please ask {person} to accept in WeChat.",
            what=what,
            when=when,
            mention=mention,
            person=person,
        )
    if when:
        return context.say(
            "{what}, until {when}. Please ask {person} to accept in WeChat.", what=what, when=when, person=person
        )
    if mention:
        return context.say(
            "{what}. {mention} please ask {person} to accept in WeChat.",
            what=what,
            mention=mention,
            person=person,
        )
    return context.say("{what}. Please ask {person} to accept in WeChat.", what=what, person=person)


def _deadline(episode: Episode, context: RenderContext) -> str:
    """Write the deadline as seen when the lead passed: of a near one the clock is enough."""
    deadline, lead = episode.expires_at, episode_text.passed_lead(episode)
    return near(deadline, deadline - lead, context) if deadline and lead else ""


def _user_action(
    episode: Episode | None, payload: Mapping[str, Any], context: RenderContext, *, named: bool = False
) -> str:
    """Write what a user did; if `named`, also to which account, where the thread does not show it."""
    values = {"name": mentions.plain_name(payload["name"], context)}
    account, kind = named and episode is not None, ActionKind(payload["deed"])
    if named and episode:
        values["account"] = episode_text.name_and_account(episode, context)
    if kind is ActionKind.SNOOZED and payload.get("until") is not None:
        ends, snooze = datetime.fromtimestamp(payload["until"], UTC), episode.snoozed if episode else None
        values["when"] = near(ends, snooze.at, context) if snooze else date(ends, context)
        if account:
            return context.say("Snoozed by {name} until {when}: {account}.", **values)
        return context.say("Snoozed by {name} until {when}.", **values)
    match kind, account:
        case ActionKind.ACKNOWLEDGED, True:
            return context.say("Acknowledged by {name}: {account}.", **values)
        case ActionKind.ACKNOWLEDGED, _:
            return context.say("Acknowledged by {name}.", **values)
        case ActionKind.SNOOZED, True:
            return context.say("Snoozed by {name}: {account}.", **values)
        case ActionKind.SNOOZED, _:
            return context.say("Snoozed by {name}.", **values)
        case ActionKind.UNSNOOZED, True:
            return context.say("{name} undid the snooze: {account}.", **values)
        case ActionKind.UNSNOOZED, _:
            return context.say("{name} undid the snooze.", **values)
        case _, True:
            return context.say("{name} undid the acknowledgement: {account}.", **values)
    if (number := payload.get("count", 1)) > 1:
        return context.say("{name} undid the acknowledgement of {number} invitations.", **values, number=number)
    return context.say("{name} undid the acknowledgement.", **values)


def _name(episode: Episode, name: Limit, account: Limit, context: RenderContext) -> str:
    """Write `⛔ Chen · chen@harbour_tea`."""
    shown_name = cut(name_of(episode.kf_nick, context), name)
    shown_account = cut(account_of(episode.account_key, episode.kf_id, context), account)
    return f"{episode_text.icon(episode)} {escape(shown_name)} · {escape(shown_account)}"


def sections(lines: Sequence[str]) -> list[Block]:
    """Build as few sections as hold the lines."""
    texts = [""]
    for line in lines:
        if units(f"{texts[-1]}\n{line}") > builders.MAX_TEXT:
            texts.append("")
        texts[-1] = f"{texts[-1]}\n{line}".strip()
    return [builders.section(text, expand=True) for text in texts]


def _plain_text_of_names(episodes: Sequence[Episode], context: RenderContext) -> str:
    names = [episode_text.name_and_account(episode, context) for episode in episodes]
    kept = count_that_fit(names, ROOM_IN_TEXT, lambda name: units(name) + len(", "))
    parts = [
        context.say(
            "{state}: {names}.",
            state=context.capitalized(context.state(word)),
            names=context.series([episode_text.name_and_account(episode, context) for episode in group]),
        )
        for word, group in episode_text.by_state_word(episodes[:kept]).items()
    ]
    more = context.say("And {number} more.", number=len(episodes) - kept) if episodes[kept:] else ""
    return context.paragraph(*parts, more)


def count_that_fit(words: Sequence[str], room: int, length: Callable[[str], int]) -> int:
    """Return how many of the words fit into `room`."""
    return bisect_right(list(accumulate(map(length, words))), room)
