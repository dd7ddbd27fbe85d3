"""Parts of modals that show an operation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.modals import known_account
from bot.blocks.modals.modal_view import callback_of, modal, title_of
from bot.blocks.names import account_of
from bot.blocks.problems import explain_attempts
from bot.operations.operation import Operation, Outcome
from bot.ports import Block, View
from bot.text import ACCOUNT, escape, mrkdwn

# How the log names the reason of a missing answer; the number of attempts may follow.
_NO_ANSWER = re.compile(r"(?P<cause>time-out|no connection|proxy)( after [0-9]+ attempts?)?")
_HTTP = re.compile(r"HTTP [0-9]{3}")


def operation_modal(
    operation: Operation,
    blocks: Sequence[Block],
    context: RenderContext,
    *,
    metadata: str = "",
    ends: bool = False,
) -> View:
    """Build a modal without fields that shows something of an operation."""
    title = title_of(operation.kind, context, again=known_account.had_invitation(operation.before))
    callback_id = callback_of(operation.kind)
    return modal(title, blocks, context, callback_id=callback_id, metadata=metadata, ends=ends)


def outcome_line(operation: Operation, context: RenderContext) -> Block:
    """Build the grey line: the account, and the facts for WeChat's support."""
    return builders.context(
        " · ".join([wanted_account(operation, context), *outcome_facts(operation.outcome, context)])
    )


def outcome_facts(outcome: Outcome, context: RenderContext) -> list[str]:
    """Write errcode and rid, or why there is no answer, as mrkdwn."""
    if outcome.errcode is not None:
        rid = mrkdwn(outcome.rid, ACCOUNT)
        return [f"errcode {outcome.errcode}", *([f"rid {rid}"] if rid else [])]
    found = _NO_ANSWER.fullmatch(outcome.error)
    if found:
        return [context.say("no errcode"), explain_attempts(found["cause"], outcome.attempts, context)]
    return [context.say("no errcode"), *([outcome.error] if _HTTP.fullmatch(outcome.error) else [])]


def wanted_account(operation: Operation, context: RenderContext) -> str:
    """Write the account of an operation, as mrkdwn."""
    return escape(account_of(operation.wanted.kf_account, "", context))
