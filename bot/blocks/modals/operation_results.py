"""The modal of an operation after its form was submitted: in progress, unsure, done, refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot import view_metadata
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.modals import known_account
from bot.blocks.modals.done import done_view, gone_already_view
from bot.blocks.modals.repeated_forms import not_done_form, refused_form
from bot.blocks.modals.result_parts import operation_modal, outcome_line, wanted_account
from bot.blocks.modals.write_errors import explain_outcome, refusal_view
from bot.operations.operation import EndReason, Operation, OperationKind, OperationState
from bot.operations.refusals import refusal_of, was_gone
from bot.ports import View
from wechat_kf import KfAccount


def operation_view(
    operation: Operation,
    now: datetime,
    context: RenderContext,
    *,
    channel: str,
    number: int,
    accounts: Sequence[KfAccount] = (),
) -> View:
    """Render what is known of an operation.

    Args:
        channel: the ID of the channel that shows the result, too.
        number: of the block IDs, if the form is shown again.
        accounts: the last list, for the account that a refusal does not name.
    """
    match operation.state:
        case OperationState.OPEN:
            return working_view(operation, channel, context)
        case OperationState.UNSURE:
            return unsure_view(operation, context)
        case OperationState.DONE:
            return done_view(operation, context)
    if was_gone(operation):
        return gone_already_view(operation, context)
    if error := refusal_of(operation, accounts, now):
        return refused_form(operation, error, number, now, context)
    if operation.outcome.reason is EndReason.NOT_CONFIRMED:
        return unconfirmed_view(operation, context)
    if operation.outcome.reason is EndReason.ERRCODE:
        again = known_account.had_invitation(operation.before)
        return refusal_view(operation.kind, explain_outcome(operation, context), context, again=again)
    return not_done_form(operation, number, now, context)


def working_view(operation: Operation, channel: str, context: RenderContext) -> View:
    """Announce the outcome of an operation whose request is on its way."""
    wait = context.say(
        "This takes up to 10 s. You may close this window; the result also appears in {channel}.",
        channel=f"<#{channel}>",
    )
    blocks = [builders.section(f"*{context.say('Asking WeChat…')}*\n{wait}")]
    return operation_modal(operation, blocks, context, metadata=view_metadata.encode_running(operation.id))


def restarting_view(operation: Operation, channel: str, context: RenderContext) -> View:
    """Announce that another process will find out the outcome."""
    text = context.say(
        "The bot is restarting; the result appears in {channel} within two minutes.", channel=f"<#{channel}>"
    )
    return operation_modal(operation, [builders.section(text)], context)


def unsure_view(operation: Operation, context: RenderContext) -> View:
    """Show that the answer was lost, or that WeChat accepted the change and its list does not show it yet."""
    account = wanted_account(operation, context)
    if operation.outcome.errcode != 0:
        title = f"*{context.say('WeChat did not answer in time')}*"
    elif operation.kind is OperationKind.DELETE:
        title = context.say("WeChat said yes, yet its list still shows {account}.", account=account)
    else:
        title = context.say("WeChat took it; its list does not show it yet.")
    wait = context.say(
        "It may have happened all the same. The list is being read again; please do not repeat it yet."
    )
    return operation_modal(
        operation,
        [builders.section(f"{builders.TROUBLE} {title}\n{wait}"), outcome_line(operation, context)],
        context,
    )


def unconfirmed_view(operation: Operation, context: RenderContext) -> View:
    """Show that the list could not be read in time, so that the outcome stays unknown."""
    title = context.say("WeChat has not confirmed it")
    why = context.say("It may have happened all the same. Look at the account before you repeat it.")
    return operation_modal(
        operation,
        [builders.section(f"{builders.TROUBLE} *{title}*\n{why}"), outcome_line(operation, context)],
        context,
        ends=True,
    )
