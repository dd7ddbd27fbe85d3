"""The history of one account, or what people changed in all of them, for one person: ten entries a page."""

from __future__ import annotations

from dataclasses import replace

from bot import actions
from bot.alerting.episode import UserAction
from bot.blocks import builders, mentions
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import acknowledged
from bot.blocks.context import RenderContext
from bot.blocks.names import account_of, name_of
from bot.blocks.times import date
from bot.language import gettext_noop
from bot.operations.account_history import AccountHistoryPage, Entry, EpisodeNote, NoteKind, name_after
from bot.operations.fields import FieldProblem
from bot.operations.operation import EndReason, Operation, OperationKind, OperationState
from bot.operations.refusals import AT_FIELD, NO_RIGHT_CODES
from bot.ports import Block, Message
from bot.requests import MAX_TEXT, History, Show
from bot.text import ACCOUNT, NAME, Limit, clean, escape, mrkdwn
from wechat_kf import KfAccount

AGAIN = ("rejected", "expired")  # states of an account whose invitation is a repetition
_ID_UNKNOWN = gettext_noop("WeChat ID unknown")
_SERVES_HERE = gettext_noop("already serves customers here")
_INVITED_ALREADY = gettext_noop("invited already")
_TOO_MANY_HELD = gettext_noop("holds too many accounts")
_OPEN_INVITATION = gettext_noop("an invitation is open")
_BOUND = gettext_noop("bound already")
_ACCOUNT_UNKNOWN = gettext_noop("account unknown")
_NAME = gettext_noop("name not allowed")
_ACCOUNT = gettext_noop("account not allowed")
_TOO_MANY = gettext_noop("too many accounts")
_EXISTS = gettext_noop("account exists already")
_NO_RIGHT = gettext_noop("no right to this interface")
_WHY = {
    FieldProblem.WX_UNKNOWN: _ID_UNKNOWN,
    FieldProblem.ANSWERS_HERE: _SERVES_HERE,
    FieldProblem.INVITED_ALREADY: _INVITED_ALREADY,
    FieldProblem.HOLDS_TOO_MANY: _TOO_MANY_HELD,
    FieldProblem.STILL_OPEN: _OPEN_INVITATION,
    FieldProblem.BOUND: _BOUND,
    FieldProblem.GONE: _ACCOUNT_UNKNOWN,
    FieldProblem.NAME_REFUSED: _NAME,
    FieldProblem.ACCOUNT_FORM: _ACCOUNT,
    FieldProblem.NO_ROOM: _TOO_MANY,
    FieldProblem.EXISTS: _EXISTS,
}
WHY_BY_CODE = {
    **{errcode: _WHY[problem] for errcode, (problem, _) in AT_FIELD.items()},
    **dict.fromkeys(NO_RIGHT_CODES, _NO_RIGHT),
}
WHY_BY_REASON = {
    EndReason.BOUND: _BOUND,
    EndReason.WAITING: _OPEN_INVITATION,
    EndReason.GONE: _ACCOUNT_UNKNOWN,
    EndReason.EXISTS: _EXISTS,
    EndReason.NO_ROOM: _TOO_MANY,
}
SHORT = Limit(24, 40)  # of IDs, where ten whole ones do not fit


def history(page: AccountHistoryPage, context: RenderContext, *, account: KfAccount | None = None) -> Message:
    """Render a page.

    Args:
        account: as WeChat lists it; None for the history of all, or if it is not listed any more.
    """
    name = _label(account.kf_nick if account else page.kf_nick, page.account_key, context)
    if page.account_key:
        title = context.say("History of {name}", name=name)
        empty = context.say("Nobody has changed {name} through this bot.", name=escape(name))
    else:
        title = context.say("What people changed")
        empty = context.say("Nobody has changed an account through this bot.")

    def with_ids(limit: Limit) -> Message:
        rows = [block for entry in page.entries for block in _row(entry, page, limit, context)]
        buttons = [
            *_turns(page, account, context),
            *([] if context.in_modal or not account else [_details(account, context)]),
        ]
        blocks = [
            builders.header(title),
            *(rows or [builders.section(empty)]),
            *([builders.actions(*buttons)] if buttons else []),
            builders.context(_source(page, account, context)),
        ]
        return Message(_plain_text(title, page, context.as_text) if page.entries else empty, blocks)

    return builders.first_that_fits(lambda: with_ids(ACCOUNT), lambda: with_ids(SHORT))


def operation_line(operation: Operation, context: RenderContext) -> str:
    """Write who did what, without the outcome: `Invited again by @Lin`."""
    who = mentions.user(UserAction(operation.user_id, operation.user_name, operation.asked_at), context)
    match operation.kind:
        case OperationKind.INVITE if operation.before and operation.before.status in AGAIN:
            return context.say("Invited again by {who}", who=who)
        case OperationKind.INVITE:
            return context.say("Invited by {who}", who=who)
        case OperationKind.ADD:
            return context.say("Added by {who}", who=who)
        case OperationKind.RENAME:
            return context.say("Renamed by {who}", who=who)
        case OperationKind.DELETE:
            return context.say("Deleted by {who}", who=who)


