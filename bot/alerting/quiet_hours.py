"""Quiet hours: when the channel is to be left alone. A daily window on the clocks of one zone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")  # the zone of a deployment that names none


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """Convert a moment to the clocks of a zone; to UTC when the calendar has no such hour in that zone.

    A deadline is foreign data: east of UTC the last hours of the year 9999 belong to a year that does not exist.
    """
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of quiet, in UTC: from `begins` to just before `ends`."""

    begins: datetime
    ends: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.begins <= moment < self.ends


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The daily window, as people's clocks in `zone` show it. It may pass midnight; `begins` is not `ends`.

    On the days when clocks are changed the window is an hour shorter or longer: it begins and ends by the clock.
    """

    begins: time
    ends: time
    zone: ZoneInfo
    breakthrough: bool = False  # the smallest lead is told all the same

    def __str__(self) -> str:
        # `:00-08:` looks like an emoji code.
        return f"{self.begins:%H:%M} to {self.ends:%H:%M} {self.zone.key}"

    def window_of(self, moment: datetime) -> Window | None:
        """The window that covers a moment, if one does."""
        return next((window for window in self._near(moment) if moment in window), None)

    def covers(self, moment: datetime) -> bool:
        return self.window_of(moment) is not None

    def last_end(self, moment: datetime) -> datetime:
        """When the newest window ended that is over at a moment."""
        return max((window.ends for window in self._near(moment) if window.ends <= moment), default=moment)

    def _near(self, moment: datetime) -> Iterator[Window]:
        """The windows of the days round a moment. In the calendar's first and last year, which a deadline may name,
        none: its days before or after do not exist.
        """
        if not MINYEAR < moment.year < MAXYEAR:
            return
        today = moment.astimezone(self.zone).date()
        # Of the three days before, clocks put forward may leave out one window, and one may not be over yet.
        for days in (-3, -2, -1, 0, 1):
            day = today + days * DAY
            last = day if self.begins < self.ends else day + DAY
            window = Window(
                self._instant(datetime.combine(day, self.begins)), self._instant(datetime.combine(last, self.ends))
            )
            if window.begins < window.ends:  # clocks put forward may leave nothing of it
                yield window

    def _instant(self, wall: datetime) -> datetime:
        """A time on the clock as a moment. Shown twice, it is the first; skipped, it comes as late as the skip."""
        return wall.replace(tzinfo=self.zone).astimezone(UTC)
