"""The answer to `/kf` alone: a verdict, the most urgent accounts, and the others in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from bot import actions
from bot.accounts import AccountRow, Snapshot
from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.context import RenderContext
from bot.blocks.names import label_of
from bot.blocks.times import date
from bot.ports import Block, Message
from bot.requests import List, Overview
from bot.text import escape

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
    title, why, step = no_accounts_words(snapshot, context)
    blocks = [
        builders.header(title),
        builders.section(context.paragraph(why, step)),
        builders.actions(builders.refresh(actions.encode(Overview()), context), builders.console(context)),
        account_rows.source(snapshot, context),
    ]
    text = context.say("{what}.", what=title)
    return Message(context.paragraph(text, why, step, account_rows.plain_text_source(snapshot, context)), blocks)


def no_accounts_words(snapshot: Snapshot, context: RenderContext) -> tuple[str, str, str]:
    """Write the title, the reason and the next step of an empty list."""
    if snapshot.unreadable:
        return (
            context.say("No account could be read"),
            context.say("WeChat answered, and no row of its list made sense."),
            context.say("Look in the WeChat console, then look again."),
        )
    return (
        context.say("No customer-service accounts yet"),
        context.say("WeChat answered, and its list is empty."),
        context.say("Create the first account in the WeChat console, then look again."),
    )


def owner_counts(chosen: Sequence[AccountRow], context: RenderContext) -> list[str]:
    """Count the rows that a user has acknowledged, and those that are snoozed: `4 acknowledged`, `1 snoozed`."""
    owners = [row.owner for row in chosen if row.owner]
    snoozed = sum(owner.until is not None for owner in owners)
    acknowledged = len(owners) - snoozed
    return [
        *([context.say("{number} acknowledged", number=acknowledged)] if acknowledged else []),
        *([context.say("{number} snoozed", number=snoozed)] if snoozed else []),
    ]


def see_all(snapshot: Snapshot, context: RenderContext) -> Block:
    text = context.say("See all {number}", number=len(snapshot.rows))
    return builders.button(text, actions.LIST, actions.encode(List(1)))


def many_accounts(number: int, context: RenderContext) -> str:
    return context.count("{number} account", "{number} accounts", number)


def many_customer_service_accounts(number: int, context: RenderContext) -> str:
    """Count accounts for the fallback text, which stands alone in a notification."""
    return context.count("{number} customer-service account", "{number} customer-service accounts", number)


def _overview(snapshot: Snapshot, render: account_rows.RenderRows, context: RenderContext) -> Message:
    few = len(snapshot.rows) <= FEW and not snapshot.due
    accounts = many_accounts(len(snapshot.rows), context)
    all_accounts = many_customer_service_accounts(len(snapshot.rows), context)
    if few:
        body = render(snapshot.rows, snapshot.at, context)
        text = context.paragraph(
            context.say("{what}.", what=all_accounts),
            account_rows.names_by_state(snapshot.rows, snapshot.at, context),
        )
    elif snapshot.due:
        body, text = _due(snapshot, render, context), _plain_text_due(snapshot, context)
    else:
        body = calm(snapshot, accounts, context)
        text = _plain_text_calm(snapshot, all_accounts, context.as_text)
    counts = owner_counts(snapshot.due, context)
    blocks = [
        builders.header(" · ".join([verdict(snapshot, accounts, context), *counts])),
        *body,
        builders.actions(
            *([] if few else [see_all(snapshot, context)]),
            builders.refresh(actions.encode(Overview()), context),
        ),
        account_rows.source(snapshot, context, "/kf help"),
    ]
    heading = context.clauses([verdict(snapshot, all_accounts, context), *counts])
    source = account_rows.plain_text_source(snapshot, context)
    return Message(context.paragraph(context.say("{what}.", what=heading), text, source), blocks)


def verdict(snapshot: Snapshot, accounts: str, context: RenderContext) -> str:
    """Write `9 of 40 accounts need attention`; `accounts` is `40 accounts`."""
    due = len(snapshot.due)
    if not due:
        return context.say("Nothing needs attention")
    return context.count(
        "{due} of {accounts} needs attention",
        "{due} of {accounts} need attention",
        due,
        due=due,
        accounts=accounts,
    )


def _due(snapshot: Snapshot, render: account_rows.RenderRows, context: RenderContext) -> list[Block]:
    blocks = render(snapshot.due[:SHOWN], snapshot.at, context)
    if more := _more(snapshot, context):
        blocks.append(builders.context(more))
    if rest := others(snapshot):
        counted = builders.icons_and_counts(context.say("Also"), rest, context)
        blocks += [builders.divider(), builders.section(counted)]
    return blocks


def _plain_text_due(snapshot: Snapshot, context: RenderContext) -> str:
    more, rest = _more(snapshot, context), others(snapshot)
    return context.paragraph(
        account_rows.names_by_state(snapshot.due[:SHOWN], snapshot.at, context),
        context.say("{what}.", what=more) if more else "",
        context.say("Also {counts}.", counts=context.counted(rest)) if rest else "",
    )


def calm(snapshot: Snapshot, accounts: str, context: RenderContext) -> list[Block]:
    """Build the counts and the next deadline, when no account needs attention; `accounts` is `40 accounts`."""
    lead = context.say("{accounts}:", accounts=accounts)
    blocks = [builders.section(builders.icons_and_counts(lead, snapshot.counts, context))]
    if soonest := _next_deadline(snapshot, context):
        name, when = soonest
        words = context.say("Next deadline: {name}, {when}", name=name, when=date(when, context))
        blocks.append(builders.context(words))
    return blocks


def _plain_text_calm(snapshot: Snapshot, accounts: str, context: RenderContext) -> str:
    most_first = context.counted(dict(snapshot.counts.most_common()))
    text = context.say("{accounts}: {counts}.", accounts=accounts, counts=most_first)
    soonest = _next_deadline(snapshot, context)
    if soonest is None:
        return text
    name, when = soonest
    return context.paragraph(
        text, context.say("Next deadline {when}, {name}.", when=date(when, context), name=name)
    )


def _more(snapshot: Snapshot, context: RenderContext) -> str:
    """Write `21 more: 12 rejected, 9 expired` for the rows that need attention and are not shown."""
    hidden = snapshot.due[SHOWN:]
    if not hidden:
        return ""
    counts = context.counted(Counter[str](row.status for row in hidden))
    return context.say("{number} more: {counts}", number=len(hidden), counts=counts)


def others(snapshot: Snapshot) -> Counter[str]:
    """Count the accounts that need no attention, by state."""
    return Counter[str](row.status for row in snapshot.rows if row.status not in NEEDS_ATTENTION)


def _next_deadline(snapshot: Snapshot, context: RenderContext) -> tuple[str, datetime] | None:
    """Return the account with the next deadline, as mrkdwn, and the deadline."""
    row = next((row for row in snapshot.only([AccountStatus.WAITING]) if row.deadline), None)
    return (escape(label_of(row.account, context)), row.deadline) if row and row.deadline else None
