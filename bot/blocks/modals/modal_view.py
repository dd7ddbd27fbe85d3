"""The shell of a modal: its title and buttons, and the modals that only announce something."""

from __future__ import annotations

from collections.abc import Sequence

from bot import actions, view_metadata
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.operations.operation import OperationKind
from bot.ports import Block, Message, View

MAX_TITLE = 24  # also of submit and close: https://docs.slack.dev/reference/views/modal-views


def modal(
    title: str,
    blocks: Sequence[Block],
    context: RenderContext,
    *,
    callback_id: str,
    submit: str = "",
    metadata: str = "",
    ends: bool = False,
) -> View:
    """Build a modal.

    Args:
        submit: the words of the button that sends the form; "" for a modal without fields.
        metadata: `private_metadata`, which Slack sends back.
        ends: closing it closes the modals below it, too.
    """
    close = context.say("Cancel") if submit else context.say("Close")
    view: View = {
        "type": "modal",
        "callback_id": callback_id,
        "title": builders.plain(title, MAX_TITLE),
        "blocks": list(blocks),
        "close": builders.plain(close, MAX_TITLE),
    }
    if submit:
        view["submit"] = builders.plain(submit, MAX_TITLE)
    if metadata:
        view["private_metadata"] = metadata
    if ends:
        view["clear_on_close"] = True
    return view


def callback_of(kind: OperationKind) -> str:
    """Return the callback_id of the modals of an operation."""
    return f"op.{kind}"


def title_of(kind: OperationKind, context: RenderContext, *, again: bool = False) -> str:
    """Return the title of the modals of an operation, which names no account: a name may be too long.

    Args:
        again: the account had an invitation before.
    """
    match kind:
        case OperationKind.INVITE:
            return context.say("Invite again") if again else context.say("Invite somebody")
        case OperationKind.ADD:
            return context.say("Add an account")
        case OperationKind.RENAME:
            return context.say("Rename an account")
        case OperationKind.DELETE:
            return context.say("Delete an account")


def reading_view(context: RenderContext, kind: OperationKind | None = None, *, again: bool = False) -> View:
    """Announce a form, or without `kind` the details of an account, that waits for WeChat."""
    title = title_of(kind, context, again=again) if kind else context.say("Account details")
    callback_id = callback_of(kind) if kind else actions.DETAILS_MODAL
    return modal(title, [builders.section(context.say("Reading from WeChat…"))], context, callback_id=callback_id)


def message_view(message: Message, context: RenderContext, *, is_history: bool = False) -> View:
    """Show an answer as a modal, where a click has no other place for it."""
    title = context.say("History") if is_history else context.say("Help")
    callback_id = actions.HISTORY if is_history else actions.MESSAGE_MODAL
    return modal(title, message.blocks or [builders.section(message.text)], context, callback_id=callback_id)


def refused_view(kind: OperationKind, message: Message, context: RenderContext) -> View:
    """Show why there is no form."""
    return modal(title_of(kind, context), message.blocks, context, callback_id=callback_of(kind))


def details_view(message: Message, handle: str, context: RenderContext) -> View:
    """Show an answer about an account as a modal. `handle` is that of the account."""
    return modal(
        context.say("Account details"),
        message.blocks,
        context,
        callback_id=actions.DETAILS_MODAL,
        metadata=view_metadata.encode_details(handle),
    )
