"""The row of an account, as ephemeral answers show it, and the sentences that list or count rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from bot.accounts import Reading, Row
from bot.blocks import builders, mentions
from bot.blocks.channel.wording import EDITED, Manner, acknowledged, snoozed
from bot.blocks.times import CLOCK, SECONDS, alone, date, plain_date, span
from bot.episodes import Hand, Seen
from bot.ports import Block
from bot.text import STATUS_WORD, account_of, escape, id_of, label_of, many, mrkdwn, name_of

Render = Callable[[Sequence[Row], datetime], list[Block]]


def two_lines(rows: Sequence[Row], now: datetime) -> list[Block]:
    """Each row as a section, and a grey line of facts below it."""
    blocks = []
    for row in rows:
        blocks += [builders.section(_head(row, now)), builders.context(" · ".join(_facts(row)))]
    return blocks


def one_line(rows: Sequence[Row], now: datetime) -> list[Block]:
    """Each row as one line, when space is short: icon, name, state, account."""
    return [builders.section(f"{_head(row, now)} · {escape(account(row))}") for row in rows]


def state_words(row: Row, now: datetime) -> str:
    """The state of an account with its time, in mrkdwn: `expires in 41 min, 9:53 AM`."""
    deadline = row.deadline
    if row.fault:
        return "cannot be shown"
    if row.seen is Seen.UNKNOWN and row.account.invitation:
        return f"unknown “{mrkdwn(row.account.invitation.status, STATUS_WORD)}”"
    if row.seen is Seen.WAITING and deadline is None:
        return "waiting, no deadline"
    if row.seen is Seen.EXPIRED and deadline and deadline <= now:
        return f"expired {span(now - deadline)} ago"
    if row.seen not in (Seen.WAITING, Seen.EXPIRING) or deadline is None:
        return str(row.seen)
    left, tokens = deadline - now, alone(deadline, now)
    if row.seen is Seen.EXPIRING:
        return f"expires {date(deadline, tokens, f'in {span(left)}, ')}"
    return f"waiting, {date(deadline, tokens, f'{span(left)} left, ')}"


def names(rows: Iterable[Row], now: datetime) -> str:
    """Names for `text`: `小波 (41 min left), 林晓 (18 h left)`."""
    return ", ".join(f"{escape(label_of(row.account))}{_aside(row, now)}" for row in rows)


def names_by_state(rows: Sequence[Row], now: datetime) -> str:
    """All rows for `text`: `Expiring: 小波 (41 min left). Rejected: Chen, 夜班一号.`"""
    groups = [(state, [row for row in rows if row.seen is state]) for state in Seen]
    return " ".join(f"{state.capitalize()}: {names(group, now)}." for state, group in groups if group)


def icons_and_counts(lead: str, counts: Mapping[str, int]) -> str:
    """`Also ✉️ 4 waiting ⚪ 2 idle`. No-break blanks hold a count together, wide ones part it from the next."""
    parts = [f"{builders.ICONS[state]}\u00a0{counts[state]}\u00a0{state}" for state in Seen if counts.get(state)]
    return "\u2002".join([lead, *parts])


def source(reading: Reading, *more: str) -> Block:
    """The grey last line: the time of the data, what could not be read, and what else there is to say."""
    parts = [f"Read from WeChat {date(reading.at, _exactness(reading))}", *_unreadable(reading), *more]
    return builders.context(" · ".join(parts))


def spoken_source(reading: Reading) -> str:
    """The same for `text`."""
    read = f"Read from WeChat {plain_date(reading.at, _exactness(reading))}"
    return ". ".join([read, *_unreadable(reading)]) + "."


def _exactness(reading: Reading) -> str:
    """Who has just changed something at WeChat needs the seconds to see that this was read before."""
    return SECONDS if reading.again else CLOCK


def _head(row: Row, now: datetime) -> str:
    return f"{builders.ICONS[row.seen]} *{escape(name_of(row.account.kf_nick))}* · {state_words(row, now)}"


def _facts(row: Row) -> list[str]:
    if row.seen is Seen.BOUND:
        fact = id_of(row.account.kf_wx)
    elif row.seen is Seen.IDLE:
        fact = "nobody invited yet"
    else:
        invited = id_of(row.invite_wx)
        fact = invited and f"invited {invited}"
    if row.fault:
        fact = "the log has the reason"
    facts = [escape(part) for part in (account(row), fact) if part]
    return [*facts, f"{builders.PERSON} {_owned(row.owner, EDITED)}"] if row.owner else facts


def _owned(owner: Hand, manner: Manner) -> str:
    """`acknowledged by @Mei, today 8:47 AM`, in mrkdwn or for `text`."""
    words = snoozed(owner, manner) if owner.until else acknowledged(owner, manner)
    return words[:1].lower() + words[1:]


def account(row: Row) -> str:
    """Return the account as people know it, not escaped."""
    return account_of(row.account.key, row.account.kf_id)


def _aside(row: Row, now: datetime) -> str:
    """` (41 min left, acknowledged by Mei)`, for `text`."""
    left = ""
    if row.seen is Seen.EXPIRING and row.deadline:
        left = f"{span(row.deadline - now)} left, {plain_date(row.deadline)}"
    owner = row.owner
    taken = f"{'snoozed' if owner.until else 'acknowledged'} by {mentions.named(owner)}" if owner else ""
    aside = ", ".join(filter(None, [left, taken]))
    return f" ({aside})" if aside else ""


def _unreadable(reading: Reading) -> list[str]:
    return [f"{many(reading.unreadable, 'row')} could not be read"] if reading.unreadable else []
