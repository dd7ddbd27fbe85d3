"""The messages about operations: a reply in the alert's thread, else a message of its own. Pure."""

from __future__ import annotations

from typing import Any

from bot.operations.operation import Operation, OperationKind
from bot.outbox.messages import LAST, MessageKind, NewMessage


def completed(operation: Operation, episode_id: str, parent_id: str | None) -> NewMessage:
    """Return the message that reports an operation that took effect.

    Args:
        episode_id: of the invitation that it changed; "" without one.
        parent_id: the alert of that invitation; None: the channel gets a message of its own, after everything else.
    """
    return NewMessage(
        id=f"operation-{operation.id}",
        kind=MessageKind.REPLY if parent_id else MessageKind.OPERATION,
        priority=LAST,
        episode_ids=(episode_id,) if episode_id and parent_id else (),
        payload={"operation": _facts(operation)},
        parent_id=parent_id,
        breakthrough=parent_id is not None,  # the person is awake, and a reply mentions no one else
    )


def not_completed(operation: Operation, parent_id: str | None) -> NewMessage:
    """Return the message to the person who asked, when the window that would have shown the failure is closed."""
    outcome = operation.outcome
    failure = {"failed": True, "reason": outcome.reason, "errcode": outcome.errcode}
    return NewMessage(
        id=f"operation-{operation.id}-failed",
        kind=MessageKind.REPLY if parent_id else MessageKind.OPERATION,
        priority=LAST,
        payload={"operation": _facts(operation) | failure},
        parent_id=parent_id,
        breakthrough=parent_id is not None,
    )


def _facts(operation: Operation) -> dict[str, Any]:
    before, wanted = operation.before, operation.wanted
    facts: dict[str, Any] = {
        "kind": operation.kind,
        "user": operation.user_id,
        "name": operation.user_name,
        "at": int(operation.asked_at.timestamp()),
        "kf_account": wanted.kf_account,
        "kf_nick": wanted.nickname or (before.kf_nick if before else ""),
    }
    if operation.kind is OperationKind.INVITE:
        expires_at = operation.outcome.expires_at
        facts |= {"invite_wx": wanted.invite_wx, "until": int(expires_at.timestamp()) if expires_at else None}
    if before and operation.kind is not OperationKind.ADD:
        facts |= {"old_nick": before.kf_nick, "old_wx": before.invite_wx, "old_status": before.status}
    return facts
