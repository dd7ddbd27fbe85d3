"""The answer to `/kf` alone: a verdict, the most urgent accounts, and the others in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from bot import actions
from bot.accounts import AccountRow, Snapshot
from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.context import RenderContext
from bot.blocks.times import date
from bot.ports import Block, Message
from bot.requests import List, Overview
from bot.text import escape, label_of, many

FEW = 10  # up to so many accounts are all named while none needs attention
SHOWN = 10  # of those that need attention


def overview(snapshot: Snapshot, context: RenderContext) -> Message:
    """Render the overview, with one line a row if two do not fit."""
    if not snapshot.rows:
        return no_accounts(snapshot, context)
    return builders.first_that_fits(
        lambda: _overview(snapshot, account_rows.two_lines, context),
        lambda: _overview(snapshot, account_rows.one_line, context),
    )


def no_accounts(snapshot: Snapshot, context: RenderContext) -> Message:
    """Report an empty list: no account exists yet, or no row was readable."""
    title, why = "No customer-service accounts yet", "WeChat answered, and its list is empty."
    step = "Create the first account in the WeChat console, then look again."
    if snapshot.unreadable:
        title, why = "No account could be read", "WeChat answered, and no row of its list made sense."
        step = "Look in the WeChat console, then look again."
    blocks = [
        builders.header(title),
        builders.section(f"{why} {step}"),
        builders.actions(builders.refresh(actions.encode(Overview())), builders.console()),
        account_rows.source(snapshot, context),
    ]
    return Message(f"{title}. {why} {step} {account_rows.plain_text_source(snapshot, context)}", blocks)


def owner_counts(chosen: Sequence[AccountRow]) -> list[str]:
    """Count the rows that a user has acknowledged, and those that are snoozed: `4 acknowledged`, `1 snoozed`."""
    owners = [row.owner for row in chosen if row.owner]
    snoozed = sum(owner.until is not None for owner in owners)
    counts = {"acknowledged": len(owners) - snoozed, "snoozed": snoozed}
    return [f"{number} {word}" for word, number in counts.items() if number]


def see_all(snapshot: Snapshot) -> Block:
    return builders.button(f"See all {len(snapshot.rows)}", actions.LIST, actions.encode(List(1)))


def _overview(snapshot: Snapshot, render: account_rows.RenderRows, context: RenderContext) -> Message:
    few = len(snapshot.rows) <= FEW and not snapshot.due
    if few:
        body = render(snapshot.rows, snapshot.at, context)
        total = many(len(snapshot.rows), "customer-service account")
        text = f" {total}. {account_rows.names_by_state(snapshot.rows, snapshot.at, context)}"
    elif snapshot.due:
        body, text = _due(snapshot, render, context), _plain_text_due(snapshot, context)
    else:
        body, text = _calm(snapshot, context), _plain_text_calm(snapshot, context)
    verdict = _verdict(snapshot, "customer-service account").replace(" · ", ", ")
    blocks = [
        builders.header(_verdict(snapshot, "account")),
        *body,
        builders.actions(*([] if few else [see_all(snapshot)]), builders.refresh(actions.encode(Overview()))),
        account_rows.source(snapshot, context, "/kf help"),
    ]
    return Message(f"{verdict}.{text} {account_rows.plain_text_source(snapshot, context)}", blocks)


def _verdict(snapshot: Snapshot, noun: str) -> str:
    """Write `9 of 40 accounts need attention · 4 acknowledged`."""
    due = len(snapshot.due)
    if not due:
        return "Nothing needs attention"
    need = f"{due} of {many(len(snapshot.rows), noun)} {'needs' if due == 1 else 'need'} attention"
    return " · ".join([need, *owner_counts(snapshot.due)])


def _due(snapshot: Snapshot, render: account_rows.RenderRows, context: RenderContext) -> list[Block]:
    blocks = render(snapshot.due[:SHOWN], snapshot.at, context)
    if more := _more(snapshot):
        blocks.append(builders.context(more))
    if others := _others(snapshot):
        blocks += [builders.divider(), builders.section(builders.icons_and_counts("Also", others))]
    return blocks


def _plain_text_due(snapshot: Snapshot, context: RenderContext) -> str:
    text = f" {account_rows.names_by_state(snapshot.due[:SHOWN], snapshot.at, context)}"
    if more := _more(snapshot):
        text += f" {more}."
    if others := _others(snapshot):
        text += f" Also {_counted(others)}."
    return text


def _calm(snapshot: Snapshot, context: RenderContext) -> list[Block]:
    blocks = [builders.section(builders.icons_and_counts(f"{len(snapshot.rows)} accounts:", snapshot.counts))]
    if soonest := _next_deadline(snapshot):
        name, when = soonest
        blocks.append(builders.context(f"Next deadline: {name}{date(when, context, words=', ')}"))
    return blocks


def _plain_text_calm(snapshot: Snapshot, context: RenderContext) -> str:
    most_first = _counted(dict(snapshot.counts.most_common()))
    text = f" {len(snapshot.rows)} customer-service accounts: {most_first}."
    if soonest := _next_deadline(snapshot):
        name, when = soonest
        text += f" Next deadline {date(when, context.as_text)}, {name}."
    return text


def _more(snapshot: Snapshot) -> str:
    """Write `21 more: 12 rejected, 9 expired` for the rows that need attention and are not shown."""
    hidden = snapshot.due[SHOWN:]
    return f"{len(hidden)} more: {_counted(Counter[str](row.status for row in hidden))}" if hidden else ""


def _others(snapshot: Snapshot) -> Counter[str]:
    return Counter[str](row.status for row in snapshot.rows if row.status not in NEEDS_ATTENTION)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts.items())


def _next_deadline(snapshot: Snapshot) -> tuple[str, datetime] | None:
    """Return the account with the next deadline, as mrkdwn, and the deadline."""
    row = next((row for row in snapshot.only([AccountStatus.WAITING]) if row.deadline), None)
    return (escape(label_of(row.account)), row.deadline) if row and row.deadline else None
