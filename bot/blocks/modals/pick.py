"""The menu of the accounts that can be invited, and why another one cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot import actions, view_metadata
from bot.accounts import AccountRow
from bot.actions import OpenAdd
from bot.alerting.episode import AccountStatus, EpisodeState
from bot.blocks import builders
from bot.blocks.channel.wording import next_step
from bot.blocks.context import RenderContext
from bot.blocks.modals import known_account
from bot.blocks.modals.field_error_texts import problem_text, still_open
from bot.blocks.modals.inputs import menu
from bot.blocks.modals.modal_view import callback_of, modal, title_of
from bot.blocks.names import account_of, name_of
from bot.blocks.times import near
from bot.operations.fields import FieldError, FieldProblem
from bot.operations.operation import MAX_ACCOUNTS, AccountFacts, OperationKind
from bot.operations.rules import INVITABLE
from bot.ports import Block, View
from bot.text import TYPED, mrkdwn
from bot.view_metadata import FormMetadata


def pick_form(rows: Sequence[AccountRow], context: RenderContext, *, searched: str = "") -> View:
    """Render the menu of the accounts that can be invited, problems first.

    Args:
        rows: all accounts, most urgent first.
        searched: typed text that no account matches.
    """
    offered = [row for row in rows if row.status in INVITABLE and row.account.kf_account and not row.fault]
    if not offered:
        return _nothing_to_pick(rows, context)
    offered = offered[:MAX_ACCOUNTS]
    groups = [(state, [row for row in offered if row.status is state]) for state in INVITABLE]
    no_match = context.say("No account matches “{text}”.", text=mrkdwn(searched, TYPED))
    field = menu(
        "account",
        context.term("field", "Account"),
        context.say("Choose an account"),
        [
            (_group_label(state, len(group), context), [_option(row, context) for row in group])
            for state, group in groups
            if group
        ],
    )
    return modal(
        title_of(OperationKind.INVITE, context),
        [
            *([builders.section(no_match)] if searched else []),
            field,
            builders.context(context.say("Only accounts that can be invited: rejected, expired or idle.")),
        ],
        context,
        callback_id=actions.PICK,
        submit=context.say("Next"),
        metadata=view_metadata.encode_form(FormMetadata(OperationKind.INVITE)),
    )


def blocked_view(facts: AccountFacts, now: datetime, context: RenderContext) -> View:
    """Show why an account cannot be invited: it is bound, or waiting, or gone, or its state is unknown."""
    status = known_account.status_of(facts, now, context)
    why, step, buttons = "", "", []
    if facts.status == EpisodeState.REMOVED:
        why = problem_text(FieldError(FieldProblem.GONE), context)
    elif status is AccountStatus.BOUND:
        why = problem_text(FieldError(FieldProblem.BOUND), context)
    elif status is AccountStatus.UNKNOWN:
        step, buttons = next_step(status, context), [builders.actions(builders.console(context))]
    else:
        why = still_open(near(facts.expires_at, now, context) if facts.expires_at else "", context)
        step = next_step(status, context)
    next_line = f"*{context.say('Next:')}* {step}" if step else ""
    text = "\n".join(filter(None, [known_account.head(facts, now, context), why, next_line]))
    return modal(
        title_of(OperationKind.INVITE, context),
        [builders.section(text), *buttons, builders.context(known_account.account(facts, context))],
        context,
        callback_id=callback_of(OperationKind.INVITE),
    )


def _nothing_to_pick(rows: Sequence[AccountRow], context: RenderContext) -> View:
    """Show that there is no account to invite for, and offer to add one."""
    if rows:
        text = context.say("Only accounts that can be invited: rejected, expired or idle.")
    else:
        title = context.say("No customer-service accounts yet")
        text = f"*{title}*\n{context.say('WeChat answered, and its list is empty.')}"
    add = builders.button(context.say("Add an account"), actions.ADD, actions.encode(OpenAdd()))
    return modal(
        title_of(OperationKind.INVITE, context),
        [builders.section(text), builders.actions(add)],
        context,
        callback_id=actions.PICK,
    )


def _group_label(state: AccountStatus, number: int, context: RenderContext) -> str:
    words = context.capitalized(context.state(state))
    return context.say("{icon} {state} ({number})", icon=builders.ICONS[state], state=words, number=number)


def _option(row: AccountRow, context: RenderContext) -> Block:
    account = row.account
    name, known = name_of(account.kf_nick, context), account_of(account.key, account.kf_id, context)
    return builders.option(f"{name} · {known}", actions.handle(account.key))
