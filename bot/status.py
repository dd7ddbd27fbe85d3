"""The values behind `/kf status`, without wording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.alerting.quiet_hours import QuietHours
from bot.health.facts import HealthFacts
from bot.operations.operation import Availability, OperationKind
from bot.tenant_states import TenantState


class Snoozed(NamedTuple):
    """An alert that a user has postponed."""

    label: str  # the `kf_nick`: foreign text
    until: datetime


@dataclass(frozen=True, slots=True)
class OperationsStatus:
    """Whether operations are possible from Slack, and for which people."""

    availability: Availability = Availability.OFF
    people: tuple[str, ...] = ()  # IDs of users and user groups
    refused_at: datetime | None = None  # WeChat answered 48001 lately
    refused_family: str = ""

    def offers(self, kind: OperationKind) -> bool:
        """Return whether a button of this kind is shown to the people."""
        if self.availability is Availability.NO_RIGHT:
            return self.refused_family != kind.family
        return self.availability is Availability.ON


@dataclass(frozen=True, slots=True)
class Status:
    """All that is known of the bot. Times are aware; None, empty and zero mean unknown, or absent."""

    version: str
    facts: HealthFacts
    store: str = ""  # "SQLite" or "PostgreSQL"
    processes: int = 0
    watching_since: datetime | None = None
    token_expires_at: datetime | None = None
    channel: str = ""  # its ID
    snoozed: Sequence[Snoozed] = ()
    quiet: QuietHours | None = None
    quiet_until: datetime | None = None  # while it is quiet: when that ends
    leads: Sequence[timedelta] = ()
    operations: OperationsStatus = OperationsStatus()
    state: TenantState = TenantState.ACTIVE  # of the account
