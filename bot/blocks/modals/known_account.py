"""The account that a form or a result is about, as the store or the last list knows it."""

from __future__ import annotations

from datetime import datetime

from bot.accounts import AccountRow
from bot.alerting.episode import AccountStatus, EpisodeState, account_status
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.answers.account_details import state_sentence
from bot.blocks.context import RenderContext
from bot.blocks.names import account_of, name_of
from bot.operations.operation import AccountFacts
from bot.text import escape
from wechat_kf import Invitation, KfAccount


def head(facts: AccountFacts, now: datetime, context: RenderContext) -> str:
    """Write `⏰ *小波* · expires in 41 min, 9:53 AM`, as mrkdwn."""
    if facts.status == EpisodeState.REMOVED:
        return f"{builders.ICONS[facts.status]} *{name(facts, context)}* · {context.state(facts.status)}"
    return account_rows.head(_row(facts, now, context), now, context)


def sentence(facts: AccountFacts, now: datetime, context: RenderContext) -> str:
    """Write what the person has done so far, as mrkdwn."""
    return state_sentence(_row(facts, now, context), context)


def had_invitation(facts: AccountFacts | None) -> bool:
    """Return whether inviting means to invite again."""
    return facts is not None and facts.status in (AccountStatus.REJECTED, AccountStatus.EXPIRED)


def name(facts: AccountFacts, context: RenderContext) -> str:
    """Write the name, as mrkdwn."""
    return escape(name_of(facts.kf_nick, context))


def account(facts: AccountFacts, context: RenderContext) -> str:
    """Write the account, as mrkdwn."""
    return escape(account_of(facts.kf_account, facts.kf_id, context))


def status_of(facts: AccountFacts, now: datetime, context: RenderContext) -> AccountStatus:
    """Return the status at this moment: a deadline may have passed since the facts were read."""
    return _row(facts, now, context).status


def _row(facts: AccountFacts, now: datetime, context: RenderContext) -> AccountRow:
    known = KfAccount(kf_account=facts.kf_account, kf_nick=facts.kf_nick, kf_id=facts.kf_id)
    match facts.status:
        case AccountStatus.IDLE:
            return AccountRow(known, AccountStatus.IDLE)
        case AccountStatus.BOUND:
            bound = KfAccount(known.kf_account, known.kf_nick, known.kf_id, kf_wx=facts.kf_wx)
            return AccountRow(bound, AccountStatus.BOUND)
        case AccountStatus.WAITING | AccountStatus.REJECTED | AccountStatus.EXPIRED:
            invitation = Invitation(facts.invite_wx, facts.status, facts.expires_at)
            invited = KfAccount(known.kf_account, known.kf_nick, known.kf_id, invitation=invitation)
            return AccountRow(invited, account_status(invited, now, context.policy))
    return AccountRow(known, AccountStatus.UNKNOWN)  # the word that WeChat uses for its state is not kept