def outcome(operation: Operation, context: RenderContext) -> list[str]:
    """Write why an operation changed nothing, or may not have; nothing if it is done."""
    found = operation.outcome
    code = f"errcode {found.errcode}" if found.errcode else ""
    match operation.state:
        case OperationState.DONE:
            return []
        case OperationState.REFUSED if why := WHY_BY_CODE.get(found.errcode or 0) or (
            WHY_BY_REASON.get(found.reason) if found.reason else None
        ):
            words = context.say("refused: {why}", why=context.say(why))
        case OperationState.REFUSED if code:
            words = context.say("WeChat refused the request")
        case OperationState.OPEN | OperationState.UNSURE:
            words = context.say("not confirmed by WeChat")
        case OperationState.FAILED if found.reason is EndReason.NOT_CONFIRMED:
            words = context.say("not confirmed by WeChat")
        case _:
            words = context.say("did not happen")
    return [words, code] if code else [words]


def _row(entry: Entry, page: AccountHistoryPage, limit: Limit, context: RenderContext) -> list[Block]:
    """Build the line of an entry and, if there are any, its facts in grey."""
    if isinstance(entry, Operation):
        line = f"{builders.PERSON} {operation_line(entry, context)} · {date(entry.asked_at, context)}"
        facts = _operation_facts(entry, limit, context)
        if not page.account_key:
            facts.insert(0, escape(_label(name_after(entry), entry.wanted.kf_account, context)))
    else:
        line = f"{_icon(entry)} {_note(entry, context)}"
        facts = _note_facts(entry, limit, context)
    shown = list(dict.fromkeys(filter(None, facts)))
    return [builders.section(line), *([builders.context(" · ".join(shown))] if shown else [])]


def _operation_facts(operation: Operation, limit: Limit, context: RenderContext) -> list[str]:
    wanted, before, facts = operation.wanted, operation.before, list[str]()
    done = operation.state is OperationState.DONE
    if operation.kind is OperationKind.INVITE:
        facts.append(mrkdwn(wanted.invite_wx, limit))
        if done and operation.outcome.expires_at:
            facts.append(context.say("until {when}", when=date(operation.outcome.expires_at, context)))
    if operation.kind is OperationKind.RENAME:
        facts.append(mrkdwn(wanted.nickname, NAME))
        if done and before:
            facts.append(context.say("was {before}", before=escape(name_of(before.kf_nick, context))))
    return [*facts, *outcome(operation, context)]


def _icon(note: EpisodeNote) -> str:
    if note.kind is NoteKind.ACKNOWLEDGED:
        return builders.PERSON
    return episode_text.icon(replace(note.episode, state=note.state, events=()))


def _note(note: EpisodeNote, context: RenderContext) -> str:
    if note.kind is NoteKind.ACKNOWLEDGED and note.episode.acked:
        return acknowledged(note.episode.acked, context)
    word = episode_text.state_word(replace(note.episode, state=note.state, events=()))
    state, when = context.capitalized(context.state(word)), date(note.at, context)
    if note.kind is NoteKind.FIRST_SEEN:
        return context.say("{state}, first seen {when}", state=state, when=when)
    return context.say("{state}, noticed {when}", state=state, when=when)


def _note_facts(note: EpisodeNote, limit: Limit, context: RenderContext) -> list[str]:
    if note.kind is NoteKind.ACKNOWLEDGED:
        return []
    deadline = note.episode.expires_at if note.kind is NoteKind.FIRST_SEEN else None
    until = context.say("until {when}", when=date(deadline, context)) if deadline else ""
    return [mrkdwn(note.episode.invite_wx, limit), until]


def _label(kf_nick: str, account_key: str, context: RenderContext) -> str:
    """Return the name of an account, else the account, for plain_text."""
    return clean(kf_nick, NAME) or account_of(account_key, "", context)


def _turns(page: AccountHistoryPage, account: KfAccount | None, context: RenderContext) -> list[Block]:
    # A handle can only be looked up in WeChat's list.
    is_typed = account is None and len(page.account_key) <= MAX_TEXT
    text = page.account_key if is_typed else actions.handle(account.key if account else page.account_key)
    turns = []
    if page.number > 1:
        value = actions.encode(History(text, page.number - 1))
        turns.append(builders.button(context.say("‹ Prev"), actions.PREVIOUS_PAGE, value))
    if page.has_next:
        value = actions.encode(History(text, page.number + 1))
        turns.append(builders.button(context.say("Next ›"), actions.NEXT_PAGE, value))
    return turns


def _details(account: KfAccount, context: RenderContext) -> Block:
    value, label = actions.encode(Show(actions.handle(account.key))), context.say("Details, shown only to you")
    return builders.button(context.say("Details"), actions.SHOW, value, label=label)


def _source(page: AccountHistoryPage, account: KfAccount | None, context: RenderContext) -> str:
    known = account_of(page.account_key, account.kf_id if account else "", context) if page.account_key else ""
    facts = (
        escape(known),
        context.say("kept for 400 days"),
        context.say("only you see this, with whole WeChat IDs"),
    )
    return " · ".join(filter(None, facts))


def _plain_text(title: str, page: AccountHistoryPage, context: RenderContext) -> str:
    """Write the newest entry: `History of Chen: Invited again by Lin, Mon 23 Nov 01:14 UTC.`"""
    newest = page.entries[0]
    if isinstance(newest, Operation):
        when = date(newest.asked_at, context)
        newest_words = context.clauses([operation_line(newest, context), when, *outcome(newest, context)])
    else:
        newest_words = _note(newest, context)
    return context.say("{title}: {names}.", title=escape(title), names=newest_words)
