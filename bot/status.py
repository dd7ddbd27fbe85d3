"""What there is to know of the bot itself, for `/kf status`. How it is shown is in `report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.health import HealthFacts


@dataclass(frozen=True, slots=True)
class PastProblem:
    """A stretch of trouble that is over."""

    title: str  # of what is over: "WeChat did not answer"
    lasted: timedelta
    since: datetime


class Snoozed(NamedTuple):
    """An alert that somebody has postponed."""

    label: str  # the `kf_nick`: foreign text
    until: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """All there is to know of the bot. Times are aware; what is None, empty or zero is not known or not there."""

    version: str
    facts: HealthFacts
    store: str = ""  # "SQLite" or "PostgreSQL"
    processes: int = 0
    watching_since: datetime | None = None
    token_expires_at: datetime | None = None
    channel: str = ""  # its ID
    snoozed: Sequence[Snoozed] = ()
    quiet: str = ""  # `22:00 to 08:00 Asia/Shanghai`
    quiet_until: datetime | None = None  # while it is quiet: when that ends
    leads: Sequence[timedelta] = ()
    last_problem: PastProblem | None = None
