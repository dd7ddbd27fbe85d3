"""Failed writes that no field of a form is at fault for: why, and the next step."""

from __future__ import annotations

from dataclasses import replace

from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.modals.modal_view import callback_of, modal, title_of
from bot.blocks.problems import Explanation, explain_refusal
from bot.operations.operation import Operation, OperationKind
from bot.operations.refusals import NO_RIGHT_CODES
from bot.ports import View
from wechat_kf.advice import Place


def refusal_view(
    kind: OperationKind, explanation: Explanation, context: RenderContext, *, again: bool = False
) -> View:
    """Show why nothing can be changed now: an error of WeChat, or of the way there."""
    text = f"{builders.TROUBLE} *{explanation.title}*\n{explanation.why}\n{explanation.shown(context)}"
    return modal(
        title_of(kind, context, again=again),
        [
            builders.section(text),
            *([builders.actions(builders.link(explanation.place, context))] if explanation.place else []),
            *([builders.context(" · ".join(explanation.facts))] if explanation.facts else []),
        ],
        context,
        callback_id=callback_of(kind),
        ends=True,
    )


def explain_outcome(operation: Operation, context: RenderContext) -> Explanation:
    """Explain the errcode that ended an operation."""
    outcome = operation.outcome
    errcode = outcome.errcode or 0
    explanation = explain_refusal(errcode, outcome.error, context, rid=outcome.rid, address=outcome.address)
    if errcode not in NO_RIGHT_CODES:
        return explanation
    return replace(
        explanation,
        title=context.say("This account may not do that from outside"),
        why=context.say("WeChat grants this interface to verified accounts only."),
        next=context.say("do it in the WeChat console."),
        place=Place.CONSOLE,
    )
