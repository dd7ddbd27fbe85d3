"""Moments and spans of time, in words. A date token shows readers their own zone, and has UTC behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

CLOCK = "{time}"
DAY = "{date_short_pretty}"
MOMENT = "{date_short_pretty} {time}"

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAYS = timedelta(days=1)
NEAR = 12 * HOUR  # nearer than that, a clock needs no day


def date(when: datetime, tokens: str = MOMENT) -> str:
    """A moment for mrkdwn. Elsewhere (plain_text, code, headers) the token would stay as it is written."""
    return f"<!date^{int(when.timestamp())}^{tokens}|{utc(when, tokens)}>"


def utc(when: datetime, tokens: str = MOMENT) -> str:
    """A moment for `text`, which has no tokens: `Mon 23 Nov 01:53 UTC`, `01:53 UTC`, `Mon 23 Nov`."""
    when = when.astimezone(UTC)
    day = f"{when:%a} {when.day} {when:%b}"
    return {CLOCK: f"{when:%H:%M} UTC", DAY: day, MOMENT: f"{day} {when:%H:%M} UTC"}[tokens]


def beside_hint(when: datetime, now: datetime) -> str:
    """The tokens of a moment that stands beside a relative hint: the clock when it is near, else the day."""
    return CLOCK if abs(when - now) < NEAR else DAY


def alone(when: datetime, now: datetime) -> str:
    """The tokens of a moment that stands alone: the clock when it is near, else the day and the clock."""
    return CLOCK if abs(when - now) < NEAR else MOMENT


def span(length: timedelta) -> str:
    """A length in one unit, rounded down: `41 min`, `18 h`, `2 days`."""
    if length < MINUTE:
        return "less than 1 min"
    if length < HOUR:
        return f"{length // MINUTE} min"
    return f"{length // HOUR} h" if length < 2 * DAYS else f"{length // DAYS} days"


def exact_span(length: timedelta) -> str:
    """A length in hours and minutes: `1 h 12 min`."""
    minutes = length // MINUTE % 60
    return f"{length // HOUR} h {minutes} min" if length > HOUR and minutes else span(length)


def lead_name(lead: timedelta) -> str:
    """A lead as it was set: `24 h`, `90 min`, `3 days`, `30 s`."""
    if lead >= 2 * DAYS and not lead % DAYS:
        return f"{lead // DAYS} days"
    for unit, word in ((HOUR, "h"), (MINUTE, "min")):
        if not lead % unit:
            return f"{lead // unit} {word}"
    return f"{int(lead.total_seconds())} s"
