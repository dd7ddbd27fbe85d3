"""Moments and durations as text. Slack shows a date token in the reader's zone; its fallback has a fixed zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.alerting.quiet_hours import in_zone
from bot.blocks.context import RenderContext, RenderMode

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


def date(when: datetime, context: RenderContext, tokens: str = MOMENT, words: str = "") -> str:
    """Write a moment: in blocks as a date token, in the fallback text as `Mon 23 Nov 01:53 UTC`.

    Slack writes "Today" with a capital at the beginning of a token, so `words` that precede the moment in a
    sentence go into it: "until today 6:00 PM". In plain_text, code and headers Slack does not convert tokens.

    https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    plain = words + _plain(when, context, tokens)
    if context.mode is RenderMode.TEXT:
        return plain
    return f"<!date^{int(when.timestamp())}^{words}{tokens}|{plain}>"


def _plain(when: datetime, context: RenderContext, tokens: str) -> str:
    when = in_zone(when, context.text_zone or UTC)
    name = when.tzinfo.key if isinstance(when.tzinfo, ZoneInfo) else "UTC"
    far = context.around is not None and abs(when - context.around) > TEN_MONTHS
    day = f"{when:%a} {when.day} {when:%b}" + (f" {when.year}" if far else "")
    return {
        CLOCK: f"{when:%H:%M} {name}",
        SECONDS: f"{when:%H:%M:%S} {name}",
        DAY: day,
        MOMENT: f"{day} {when:%H:%M} {name}",
    }[tokens]


def tokens_for(when: datetime, now: datetime) -> str:
    """Choose the tokens of a moment: the clock when it is near, else the day and the clock."""
    return CLOCK if abs(when - now) < NEAR else MOMENT


def span(length: timedelta) -> str:
    """Write a duration in one unit, rounded down: `41 min`, `18 h`, `2 days`."""
    if length < MINUTE:
        return "less than 1 min"
    if length < HOUR:
        return f"{length // MINUTE} min"
    return f"{length // HOUR} h" if length < 2 * DAYS else f"{length // DAYS} days"


def exact_span(length: timedelta) -> str:
    """Write a duration in hours and minutes: `1 h 12 min`."""
    minutes = length // MINUTE % 60
    return f"{length // HOUR} h {minutes} min" if length > HOUR and minutes else span(length)


def lead_name(lead: timedelta) -> str:
    """Write a lead as it was set: `24 h`, `90 min`, `3 days`, `30 s`.

    Round up a lead that quiet hours made uneven: "less than 5 h 18 min left" must be true.
    """
    if lead < 2 * MINUTE and lead % MINUTE:
        return f"{-(-lead // SECOND)} s"
    minutes = -(-lead // MINUTE)
    hours, rest = divmod(minutes, 60)
    if rest:
        return f"{hours} h {rest} min" if hours >= 2 else f"{minutes} min"
    return f"{hours // 24} days" if hours >= 48 and not hours % 24 else f"{hours} h"
