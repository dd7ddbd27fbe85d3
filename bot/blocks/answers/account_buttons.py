"""The buttons below the details of one account."""

from __future__ import annotations

from bot import actions
from bot.actions import OpenInvite
from bot.alerting.episode import AccountStatus
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.operations.rules import INVITABLE
from bot.ports import Block
from bot.requests import History, Show


def account_buttons(key: str, name: str, status: AccountStatus | None, context: RenderContext) -> list[Block]:
    """Build the buttons of an account.

    Args:
        name: as plain text.
        status: None if the account cannot be invited from Slack, in whatever state it is.
    """
    handle = actions.handle(key)
    history = builders.button(context.say("History"), actions.HISTORY, actions.encode(History(handle)))
    return [
        *([_invite(handle, name, status, context)] if status and status in INVITABLE else []),
        builders.refresh(actions.encode(Show(handle)), context),
        *([history] if context.history else []),
        builders.console(context),
    ]


def _invite(handle: str, name: str, status: AccountStatus, context: RenderContext) -> Block:
    value = actions.encode(OpenInvite(handle=handle))
    if status is AccountStatus.IDLE:
        return builders.button(context.say("Invite somebody"), actions.INVITE, value, primary=True)
    label = context.say("Invite again: {name}, {state}", name=name, state=context.state(status))
    return builders.button(context.say("Invite again"), actions.INVITE, value, primary=True, label=label)
