"""Rows of accounts in answers, and sentences that list or count them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from bot.accounts import AccountRow, Snapshot
from bot.alerting.episode import AccountStatus
from bot.blocks import builders
from bot.blocks.channel.wording import acknowledged, snoozed
from bot.blocks.context import RenderContext
from bot.blocks.mentions import plain_name
from bot.blocks.times import CLOCK, SECONDS, date, span, tokens_for
from bot.ports import Block
from bot.text import STATUS_WORD, account_of, escape, id_of, label_of, many, mrkdwn, name_of

RenderRows = Callable[[Sequence[AccountRow], datetime, RenderContext], list[Block]]


def two_lines(rows: Sequence[AccountRow], now: datetime, context: RenderContext) -> list[Block]:
    """Build each row as a section with a grey line of facts below."""
    blocks = []
    for row in rows:
        facts = builders.context(" · ".join(_facts(row, context)))
        blocks += [builders.section(_head(row, now, context)), facts]
    return blocks


def one_line(rows: Sequence[AccountRow], now: datetime, context: RenderContext) -> list[Block]:
    """Build each row as one line, when space is short: icon, name, state, account."""
    return [builders.section(f"{_head(row, now, context)} · {escape(account(row))}") for row in rows]


def state_words(row: AccountRow, now: datetime, context: RenderContext) -> str:
    """Write the state of an account with its time, as mrkdwn: `expires in 41 min, 9:53 AM`."""
    deadline = row.deadline
    if row.fault:
        return "cannot be shown"
    if row.status is AccountStatus.UNKNOWN and row.account.invitation:
        return f"unknown “{mrkdwn(row.account.invitation.status, STATUS_WORD)}”"
    if row.status is AccountStatus.WAITING and deadline is None:
        return "waiting, no deadline"
    if row.status is AccountStatus.EXPIRED and deadline and deadline <= now:
        return f"expired {span(now - deadline)} ago"
    if row.status not in (AccountStatus.WAITING, AccountStatus.EXPIRING) or deadline is None:
        return str(row.status)
    left, tokens = span(deadline - now), tokens_for(deadline, now)
    if row.status is AccountStatus.EXPIRING:
        return f"expires {date(deadline, context, tokens, f'in {left}, ')}"
    return f"waiting, {date(deadline, context, tokens, f'{left} left, ')}"


def names(rows: Iterable[AccountRow], now: datetime, context: RenderContext) -> str:
    """List names for the fallback text: `小波 (41 min left, acknowledged by Mei), 林晓 (18 h left)`."""
    return ", ".join(f"{escape(label_of(row.account))}{_aside(row, now, context)}" for row in rows)


def names_by_state(rows: Sequence[AccountRow], now: datetime, context: RenderContext) -> str:
    """List all rows for the fallback text: `Expiring: 小波 (41 min left). Rejected: Chen, 夜班一号.`"""
    by_state = [(state, [row for row in rows if row.status is state]) for state in AccountStatus]
    return " ".join(f"{state.capitalize()}: {names(group, now, context)}." for state, group in by_state if group)


def source(snapshot: Snapshot, context: RenderContext, *more: str) -> Block:
    """Build the grey last line: the time of the data, the number of unreadable rows, and further facts."""
    parts = [f"Read from WeChat {date(snapshot.at, context, _exactness(snapshot))}", *_unreadable(snapshot), *more]
    return builders.context(" · ".join(parts))


def plain_text_source(snapshot: Snapshot, context: RenderContext) -> str:
    """Write the source for the fallback text."""
    read = f"Read from WeChat {date(snapshot.at, context.as_text, _exactness(snapshot))}"
    return ". ".join([read, *_unreadable(snapshot)]) + "."


def account(row: AccountRow) -> str:
    """Return the account ID that people know, not escaped."""
    return account_of(row.account.key, row.account.kf_id)


def _exactness(snapshot: Snapshot) -> str:
    """Choose seconds for a cached read: a user who has just changed something sees that it was read before."""
    return SECONDS if snapshot.is_cached else CLOCK


def _head(row: AccountRow, now: datetime, context: RenderContext) -> str:
    icon, name = builders.ICONS[row.status], escape(name_of(row.account.kf_nick))
    return f"{icon} *{name}* · {state_words(row, now, context)}"


def _facts(row: AccountRow, context: RenderContext) -> list[str]:
    if row.status is AccountStatus.BOUND:
        fact = id_of(row.account.kf_wx)
    elif row.status is AccountStatus.IDLE:
        fact = "nobody invited yet"
    else:
        invited = id_of(row.invite_wx)
        fact = invited and f"invited {invited}"
    if row.fault:
        fact = "the log has the reason"
    facts = [escape(part) for part in (account(row), fact) if part]
    if row.owner:
        words = snoozed(row.owner, context) if row.owner.until else acknowledged(row.owner, context)
        facts.append(f"{builders.PERSON} {words[:1].lower()}{words[1:]}")
    return facts


def _aside(row: AccountRow, now: datetime, context: RenderContext) -> str:
    """Write ` (41 min left, acknowledged by Mei)` for the fallback text."""
    parts = []
    if row.status is AccountStatus.EXPIRING and row.deadline:
        parts.append(f"{span(row.deadline - now)} left, {date(row.deadline, context.as_text)}")
    if row.owner:
        parts.append(f"{'snoozed' if row.owner.until else 'acknowledged'} by {plain_name(row.owner.name)}")
    return f" ({', '.join(parts)})" if parts else ""


def _unreadable(snapshot: Snapshot) -> list[str]:
    return [f"{many(snapshot.unreadable, 'row')} could not be read"] if snapshot.unreadable else []
