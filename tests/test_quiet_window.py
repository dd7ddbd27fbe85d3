"""Quiet hours: by the clocks of one zone, across midnight, and on the days when clocks are changed."""

from __future__ import annotations

from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.alerting.quiet_hours import QuietHours, Window
from tests.for_each import for_each

SHANGHAI, BERLIN, NEW_YORK = (ZoneInfo(name) for name in ("Asia/Shanghai", "Europe/Berlin", "America/New_York"))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def quiet(hours: str, zone: ZoneInfo = SHANGHAI) -> QuietHours:
    begins, ends = map(time.fromisoformat, hours.split("-"))
    return QuietHours(begins, ends, zone)


def utc(text: str) -> datetime:
    """Parse `2026-03-29 01:30` as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    """Return a local time in a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


NIGHT, NOON = quiet("22:00-08:00"), quiet("12:30-14:00")


@for_each(
    ("hours", "clock", "covered"),
    [
        (NIGHT, "2026-11-23 21:59:59.999999", False),
        (NIGHT, "2026-11-23 22:00", True),
        (NIGHT, "2026-11-23 23:59", True),
        (NIGHT, "2026-11-24 00:00", True),
        (NIGHT, "2026-11-24 07:59:59.999999", True),
        (NIGHT, "2026-11-24 08:00", False),
        (NIGHT, "2026-11-24 12:00", False),
        (NOON, "2026-11-23 12:29:59.999999", False),
        (NOON, "2026-11-23 12:30", True),
        (NOON, "2026-11-23 13:59:59.999999", True),
        (NOON, "2026-11-23 14:00", False),
        (NOON, "2026-11-24 00:00", False),
        (quiet("00:00-07:00"), "2026-11-23 00:00", True),
        (quiet("00:00-07:00"), "2026-11-22 23:59:59.999999", False),
        (quiet("20:00-00:00"), "2026-11-23 23:59:59.999999", True),
        (quiet("20:00-00:00"), "2026-11-24 00:00", False),
        (quiet("08:01-08:00"), "2026-11-24 08:00", False),
        (quiet("08:01-08:00"), "2026-11-24 07:59:59.999999", True),
        (quiet("08:01-08:00"), "2026-11-24 08:01", True),
    ],
)
def test_window_includes_its_beginning_and_excludes_its_end(hours, clock, covered):
    assert hours.covers(at(clock)) is covered


@pytest.mark.parametrize("clock", ["2026-11-23 22:00", "2026-11-23 23:30", "2026-11-24 03:00", "2026-11-24 07:59"])
def test_hours_over_midnight_are_one_window(clock):
    assert NIGHT.window_of(at(clock)) == Window(at("2026-11-23 22:00"), at("2026-11-24 08:00"))


def test_moment_outside_quiet_hours_has_no_window():
    assert NIGHT.window_of(at("2026-11-23 12:00")) is None


def test_moment_may_be_in_any_zone():
    moment = at("2026-11-23 23:00")
    assert NIGHT.window_of(moment.astimezone(NEW_YORK)) == NIGHT.window_of(moment)


@pytest.mark.parametrize(
    ("hours", "clock", "ended"),
    [
        (NIGHT, "2026-11-24 08:00", "2026-11-24 08:00"),
        (NIGHT, "2026-11-24 21:00", "2026-11-24 08:00"),
        (NIGHT, "2026-11-24 23:00", "2026-11-24 08:00"),  # in the next one
        (NIGHT, "2026-11-25 07:59:59", "2026-11-24 08:00"),
        (NOON, "2026-11-24 13:59", "2026-11-23 14:00"),
        (NOON, "2026-11-24 14:00", "2026-11-24 14:00"),
        (quiet("20:00-00:00"), "2026-11-24 00:00", "2026-11-24 00:00"),
    ],
)
def test_last_end_is_that_of_the_newest_window_that_is_over(hours, clock, ended):
    assert hours.last_end(at(clock)) == at(ended)


def test_text_of_the_hours_has_their_zone():
    assert str(NIGHT) == "22:00 to 08:00 Asia/Shanghai"


# Clocks go from 02:00 to 03:00 at 01:00 UTC in Berlin, at 07:00 UTC in New York.
# They go back from 03:00 to 02:00 at 01:00 UTC in Berlin, from 02:00 to 01:00 at 06:00 UTC in New York.


