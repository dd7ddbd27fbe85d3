"""Rows of accounts in answers, and sentences that list or count them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from bot.accounts import AccountRow, Snapshot
from bot.alerting.episode import AccountStatus
from bot.blocks import builders
from bot.blocks.channel.wording import owner
from bot.blocks.context import RenderContext
from bot.blocks.mentions import plain_name
from bot.blocks.names import account_of, label_of, name_of
from bot.blocks.times import CLOCK, SECONDS, date, near, span
from bot.ports import Block
from bot.text import STATUS_WORD, escape, id_of, mrkdwn

RenderRows = Callable[[Sequence[AccountRow], datetime, RenderContext], list[Block]]


def two_lines(rows: Sequence[AccountRow], now: datetime, context: RenderContext) -> list[Block]:
    """Build each row as a section with a grey line of facts below."""
    blocks = []
    for row in rows:
        grey = builders.context(" · ".join(facts(row, context)))
        blocks += [builders.section(head(row, now, context)), grey]
    return blocks


def one_line(rows: Sequence[AccountRow], now: datetime, context: RenderContext) -> list[Block]:
    """Build each row as one line, when space is short: icon, name, state, account."""
    return [builders.section(f"{head(row, now, context)} · {escape(account(row, context))}") for row in rows]


def state_words(row: AccountRow, now: datetime, context: RenderContext) -> str:
    """Write the state of an account with its time, as mrkdwn: `expires in 41 min, 9:53 AM`."""
    deadline, state = row.deadline, context.state(row.status)
    if row.fault:
        return context.say("cannot be shown")
    if row.status is AccountStatus.UNKNOWN and row.account.invitation:
        word = mrkdwn(row.account.invitation.status, STATUS_WORD)
        return context.say("unknown “{word}”", word=word)
    if row.status is AccountStatus.WAITING and deadline is None:
        return context.say("waiting, no deadline")
    if row.status is AccountStatus.EXPIRED and deadline and deadline <= now:
        return context.say("expired {span} ago", span=span(now - deadline, context))
    if row.status not in (AccountStatus.WAITING, AccountStatus.EXPIRING) or deadline is None:
        return state
    left, when = span(deadline - now, context), near(deadline, now, context)
    if row.status is AccountStatus.EXPIRING:
        return context.say("expires in {span}, {when}", span=left, when=when)
    return context.say("waiting, {span} left, {when}", span=left, when=when)


def names(rows: Iterable[AccountRow], now: datetime, context: RenderContext) -> str:
    """List names for the fallback text: `小波 (41 min left, acknowledged by Mei), 林晓 (18 h left)`."""
    context = context.as_text
    return context.series([_name(row, now, context) for row in rows])


def names_by_state(rows: Sequence[AccountRow], now: datetime, context: RenderContext) -> str:
    """List all rows for the fallback text: `Expiring: 小波 (41 min left). Rejected: Chen, 夜班一号.`"""
    by_state = [(state, [row for row in rows if row.status is state]) for state in AccountStatus]
    return context.paragraph(
        *(
            context.say(
                "{state}: {names}.",
                state=context.capitalized(context.state(state)),
                names=names(group, now, context),
            )
            for state, group in by_state
            if group
        )
    )


def source(snapshot: Snapshot, context: RenderContext, *more: str) -> Block:
    """Build the grey last line: the time of the data, the number of unreadable rows, and further facts."""
    return builders.context(" · ".join([*_source(snapshot, context), *more]))


def plain_text_source(snapshot: Snapshot, context: RenderContext) -> str:
    """Write the source for the fallback text."""
    parts = _source(snapshot, context.as_text)
    return context.paragraph(*(context.say("{what}.", what=part) for part in parts))


def _source(snapshot: Snapshot, context: RenderContext) -> list[str]:
    # With seconds for a cached read: a user who has just changed something sees that it was read before.
    when = date(snapshot.at, context, SECONDS if snapshot.is_cached else CLOCK)
    parts = [context.say("Read from WeChat {when}", when=when)]
    if snapshot.next_read_at:
        again = date(snapshot.next_read_at, context, CLOCK)
        parts.append(context.say("Next read after {when}, because there were many in the last hour", when=again))
    if snapshot.unreadable:
        parts.append(
            context.count("{number} row could not be read", "{number} rows could not be read", snapshot.unreadable)
        )
    return parts


def head(row: AccountRow, now: datetime, context: RenderContext) -> str:
    """Write `⏰ *小波* · expires in 41 min, 9:53 AM`."""
    icon, name = builders.ICONS[row.status], escape(name_of(row.account.kf_nick, context))
    return f"{icon} *{name}* · {state_words(row, now, context)}"


def account(row: AccountRow, context: RenderContext) -> str:
    """Return the account ID that people know, not escaped."""
    return account_of(row.account.key, row.account.kf_id, context)


def facts(row: AccountRow, context: RenderContext) -> list[str]:
    """List the facts of the grey line below the head."""
    found = [escape(account(row, context))]
    if row.fault:
        found.append(context.say("the log has the reason"))
    elif row.status is AccountStatus.BOUND:
        found.append(escape(id_of(row.account.kf_wx)))
    elif row.status is AccountStatus.IDLE:
        found.append(context.say("nobody invited yet"))
    elif invited := id_of(row.invite_wx):
        found.append(context.say("invited {id}", id=escape(invited)))
    if row.owner:
        found.append(f"{builders.PERSON}\u00a0{owner(row.owner, context)}")
    return [fact for fact in found if fact]


def _name(row: AccountRow, now: datetime, context: RenderContext) -> str:
    """Write `小波 (41 min left, acknowledged by Mei)` for the fallback text."""
    name, asides = escape(label_of(row.account, context)), []
    if row.status is AccountStatus.EXPIRING and row.deadline:
        left, when = span(row.deadline - now, context), date(row.deadline, context)
        asides.append(context.say("{span} left, {when}", span=left, when=when))
    if row.owner:
        who = plain_name(row.owner.name, context)
        if row.owner.until:
            asides.append(context.say("snoozed by {who}", who=who))
        else:
            asides.append(context.say("acknowledged by {who}", who=who))
    if not asides:
        return name
    return context.say("{name} ({facts})", name=name, facts=context.clauses(asides))
