"""One account with all that is known of it. Advice before facts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot import actions
from bot.accounts import Reading, Row
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.channel.wording import NEXT
from bot.blocks.times import date, plain_date
from bot.episodes import Seen
from bot.grammar import Show
from bot.ports import Message
from bot.text import STATUS_WORD, account_of, escape, id_of, many, mrkdwn, name_of
from wechat_kf import KfAccount, OnlineKf

_WITH_DEADLINE = (Seen.EXPIRING, Seen.WAITING, Seen.EXPIRED, Seen.UNKNOWN)  # of a rejected one it means nothing
# What Slack takes as a link.
_URL = re.compile(r"https?://[^\s<>|\"\\^`{}\x00-\x20\x7f-\U0010ffff]{1,900}")
MAX_LINK = builders.MAX_FIELD - 500  # shares a field with an account, which fills at most 320


def details(reading: Reading, row: Row, online: Sequence[OnlineKf] | None, story: str = "") -> Message:
    """Everything about one account, whole WeChat IDs included: for the eyes of one person.

    Args:
        online: None when it is not known who is online.
        story: what became of its invitation so far, in mrkdwn, if that is known.
    """
    account = row.account
    if row.fault:
        return _cannot_be_shown(reading, row)
    sentence, advice = _sentence(row), NEXT.get(row.seen, "")
    now_online = "" if online is None else _online(account, online)
    blocks = [
        builders.header(f"{builders.ICONS[row.seen]} {name_of(account.kf_nick)} · {row.seen}"),
        builders.section(
            f"{sentence}\n*Next:* {advice}" if advice else sentence,
            fields=[builders.field(title, value) for title, value in _facts(row, now_online) if value],
        ),
        *([builders.section(story, expand=True)] if story else []),
        builders.actions(builders.refresh(actions.encode(Show(actions.handle(account.key)))), builders.console()),
        account_rows.source(reading, "only you see this, with whole WeChat IDs"),
    ]
    return Message(f"{_spoken(row, now_online)} {account_rows.spoken_source(reading)}", blocks)


def _cannot_be_shown(reading: Reading, row: Row) -> Message:
    """Name the account of a stand-in."""
    name, step = escape(_account(row.account)), "Look in the WeChat console; the log has the reason."
    refresh = builders.refresh(actions.encode(Show(actions.handle(row.account.key))))
    blocks = [
        builders.section(f"*{name} cannot be shown.*\n{step}"),
        builders.actions(refresh, builders.console()),
        account_rows.source(reading),
    ]
    return Message(f"{name} cannot be shown. {step} {account_rows.spoken_source(reading)}", blocks)


def _sentence(row: Row) -> str:
    bound, invited = (escape(id_of(wechat_id)) for wechat_id in (row.account.kf_wx, row.invite_wx))
    who = invited or "The person"
    status = row.account.invitation.status if row.account.invitation else ""
    return {
        Seen.EXPIRING: f"{who} has not answered yet.",
        Seen.WAITING: f"{who} has not answered yet.",
        Seen.REJECTED: f"{who} declined the invitation.",
        Seen.EXPIRED: f"{who} did not answer in time.",
        Seen.IDLE: "Nobody is bound or invited.",
        Seen.BOUND: f"{bound or 'Somebody'} answers customers here.",
        Seen.UNKNOWN: f"WeChat says “{mrkdwn(status, STATUS_WORD)}”, a word unknown here.",
    }[row.seen]


def _facts(row: Row, now_online: str) -> list[tuple[str, str]]:
    """Titles and values, in mrkdwn; an empty value is left out."""
    account = row.account
    avatar = f" · <{_link(account)}|avatar>" if _link(account) else ""
    openid = id_of(account.kf_openid) if account.kf_account else ""  # else it is the account
    no_deadline = "none" if row.seen is Seen.WAITING else ""
    return [
        ("Account", escape(_account(account)) + avatar),
        ("Seat number", escape(id_of(account.kf_id))),
        ("Invited", "nobody" if row.seen is Seen.IDLE else escape(id_of(row.invite_wx))),
        ("Bound to", escape(id_of(account.kf_wx)) or ("somebody" if account.kf_wx else "nobody")),
        ("Deadline", date(row.deadline) if row.deadline and row.seen in _WITH_DEADLINE else no_deadline),
        ("Online now", now_online),
        ("OpenID", escape(openid)),
    ]


def _spoken(row: Row, now_online: str) -> str:
    account, advice = row.account, NEXT.get(row.seen, "")
    was = "is" if row.seen in (Seen.WAITING, Seen.EXPIRING) else "was"
    seat = escape(id_of(account.kf_id))
    parts = [
        f"{row.seen.capitalize()}: {escape(name_of(account.kf_nick))} ({escape(_account(account))}).",
        _sentence(row),
        advice[:1].upper() + advice[1:],
        f"The deadline {was} {plain_date(row.deadline)}." if row.deadline and row.seen in _WITH_DEADLINE else "",
        f"Seat {seat}." if seat else "",
        "" if row.seen is Seen.BOUND else "Not bound.",
        f"Online now: {now_online}." if now_online else "",
    ]
    return " ".join(filter(None, parts))


def _account(account: KfAccount) -> str:
    return account_of(account.key, account.kf_id)


def _link(account: KfAccount) -> str:
    """The avatar's address, or "". Never an image: one that Slack cannot fetch sinks the whole reply."""
    url = account.kf_headimgurl
    link = url.replace("&", "&amp;")
    return link if _URL.fullmatch(url) and len(link) <= MAX_LINK else ""


def _online(account: KfAccount, online: Sequence[OnlineKf]) -> str:
    seat = next((one for one in online if one.key == account.key), None)
    if seat is None or seat.status == 0:
        return "no"
    # 2 and 3 stand in older documents: mobile, and both. What is newer is shown as it came.
    odd = f", status {seat.status}" if seat.status not in (None, 1, 2, 3) else ""
    return f"yes{odd}" + (f", {many(seat.accepted_case, 'conversation')}" if seat.accepted_case else "")
