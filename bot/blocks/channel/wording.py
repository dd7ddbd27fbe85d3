"""Sentences about one invitation, shared by its alert and the replies in its thread."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.alerting.episode import (
    AccountStatus,
    AlertKind,
    Episode,
    EpisodeState,
    Operated,
    OperationStage,
    UserAction,
)
from bot.blocks import mentions
from bot.blocks.channel import episode_text
from bot.blocks.context import RenderContext, RenderMode
from bot.blocks.times import CLOCK, date, lead_name, near, span
from bot.language import gettext_noop
from bot.operations.operation import OperationKind

_ASK = gettext_noop("ask them to accept the invitation in WeChat.")
_NEXT = {  # follows "Next: "
    AccountStatus.EXPIRING: _ASK,
    AccountStatus.WAITING: _ASK,
    AccountStatus.REJECTED: gettext_noop("ask why, then invite again in the WeChat console."),
    AccountStatus.EXPIRED: gettext_noop("ask whether they still want to, then invite again in the WeChat console."),
    AccountStatus.IDLE: gettext_noop("invite someone in the WeChat console."),
    AccountStatus.UNKNOWN: gettext_noop("look in the WeChat console."),
}
_NEXT_IN_SLACK = _NEXT | {
    AccountStatus.REJECTED: gettext_noop("ask why, then invite again."),
    AccountStatus.EXPIRED: gettext_noop("ask whether they still want to, then invite again."),
    AccountStatus.IDLE: gettext_noop("invite somebody."),
}

PAST = {  # an earlier problem of the same invitation
    EpisodeState.EXPIRED: gettext_noop("was expired"),
    EpisodeState.REJECTED: gettext_noop("was rejected"),
}

# By the receiver of a new invitation, and whether it has a deadline. "Is out" while it is open, "went out" later.
_IS_OUT = {
    ("", False): gettext_noop("A new invitation is out."),
    ("", True): gettext_noop("A new invitation is out, until {when}."),
    ("now", False): gettext_noop("A new invitation is out to {now}."),
    ("now", True): gettext_noop("A new invitation is out to {now}, until {when}."),
    ("instead", False): gettext_noop("A new invitation is out to {now} instead of {before}."),
    ("instead", True): gettext_noop("A new invitation is out to {now} instead of {before}, until {when}."),
    ("another", False): gettext_noop("A new invitation is out to another person."),
    ("another", True): gettext_noop("A new invitation is out to another person, until {when}."),
}
_WENT_OUT = {
    ("", False): gettext_noop("A new invitation went out."),
    ("", True): gettext_noop("A new invitation went out, until {when}."),
    ("now", False): gettext_noop("A new invitation went out to {now}."),
    ("now", True): gettext_noop("A new invitation went out to {now}, until {when}."),
    ("instead", False): gettext_noop("A new invitation went out to {now} instead of {before}."),
    ("instead", True): gettext_noop("A new invitation went out to {now} instead of {before}, until {when}."),
    ("another", False): gettext_noop("A new invitation went out to another person."),
    ("another", True): gettext_noop("A new invitation went out to another person, until {when}."),
}


_WAS_SENT = {  # the same, by an operator
    ("", False): gettext_noop("{who} sent a new invitation."),
    ("", True): gettext_noop("{who} sent a new invitation, until {when}."),
    ("now", False): gettext_noop("{who} sent a new invitation to {now}."),
    ("now", True): gettext_noop("{who} sent a new invitation to {now}, until {when}."),
    ("instead", False): gettext_noop("{who} sent a new invitation to {now} instead of {before}."),
    ("instead", True): gettext_noop("{who} sent a new invitation to {now} instead of {before}, until {when}."),
    ("another", False): gettext_noop("{who} sent a new invitation to another person."),
    ("another", True): gettext_noop("{who} sent a new invitation to another person, until {when}."),
}
_OPERATED = {  # by kind of operation and stage
    (OperationKind.INVITE, OperationStage.ACCEPTED): gettext_noop(
        "Invited again by {who}, {when}; not in WeChat’s list yet"
    ),
    (OperationKind.INVITE, OperationStage.UNSURE): gettext_noop(
        "Invited again by {who}, {when}; WeChat has not confirmed it"
    ),
    (OperationKind.DELETE, OperationStage.ACCEPTED): gettext_noop(
        "Deleted by {who}, {when}; WeChat’s list is being read again"
    ),
    (OperationKind.DELETE, OperationStage.UNSURE): gettext_noop(
        "Deleted by {who}, {when}; WeChat has not confirmed it"
    ),
}


def plain_text(episode: Episode, context: RenderContext) -> str:
    """Write the fallback text: `Expiring: 小波 (bo@harbour_tea), less than 1 h left, until …. Ask …`."""
    done = context.say("Nothing left to do.") if episode.state is EpisodeState.BOUND else ""
    return context.paragraph(introduction(episode, context), sentence(episode, context.as_text), done)


def introduction(episode: Episode, context: RenderContext) -> str:
    """Write state, name, account and deadline for the fallback text."""
    context, lead = context.as_text, episode_text.passed_lead(episode)
    values = {
        "state": context.capitalized(context.state(episode_text.state_word(episode))),
        "name": episode_text.name(episode, context),
        "account": episode_text.account(episode, context),
        "lead": lead_name(lead, context) if lead else "",
        "when": date(episode.expires_at, context) if episode.expires_at else "",
    }
    if lead and values["when"]:
        return context.say("{state}: {name} ({account}), less than {lead} left, until {when}.", **values)
    if lead:
        return context.say("{state}: {name} ({account}), less than {lead} left.", **values)
    if values["when"] and episode.state is EpisodeState.WAITING:
        return context.say("{state}: {name} ({account}), until {when}.", **values)
    if values["when"] and episode.state is EpisodeState.EXPIRED:
        return context.say("{state}: {name} ({account}), deadline {when}.", **values)
    return context.say("{state}: {name} ({account}).", **values)


def sentence(episode: Episode, context: RenderContext) -> str:
    """Write the event and the next step."""
    if episode_text.passed_lead(episode) is None:
        return context.paragraph(event_sentence(episode, context), advice(episode, context))
    person = episode_text.person(episode, context)
    if not episode_text.is_urgent(episode, context):
        return context.say("Ask {person} to accept the invitation in WeChat.", person=person)
    if context.mode is RenderMode.TEXT:  # the deadline precedes it
        return context.say(
            "Ask {person} to accept the invitation in WeChat; after that a new one is needed.", person=person
        )
    return context.say(
        "Ask {person} to accept the invitation in WeChat. After the deadline a new one is needed.", person=person
    )


def event_sentence(episode: Episode, context: RenderContext) -> str:
    """Write the outcome of the invitation so far, as a sentence."""
    person = episode_text.invitee(episode.invite_wx) or context.say("The person")
    match episode.state:
        case EpisodeState.WAITING:
            return context.say("{person} has not answered yet.", person=person)
        case EpisodeState.REJECTED:
            return context.say("{person} declined the invitation.", person=person)
        case EpisodeState.EXPIRED:
            return context.say("{person} did not answer in time.", person=person)
        case EpisodeState.BOUND:
            left = left_when_bound(episode)
            if not left:
                return context.say("{person} accepted.", person=person)
            before = span(left, context)
            if context.mode is RenderMode.TEXT:
                return context.say("{person} accepted {span} before the deadline.", person=person, span=before)
            return context.say("{person} accepted, {span} before the deadline.", person=person, span=before)
        case EpisodeState.REPLACED if operated_by(episode, OperationKind.INVITE):
            return _new_invitation(episode, context, _WAS_SENT)
        case EpisodeState.REPLACED:
            return _new_invitation(episode, context, _IS_OUT)
        case EpisodeState.CANCELLED:
            return context.say("It was withdrawn outside this bot.")
        case EpisodeState.REMOVED if operated := operated_by(episode, OperationKind.DELETE):
            return context.say("{who} deleted the account.", who=mentions.user(operated, context))
        case EpisodeState.REMOVED:
            return context.say("The account was removed from WeChat’s list.")


def change_sentence(episode: Episode, context: RenderContext) -> str:
    """Write the outcome as a sentence that stays true, and that follows the state and a colon: `the person …`."""
    if episode.state is EpisodeState.REPLACED:
        words = replacement(episode, context)
    else:
        words = event_sentence(episode, context)
    # An ID keeps its case.
    starts_with_id = (invitee := episode_text.invitee(episode.invite_wx)) and words.startswith(invitee)
    return words if starts_with_id else context.uncapitalized(words)


def replacement(episode: Episode, context: RenderContext) -> str:
    """Report a new invitation as a sentence that stays true when that one is over too."""
    return _new_invitation(episode, context, _WENT_OUT)


def next_step(status: AccountStatus, context: RenderContext, *, in_slack: bool = False) -> str:
    """Write the next step after "Next: "; "" if there is none.

    Args:
        in_slack: invitations can be sent from Slack, so the WeChat console is not named.
    """
    steps = _NEXT_IN_SLACK if in_slack else _NEXT
    return context.say(steps[status]) if status in steps else ""


def advice(episode: Episode, context: RenderContext) -> str:
    """Write the next step as a sentence; "" when the episode is closed, or an operator has taken it."""
    if episode.state.closed or operated(episode, context):
        return ""
    step = next_step(AccountStatus(episode.state), context, in_slack=context.operations)
    return context.capitalized(step)


def quiet_notice(payload: Mapping[str, Any], context: RenderContext) -> str:
    """Announce quiet hours, which delay the next reminder, as a sentence; "" when none follow."""
    ends = payload.get("before_quiet")
    if ends is None:
        return ""
    clock = date(datetime.fromtimestamp(ends, UTC), context, CLOCK)
    return context.say("Quiet hours follow, until {clock}.", clock=clock)


def acknowledged(action: UserAction, context: RenderContext) -> str:
    who = mentions.user(action, context)
    return context.say("Acknowledged by {who}, {when}", who=who, when=date(action.at, context))


def snoozed(action: UserAction, context: RenderContext) -> str:
    who = mentions.user(action, context)
    if action.until is None:
        return context.say("Snoozed by {who}", who=who)
    return context.say("Snoozed by {who} until {when}", who=who, when=near(action.until, action.at, context))


def operated_by(episode: Episode, kind: OperationKind) -> Operated | None:
    """Return the operation of a kind that WeChat has accepted for the invitation; None without one."""
    operated = episode.operated
    accepted = operated is not None and operated.stage is OperationStage.ACCEPTED
    return operated if operated and accepted and operated.kind == kind else None


def operated(episode: Episode, context: RenderContext) -> str:
    """Write the operation that WeChat's list does not show yet; "" without one, and once it shows it."""
    found = None if episode.closed else episode.operated
    if found is None or found.stage is OperationStage.SENT:
        return ""
    words, who = _OPERATED[OperationKind(found.kind), found.stage], mentions.user(found, context)
    return context.say(words, who=who, when=date(found.at, context))


