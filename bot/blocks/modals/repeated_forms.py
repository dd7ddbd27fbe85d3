"""Forms that come again, from the stored operation: refused late, or it did not happen."""

from __future__ import annotations

from datetime import datetime

from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.modals.form_parts import Repetition
from bot.blocks.modals.forms import add_form, delete_form, invite_form, rename_form
from bot.blocks.modals.result_parts import outcome_facts, wanted_account
from bot.operations.fields import FieldError
from bot.operations.operation import AccountFacts, EndReason, Operation, OperationKind
from bot.ports import View


def refused_form(
    operation: Operation, error: FieldError, number: int, now: datetime, context: RenderContext
) -> View:
    """Render the form again with an error above its field, when it is too late for an error at the field.

    Args:
        number: of its block IDs: `next_number` of those that were submitted.
    """
    facts = outcome_facts(operation.outcome, context)
    return _form_again(operation, now, context, Repetition(number, error=error, facts=facts))


def not_done_form(operation: Operation, number: int, now: datetime, context: RenderContext) -> View:
    """Render the form again below the news that nothing happened. The person decides about a second try."""
    facts = outcome_facts(operation.outcome, context)
    notice = f"{builders.TROUBLE} {_what_did_not_happen(operation, context)}"
    return _form_again(operation, now, context, Repetition(number, notice=notice, facts=facts))


def _what_did_not_happen(operation: Operation, context: RenderContext) -> str:
    account = wanted_account(operation, context)
    step = (
        context.say("delete it again.") if operation.kind is OperationKind.DELETE else context.say("send it again.")
    )
    title = context.say("It did not happen")
    match operation.outcome.reason:
        case EndReason.STILL_LISTED:
            title = context.say("The account is still there")
            why = context.say("WeChat said yes, yet its list still shows {account}.", account=account)
        case EndReason.NOT_SENT:
            why = context.say("WeChat itself was not reached; your accounts are not affected.")
        case _:
            why = context.say("WeChat’s list shows no change.")
    return f"*{title}*\n{why}\n*{context.say('Next:')}* {step}"


def _form_again(operation: Operation, now: datetime, context: RenderContext, repetition: Repetition) -> View:
    wanted = operation.wanted
    before = operation.before or AccountFacts(wanted.kf_account)
    match operation.kind:
        case OperationKind.INVITE:
            return invite_form(
                before,
                now,
                context,
                channel="",
                episode_id=operation.episode_id,
                typed={"wx": wanted.invite_wx},
                repetition=repetition,
            )
        case OperationKind.ADD:
            return add_form(
                context,
                suffix=wanted.kf_account.partition("@")[2],
                number=0,
                channel="",
                typed={"account": wanted.kf_account, "name": wanted.nickname},
                repetition=repetition,
            )
        case OperationKind.RENAME:
            typed = {"name": wanted.nickname}
            return rename_form(before, now, context, channel="", typed=typed, repetition=repetition)
        case OperationKind.DELETE:
            typed = {"typed": wanted.kf_account}
            return delete_form(before, now, context, channel="", typed=typed, repetition=repetition)
