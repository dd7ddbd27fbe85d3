"""The root of one problem: a view of its episode. Its thread is in `threads`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.blocks import kit, members
from bot.blocks.details import NEXT
from bot.blocks.text import name_of
from bot.blocks.times import DAY, date, span, utc
from bot.episodes import Episode, How, Kind, Seen, State
from bot.ports import Block, Message


class Manner(NamedTuple):
    """What parts the words of blocks from those of `text`, which has no date tokens."""

    date: Callable[[datetime], str]
    pause: str
    afterwards: str


SHOWN = Manner(date, ",", ". After the deadline a new one is needed.")
SPOKEN = Manner(utc, "", "; after that a new one is needed.")


def root(episode: Episode, smallest_lead: timedelta) -> Message:
    """The message that tells a problem: loud while somebody must act now, calm when it is over."""
    words = sentence(episode, smallest_lead, SHOWN)
    if members.urgent(episode, smallest_lead):
        title = f"{members.icon(episode)} {name_of(episode.kf_nick)} · {members.state_words(episode)}"
        blocks = [kit.header(title), kit.section(words)]
    else:
        blocks = [kit.section(f"{members.head(episode)}\n{words}")]
    blocks.append(kit.context(" · ".join(_facts(episode))))
    if unconfirmed := _unconfirmed(episode, SHOWN):
        blocks.append(kit.context(unconfirmed))
    if buttons := _buttons(episode):
        blocks.append(kit.actions(*buttons))
    noticed = f"Noticed {utc(episode.since)}." if episode.state in (State.REJECTED, State.EXPIRED) else ""
    parts = (spoken(episode, smallest_lead), noticed, _unconfirmed(episode, SPOKEN))
    return Message(" ".join(filter(None, parts)), blocks)


def spoken(episode: Episode, smallest_lead: timedelta) -> str:
    """The essence, for `text`: `Expiring: 小波 (bo@harbour_tea), less than 1 h left, until …. Ask …`."""
    when = []
    if members.passed_lead(episode) is not None:
        when.append(members.state_words(episode))
    if episode.expires_at and episode.state in (State.WAITING, State.EXPIRED):
        word = "until" if episode.state is State.WAITING else "deadline"
        when.append(f"{word} {utc(episode.expires_at)}")
    who = f"{members.name(episode)} ({members.account(episode)})"
    what = ", ".join([f"{members.standing(episode).capitalize()}: {who}", *when])
    done = " Nothing left to do." if episode.state is State.BOUND else ""
    return f"{what}. {sentence(episode, smallest_lead, SPOKEN)}{done}"


def sentence(episode: Episode, smallest_lead: timedelta, manner: Manner) -> str:
    """What happened, and what to do about it."""
    if members.passed_lead(episode) is not None:
        ask = f"Ask {members.person(episode)} to accept the invitation in WeChat"
        return ask + (manner.afterwards if members.urgent(episode, smallest_lead) else ".")
    words = happened(episode, manner)
    # An ID stays as it is, also where a sentence begins.
    if not (members.invitee(episode.invite_wx) and words.startswith(members.person(episode))):
        words = _capital(words)
    return f"{words}. {advice(episode)}".rstrip()


def happened(episode: Episode, manner: Manner) -> str:
    """What became of the invitation, in running words."""
    person = members.person(episode)
    match episode.state:
        case State.WAITING:
            return f"{person} has not answered yet"
        case State.REJECTED:
            return f"{person} declined the invitation"
        case State.EXPIRED:
            return f"{person} did not answer in time"
        case State.BOUND:
            left = _left_when_bound(episode)
            return f"{person} accepted" + (f"{manner.pause} {span(left)} before the deadline" if left else "")
        case State.REPLACED:
            until = f", until {manner.date(episode.next_expires_at)}" if episode.next_expires_at else ""
            return f"a new invitation is out{_to_whom(episode)}{until}"
        case State.CANCELLED:
            return "it was withdrawn outside this bot"
        case State.REMOVED:
            return "the account is no longer in WeChat’s list"


def advice(episode: Episode) -> str:
    """The next step, as a sentence; "" when it is settled."""
    return "" if episode.state.closed else _capital(NEXT[Seen(episode.state)])


def _to_whom(episode: Episode) -> str:
    before, now = members.invitee(episode.invite_wx), members.invitee(episode.next_wx)
    if episode.next_wx == episode.invite_wx or not (before and now):
        return f" to {now}" if now else ""
    return f" to {now} instead of {before}" if now != before else " to another person"


def _left_when_bound(episode: Episode) -> timedelta:
    """How long before the deadline the person accepted; zero when it was not before."""
    if episode.state is not State.BOUND or episode.expires_at is None:
        return timedelta(0)
    return max(episode.expires_at - episode.since, timedelta(0))


def _facts(episode: Episode) -> list[str]:
    """The grey line. A closed root loses no fact that it showed while it was open."""
    state, closed = episode.state, episode.state.closed
    facts = [members.account(episode)]
    if state in (State.CANCELLED, State.REMOVED) and (invitee := members.invitee(episode.invite_wx)):
        facts.append(f"invited {invitee}")  # the other states name them in the sentence
    if state is not State.WAITING and not _left_when_bound(episode):
        facts.append(f"noticed {date(episode.since)}")
    if episode.expires_at:
        facts.append(f"deadline {date(episode.expires_at)}")
    if closed:
        facts.append(f"first seen {date(episode.first_seen, DAY)}")
    before = [past for past in (State.EXPIRED, State.REJECTED) if past is not state]
    facts += [f"was {past}" for past in before if episode.has_told(Kind(past))]
    if closed and (times := _reminders(episode)):
        facts.append(f"reminded {({1: 'once', 2: 'twice'}).get(times, f'{times} times')}")
    return facts


def _reminders(episode: Episode) -> int:
    return sum(event.kind is Kind.EXPIRING and event.how is How.TOLD for event in episode.told)


def _unconfirmed(episode: Episode, manner: Manner) -> str:
    if episode.confirmed_at is None or episode.state.closed:
        return ""
    return f"WeChat does not answer; last confirmed {manner.date(episode.confirmed_at)}."


def _buttons(episode: Episode) -> list[Block]:
    if episode.state.closed:
        return []
    return [kit.button("Details", "alert.details", f"v1:{episode.id}", label="Details, shown only to you")]


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