def owner(action: UserAction, context: RenderContext) -> str:
    """Write who acknowledged or snoozed, as one of several facts."""
    who = mentions.user(action, context)
    if action.until:
        when = near(action.until, action.at, context)
        return context.say("snoozed by {who} until {when}", who=who, when=when)
    return context.say("acknowledged by {who}, {when}", who=who, when=date(action.at, context))


def left_when_bound(episode: Episode) -> timedelta:
    """Return how long before the deadline the person accepted; zero when it was not before, or is not known.

    A rejected invitation is accepted no more: the person has had another one, which the bot has not seen.
    """
    other = episode.has_emitted(AlertKind.REJECTED) and episode.replaced_at is None
    if episode.state is not EpisodeState.BOUND or episode.expires_at is None or other:
        return timedelta(0)
    return max(episode.expires_at - episode.state_since, timedelta(0))


def _new_invitation(episode: Episode, context: RenderContext, sentences: Mapping[tuple[str, bool], str]) -> str:
    before, now = episode_text.invitee(episode.invite_wx), episode_text.invitee(episode.successor_wx)
    receiver = "now" if now else ""
    if episode.successor_wx != episode.invite_wx and before and now:
        receiver = "instead" if now != before else "another"  # two people may have one masked ID
    ends = episode.successor_expires_at
    when = date(ends, context) if ends else ""
    who = mentions.user(episode.operated, context) if episode.operated else ""
    return context.say(sentences[receiver, bool(when)], now=now, before=before, when=when, who=who)
