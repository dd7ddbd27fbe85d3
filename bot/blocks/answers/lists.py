"""Lists of accounts: all, those in some states, and the matches of a search."""

from __future__ import annotations

from collections.abc import Sequence

from bot import actions
from bot.accounts import AccountRow, Snapshot, nearest_account
from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus
from bot.blocks import builders
from bot.blocks.answers import account_rows
from bot.blocks.answers.overview import many_accounts, no_accounts, owner_counts, see_all
from bot.blocks.answers.pagination import PAGE, Page, R, paged_list
from bot.blocks.answers.replies import Suggestion
from bot.blocks.context import RenderContext
from bot.blocks.names import label_of
from bot.ports import Block, Message
from bot.requests import Find, List, Show
from bot.text import TYPED, clean, escape


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
    if not states:
        rows, total = page.rows_in_words(context), page.total
        heading = context.say("Accounts {rows} of {total}, problems first.", rows=rows, total=total)
        text = context.paragraph(heading, account_rows.names_by_state(page.rows, snapshot.at, context))
        title = context.say("Accounts {rows} of {total}", rows=page.rows_shown, total=total)
        order = context.say("problems first")
    else:
        title = list_title(page, states, context)
        counts, order = owner_counts(chosen, context), many_accounts(len(snapshot.rows), context)
        text = _plain_text(page, context.clauses([title, *counts]), states, snapshot, context.as_text)
        title = with_range(" · ".join([title, *counts]), page)
    return paged_list(
        snapshot,
        page,
        context,
        title=title,
        text=text,
        request=List(number, states),
        elsewhere=_filter(snapshot, states, context),
        order=order,
        hint=_more_expiring(snapshot, states, context),
    )


def search_results(
    snapshot: Snapshot, hits: Sequence[AccountRow], text: str, number: int, context: RenderContext
) -> Message:
    """Render a page, counted from 1, of the accounts that match; there is at least one."""
    page = Page.of(hits, number)
    title = context.count(
        "{number} account matches “{text}”",
        "{number} accounts match “{text}”",
        page.total,
        text=clean(text, TYPED),
    )
    return paged_list(
        snapshot,
        page,
        context,
        title=with_range(title, page),
        text=context.paragraph(
            _here(page, escape(title), context), account_rows.names_by_state(page.rows, snapshot.at, context)
        ),
        request=Find(text, number),
        elsewhere=see_all(snapshot, context),
        order=context.say("best matches first"),
    )


def no_match(snapshot: Snapshot, text: str, context: RenderContext, command: Suggestion | None = None) -> Message:
    """Suggest the account with the most similar spelling, and `command` if one is near."""
    if not snapshot.rows:
        return no_accounts(snapshot, context)
    say, nearest = context.say, nearest_account(snapshot.rows, text)
    title = say("No account matches “{text}”.", text=escape(clean(text, TYPED)))
    total = many_accounts(len(snapshot.rows), context)
    shown = [say("Searched {accounts} by name, account, seat number and WeChat ID.", accounts=total)]
    parts = [title]
    buttons: dict[str, Block] = {}  # by action_id, which must differ within a block
    if command:
        words = f"/kf {clean(command.words, TYPED)}"
        shown.append(say("Did you mean {command}?", command=f"*{escape(words)}*"))
        parts.append(say("Did you mean {command}?", command=escape(words)))
        if command.action_id:
            run = say("Run {command}", command=words)
            buttons[command.action_id] = builders.button(run, command.action_id, command.value)
    if nearest:
        label = label_of(nearest.account, context)
        account = escape(account_rows.account(nearest, context))
        parts.append(say("Nearest: {name}, {account}.", name=escape(label), account=account))
        value = actions.encode(Show(actions.handle(nearest.account.key)))
        buttons[actions.SHOW] = builders.button(say("Show {name}", name=label), actions.SHOW, value)
    buttons.setdefault(actions.LIST, see_all(snapshot, context))
    parts.append(say("{accounts} searched by name, account and WeChat ID.", accounts=total))
    blocks = [
        builders.section("\n".join([f"*{title}*", *shown])),
        builders.actions(*buttons.values()),
        account_rows.source(snapshot, context, "/kf help"),
    ]
    return Message(context.paragraph(*parts, account_rows.plain_text_source(snapshot, context)), blocks)


