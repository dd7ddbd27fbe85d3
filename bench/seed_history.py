"""Fill a store with years of history: closed episodes with their events and messages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bench.testbed import ACCOUNTS
from bot.alerting.episode import AlertKind, Disposition, EpisodeState
from bot.outbox.messages import MessageKind, MessageStatus
from bot.store.database import Store
from bot.store.episodes import INVITATION
from bot.store.tables import emitted_event, episode, message

EPISODES = 10_000
PORTION = 1000  # rows in one statement
LEADS = (86_400, 21_600)  # seconds: reminders that each has emitted


async def fill(store: Store, appid: str, number: int = EPISODES) -> None:
    """Insert closed episodes, half of them of deleted accounts."""
    long_ago = datetime.now(UTC) - timedelta(days=900)
    for first in range(0, number, PORTION):
        numbers = range(first, min(first + PORTION, number))
        async with store.begin() as tx:
            for table, rows in (
                (episode, [_episode(one, appid, long_ago) for one in numbers]),
                (emitted_event, [row for one in numbers for row in _told(one, long_ago)]),
                (message, [_message(one, appid, long_ago) for one in numbers]),
            ):
                await tx.connection.execute(sa.insert(table), rows)
    if store.kind == "PostgreSQL":
        async with store.begin() as tx:
            await tx.run(sa.text("ANALYZE"))  # as autovacuum does within a minute


def _episode(number: int, appid: str, began: datetime) -> dict[str, Any]:
    gone = number % 2 == 0
    seat = f"gone{number}@harbour_tea" if gone else f"kf{number % ACCOUNTS}@harbour_tea"
    return {
        "id": f"closed-{number}",
        "appid": appid,
        "kind": INVITATION,
        "account_key": seat,
        "invite_wx": f"once_{number}",
        "expires_at": began + timedelta(hours=number),
        "state": EpisodeState.REMOVED if gone else EpisodeState.REPLACED,
        "first_seen": began + timedelta(hours=number - 70),
        "state_since": began + timedelta(hours=number - 1),
        "kf_account": seat,
        "kf_nick": f"客服 {number}",
        "kf_id": str(number),
        "is_latest": gone,  # that account had no later invitation
    }


def _told(number: int, began: datetime) -> Iterator[dict[str, Any]]:
    for lead in LEADS:
        yield {
            "episode_id": f"closed-{number}",
            "kind": AlertKind.EXPIRING,
            "lead_seconds": lead,
            "disposition": Disposition.NOTIFIED,
            "at": began + timedelta(hours=number) - timedelta(seconds=lead),
            "message_id": f"told-{number}",
        }


def _message(number: int, appid: str, began: datetime) -> dict[str, Any]:
    moment = began + timedelta(hours=number)
    return {
        "id": f"told-{number}",
        "appid": appid,
        "kind": MessageKind.ALERT,
        "priority": 4,
        "episode_ids": [f"closed-{number}"],
        "event_keys": [f"{number:016x}"],
        "payload": {},
        "status": MessageStatus.SENT,
        "created_at": moment,
        "not_before": moment,
        "channel_id": "C0ALERTS",
        "ts": f"{int(moment.timestamp())}.000001",
        "sent_at": moment,
        "applied_hash": "0" * 64,
        "next_edit_at": moment,
        "is_final": True,
    }