@pytest.mark.parametrize(
    ("hours", "begins", "ends"),
    [
        # Across the change, the window is an hour shorter.
        (quiet("22:00-08:00", BERLIN), "2026-03-28 21:00", "2026-03-29 06:00"),
        (quiet("22:00-08:00", NEW_YORK), "2026-03-08 03:00", "2026-03-08 12:00"),
        # It ends inside the hour that is skipped: as late as the skip.
        (quiet("22:00-02:30", BERLIN), "2026-03-28 21:00", "2026-03-29 01:30"),
        (quiet("22:00-02:30", NEW_YORK), "2026-03-08 03:00", "2026-03-08 07:30"),
        (quiet("22:00-02:00", BERLIN), "2026-03-28 21:00", "2026-03-29 01:00"),
        # It begins inside it.
        (quiet("02:30-08:00", BERLIN), "2026-03-29 01:30", "2026-03-29 06:00"),
        (quiet("02:30-08:00", NEW_YORK), "2026-03-08 07:30", "2026-03-08 12:00"),
        (quiet("03:00-08:00", BERLIN), "2026-03-29 01:00", "2026-03-29 06:00"),
        # All of it is skipped: it comes afterwards, as long as ever.
        (quiet("02:10-02:40", BERLIN), "2026-03-29 01:10", "2026-03-29 01:40"),
    ],
)
def test_clocks_put_forward(hours, begins, ends):
    assert_only_window_near(hours, utc(begins), utc(ends))


@pytest.mark.parametrize(
    ("hours", "begins", "ends"),
    [
        # Across the change, the window is an hour longer.
        (quiet("22:00-08:00", BERLIN), "2026-10-24 20:00", "2026-10-25 07:00"),
        (quiet("22:00-08:00", NEW_YORK), "2026-11-01 02:00", "2026-11-01 13:00"),
        # It ends inside the hour that comes twice: the first time.
        (quiet("22:00-02:30", BERLIN), "2026-10-24 20:00", "2026-10-25 00:30"),
        (quiet("22:00-01:30", NEW_YORK), "2026-11-01 02:00", "2026-11-01 05:30"),
        (quiet("22:00-03:00", BERLIN), "2026-10-24 20:00", "2026-10-25 02:00"),
        # It begins inside it.
        (quiet("02:30-08:00", BERLIN), "2026-10-25 00:30", "2026-10-25 07:00"),
        (quiet("01:30-08:00", NEW_YORK), "2026-11-01 05:30", "2026-11-01 13:00"),
        # All of it comes twice: it is kept once.
        (quiet("02:10-02:40", BERLIN), "2026-10-25 00:10", "2026-10-25 00:40"),
    ],
)
def test_clocks_put_back(hours, begins, ends):
    assert_only_window_near(hours, utc(begins), utc(ends))


def assert_only_window_near(hours: QuietHours, begins: datetime, ends: datetime) -> None:
    """Assert that exactly this window is quiet, from some hours before to some hours after."""
    window = Window(begins, ends)
    assert hours.window_of(begins) == hours.window_of(ends - INSTANT) == window
    assert not hours.covers(begins - INSTANT)
    assert not hours.covers(ends)
    assert hours.last_end(ends) == ends
    assert hours.last_end(ends - INSTANT) < begins
    for minutes in range(-300, int((ends - begins) / MINUTE) + 300):
        moment = begins + minutes * MINUTE
        assert hours.window_of(moment) == (window if moment in window else None)


def test_window_removed_by_a_clock_change_is_skipped_that_day():
    hours = quiet("02:30-03:00", BERLIN)  # begins as 3:30 shows, when 3:00 has passed
    day = [utc("2026-03-29 00:00") + minutes * MINUTE for minutes in range(12 * 60)]
    assert not any(map(hours.covers, day))
    assert hours.last_end(utc("2026-03-29 12:00")) == at("2026-03-28 03:00", BERLIN)
    assert hours.covers(at("2026-03-30 02:30", BERLIN))


def test_window_after_a_skipped_one_has_an_earlier_end():
    # In Nuuk clocks go from 23:00 to midnight on Saturday the 28th.
    nuuk = ZoneInfo("America/Nuuk")
    hours = quiet("23:30-00:10", nuuk)
    assert hours.last_end(at("2026-03-30 00:05", nuuk)) == at("2026-03-28 00:10", nuuk)