def list_title(page: Page[R], states: Sequence[AccountStatus], context: RenderContext) -> str:
    """Write `3 accounts are rejected`."""
    if states == NEEDS_ATTENTION:
        return context.count("{number} account needs attention", "{number} accounts need attention", page.total)
    return context.count(
        "{number} account is {state}", "{number} accounts are {state}", page.total, state=either(states, context)
    )


def with_range(title: str, page: Page[R]) -> str:
    """Add the numbers of the rows of a long list, as in `43 accounts are bound · 11–20`."""
    return f"{title} · {page.rows_shown}" if page.total > page.size else title


def _here(page: Page[AccountRow], title: str, context: RenderContext) -> str:
    """End the title in the fallback text, with the numbers of the rows of a long list."""
    if page.total <= PAGE:
        return context.say("{what}.", what=title)
    return context.say("{title}, here {rows}.", title=title, rows=page.rows_in_words(context))


def _plain_text(
    page: Page[AccountRow], title: str, states: Sequence[AccountStatus], snapshot: Snapshot, context: RenderContext
) -> str:
    """Write `3 accounts are rejected: Chen, Fan, 夜班一号.`, with the states if there are several."""
    if len(states) > 1:
        by_state = account_rows.names_by_state(page.rows, snapshot.at, context)
        return context.paragraph(_here(page, title, context), by_state)
    names, rows = account_rows.names(page.rows, snapshot.at, context), page.rows_in_words(context)
    if page.total <= PAGE:
        return context.say("{title}: {names}.", title=title, names=names)
    return context.say("{title}, here {rows}: {names}.", title=title, rows=rows, names=names)


def either(states: Sequence[AccountStatus], context: RenderContext) -> str:
    """Write `rejected or expired`."""
    return context.either([context.state(state) for state in states])


def _empty_list(snapshot: Snapshot, states: tuple[AccountStatus, ...], context: RenderContext) -> Message:
    if states == NEEDS_ATTENTION:
        title = context.say("Nothing needs attention.")
    else:
        title = context.say("No account is {state}.", state=either(states, context))
    total = many_accounts(len(snapshot.rows), context)
    hint = _more_expiring(snapshot, states, context)
    blocks = [
        builders.section(f"*{title}*"),
        *([builders.context(hint)] if hint else []),
        builders.actions(see_all(snapshot, context), _filter(snapshot, states, context)),
        account_rows.source(snapshot, context, total),
    ]
    text = context.paragraph(
        title,
        context.say("{what}.", what=hint) if hint else "",
        context.say("{total} in all.", total=total),
        account_rows.plain_text_source(snapshot, context),
    )
    return Message(text, blocks)


def _filter(snapshot: Snapshot, states: tuple[AccountStatus, ...], context: RenderContext) -> Block:
    """Build the menu of all, of all that needs attention, and of the states that occur, with the present choice."""
    total = context.say("All ({number})", number=len(snapshot.rows))
    options: dict[tuple[AccountStatus, ...], Block] = {(): builders.option(total, actions.encode(List(1)))}
    if snapshot.due or states == NEEDS_ATTENTION:
        due = context.say("Needs attention ({number})", number=len(snapshot.due))
        options[NEEDS_ATTENTION] = builders.option(due, actions.encode(List(1, NEEDS_ATTENTION)))
    for these in ((state,) for state in AccountStatus if snapshot.counts[state]):
        options[these] = filter_option(snapshot, these, context)
    if states not in options:
        options[states] = filter_option(snapshot, states, context)
    return builders.select(context.say("Filter"), actions.FILTER, [*options.values()], initial=options[states])


def filter_option(snapshot: Snapshot, states: tuple[AccountStatus, ...], context: RenderContext) -> Block:
    """Build the option for the accounts in these states, with their number."""
    text = context.say(
        "{icon} {state} ({number})",
        icon="".join(builders.ICONS[state] for state in states),
        state=either(states, context).capitalize(),
        number=len(snapshot.only(states)),
    )
    return builders.option(text, actions.encode(List(1, states)))


def _more_expiring(snapshot: Snapshot, states: Sequence[AccountStatus], context: RenderContext) -> str:
    """Mention expiring accounts below a list of waiting ones, since a reader may mean both."""
    expiring = snapshot.counts[AccountStatus.EXPIRING]
    if states != (AccountStatus.WAITING,) or not expiring:
        return ""
    return context.count(
        "{number} more is expiring: /kf expiring", "{number} more are expiring: /kf expiring", expiring
    )
