"""Answers without data: help, a corrected command, and replies to buttons and restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot import actions
from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import Episode, UserAction
from bot.blocks import builders, mentions
from bot.blocks.channel.wording import until
from bot.blocks.context import RenderContext
from bot.blocks.times import lead_name
from bot.ports import Block, Message
from bot.requests import Help
from bot.text import TYPED, clean, escape, masked

OUT_OF_DATE = Message(
    "This button is out of date. /kf shows the present state.",
    [builders.section("This button is out of date. */kf* shows the present state.")],
)
RESTARTING = Message(
    "The bot is restarting, please repeat.",
    [builders.section("The bot is restarting, please repeat.")],
)
READING = Message("Reading WeChat…", [builders.context("Reading WeChat…")])
FAILED = Message(
    "This could not be answered. The fault is in the bot, and its log has the reason. Please try again.",
    [
        builders.section(
            f"{builders.TROUBLE} *This could not be answered*\nThe fault is in the bot, not at WeChat."
        ),
        builders.section(
            "*Next:* try again; if it stays, give the time to whoever runs the bot: its log has more."
        ),
    ],
)

NOT_CHECKED = Message(
    "Slack does not say who may use /kf. Please try again in a minute.",
    [
        builders.section(
            f"{builders.TROUBLE} *Slack does not say who may use /kf*\nIt did not name a user group's members."
        ),
        builders.section(
            "*Next:* try again in a minute. If it stays, tell whoever runs this bot: "
            "its log has Slack's reason (setting KF_VIEWERS)."
        ),
    ],
)
NOT_A_MEMBER = Message(
    "This button is for members of the bot's own workspace, and Slack does not report you as one of them. "
    "Ask one of them, or the person who runs this bot, to name you (KF_VIEWERS).",
    [
        builders.section(
            f"{builders.TROUBLE} *This button is for members of the bot's own workspace*\n"
            "Slack does not report you as one of them: this channel is shared with other workspaces."
        ),
        builders.section(
            "*Next:* ask one of them, or the person who runs this bot, to name you (setting KF_VIEWERS)."
        ),
    ],
)
MEMBERSHIP_NOT_CHECKED = Message(
    "Slack does not say whether you belong to the bot's workspace. Please try again in a minute.",
    [
        builders.section(f"{builders.TROUBLE} *Slack does not say whether you belong to the bot's workspace*"),
        builders.section(
            "*Next:* try again in a minute. If it stays, tell the person who runs this bot: "
            "its log has Slack's reason."
        ),
    ],
)
DATABASE_AWAY = Message(
    "The database does not answer. Please try again in a minute.",
    [
        builders.section(f"{builders.TROUBLE} *The database does not answer*"),
        builders.section("*Next:* try again in a minute; */kf status* says when it is back."),
    ],
)

MOST_NAMED = 5

_COMMANDS = {
    "/kf": "what needs attention now",
    "/kf list": "all accounts, ten a page",
    "/kf rejected": "one state, any word below",
    "/kf find chen": "name, account or WeChat ID",
    "/kf show chen@harbour_tea": "one account",
    "/kf status": "is the bot itself well",
}
_STATES = (
    ("expiring", "waiting, less than {lead} left"),
    ("rejected", "the person declined"),
    ("expired", "nobody answered in time"),
    ("waiting", "invited, no answer yet"),
    ("idle", "nobody bound, nobody invited"),
    ("bound", "in use by a person"),
)
_PLAIN_TEXT = (
    "/kf shows what needs attention. /kf list: all accounts. "
    "/kf rejected, expired, expiring, waiting, idle, bound: one state. "
    "/kf find TEXT. /kf show ACCOUNT. /kf status: is the bot well. "
    "States: expiring, waiting with less than {lead} left; rejected, the person declined; "
    "expired, nobody answered in time; waiting, no answer yet; idle, nobody invited; bound, in use."
)
# By command that needs a text: its purpose and an example.
_TOPICS = {
    "find": ("searches names, accounts, seat numbers and WeChat IDs, and any part of them.", "/kf find chen"),
    "show": ("shows one account with all that is known of it.", "/kf show chen@harbour_tea"),
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A command that may have been meant, and the button that runs it."""

    words: str  # after `/kf`, as typed
    action_id: str
    value: str


