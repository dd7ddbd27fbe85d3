"""The messages of incidents: a notice in the channel, and a reply in its thread for each change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from bot.alerting.incidents import Incident
from bot.outbox.messages import LAST, MessageKind, NewMessage


def incident_messages(
    before: Incident | None, after: Incident | None, now: datetime, payload: Mapping[str, Any] | None = None
) -> list[NewMessage]:
    """Return the notice of a new incident, or the thread reply of a changed one.

    Args:
        payload: what the message shows beside the incident.
    """
    if after is None or after == before:
        return []
    if before is None or before.id != after.id:
        return [NewMessage(id=after.id, kind=MessageKind.INCIDENT, priority=0, payload={**(payload or {})})]
    if _reported_fields(before) == _reported_fields(after):
        return []
    return [
        NewMessage(
            id=f"{MessageKind.INCIDENT_REPLY}-{after.id}-{now.timestamp()}",
            kind=MessageKind.INCIDENT_REPLY,
            priority=LAST,
            payload={
                **(payload or {}),
                "cause": after.cause,
                "fault": asdict(after.fault),
                "over": after.resolved_at is not None,
                "seconds": int((now - after.began_at).total_seconds()),
            },
            parent_id=after.id,
        )
    ]


def _reported_fields(incident: Incident) -> tuple[object, ...]:
    """Return the fields of an incident whose change is worth a reply: the `rid` differs at each failed poll."""
    return incident.cause, incident.fault.kind, incident.fault.errcode, incident.resolved_at is None
