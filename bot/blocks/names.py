"""Names of accounts as plain text, with words in the reader's language for what WeChat leaves empty."""

from __future__ import annotations

from bot.blocks.context import RenderContext
from bot.text import ACCOUNT, NAME, clean
from wechat_kf import KfAccount


def name_of(kf_nick: str, context: RenderContext) -> str:
    """Return the name of an account, for plain_text."""
    return clean(kf_nick, NAME) or context.say("(no name)")


def account_of(account_key: str, kf_id: str, context: RenderContext) -> str:
    """Return the account, else its OpenID, else its seat number, for plain_text.

    `account_key` identifies the account: `KfAccount.key`, `Episode.account_key`.
    """
    number = clean(kf_id, ACCOUNT)
    if account_key != kf_id and (account := clean(account_key, ACCOUNT)):
        return account
    return context.say("seat {number}", number=number) if number else context.say("(no account)")


def label_of(account: KfAccount, context: RenderContext) -> str:
    """Return the one word that identifies an account: its name, else its account."""
    return clean(account.kf_nick, NAME) or account_of(account.key, account.kf_id, context)
