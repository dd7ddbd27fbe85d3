"""Moments and spans: rounded down, UTC behind every token."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from bot.blocks import times
from tests.conftest import NOW
from tests.samples import DAY, HOUR, MINUTE

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
def test_a_span_is_rounded_down_to_one_unit(length, expected):
    assert times.span(length) == expected


def test_an_exact_span_has_hours_and_minutes():
    spans = (72 * MINUTE, 120 * MINUTE, 41 * MINUTE, 30 * SECOND)
    assert [times.exact_span(span) for span in spans] == ["1 h 12 min", "2 h", "41 min", "less than 1 min"]


def test_a_lead_is_named_as_it_was_set():
    leads = (DAY, 2 * DAY, 36 * HOUR, HOUR, 90 * MINUTE, 30 * SECOND)
    assert [times.lead_name(lead) for lead in leads] == ["24 h", "2 days", "36 h", "1 h", "90 min", "30 s"]


def test_a_date_shows_readers_their_zone_and_has_utc_behind_it():
    shanghai = NOW.astimezone(timezone(8 * HOUR))
    assert times.date(shanghai) == "<!date^1795396320^{date_short_pretty} {time}|Mon 23 Nov 01:12 UTC>"
    assert times.date(NOW, times.CLOCK) == "<!date^1795396320^{time}|01:12 UTC>"
    assert times.date(NOW, times.DAY) == "<!date^1795396320^{date_short_pretty}|Mon 23 Nov>"


@pytest.mark.parametrize("direction", [-1, 1])
def test_a_clock_needs_a_day_from_twelve_hours_on(direction):
    near, far = NOW + direction * (12 * HOUR - SECOND), NOW + direction * 12 * HOUR
    assert (times.beside_hint(near, NOW), times.beside_hint(far, NOW)) == (times.CLOCK, times.DAY)
    assert (times.alone(near, NOW), times.alone(far, NOW)) == (times.CLOCK, times.MOMENT)
