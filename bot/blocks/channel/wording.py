"""Sentences about one invitation, shared by its alert and the replies in its thread."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.alerting.episode import AccountStatus, Episode, EpisodeState, UserAction
from bot.blocks import mentions
from bot.blocks.channel import episode_text
from bot.blocks.context import RenderContext, RenderMode
from bot.blocks.times import CLOCK, date, span, tokens_for

ASK = "ask them to accept the invitation in WeChat."
AGAIN = "invite again in the WeChat console."
NEXT = {
    AccountStatus.EXPIRING: ASK,
    AccountStatus.WAITING: ASK,
    AccountStatus.REJECTED: f"ask why, then {AGAIN}",
    AccountStatus.EXPIRED: f"ask whether they still want to, then {AGAIN}",
    AccountStatus.IDLE: "invite someone in the WeChat console.",
    AccountStatus.UNKNOWN: "look in the WeChat console.",
}


def plain_text(episode: Episode, context: RenderContext) -> str:
    """Write the fallback text: `Expiring: 小波 (bo@harbour_tea), less than 1 h left, until …. Ask …`."""
    done = " Nothing left to do." if episode.state is EpisodeState.BOUND else ""
    return f"{introduction(episode, context)} {sentence(episode, context.as_text)}{done}"


def introduction(episode: Episode, context: RenderContext) -> str:
    """Write state, name, account and deadline for the fallback text."""
    when = []
    if episode_text.passed_lead(episode) is not None:
        when.append(episode_text.state_words(episode))
    if episode.expires_at and episode.state in (EpisodeState.WAITING, EpisodeState.EXPIRED):
        word = "until" if episode.state is EpisodeState.WAITING else "deadline"
        when.append(f"{word} {date(episode.expires_at, context.as_text)}")
    who = f"{episode_text.name(episode)} ({episode_text.account(episode)})"
    return ", ".join([f"{episode_text.state_word(episode).capitalize()}: {who}", *when]) + "."


def sentence(episode: Episode, context: RenderContext) -> str:
    """Write the event and the next step."""
    if episode_text.passed_lead(episode) is None:
        return f"{event_sentence(episode, context)} {advice(episode)}".rstrip()
    ask = f"Ask {episode_text.person(episode)} to accept the invitation in WeChat"
    if not episode_text.is_urgent(episode, context):
        return f"{ask}."
    if context.mode is RenderMode.TEXT:
        return f"{ask}; after that a new one is needed."  # the deadline precedes it
    return f"{ask}. After the deadline a new one is needed."


def event_sentence(episode: Episode, context: RenderContext) -> str:
    """Write the outcome of the invitation so far, as a sentence."""
    words = outcome(episode, context)
    # An ID keeps its case, also at the beginning of a sentence.
    if not (episode_text.invitee(episode.invite_wx) and words.startswith(episode_text.person(episode))):
        words = _capital(words)
    return f"{words}."


def outcome(episode: Episode, context: RenderContext) -> str:
    """Write the outcome of the invitation so far, as a clause."""
    person = episode_text.person(episode)
    match episode.state:
        case EpisodeState.WAITING:
            return f"{person} has not answered yet"
        case EpisodeState.REJECTED:
            return f"{person} declined the invitation"
        case EpisodeState.EXPIRED:
            return f"{person} did not answer in time"
        case EpisodeState.BOUND:
            pause = "" if context.mode is RenderMode.TEXT else ","
            left = left_when_bound(episode)
            return f"{person} accepted" + (f"{pause} {span(left)} before the deadline" if left else "")
        case EpisodeState.REPLACED:
            return f"a new invitation is out{_to_invitee(episode, context)}"
        case EpisodeState.CANCELLED:
            return "it was withdrawn outside this bot"
        case EpisodeState.REMOVED:
            return "the account is no longer in WeChat’s list"


def replacement(episode: Episode, context: RenderContext) -> str:
    """Report a new invitation as a sentence that stays true when that one is over too."""
    return f"a new invitation went out{_to_invitee(episode, context)}."


def advice(episode: Episode) -> str:
    """Write the next step as a sentence; "" when the episode is closed."""
    return "" if episode.state.closed else _capital(NEXT[AccountStatus(episode.state)])


def quiet_notice(payload: Mapping[str, Any], context: RenderContext) -> str:
    """Announce quiet hours, which delay the next reminder, as a sentence; "" when none follow."""
    ends = payload.get("before_quiet")
    if ends is None:
        return ""
    return f"Quiet hours follow, {date(datetime.fromtimestamp(ends, UTC), context, CLOCK, 'until ')}."


def acknowledged(action: UserAction, context: RenderContext) -> str:
    return f"Acknowledged by {mentions.user(action, context)}{date(action.at, context, words=', ')}"


def snoozed(action: UserAction, context: RenderContext) -> str:
    by = f"Snoozed by {mentions.user(action, context)}"
    return f"{by} {until(action.until, action.at, context)}" if action.until else by


def until(when: datetime, now: datetime, context: RenderContext) -> str:
    """Write `until 6:00 PM`, with the day unless it is near."""
    return date(when, context, tokens_for(when, now), "until ")


def left_when_bound(episode: Episode) -> timedelta:
    """Return how long before the deadline the person accepted; zero when it was not before."""
    if episode.state is not EpisodeState.BOUND or episode.expires_at is None:
        return timedelta(0)
    return max(episode.expires_at - episode.state_since, timedelta(0))


def _to_invitee(episode: Episode, context: RenderContext) -> str:
    """Write ` to bo•••le, until …`."""
    before, now = episode_text.invitee(episode.invite_wx), episode_text.invitee(episode.successor_wx)
    deadline = (
        f", {date(episode.successor_expires_at, context, words='until ')}" if episode.successor_expires_at else ""
    )
    if episode.successor_wx == episode.invite_wx or not (before and now):
        return (f" to {now}" if now else "") + deadline
    return (f" to {now} instead of {before}" if now != before else " to another person") + deadline


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
