"""Names, states and rows of episodes in channel messages. WeChat IDs are always masked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.accounts import FAR
from bot.alerting.episode import AccountStatus, Episode, EpisodeState, UserAction, priority
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.names import account_of, name_of
from bot.blocks.times import date, lead_name
from bot.ports import Block
from bot.text import NAME, clean, cut, escape, fold, id_of, masked

_WORDS = {
    EpisodeState.REPLACED: "invited again",
    EpisodeState.CANCELLED: "invitation withdrawn",
}
_ICONS = {
    EpisodeState.REPLACED: builders.ICONS["waiting"],
    EpisodeState.CANCELLED: builders.ICONS["idle"],
}


def state_word(episode: Episode) -> str:
    """Return the word for the state of an episode, by which episodes are grouped and counted."""
    if passed_lead(episode) is not None:
        return AccountStatus.EXPIRING
    return _WORDS.get(episode.state, episode.state)


def passed_lead(episode: Episode) -> timedelta | None:
    """Return the shortest lead that has passed; None unless the invitation waits for an answer."""
    return episode.tightest_lead if episode.state is EpisodeState.WAITING else None


def state_words(episode: Episode, context: RenderContext) -> str:
    """Write the state after a name. It contains no remaining time, so it stays true until the next edit."""
    lead = passed_lead(episode)
    if lead is None:
        return context.state(state_word(episode))
    return context.say("less than {lead} left", lead=lead_name(lead, context))


def is_urgent(episode: Episode, context: RenderContext) -> bool:
    """Return whether a user must act now."""
    if episode.closed:
        return False
    lead = passed_lead(episode)
    close = lead is not None and lead <= context.policy.smallest_lead
    return close or episode.state in (EpisodeState.REJECTED, EpisodeState.EXPIRED)


def needs_user(episode: Episode, context: RenderContext) -> bool:
    """Return whether a user must act now and no user has acknowledged, or acted."""
    return is_urgent(episode, context) and not episode.is_handled


def acknowledgement(episode: Episode) -> UserAction | None:
    """Return the acknowledgement of an open episode; None once it is closed."""
    return None if episode.closed else episode.acked


def icon(episode: Episode) -> str:
    return _ICONS.get(episode.state) or builders.ICONS[state_word(episode)]


def name(episode: Episode, context: RenderContext) -> str:
    return escape(name_of(episode.kf_nick, context))


def account(episode: Episode, context: RenderContext) -> str:
    return escape(account_of(episode.account_key, episode.kf_id, context))


def name_and_account(episode: Episode, context: RenderContext) -> str:
    """Write `小波 (bo@harbour_tea)`."""
    return context.say("{name} ({account})", name=name(episode, context), account=account(episode, context))


def label(episode: Episode, context: RenderContext) -> str:
    """Write the name, else the account, cut like a name, where nothing else identifies the episode."""
    known = clean(episode.kf_nick, NAME)
    return escape(known or cut(account_of(episode.account_key, episode.kf_id, context), NAME))


def labels(episodes: Sequence[Episode], most: int, context: RenderContext) -> str:
    """Write `Chen, 夜班一号 and 8 more`."""
    return context.some([label(episode, context) for episode in episodes], most)


def invitee(invite_wx: str) -> str:
    """Return the masked ID of the invited person; "" when WeChat gives none."""
    return escape(masked(invite_wx)) if id_of(invite_wx) else ""


def person(episode: Episode, context: RenderContext) -> str:
    """Write the invited person inside a sentence."""
    return invitee(episode.invite_wx) or context.say("the person")


def head(episode: Episode, context: RenderContext) -> str:
    """Write `⏰ *小波* · less than 1 h left`."""
    return f"{icon(episode)} *{name(episode, context)}* · {state_words(episode, context)}"


def row(episode: Episode, context: RenderContext, *, noticed: bool = False, masked: bool = True) -> list[Block]:
    """Build the head line and a grey line of facts. Ten rows fit into a message, whatever text they contain.

    Args:
        noticed: show also when the person's answer was noticed.
        masked: show the masked ID of the invited person.
    """
    invited = invitee(episode.invite_wx) if masked else ""
    answered = noticed and episode.state is EpisodeState.REJECTED
    facts = [
        account(episode, context),
        invited and context.say("invited {id}", id=invited),
        answered and context.say("noticed {when}", when=date(episode.state_since, context)),
        deadline(episode, context),
    ]
    return [builders.section(head(episode, context)), builders.context(" · ".join(fact for fact in facts if fact))]


def deadline(episode: Episode, context: RenderContext) -> str:
    """Write `deadline Nov 26 6:00 PM`; "" without one, or once the person has answered."""
    moment = deadline_of(episode)
    return context.say("deadline {when}", when=date(moment, context)) if moment else ""


def deadline_of(episode: Episode) -> datetime | None:
    """Return the deadline; None once the person has answered."""
    return episode.expires_at if episode.state in (EpisodeState.WAITING, EpisodeState.EXPIRED) else None


def in_order(episodes: Iterable[Episode], context: RenderContext) -> list[Episode]:
    """Sort open before closed; within a priority by the nearest deadline or the newest loss, then by name."""

    def place(episode: Episode) -> tuple[object, ...]:
        if settled := episode.closed:
            order = list(EpisodeState).index(episode.state)
        else:
            order = priority(AccountStatus(state_word(episode)), urgent=is_urgent(episode, context))
        lost = episode.state in (EpisodeState.REJECTED, EpisodeState.EXPIRED)
        # The newest loss first. Many may have been noticed at once, as in a first run: then by deadline.
        lost_at = (
            episode.expires_at
            if episode.state is EpisodeState.EXPIRED and episode.expires_at
            else episode.state_since
        )
        newest = FAR - lost_at if lost else FAR - FAR
        return (
            settled,
            order,
            newest,
            episode.expires_at or FAR,
            fold(label(episode, context)),
            episode.account_key,
            episode.id,
        )

    return sorted(episodes, key=place)


def by_state_word(episodes: Iterable[Episode]) -> dict[str, list[Episode]]:
    """Group the episodes by their state word, in the order in which the words first occur."""
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(state_word(episode), []).append(episode)
    return groups


def counted(episodes: Iterable[Episode], context: RenderContext) -> str:
    """Write `58 rejected, 2 expired`, in the order in which the words first occur."""
    return context.counted({word: len(group) for word, group in by_state_word(episodes).items()})
