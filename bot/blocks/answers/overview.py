"""What `/kf` alone answers: the verdict, then the worst, then the rest in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from bot import actions
from bot.accounts import Reading, Row
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.times import MOMENT, date, plain_date
from bot.episodes import NEEDS_ATTENTION, Seen
from bot.grammar import List, Overview
from bot.ports import Block, Message
from bot.text import escape, label_of, many

FEW = 10  # up to so many accounts are all named while none needs attention
SHOWN = 10  # of those that need attention


def overview(reading: Reading) -> Message:
    if not reading.rows:
        return nothing(reading)
    return builders.fitting(
        lambda: _overview(reading, account_rows.two_lines), lambda: _overview(reading, account_rows.one_line)
    )


def nothing(reading: Reading) -> Message:
    """No account is listed: none exists yet, or none of the rows made sense."""
    title, why = "No customer-service accounts yet", "WeChat answered, and its list is empty."
    step = "Create the first account in the WeChat console, then look again."
    if reading.unreadable:
        title, why = "No account could be read", "WeChat answered, and no row of its list made sense."
        step = "Look in the WeChat console, then look again."
    blocks = [
        builders.header(title),
        builders.section(f"{why} {step}"),
        builders.actions(builders.refresh(actions.encode(Overview())), builders.console()),
        account_rows.source(reading),
    ]
    return Message(f"{title}. {why} {step} {account_rows.spoken_source(reading)}", blocks)


def verdict(reading: Reading, noun: str = "account") -> str:
    """`9 of 40 accounts need attention · 4 acknowledged`."""
    due = len(reading.due)
    if not due:
        return "Nothing needs attention"
    need = f"{due} of {many(len(reading.rows), noun)} {'needs' if due == 1 else 'need'} attention"
    return " · ".join([need, *owned(reading.due)])


def owned(chosen: Sequence[Row]) -> list[str]:
    """Count the rows that a user has acknowledged, and those that are snoozed: `4 acknowledged`, `1 snoozed`."""
    owners = [row.owner for row in chosen if row.owner]
    asleep = sum(owner.until is not None for owner in owners)
    counts = {"acknowledged": len(owners) - asleep, "snoozed": asleep}
    return [f"{number} {word}" for word, number in counts.items() if number]


def see_all(reading: Reading) -> Block:
    return builders.button(f"See all {len(reading.rows)}", actions.LIST, actions.encode(List(1)))


def _overview(reading: Reading, render: account_rows.Render) -> Message:
    few = len(reading.rows) <= FEW and not reading.due
    if few:
        body, spoken = render(reading.rows, reading.at), _spoken_few(reading)
    elif reading.due:
        body, spoken = _worst(reading, render), _spoken_worst(reading)
    else:
        body, spoken = _calm(reading), _spoken_calm(reading)
    blocks = [
        builders.header(verdict(reading)),
        *body,
        builders.actions(*([] if few else [see_all(reading)]), builders.refresh(actions.encode(Overview()))),
        account_rows.source(reading, "/kf help"),
    ]
    return Message(f"{spoken} {account_rows.spoken_source(reading)}", blocks)


def _spoken_few(reading: Reading) -> str:
    total = many(len(reading.rows), "customer-service account")
    return f"{_spoken_verdict(reading)} {total}. {account_rows.names_by_state(reading.rows, reading.at)}"


def _worst(reading: Reading, render: account_rows.Render) -> list[Block]:
    blocks = render(reading.due[:SHOWN], reading.at)
    if more := _more(reading):
        blocks.append(builders.context(more))
    if others := _others(reading):
        blocks += [builders.divider(), builders.section(account_rows.icons_and_counts("Also", others))]
    return blocks


def _spoken_worst(reading: Reading) -> str:
    parts = [_spoken_verdict(reading), account_rows.names_by_state(reading.due[:SHOWN], reading.at)]
    if more := _more(reading):
        parts.append(f"{more}.")
    if others := _others(reading):
        parts.append(f"Also {_counted(others)}.")
    return " ".join(parts)


def _calm(reading: Reading) -> list[Block]:
    total = f"{len(reading.rows)} accounts:"
    blocks = [builders.section(account_rows.icons_and_counts(total, reading.counts))]
    if soonest := _next_deadline(reading):
        name, when = soonest
        blocks.append(builders.context(f"Next deadline: {name}{date(when, words=', ')}"))
    return blocks


def _spoken_calm(reading: Reading) -> str:
    most_first = _counted(dict(reading.counts.most_common()))
    said = f"{_spoken_verdict(reading)} {len(reading.rows)} customer-service accounts: {most_first}."
    if soonest := _next_deadline(reading):
        name, when = soonest
        said += f" Next deadline {plain_date(when, MOMENT)}, {name}."
    return said


def _spoken_verdict(reading: Reading) -> str:
    return verdict(reading, "customer-service account").replace(" · ", ", ") + "."


def _more(reading: Reading) -> str:
    """`21 more: 12 rejected, 9 expired`, of those that need attention."""
    hidden = reading.due[SHOWN:]
    return f"{len(hidden)} more: {_counted(Counter[str](row.seen for row in hidden))}" if hidden else ""


def _others(reading: Reading) -> Counter[str]:
    return Counter[str](row.seen for row in reading.rows if row.seen not in NEEDS_ATTENTION)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts.items())


def _next_deadline(reading: Reading) -> tuple[str, datetime] | None:
    """Whose it is, for mrkdwn, and when."""
    row = next((row for row in reading.only([Seen.WAITING]) if row.deadline), None)
    return (escape(label_of(row.account)), row.deadline) if row and row.deadline else None
