"""Moments and spans: rounded down, and the zone behind every token."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from bot.blocks import times
from tests.conftest import NOW
from tests.for_each import for_each
from tests.samples import CONTEXT, DAY, HOUR, MINUTE

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0 * SECOND, "less than 1 min"),
        (MINUTE - SECOND, "less than 1 min"),
        (MINUTE, "1 min"),
        (HOUR - SECOND, "59 min"),
        (HOUR, "1 h"),
        (90 * MINUTE, "1 h"),
        (2 * DAY - SECOND, "47 h"),
        (2 * DAY, "2 days"),
        (3 * DAY - SECOND, "2 days"),
    ],
)
def test_span_is_rounded_down_to_one_unit(length, expected):
    assert times.span(length, CONTEXT) == expected


def test_exact_span_has_hours_and_minutes():
    spans = (72 * MINUTE, 120 * MINUTE, 41 * MINUTE, 30 * SECOND)
    assert [times.exact_span(span, CONTEXT) for span in spans] == ["1 h 12 min", "2 h", "41 min", "less than 1 min"]


def test_lead_has_the_unit_of_the_setting():
    leads = (DAY, 2 * DAY, 36 * HOUR, HOUR, 90 * MINUTE, 30 * SECOND)
    assert [times.lead_name(lead, CONTEXT) for lead in leads] == ["24 h", "2 days", "36 h", "1 h", "90 min", "30 s"]


@for_each(
    ("lead", "expected"),
    [
        (5 * HOUR + 17 * MINUTE + 25 * SECOND, "5 h 18 min"),
        (5 * HOUR + 59 * MINUTE + SECOND, "6 h"),
        (2 * DAY - SECOND, "2 days"),
        (2 * DAY + 5 * HOUR + MINUTE, "53 h 1 min"),
        (73 * HOUR, "73 h"),
        (119 * MINUTE, "119 min"),
        (2 * HOUR + MINUTE, "2 h 1 min"),
        (90 * SECOND, "90 s"),
        (125 * SECOND, "3 min"),
        (SECOND / 2, "1 s"),
        (59.5 * SECOND, "60 s"),
    ],
)
def test_odd_lead_is_rounded_up_so_that_less_than_is_correct(lead, expected):
    assert times.lead_name(lead, CONTEXT) == expected


def test_configured_zone_follows_dates_and_is_named():
    context = replace(CONTEXT, text_zone=ZoneInfo("Asia/Shanghai"))
    assert times.date(NOW, context.as_text) == "Mon 23 Nov 09:12 Asia/Shanghai"
    assert times.date(NOW, context.as_text, times.CLOCK) == "09:12 Asia/Shanghai"
    assert times.date(NOW + 20 * HOUR, context.as_text, times.DAY) == "Tue 24 Nov"
    assert times.date(NOW, context, times.CLOCK) == "<!date^1795396320^{time}|09:12 Asia/Shanghai>"


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        (datetime.max.replace(tzinfo=UTC), "Asia/Shanghai", "Fri 31 Dec 23:59 UTC"),
        (datetime.max.replace(tzinfo=UTC), "America/New_York", "Fri 31 Dec 18:59 America/New_York"),
        (datetime.min.replace(tzinfo=UTC), "America/New_York", "Mon 1 Jan 00:00 UTC"),
    ],
)
def test_date_at_the_end_of_the_calendar_falls_back_to_utc(moment, zone, expected):
    context = replace(CONTEXT, text_zone=ZoneInfo(zone))
    assert times.date(moment, context.as_text) == expected
    assert times.date(moment, context) == f"<!date^{int(moment.timestamp())}^{times.MOMENT}|{expected}>"


def test_date_shows_readers_their_zone_and_has_utc_behind_it():
    shanghai = NOW.astimezone(timezone(8 * HOUR))
    assert times.date(shanghai, CONTEXT) == "<!date^1795396320^{date_short_pretty} {time}|Mon 23 Nov 01:12 UTC>"
    assert times.date(NOW, CONTEXT, times.CLOCK) == "<!date^1795396320^{time}|01:12 UTC>"
    assert times.date(NOW, CONTEXT, times.DAY) == "<!date^1795396320^{date_short_pretty}|Mon 23 Nov>"


@pytest.mark.parametrize("direction", [-1, 1])
def test_clock_needs_a_day_from_twelve_hours_on(direction):
    near, far = NOW + direction * (12 * HOUR - SECOND), NOW + direction * 12 * HOUR
    assert (times.tokens_for(near, NOW), times.tokens_for(far, NOW)) == (times.CLOCK, times.MOMENT)


def test_text_before_a_date_is_part_of_its_token_so_that_today_is_lower_case():
    assert CONTEXT.say("noticed {when}", when=times.date(NOW, CONTEXT)) == (
        "<!date^1795396320^noticed {date_short_pretty} {time}|noticed Mon 23 Nov 01:12 UTC>"
    )
    text = CONTEXT.as_text
    assert text.say("noticed {when}", when=times.date(NOW, text, times.CLOCK)) == "noticed 01:12 UTC"


def test_text_has_the_weekday_and_the_year_only_beyond_ten_months():
    context = replace(CONTEXT, around=NOW).as_text
    assert times.date(NOW + 300 * DAY, context) == "Sun 19 Sep 01:12 UTC"
    assert times.date(NOW + 400 * DAY, context) == "Tue 28 Dec 2027 01:12 UTC"
    assert times.date(NOW - 400 * DAY, context, times.DAY) == "Sun 19 Oct 2025"
