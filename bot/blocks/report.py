"""What `/kf status` answers: the verdict first, then the facts, the troubled ones on top."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bot.blocks import kit, values
from bot.blocks.status import (
    UNREACHABLE,
    PastProblem,
    Snoozed,
    Status,
    failing_words,
    lost_words,
    verdict,
    why_held,
)
from bot.blocks.text import ERRMSG, NAME, listed, many, mrkdwn
from bot.blocks.times import DAY, alone, date, exact_span, lead_name, plain_date, span
from bot.ports import Message

NAMED = 3  # of those that are snoozed


class _Fact(NamedTuple):
    """A field, in mrkdwn, and the same as a sentence for `text`."""

    title: str
    value: str
    spoken: str
    troubled: bool = False


def report(status: Status, now: datetime) -> Message:
    """Say whether the bot is well."""
    wrong = verdict(status)
    facts = sorted(_facts(status, now), key=lambda fact: not fact.troubled)
    blocks = [
        kit.header(f"{kit.TROUBLE} {wrong.title}" if wrong else f"{kit.FINE} Working normally"),
        *([kit.section(f"{wrong.sentence}\n*Next:* {wrong.next}")] if wrong else []),
        kit.section(fields=[kit.field(fact.title, fact.value) for fact in facts]),
        kit.actions(kit.refresh(values.STATUS)),
        kit.context(" · ".join(_about(status))),
    ]
    said = ["Working normally."]
    if wrong:
        said = [f"{wrong.title}.", wrong.said or wrong.sentence, wrong.next[0].upper() + wrong.next[1:]]
    spoken = " ".join([*said, *(fact.spoken for fact in facts if fact.spoken)])
    return Message(spoken.replace("*", "").replace("’", "'"), blocks)


def _facts(status: Status, now: datetime) -> Iterator[_Fact]:
    yield _wechat(status, now)
    yield _token(status, now)
    if status.clock_problem:
        skew = f"{mrkdwn(status.clock_problem, ERRMSG)} off WeChat’s"
        yield _Fact("Server clock", skew, f"Server clock {skew}.", troubled=True)
    if not status.alerts:
        yield _Fact("Alerts go to", "nobody, ALERTS is off", "Alerts are off.")
        return
    yield _Fact("Alerts go to", f"<#{status.channel}>" if status.channel else "no channel", "", bool(status.held))
    yield _queue(status, now)
    if lost := lost_words(status):
        yield _Fact("Not posted", lost, f"Not posted: {lost}.", troubled=True)
    if status.failing:
        failing = failing_words(status)
        yield _Fact("Not watched", failing, "", troubled=True)
    if status.snoozed:
        yield _snoozed(status.snoozed, now)
    if status.quiet:
        yield _Fact("Quiet hours", status.quiet, f"Quiet hours {status.quiet}.")
    if status.leads:
        yield _Fact("Reminders", f"{listed([lead_name(lead) for lead in status.leads])} before", "")
    if status.last_problem:
        yield _past(status.last_problem)


def _wechat(status: Status, now: datetime) -> _Fact:
    def words(moment: Callable[[datetime, str], str]) -> str:
        parts = ["not known" if status.store == UNREACHABLE else "not read yet"]
        if not status.alerts:
            parts = ["read when somebody asks"]
        if status.answered_at:
            parts = [f"answered {moment(status.answered_at, alone(status.answered_at, now))}"]
            if status.wechat_problem:
                parts = [f"last {parts[0]}"]
        if status.next_read_at:
            parts.append(f"next read {moment(status.next_read_at, alone(status.next_read_at, now))}")
        return ", ".join(parts)

    return _Fact("WeChat", words(date), f"WeChat {words(plain_date)}.", bool(status.wechat_problem))


def _token(status: Status, now: datetime) -> _Fact:
    if status.token_expires_at is None:
        return _Fact("Access token", "none yet", "No access token yet.")
    if status.token_expires_at <= now:
        return _Fact("Access token", "expired, the next read renews it", "Access token expired.")
    good = f"good for {exact_span(status.token_expires_at - now)}"
    return _Fact("Access token", good, f"Access token {good}.")


def _queue(status: Status, now: datetime) -> _Fact:
    title = "Waiting to be posted"
    if status.store == UNREACHABLE:
        return _Fact(title, "not known", "The database is unreachable.", troubled=True)
    if not status.pending:
        return _Fact(title, "nothing", "Nothing waits to be posted.")

    def words(moment: Callable[[datetime, str], str]) -> str:
        """Since when, and why."""
        since, until = status.oldest_pending, status.quiet_until
        parts = [f", the oldest since {moment(since, alone(since, now))}" if since else ""]
        if held := why_held(status):
            parts.append(f"; {held}")
        elif until:
            parts.append(f", until {moment(until, alone(until, now))} (quiet hours)")
        return "".join(parts)

    wait = "waits" if status.pending == 1 else "wait"
    spoken = f"{status.pending} {wait} to be posted{words(plain_date)}."
    return _Fact(title, f"{status.pending}{words(date)}", spoken, bool(status.held))


def _snoozed(snoozed: Sequence[Snoozed], now: datetime) -> _Fact:
    shown = [
        f"{mrkdwn(one.label, NAME) or '(no name)'}, until {date(one.until, alone(one.until, now))}"
        for one in snoozed[:NAMED]
    ]
    more = f" and {len(snoozed) - NAMED} more" if snoozed[NAMED:] else ""
    return _Fact("Snoozed", "; ".join(shown) + more, f"{many(len(snoozed), 'alert')} snoozed.")


def _past(problem: PastProblem) -> _Fact:
    words = f"{problem.title} for {span(problem.lasted)}"
    return _Fact(
        "Last problem", f"{words}, {date(problem.since)}", f"Last problem: {words}, {plain_date(problem.since)}."
    )


def _about(status: Status) -> Iterator[str]:
    yield f"KF {status.version}"
    if status.store:
        yield f"database {status.store}"
    if status.processes:
        yield many(status.processes, "process", "processes")
    if status.watching_since:
        yield f"watching since {date(status.watching_since, DAY)}"
