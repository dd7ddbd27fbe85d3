"""Moments and durations as text. Slack shows a date token in the reader's zone; its fallback has a fixed zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.alerting.incidents import parse_span
from bot.alerting.quiet_hours import QuietHours, in_zone
from bot.blocks.context import RenderContext, RenderMode
from bot.language import Language
from bot.text import ERRMSG, mrkdwn

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

# Not by strftime, which follows the locale of the process.
_WEEKDAYS = {
    Language.ENGLISH: ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    Language.CHINESE: ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date(when: datetime, context: RenderContext, tokens: str = MOMENT) -> str:
    """Write a moment: in blocks as a date token, in the fallback text as `Mon 23 Nov 01:53 UTC`.

    In plain_text, code and headers Slack does not convert tokens.

    https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    plain = _plain(when, context, tokens)
    if context.mode is RenderMode.TEXT:
        return plain
    return f"<!date^{int(when.timestamp())}^{tokens}|{plain}>"


def _plain(when: datetime, context: RenderContext, tokens: str) -> str:
    when = in_zone(when, context.text_zone or UTC)
    zone = zone_name(when.tzinfo.key if isinstance(when.tzinfo, ZoneInfo) else "UTC", context)
    clock = f"{when:%H:%M:%S}" if tokens == SECONDS else f"{when:%H:%M}"
    if tokens in (CLOCK, SECONDS):
        return context.term("plain date", "{clock} {zone}", clock=clock, zone=zone)
    chinese = context.language is Language.CHINESE
    day = {
        "weekday": _WEEKDAYS[context.language][when.weekday()],
        "day": when.day,
        "month": when.month if chinese else _MONTHS[when.month - 1],
        "year": when.year,
    }
    far = context.around is not None and abs(when - context.around) > TEN_MONTHS
    if tokens == DAY:
        if far:
            return context.term("plain date", "{weekday} {day} {month} {year}", **day)
        return context.term("plain date", "{weekday} {day} {month}", **day)
    if far:
        return context.term(
            "plain date", "{weekday} {day} {month} {year} {clock} {zone}", **day, clock=clock, zone=zone
        )
    return context.term("plain date", "{weekday} {day} {month} {clock} {zone}", **day, clock=clock, zone=zone)


def zone_name(key: str, context: RenderContext) -> str:
    """Write the name of a time zone: its key, but for the zone that Chinese readers live in."""
    return "北京时间" if context.language is Language.CHINESE and key == "Asia/Shanghai" else key


def quiet_window(quiet: QuietHours, context: RenderContext) -> str:
    """Write `22:00 to 08:00 Europe/Berlin`."""
    return context.say(
        "{begins} to {ends} {zone}",
        begins=f"{quiet.begins:%H:%M}",
        ends=f"{quiet.ends:%H:%M}",
        zone=zone_name(quiet.zone.key, context),
    )


def tokens_for(when: datetime, now: datetime) -> str:
    """Choose the tokens of a moment: the clock when it is near, else the day and the clock."""
    return CLOCK if abs(when - now) < NEAR else MOMENT


def near(when: datetime, now: datetime, context: RenderContext) -> str:
    """Write a moment, with the day unless it is near."""
    return date(when, context, tokens_for(when, now))


def span(length: timedelta, context: RenderContext) -> str:
    """Write a duration in one unit, rounded down: `41 min`, `18 h`, `2 days`."""
    if length < MINUTE:
        return context.say("less than 1 min")
    if length < HOUR:
        return context.say("{number} min", number=length // MINUTE)
    if length < 2 * DAYS:
        return context.say("{number} h", number=length // HOUR)
    return context.say("{number} days", number=length // DAYS)


def exact_span(length: timedelta, context: RenderContext) -> str:
    """Write a duration in hours and minutes: `1 h 12 min`."""
    hours, minutes = divmod(length // MINUTE, 60)
    if length <= HOUR or not minutes:
        return span(length, context)
    return context.say("{hours} h {minutes} min", hours=hours, minutes=minutes)


def stored_span(stored: str, context: RenderContext) -> str:
    """Write a clock's skew, which is stored as `4 min`; as it is if it was written by another release."""
    length = parse_span(stored)
    return span(length, context) if length else mrkdwn(stored, ERRMSG)


def lead_name(lead: timedelta, context: RenderContext) -> str:
    """Write a lead as it was set: `24 h`, `90 min`, `3 days`, `30 s`.

    Round up a lead that quiet hours made uneven: "less than 5 h 18 min left" must be true.
    """
    if lead < 2 * MINUTE and lead % MINUTE:
        return context.say("{number} s", number=-(-lead // SECOND))
    minutes = -(-lead // MINUTE)
    hours, rest = divmod(minutes, 60)
    if rest and hours < 2:
        return context.say("{number} min", number=minutes)
    if rest:
        return context.say("{hours} h {minutes} min", hours=hours, minutes=rest)
    if hours >= 48 and not hours % 24:
        return context.say("{number} days", number=hours // 24)
    return context.say("{number} h", number=hours)
