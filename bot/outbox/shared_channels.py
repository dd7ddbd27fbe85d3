"""Gather the messages of several Official Accounts that wait for one channel: a digest, one first run. Pure.

A message that may be gathered waits a little for others. `store.shared_channel_rows` reads and writes the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.outbox.coalescing import LINK, union
from bot.outbox.grouping import member_lists
from bot.outbox.messages import LAST_CALL, SEVERAL, MessageKind, NewMessage, OutboxRow
from bot.outbox.priority import id_of_many

WINDOW = timedelta(seconds=20)  # how long messages wait for others
MOST = 5  # messages of a channel at once that stay apart
FIRST_RUN_WAIT = timedelta(minutes=10)  # for the first polls of the other accounts
JOINS_WITHIN = timedelta(hours=24)  # how long after a first run those of other accounts are added to it
KINDS = (MessageKind.ALERT, MessageKind.DIGEST, MessageKind.QUIET_SUMMARY)


def delay(new: NewMessage) -> timedelta:
    """Return how long a new message waits for others. The last reminder before a deadline never does."""
    if new.kind is MessageKind.FIRST_RUN:
        return FIRST_RUN_WAIT
    return WINDOW if new.kind in KINDS and new.priority != LAST_CALL else timedelta(0)


def may_be_gathered(row: OutboxRow) -> bool:
    """Check whether a message may be part of a digest: Slack has not refused it, and no other shows its events."""
    return row.kind in KINDS and row.priority != LAST_CALL and not row.was_rejected and LINK not in row.payload


def digest(rows: Sequence[OutboxRow], now: datetime) -> list[NewMessage]:
    """Return one message in place of these, and the replies that list its episodes, account by account.

    Each of the messages could be posted now, so quiet hours that begin meanwhile do not hold their digest.
    """
    parent = NewMessage(
        id=id_of_many(MessageKind.DIGEST, sorted(row.id for row in rows)),
        kind=MessageKind.DIGEST,
        priority=min(row.priority for row in rows),
        episode_ids=_episodes(sorted(rows, key=lambda row: row.appid)),
        payload={"noticed": now.timestamp(), SEVERAL: True},
        breakthrough=True,
    )
    return [parent, *(replace(one, payload={SEVERAL: True}) for one in member_lists(parent))]


def first_run(row: OutboxRow, others: Iterable[OutboxRow]) -> dict[str, Any]:
    """Return the changed columns of a first run to which those of other accounts are added."""
    payload, episode_ids, event_keys = dict(row.payload), row.episode_ids, row.event_keys
    for other in others:
        counts, more = payload["counts"], other.payload["counts"]
        payload |= {
            "total": payload["total"] + other.payload["total"],
            "accounts": payload["accounts"] + other.payload["accounts"],
            "noticed": max(payload["noticed"], other.payload["noticed"]),
            "counts": {state: counts.get(state, 0) + more.get(state, 0) for state in counts | more},
        }
        episode_ids = (*episode_ids, *other.episode_ids)
        event_keys = (*event_keys, *other.event_keys)
    return {
        "payload": payload,
        "episode_ids": union(episode_ids, ()),
        "event_keys": union(event_keys, ()),
        "is_final": False,
    }


def _episodes(rows: Iterable[OutboxRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(episode_id for row in rows for episode_id in row.episode_ids))
