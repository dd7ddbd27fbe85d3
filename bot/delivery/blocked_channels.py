"""Report a channel that Slack has refused for an hour, once, in the default channel."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.delivery.dependencies import DefaultChannel
from bot.outbox.messages import MessageKind, NewMessage
from bot.store import outbox, slack_state, stats
from bot.store.database import Tx

REPORT_AFTER = timedelta(hours=1)


async def report_blocked(tx: Tx, default: DefaultChannel | None, now: datetime) -> None:
    """Queue the notice that the channel is blocked. That of the default channel is in status and log."""
    if default is None or tx.channel_id == default.id:
        return
    trouble = await slack_state.claim_report(tx, now - REPORT_AFTER)
    if trouble is None:
        return
    since = int(trouble.since.timestamp())
    notice = NewMessage(
        id=f"{MessageKind.NOTICE}-{tx.channel_id}-{since}",
        kind=MessageKind.NOTICE,
        priority=0,
        payload={
            "channel": tx.channel_id,
            "error": trouble.error,
            "since": since,
            "waiting": await stats.waiting(tx),
        },
    )
    await outbox.enqueue(tx.of(default.appid, default.id), [notice], {}, now)