def guide(leads: Sequence[timedelta], topic: str = "") -> Message:
    """Explain one command that needs a text, or all commands and the icons."""
    if topic:
        does, example = _TOPICS[topic]
        blocks: list[Block] = [
            builders.section(f"*/kf {topic}* {does}\nFor example: `{example}`"),
            builders.actions(builders.button("Help", actions.HELP, actions.encode(Help()))),
        ]
        return Message(f"/kf {topic} {does} For example: {example}", blocks)
    lead = lead_name(max(leads))
    commands = [f"`{command}` – {does}" for command, does in _COMMANDS.items()]
    states = [f"{builders.ICONS[state]} *{state}* – {means.format(lead=lead)}" for state, means in _STATES]
    hidden = masked("bo_example")
    blocks = [
        builders.header("What /kf can do"),
        builders.section("\n".join(commands), expand=True),
        builders.section("\n".join(states), expand=True),
        builders.context(f"Only you see the answers. In channels, WeChat IDs are hidden: {hidden}"),
    ]
    return Message(_PLAIN_TEXT.format(lead=lead), blocks)


def corrected(words: str, message: Message) -> Message:
    """Put above an answer which command it belongs to, since another word was typed."""
    command = escape(f"/kf {clean(words, TYPED)}")
    return Message(
        f"Showing {command}. {message.text}", [builders.context(f"Showing *{command}*"), *message.blocks]
    )


def not_admitted(viewers: Sequence[str]) -> Message:
    """Refuse a user who may not use /kf, and name those who may. Only this user sees it, so no mention notifies."""
    shown = [mentions.mention(id_) for id_ in viewers[:MOST_NAMED]]
    more = len(viewers) - len(shown)
    whom = ", ".join(shown) + (f" and {more} more" if more else "")
    blocks = [
        builders.section(f"*/kf* is not open to everybody here\nIt is for {whom}."),
        builders.section("*Next:* ask one of them, or whoever runs this bot, to add you (setting KF_VIEWERS)."),
    ]
    return Message(
        f"/kf is for {whom}. Ask one of them, or whoever runs this bot, to add you (KF_VIEWERS).", blocks
    )


def carried_out(kind: ActionKind, changed: Sequence[Episode], context: RenderContext) -> Message:
    """Confirm a click that the channel does not show, because Slack no longer allows edits of the message."""
    words, text = (_what_was_done(kind, changed, one) for one in (context, context.as_text))
    return Message(text, [builders.section(words)])


def _what_was_done(kind: ActionKind, changed: Sequence[Episode], context: RenderContext) -> str:
    action = changed[0].snoozed
    match kind:
        case ActionKind.ACKNOWLEDGED:
            return "Acknowledged. No more reminders for this invitation."
        case ActionKind.SNOOZED if action and action.until:
            return f"Snoozed {until(action.until, action.at, context)}."
        case ActionKind.UNSNOOZED:
            return "The snooze is undone."
    return "The acknowledgement is undone."


def unchanged(action_id: str, found: Sequence[Episode], user_id: str, context: RenderContext) -> Message:
    """Explain why a click changed nothing: another click was earlier, perhaps the user's own, or it is too late."""
    words, text = (_why_unchanged(action_id, found, user_id, one) for one in (context, context.as_text))
    return Message(text, [builders.section(words)])


def _why_unchanged(action_id: str, found: Sequence[Episode], user_id: str, context: RenderContext) -> str:
    waiting = [episode for episode in found if not episode.state.closed]
    if not waiting:
        return "This is settled, and needs nobody any more."
    if action_id == actions.UNDO:
        return "There is nothing to undo any more."
    if action := next((episode.acked for episode in waiting if episode.acked), None):
        return f"{_who_has(action, user_id)} acknowledged this already."
    action = next((episode.snoozed for episode in waiting if episode.snoozed), None)
    if action and action.until:
        return f"{_who_has(action, user_id)} snoozed this {until(action.until, action.at, context)}."
    return "This cannot be snoozed any more: no later reminder is left to postpone."


def _who_has(action: UserAction, user_id: str) -> str:
    return "You have" if user_id and action.user_id == user_id else f"{mentions.plain_name(action.name)} has"
