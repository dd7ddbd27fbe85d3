"""One invitation in running words, for the root that tells it and for the lines of its thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from bot.blocks import mentions
from bot.blocks.channel import episode_text
from bot.blocks.times import CLOCK, MOMENT, alone, date, plain_date, span
from bot.episodes import Episode, Hand, Seen, State

ASK = "ask them to accept the invitation in WeChat."
AGAIN = "invite again in the WeChat console."
NEXT = {
    Seen.EXPIRING: ASK,
    Seen.WAITING: ASK,
    Seen.REJECTED: f"ask why, then {AGAIN}",
    Seen.EXPIRED: f"ask whether they still want to, then {AGAIN}",
    Seen.IDLE: "invite someone in the WeChat console.",
    Seen.UNKNOWN: "look in the WeChat console.",
}


class Dates(Protocol):
    """Writes a moment after some words: `times.date`, or `times.plain_date`."""

    def __call__(self, when: datetime, tokens: str = MOMENT, words: str = "") -> str: ...


class Manner(NamedTuple):
    """What parts the words of blocks from those of `text`, which has no date tokens, and edits from posts."""

    date: Dates
    who: Callable[[Hand], str]
    pause: str
    afterwards: str


EDITED = Manner(date, mentions.linked, ",", ". After the deadline a new one is needed.")
POSTED = EDITED._replace(who=mentions.named)
SPOKEN = Manner(plain_date, mentions.named, "", "; after that a new one is needed.")


def manner_of(*, pinging: bool) -> Manner:
    """How the blocks are written: of what is about to be posted, or of an edit."""
    return POSTED if pinging else EDITED


def spoken(episode: Episode, smallest_lead: timedelta) -> str:
    """The essence, for `text`: `Expiring: 小波 (bo@harbour_tea), less than 1 h left, until …. Ask …`."""
    done = " Nothing left to do." if episode.state is State.BOUND else ""
    return f"{introduced(episode)} {sentence(episode, smallest_lead, SPOKEN)}{done}"


def introduced(episode: Episode) -> str:
    """State, name, account and deadline, for `text`."""
    when = []
    if episode_text.passed_lead(episode) is not None:
        when.append(episode_text.state_words(episode))
    if episode.expires_at and episode.state in (State.WAITING, State.EXPIRED):
        word = "until" if episode.state is State.WAITING else "deadline"
        when.append(f"{word} {plain_date(episode.expires_at)}")
    who = f"{episode_text.name(episode)} ({episode_text.account(episode)})"
    return ", ".join([f"{episode_text.standing(episode).capitalize()}: {who}", *when]) + "."


def sentence(episode: Episode, smallest_lead: timedelta, manner: Manner) -> str:
    """What happened, and what to do about it."""
    if episode_text.passed_lead(episode) is not None:
        ask = f"Ask {episode_text.person(episode)} to accept the invitation in WeChat"
        return ask + (manner.afterwards if episode_text.urgent(episode, smallest_lead) else ".")
    return f"{happening(episode, manner)} {advice(episode)}".rstrip()


def happening(episode: Episode, manner: Manner) -> str:
    """What became of the invitation, as a sentence."""
    words = happened(episode, manner)
    # An ID stays as it is, also where a sentence begins.
    if not (episode_text.invitee(episode.invite_wx) and words.startswith(episode_text.person(episode))):
        words = _capital(words)
    return f"{words}."


def happened(episode: Episode, manner: Manner) -> str:
    """What became of the invitation, in running words."""
    person = episode_text.person(episode)
    match episode.state:
        case State.WAITING:
            return f"{person} has not answered yet"
        case State.REJECTED:
            return f"{person} declined the invitation"
        case State.EXPIRED:
            return f"{person} did not answer in time"
        case State.BOUND:
            left = left_when_bound(episode)
            return f"{person} accepted" + (f"{manner.pause} {span(left)} before the deadline" if left else "")
        case State.REPLACED:
            return f"a new invitation is out{_to_whom(episode, manner)}"
        case State.CANCELLED:
            return "it was withdrawn outside this bot"
        case State.REMOVED:
            return "the account is no longer in WeChat’s list"


def replaced(episode: Episode, manner: Manner) -> str:
    """Report a new invitation as a sentence that stays true when that one is over too."""
    return f"a new invitation went out{_to_whom(episode, manner)}."


def advice(episode: Episode) -> str:
    """The next step, as a sentence; "" when it is settled."""
    return "" if episode.state.closed else _capital(NEXT[Seen(episode.state)])


def before_quiet(facts: Mapping[str, Any], date: Dates) -> str:
    """Why the next reminder will be long in coming, as a sentence; "" when no quiet hours follow."""
    ends = facts.get("before_quiet")
    return (
        "" if ends is None else f"Quiet hours follow, {date(datetime.fromtimestamp(ends, UTC), CLOCK, 'until ')}."
    )


def acknowledged(hand: Hand, manner: Manner) -> str:
    return f"Acknowledged by {manner.who(hand)}{manner.date(hand.at, words=', ')}"


def snoozed(hand: Hand, manner: Manner) -> str:
    until = f" {manner.date(hand.until, alone(hand.until, hand.at), 'until ')}" if hand.until else ""
    return f"Snoozed by {manner.who(hand)}{until}"


def left_when_bound(episode: Episode) -> timedelta:
    """How long before the deadline the person accepted; zero when it was not before."""
    if episode.state is not State.BOUND or episode.expires_at is None:
        return timedelta(0)
    return max(episode.expires_at - episode.since, timedelta(0))


def _to_whom(episode: Episode, manner: Manner) -> str:
    """` to bo•••le, until …`"""
    before, now = episode_text.invitee(episode.invite_wx), episode_text.invitee(episode.next_wx)
    until = f", {manner.date(episode.next_expires_at, words='until ')}" if episode.next_expires_at else ""
    if episode.next_wx == episode.invite_wx or not (before and now):
        return (f" to {now}" if now else "") + until
    return (f" to {now} instead of {before}" if now != before else " to another person") + until


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
