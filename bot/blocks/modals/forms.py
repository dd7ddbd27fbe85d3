"""The forms of operations. Each shows the account and its state, then the fields, then the consequence.

A form is rendered once. It comes again, with what was typed, only if its operation did not happen, or was refused
when the modal had changed already.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot import actions
from bot.alerting.episode import AccountStatus
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.modals import known_account
from bot.blocks.modals.form_parts import MAX_SUFFIX, Repetition, channel_sees, form, form_input
from bot.operations.operation import AccountFacts, OperationKind
from bot.ports import View
from bot.text import ACCOUNT, clean, escape, id_of, mrkdwn, units
from bot.view_metadata import FormMetadata

_NOTHING_TYPED: Mapping[str, str] = {}


def invite_form(
    facts: AccountFacts,
    now: datetime,
    context: RenderContext,
    *,
    channel: str,
    episode_id: str = "",
    typed: Mapping[str, str] = _NOTHING_TYPED,
    refused_at: datetime | None = None,
    repetition: Repetition | None = None,
) -> View:
    """Render the form that invites a person.

    Args:
        channel: the ID of the channel that will show the operation.
        episode_id: of the alert whose button opened it.
        typed: by field; without a value the person who was invited last.
        refused_at: when WeChat refused such an operation, with errcode 48001, lately.
    """
    return form(
        OperationKind.INVITE,
        f"{known_account.head(facts, now, context)}\n{_before_inviting(facts, now, context)}",
        [
            form_input(
                "wx",
                context.say("WeChat ID of the person"),
                {"wx": facts.invite_wx} | dict(typed),
                repetition,
                hint=context.say("The person’s own WeChat ID: no phone number, no nickname."),
            )
        ],
        f"{known_account.account(facts, context)} · "
        + context.paragraph(
            context.say("The person gets the invitation in WeChat and must accept it there."),
            channel_sees(channel, context),
        ),
        context,
        metadata=FormMetadata(OperationKind.INVITE, actions.handle(facts.kf_account), episode_id),
        submit=context.say("Send invitation"),
        account=known_account.account(facts, context),
        again=known_account.had_invitation(facts),
        refused_at=refused_at,
        repetition=repetition,
    )


def add_form(
    context: RenderContext,
    *,
    suffix: str,
    number: int,
    channel: str,
    typed: Mapping[str, str] = _NOTHING_TYPED,
    refused_at: datetime | None = None,
    repetition: Repetition | None = None,
) -> View:
    """Render the form that adds an account.

    Args:
        suffix: what the listed accounts have after `@`; "" if they share none. One that is longer than WeChat's
            fits into no field, so the whole account has to be typed as well.
        number: of the listed accounts.
        typed: by field.
    """
    suffix = suffix if units(suffix) <= MAX_SUFFIX else ""
    if suffix:
        hint = context.say("Up to 10 letters, digits or _. @{suffix} is added.", suffix=clean(suffix, ACCOUNT))
    else:
        hint = context.say("Up to 10 letters, digits or _, then @ and the Official Account’s WeChat ID.")
    label = context.term("field", "Account")
    return form(
        OperationKind.ADD,
        "",
        [
            form_input("account", label, typed, repetition, hint=hint, placeholder="eve", focus=True),
            form_input(
                "name",
                context.say("Name that customers see"),
                typed,
                repetition,
                hint=context.say("Up to 16 characters."),
                placeholder="Eve",
            ),
        ],
        context.paragraph(
            context.say("{number} of 100 accounts exist.", number=number), channel_sees(channel, context)
        ),
        context,
        metadata=FormMetadata(OperationKind.ADD, suffix=suffix),
        submit=context.say("Add account"),
        account=mrkdwn(typed.get("account", ""), ACCOUNT),
        refused_at=refused_at,
        repetition=repetition,
    )


def rename_form(
    facts: AccountFacts,
    now: datetime,
    context: RenderContext,
    *,
    channel: str,
    typed: Mapping[str, str] = _NOTHING_TYPED,
    refused_at: datetime | None = None,
    repetition: Repetition | None = None,
) -> View:
    """Render the form that renames an account. Without a typed value it begins with the present name."""
    account = known_account.account(facts, context)
    consequence = channel_sees(channel, context)
    return form(
        OperationKind.RENAME,
        known_account.head(facts, now, context),
        [
            form_input(
                "name",
                context.say("New name"),
                {"name": facts.kf_nick} | dict(typed),
                repetition,
                hint=context.say("Up to 16 characters."),
                focus=True,
            )
        ],
        f"{account} · {consequence}" if consequence else account,
        context,
        metadata=FormMetadata(OperationKind.RENAME, actions.handle(facts.kf_account)),
        submit=context.say("Rename"),
        account=account,
        refused_at=refused_at,
        repetition=repetition,
    )


def delete_form(
    facts: AccountFacts,
    now: datetime,
    context: RenderContext,
    *,
    channel: str,
    conversations: int = 0,
    typed: Mapping[str, str] = _NOTHING_TYPED,
    refused_at: datetime | None = None,
    repetition: Repetition | None = None,
) -> View:
    """Render the form that deletes an account, which has to be typed.

    Args:
        conversations: the number of open ones, if the last read shows it.
    """
    lines = [
        known_account.head(facts, now, context),
        context.say("This cannot be undone: the account, its name and its invitation are gone."),
    ]
    if facts.status == AccountStatus.BOUND:
        lines.append(f"{builders.TROUBLE} {_who_loses_access(facts, conversations, context)}")
    account = clean(facts.kf_account, ACCOUNT)
    label = context.say("Type {account} to delete it", account=account)
    return form(
        OperationKind.DELETE,
        "\n".join(lines),
        [form_input("typed", label, typed, repetition)],
        channel_sees(channel, context),
        context,
        metadata=FormMetadata(OperationKind.DELETE, actions.handle(facts.kf_account)),
        submit=context.say("Delete account"),
        account=escape(account),
        refused_at=refused_at,
        repetition=repetition,
    )


def _before_inviting(facts: AccountFacts, now: datetime, context: RenderContext) -> str:
    status, ask = known_account.status_of(facts, now, context), ""
    if status is AccountStatus.REJECTED:
        ask = context.say("Ask why before you invite again.")
    elif status is AccountStatus.EXPIRED:
        ask = context.say("Ask whether they still want to before you invite again.")
    return context.paragraph(known_account.sentence(facts, now, context), ask)


def _who_loses_access(facts: AccountFacts, conversations: int, context: RenderContext) -> str:
    who = escape(id_of(facts.kf_wx)) or context.capitalized(context.say("somebody"))
    loss = context.say("{who} answers customers with it and loses access at once.", who=who)
    if not conversations:
        return f"*{loss}*"
    return context.paragraph(
        f"*{loss}*",
        context.count("{number} conversation is open now.", "{number} conversations are open now.", conversations),
    )
