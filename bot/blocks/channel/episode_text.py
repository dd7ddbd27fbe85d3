"""How a channel message names an episode, where it stands, and its row. WeChat IDs are masked, always."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from bot.accounts import FAR
from bot.blocks import builders
from bot.blocks.times import date, lead_name
from bot.episodes import Episode, Hand, Seen, State, rank
from bot.ports import Block
from bot.text import NAME, account_of, clean, cut, escape, fold, id_of, masked, name_of

_WORDS = {
    State.REPLACED: "invited again",
    State.CANCELLED: "invitation withdrawn",
}
_ICONS = {
    State.REPLACED: builders.ICONS["waiting"],
    State.CANCELLED: builders.ICONS["idle"],
}


def standing(episode: Episode) -> str:
    """The word for where an episode stands, and for all that are counted with it."""
    if passed_lead(episode) is not None:
        return Seen.EXPIRING
    return _WORDS.get(episode.state, episode.state)


def passed_lead(episode: Episode) -> timedelta | None:
    """The tightest lead that has passed, while it means something: nobody has answered yet."""
    return episode.tightest_lead if episode.state is State.WAITING else None


def state_words(episode: Episode) -> str:
    """What stands after the name: no time that passes, so it stays true until the next edit."""
    lead = passed_lead(episode)
    return standing(episode) if lead is None else f"less than {lead_name(lead)} left"


def urgent(episode: Episode, smallest_lead: timedelta) -> bool:
    """Whether somebody must act now."""
    if episode.closed:
        return False
    lead = passed_lead(episode)
    return episode.state in (State.REJECTED, State.EXPIRED) or (lead is not None and lead <= smallest_lead)


def loud(episode: Episode, smallest_lead: timedelta) -> bool:
    """Whether somebody must act now, and nobody has said that they will."""
    return urgent(episode, smallest_lead) and not episode.acked


def holder(episode: Episode) -> Hand | None:
    """Who acknowledged it, while that means something."""
    return None if episode.closed else episode.acked


def icon(episode: Episode) -> str:
    return _ICONS.get(episode.state) or builders.ICONS[standing(episode)]


def name(episode: Episode) -> str:
    return escape(name_of(episode.kf_nick))


def account(episode: Episode) -> str:
    return escape(account_of(episode.seat, episode.kf_id))


def label(episode: Episode) -> str:
    """The name, else the account, cut like a name: where nothing else tells it from others."""
    return escape(clean(episode.kf_nick, NAME) or cut(account_of(episode.seat, episode.kf_id), NAME))


def invitee(invite_wx: str) -> str:
    """The masked ID of who is invited; "" when WeChat names nobody."""
    return escape(masked(invite_wx)) if id_of(invite_wx) else ""


def person(episode: Episode) -> str:
    return invitee(episode.invite_wx) or "the person"


def head(episode: Episode) -> str:
    """`⏰ *小波* · less than 1 h left`"""
    return f"{icon(episode)} *{name(episode)}* · {state_words(episode)}"


def row(episode: Episode, *, noticed: bool = False, masked: bool = True) -> list[Block]:
    """Its head, and a grey line of facts below. Ten of them fit into a message, whatever they hold.

    Args:
        noticed: show also when the person's answer was.
        masked: show the masked ID of the invited person.
    """
    invited = invitee(episode.invite_wx) if masked else ""
    answered = noticed and episode.state is State.REJECTED
    facts = [
        account(episode),
        invited and f"invited {invited}",
        answered and date(episode.since, words="noticed "),
        deadline(episode),
    ]
    return [builders.section(head(episode)), builders.context(" · ".join(fact for fact in facts if fact))]


def deadline(episode: Episode) -> str:
    """`deadline Nov 26 6:00 PM`; "" without one, or when it means nothing any more: rejected or closed."""
    moment = deadline_of(episode)
    return date(moment, words="deadline ") if moment else ""


def deadline_of(episode: Episode) -> datetime | None:
    """Return the deadline while it means something: until the person has answered."""
    return episode.expires_at if episode.state in (State.WAITING, State.EXPIRED) else None


def in_order(episodes: Iterable[Episode], smallest_lead: timedelta) -> list[Episode]:
    """Sort open before closed; inside a rank the nearest deadline or the newest loss, then the name."""

    def place(episode: Episode) -> tuple[object, ...]:
        if settled := episode.closed:
            order = list(State).index(episode.state)
        else:
            order = rank(Seen(standing(episode)), urgent=urgent(episode, smallest_lead))
        lost = episode.state in (State.REJECTED, State.EXPIRED)
        # The newest loss first. Many may have been noticed at once, as in a first run: then by deadline.
        lost_at = episode.expires_at if episode.state is State.EXPIRED and episode.expires_at else episode.since
        newest = FAR - lost_at if lost else FAR - FAR
        return settled, order, newest, episode.expires_at or FAR, fold(label(episode)), episode.seat, episode.id

    return sorted(episodes, key=place)


def by_standing(episodes: Iterable[Episode]) -> dict[str, list[Episode]]:
    """The episodes by their word, in the order in which the words first come."""
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(standing(episode), []).append(episode)
    return groups


def counted(episodes: Iterable[Episode]) -> str:
    """`58 rejected, 2 expired`, in the order in which they come."""
    return ", ".join(f"{len(group)} {word}" for word, group in by_standing(episodes).items())
