"""Operations in the channel: a reply in the alert's thread, or a message of its own without an alert."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.blocks import builders, mentions
from bot.blocks.channel.episode_text import invitee
from bot.blocks.context import RenderContext
from bot.blocks.names import account_of, name_of
from bot.blocks.times import date
from bot.language import gettext_noop
from bot.operations.operation import EndReason, OperationKind
from bot.ports import Message
from bot.text import escape

# By whether another person is invited than before, and whether the list shows the deadline.
_INVITED = {
    (False, False): gettext_noop("Invited again by {name}: {now}."),
    (False, True): gettext_noop("Invited again by {name}: {now}, until {when}."),
    (True, False): gettext_noop("Invited again by {name}: {now} instead of {before}."),
    (True, True): gettext_noop("Invited again by {name}: {now} instead of {before}, until {when}."),
}
_HEAD = {
    OperationKind.ADD: gettext_noop("{account} · added by {who}"),
    OperationKind.INVITE: gettext_noop("{account} · invited by {who}"),
    OperationKind.RENAME: gettext_noop("{account} · renamed by {who}"),
    OperationKind.DELETE: gettext_noop("{account} · deleted by {who}"),
}
_TEXT = {
    OperationKind.ADD: gettext_noop("Added by {who}: {name} ({account})."),
    OperationKind.INVITE: gettext_noop("Invited by {who}: {name} ({account})."),
    OperationKind.RENAME: gettext_noop("Renamed by {who}: {name} ({account}), was {before}."),
    OperationKind.DELETE: gettext_noop("Deleted by {who}: {name} ({account})."),
}
_NO_CHANGE = gettext_noop(
    "{mention} what you asked for {account} did not happen: WeChat’s list shows no change. Please try again."
)
_RULED_OUT = gettext_noop(
    "{mention} what you asked for {account} did not happen: by WeChat’s list it is not possible now. "
    "Look at the account first."
)
_FAILED: Mapping[str | None, str] = {
    None: _NO_CHANGE,
    EndReason.NO_CHANGE: _NO_CHANGE,
    EndReason.STILL_LISTED: _NO_CHANGE,
    EndReason.NOT_CONFIRMED: gettext_noop(
        "{mention} WeChat has not confirmed what you asked for {account}. "
        "It may have happened all the same: look at the account before you repeat it."
    ),
    EndReason.NOT_SENT: gettext_noop(
        "{mention} what you asked for {account} did not happen: nothing was sent to WeChat. Please try again."
    ),
    EndReason.ERRCODE: gettext_noop(
        "{mention} what you asked for {account} did not happen: WeChat refused it (errcode {errcode})."
    ),
}


def operation_reply(payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Report an operation in the thread of the alert: `👤 Invited again by Lin: ch•••le, until Nov 26, 9:14 AM.`"""
    facts = payload["operation"]
    if facts.get("failed"):
        return operation_failed(payload, context)
    return Message(
        _reply(facts, context.as_text),
        [builders.section(f"{builders.PERSON} {_reply(facts, context)}")],
    )


def operation_notice(payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Report an operation on an account without an alert: `👤 *Eve* · added by Lin`, and a grey line."""
    facts = payload["operation"]
    if facts.get("failed"):
        return operation_failed(payload, context)
    kind = OperationKind(facts["kind"])
    head = context.say(_HEAD[kind], account=f"*{_name(facts['kf_nick'], context)}*", who=_who(facts, context))
    grey = " · ".join(
        filter(None, (escape(facts["kf_account"]), *_details(kind, facts, context), _at(facts, context)))
    )
    return Message(
        _text(kind, facts, context.as_text), [builders.section(f"{builders.PERSON} {head}"), builders.context(grey)]
    )


def operation_failed(payload: Mapping[str, Any], context: RenderContext) -> Message:
    """Tell the person who asked, with a mention, that it did not happen, or that it is not known whether it did."""
    facts = payload["operation"]
    name = _name(facts["kf_nick"] or facts.get("old_nick", ""), context)
    # A mention notifies: only of the person who waits for the result, and only in a new message.
    mention = mentions.link(facts["user"], facts["name"], context)
    sentence, errcode = _FAILED.get(facts.get("reason"), _RULED_OUT), facts.get("errcode")
    shown = context.say(sentence, mention=mention, account=f"*{name}*", errcode=errcode)
    text = context.as_text.say(sentence, mention=mention, account=name, errcode=errcode)
    return Message(text, [builders.section(f"⚠️ {shown}")])


def _reply(facts: Mapping[str, Any], context: RenderContext) -> str:
    name = mentions.plain_name(facts["name"], context)
    match OperationKind(facts["kind"]):
        case OperationKind.INVITE:
            now, before = invitee(facts["invite_wx"]), invitee(facts.get("old_wx", ""))
            is_other = bool(before) and facts["invite_wx"] != facts.get("old_wx")
            until = _until(facts, context)
            words = _INVITED[is_other and now != before, bool(until)]
            return context.say(words, name=name, now=now, before=before, when=until)
        case OperationKind.RENAME:
            after, before = _name(facts["kf_nick"], context), _name(facts.get("old_nick", ""), context)
            return context.say(
                "Renamed by {name}: {after} instead of {before}.", name=name, after=after, before=before
            )
        case OperationKind.DELETE:
            return context.say("Deleted by {name}.", name=name)
        case OperationKind.ADD:
            return context.say("Added by {name}.", name=name)


def _details(kind: OperationKind, facts: Mapping[str, Any], context: RenderContext) -> list[str]:
    match kind:
        case OperationKind.INVITE:
            until = _until(facts, context)
            invited = context.say("invited {id}", id=invitee(facts["invite_wx"]))
            return [invited, context.say("until {when}", when=until) if until else ""]
        case OperationKind.RENAME:
            return [context.say("was {before}", before=_name(facts.get("old_nick", ""), context))]
        case OperationKind.DELETE if facts.get("old_status"):
            return [context.say("was {before}", before=context.state(facts["old_status"]))]
    return []


def _text(kind: OperationKind, facts: Mapping[str, Any], context: RenderContext) -> str:
    return context.say(
        _TEXT[kind],
        who=_who(facts, context),
        name=_name(facts["kf_nick"], context),
        account=escape(account_of(facts["kf_account"], "", context)),
        before=_name(facts.get("old_nick", ""), context),
    )


def _who(facts: Mapping[str, Any], context: RenderContext) -> str:
    return mentions.plain_name(facts["name"], context)


def _name(nick: str, context: RenderContext) -> str:
    return escape(name_of(nick, context))


def _at(facts: Mapping[str, Any], context: RenderContext) -> str:
    return date(datetime.fromtimestamp(facts["at"], UTC), context)


def _until(facts: Mapping[str, Any], context: RenderContext) -> str:
    return date(datetime.fromtimestamp(facts["until"], UTC), context) if facts.get("until") else ""
