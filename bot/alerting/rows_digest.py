"""A digest of what the rules read of a list: equal digests mean that they would decide the same. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from zlib import crc32

from bot import __version__
from bot.alerting.episode import AlertPolicy
from wechat_kf import Invitation, KfAccount

SIZE = 16  # bytes
EVALUATED_EVERY = 3600  # seconds: what damaged a stored row in the meantime is found then


def rows_digest(accounts: Iterable[KfAccount], policy: AlertPolicy, appid: str, now: datetime) -> str:
    """Return the digest of the rows, the policy and this release.

    It changes once an hour, at another moment for each AppID, so that equal lists are evaluated from time to time.
    """
    period = (int(now.timestamp()) + crc32(appid.encode())) // EVALUATED_EVERY
    rows = [
        (one.kf_account, one.kf_nick, one.kf_id, one.kf_wx, one.kf_openid, _fields(one.invitation))
        for one in accounts
    ]
    content = repr((__version__, policy, period, rows)).encode(errors="surrogatepass")
    return hashlib.blake2b(content, digest_size=SIZE).hexdigest()


def _fields(invitation: Invitation | None) -> tuple[object, ...]:
    if invitation is None:
        return ()
    return invitation.invite_wx, invitation.status, invitation.expires_at
