"""Incidents of several accounts that one notice shows: a refused address, and what begins within minutes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.alerting.incidents import Incident

TOGETHER = timedelta(minutes=10)  # an incident joins the notice of another account for so long
NAMED = 10  # accounts; the others are counted
ADDRESS_REFUSED = 40164


@dataclass(frozen=True, slots=True)
class AccountIncident:
    """The incident of an Official Account, and what people call the account."""

    name: str
    incident: Incident


@dataclass(frozen=True, slots=True)
class IncidentGroup:
    """The incidents that one notice shows. There is at least one."""

    named: tuple[AccountIncident, ...]  # at most NAMED, those that last first
    total: int

    @property
    def incident(self) -> Incident:
        """Return an incident that lasts, if there is one."""
        return self.named[0].incident


def refused_address(incident: Incident) -> str:
    """Return the address of this server that WeChat refuses; "" if something else is the trouble."""
    return incident.fault.address if incident.fault.errcode == ADDRESS_REFUSED else ""
