"""Quiet hours: a daily window, in one time zone, in which the bot does not post. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")  # the default zone


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """Convert a moment to the local time of a zone; to UTC if that time is outside the calendar.

    A deadline is foreign data: east of UTC the last hours of the year 9999 are in a year that `datetime` lacks.
    """
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """One occurrence of quiet hours, in UTC: from `begins` to just before `ends`."""

    begins: datetime
    ends: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.begins <= moment < self.ends


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The daily window in the local time of `zone`. It may cross midnight; `begins` differs from `ends`.

    On the days of clock changes the window is an hour shorter or longer: it begins and ends by local time.
    """

    begins: time
    ends: time
    zone: ZoneInfo
    breakthrough: bool = False  # the smallest lead is posted in quiet hours

    def __str__(self) -> str:
        # `:00-08:` looks like an emoji code.
        return f"{self.begins:%H:%M} to {self.ends:%H:%M} {self.zone.key}"

    def window_of(self, moment: datetime) -> Window | None:
        """Return the window that contains a moment, or None."""
        return next((window for window in self._near(moment) if moment in window), None)

    def covers(self, moment: datetime) -> bool:
        return self.window_of(moment) is not None

    def last_end(self, moment: datetime) -> datetime:
        """Return the end of the newest window that has ended, or the moment itself."""
        return max((window.ends for window in self._near(moment) if window.ends <= moment), default=moment)

    def _near(self, moment: datetime) -> Iterator[Window]:
        """Yield the windows of the days around a moment.

        Yield none in the first and last year of the calendar, which a deadline may name: some of these days do not
        exist there.
        """
        if not MINYEAR < moment.year < MAXYEAR:
            return
        today = moment.astimezone(self.zone).date()
        # Of the three days before, a clock change may skip one window, and one may not have ended yet.
        for days in (-3, -2, -1, 0, 1):
            day = today + days * DAY
            last = day if self.begins < self.ends else day + DAY
            window = Window(
                self._instant(datetime.combine(day, self.begins)), self._instant(datetime.combine(last, self.ends))
            )
            if window.begins < window.ends:  # a clock change may skip all of it
                yield window

    def _instant(self, wall: datetime) -> datetime:
        """Convert local time to UTC. Ambiguous: the first occurrence; non-existent: shifted by the gap."""
        return wall.replace(tzinfo=self.zone).astimezone(UTC)
