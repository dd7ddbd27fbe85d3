"""The message that the channel of an account gets after a withdrawal. Pure; `blocks` words it."""

from __future__ import annotations

from datetime import datetime

from bot.outbox.messages import MessageKind, NewMessage
from bot.store.authorizer_rows import Authorizer


def withdrawal(account: Authorizer, now: datetime) -> NewMessage:
    """Return the notice that the owner of an account has withdrawn the authorisation."""
    since = account.event_at or account.refused_since or now
    return NewMessage(
        id=f"{MessageKind.NOTICE}-withdrawn-{account.appid}-{int(since.timestamp())}",
        kind=MessageKind.NOTICE,
        priority=0,
        payload={"withdrawn": account.name or f"@{account.slug}", "handle": account.slug},
    )
