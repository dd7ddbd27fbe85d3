"""Moments and spans of time, in words. A date token shows readers their own zone; behind it stands one for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.quiet import in_zone

CLOCK = "{time}"
SECONDS = "{time_secs}"
DAY = "{date_short_pretty}"
MOMENT = "{date_short_pretty} {time}"

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAYS = timedelta(days=1)
NEAR = 12 * HOUR  # nearer than that, a clock needs no day
TEN_MONTHS = 304 * DAYS  # nearer than that, a day needs no year

# Not arguments: every sentence with a time in it would have to pass them on.
_zone: ContextVar[ZoneInfo | None] = ContextVar("_zone", default=None)
_around: ContextVar[datetime | None] = ContextVar("_around", default=None)


@contextmanager
def spoken_in(zone: ZoneInfo | None, around: datetime | None = None) -> Iterator[None]:
    """Write the moments of `text`, which Slack does not convert, in this zone; None is UTC.

    A moment more than ten months before or after `around` is written with its year.
    """
    tokens = _zone.set(zone), _around.set(around)
    try:
        yield
    finally:
        _zone.reset(tokens[0])
        _around.reset(tokens[1])


def date(when: datetime, tokens: str = MOMENT, words: str = "") -> str:
    """Write a moment for mrkdwn, as a date token that Slack shows in the reader's own zone.

    Slack writes "Today" with a capital at the beginning of a token, so `words` that stand before the moment in a
    sentence go into it: "until today 6:00 PM". In plain_text, code and headers the token would stay as it is.

    https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    return f"<!date^{int(when.timestamp())}^{words}{tokens}|{words}{plain_date(when, tokens)}>"


def plain_date(when: datetime, tokens: str = MOMENT, words: str = "") -> str:
    """Write a moment for `text`, which has no tokens: `Mon 23 Nov 01:53 UTC`, `01:53 UTC`, `01:53:07 UTC`."""
    around = _around.get()
    when = in_zone(when, _zone.get() or UTC)
    name = when.tzinfo.key if isinstance(when.tzinfo, ZoneInfo) else "UTC"
    far = around is not None and abs(when - around) > TEN_MONTHS
    day = f"{when:%a} {when.day} {when:%b}" + (f" {when.year}" if far else "")
    moment = {
        CLOCK: f"{when:%H:%M} {name}",
        SECONDS: f"{when:%H:%M:%S} {name}",
        DAY: day,
        MOMENT: f"{day} {when:%H:%M} {name}",
    }[tokens]
    return words + moment


def alone(when: datetime, now: datetime) -> str:
    """Choose the tokens of a moment: the clock when it is near, else the day and the clock."""
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
    """A lead as it was set: `24 h`, `90 min`, `3 days`, `30 s`.

    An odd one, as quiet hours make them, is rounded up: "less than 5 h 18 min left" has to be true.
    """
    if lead < 2 * MINUTE and lead % MINUTE:
        return f"{-(-lead // SECOND)} s"
    minutes = -(-lead // MINUTE)
    hours, rest = divmod(minutes, 60)
    if rest:
        return f"{hours} h {rest} min" if hours >= 2 else f"{minutes} min"
    return f"{hours // 24} days" if hours >= 48 and not hours % 24 else f"{hours} h"
