"""The modal of an operation that happened: what is so now, and the next step."""

from __future__ import annotations

from collections.abc import Sequence

from bot import actions
from bot.actions import OpenInvite
from bot.alerting.episode import AccountStatus
from bot.blocks import builders
from bot.blocks.channel.wording import next_step
from bot.blocks.context import RenderContext
from bot.blocks.modals import known_account
from bot.blocks.modals.result_parts import operation_modal, wanted_account
from bot.blocks.names import name_of
from bot.blocks.times import date
from bot.operations.operation import AccountFacts, Operation, OperationKind
from bot.operations.refusals import was_gone
from bot.ports import Block, View
from bot.text import escape, id_of


def done_view(operation: Operation, context: RenderContext) -> View:
    """Show the success of an operation."""
    if was_gone(operation):
        return gone_already_view(operation, context)
    match operation.kind:
        case OperationKind.INVITE:
            return _invited(operation, context)
        case OperationKind.ADD:
            return _added(operation, context)
        case OperationKind.RENAME:
            return _renamed(operation, context)
        case OperationKind.DELETE:
            gone = context.say(
                "{account} is no longer in WeChat’s list.", account=wanted_account(operation, context)
            )
            return _success(operation, [context.say("Account deleted"), gone], (), context)


def gone_already_view(operation: Operation, context: RenderContext) -> View:
    """Show that an account that was to be deleted did not exist any more."""
    who = context.say("Somebody deleted {account} before you did.", account=wanted_account(operation, context))
    return _success(operation, [context.say("It was gone already"), who], (), context)


def _invited(operation: Operation, context: RenderContext) -> View:
    name = known_account.name(_before(operation), context)
    who = escape(id_of(operation.wanted.invite_wx)) or context.say("the person")
    expires_at = operation.outcome.expires_at
    if expires_at:
        waits = context.say(
            "{name} waits for {who}, until {when}.", name=name, who=who, when=date(expires_at, context)
        )
    else:
        waits = context.say("{name} waits for {who}.", name=name, who=who)
    lines = [
        context.say("Invitation sent"),
        context.paragraph(waits, _not_listed(operation, context)),
        f"*{context.say('Next:')}* {next_step(AccountStatus.WAITING, context)}",
    ]
    return _success(operation, lines, [builders.context(wanted_account(operation, context))], context)


def _added(operation: Operation, context: RenderContext) -> View:
    account, title = wanted_account(operation, context), context.say("Account added")
    if late := _not_listed(operation, context):
        return _success(operation, [title, late], [builders.context(account)], context)
    words = context.say("Invite somebody")
    value = actions.encode(OpenInvite(handle=actions.handle(operation.wanted.kf_account)))
    lines = [
        title,
        context.say("{account} is there, and nobody is invited yet.", account=account),
        f"*{context.say('Next:')}* {context.say('invite somebody.')}",
    ]
    button = builders.button(words, actions.INVITE, value, label=words)
    return _success(operation, lines, [builders.actions(button)], context)


def _renamed(operation: Operation, context: RenderContext) -> View:
    changed = context.say(
        "{before} is now {after}.",
        before=known_account.name(_before(operation), context),
        after=escape(name_of(operation.wanted.nickname, context)),
    )
    lines = [context.say("Renamed"), context.paragraph(changed, _not_listed(operation, context))]
    return _success(operation, lines, [builders.context(wanted_account(operation, context))], context)


def _success(operation: Operation, lines: Sequence[str], more: Sequence[Block], context: RenderContext) -> View:
    """Build the modal of a success: the first line in bold."""
    text = "\n".join([f"{builders.FINE} *{lines[0]}*", *lines[1:]])
    return operation_modal(operation, [builders.section(text), *more], context, ends=True)


def _not_listed(operation: Operation, context: RenderContext) -> str:
    if operation.outcome.is_listed:
        return ""
    return context.say("WeChat took it; its list does not show it yet.")


def _before(operation: Operation) -> AccountFacts:
    return operation.before or AccountFacts(operation.wanted.kf_account)
