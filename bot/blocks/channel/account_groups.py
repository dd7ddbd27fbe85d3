"""Messages about several Official Accounts in one channel: a digest, or the first run, with a part for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bot.alerting.episode import Episode
from bot.blocks import builders
from bot.blocks.channel import episode_text, groups
from bot.blocks.channel.digests import noticed
from bot.blocks.channel.groups import FEW, GroupView
from bot.blocks.channel.platform_notices import no_longer_watched
from bot.blocks.channel.thread_replies import ROOM, count_that_fit, sections
from bot.blocks.channel.wording import acknowledged
from bot.blocks.context import RenderContext, RenderMode
from bot.blocks.tenant_label import NamedAccount, TenantLabel
from bot.blocks.times import date
from bot.outbox.messages import MessageKind
from bot.ports import Block, Message
from bot.text import escape

PARTS = (10, 6, 3)  # accounts with names and buttons of their own: the most that fit
NAMED = 25  # further accounts by name
NAMES = 30  # names of an account in the thread
IN_TEXT = 20  # accounts in the fallback text


@dataclass(frozen=True, slots=True)
class AccountGroup:
    """The part of one account."""

    label: TenantLabel
    view: GroupView

    @property
    def name(self) -> str:
        """Return the name as mrkdwn."""
        return escape(self.label.name)

    @property
    def shown(self) -> Sequence[Episode]:
        """Return the open episodes; all of them once none is open."""
        return self.view.open or self.view.all


def render_of_several(
    kind: MessageKind,
    payload: Mapping[str, Any],
    episodes: Sequence[Episode],
    appids: Mapping[str, str],
    accounts: Mapping[str, NamedAccount],
    context: RenderContext,
    *,
    message_id: str,
    posting: bool = False,
) -> Message:
    """Render a message about several accounts. For the other arguments see `notifications.render`.

    Args:
        appids: by episode id.
        accounts: by AppID. One that is not here any more is named by its AppID.
    """
    around = max((episode.state_since for episode in episodes), default=None)
    context = replace(context, around=around, mode=RenderMode.POST if posting else RenderMode.EDIT)
    of_account: dict[str, list[Episode]] = {}
    for episode in episodes:
        of_account.setdefault(appids[episode.id], []).append(episode)
    parts = []
    for appid, group in of_account.items():
        account = accounts.get(appid, NamedAccount(TenantLabel(appid, appid), context))
        policy, is_withdrawn = account.context.policy, account.context.is_withdrawn
        own = replace(context, policy=policy, is_withdrawn=is_withdrawn)
        parts.append(AccountGroup(account.label, GroupView.of(group, payload, own, message_id)))
    parts.sort(key=lambda part: (-len(part.view.open), part.label.name, part.label.appid))
    match kind:
        case MessageKind.MEMBER_LIST:
            message = _names(parts, context)
        case MessageKind.FIRST_RUN:
            message = _first_run(parts, payload, context)
        case _:
            message = _digest(parts, payload, context)
    if payload.get("repeat"):
        repeat = context.say("Possible repeat: Slack did not confirm the first posting.")
        message = Message(context.paragraph(message.text, repeat), [*message.blocks, builders.context(repeat)])
    return message


def _digest(parts: Sequence[AccountGroup], payload: Mapping[str, Any], context: RenderContext) -> Message:
    text, every = context.as_text, [episode for part in parts for episode in part.view.all]
    named = context.say("Every account is named in the thread.") if len(every) > groups.SHOWN else ""
    heading = [_heading(_digest_title(parts, context), parts)]
    due = any(episode_text.needs_user(one, part.view.context) for part in parts for one in part.view.all)
    if context.mode is RenderMode.POST and context.mention and due:
        heading.append(builders.section(context.say("{mention} please take a look.", mention=context.mention)))
    when = context.say("Noticed {when}", when=date(noticed(payload), context))
    end = [builders.context(words) for words in (named, when) if words]
    words = text.paragraph(text.say("{what}.", what=_digest_title(parts, text)), *_counts(parts, text), named)
    most = FEW if named else groups.SHOWN  # without names in the thread, all are here
    shown = [_part(part, groups.buttons, most) for part in parts]
    short = [f"{part.name} {len(part.shown)}" if named else _part_in_short(part, context) for part in parts]
    return _fitting(words, heading, short, shown, end, context)


def _digest_title(parts: Sequence[AccountGroup], context: RenderContext) -> str:
    every = [episode for part in parts for episode in part.view.all]
    still = [episode for episode in every if not episode.closed]
    number, accounts = len(every), _accounts(len(parts), context)
    if not still:
        return context.say("{number} at once in {accounts}: all settled", number=number, accounts=accounts)
    verdict = episode_text.counted(still, context)
    if len(still) < number:
        verdict = context.say("{number} still open", number=len(still))
    return context.say(
        "{number} at once in {accounts}: {verdict}", number=number, accounts=accounts, verdict=verdict
    )


def _first_run(parts: Sequence[AccountGroup], payload: Mapping[str, Any], context: RenderContext) -> Message:
    text, from_now_on = context.as_text, context.say("From now on each change gets its own message.")
    were_here = context.say("These were here before the first look, so they come together and once.")
    title = text.say("{what}.", what=_first_run_title(parts, payload, text))
    heading = [_heading(_first_run_title(parts, payload, context), parts)]
    shown = [_part(part, lambda view: builders.actions(groups.open_the_list(view.context)), FEW) for part in parts]
    end = [builders.context(context.paragraph(were_here, from_now_on))]
    words = text.paragraph(title, *_counts(parts, text), from_now_on)
    short = [f"{part.name} {len(part.shown)}" for part in parts]
    return _fitting(words, heading, short, shown, end, context)


def _first_run_title(parts: Sequence[AccountGroup], payload: Mapping[str, Any], context: RenderContext) -> str:
    watching = context.count(
        "Now watching {number} account of {accounts}",
        "Now watching {number} accounts of {accounts}",
        payload["total"],
        accounts=_accounts(payload["accounts"], context),
    )
    still = sum(len(part.view.open) for part in parts)
    if not still:
        return context.say("{watching}: all of these settled", watching=watching)
    return context.count(
        "{watching}, {number} needs attention", "{watching}, {number} need attention", still, watching=watching
    )


def _accounts(number: int, context: RenderContext) -> str:
    return context.count("{number} Official Account", "{number} Official Accounts", number)


def _heading(title: str, parts: Sequence[AccountGroup]) -> Block:
    is_over = not any(part.view.open for part in parts)
    return builders.section(f"{builders.FINE} *{title}*") if is_over else builders.header(title)


def _part(part: AccountGroup, buttons: Callable[[GroupView], Block], most: int) -> list[Block]:
    """Build the part of an account: at `most` so many of its open episodes by state, and their buttons."""
    view, context = part.view, part.view.context
    if context.is_withdrawn:
        return [builders.context(f"*{part.name}* · {no_longer_watched(context)}")]
    if not view.open:
        counts = episode_text.counted(view.all, context)
        return [builders.context(f"{builders.FINE} *{part.name}* · {counts}")]
    lines = [f"*{part.name}*"]
    for word, group in episode_text.by_state_word(view.open).items():
        state, names = context.capitalized(context.state(word)), episode_text.labels(group, most, context)
        lines.append(
            context.say("{icon} {state}: {names}", icon=episode_text.icon(group[0]), state=state, names=names)
        )
    lines += [f"{builders.PERSON} {acknowledged(action, context)}" for action in view.acknowledgements]
    return [builders.section("\n".join(lines), expand=True), *part.label.on_blocks([buttons(view)])]


def _part_in_short(part: AccountGroup, context: RenderContext) -> str:
    """Write `Harbour Tea (Chen, 夜班一号)`."""
    names = episode_text.labels(part.shown, groups.SHOWN, context)
    return context.say("{name} ({facts})", name=part.name, facts=names)


def _fitting(
    text: str,
    heading: Sequence[Block],
    short: Sequence[str],
    shown: Sequence[Sequence[Block]],
    end: Sequence[Block],
    context: RenderContext,
) -> Message:
    """Build a message with the parts that fit, and the other ones in short."""

    def message(most: int) -> Message:
        others = short[most:]
        also = context.say("Also: {names}", names=context.some(others, NAMED))
        inner = [block for blocks in shown[:most] for block in blocks]
        return Message(text, [*heading, *inner, *([builders.context(also)] if others else []), *end])

    return builders.first_that_fits(*(partial(message, most) for most in PARTS))


def _counts(parts: Sequence[AccountGroup], context: RenderContext) -> list[str]:
    """Write `Harbour Tea: 3 rejected; Night Kiosk: 1 expired; and 4 more.`"""
    clauses = [
        context.say("{name}: {counts}", name=part.name, counts=episode_text.counted(part.shown, context))
        for part in parts
    ]
    return [context.say("{what}.", what=context.some_clauses(clauses, IN_TEXT))] if clauses else []


def _names(parts: Sequence[AccountGroup], context: RenderContext) -> Message:
    """List the episodes of a digest by account, a line for each, and count the accounts that do not fit."""

    def shown(most: int) -> list[Block]:
        lines = [f"*{part.name}*: {episode_text.labels(part.view.all, most, context)}" for part in parts]
        kept = count_that_fit(lines, ROOM, lambda line: builders.size([builders.mrkdwn(line)]))
        more = [context.say("and {number} more", number=len(lines) - kept)] if lines[kept:] else []
        return sections(lines[:kept] + more)

    text = context.as_text.paragraph(*_counts(parts, context.as_text))
    return builders.first_that_fits(lambda: Message(text, shown(NAMES)), lambda: Message(text, shown(FEW)))