def test_last_year_of_the_calendar_has_no_quiet_hours():
    """Cover a deadline that WeChat may send and that has no next day."""
    for zone in (SHANGHAI, NEW_YORK):
        assert quiet("22:00-08:00", zone).window_of(datetime.max.replace(tzinfo=UTC)) is None
        assert quiet("00:00-23:59", zone).window_of(datetime(MAXYEAR, 1, 1, tzinfo=UTC)) is None
        assert quiet("00:00-23:59", zone).window_of(datetime(MAXYEAR - 1, 12, 31, 18, tzinfo=UTC))


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_quiet_hours_do_not_cover_a_moment_at_the_end_of_the_calendar(moment):
    hours = quiet("22:00-08:00", SHANGHAI)
    assert not hours.covers(moment)
    assert hours.last_end(moment) == moment


zones = st.sampled_from(
    [
        SHANGHAI,
        BERLIN,
        NEW_YORK,
        *map(ZoneInfo, ("Australia/Lord_Howe", "America/Nuuk", "Africa/Cairo", "Asia/Kolkata")),
    ]
)
clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59))
years = datetime(2020, 1, 1), datetime(2037, 1, 1)  # noqa: DTZ001  hypothesis wants them without their zone
moments = st.datetimes(*years, timezones=st.just(UTC))
# Near a change more often than chance would have it: the last Sunday of March and October, the second of March.
changes = st.builds(
    lambda year, day, hours: datetime(year, *day, tzinfo=UTC) + hours * HOUR,
    st.integers(2020, 2036),
    st.sampled_from([(3, 8), (3, 29), (10, 25), (11, 1)]),
    st.floats(-80, 80),
)
hours_of_quiet = st.builds(QuietHours, clocks, clocks, zones).filter(lambda hours: hours.begins != hours.ends)


def steady(zone: ZoneInfo, moment: datetime) -> bool:
    """Return whether the zone has no clock change for days before and after."""
    offsets = {(moment + days * DAY).astimezone(zone).utcoffset() for days in range(-4, 5)}
    return len(offsets) == 1


def unmoved(zone: ZoneInfo, day: date, clock: time) -> bool:
    """Return whether this local time exists once on this day."""
    wall = datetime.combine(day, clock, zone)
    return wall.utcoffset() == wall.replace(fold=1).utcoffset()


@given(hours_of_quiet, moments | changes)
def test_window_includes_the_given_moment_and_follows_the_local_clock(hours, moment):
    window = hours.window_of(moment)
    assume(window)
    assert window.begins <= moment < window.ends
    assert hours.window_of(window.begins) is not None
    for instant, setting in ((window.begins, hours.begins), (window.ends, hours.ends)):
        shown = instant.astimezone(hours.zone)
        # A clock that skipped the setting shows another time: as much later as was skipped.
        earlier = (shown - DAY).date(), shown.date()
        if all(unmoved(hours.zone, day, setting) for day in earlier):
            assert shown.time() == setting


@given(hours_of_quiet, moments)
def test_quiet_hours_follow_the_local_clock_away_from_changes(hours, moment):
    assume(steady(hours.zone, moment))
    shown = moment.astimezone(hours.zone).time()
    since_begin, length = minutes_after(hours.begins, shown), minutes_after(hours.begins, hours.ends)
    assert hours.covers(moment) is (since_begin < length)


def minutes_after(start: time, end: time) -> float:
    """Return the minutes from one time of day to another."""
    begun, ended = (
        clock.hour * 60 + clock.minute + clock.second / 60 + clock.microsecond / 6e7 for clock in (start, end)
    )
    return (ended - begun) % (24 * 60)


@given(hours_of_quiet, moments | changes)
def test_last_end_has_passed_and_is_less_than_three_days_ago(hours, moment):
    ended = hours.last_end(moment)
    assert ended <= moment < ended + 3 * DAY


@given(hours_of_quiet, moments)
def test_window_ends_once_a_day_away_from_changes(hours, moment):
    assume(steady(hours.zone, moment))
    ends = [hours.last_end(moment + days * DAY) for days in range(-1, 2)]
    assert [later - earlier for earlier, later in pairwise(ends)] == [DAY, DAY]
    assert not hours.covers(ends[1])
