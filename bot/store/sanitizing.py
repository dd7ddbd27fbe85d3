"""Remove from foreign text what no database accepts, and JSON allows: NUL and lone surrogates."""

from __future__ import annotations

import hashlib

from bot.alerting.episode import replace_if_changed
from wechat_kf import KfAccount

LONGEST_KEY = 200  # characters; WeChat's own stay under 64


def sanitize_account(account: KfAccount) -> KfAccount:
    """Sanitize the texts of an account, and shorten those that are indexed."""
    invitation = account.invitation
    if invitation:
        invitation = replace_if_changed(
            invitation, invite_wx=sanitize_key(invitation.invite_wx), status=sanitize_text(invitation.status)
        )
    return replace_if_changed(
        account,
        kf_account=sanitize_key(account.kf_account),
        kf_nick=sanitize_text(account.kf_nick),
        kf_id=sanitize_key(account.kf_id),
        kf_openid=sanitize_key(account.kf_openid or "") or None,
        invitation=invitation,
    )


def sanitize_key(text: str) -> str:
    """Sanitize and shorten an indexed text. PostgreSQL refuses long ones, which would stop the watcher."""
    text = sanitize_text(text)
    return text if len(text) <= LONGEST_KEY else text[:LONGEST_KEY] + hashlib.sha256(text.encode()).hexdigest()


def sanitize_text(text: str) -> str:
    """Remove NUL and replace lone surrogates."""
    if text.isprintable():
        return text  # the common case: neither of the two is printable
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
