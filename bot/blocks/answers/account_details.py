"""The details of one account, for one person: advice first, then all facts, with unmasked WeChat IDs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot import actions
from bot.accounts import AccountRow, Snapshot
from bot.alerting.episode import AccountStatus, Episode
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.answers.account_buttons import account_buttons
from bot.blocks.answers.timeline import timeline
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import next_step
from bot.blocks.context import RenderContext
from bot.blocks.names import account_of, name_of
from bot.blocks.problems import Explanation
from bot.blocks.times import date
from bot.operations.operation import Operation
from bot.ports import Message
from bot.requests import Show
from bot.text import STATUS_WORD, escape, id_of, mrkdwn
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
    can_invite = context.operations and bool(account.kf_account)
    sentence, step = state_sentence(row, context), next_step(row.status, context, in_slack=can_invite)
    online_now = "" if online is None else _online(account, online, context)
    icon, name = builders.ICONS[row.status], name_of(account.kf_nick, context)
    blocks = [
        builders.header(f"{icon} {name} · {context.state(row.status)}"),
        builders.section(
            _with_step(sentence, step, context),
            fields=[builders.field(title, value) for title, value in _facts(row, online_now, context) if value],
        ),
        *([builders.section(history, expand=True)] if history else []),
        builders.actions(*account_buttons(account.key, name, row.status if can_invite else None, context)),
        account_rows.source(snapshot, context, _only_you(context)),
    ]
    text = _plain_text(
        row, online_now, next_step(row.status, context.as_text, in_slack=can_invite), context.as_text
    )
    return Message(context.paragraph(text, account_rows.plain_text_source(snapshot, context)), blocks)


def last_known_details(
    episode: Episode,
    channel: str,
    why: Explanation | None,
    context: RenderContext,
    operations: Sequence[Operation] = (),
) -> Message:
    """Render an alert's account from the store, when WeChat does not report it.

    Args:
        channel: the ID of the alert channel; or "".
        why: WeChat could not be read; None when it answered and no longer lists the account.
        operations: on the account, newest first.
    """
    gone = context.say("The account is no longer in WeChat’s list")
    known = context.say("{title}, so this is what was known last.", title=why.title if why else gone)
    words = episode_text.state_words(episode, context)
    account, invited = account_of(episode.account_key, episode.kf_id, context), id_of(episode.invite_wx)
    can_invite, status, step = context.operations and bool(episode.kf_account), None, ""
    if why and not episode.state.closed:
        status = AccountStatus(episode.state)
        step = next_step(status, context, in_slack=can_invite)
    name, deadline = name_of(episode.kf_nick, context), episode_text.deadline_of(episode)
    fields = [
        (context.term("field", "Account"), escape(account)),
        (context.term("field", "Invited"), escape(invited)),
        (context.term("field", "Deadline"), date(deadline, context) if deadline else ""),
    ]
    text, shown = context.as_text, f"{builders.TROUBLE} {known}"
    return Message(
        text.paragraph(
            known.replace("’", "'"),
            text.say(
                "{state}: {name} ({account}).",
                state=context.capitalized(words),
                name=escape(name),
                account=escape(account),
            ),
            text.say("Invited: {id}.", id=escape(invited)) if invited else "",
            text.say("Deadline: {when}.", when=date(deadline, text)) if deadline else "",
        ),
        [
            builders.header(f"{episode_text.icon(episode)} {name} · {words}"),
            builders.section(
                _with_step(shown, step, context),
                fields=[builders.field(title, value) for title, value in fields if value],
            ),
            builders.section(timeline(episode, channel, context, operations), expand=True),
            builders.actions(*account_buttons(episode.account_key, name, status if can_invite else None, context)),
            builders.context(" · ".join([*(why.facts if why else ()), _only_you(context)])),
        ],
    )


def state_sentence(row: AccountRow, context: RenderContext) -> str:
    """Write what the person has done so far, with the whole WeChat ID."""
    bound, invited = (escape(id_of(wechat_id)) for wechat_id in (row.account.kf_wx, row.invite_wx))
    who = invited or context.say("The person")
    match row.status:
        case AccountStatus.EXPIRING | AccountStatus.WAITING:
            return context.say("{person} has not answered yet.", person=who)
        case AccountStatus.REJECTED:
            return context.say("{person} declined the invitation.", person=who)
        case AccountStatus.EXPIRED:
            return context.say("{person} did not answer in time.", person=who)
        case AccountStatus.IDLE:
            return context.say("Nobody is bound or invited.")
        case AccountStatus.BOUND if bound:
            return context.say("{person} answers customers here.", person=bound)
        case AccountStatus.BOUND:
            return context.say("Somebody answers customers here.")
        case AccountStatus.UNKNOWN:
            status = row.account.invitation.status if row.account.invitation else ""
            return context.say("WeChat says “{word}”, a word unknown here.", word=mrkdwn(status, STATUS_WORD))


def _with_step(sentence: str, step: str, context: RenderContext) -> str:
    return f"{sentence}\n*{context.say('Next:')}* {step}" if step else sentence


def _only_you(context: RenderContext) -> str:
    return context.say("only you see this, with whole WeChat IDs")


def _show(key: str) -> str:
    """Return the button value that shows the account again."""
    return actions.encode(Show(actions.handle(key)))


def _cannot_be_shown(snapshot: Snapshot, row: AccountRow, context: RenderContext) -> Message:
    title = context.say("{name} cannot be shown.", name=escape(account_rows.account(row, context)))
    step = context.say("Look in the WeChat console; the log has the reason.")
    blocks = [
        builders.section(f"*{title}*\n{step}"),
        builders.actions(builders.refresh(_show(row.account.key), context), builders.console(context)),
        account_rows.source(snapshot, context),
    ]
    source = account_rows.plain_text_source(snapshot, context)
    return Message(context.paragraph(title, step, source), blocks)


def _facts(row: AccountRow, online_now: str, context: RenderContext) -> list[tuple[str, str]]:
    """Return titles and values, as mrkdwn; an empty value is left out."""
    account, term = row.account, context.term
    known = escape(account_rows.account(row, context))
    if link := _link(account):
        known += f" · <{link}|{context.say('avatar')}>"
    openid = id_of(account.kf_openid) if account.kf_account else ""  # else it is the account
    deadline = term("deadline", "none") if row.status is AccountStatus.WAITING else ""
    if row.deadline and row.status in _WITH_DEADLINE:
        deadline = date(row.deadline, context)
    nobody = context.say("nobody")
    bound = escape(id_of(account.kf_wx)) or (term("bound to", "somebody") if account.kf_wx else nobody)
    return [
        (term("field", "Account"), known),
        (term("field", "Seat number"), escape(id_of(account.kf_id))),
        (term("field", "Invited"), nobody if row.status is AccountStatus.IDLE else escape(id_of(row.invite_wx))),
        (term("field", "Bound to"), bound),
        (term("field", "Deadline"), deadline),
        (term("field", "Online now"), online_now),
        (term("field", "OpenID"), escape(openid)),
    ]


def _plain_text(row: AccountRow, online_now: str, step: str, context: RenderContext) -> str:
    account, deadline = row.account, ""
    if row.deadline and row.status in _WITH_DEADLINE:
        when = date(row.deadline, context)
        if row.status in (AccountStatus.WAITING, AccountStatus.EXPIRING):
            deadline = context.say("The deadline is {when}.", when=when)
        else:
            deadline = context.say("The deadline was {when}.", when=when)
    seat = escape(id_of(account.kf_id))
    return context.paragraph(
        context.say(
            "{state}: {name} ({account}).",
            state=context.capitalized(context.state(row.status)),
            name=escape(name_of(account.kf_nick, context)),
            account=escape(account_rows.account(row, context)),
        ),
        state_sentence(row, context),
        context.capitalized(step),
        deadline,
        context.say("Seat {number}.", number=seat) if seat else "",
        "" if row.status is AccountStatus.BOUND else context.say("Not bound."),
        context.say("Online now: {words}.", words=online_now) if online_now else "",
    )


def _link(account: KfAccount) -> str:
    """Return the avatar's address, or "". Never an image: Slack refuses the whole reply if it cannot fetch one."""
    url = account.kf_headimgurl
    link = url.replace("&", "&amp;")
    return link if _URL.fullmatch(url) and len(link) <= MAX_LINK else ""


def _online(account: KfAccount, online: Sequence[OnlineKf], context: RenderContext) -> str:
    login = next((one for one in online if one.key == account.key), None)
    if login is None or login.status == 0:
        return context.term("online", "no")
    conversations = context.count("{number} conversation", "{number} conversations", login.accepted_case or 0)
    if login.status not in (None, 1, 2, 3):  # older documents also list 2 (mobile) and 3 (both)
        if not login.accepted_case:
            return context.say("yes, status {number}", number=login.status)
        return context.say(
            "yes, status {number}, {conversations}", number=login.status, conversations=conversations
        )
    if not login.accepted_case:
        return context.term("online", "yes")
    return context.say("yes, {conversations}", conversations=conversations)
