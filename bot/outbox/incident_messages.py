"""The messages of incidents: a notice in the channel, and a reply in its thread for each change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from bot.alerting.incidents import Incident
from bot.outbox.messages import LAST, MessageKind, NewMessage


def notice(incident: Incident, payload: Mapping[str, Any] | None = None) -> NewMessage:
    """Return the notice of a new incident. `payload` is what it shows beside the incident."""
    return NewMessage(id=incident.id, kind=MessageKind.INCIDENT, priority=0, payload=payload or {})


def reply(
    incident: Incident, now: datetime, notice_id: str = "", payload: Mapping[str, Any] | None = None
) -> NewMessage:
    """Return the reply that reports an incident as it is now, in the thread of its own notice or of another."""
    return NewMessage(
        id=f"{MessageKind.INCIDENT_REPLY}-{incident.id}-{now.timestamp()}",
        kind=MessageKind.INCIDENT_REPLY,
        priority=LAST,
        payload={
            **(payload or {}),
            "cause": incident.cause,
            "fault": asdict(incident.fault),
            "over": incident.resolved_at is not None,
            "seconds": int((now - incident.began_at).total_seconds()),
        },
        parent_id=notice_id or incident.id,
    )


def is_new(before: Incident | None, after: Incident) -> bool:
    return before is None or before.id != after.id


def is_reported(before: Incident | None, after: Incident) -> bool:
    """Return whether the change of an incident is worth a reply: the `rid` differs at each failed poll."""
    return before is not None and _reported_fields(before) != _reported_fields(after)


def _reported_fields(incident: Incident) -> tuple[object, ...]:
    return incident.cause, incident.fault.kind, incident.fault.errcode, incident.resolved_at is None
