"""Lists of accounts: all, those in some states, and the matches of a search."""

from __future__ import annotations

from collections.abc import Sequence

from bot import actions
from bot.accounts import AccountRow, Snapshot, nearest_account
from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.answers.overview import no_accounts, owner_counts, see_all
from bot.blocks.answers.pagination import PAGE, Page, paged_list
from bot.blocks.answers.replies import Suggestion
from bot.blocks.context import RenderContext
from bot.ports import Block, Message
from bot.requests import Find, List, Show
from bot.text import TYPED, account_of, clean, either, escape, label_of, many


def account_list(
    snapshot: Snapshot, states: tuple[AccountStatus, ...], number: int, context: RenderContext
) -> Message:
    """Render a page, counted from 1, of the accounts in any of these states, or of all accounts."""
    if not snapshot.rows:
        return no_accounts(snapshot, context)
    chosen = snapshot.only(states)
    if not chosen:
        return _empty_list(snapshot, states, context)
    page = Page.of(chosen, number)
    title, text = _title(page, states, chosen)
    if len(states) == 1:
        rows = f": {account_rows.names(page.rows, snapshot.at, context)}."
    else:
        order = "." if states else ", problems first."
        rows = f"{order} {account_rows.names_by_state(page.rows, snapshot.at, context)}"
    return paged_list(
        snapshot,
        page,
        context,
        title=title,
        text=text + rows,
        request=List(number, states),
        elsewhere=_filter(snapshot, states),
        order=many(len(snapshot.rows), "account") if states else "problems first",
        hint=_more_expiring(snapshot, states),
    )


def search_results(
    snapshot: Snapshot, hits: Sequence[AccountRow], text: str, number: int, context: RenderContext
) -> Message:
    """Render a page, counted from 1, of the accounts that match; there is at least one."""
    page = Page.of(hits, number)
    title = f"{many(page.total, 'account')} {'matches' if page.total == 1 else 'match'} “{clean(text, TYPED)}”"
    long = page.total > PAGE
    plain_text = escape(title) + (f", here {page.span(' to ')}." if long else ".")
    return paged_list(
        snapshot,
        page,
        context,
        title=f"{title} · {page.span('–')}" if long else title,
        text=f"{plain_text} {account_rows.names_by_state(page.rows, snapshot.at, context)}",
        request=Find(text, number),
        elsewhere=see_all(snapshot),
        order="best matches first",
    )


def no_match(snapshot: Snapshot, text: str, context: RenderContext, command: Suggestion | None = None) -> Message:
    """Suggest the account with the most similar spelling, and `command` if one is near."""
    if not snapshot.rows:
        return no_accounts(snapshot, context)
    typed, nearest = clean(text, TYPED), nearest_account(snapshot.rows, text)
    title = f"No account matches “{escape(typed)}”."
    total = many(len(snapshot.rows), "account")
    shown, parts = f"Searched {total} by name, account, seat number and WeChat ID.", [title]
    buttons: dict[str, Block] = {}  # by action_id, which must differ within a block
    if command:
        words = f"/kf {clean(command.words, TYPED)}"
        shown += f"\nDid you mean *{escape(words)}*?"
        parts.append(f"Did you mean {escape(words)}?")
        buttons[command.action_id] = builders.button(f"Run {words}", command.action_id, command.value)
    if nearest:
        account = nearest.account
        label = label_of(account)
        parts.append(f"Nearest: {escape(label)}, {escape(account_of(account.key, account.kf_id))}.")
        value = actions.encode(Show(actions.handle(account.key)))
        buttons[actions.SHOW] = builders.button(f"Show {label}", actions.SHOW, value)
    buttons.setdefault(actions.LIST, see_all(snapshot))
    parts.append(f"{total} searched by name, account and WeChat ID.")
    blocks = [
        builders.section(f"*{title}*\n{shown}"),
        builders.actions(*buttons.values()),
        account_rows.source(snapshot, context, "/kf help"),
    ]
    return Message(" ".join([*parts, account_rows.plain_text_source(snapshot, context)]), blocks)


def _title(page: Page, states: Sequence[AccountStatus], chosen: Sequence[AccountRow]) -> tuple[str, str]:
    """Return the title for the header, and for the fallback text: `3 accounts are rejected`."""
    if not states:
        return f"Accounts {page.span('–')} of {page.total}", f"Accounts {page.span(' to ')} of {page.total}"
    one = page.total == 1
    does = f"need{'s' if one else ''} attention" if states == NEEDS_ATTENTION else _are(states, one=one)
    title = " · ".join([f"{many(page.total, 'account')} {does}", *owner_counts(chosen)])
    if page.total <= PAGE:
        return title, title.replace(" · ", ", ")
    return f"{title} · {page.span('–')}", f"{title.replace(' · ', ', ')}, here {page.span(' to ')}"


def _are(states: Sequence[AccountStatus], *, one: bool) -> str:
    return f"{'is' if one else 'are'} {either(states)}"


def _empty_list(snapshot: Snapshot, states: tuple[AccountStatus, ...], context: RenderContext) -> Message:
    title = "Nothing needs attention" if states == NEEDS_ATTENTION else f"No account {_are(states, one=True)}"
    total = many(len(snapshot.rows), "account")
    hint = _more_expiring(snapshot, states)
    blocks = [
        builders.section(f"*{title}.*"),
        *([builders.context(hint)] if hint else []),
        builders.actions(see_all(snapshot), _filter(snapshot, states)),
        account_rows.source(snapshot, context, total),
    ]
    text = f"{title}.{f' {hint}.' if hint else ''} {total} in all."
    return Message(f"{text} {account_rows.plain_text_source(snapshot, context)}", blocks)


def _filter(snapshot: Snapshot, states: tuple[AccountStatus, ...]) -> Block:
    """Build the menu of all, of all that needs attention, and of the states that occur, with the present choice."""
    total = f"All ({len(snapshot.rows)})"
    options: dict[tuple[AccountStatus, ...], Block] = {(): builders.option(total, actions.encode(List(1)))}
    if snapshot.due or states == NEEDS_ATTENTION:
        due = f"Needs attention ({len(snapshot.due)})"
        options[NEEDS_ATTENTION] = builders.option(due, actions.encode(List(1, NEEDS_ATTENTION)))
    for these in ((state,) for state in AccountStatus if snapshot.counts[state]):
        options[these] = _filter_option(snapshot, these)
    if states not in options:
        options[states] = _filter_option(snapshot, states)
    return builders.select("Filter", actions.FILTER, [*options.values()], initial=options[states])


def _filter_option(snapshot: Snapshot, states: tuple[AccountStatus, ...]) -> Block:
    icons = "".join(builders.ICONS[state] for state in states)
    text = f"{icons} {either(states).capitalize()} ({len(snapshot.only(states))})"
    return builders.option(text, actions.encode(List(1, states)))


def _more_expiring(snapshot: Snapshot, states: Sequence[AccountStatus]) -> str:
    """Mention expiring accounts below a list of waiting ones, since a reader may mean both."""
    expiring = snapshot.counts[AccountStatus.EXPIRING]
    if states != (AccountStatus.WAITING,) or not expiring:
        return ""
    return f"{expiring} more {'is' if expiring == 1 else 'are'} expiring: /kf expiring"
