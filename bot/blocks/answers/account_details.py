"""The details of one account, for one person: advice first, then all facts, with unmasked WeChat IDs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot import actions
from bot.accounts import AccountRow, Snapshot
from bot.alerting.episode import AccountStatus, Episode
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.answers.timeline import timeline
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import NEXT
from bot.blocks.context import RenderContext
from bot.blocks.problems import Explanation
from bot.blocks.times import date
from bot.ports import Message
from bot.requests import Show
from bot.text import STATUS_WORD, account_of, escape, id_of, many, mrkdwn, name_of
from wechat_kf import KfAccount, OnlineKf

_WITH_DEADLINE = (
    AccountStatus.EXPIRING,
    AccountStatus.WAITING,
    AccountStatus.EXPIRED,
    AccountStatus.UNKNOWN,
)  # a rejected invitation's deadline has no effect
# The URLs that Slack accepts in a link.
_URL = re.compile(r"https?://[^\s<>|\"\\^`{}\x00-\x20\x7f-\U0010ffff]{1,900}")
MAX_LINK = builders.MAX_FIELD - 500  # shares a field with an account, which fills at most 320
GONE = "The account is no longer in WeChat’s list"
ONLY_YOU = "only you see this, with whole WeChat IDs"


def account_details(
    snapshot: Snapshot,
    row: AccountRow,
    online: Sequence[OnlineKf] | None,
    context: RenderContext,
    history: str = "",
) -> Message:
    """Render one account as WeChat reports it.

    Args:
        online: None when it is not known who is online.
        history: the timeline of its invitation, in mrkdwn, if one is known.
    """
    account = row.account
    if row.fault:
        return _cannot_be_shown(snapshot, row, context)
    sentence, advice = _sentence(row), NEXT.get(row.status, "")
    online_now = "" if online is None else _online(account, online)
    blocks = [
        builders.header(f"{builders.ICONS[row.status]} {name_of(account.kf_nick)} · {row.status}"),
        builders.section(
            f"{sentence}\n*Next:* {advice}" if advice else sentence,
            fields=[builders.field(title, value) for title, value in _facts(row, online_now, context) if value],
        ),
        *([builders.section(history, expand=True)] if history else []),
        builders.actions(builders.refresh(_show(account.key)), builders.console()),
        account_rows.source(snapshot, context, ONLY_YOU),
    ]
    text = _plain_text(row, online_now, context.as_text)
    return Message(f"{text} {account_rows.plain_text_source(snapshot, context)}", blocks)


def last_known_details(episode: Episode, channel: str, why: Explanation | None, context: RenderContext) -> Message:
    """Render an alert's account from the store, when WeChat does not report it.

    Args:
        channel: the ID of the alert channel; or "".
        why: WeChat could not be read; None when it answered and no longer lists the account.
    """
    title, words = why.title if why else GONE, episode_text.state_words(episode)
    account, invited = account_of(episode.account_key, episode.kf_id), id_of(episode.invite_wx)
    step = "" if episode.state.closed or why is None else NEXT[AccountStatus(episode.state)]
    fields = [("Account", account), ("Invited", invited)]
    shown = [builders.field(name, escape(value)) for name, value in fields if value]
    deadline = episode_text.deadline_of(episode)
    if deadline:
        shown.append(builders.field("Deadline", date(deadline, context)))
    parts = [
        f"{title}, so this is what was known last.".replace("’", "'"),
        f"{words.capitalize()}: {escape(name_of(episode.kf_nick))} ({escape(account)}).",
        f"Invited: {escape(invited)}." if invited else "",
        f"Deadline: {date(deadline, context.as_text)}." if deadline else "",
    ]
    known = f"{builders.TROUBLE} {title}, so this is what was known last."
    return Message(
        " ".join(filter(None, parts)),
        [
            builders.header(f"{episode_text.icon(episode)} {name_of(episode.kf_nick)} · {words}"),
            builders.section(f"{known}\n*Next:* {step}" if step else known, fields=shown),
            builders.section(timeline(episode, channel, context), expand=True),
            builders.actions(builders.refresh(_show(episode.account_key)), builders.console()),
            builders.context(" · ".join([*(why.facts if why else ()), ONLY_YOU])),
        ],
    )


def _show(key: str) -> str:
    """Return the button value that shows the account again."""
    return actions.encode(Show(actions.handle(key)))


def _cannot_be_shown(snapshot: Snapshot, row: AccountRow, context: RenderContext) -> Message:
    name, step = escape(account_rows.account(row)), "Look in the WeChat console; the log has the reason."
    blocks = [
        builders.section(f"*{name} cannot be shown.*\n{step}"),
        builders.actions(builders.refresh(_show(row.account.key)), builders.console()),
        account_rows.source(snapshot, context),
    ]
    return Message(f"{name} cannot be shown. {step} {account_rows.plain_text_source(snapshot, context)}", blocks)


def _sentence(row: AccountRow) -> str:
    bound, invited = (escape(id_of(wechat_id)) for wechat_id in (row.account.kf_wx, row.invite_wx))
    who = invited or "The person"
    status = row.account.invitation.status if row.account.invitation else ""
    return {
        AccountStatus.EXPIRING: f"{who} has not answered yet.",
        AccountStatus.WAITING: f"{who} has not answered yet.",
        AccountStatus.REJECTED: f"{who} declined the invitation.",
        AccountStatus.EXPIRED: f"{who} did not answer in time.",
        AccountStatus.IDLE: "Nobody is bound or invited.",
        AccountStatus.BOUND: f"{bound or 'Somebody'} answers customers here.",
        AccountStatus.UNKNOWN: f"WeChat says “{mrkdwn(status, STATUS_WORD)}”, a word unknown here.",
    }[row.status]


def _facts(row: AccountRow, online_now: str, context: RenderContext) -> list[tuple[str, str]]:
    """Return titles and values, as mrkdwn; an empty value is left out."""
    account = row.account
    avatar = f" · <{_link(account)}|avatar>" if _link(account) else ""
    openid = id_of(account.kf_openid) if account.kf_account else ""  # else it is the account
    deadline = "none" if row.status is AccountStatus.WAITING else ""
    if row.deadline and row.status in _WITH_DEADLINE:
        deadline = date(row.deadline, context)
    return [
        ("Account", escape(account_rows.account(row)) + avatar),
        ("Seat number", escape(id_of(account.kf_id))),
        ("Invited", "nobody" if row.status is AccountStatus.IDLE else escape(id_of(row.invite_wx))),
        ("Bound to", escape(id_of(account.kf_wx)) or ("somebody" if account.kf_wx else "nobody")),
        ("Deadline", deadline),
        ("Online now", online_now),
        ("OpenID", escape(openid)),
    ]


def _plain_text(row: AccountRow, online_now: str, context: RenderContext) -> str:
    account, advice = row.account, NEXT.get(row.status, "")
    was = "is" if row.status in (AccountStatus.WAITING, AccountStatus.EXPIRING) else "was"
    deadline = ""
    if row.deadline and row.status in _WITH_DEADLINE:
        deadline = f"The deadline {was} {date(row.deadline, context)}."
    seat, name = escape(id_of(account.kf_id)), escape(name_of(account.kf_nick))
    parts = [
        f"{row.status.capitalize()}: {name} ({escape(account_rows.account(row))}).",
        _sentence(row),
        advice[:1].upper() + advice[1:],
        deadline,
        f"Seat {seat}." if seat else "",
        "" if row.status is AccountStatus.BOUND else "Not bound.",
        f"Online now: {online_now}." if online_now else "",
    ]
    return " ".join(filter(None, parts))


def _link(account: KfAccount) -> str:
    """Return the avatar's address, or "". Never an image: Slack refuses the whole reply if it cannot fetch one."""
    url = account.kf_headimgurl
    link = url.replace("&", "&amp;")
    return link if _URL.fullmatch(url) and len(link) <= MAX_LINK else ""


def _online(account: KfAccount, online: Sequence[OnlineKf]) -> str:
    login = next((one for one in online if one.key == account.key), None)
    if login is None or login.status == 0:
        return "no"
    # Older documents also list 2 (mobile) and 3 (both). Other values are shown unchanged.
    other = f", status {login.status}" if login.status not in (None, 1, 2, 3) else ""
    return f"yes{other}" + (f", {many(login.accepted_case, 'conversation')}" if login.accepted_case else "")
